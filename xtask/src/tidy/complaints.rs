//! The rule that what is said of others is shown by tests that exist.

use std::collections::BTreeSet;

use super::{Project, Source, Violation};

/// The document with the rows.
const DOCUMENT: &str = "docs/COMPLAINTS.md";

/// Each row names at least one test or vector, and each of them exists.
pub(super) fn rows_have_tests(project: &Project) -> Vec<Violation> {
    let Some(document) = project.sources.iter().find(|source| source.path == DOCUMENT) else { return Vec::new() };
    let known = Known::of(project);
    let mut found = Vec::new();
    for (i, line) in document.text.lines().enumerate().filter(|(_, line)| is_row(line)) {
        let tests: Vec<&str> = line.rsplit('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            found.push(document.at(i + 1, "no test"));
        }
        let missing = tests.into_iter().filter(|test| !known.has(test));
        found.extend(missing.map(|test| document.at(i + 1, &format!("there is no test `{test}`"))));
    }
    found
}

/// A row of a table, but for its head and the line below that.
fn is_row(line: &str) -> bool {
    line.starts_with("| ") && !line.starts_with("| complaint |")
}

/// The tests and vectors of the project.
struct Known {
    functions: BTreeSet<String>,
    vectors: BTreeSet<String>,
}

impl Known {
    fn of(project: &Project) -> Self {
        let functions = project.rust().flat_map(functions).collect();
        let vectors = project.sources.iter().filter(|source| source.path.starts_with("vectors/") && source.path.ends_with(".yaml"));
        Self { functions, vectors: vectors.flat_map(vectors_of).collect() }
    }

    fn has(&self, name: &str) -> bool {
        let last = name.rsplit("::").next().unwrap_or(name);
        self.vectors.contains(name) || self.functions.contains(last)
    }
}

/// The names of the functions of a file, and of the tests that are made at run time from a format.
fn functions(source: &Source) -> Vec<String> {
    let declared = source.text.split("fn ").skip(1).map(first_word);
    let made = source.text.split("::").skip(1).map(first_word);
    declared.chain(made).filter(|name| name.contains('_')).map(str::to_owned).collect()
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn vectors_of(source: &Source) -> Vec<String> {
    let dialect = source.path.trim_start_matches("vectors/").trim_end_matches(".yaml");
    let names = source.text.lines().filter_map(|line| line.strip_prefix("- name: "));
    names.map(|name| format!("{dialect}::{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::project;
    use super::*;

    #[test]
    fn a_row_without_a_test_is_found() {
        let test = ("crates/a/tests/b.rs", "fn a_thing_is_refused() {}\nfn not_it() {}\n");
        let vectors = ("vectors/d.yaml", "- name: changed\n");
        let rows = |rows: &str| {
            let text = format!("| complaint | seen at | test |\n|---|---|---|\n{rows}");
            rows_have_tests(&project(&[test, vectors, (DOCUMENT, &text)])).into_iter().map(|v| (v.line, v.fault)).collect::<Vec<_>>()
        };
        assert_eq!(rows("| a | b | `b::a_thing_is_refused`, `d::changed` |\n"), []);
        assert_eq!(rows("| a | b | none |\n"), [(3, "no test".to_owned())]);
        assert_eq!(rows("| a | b | `d::unknown` |\n"), [(3, "there is no test `d::unknown`".to_owned())]);
        assert_eq!(rows("| a | b | `b::another_thing_is_refused` |\n").len(), 1);
    }
}
