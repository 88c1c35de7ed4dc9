//! Whether the store has changed: told by the server as it happens, and asked for every quarter of a second.
//!
//! A revision is one row, which each change locks: a change that becomes visible later has a later revision, so none can be skipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::connect::{Connector, PAUSE};
use super::unavailable;
use crate::error::StoreError;

/// How often the revision is asked for.
const POLL: Duration = Duration::from_millis(250);
/// Each is one row of text.
const READ: &str =
    "SELECT (SELECT value::bigint FROM meta WHERE name = 'revision'), (SELECT value::bigint FROM meta WHERE name = 'session revision')";
/// After so long without an answer, the revision is not known.
const UNKNOWN_AFTER: Duration = Duration::from_millis(750);

/// What changes are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revisions {
    /// Of apps and credentials.
    pub(crate) store: u64,
    /// Of what ends: sessions, users, signing keys.
    pub(crate) sessions: u64,
}

/// The revisions, as they were last seen.
pub(super) struct Watch {
    begun: Instant,
    store: AtomicU64,
    sessions: AtomicU64,
    /// When they were last seen, in milliseconds since `begun`, and one more: 0 is never.
    seen: AtomicU64,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), store: AtomicU64::new(0), sessions: AtomicU64::new(0), seen: AtomicU64::new(0) }
    }

    /// The revisions, if they were seen just now.
    pub(super) fn revisions(&self) -> Option<Revisions> {
        let seen = self.seen.load(Ordering::Acquire).checked_sub(1)?;
        let is_known = self.begun.elapsed() < Duration::from_millis(seen) + UNKNOWN_AFTER;
        is_known.then(|| Revisions { store: self.store.load(Ordering::Acquire), sessions: self.sessions.load(Ordering::Acquire) })
    }

    fn see(&self, revisions: Revisions, asked: Instant) {
        self.store.store(revisions.store, Ordering::Release);
        self.sessions.store(revisions.sessions, Ordering::Release);
        let asked = u64::try_from(asked.duration_since(self.begun).as_millis()).unwrap_or(u64::MAX - 1);
        self.seen.store(asked + 1, Ordering::Release);
    }

    /// Looks on, over a connection of its own and again after every fault, for as long as anybody holds the watch.
    pub(super) async fn look(self: Arc<Self>, connector: Connector, timeout: Duration) {
        while Arc::strong_count(&self) > 1 {
            if let Err(error) = self.look_once(&connector, timeout).await {
                tracing::warn!(%error, "changes of the store are not seen");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look_once(&self, connector: &Connector, timeout: Duration) -> Result<(), StoreError> {
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let (client, connection) = connector.listen(move || told.notify_one()).await?;
        let _driven = tokio::spawn(connection);
        client.batch_execute(&format!("LISTEN {}", super::CHANNEL)).await.map_err(|error| unavailable(&error))?;
        loop {
            let asked = Instant::now();
            let row = tokio::time::timeout(timeout, client.query_one(READ, &[])).await;
            let row = row.map_err(|_| StoreError::Unavailable("postgres did not answer in time".to_owned()))?;
            let row = row.map_err(|error| unavailable(&error))?;
            let counted = |column| row.get::<_, i64>(column).unsigned_abs();
            self.see(Revisions { store: counted(0), sessions: counted(1) }, asked);
            let _told = tokio::time::timeout(POLL, changed.notified()).await;
        }
    }
}
