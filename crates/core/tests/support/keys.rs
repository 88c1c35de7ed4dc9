//! The keys of the recorded access tokens, with their private halves: they are made up and protect nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::error::StoreError;
use countersign_core::session::signing::{KeyRing, KeyTimes, SigningKey};
use countersign_core::session::token::TokenRules;
use countersign_protocol::{Secret, Timestamp};
use serde::Deserialize;

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    rules: Rules,
    pub(crate) rings: BTreeMap<String, Vec<Key>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    issuer: String,
    audience: String,
    max_ttl: u64,
    skew: u64,
}

/// One key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) alg: String,
    published: i64,
    signs_from: i64,
    signs_until: i64,
    verifies_until: i64,
    revoked: Option<i64>,
    pub(crate) jwk: BTreeMap<String, String>,
}

impl Keys {
    pub(crate) fn read() -> Self {
        serde_json::from_slice(&std::fs::read(folder().join("keys.json")).unwrap()).unwrap()
    }

    pub(crate) fn rules(&self) -> TokenRules {
        TokenRules {
            issuer: self.rules.issuer.clone(),
            audience: self.rules.audience.clone(),
            max_ttl: Duration::from_secs(self.rules.max_ttl),
            skew: Duration::from_secs(self.rules.skew),
        }
    }

    pub(crate) fn ring(&self, name: &str) -> Result<KeyRing, StoreError> {
        KeyRing::new(self.rings[name].iter().map(Key::key).collect::<Result<Vec<_>, _>>()?)
    }
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

/// Where the recorded files are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/sessions")
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}
