//! `cargo xtask vectors`: the vector files: their recording, their rules, their schema, and their archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Subcommand;
use countersign_conformance::{archive, lint};
use countersign_protocol::Dialects;
use countersign_vectors::files;
use countersign_vectors::findings::{Findings, PairFindings};

use crate::run::{Count, Counts, counted};
use crate::{Task, new_recorder, root, services};

/// What is done with the vector files.
#[derive(Subcommand, Clone)]
pub(crate) enum Action {
    /// Write a recorder for a dialect, to be filled in: `vectors/record/DIALECT.py`
    New {
        /// The dialect's id
        dialect: String,
        /// Write it there
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Bring files into their one form
    Fmt {
        /// Tell which differ, and write none
        #[arg(long)]
        check: bool,
        /// The files; absent: all
        files: Vec<PathBuf>,
    },
    /// What a reader must be able to rely on: names, reasons, sources, one fault for each refusal
    Lint {
        /// Only the vectors of this dialect
        dialect: Option<String>,
    },
    /// Pack every vector as JSON, with schema and index, into one tar file of stable bytes
    Export {
        /// The file; absent: `target/countersign-vectors-VERSION.tar`
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
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
        Action::New { dialect, out } => new_recorder::write(&dialect, out.as_deref()),
        Action::Fmt { check, files } => format(check, &files),
        Action::Lint { dialect } => lint_files(dialect.as_deref()),
        Action::Export { out } => export(out),
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

/// Whether the vectors keep the rules of their files.
pub(crate) fn check_rules() -> Task {
    lint_files(None)
}

fn lint_files(only: Option<&str>) -> Task {
    let dialects = Dialects::builtin()?;
    let mut counts = Counts::default();
    for (stem, text) in files().filter(|(stem, _)| only.is_none_or(|only| only == *stem)) {
        let faults = match dialects.get(stem) {
            Some(dialect) => lint::lint(dialect, text),
            None => vec!["there is no dialect of this name".to_owned()],
        };
        for fault in &faults {
            println!("vectors/{stem}.yaml: {fault}");
        }
        counts += Counts::of(faults.is_empty());
    }
    if counts == Counts::default() { Err("no such file of vectors".into()) } else { Ok(counts) }
}

fn format(check: bool, files: &[PathBuf]) -> Task {
    let mut command = Command::new(services::python());
    command.arg(root().join("vectors/record/fmt.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    if check {
        command.arg("--check");
    }
    if files.is_empty() {
        command.args(yaml_files(&root().join("vectors"))?);
    }
    command.args(files);
    counted(command, Count::Program)
}

fn yaml_files(folder: &Path) -> Task<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    found.sort();
    Ok(found)
}

fn export(out: Option<PathBuf>) -> Task {
    let name = format!("countersign-vectors-{}.tar", archive::version());
    let file = out.unwrap_or_else(|| root().join("target").join(name));
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let bytes = archive::archive()?;
    fs::write(&file, &bytes).map_err(|e| format!("{}: {e}", file.display()))?;
    println!("{}  {}", archive::sha256(&bytes), file.display());
    Ok(Counts::PASSED)
}

fn record(arguments: &[&str]) -> Task {
    let mut command = Command::new(services::python());
    command.arg("vectors/record/record.py").args(arguments).current_dir(root()).env("PYTHONDONTWRITEBYTECODE", "1");
    counted(command, Count::Program)
}

fn schema_file() -> PathBuf {
    root().join("vectors/schema.json")
}
