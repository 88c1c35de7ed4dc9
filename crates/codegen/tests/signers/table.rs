//! Which dialects can be written in which languages: the committed list of what cannot is the whole of it.

use std::collections::BTreeSet;

use countersign_codegen::{Language, support};
use countersign_protocol::Dialects;

/// One line for each dialect and language that is not whole: `dialect language: reason`.
const UNSUPPORTED: &str = include_str!("../unsupported.txt");

#[test]
fn no_dialect_drops_out_unseen() {
    let dialects = Dialects::builtin().unwrap();
    let mut found = BTreeSet::new();
    for dialect in dialects.iter() {
        for language in Language::ALL {
            let place = format!("{} {language}", dialect.id());
            match support(dialect, language) {
                Err(why) => {
                    found.insert(format!("{place}: {why}"));
                }
                Ok(support) => found.extend(support.without.iter().map(|(algorithm, why)| format!("{place}: without {algorithm}: {why}"))),
            }
        }
    }
    let listed: BTreeSet<String> = UNSUPPORTED.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let (new, gone): (Vec<_>, Vec<_>) = (found.difference(&listed).collect(), listed.difference(&found).collect());
    assert!(new.is_empty() && gone.is_empty(), "add to tests/unsupported.txt: {new:#?}\ntake out of it: {gone:#?}");
}
