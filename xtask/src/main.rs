//! The project's tasks, as `cargo xtask TASK`. Each ends with a line `N passed, N failed` and exits non-zero on a failure.
#![expect(clippy::print_stdout, reason = "a task runner speaks to a terminal")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod adapter;
mod canary;
mod conformance;
mod full;
mod fuzz;
mod hmac_only;
mod mutants;
mod new_recorder;
mod package;
mod run;
mod services;
mod steps;
mod tidy;
mod vectors;

use run::Counts;

/// What a task gives: its counts, or why it could not be run.
type Task<T = Counts> = Result<T, Box<dyn Error>>;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's tasks")]
struct Cli {
    #[command(subcommand)]
    task: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold before a change lands
    Test {
        /// The long parts instead: one of them, or all that are not yet stamped with this commit
        #[arg(long, value_name = "PART", num_args = 0..=1, default_missing_value = "all")]
        full: Option<String>,
        /// Only these steps
        #[arg(long = "step", value_name = "STEP", conflicts_with = "full")]
        steps: Vec<String>,
        /// Name the steps and parts, and run none
        #[arg(long)]
        list: bool,
    },
    /// Every vector at every stage in both directions, mutations, property tests, and the benches once; or the vectors
    /// against an implementation in any language
    Conformance(conformance::Asked),
    /// The invariants of the source text
    Tidy,
    /// What the tests need on a machine
    Services {
        #[command(subcommand)]
        action: services::Action,
    },
    /// Coverage-guided fuzzing
    Fuzz {
        #[command(subcommand)]
        action: fuzz::Action,
    },
    /// The vector files
    Vectors {
        #[command(subcommand)]
        action: vectors::Action,
    },
    /// The benches
    Bench {
        /// Run each once, to see that it works
        #[arg(long)]
        smoke: bool,
    },
}

fn main() -> ExitCode {
    let counts = match Cli::parse().task {
        Command::Test { list: true, .. } => steps::list(),
        Command::Test { full: Some(part), .. } => full::run(&part),
        Command::Test { steps, .. } => steps::run(&steps),
        Command::Conformance(asked) if asked.is_of_adapter() => return adapter::run(&asked),
        Command::Conformance(asked) => conformance::run(&asked),
        Command::Tidy => tidy::run(),
        Command::Services { action } => services::run(action),
        Command::Fuzz { action } => fuzz::run(&action),
        Command::Vectors { action } => vectors::run(action),
        Command::Bench { smoke } => run::bench(smoke),
    };
    let counts = counts.unwrap_or_else(|error| {
        println!("error: {error}");
        Counts::FAILED
    });
    println!("{counts}");
    if counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}
