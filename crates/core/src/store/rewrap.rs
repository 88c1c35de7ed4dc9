//! Another master key for a store: every sealed value is sealed anew, and what is keyed by the old one is keyed by the new.
//!
//! The keys of replay entries and of sessions stay, sealed under the new one: what was seen before is still known, and nobody is logged out.

use countersign_protocol::{KeyMaterial, Secret};

use super::key_bytes;
use super::sealed::{seal_parts, unseal};
use crate::error::StoreError;
use crate::master_key::{MasterKey, Place};
use crate::random::to_hex;

/// Keys that stay when the master key is replaced: what was made with them is still known.
#[derive(Debug)]
pub(super) struct KeptKeys {
    /// Replay entries are hashed under it.
    pub(super) replay: Secret,
    /// Refresh tokens and the signing keys of sessions are made from it.
    pub(super) session: Secret,
}

/// The names of their rows in `meta`, which are their places too: they belong to no app.
const REPLAY: &str = "replay key";
const SESSION: &str = "session key";
/// The rows of `meta` that [`KeptKeys::open`] is given.
pub(super) const KEPT: &str = "SELECT name, value FROM meta WHERE name IN ('replay key', 'session key')";

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

/// What a table seals beside credentials, each row for itself: the table, the column of its name, the sealed column.
pub(super) const SEALED: [(&str, &str, &str); 2] = [("signing_key", "kid", "sealed"), ("users", "id", "totp")];

/// A value of such a table under the new key.
pub(super) fn value(old: &MasterKey, new: &MasterKey, table: &'static str, name: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let place = Place { table, app: "", credential: name };
    let opened = old.open_sealed(&place, sealed);
    let opened = opened.ok_or_else(|| StoreError::Corrupt { row: format!("{table} {name:?}"), fault: "it does not open" })?;
    new.seal(&place, &opened)
}

impl KeptKeys {
    /// The keys that are kept; those that are not are the master key's own.
    pub(super) fn open(key: &MasterKey, rows: &[(String, String)]) -> Result<Self, StoreError> {
        let open = |name: &'static str, own: &Secret| -> Result<Secret, StoreError> {
            let Some((_, kept)) = rows.iter().find(|(row, _)| row == name) else { return Ok(own.clone()) };
            let opened = from_hex(kept).and_then(|sealed| key.open_sealed(&place(name), &sealed));
            let opened = opened.ok_or_else(|| StoreError::Corrupt { row: name.to_owned(), fault: "it does not open" })?;
            Ok(Secret::new(opened.as_slice()))
        };
        Ok(Self { replay: open(REPLAY, key.replay_key())?, session: open(SESSION, key.session_key())? })
    }

    /// The rows of `meta` under the new key.
    pub(super) fn meta(&self, new: &MasterKey) -> Result<[(&'static str, String); 3], StoreError> {
        let sealed = |name, key: &Secret| Ok::<_, StoreError>((name, to_hex(&new.seal(&place(name), key.expose())?)));
        Ok([("master key", new.id().to_owned()), sealed(REPLAY, &self.replay)?, sealed(SESSION, &self.session)?])
    }
}

const fn place(name: &'static str) -> Place<'static> {
    Place { table: "meta", app: "", credential: name }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.remainder().is_empty().then_some(())?;
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
