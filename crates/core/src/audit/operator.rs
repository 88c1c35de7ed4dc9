//! An operator whose changes are recorded before they are made.

use std::fmt;
use std::sync::Arc;

use super::Audit;
use super::event::{Change, Event};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::store::Answer;

/// Who makes changes, and where they are recorded.
pub(super) struct Operator {
    audit: Audit,
    clock: Arc<dyn Clock>,
    by: String,
}

impl Operator {
    pub(super) fn new(audit: Audit, clock: Arc<dyn Clock>, by: String) -> Self {
        Self { audit, clock, by }
    }

    pub(super) fn change(&self, action: &'static str, app: &str, key_id: &str, detail: String) -> Change {
        Change { by: self.by.clone(), action, app: app.to_owned(), key_id: key_id.to_owned(), detail }
    }

    /// Records the change, then makes it. If it fails, a second record says so.
    pub(super) async fn recorded<T>(&self, change: Change, made: Answer<'_, T>) -> Result<T, StoreError> {
        self.audit.require(self.clock.now(), Event::Change(change.clone())).await?;
        let result = made.await;
        if let Err(error) = &result {
            // The fault names what the operator wrote, and no variant of it holds a secret.
            let failed = Change { detail: error.to_string(), ..change };
            drop(self.failed(failed).await);
        }
        result
    }

    /// Records that a change did not come about.
    pub(super) async fn failed(&self, change: Change) -> Result<(), StoreError> {
        self.audit.require(self.clock.now(), Event::ChangeFailed(change)).await.map(drop)
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.by)
    }
}
