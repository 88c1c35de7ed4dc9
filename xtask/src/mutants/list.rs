//! The mutants, as cargo-mutants lists them.

use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::Task;
use crate::run::{cargo, output};

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

#[derive(Deserialize, Debug)]
pub(super) struct Mutant {
    /// File, place and change.
    pub(super) name: String,
    pub(super) file: String,
    pub(super) genre: Genre,
    pub(super) replacement: String,
    pub(super) span: Span,
}

#[derive(Deserialize, Debug)]
pub(super) struct Span {
    pub(super) start: Place,
    pub(super) end: Place,
}

/// Line and column count from one, the column in characters.
#[derive(Deserialize, Debug)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Mutant {
    /// What is changed, in which function: the name without its place.
    pub(super) fn change(&self) -> &str {
        self.name.split_once(": ").map_or(self.name.as_str(), |(_, change)| change)
    }

    /// The line on which it begins.
    pub(super) fn line<'a>(&self, source: &'a str) -> &'a str {
        source.lines().nth(self.span.start.line - 1).unwrap_or_default().trim()
    }
}

/// Every mutant of the files that `.cargo/mutants.toml` names.
pub(super) fn all() -> Task<Vec<Mutant>> {
    if !is_installed() {
        return Err("cargo-mutants is missing: cargo install --locked cargo-mutants".into());
    }
    let listed = output(mutants(&["--list", "--json"]))?;
    let mutants: Vec<Mutant> = serde_json::from_str(&listed)?;
    if mutants.is_empty() { Err("cargo-mutants lists no mutant".into()) } else { Ok(mutants) }
}

/// A command of cargo-mutants on the crate.
pub(super) fn mutants(arguments: &[&str]) -> Command {
    let mut command = cargo(&["mutants", "--package", "countersign-protocol", "--colors", "never"]);
    command.args(arguments);
    command
}

fn is_installed() -> bool {
    let mut command = cargo(&["mutants", "--version"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
