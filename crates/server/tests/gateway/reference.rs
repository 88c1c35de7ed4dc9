//! The reference of the configuration says what the loader takes: every key, no other, and examples that load.

use std::collections::BTreeSet;

use countersign_protocol::Dialects;
use countersign_server::config::Config;

const REFERENCE: &str = include_str!("../../CONFIG.md");
/// The heading of the keys that stand in no table.
const TOP: &str = "Top of the file";
/// A key that nobody has.
const UNKNOWN: &str = "no-such-key";

/// The sections: heading without its marks, and text.
fn sections() -> Vec<(String, &'static str)> {
    let parts = REFERENCE.split("\n## ").skip(1).filter_map(|part| part.split_once('\n'));
    parts.map(|(heading, text)| (heading.trim_matches('`').to_owned(), text)).collect()
}

/// The rows of the section's table: key and type.
fn rows(text: &str) -> Vec<(String, String)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` | "))
        .map(|(key, rest)| (key.to_owned(), rest.split(" | ").next().unwrap().to_owned()))
        .collect()
}

/// The keys that the loader names when it meets an unknown one in this table; `None` for a table that may be written in
/// another form as well, of which it names no keys.
fn taken(heading: &str) -> Option<BTreeSet<String>> {
    let table = if heading == TOP { "" } else { heading };
    let error = Config::parse("reference", &format!("{table}\n{UNKNOWN} = 1\n")).unwrap_err();
    let names: Vec<&str> = error.fault().split('`').skip(1).step_by(2).collect();
    (names.first() == Some(&UNKNOWN)).then(|| names[1..].iter().map(|name| (*name).to_owned()).collect())
}

/// The examples of a section.
fn examples(text: &'static str) -> Vec<&'static str> {
    text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn every_key_is_described_and_no_other() {
    for (heading, text) in sections() {
        let described: Vec<String> = rows(text).into_iter().map(|(key, _)| key).collect();
        let once: BTreeSet<String> = described.iter().cloned().collect();
        assert_eq!(once.len(), described.len(), "{heading}: a key stands twice");
        match taken(&heading) {
            Some(taken) => assert_eq!(once, taken, "{heading}"),
            // Then the examples, which load, show that each key is one.
            None => once.iter().for_each(|key| assert!(examples(text).concat().contains(key), "{heading}: no example has {key}")),
        }
    }
    assert!(taken(TOP).is_some() && taken("[[route]]").is_some(), "the loader no longer names the keys that it takes");
}

#[test]
fn every_table_has_a_section() {
    let headings: BTreeSet<String> = sections().into_iter().map(|(heading, _)| heading).collect();
    let mut tables = 0;
    for (heading, text) in sections() {
        let parent = if heading == TOP { String::new() } else { format!("{}.", heading.trim_matches(['[', ']'])) };
        for (key, kind) in rows(text) {
            let wanted = match kind.as_str() {
                kind if kind == "table" || kind.ends_with(", or a table") => format!("[{parent}{key}]"),
                "list of tables" => format!("[[{parent}{key}]]"),
                _ => continue,
            };
            tables += 1;
            assert!(headings.contains(&wanted), "{wanted} is not described");
        }
    }
    assert_eq!(tables + 1, headings.len(), "a section describes no table");
}

#[test]
fn every_example_loads() {
    let dialects = Dialects::builtin().unwrap();
    for (heading, text) in sections() {
        let examples = examples(text);
        assert!(!examples.is_empty(), "{heading} has no example");
        for example in examples {
            let config = Config::parse("CONFIG.md", example).unwrap_or_else(|error| panic!("{heading}: {error}\n{example}"));
            let mut faults = config.check(&dialects).faults;
            // The certificates that an example names are not here; everything else of it is looked at.
            faults.retain(|fault| !fault.fault().contains(".pem"));
            assert!(faults.is_empty(), "{heading}: {faults:?}\n{example}");
        }
    }
}
