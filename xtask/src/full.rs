//! `cargo xtask test --full`: the long parts. A part that held is stamped with its commit, and not run again for it.

use std::time::Instant;
use std::{fs, path::PathBuf, process::Command};

use serde::{Deserialize, Serialize};

use crate::run::{Count, Counts, cargo, counted, output};
use crate::{Task, fuzz, mutants, package, root};

/// A long part: its name, what it shows, and how it is run.
struct Part {
    name: &'static str,
    shows: &'static str,
    run: fn() -> Task,
}

const PARTS: &[Part] = &[
    Part { name: "properties", shows: "the property tests with 20,000 cases each", run: properties },
    Part { name: "ambiguity", shows: "all requests of four free characters: none shares its string to sign", run: ambiguity },
    Part { name: "explain", shows: "bugs of clients explained on eight base requests of each protocol", run: explain },
    Part {
        name: "fuzz",
        shows: "30 CPU-minutes of coverage-guided inputs for claims, canonical texts, files and connections",
        run: fuzz::part,
    },
    Part { name: "fleet", shows: "10,000 nonces sent to two gateways at once, each accepted once", run: fleet },
    Part { name: "crash", shows: "20 rounds of a gateway killed under load while the power fails", run: crash },
    Part {
        name: "sessions",
        shows: "two processes rotate one token file 1,000 times; 10,000 schedules of clients, thief and losses",
        run: sessions,
    },
    Part { name: "package", shows: "every published crate builds from its package alone", run: package::built },
    Part { name: "semver", shows: "no published crate breaks what its last release promised", run: package::semver },
    Part { name: "mutants", shows: "every mutant of the code that decides is caught by a test, or explained", run: mutants::run },
];

/// What is kept of a part that held.
#[derive(Serialize, Deserialize)]
struct Stamp {
    part: String,
    commit: String,
    passed: u64,
    seconds: u64,
}

/// Names the parts.
pub(crate) fn list() {
    for part in PARTS {
        println!("--full {:<12} {}", part.name, part.shows);
    }
}

/// Runs one part, or every part that is not stamped with this commit.
pub(crate) fn run(name: &str) -> Task {
    if name != "all" && PARTS.iter().all(|part| part.name != name) {
        return Err(format!("no part `{name}`; see cargo xtask test --list").into());
    }
    let commit = commit()?;
    let mut total = Counts::default();
    for part in PARTS.iter().filter(|part| name == "all" || part.name == name) {
        total += run_part(part, commit.as_deref())?;
    }
    Ok(total)
}

fn run_part(part: &Part, commit: Option<&str>) -> Task {
    println!("\n== {}: {}", part.name, part.shows);
    if let Some(stamp) = read(part.name).filter(|stamp| Some(stamp.commit.as_str()) == commit) {
        println!("held for this commit in {} s", stamp.seconds);
        return Ok(Counts { passed: stamp.passed, failed: 0 });
    }
    let start = Instant::now();
    let counts = (part.run)()?;
    if let (Some(commit), 0, false) = (commit, counts.failed, mutants::is_partial()) {
        let stamp =
            Stamp { part: part.name.to_owned(), commit: commit.to_owned(), passed: counts.passed, seconds: start.elapsed().as_secs() };
        fs::create_dir_all(folder())?;
        fs::write(file(part.name), serde_json::to_vec_pretty(&stamp)?)?;
    }
    Ok(counts)
}

fn properties() -> Task {
    let mut command = long_tests(&format!("(package(countersign-vectors) | package(countersign-protocol)) & ({PROPERTIES})"));
    command.env("PROPTEST_CASES", "20000");
    counted(command, Count::Nextest)
}

/// Optimised: millions of requests are signed.
fn ambiguity() -> Task {
    let mut command = cargo(&["nextest", "run", "--release", "--package", "countersign-vectors", "--test", "ambiguity"]);
    command.args(["--no-fail-fast", "--profile", "long"]).env("COUNTERSIGN_SEARCH", "4");
    counted(command, Count::Nextest)
}

fn explain() -> Task {
    let mut command = cargo(&["nextest", "run", "--release", "--package", "countersign-vectors", "--test", "explain"]);
    command.args(["--no-fail-fast", "--profile", "long"]).env("COUNTERSIGN_EXPLAIN", "8");
    counted(command, Count::Nextest)
}

fn fleet() -> Task {
    let mut command = fleet_tests("shared::");
    command.env("COUNTERSIGN_NONCES", "10000");
    counted(command, Count::Nextest)
}

fn crash() -> Task {
    let mut command = fleet_tests("crash::");
    command.env("COUNTERSIGN_CRASHES", "20");
    counted(command, Count::Nextest)
}

fn sessions() -> Task {
    let mut rotations = fleet_tests("keeper::rotations::");
    rotations.env("COUNTERSIGN_ROTATIONS", "1000");
    let mut total = counted(rotations, Count::Nextest)?;
    let mut schedules = long_tests("package(countersign-core) & test(session::service::suite::model)");
    schedules.env("PROPTEST_CASES", "10000");
    total += counted(schedules, Count::Nextest)?;
    Ok(total)
}

/// The tests of gateways as operators run them, of one module.
fn fleet_tests(module: &str) -> Command {
    long_tests(&format!("binary(fleet) & test(/^{module}/)"))
}

/// Tests that take their time, built as all the others are.
fn long_tests(filter: &str) -> Command {
    cargo(&["nextest", "run", "--workspace", "--all-features", "--no-fail-fast", "--profile", "long", "-E", filter])
}

/// Test files and modules of property tests.
const PROPERTIES: &str = "binary(/^properties$/) | test(/properties::/)";

/// The property tests of the crates that have no I/O, which are built without the others.
pub(crate) fn property_tests() -> Command {
    let mut command = cargo(&["nextest", "run", "--package", "countersign-vectors", "--package", "countersign-protocol", "--all-features"]);
    // The long part takes its time: a test is not stopped.
    command.args(["--no-fail-fast", "--profile", "long", "-E", PROPERTIES]);
    command
}

/// The commit; `None` when there is none or the tree differs from it, so that nothing is stamped that nobody else can have.
fn commit() -> Task<Option<String>> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(root());
        output(command)
    };
    let Ok(head) = git(&["rev-parse", "--verify", "HEAD"]) else { return Ok(None) };
    let is_clean = git(&["status", "--porcelain"])?.trim().is_empty();
    Ok(is_clean.then(|| head.trim().to_owned()))
}

fn read(name: &str) -> Option<Stamp> {
    serde_json::from_slice(&fs::read(file(name)).ok()?).ok()
}

fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}.json"))
}

fn folder() -> PathBuf {
    root().join("target/full")
}
