//! One named test for each recorded access token: accepted, or refused with the fault that is written beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::error::StoreError;
use countersign_core::session::signing::{KeyRing, KeyTimes, SigningKey};
use countersign_core::session::token::{TokenRules, mint, verify};
use countersign_protocol::{Secret, Timestamp};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;

/// So many cases are there at least: an empty file does not pass for a good one.
const LEAST: usize = 400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    rules: Rules,
    rings: BTreeMap<String, Vec<Key>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    issuer: String,
    audience: String,
    max_ttl: u64,
    skew: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    kid: String,
    alg: String,
    published: i64,
    signs_from: i64,
    signs_until: i64,
    verifies_until: i64,
    revoked: Option<i64>,
    jwk: BTreeMap<String, String>,
}

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/sessions");
    let keys: Keys = serde_json::from_slice(&std::fs::read(folder.join("keys.json")).unwrap()).unwrap();
    let lines = std::fs::read_to_string(folder.join("access-tokens.jsonl")).unwrap();
    let keys = Arc::new(keys);
    let cases: Vec<Case> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() >= LEAST, "{} cases are there", cases.len());
    let trials = cases.into_iter().map(|case| {
        let keys = Arc::clone(&keys);
        Trial::test(format!("access-tokens::{}", case.id), move || check(&keys, &case).map_err(Failed::from))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn check(keys: &Keys, case: &Case) -> Result<(), String> {
    let told = told(keys, case)?;
    let expected = if case.expect == "accepted" { None } else { case.error.as_deref() };
    if told.as_deref() == expected { Ok(()) } else { Err(format!("expected {expected:?}, told {told:?}")) }
}

/// The word with which the token is refused. One that is accepted says nothing that cannot be minted again.
fn told(keys: &Keys, case: &Case) -> Result<Option<String>, String> {
    let now = at(case.now);
    let Ok(ring) = ring(&keys.rings[&case.key]) else { return Ok(Some("keys_refused".to_owned())) };
    let rules = TokenRules {
        issuer: keys.rules.issuer.clone(),
        audience: keys.rules.audience.clone(),
        max_ttl: Duration::from_secs(keys.rules.max_ttl),
        skew: Duration::from_secs(keys.rules.skew),
    };
    let token = match verify(&case.token, &ring, &rules, now) {
        Ok(token) => token,
        Err(fault) => return Ok(Some(fault.as_str().to_owned())),
    };
    let key = ring.signing(now).ok_or("no key signs")?;
    let again = mint(key, &token).map_err(|fault| fault.to_string())?;
    let same = verify(&again, &ring, &rules, now).is_ok_and(|read| read == token);
    if same || token.iat < u64::try_from(key.times().signs_from.seconds()).unwrap() {
        Ok(None)
    } else {
        Err("minted again it is another one".to_owned())
    }
}

fn ring(keys: &[Key]) -> Result<KeyRing, StoreError> {
    KeyRing::new(keys.iter().map(Key::key).collect::<Result<Vec<_>, _>>()?)
}

impl Key {
    fn key(&self) -> Result<SigningKey, StoreError> {
        let part = |name: &str| URL_SAFE_NO_PAD.decode(&self.jwk[name]).unwrap();
        let (private, public) = match self.jwk["kty"].as_str() {
            "OKP" => (part("d"), part("x")),
            "EC" => (part("d"), [vec![4], part("x"), part("y")].concat()),
            _ => (part("k"), Vec::new()),
        };
        let times = KeyTimes {
            published: at(self.published),
            signs_from: at(self.signs_from),
            signs_until: at(self.signs_until),
            verifies_until: at(self.verifies_until),
            revoked: self.revoked.map(at),
        };
        SigningKey::from_parts(self.kid.clone(), self.alg.parse()?, Secret::new(private), &public, times)
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}
