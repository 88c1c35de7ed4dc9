//! The tutorial's code is run as it stands.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use countersign_conformance::{Conclusion, Settings, report, run, subjects};
use countersign_protocol::Dialects;

/// The pieces of Python, in their order.
fn code() -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("TUTORIAL.md")).unwrap();
    let pieces = page.split("```python\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    pieces.collect::<Vec<_>>().join("\n")
}

fn run_code(code: &str) -> (Conclusion, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("adapter.py");
    fs::write(&file, code).unwrap();
    let mut settings = Settings::new(format!("exec python3 '{}'", file.display()));
    settings.timeout = Duration::from_secs(60);
    let report = run(&settings, &subjects(&Dialects::builtin().unwrap(), Some("hmac-sha256")).unwrap()).unwrap();
    (report.conclusion(), report::text(&report))
}

#[test]
fn the_code_of_the_page_conforms() {
    let (conclusion, text) = run_code(&code());
    assert_eq!(conclusion, Conclusion::Conforms, "{text}");
    assert!(!text.contains("skipped"), "{text}");
}

#[test]
fn the_mistake_that_the_page_proposes_is_found() {
    let code = code();
    let broken = code.replace("in sorted(pairs))", "in pairs)");
    assert_ne!(broken, code);
    let (conclusion, text) = run_code(&broken);
    assert_eq!(conclusion, Conclusion::Differs, "{text}");
}
