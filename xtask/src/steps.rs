//! `cargo xtask test`: the steps, each timed, and their sum.

use std::fs;
use std::process::Command;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::run::{Count, Counts, cargo, counted};
use crate::{Task, adapter, canary, conformance, full, hmac_only, package, root, run, services, tidy, vectors};

/// One step: its name, what it shows, and how it is run.
struct Step {
    name: &'static str,
    shows: &'static str,
    /// Whether it asks for nothing but Rust: such a step runs while the services are installed.
    is_plain: bool,
    run: fn() -> Task,
}

/// The step that runs beside others.
const SERVICES: &str = "services";

/// What a step gave, and how long it took.
type Row = (&'static str, Counts, Duration);

/// The steps, quick ones first.
const STEPS: &[Step] = &[
    Step { name: SERVICES, shows: "what the tests need is there, or is installed", is_plain: true, run: services::ready },
    Step { name: "fmt", shows: "the source is formatted", is_plain: true, run: fmt },
    Step { name: "tidy", shows: "the invariants of the source text", is_plain: true, run: tidy::run },
    Step { name: "clippy", shows: "no warning in any target", is_plain: true, run: clippy },
    Step { name: "doc", shows: "the documents build without a warning", is_plain: true, run: doc },
    Step { name: "hmac-only", shows: "signing with HMAC needs no C compiler and few crates", is_plain: true, run: hmac_only::run },
    Step { name: "package", shows: "what is published is whole", is_plain: true, run: package::run },
    Step { name: "test", shows: "unit and integration tests", is_plain: false, run: tests },
    Step { name: "canary", shows: "no secret in anything that the tests logged", is_plain: false, run: canary::run },
    Step { name: "doctest", shows: "the examples in the documents", is_plain: false, run: doctest },
    Step { name: "conformance", shows: "every vector and its mutations", is_plain: false, run: || conformance::vectors(None) },
    Step { name: "coverage", shows: "each feature and reason of each dialect has a vector", is_plain: false, run: conformance::covered },
    Step { name: "adapters", shows: "vendors' SDKs in other languages hold the vectors", is_plain: false, run: adapter::all },
    Step { name: "rules", shows: "what a reader of the vectors relies on", is_plain: false, run: vectors::check_rules },
    Step { name: "schema", shows: "the schema of the vectors is the one of their types", is_plain: false, run: vectors::check_schema },
    Step { name: "record", shows: "the witnesses still give the vectors", is_plain: false, run: vectors::check_record },
    Step { name: "e2e", shows: "unmodified clients through the gateway", is_plain: false, run: e2e },
    Step { name: "bench", shows: "every bench works", is_plain: false, run: || run::bench(true) },
];

/// Names the steps and the long parts.
pub(crate) fn list() -> Task {
    for step in STEPS {
        println!("{:<12} {}", step.name, step.shows);
    }
    full::list();
    Ok(Counts::default())
}

/// Runs the named steps, or all. One that cannot be run is a failure.
pub(crate) fn run(names: &[String]) -> Task {
    let start = Instant::now();
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        return Err(format!("no step `{unknown}`; see cargo xtask test --list").into());
    }
    let table = thread::scope(|scope| {
        let mut table = Vec::new();
        let mut services = None;
        for step in STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)) {
            if step.name == SERVICES {
                services = Some(scope.spawn(|| step.done()));
                continue;
            }
            if !step.is_plain {
                table.extend(services.take().map(joined));
            }
            table.push(step.done());
        }
        table.extend(services.take().map(joined));
        table
    });
    let counts = summary(&table);
    println!("{:<12} {:>26.1}", "all", start.elapsed().as_secs_f64());
    Ok(counts)
}

fn joined(running: ScopedJoinHandle<'_, Row>) -> Row {
    running.join().unwrap_or((SERVICES, Counts::FAILED, Duration::ZERO))
}

impl Step {
    fn done(&self) -> Row {
        println!("\n== {}: {}", self.name, self.shows);
        let start = Instant::now();
        let counts = (self.run)().unwrap_or_else(|error| {
            println!("error: {error}");
            Counts::FAILED
        });
        (self.name, counts, start.elapsed())
    }
}

fn summary(table: &[Row]) -> Counts {
    let mut total = Counts::default();
    println!("\n{:<12} {:>8} {:>8} {:>9}", "step", "passed", "failed", "seconds");
    for (name, counts, time) in table {
        println!("{name:<12} {:>8} {:>8} {:>9.1}", counts.passed, counts.failed, time.as_secs_f64());
        total += *counts;
    }
    total
}

fn fmt() -> Task {
    counted(cargo(&["fmt", "--all", "--check"]), Count::Program)
}

fn clippy() -> Task {
    counted(cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]), Count::Program)
}

fn doc() -> Task {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    counted(command, Count::Program)
}

fn tests() -> Task {
    let mut command = nextest();
    command.env(canary::VARIABLE, canary::fresh_folder()?);
    // The runner refuses a filter that names nothing.
    if has_e2e()? {
        command.args(["-E", "not binary(e2e)"]);
    }
    counted(command, Count::Nextest)
}

fn doctest() -> Task {
    counted(cargo(&["test", "--workspace", "--all-features", "--doc", "--no-fail-fast"]), Count::Libtest)
}

fn e2e() -> Task {
    if !has_e2e()? {
        return Err("no test binary named e2e in any crate".into());
    }
    let mut command = nextest();
    command.args(["-E", "binary(e2e)"]);
    counted(command, Count::Nextest)
}

fn nextest() -> Command {
    cargo(&["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"])
}

/// Test binaries named `e2e` drive the gateway with real clients.
fn has_e2e() -> Task<bool> {
    let crates = fs::read_dir(root().join("crates"))?.flatten().map(|entry| entry.path());
    let mut tests = crates.chain([root().join("xtask")]).map(|folder| folder.join("tests"));
    Ok(tests.any(|tests| tests.join("e2e.rs").exists() || tests.join("e2e/main.rs").exists()))
}
