//! Where signing keys are kept.

use std::fmt::Debug;
use std::time::Duration;

use countersign_protocol::Timestamp;

use super::SigningKey;
use crate::error::StoreError;
use crate::store::Answer;

/// The most keys that a store gives and a ring takes.
pub const MOST_KEYS: usize = 64;
/// How long a row stays once its key is gone.
pub(super) const KEPT: Duration = Duration::from_hours(90 * 24);

/// A change of the keys, which is made if nobody else made one before.
#[derive(Debug)]
pub struct KeyChange {
    /// The key to add.
    pub add: Option<SigningKey>,
    /// The key whose signing ends at another instant.
    pub end: Option<Ending>,
    /// The names of the keys that verify, as they were when this was decided. If they are others now, nothing is changed.
    pub seen: Vec<String>,
    /// When it was decided.
    pub at: Timestamp,
}

/// Other ends for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Its name.
    pub kid: String,
    /// From when on it signs no more.
    pub signs_until: Timestamp,
    /// From when on it verifies no more.
    pub verifies_until: Timestamp,
}

/// A store of signing keys.
pub trait SigningKeyStore: Debug + Send + Sync {
    /// The keys that verify at this instant or later, and those of them that were revoked: at most [`MOST_KEYS`], the revoked ones last.
    fn signing_keys(&self, at: Timestamp) -> Answer<'_, Vec<SigningKey>>;

    /// Makes a change, all of it or nothing: whether it was made.
    fn change_signing_keys(&self, change: KeyChange) -> Answer<'_, bool>;

    /// Ends a key at once. One that was revoked before stays as it is.
    fn revoke_signing_key<'a>(&'a self, kid: &'a str, at: Timestamp) -> Answer<'a, ()>;

    /// A number that changes when keys change, also by another process.
    fn signing_revision(&self) -> Answer<'_, u64>;
}

pub(super) fn unknown(kid: &str) -> StoreError {
    StoreError::Invalid {
        field: "signing key",
        fault: format!("there is none of the name {kid:?}"),
        mend: "see the names with `countersign session key list`",
    }
}
