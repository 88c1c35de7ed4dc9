//! A broken adapter is told from a broken implementation, and each fault has its word.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::time::Duration;

use countersign_conformance::{Conclusion, Report, Settings, Skips, Verdict, report, run, subjects};
use countersign_protocol::Dialects;

fn settings(fault: &str) -> Settings {
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters/broken/adapter.py");
    let mut settings = Settings::new(format!("exec python3 '{}' {fault}", adapter.display()));
    settings.timeout = Duration::from_secs(if fault == "hang" { 3 } else { 60 });
    settings
}

fn run_with(settings: &Settings) -> Report {
    run(settings, &subjects(&Dialects::builtin().unwrap(), Some("hmac-sha256")).unwrap()).unwrap()
}

fn told(fault: &str) -> (Report, String) {
    let report = run_with(&settings(fault));
    let text = report::text(&report);
    (report, text)
}

#[test]
fn without_a_fault_it_conforms() {
    let (report, text) = told("none");
    assert_eq!(report.conclusion(), Conclusion::Conforms, "{text}");
    assert!(report.total().passed > 50 && report.total().failed == 0, "{text}");
}

#[test]
fn a_broken_adapter_is_called_so() {
    for (fault, word) in [
        ("crash", "the adapter died: exit status: 3; its stderr ends: this went wrong"),
        ("crash-at-start", "smoke test: the adapter died: exit status: 1; its stderr ends: as asked"),
        ("crash-once", "the adapter died"),
        ("garbage", "the adapter answers no JSON object: Traceback"),
        ("chatter", "the adapter answers with the id null"),
        ("wrong-id", "the adapter answers with the id"),
        ("dies-of-a-broken-line", "smoke test: the adapter died"),
        ("no-verdict", "`signed` to verify, where `accepted` or `rejected` is the answer"),
    ] {
        let (report, text) = told(fault);
        assert_eq!(report.conclusion(), Conclusion::Broken, "{fault}: {text}");
        assert!(text.contains(word) && text.contains("the adapter is broken"), "{fault}: {text}");
        assert_eq!(report.total().failed, 0, "{fault}: nothing is said of the implementation: {text}");
    }
}

#[test]
fn one_that_hangs_is_ended_and_started_three_times_at_most() {
    let (report, text) = told("hang");
    assert_eq!(report.conclusion(), Conclusion::Broken, "{text}");
    assert_eq!(text.matches("the adapter hangs: no answer within 3 s").count(), 4, "{text}");
}

#[test]
fn one_crash_does_not_hide_the_rest() {
    let (report, text) = told("crash-once");
    assert!(report.total().broken == 1 && report.total().passed > 50, "{text}");
}

#[test]
fn a_broken_implementation_is_called_so() {
    for (fault, word) in [
        ("unsorted-query", "sign: string_to_sign: differs at byte"),
        ("upper-case-signature", "sign: signature: differs at byte 0"),
        ("accepts-everything", "signature_mismatch expected, got accepted"),
        ("refuses-everything", "accepted expected, got rejected"),
        ("throws", "error: the implementation does not know what to do"),
    ] {
        let (report, text) = told(fault);
        assert_eq!(report.conclusion(), Conclusion::Differs, "{fault}: {text}");
        assert!(text.contains(word) && text.contains("the implementation is broken"), "{fault}: {text}");
        assert!(report.broken.is_empty(), "{fault}: {text}");
    }
}

#[test]
fn what_cannot_be_started_is_a_broken_adapter() {
    let report = run_with(&Settings::new("exec /no/such/program"));
    assert_eq!(report.conclusion(), Conclusion::Broken);
}

#[test]
fn an_adapter_of_other_dialects_shows_nothing() {
    let report = run(&settings("none"), &subjects(&Dialects::builtin().unwrap(), Some("oauth1")).unwrap()).unwrap();
    assert_eq!((report.conclusion(), report.not_offered.as_slice()), (Conclusion::Nothing, &["oauth1".to_owned()][..]));
}

#[test]
fn skips_are_counted_and_one_that_would_pass_is_reported() {
    let mut with_skips = settings("unsorted-query");
    let differing: Vec<String> = run_with(&with_skips)
        .checks
        .iter()
        .filter(|check| matches!(check.verdict, Verdict::Failed(_)))
        .map(|check| format!("\"{}\"", check.vector))
        .collect();
    let skip = |more: &str| {
        Skips::read(&format!("skips: [{{ dialect: hmac-sha256, vectors: [{}{more}], reason: it sorts nothing }}]", differing.join(", ")))
    };
    with_skips.skips = skip("").unwrap();
    let report = run_with(&with_skips);
    assert_eq!(report.conclusion(), Conclusion::Conforms, "{}", report::text(&report));
    assert!(report::text(&report).contains("it sorts nothing"));
    with_skips.skips = skip(", post-with-two-signed-headers, no-such-vector").unwrap();
    let report = run_with(&with_skips);
    assert_eq!(report.conclusion(), Conclusion::Differs);
    assert_eq!(
        report.needless_skips,
        ["hmac-sha256 no-such-vector: there is no such vector", "hmac-sha256 post-with-two-signed-headers: it would pass"]
    );
}

#[test]
fn every_form_of_the_report_tells_the_fault() {
    let (report, _) = told("unsorted-query");
    let json = report::json(&report);
    assert_eq!((json["conclusion"].as_str(), json["total"]["failed"].as_u64()), (Some("differs"), Some(report.total().failed)));
    let (junit, html) = (report::junit(&report), report::html(&report));
    assert!(
        junit.contains("<failure message=\"differs from the vector\">") && junit.contains("<testsuite name=\"hmac-sha256\""),
        "{junit}"
    );
    assert!(html.contains("class=\"bad\"") && html.contains("string_to_sign") && !html.contains("<script") && !html.contains("http://"));
    let (broken, _) = told("crash-at-start");
    assert!(report::junit(&broken).contains("<error message=\"the adapter is broken\">"));
    assert_eq!(report::json(&broken)["conclusion"], "broken_adapter");
}
