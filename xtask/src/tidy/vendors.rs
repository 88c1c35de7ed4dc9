//! Rules about vendors' names: they stand in dialect files, in native dialects, in tests and in data, never in the engine.

use std::collections::BTreeSet;

use serde_yaml::Value;

use super::{Project, Source, Violation};

/// Where literals of vendors are meant to be.
const NATIVE: &str = "crates/protocol/src/native";

pub(super) fn no_vendor(project: &Project) -> Vec<Violation> {
    let words = words(project);
    let mut found = Vec::new();
    for source in project.rust().filter(|source| source.is_engine() && !source.path.starts_with(NATIVE)) {
        let is_excepted = |word: &str| project.words.exceptions.iter().any(|e| e.path == source.path && e.word == word);
        for (number, line) in source.lines() {
            let named = named(project, &words, line).into_iter().filter(|word| !is_excepted(word));
            found.extend(named.map(|word| source.at(number, &format!("`{word}` belongs into a dialect file"))));
        }
    }
    found
}

pub(super) fn exceptions_are_needed(project: &Project) -> Vec<Violation> {
    let words = words(project);
    let mut found = Vec::new();
    for exception in &project.words.exceptions {
        let source = project.sources.iter().find(|source| source.path == exception.path);
        let is_used =
            source.is_some_and(|source| source.lines().any(|(_, line)| named(project, &words, line).contains(&exception.word.as_str())));
        if !is_used || exception.reason.trim().is_empty() {
            let fault = format!("the exception of {} for `{}` is not needed, or has no reason", exception.path, exception.word);
            found.push(Violation { path: "xtask/tidy.yaml".to_owned(), line: 0, fault });
        }
    }
    found
}

/// The words that a line says, as whole words in any case.
fn named<'w>(project: &Project, words: &'w BTreeSet<String>, line: &str) -> Vec<&'w str> {
    let mut line = line.to_ascii_lowercase();
    for allowed in &project.words.allowed_text {
        line = line.replace(allowed.as_str(), "");
    }
    words.iter().filter(|word| stands_in(&line, word)).map(String::as_str).collect()
}

fn stands_in(line: &str, word: &str) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    line.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|i| line.as_bytes().get(i));
        !is_word(before) && !is_word(line.as_bytes().get(at + word.len()))
    })
}

/// The vendors, and what only their dialect files say: ids, and names of carried entries.
fn words(project: &Project) -> BTreeSet<String> {
    let mut words = project.words.vendors.clone();
    let files = project.sources.iter().filter(|s| s.path.starts_with("crates/protocol/dialects/") && s.path.ends_with(".yaml"));
    for file in files {
        words.extend(of_dialect(file));
    }
    words.retain(|word| !project.words.common.contains(word));
    words
}

fn of_dialect(file: &Source) -> Vec<String> {
    let value: Value = serde_yaml::from_str(&file.text).unwrap_or(Value::Null);
    let mut words = Vec::from_iter(value["dialect"].as_str().map(str::to_ascii_lowercase));
    for place in ["header", "query", "form", "params", "json"] {
        let names = value["carry"][place].as_mapping().into_iter().flat_map(|map| map.keys());
        words.extend(names.filter_map(Value::as_str).map(str::to_ascii_lowercase));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::tests::project;
    use super::*;

    const DIALECT: (&str, &str) =
        ("crates/protocol/dialects/a-b.yaml", "dialect: a-b\ncarry:\n  header:\n    X-Unheard-Sign: '{signature}'\n    Date: '{time}'\n");

    #[test]
    fn headers_and_ids_of_dialect_files_are_found() {
        let with = |line: &'static str| no_vendor(&project(&[DIALECT, ("crates/core/src/a.rs", line)])).len();
        assert_eq!(with("let name = \"x-unheard-sign\";"), 1);
        assert_eq!(with("if id == \"a-b\" {"), 1);
        assert_eq!(with("// AWS does this"), 1);
        assert_eq!(with("let name = \"date\"; use aws_lc_rs::rand; let lawsuit = 1;"), 0);
    }

    #[test]
    fn native_dialects_tests_and_tasks_may_say_them() {
        let line = "let name = \"x-unheard-sign\";";
        for path in ["crates/protocol/src/native/a.rs", "crates/core/tests/a.rs", "xtask/src/a.rs"] {
            assert_eq!(no_vendor(&project(&[DIALECT, (path, line)])).len(), 0, "{path}");
        }
    }
}
