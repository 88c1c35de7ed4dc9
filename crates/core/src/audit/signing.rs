//! Signing keys whose changes are recorded, before they are made, with the name of who makes them.

use std::fmt::{self, Debug};
use std::sync::Arc;

use countersign_protocol::Timestamp;

use super::Audit;
use super::event::Change;
use super::operator::Operator;
use crate::clock::Clock;
use crate::session::signing::{KeyChange, SigningKey, SigningKeyStore};
use crate::store::Answer;

/// Records each change of the keys, then makes it.
pub struct AuditedKeys {
    store: Arc<dyn SigningKeyStore>,
    operator: Operator,
}

impl AuditedKeys {
    /// Changes of these keys are recorded as made by this operator, such as `cli` or a name.
    #[must_use]
    pub fn new(store: Arc<dyn SigningKeyStore>, audit: Audit, clock: Arc<dyn Clock>, by: impl Into<String>) -> Self {
        Self { store, operator: Operator::new(audit, clock, by.into()) }
    }
}

impl Debug for AuditedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditedKeys").field("store", &self.store).field("operator", &self.operator).finish()
    }
}

impl SigningKeyStore for AuditedKeys {
    fn signing_keys(&self, at: Timestamp) -> Answer<'_, Vec<SigningKey>> {
        self.store.signing_keys(at)
    }

    fn change_signing_keys(&self, change: KeyChange) -> Answer<'_, bool> {
        Box::pin(async move {
            let kid = change.add.as_ref().map(|key| key.kid().to_owned()).unwrap_or_default();
            let record = self.operator.change("rotate signing key", "", &kid, described(&change));
            let made = self.operator.recorded(record.clone(), self.store.change_signing_keys(change)).await?;
            if !made {
                let failed = Change { detail: "another process changed the keys first".to_owned(), ..record };
                self.operator.failed(failed).await?;
            }
            Ok(made)
        })
    }

    fn revoke_signing_key<'a>(&'a self, kid: &'a str, at: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            let record = self.operator.change("revoke signing key", "", kid, String::new());
            self.operator.recorded(record, self.store.revoke_signing_key(kid, at)).await
        })
    }

    fn signing_revision(&self) -> Answer<'_, u64> {
        self.store.signing_revision()
    }
}

/// What is changed, without any key.
fn described(change: &KeyChange) -> String {
    let added = change.add.as_ref().map(|key| format!("{} signs from {}", key.algorithm(), key.times().signs_from));
    let ended = change.end.as_ref().map(|end| format!("{:?} signs until {}", end.kid, end.signs_until));
    [added, ended].into_iter().flatten().collect::<Vec<_>>().join("; ")
}
