//! `cargo xtask vectors`: the schema of the vector files, and their recording.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clap::Subcommand;
use countersign_protocol::Dialects;
use countersign_vectors::findings::{Findings, PairFindings};

use crate::run::{Count, Counts, counted};
use crate::{Task, root, services};

/// What is done with the vector files.
#[derive(Subcommand, Clone, Copy)]
pub(crate) enum Action {
    /// Record every file from its witnesses anew
    Record,
    /// Record again and compare with the files that are there
    Check,
    /// What the lint finds of each built-in dialect, compared with `vectors/lint/`
    Findings {
        /// Write the files instead. Look at the difference before it is committed: each new line is a weakness, or a fault of a rule
        #[arg(long)]
        write: bool,
    },
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
        Action::Findings { write } => findings(write),
        Action::Schema { check: true } => check_schema(),
        Action::Schema { check: false } => {
            fs::write(schema_file(), countersign_vectors::schema()?)?;
            Ok(Counts::PASSED)
        }
    }
}

/// Compares or writes what is found of each dialect, and of every two.
fn findings(write: bool) -> Task {
    let dialects = Dialects::builtin()?;
    let folder = root().join("vectors/lint");
    let mut files = vec![("pairs".to_owned(), serde_yaml::to_string(&PairFindings::of_all(dialects.iter())?)?)];
    for dialect in dialects.iter() {
        files.push((dialect.id().to_owned(), serde_yaml::to_string(&Findings::of(dialect)?)?));
    }
    let mut counts = Counts::default();
    for (stem, text) in files {
        let file = folder.join(format!("{stem}.yaml"));
        let held = fs::read_to_string(&file).is_ok_and(|committed| committed == text);
        if !held && write {
            fs::create_dir_all(&folder)?;
            fs::write(&file, text)?;
        }
        if !held {
            println!("vectors/lint/{stem}.yaml {}", if write { "is written anew" } else { "is not what is found" });
        }
        counts += Counts::of(held || write);
    }
    Ok(counts)
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
