//! One named test for each recorded access token: accepted, or refused with the fault that is written beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::ExitCode;
use std::sync::Arc;

use countersign_core::session::token::{mint, verify};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;

#[path = "support/keys.rs"]
mod keys;

use keys::{Keys, at, folder};

/// So many cases are there at least: an empty file does not pass for a good one.
const LEAST: usize = 400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    token: String,
    key: String,
    now: i64,
    expect: String,
    error: Option<String>,
    #[serde(rename = "comment")]
    _comment: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let lines = std::fs::read_to_string(folder().join("access-tokens.jsonl")).unwrap();
    let cases: Vec<Case> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() >= LEAST, "{} cases are there", cases.len());
    let keys = Arc::new(Keys::read());
    let trials = cases.into_iter().map(|case| {
        let keys = Arc::clone(&keys);
        Trial::test(format!("access-tokens::{}", case.id), move || check(&keys, &case).map_err(Failed::from))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn check(keys: &Keys, case: &Case) -> Result<(), String> {
    let expected = match (case.expect.as_str(), case.error.as_deref()) {
        ("accepted", None) => None,
        ("refused", Some(error)) => Some(error),
        _ => return Err("it is neither accepted nor refused with an error".to_owned()),
    };
    let told = told(keys, case)?;
    if told.as_deref() == expected { Ok(()) } else { Err(format!("expected {expected:?}, told {told:?}")) }
}

/// The word with which the token is refused. What one says that is accepted can be minted again.
fn told(keys: &Keys, case: &Case) -> Result<Option<String>, String> {
    let Ok(ring) = keys.ring(&case.key) else { return Ok(Some("keys_refused".to_owned())) };
    let token = match verify(&case.token, &ring, &keys.rules(), at(case.now)) {
        Ok(token) => token,
        Err(fault) => return Ok(Some(fault.as_str().to_owned())),
    };
    let key = ring.signing(at(case.now)).ok_or("no key signs")?;
    mint(key, &token).map(|_| None).map_err(|fault| fault.to_string())
}
