//! What the lint finds of dialects that cut values short, make different ones equal, or keep them good for long.
#![cfg(all(feature = "yaml", feature = "lint"))]

use countersign_protocol::lint::{self, Report, Severity};
use countersign_protocol::{Dialect, Part};

fn made(text: &str, more: &str) -> Dialect {
    let time = if more.contains("time:") { "" } else { "time: { format: unix }\n" };
    let yaml = format!(
        "countersign: 1\ndialect: made\ntitle: t\nstring_to_sign: \"{{time}}\\n{{nonce}}\\n{{authority}}\\n{text}\"\nalgorithm: hmac-sha256\n{more}{time}\
         carry: {{ header: {{ X-Time: \"{{time}}\", X-Nonce: \"{{nonce}}\", X-Tag: \"{{signature}}\" }} }}\n"
    );
    Dialect::from_yaml(&yaml).unwrap_or_else(|e| panic!("{e}"))
}

fn report(dialect: &Dialect) -> Report {
    let report = lint::lint(dialect).unwrap_or_else(|e| panic!("{e}"));
    assert!(report.unproved.is_empty(), "{:?}", report.unproved);
    report
}

/// The severity of what was found of a part.
fn found(report: &Report, id: &str, part: &str) -> Option<Severity> {
    let same = |part_of: Option<&Part>| part_of.map(ToString::to_string).unwrap_or_default() == part;
    report.findings.iter().find(|finding| finding.id().as_str() == id && same(finding.part())).map(lint::Finding::severity)
}

const ALL: &str = "{method}\\n{path}\\n{query}\\n{body | sha256 | hex}";

#[test]
fn the_end_that_is_cut_off_is_changed() {
    let text = "{method}\\n{path | first 12}\\n{query}\\n{header.X-Amount | first 20}\\n{body | sha256 | hex}";
    let cut = report(&made(text, ""));
    assert_eq!(found(&cut, "path-unsigned", "path"), Some(Severity::High));
    assert_eq!(found(&cut, "header-free", "header.x-amount"), Some(Severity::Low));
    assert!(cut.findings.iter().all(|finding| !finding.proof().policy().waive.is_empty()), "a route would have to waive the path");
    let parameter = report(&made("{method}\\n{path}\\n{query.amount | first 3}\\n{body | sha256 | hex}", ""));
    assert!(found(&parameter, "query-unsigned", "query.amount").is_some());
    let whole = report(&made("{method}\\n{path}\\n{query}\\n{header.X-Amount}\\n{body | sha256 | hex}", ""));
    assert_eq!((found(&whole, "path-unsigned", "path"), found(&whole, "header-free", "header.x-amount")), (None, None));
}

#[test]
fn letters_and_blanks_that_are_made_one_collide() {
    for (text, part) in [
        ("{method}\\n{path | lower}\\n{query}\\n{body | sha256 | hex}", "path"),
        ("{method}\\n{path}\\n{query | lower}\\n{body | sha256 | hex}", "query"),
        ("{method}\\n{path}\\n{query}\\n{body | trim}", "body"),
        ("{method | lower}\\n{path}\\n{query}\\n{body | sha256 | hex}", "method"),
    ] {
        // The default policy refuses them.
        assert_eq!(found(&report(&made(text, "")), "collision", part), Some(Severity::Info), "{text}");
    }
    let headers = format!("{ALL}\\n{{headers}}");
    let listed = report(&made(&headers, "headers: { sign: [x-a], each: \"{name}:{value | lower}\" }\n"));
    assert_eq!(found(&listed, "collision", "header.x-a"), Some(Severity::High));
    let plain = report(&made(ALL, ""));
    assert!(plain.findings.iter().all(|finding| finding.id().as_str() != "collision"));
}

#[test]
fn a_dialect_that_signs_parameters_of_a_sample_has_samples() {
    for text in ["{query.a}", "{query.b}\\n{query}", "{form.item}\\n{query}"] {
        report(&made(&format!("{{method}}\\n{{path}}\\n{text}\\n{{body | sha256 | hex}}"), ""));
    }
    let only = report(&made(ALL, "query: { only: [a, amount] }\nwaive: [query]\n"));
    assert_eq!(found(&only, "query-unsigned", "query"), Some(Severity::High));
}

#[test]
fn each_reason_why_no_sample_is_accepted_is_told_once() {
    let error = lint::lint(&made(ALL, "require: [header.x-none]\n")).expect_err("nothing signs it").to_string();
    assert_eq!(error.matches("header.x-none is not signed").count(), 1, "{error}");
}

#[test]
fn a_wide_window_is_found() {
    let of = |window: &str| report(&made(ALL, &format!("time: {{ format: unix, window: {window} }}\n")));
    assert_eq!(found(&of("5m"), "wide-window", "time"), None);
    assert_eq!(found(&of("30m"), "wide-window", "time"), Some(Severity::Low));
    assert_eq!(found(&of("366d"), "wide-window", "time"), Some(Severity::Medium));
    let ahead = of("{ past: 5m, future: 300d }");
    assert_eq!(found(&ahead, "wide-window", "time"), Some(Severity::Medium));
    let finding = ahead.findings.iter().find(|finding| finding.id().as_str() == "wide-window").expect("found");
    let [first, last] = finding.proof().exhibits();
    assert_eq!(last.at().seconds() - first.at().seconds(), 300 * 86_400 + 300);
}

#[test]
fn a_long_expiry_weighs_more() {
    let of = |most: &str| {
        let yaml = format!(
            "countersign: 1\ndialect: made\ntitle: t\nstring_to_sign: \"{{expires}}\\n{ALL}\"\nalgorithm: hmac-sha256\n\
             carry: {{ header: {{ E: \"{{expires}}\", S: \"{{signature}}\" }} }}\nexpires: {{ format: unix, max: {most} }}\nreplay: until-expiry\n"
        );
        found(&report(&Dialect::from_yaml(&yaml).unwrap_or_else(|e| panic!("{e}"))), "replay-until-expiry", "")
    };
    assert_eq!([of("1h"), of("7d"), of("366d")], [Some(Severity::Info), Some(Severity::Low), Some(Severity::Medium)]);
}
