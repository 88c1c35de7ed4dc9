//! What may be registered: the same rules for each store.

use countersign_protocol::{KeyMaterial, KeyPair, Secret, Timestamp};

use crate::app::{App, NewCredential, StoredCredential};
use crate::error::StoreError;

/// The most bytes of an app's name.
const APP_NAME: usize = 64;
/// The most bytes of a key id: as many as a claim may carry.
const KEY_ID: usize = 128;
/// The most bytes of a secret.
const SECRET: usize = 4_096;
/// The most dialects of a credential.
const DIALECTS: usize = 256;
/// The most labels, scopes, inputs, parts or algorithms.
const ITEMS: usize = 64;
/// The most bytes of a label, scope or input.
const TEXT: usize = 1_024;

/// What the key ids of sessions begin with, before 22 characters of base64url, and of logins that are signed with the caller's own key, before anything.
const SESSIONS: [&str; 2] = ["sk_", "ck_"];
const SELF: &str = "self:";

pub(super) fn check_app(app: &App) -> Result<(), StoreError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if app.name.is_empty() || app.name.len() > APP_NAME || !app.name.bytes().all(plain) {
        let fault = format!("{:?} is no name", app.name);
        return Err(StoreError::Invalid { field: "app", fault, mend: "use 1 to 64 letters, digits, dots, underscores and hyphens" });
    }
    check_count("labels", app.labels.len(), ITEMS)?;
    check_count("scopes", app.scopes.len(), ITEMS)?;
    check_count("addresses", app.addresses.len(), ITEMS)?;
    let texts = app.labels.iter().flat_map(|(name, value)| [name, value]).chain(&app.scopes);
    texts.into_iter().try_for_each(|text| check_text("labels and scopes", text, TEXT))
}

pub(super) fn check_credential(new: &NewCredential) -> Result<(), StoreError> {
    check_text("key id", &new.key_id, KEY_ID)?;
    if is_for_sessions(&new.key_id) {
        let fault = format!("{:?} is of the form of a session's key", new.key_id);
        return Err(StoreError::Invalid {
            field: "key id",
            fault,
            mend: "use one that does not begin with self:, nor with sk_ or ck_ before 22 characters",
        });
    }
    check_count("dialects", new.terms.dialects.len(), DIALECTS)?;
    check_count("inputs", new.terms.inputs.len(), ITEMS)?;
    check_count("secret parts", new.parts.len(), ITEMS)?;
    check_count("algorithms", new.algorithms.len(), ITEMS)?;
    if new.terms.dialects.is_empty() {
        return Err(StoreError::Invalid {
            field: "dialects",
            fault: "there is none".to_owned(),
            mend: "bind the credential to at least one dialect",
        });
    }
    if let Some(other) = new.algorithms.iter().find(|algorithm| algorithm.family() != new.material.family()) {
        let fault = format!("{other} takes another kind of key");
        return Err(StoreError::Invalid { field: "algorithms", fault, mend: "register algorithms of the key's own family" });
    }
    let texts = new.terms.inputs.iter().flat_map(|(name, value)| [name, value]).chain(&new.terms.dialects);
    texts.into_iter().try_for_each(|text| check_text("dialects and inputs", text, TEXT))?;
    if let KeyMaterial::Hmac(secret) = &new.material {
        check_secret(secret)?;
    }
    new.parts.iter().try_for_each(|(name, secret)| check_text("secret parts", name, TEXT).and_then(|()| check_secret(secret)))
}

/// Whether requests under this key id are those of a session: a credential of that id would never be asked for.
fn is_for_sessions(key_id: &str) -> bool {
    let is_id = |rest: &str| rest.len() == 22 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    key_id.starts_with(SELF) || SESSIONS.iter().any(|prefix| key_id.strip_prefix(prefix).is_some_and(is_id))
}

/// Only what nobody can use any more is removed: a key id that is free again could be taken by another app.
pub(super) fn check_removal(stored: &StoredCredential, now: Timestamp) -> Result<(), StoreError> {
    if stored.is_over(now) {
        return Ok(());
    }
    let fault = format!("the credential {:?} is in use", stored.credential.key_id());
    Err(StoreError::Invalid { field: "key id", fault, mend: "switch it off first" })
}

fn check_secret(secret: &Secret) -> Result<(), StoreError> {
    let bytes = secret.expose();
    if bytes.is_empty() || bytes.len() > SECRET {
        let fault = format!("it has {} bytes", bytes.len());
        return Err(StoreError::Invalid { field: "secret", fault, mend: "use 1 to 4096 bytes" });
    }
    if is_public_key(bytes) { Err(StoreError::PublicKeyAsSecret) } else { Ok(()) }
}

/// Whether these bytes are a public key that anyone may know: PEM of any label, or DER.
fn is_public_key(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    let pem = text.starts_with(b"-----BEGIN ") && text.windows(10).any(|w| w == b"PUBLIC KEY" || w == b"CERTIFICAT");
    pem || KeyPair::from_short_public_der(bytes).is_ok()
}

fn check_count(field: &'static str, count: usize, most: usize) -> Result<(), StoreError> {
    if count <= most {
        return Ok(());
    }
    Err(StoreError::Invalid { field, fault: format!("there are {count}"), mend: "use fewer" })
}

fn check_text(field: &'static str, text: &str, most: usize) -> Result<(), StoreError> {
    if !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(StoreError::Invalid {
        field,
        fault: "it is empty, too long, or holds control characters".to_owned(),
        mend: "use a shorter, printable text",
    })
}
