//! `cargo xtask vectors`: the schema of the vector files, and their recording.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clap::Subcommand;

use crate::run::{Count, Counts, counted};
use crate::{Task, root, services};

/// What is done with the vector files.
#[derive(Subcommand, Clone, Copy)]
pub(crate) enum Action {
    /// Record every file from its witnesses anew
    Record,
    /// Record again and compare with the files that are there
    Check,
    /// Write `vectors/schema.json` from the types of the loader
    Schema {
        /// Compare with the file that is there instead
        #[arg(long)]
        check: bool,
    },
}

/// Runs an action.
pub(crate) fn run(action: Action) -> Task {
    match action {
        Action::Record => record(&["--out", "vectors"]),
        Action::Check => check_record(),
        Action::Schema { check: true } => check_schema(),
        Action::Schema { check: false } => {
            fs::write(schema_file(), countersign_vectors::schema()?)?;
            Ok(Counts::PASSED)
        }
    }
}

/// Whether the committed schema is the one of the types.
pub(crate) fn check_schema() -> Task {
    let held = fs::read_to_string(schema_file()).is_ok_and(|text| countersign_vectors::schema().is_ok_and(|schema| schema == text));
    if !held {
        println!("vectors/schema.json is not the schema of the types; run `cargo xtask vectors schema`");
    }
    Ok(Counts::of(held))
}

/// Whether the witnesses still give the committed vectors.
pub(crate) fn check_record() -> Task {
    record(&["--check"])
}

fn record(arguments: &[&str]) -> Task {
    let mut command = Command::new(services::python());
    command.arg("vectors/record/record.py").args(arguments).current_dir(root()).env("PYTHONDONTWRITEBYTECODE", "1");
    counted(command, Count::Program)
}

fn schema_file() -> PathBuf {
    root().join("vectors/schema.json")
}
