//! Whether the store has changed: told by the server as it happens, and asked for every quarter of a second.
//!
//! The revision is one row, which each change locks: a change that becomes visible later has a later revision, so none can be skipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::connect::{Connector, PAUSE};
use super::unavailable;
use crate::error::StoreError;

/// How often the revision is asked for.
const POLL: Duration = Duration::from_millis(250);
/// After so long without an answer, the revision is not known.
const UNKNOWN_AFTER: Duration = Duration::from_millis(750);

/// The revision, as it was last seen.
pub(super) struct Watch {
    begun: Instant,
    revision: AtomicU64,
    /// When it was last seen, in milliseconds since `begun`, and one more: 0 is never.
    seen: AtomicU64,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), revision: AtomicU64::new(0), seen: AtomicU64::new(0) }
    }

    /// The revision, if it was seen just now.
    pub(super) fn revision(&self) -> Option<u64> {
        let seen = self.seen.load(Ordering::Acquire).checked_sub(1)?;
        let is_known = self.begun.elapsed() < Duration::from_millis(seen) + UNKNOWN_AFTER;
        is_known.then(|| self.revision.load(Ordering::Acquire))
    }

    fn see(&self, revision: u64, asked: Instant) {
        self.revision.store(revision, Ordering::Release);
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
            let row = tokio::time::timeout(timeout, client.query_one("SELECT value FROM meta WHERE name = 'revision'", &[])).await;
            let row = row.map_err(|_| StoreError::Unavailable("postgres did not answer in time".to_owned()))?;
            let value: String = row.map_err(|error| unavailable(&error))?.get(0);
            self.see(value.parse().unwrap_or(0), asked);
            let _told = tokio::time::timeout(POLL, changed.notified()).await;
        }
    }
}
