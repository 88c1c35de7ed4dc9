//! Where apps and credentials are kept, and how they are found.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};

use crate::app::{App, NewCredential, Registered, Status};
use crate::error::StoreError;

mod cache;
mod lookup;
mod memory;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod rewrap;
mod row;
mod rules;
mod sealed;
mod sqlite;

pub use cache::{CacheLimits, CachedStore};
pub use lookup::LookupStore;
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
use sealed::key_bytes;
pub use sqlite::SqliteStore;

/// The most rows that one listing gives.
pub const PAGE: usize = 1_000;

/// A store's answer, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What a credential is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LookupKey {
    /// The key id that the claim names.
    KeyId(String),
    /// The keyed digest of an API key, from [`CredentialStore::secret_index`].
    SecretIndex([u8; 32]),
}

/// A store of apps and credentials.
pub trait CredentialStore: Debug + Send + Sync {
    /// The one credential under this key, with its app.
    fn find<'a>(&'a self, key: &'a LookupKey) -> Answer<'a, Option<Arc<Registered>>>;

    /// Where the credential with this secret would be found.
    fn secret_index(&self, secret: &Secret) -> [u8; 32];

    /// A number that changes when apps or credentials change, also by another process.
    fn revision(&self) -> Answer<'_, u64>;

    /// Whether there is no credential at all.
    fn is_empty(&self) -> Answer<'_, bool>;

    /// The app of this name.
    fn app<'a>(&'a self, name: &'a str) -> Answer<'a, Option<App>>;

    /// At most [`PAGE`] apps by name, those after this name.
    fn apps<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<App>>;

    /// At most [`PAGE`] credentials of an app by key id, those after this key id.
    fn credentials<'a>(&'a self, app: &'a str, after: &'a str) -> Answer<'a, Vec<Arc<Registered>>>;

    /// Registers an app.
    fn add_app(&self, app: App) -> Answer<'_, ()>;

    /// Changes labels, scopes, addresses and rate of the app of this name; its status and date stay.
    fn update_app(&self, app: App) -> Answer<'_, ()>;

    /// How many apps have this status.
    fn count_apps(&self, status: Status) -> Answer<'_, u64>;

    /// Registers a credential with an app. A secret or public key that another credential has is refused, whether that
    /// one is in use or not.
    fn add_credential<'a>(&'a self, app: &'a str, credential: NewCredential, now: Timestamp) -> Answer<'a, Arc<Registered>>;

    /// Registers a successor with the same app. Both are valid until `ends`, then only the successor.
    fn rotate<'a>(&'a self, key_id: &'a str, successor: NewCredential, ends: Timestamp, now: Timestamp) -> Answer<'a, Arc<Registered>>;

    /// Approves, or switches off, an app with all its credentials.
    fn set_app_status<'a>(&'a self, app: &'a str, status: Status) -> Answer<'a, ()>;

    /// Approves or switches off a credential.
    fn set_credential_status<'a>(&'a self, key_id: &'a str, status: Status) -> Answer<'a, ()>;

    /// Removes a credential that nobody can use any more.
    fn remove_credential<'a>(&'a self, key_id: &'a str, now: Timestamp) -> Answer<'a, ()>;

    /// Notes that a credential was used in this dialect. Nothing waits for it, and a full queue loses it.
    fn touch(&self, key_id: &str, dialect: &str, at: Timestamp);
}

#[cfg(test)]
pub(crate) mod suite;
