//! `countersign adapter` before the conformance suite: every vector of every dialect, and every line held against the schema.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use countersign_conformance::{Conclusion, Reasons, Report, Settings, Subject, of_responses, report, run, subjects};
use countersign_protocol::Dialects;
use tempfile::TempDir;

/// Longer bodies are run without a transcript.
const SHORT: usize = 4096;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn settings() -> Settings {
    let of_responses = root().join("vectors/answers/dialects");
    let program = env!("CARGO_BIN_EXE_countersign");
    let mut settings = Settings::new(format!("exec '{program}' --dialects '{}' adapter", of_responses.display()));
    settings.reasons = Reasons::Exact;
    settings.timeout = Duration::from_secs(60);
    settings
}

/// The vectors whose bodies are short, or the others.
fn vectors(short: bool) -> Vec<Subject> {
    let mut all = subjects(&Dialects::builtin().unwrap(), None).unwrap();
    all.extend(of_responses(None).unwrap());
    for subject in &mut all {
        subject.cases.retain(|case| (case.placed.body.len() <= SHORT) == short);
        subject.answers.retain(|case| (case.placed.body.len() <= SHORT) == short);
    }
    all
}

fn conforms(report: &Report) {
    assert_eq!(report.conclusion(), Conclusion::Conforms, "{}", report::text(report));
    let skipped = report.checks.iter().filter(|check| matches!(check.verdict, report::Verdict::Skipped(_)));
    assert_eq!(skipped.count(), 0, "{}", report::text(report));
    assert_eq!(report.not_offered, Vec::<String>::new());
}

#[test]
fn our_adapter_holds_every_vector_and_both_sides_keep_to_the_schema() {
    let folder = TempDir::new().unwrap();
    let transcript = folder.path().join("lines.jsonl");
    let mut settings = settings();
    settings.transcript = Some(transcript.clone());
    let report = run(&settings, &vectors(true)).unwrap();
    conforms(&report);
    assert!(report.checks.iter().any(|check| check.cell == report::Cell::Extra), "no body in pieces, no window, no second key");
    let mut validate = Command::new(root().join(".services/venv/bin/python"));
    validate.arg(root().join("conformance/validate.py")).arg(&transcript).env("PYTHONDONTWRITEBYTECODE", "1");
    let told = validate.output().unwrap();
    assert!(told.status.success(), "{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
}

#[test]
fn our_adapter_holds_long_bodies_too() {
    conforms(&run(&settings(), &vectors(false)).unwrap());
}

#[test]
fn the_schema_refuses_what_is_no_line() {
    let folder = TempDir::new().unwrap();
    let good = r#"{"to":{"id":1,"op":"sign","dialect":"d","credentials":[{"secret":"s"}],"at":"2026-01-02T03:04:05Z","message":{"method":"GET","target":"/"}}}"#;
    let lines = [
        (good.to_owned(), true),
        (good.replace("\"at\"", "\"when\""), false),
        (good.replace("{\"secret\":\"s\"}", "{}"), false),
        (good.replace("\"GET\"", "\"G T\""), false),
        (good.replace("\"to\"", "\"from\""), false),
        (r#"{"from":{"id":1,"result":"signed","stages":{}}}"#.to_owned(), false),
        (r#"{"from":{"id":1,"result":"fine"}}"#.to_owned(), false),
        (r#"{"from":{"id":1,"result":"accepted"}}"#.to_owned(), true),
        (r#"{"to":{"id":1,"op":"verify","dialect":"d","credentials":{"secret":"s"},"at":"2026-01-02T03:04:05.5Z","message":{"kind":"response","status":200,"body_pieces_base64":["AA=="]},"policy":{"window":{"past":"5m","future":"1s"}}}}"#.to_owned(), true),
    ];
    for (index, (line, is_good)) in lines.iter().enumerate() {
        let file = folder.path().join(format!("{index}.jsonl"));
        std::fs::write(&file, line).unwrap();
        let mut validate = Command::new(root().join(".services/venv/bin/python"));
        validate.arg(root().join("conformance/validate.py")).arg(&file).env("PYTHONDONTWRITEBYTECODE", "1");
        assert_eq!(validate.output().unwrap().status.success(), *is_good, "{line}");
    }
}
