//! Rules about the protocol crate: what it may not use, and what may stand on one line only.

use super::{Project, Source, Violation};

const PROTOCOL: &str = "crates/protocol/src/";

pub(super) fn protocol_is_pure(project: &Project) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in protocol(project) {
        for (number, line) in source.code() {
            let words = project.words.impure.iter().filter(|word| line.contains(word.as_str()));
            found.extend(words.map(|word| source.at(number, &format!("`{word}` in the protocol crate"))));
        }
    }
    found
}

/// `Verified { .. }` is written once outside its declaration and its `impl` blocks.
pub(super) fn one_verdict(project: &Project) -> Vec<Violation> {
    let is_declaration = |line: &str| {
        ["struct Verified", "impl ", "for Verified", "-> Verified", "&Verified", "let Verified {"].iter().any(|word| line.contains(word))
    };
    let built = |line: &str| line.contains("Verified {") && !is_declaration(line);
    exactly_one(project, "a verdict", built)
}

/// The constant-time comparison of tags is called in `SigningKey::holds`, and that on one line.
pub(super) fn one_comparison(project: &Project) -> Vec<Violation> {
    let mut found = exactly_one(project, "a call of the comparison", |line| line.contains("key.holds("));
    let is_home = |source: &Source| source.path == format!("{PROTOCOL}secret.rs");
    for home in protocol(project).filter(|source| is_home(source)) {
        let equal = |line: &str| line.contains("derive(") && line.contains("PartialEq") || line.contains("self.0 == ");
        found.extend(
            home.code().filter(|(_, line)| equal(line)).map(|(n, _)| home.at(n, "an equality that is not of constant time: use ct_eq")),
        );
        let (equalities, constant) = (count(home, "fn eq("), count(home, ".ct_eq("));
        if equalities != constant {
            found.push(home.at(1, &format!("{equalities} equalities, and {constant} of constant time: use ct_eq in each")));
        }
    }
    for source in protocol(project).filter(|source| !is_home(source)) {
        let compares = |line: &str| line.contains("ct_eq") || line.contains("ConstantTimeEq");
        found.extend(source.code().filter(|(_, line)| compares(line)).map(|(n, _)| source.at(n, "compare through the types of secret.rs")));
    }
    found
}

fn count(source: &Source, word: &str) -> usize {
    source.code().filter(|(_, line)| line.contains(word)).count()
}

fn exactly_one(project: &Project, what: &str, holds: impl Fn(&str) -> bool) -> Vec<Violation> {
    let mut places: Vec<Violation> = Vec::new();
    for source in protocol(project) {
        places.extend(source.code().filter(|(_, line)| holds(line)).map(|(n, _)| source.at(n, &format!("{what}: exactly one is meant"))));
    }
    match places.len() {
        0 => vec![Violation { path: PROTOCOL.to_owned(), line: 0, fault: format!("{what}: none found") }],
        1 => Vec::new(),
        _ => places,
    }
}

fn protocol(project: &Project) -> impl Iterator<Item = &Source> {
    project.rust().filter(|source| source.path.starts_with(PROTOCOL) && !source.is_test)
}

#[cfg(test)]
mod tests {
    use super::super::tests::project;
    use super::*;

    const FILE: &str = "crates/protocol/src/a.rs";

    #[test]
    fn a_clock_in_the_protocol_is_found() {
        assert_eq!(protocol_is_pure(&project(&[(FILE, "let now = SystemTime::now();\n")])).len(), 1);
        assert_eq!(protocol_is_pure(&project(&[(FILE, "// SystemTime\n")])).len(), 0);
        assert_eq!(protocol_is_pure(&project(&[("crates/core/src/a.rs", "SystemTime::now();\n")])).len(), 0);
    }

    #[test]
    fn a_second_verdict_is_found() {
        let once = "pub struct Verified {\nimpl Verified {\nOk(Verified { key })\n";
        assert_eq!(one_verdict(&project(&[(FILE, once)])).len(), 0);
        assert_eq!(one_verdict(&project(&[(FILE, once), ("crates/protocol/src/b.rs", "Verified { key }\n")])).len(), 2);
        assert_eq!(one_verdict(&project(&[])).len(), 1);
    }

    #[test]
    fn a_comparison_elsewhere_is_found() {
        let once = "key.holds(a, b, c)\n";
        assert_eq!(one_comparison(&project(&[(FILE, once)])).len(), 0);
        assert_eq!(one_comparison(&project(&[(FILE, once), ("crates/protocol/src/b.rs", "a.ct_eq(b)\n")])).len(), 1);
    }

    #[test]
    fn an_equality_of_secrets_that_takes_its_time_is_found() {
        let found = |text: &str| one_comparison(&project(&[(FILE, "key.holds(a, b, c)\n"), ("crates/protocol/src/secret.rs", text)])).len();
        assert_eq!(found("fn eq(&self, other: &Self) -> bool {\nself.0.ct_eq(&other.0).into()\n"), 0);
        assert_eq!(found("fn eq(&self, other: &Self) -> bool {\nself.as_bytes().eq(other.as_bytes())\n"), 1);
        assert_eq!(found("#[derive(Clone, PartialEq)]\n"), 1);
    }
}
