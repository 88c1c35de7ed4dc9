//! What is known of the mutants: which were caught, kept for the text of their file, and why some need not be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::list::Mutant;
use crate::{Task, root};

/// The reasons, written by hand, and the files of which every mutant was tried, written by the part.
const REASONS: &str = "xtask/mutants.yaml";
const DONE: &str = "xtask/mutants.done.yaml";

/// A mutant that no test catches, and why that is right.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    pub(super) file: String,
    /// The change and its function, as cargo-mutants says them.
    pub(super) mutant: String,
    /// The line on which it begins, where the function has the same change twice.
    line: Option<String>,
    why: String,
}

impl Reason {
    pub(super) fn is_of(&self, mutant: &Mutant, source: &str) -> bool {
        let is_there = self.line.as_deref().is_none_or(|line| line == mutant.line(source));
        self.file == mutant.file && self.mutant == mutant.change() && is_there
    }
}

/// The reasons; each must say something.
pub(super) fn reasons() -> Task<Vec<Reason>> {
    let reasons: Vec<Reason> = serde_yaml::from_str(&fs::read_to_string(root().join(REASONS))?)?;
    match reasons.iter().find(|reason| reason.why.trim().is_empty()) {
        Some(empty) => Err(format!("{REASONS}: no reason for {}", empty.mutant).into()),
        None => Ok(reasons),
    }
}

/// A file of which every mutant was tried.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    /// The digest of the file's text: for another text it says nothing.
    pub(super) text: String,
    pub(super) caught: u64,
    /// Those that the compiler refuses.
    pub(super) unviable: u64,
    /// Those that survive, each of which has a reason.
    pub(super) explained: Vec<String>,
}

impl Done {
    /// Nothing yet, for this text.
    pub(super) fn of(text: &str) -> Self {
        Self { text: digest(text), caught: 0, unviable: 0, explained: Vec::new() }
    }
}

/// The files that are done, by their paths.
pub(super) fn done() -> Task<BTreeMap<String, Done>> {
    match fs::read_to_string(root().join(DONE)) {
        Ok(text) => Ok(serde_yaml::from_str(&text)?),
        Err(_) => Ok(BTreeMap::new()),
    }
}

pub(super) fn write_done(done: &BTreeMap<String, Done>) -> Task<()> {
    let head = "# Written by `cargo xtask test --full mutants`: the files of which every mutant was tried.\n";
    Ok(fs::write(root().join(DONE), head.to_owned() + &serde_yaml::to_string(done)?)?)
}

/// The digest of a text.
pub(super) fn digest(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

/// What a mutant came to.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    Caught,
    Unviable,
}

/// The mutants of one text of a file that came to an end, by their names, kept in `target/full/mutants`.
pub(super) struct Ends {
    file: PathBuf,
    pub(super) known: BTreeMap<String, End>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    mutant: String,
    end: End,
    by: String,
}

impl Ends {
    pub(super) fn of(text: &str) -> Self {
        let file = root().join("target/full/mutants").join(format!("{}.jsonl", digest(text)));
        let rows = fs::read_to_string(&file).unwrap_or_default();
        let rows = rows.lines().filter_map(|line| serde_json::from_str::<Row>(line).ok());
        Self { file, known: rows.map(|row| (row.mutant, row.end)).collect() }
    }

    /// Adds one, at once on the disk.
    pub(super) fn add(&mut self, mutant: &Mutant, end: End, by: &str) -> Task<()> {
        fs::create_dir_all(self.file.parent().unwrap_or(&root()))?;
        let row = Row { mutant: mutant.name.clone(), end, by: by.to_owned() };
        let mut file = OpenOptions::new().create(true).append(true).open(&self.file)?;
        writeln!(file, "{}", serde_json::to_string(&row)?)?;
        self.known.insert(row.mutant, end);
        Ok(())
    }
}

/// Which mutants are tried in this run: those of one shard, `k/n`.
pub(super) fn shard(count: usize, asked: Option<&str>) -> Task<BTreeSet<usize>> {
    let Some(asked) = asked else { return Ok((0..count).collect()) };
    let parsed = asked.split_once('/').and_then(|(k, n)| Some((k.parse::<usize>().ok()?, n.parse::<usize>().ok()?)));
    match parsed {
        Some((k, n)) if k < n => Ok((0..count).filter(|number| number % n == k).collect()),
        _ => Err(format!("`{asked}` is no shard: 0/4 is the first of four").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::list::{Genre, Place, Span};

    #[test]
    fn shards_part_the_mutants() {
        let of = |asked: &str| shard(5, Some(asked)).unwrap();
        assert_eq!(
            (of("0/2"), of("1/2"), shard(2, None).unwrap()),
            (BTreeSet::from([0, 2, 4]), BTreeSet::from([1, 3]), BTreeSet::from([0, 1]))
        );
        for odd in ["", "2/2", "0", "0/0", "a/b"] {
            assert!(shard(5, Some(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_reason_is_of_one_change_wherever_it_stands() {
        let place = |line| Place { line, column: 1 };
        let mutant = Mutant {
            name: "src/a.rs:2:1: replace == with != in f".to_owned(),
            file: "src/a.rs".to_owned(),
            genre: Genre::BinaryOperator,
            replacement: "!=".to_owned(),
            span: Span { start: place(2), end: place(2) },
        };
        let reason = |mutant: &str, line: Option<&str>| Reason {
            file: "src/a.rs".to_owned(),
            mutant: mutant.to_owned(),
            line: line.map(str::to_owned),
            why: "it is the same".to_owned(),
        };
        let source = "fn f() {\n    a == b\n}\n";
        let same = "replace == with != in f";
        assert!(reason(same, None).is_of(&mutant, source) && reason(same, Some("a == b")).is_of(&mutant, source));
        assert!(!reason(same, Some("a == c")).is_of(&mutant, source) && !reason("replace == with != in g", None).is_of(&mutant, source));
    }
}
