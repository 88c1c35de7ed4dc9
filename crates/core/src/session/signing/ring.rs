//! The keys of a moment: which one signs, which verify, and what is published of them.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_protocol::Timestamp;
use serde_json::{Value, json};

use super::store::MOST_KEYS;
use super::{KeyState, SigningAlgorithm, SigningKey};
use crate::error::StoreError;

/// The mark of a point with both coordinates, and the bytes of each (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 0x04;
const COORDINATE: usize = 32;

/// Keys by their names.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: HashMap<String, Arc<SigningKey>>,
}

impl KeyRing {
    /// Takes the keys.
    ///
    /// # Errors
    /// When two have one name, or there are more than [`MOST_KEYS`].
    pub fn new(keys: impl IntoIterator<Item = SigningKey>) -> Result<Self, StoreError> {
        let mut ring = HashMap::new();
        for key in keys {
            let row = || format!("signing key {:?}", key.kid());
            if ring.contains_key(key.kid()) {
                return Err(StoreError::Corrupt { row: row(), fault: "another key has the same name" });
            }
            if ring.len() == MOST_KEYS {
                return Err(StoreError::Corrupt { row: row(), fault: "there are too many keys" });
            }
            ring.insert(key.kid().to_owned(), Arc::new(key));
        }
        Ok(Self { keys: ring })
    }

    /// The key that signs now: of several, the one that began last.
    #[must_use]
    pub fn signing(&self, now: Timestamp) -> Option<&Arc<SigningKey>> {
        let active = self.keys.values().filter(|key| key.times().state(now) == KeyState::Active);
        active.max_by(|a, b| (a.times().signs_from, a.kid()).cmp(&(b.times().signs_from, b.kid())))
    }

    /// The key of this name, if it verifies now.
    #[must_use]
    pub fn verifying(&self, kid: &str, now: Timestamp) -> Option<&SigningKey> {
        self.keys.get(kid).filter(|key| key.times().verifies(now)).map(AsRef::as_ref)
    }

    /// The keys that others can fetch now, by their names: those that verify, but for shared secrets.
    #[must_use]
    pub fn published(&self, now: Timestamp) -> Vec<&SigningKey> {
        let public = self.keys.values().filter(|key| key.algorithm().is_asymmetric() && key.times().verifies(now));
        let mut keys: Vec<&SigningKey> = public.map(AsRef::as_ref).collect();
        keys.sort_by(|a, b| a.kid().cmp(b.kid()));
        keys
    }

    /// What is published now, as a JSON Web Key Set (RFC 7517, section 5).
    #[must_use]
    pub fn jwks(&self, now: Timestamp) -> Value {
        let keys: Vec<Value> = self.published(now).into_iter().filter_map(jwk).collect();
        json!({ "keys": keys })
    }
}

/// The public half (RFC 7518, section 6.2; RFC 8037, section 2). A shared secret has none.
fn jwk(key: &SigningKey) -> Option<Value> {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (kid, alg) = (key.kid(), key.algorithm().as_str());
    match key.algorithm() {
        SigningAlgorithm::EdDsa => {
            Some(json!({ "kty": "OKP", "crv": "Ed25519", "x": text(key.public()), "kid": kid, "alg": alg, "use": "sig" }))
        }
        SigningAlgorithm::Es256 => {
            let (x, y) = key.public().strip_prefix(&[UNCOMPRESSED])?.split_at_checked(COORDINATE)?;
            Some(json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y), "kid": kid, "alg": alg, "use": "sig" }))
        }
        SigningAlgorithm::Hs256 => None,
    }
}
