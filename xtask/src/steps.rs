//! `cargo xtask test`: the steps, each timed, and their sum.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::run::{Count, Counts, cargo, counted};
use crate::{Task, canary, conformance, full, hmac_only, package, root, run, services, tidy, vectors};

/// One step: its name, what it shows, and how it is run.
struct Step {
    name: &'static str,
    shows: &'static str,
    run: fn() -> Task,
}

/// The steps, quick ones first.
const STEPS: &[Step] = &[
    Step { name: "services", shows: "what the tests need is there, or is installed", run: services::ready },
    Step { name: "fmt", shows: "the source is formatted", run: fmt },
    Step { name: "tidy", shows: "the invariants of the source text", run: tidy::run },
    Step { name: "clippy", shows: "no warning in any target", run: clippy },
    Step { name: "doc", shows: "the documents build without a warning", run: doc },
    Step { name: "hmac-only", shows: "signing with HMAC needs no C compiler and few crates", run: hmac_only::run },
    Step { name: "package", shows: "what is published is whole", run: package::run },
    Step { name: "test", shows: "unit and integration tests", run: tests },
    Step { name: "canary", shows: "no secret in anything that the tests logged", run: canary::run },
    Step { name: "doctest", shows: "the examples in the documents", run: doctest },
    Step { name: "conformance", shows: "every vector and its mutations", run: || conformance::vectors(None) },
    Step { name: "schema", shows: "the schema of the vectors is the one of their types", run: vectors::check_schema },
    Step { name: "record", shows: "the witnesses still give the vectors", run: vectors::check_record },
    Step { name: "e2e", shows: "unmodified clients through the gateway", run: e2e },
    Step { name: "bench", shows: "every bench works", run: || run::bench(true) },
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
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        return Err(format!("no step `{unknown}`; see cargo xtask test --list").into());
    }
    let mut table = Vec::new();
    for step in STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)) {
        println!("\n== {}: {}", step.name, step.shows);
        let start = Instant::now();
        let counts = (step.run)().unwrap_or_else(|error| {
            println!("error: {error}");
            Counts::FAILED
        });
        table.push((step.name, counts, start.elapsed()));
    }
    Ok(summary(&table))
}

fn summary(table: &[(&str, Counts, Duration)]) -> Counts {
    let mut total = Counts::default();
    println!("\n{:<12} {:>8} {:>8} {:>9}", "step", "passed", "failed", "seconds");
    for (name, counts, time) in table {
        println!("{name:<12} {:>8} {:>8} {:>9.1}", counts.passed, counts.failed, time.as_secs_f64());
        total += *counts;
    }
    println!("{:<12} {:>26.1}", "all", table.iter().map(|(_, _, time)| time.as_secs_f64()).sum::<f64>());
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
