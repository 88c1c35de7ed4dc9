//! Another master key for a store: every sealed value is sealed anew, and what is keyed by the old one is keyed by the new.
//!
//! The key of replay entries stays, sealed under the new one: what was seen before is still known.

use countersign_protocol::{KeyMaterial, Secret};

use super::key_bytes;
use super::sealed::{seal_parts, unseal};
use crate::error::StoreError;
use crate::master_key::{MasterKey, Place};
use crate::random::to_hex;

/// The place of the replay key, which belongs to no app.
const REPLAY_KEY: Place<'static> = Place { table: "meta", app: "", credential: "replay key" };

/// What a row holds under its new key.
pub(super) struct Resealed {
    pub(super) sealed: Vec<u8>,
    pub(super) fingerprint: [u8; 32],
    pub(super) secret_index: Option<[u8; 32]>,
}

/// A credential's row under the new key.
pub(super) fn row(old: &MasterKey, new: &MasterKey, app: &str, key_id: &str, sealed: &[u8]) -> Result<Resealed, StoreError> {
    let (material, parts) = unseal(old, app, key_id, sealed)
        .ok_or_else(|| StoreError::Corrupt { row: format!("credential {key_id:?}"), fault: "its key does not open in this place" })?;
    let secret_index = match &material {
        KeyMaterial::Hmac(secret) => Some(new.secret_index(secret)),
        _ => None,
    };
    let fingerprint = new.fingerprint(&key_bytes(&material)?);
    Ok(Resealed { sealed: seal_parts(new, app, key_id, &material, &parts)?, fingerprint, secret_index })
}

/// The rows of `meta` under the new key.
pub(super) fn meta(replay_key: &Secret, new: &MasterKey) -> Result<[(&'static str, String); 2], StoreError> {
    let sealed = new.seal(&REPLAY_KEY, replay_key.expose())?;
    Ok([("master key", new.id().to_owned()), ("replay key", to_hex(&sealed))])
}

/// The replay key: the one that is kept, else the master key's own.
pub(super) fn replay_key(key: &MasterKey, kept: Option<&str>) -> Result<Secret, StoreError> {
    let Some(kept) = kept else { return Ok(key.replay_key().clone()) };
    let opened = from_hex(kept).and_then(|sealed| key.open_sealed(&REPLAY_KEY, &sealed));
    let opened = opened.ok_or(StoreError::Corrupt { row: "replay key".to_owned(), fault: "it does not open" })?;
    Ok(Secret::new(opened.as_slice()))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.remainder().is_empty().then_some(())?;
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
