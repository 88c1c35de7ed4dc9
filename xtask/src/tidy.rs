//! `cargo xtask tidy`: the invariants of the source text, each one check.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use serde::Deserialize;

use crate::run::Counts;
use crate::{Task, root};

mod complaints;
mod engine;
mod readme;
mod text;
mod vendors;

/// A file of the project.
struct Source {
    /// The path below the root, with `/`.
    path: String,
    text: String,
    /// Whether it is a module for tests only.
    is_test: bool,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Rust of a published crate, as opposed to its tests, the tasks and the benches.
    fn is_engine(&self) -> bool {
        self.is_rust() && self.path.starts_with("crates/") && self.path.contains("/src/") && !self.is_test
    }

    /// The files of the modules that this one declares for tests only, with the folders below them.
    fn test_modules(&self) -> Vec<String> {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
        let names = declared.filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';'));
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let folder = stem.strip_suffix("/lib").or_else(|| stem.strip_suffix("/main")).unwrap_or(stem);
        names.map(|name| format!("{folder}/{name}")).collect()
    }

    /// The lines before the module of unit tests, numbered from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let end = lines.windows(2).position(|pair| pair[0].trim() == "#[cfg(test)]" && pair[1].trim_start().starts_with("mod tests"));
        let end = end.unwrap_or(lines.len());
        lines.into_iter().take(end).enumerate().map(|(i, line)| (i + 1, line))
    }

    /// The same lines without those that are only a comment.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn at(&self, line: usize, fault: &str) -> Violation {
        Violation { path: self.path.clone(), line, fault: fault.to_owned() }
    }
}

/// A place where an invariant does not hold.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    path: String,
    line: usize,
    fault: String,
}

/// The words and exceptions of `tidy.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    /// Names of vendors and of their protocols.
    vendors: BTreeSet<String>,
    /// Names in dialect files that belong to nobody.
    common: BTreeSet<String>,
    /// What engine code may say although a vendor's name stands in it.
    allowed_text: BTreeSet<String>,
    /// Files in which a vendor's word may stand, each with its reason.
    exceptions: Vec<Exception>,
    /// What the protocol crate may not use: clocks, sockets, files, environment, randomness.
    impure: BTreeSet<String>,
    /// What may stand nowhere: unfinished work, this machine's paths.
    nowhere: BTreeSet<String>,
    /// Folders and files that are not read.
    unread: BTreeSet<String>,
}

/// A file in which a vendor's word may stand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    path: String,
    word: String,
    reason: String,
}

/// An invariant: its name, and where it does not hold.
type Rule = (&'static str, fn(&Project) -> Vec<Violation>);

const RULES: &[Rule] = &[
    ("every Rust file opens with a //! sentence", text::opens_with_a_sentence),
    ("no mod.rs", text::no_mod_rs),
    ("no unsafe code", text::no_unsafe),
    ("every crate takes the workspace's lints", text::lints_are_inherited),
    ("no ignored test", text::no_ignored_test),
    ("nothing unfinished, no path of a machine", text::nowhere_words),
    ("every dependency has its reason beside it", text::dependencies_have_reasons),
    ("every crate comes from the public registry", text::one_registry),
    ("no vendor's name in the engine", vendors::no_vendor),
    ("every exception is needed and has a reason", vendors::exceptions_are_needed),
    ("the protocol reads no clock, socket, file, environment or random source", engine::protocol_is_pure),
    ("a verdict is built on one line", engine::one_verdict),
    ("tags are compared in one function", engine::one_comparison),
    ("what is said of others is shown by tests that exist", complaints::rows_have_tests),
    ("both READMEs say the same", readme::translations_agree),
];

/// Everything that the rules look at.
struct Project {
    sources: Vec<Source>,
    words: Words,
}

impl Project {
    fn read(root: &Path) -> Task<Self> {
        let words: Words = serde_yaml::from_str(&fs::read_to_string(root.join("xtask/tidy.yaml"))?)?;
        let mut sources = Vec::new();
        walk(root, root, &words.unread, &mut sources)?;
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self::new(sources, words))
    }

    fn new(mut sources: Vec<Source>, words: Words) -> Self {
        let tests: Vec<String> = sources.iter().filter(|source| source.is_rust()).flat_map(Source::test_modules).collect();
        for source in &mut sources {
            source.is_test =
                tests.iter().any(|test| source.path.strip_prefix(test.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')));
        }
        Self { sources, words }
    }

    fn rust(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.is_rust())
    }
}

/// Checks every rule and prints what breaks it.
pub(crate) fn run() -> Task {
    let project = Project::read(&root())?;
    let mut counts = Counts::default();
    for (name, rule) in RULES {
        let violations = rule(&project);
        println!("{} {name}", if violations.is_empty() { "ok  " } else { "FAIL" });
        for violation in &violations {
            println!("    {}:{}: {}", violation.path, violation.line, violation.fault);
        }
        counts += Counts::of(violations.is_empty());
    }
    Ok(counts)
}

/// Reads every text file; hidden folders and those of `unread` are left out.
fn walk(root: &Path, folder: &Path, unread: &BTreeSet<String>, sources: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        if unread.contains(&below) || entry.file_name() == "__pycache__" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(root, &path, unread, sources)?;
        } else if let Ok(text) = fs::read_to_string(&path) {
            sources.push(Source { path: below, text, is_test: false });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A project of these files under the words of the real one.
    pub(super) fn project(files: &[(&str, &str)]) -> Project {
        let words = serde_yaml::from_str(&fs::read_to_string(root().join("xtask/tidy.yaml")).unwrap()).unwrap();
        let sources =
            files.iter().map(|(path, text)| Source { path: (*path).to_owned(), text: (*text).to_owned(), is_test: false }).collect();
        Project::new(sources, words)
    }

    #[test]
    fn unit_tests_are_not_engine_code() {
        let project = project(&[
            ("crates/a/src/b.rs", "//! B.\nfn a() {}\n#[cfg(test)]\nmod suite;\n#[cfg(test)]\nmod tests {\n}\n"),
            ("crates/a/src/b/suite.rs", ""),
            ("crates/a/src/b/suite_of.rs", ""),
        ]);
        assert_eq!(project.sources[0].lines().count(), 4);
        assert_eq!(project.sources[0].code().map(|(number, _)| number).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(project.sources.iter().map(Source::is_engine).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn the_words_are_readable_and_no_exception_is_without_reason() {
        let words = project(&[]).words;
        assert!(words.exceptions.iter().all(|e| !e.reason.trim().is_empty()));
        assert!(words.vendors.iter().all(|word| !words.common.contains(word)));
    }
}
