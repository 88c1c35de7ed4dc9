//! The audit log: an append-only chain of records with signed heads, and evidence that convinces a third party.
//!
//! ```text
//! event -> Record -> link -> ... -> Head, signed        written by a log
//! rows  -> Verification -> Report or Fault              read by anyone who has the public key
//! ```
//! What is recorded: every admission, every refusal of a caller who has proved to hold its key (bounded for each app), every change by an
//! operator, and logins that are refused (bounded for each app and address). Whoever holds no key cannot fill the disk.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_protocol::{Secret, Timestamp};

use crate::error::StoreError;
use crate::random::to_hex;
use crate::store::Answer;

mod anchor;
mod bound;
mod event;
mod evidence;
mod head;
mod key;
mod operator;
mod read;
mod record;
#[cfg(feature = "sessions")]
mod signing;
mod sqlite;
mod store;
mod ticker;
#[cfg(feature = "sessions")]
mod users;
mod verify;

use bound::{LoginBound, RefusalBound};
pub use event::{Call, Change, Event, Proof};
pub use evidence::Bundle;
pub use head::Head;
pub use key::{AuditKey, Pinned};
pub use read::{AuditFile, Filter, MOST_LISTED};
pub use record::Record;
#[cfg(feature = "sessions")]
pub use signing::AuditedKeys;
pub use sqlite::{AuditPaths, SqliteAudit};
pub use store::AuditedStore;
#[cfg(feature = "sessions")]
pub use users::AuditedUsers;
pub use verify::{Fault, Report};

/// A log that can be appended to. Chains belong to one log each: several gateways have a chain each, by its id.
pub trait AuditLog: Debug + Send + Sync {
    /// Appends a record of the event; its sequence number, once it is durable. A full queue answers at once.
    fn append(&self, at: Timestamp, event: Event) -> Answer<'_, u64>;

    /// The key under which strings to sign are hashed for this log, so that it is no oracle for whoever reads it.
    fn digest_key(&self) -> &Secret;
}

/// What happens to a request or a change that cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// It is refused: nothing happens that is not recorded.
    #[default]
    Refuse,
    /// It goes on. The next record says how many are missing before it.
    Continue,
}

/// When heads are signed, what is kept, and what is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLimits {
    /// The most records after a head without a new one.
    pub head_records: u64,
    /// The longest time that a record waits for a head.
    pub head_time: Duration,
    /// The age at which records are forgotten.
    pub keep: Duration,
    /// The most bytes of the log's file that records take.
    pub most_bytes: u64,
    /// The most bytes of a string to sign that evidence keeps.
    pub evidence_bytes: usize,
    /// The most refusals of one app that are recorded in a minute; the rest is counted.
    pub refusals_per_minute: u32,
}

impl Default for AuditLimits {
    fn default() -> Self {
        Self {
            head_records: 1_000,
            head_time: Duration::from_secs(60),
            keep: Duration::from_secs(400 * 86_400),
            most_bytes: 4 << 30,
            evidence_bytes: 16 << 10,
            refusals_per_minute: 60,
        }
    }
}

impl AuditLimits {
    /// For a writer that signs and forgets nothing by itself: a command beside a gateway, which has limits of its own.
    #[must_use]
    pub fn keeping_all() -> Self {
        Self { keep: Duration::from_secs(u64::from(u32::MAX) * 100), most_bytes: u64::MAX, ..Self::default() }
    }
}

/// A log together with the policy for what it cannot take. Clones share their counts.
#[derive(Debug, Clone)]
pub struct Audit {
    log: Arc<dyn AuditLog>,
    on_failure: OnFailure,
    evidence_bytes: usize,
    refusals: Arc<Mutex<RefusalBound>>,
    logins: Arc<Mutex<LoginBound>>,
}

impl Audit {
    /// Records into this log.
    #[must_use]
    pub fn new(log: Arc<dyn AuditLog>, on_failure: OnFailure, limits: &AuditLimits) -> Self {
        let refusals = Arc::new(Mutex::new(RefusalBound::new(limits.refusals_per_minute)));
        let logins = Arc::new(Mutex::new(LoginBound::new(limits.refusals_per_minute)));
        Self { log, on_failure, evidence_bytes: limits.evidence_bytes, refusals, logins }
    }

    /// The key under which strings to sign are hashed.
    #[must_use]
    pub fn digest_key(&self) -> &Secret {
        self.log.digest_key()
    }

    /// A text hashed under the log's key: hexadecimal. It tells two texts apart, and neither of them to a reader of the log.
    #[must_use]
    pub fn digest_of(&self, bytes: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.digest_key().expose());
        to_hex(hmac::sign(&key, bytes).as_ref())
    }

    /// The most bytes of a string to sign that evidence keeps.
    pub(crate) const fn evidence_bytes(&self) -> usize {
        self.evidence_bytes
    }

    /// Records what may happen only when it is recorded. The sequence number of its record; `None` where the policy goes on without one.
    ///
    /// # Errors
    /// The log cannot be written, and the policy is to refuse.
    pub async fn require(&self, at: Timestamp, event: Event) -> Result<Option<u64>, StoreError> {
        match self.log.append(at, event).await {
            Ok(sequence) => Ok(Some(sequence)),
            Err(error) if self.on_failure == OnFailure::Refuse => Err(error),
            Err(error) => {
                tracing::error!(%error, "a record of the audit log is missing");
                Ok(None)
            }
        }
    }

    /// Records that a login is refused, within the bounds of its app and of its address.
    ///
    /// # Errors
    /// As [`Audit::require`].
    pub async fn refused_login(&self, at: Timestamp, change: Change, address: IpAddr) -> Result<(), StoreError> {
        let allowed = self.logins.lock().unwrap_or_else(PoisonError::into_inner).take(&change.app, address, at);
        let Some(unrecorded) = allowed else { return Ok(()) };
        self.require(at, Event::LoginRefused { change, unrecorded }).await.map(drop)
    }

    /// Records a refusal, within the bound of its app.
    pub(crate) async fn refused(&self, at: Timestamp, call: Call, reason: countersign_protocol::Reason) {
        let allowed = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).take(&call.app, at);
        let Some(unrecorded) = allowed else { return };
        // The caller is refused in any case: there is nothing to refuse instead.
        if let Err(error) = self.log.append(at, Event::Refused { call, reason, unrecorded }).await {
            tracing::error!(%error, "a record of the audit log is missing");
        }
    }
}

#[cfg(test)]
mod suite;
