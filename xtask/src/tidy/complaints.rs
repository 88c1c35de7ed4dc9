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
    tests: Vec<Test>,
    vectors: BTreeSet<String>,
}

/// A test, and the path of its module: folders, file, and the modules in the file.
struct Test {
    module: Vec<String>,
    name: String,
}

impl Known {
    fn of(project: &Project) -> Self {
        let vectors = project.sources.iter().filter(|source| source.path.starts_with("vectors/") && source.path.ends_with(".yaml"));
        Self { tests: project.rust().flat_map(tests_of).collect(), vectors: vectors.flat_map(vectors_of).collect() }
    }

    fn has(&self, name: &str) -> bool {
        let mut module: Vec<&str> = name.split("::").collect();
        let last = module.pop();
        self.vectors.contains(name) || self.tests.iter().any(|test| Some(test.name.as_str()) == last && test.is_in(&module))
    }
}

impl Test {
    /// Whether these names stand in the path of its module, in this order.
    fn is_in(&self, module: &[&str]) -> bool {
        let mut path = self.module.iter();
        !module.is_empty() && module.iter().all(|name| path.any(|own| own == name))
    }
}

/// The tests of a file: functions below an attribute that ends in `test`, those in a list that is run on each store, and what is made at run time from a
/// text.
fn tests_of(source: &Source) -> Vec<Test> {
    let file = source.path.trim_end_matches(".rs").trim_end_matches("/main");
    let mut module: Vec<String> = file.split('/').map(str::to_owned).collect();
    let depth = module.len();
    let (mut found, mut is_next, mut is_listed) = (Vec::new(), false, false);
    for line in source.text.lines() {
        let text = line.trim();
        match text.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            Some(name) => module.push(name.to_owned()),
            None if line == "}" => module.truncate(depth),
            None => {}
        }
        let mut add = |name: &str| found.push(Test { module: module.clone(), name: name.to_owned() });
        if let Some(name) = text.split("fn ").nth(1).filter(|_| is_next) {
            add(first_word(name));
            is_next = false;
        }
        is_next |= is_test_attribute(text);
        if is_listed {
            text.split(',').map(|name| first_word(name.trim())).filter(|name| !name.is_empty()).for_each(&mut add);
        }
        is_listed = text.starts_with("on_each!(") || is_listed && !text.starts_with(')');
        if source.text.contains("Trial::test(") {
            text.split("::").skip(1).map(first_word).filter(|name| name.contains('_')).for_each(&mut add);
        }
    }
    found
}

fn is_test_attribute(text: &str) -> bool {
    text.strip_prefix("#[").is_some_and(|rest| rest.split(['(', ']']).next().is_some_and(|path| path.rsplit("::").next() == Some("test")))
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
        let code = "#[tokio::test(flavor = \"x\")]\nasync fn a_thing_is_refused() {}\nfn no_test() {}\non_each!(\n    on_every_store,\n);\nmod tests {\n    #[test]\n    fn inner() {}\n}\n";
        let test = ("crates/a/tests/b.rs", code);
        let vectors = ("vectors/d.yaml", "- name: changed\n");
        let rows = |rows: &str| {
            let text = format!("| complaint | seen at | test |\n|---|---|---|\n{rows}");
            rows_have_tests(&project(&[test, vectors, (DOCUMENT, &text)])).into_iter().map(|v| (v.line, v.fault)).collect::<Vec<_>>()
        };
        assert_eq!(rows("| a | b | `b::a_thing_is_refused`, `d::changed` |\n"), []);
        assert_eq!(rows("| a | b | none |\n"), [(3, "no test".to_owned())]);
        assert_eq!(rows("| a | b | `d::unknown` |\n"), [(3, "there is no test `d::unknown`".to_owned())]);
        assert_eq!(rows("| a | b | `tests::b::on_every_store`, `b::inner`, `b::tests::inner` |\n"), []);
        for no_test in ["b::another_thing_is_refused", "b::no_test", "c::a_thing_is_refused", "a_thing_is_refused"] {
            assert_eq!(rows(&format!("| a | b | `{no_test}` |\n")).len(), 1, "{no_test}");
        }
    }
}
