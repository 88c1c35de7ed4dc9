//! The admission's side of the audit log: what is admitted is recorded before it can be used, and so is each refusal of a key holder.

use std::sync::Arc;

use countersign_protocol::{KeyMaterial, Reason, Refusal, Verified};

use super::{About, Admission, Admitted, BodyProof, Denial, RouteRules};
use crate::app::Registered;
use crate::audit::{Audit, AuditedStore, Call, Event, Proof};
use crate::error::StoreError;
use crate::store::CredentialStore;

impl Admission {
    /// The same, recording into this log.
    #[must_use]
    pub fn with_audit(mut self, audit: Audit) -> Self {
        self.audit = Some(audit);
        self
    }

    /// The credential store for changes by this operator: each is recorded first, where there is a log.
    #[must_use]
    pub fn changed_by(&self, operator: &str) -> Arc<dyn CredentialStore> {
        let store = Arc::clone(&self.store);
        match &self.audit {
            Some(audit) => Arc::new(AuditedStore::new(store, audit.clone(), Arc::clone(&self.clock), operator)),
            None => store,
        }
    }

    /// The log into which this records.
    #[must_use]
    pub const fn audit(&self) -> Option<&Audit> {
        self.audit.as_ref()
    }

    /// Notes what a record says of a call; nothing without a log. Of a caller who brought its own key nothing is recorded yet.
    pub(super) fn note_call(&self, about: &mut About, rules: &RouteRules, holder: &Registered, verified: &Verified) {
        let call = self.call(rules, holder, verified);
        if rules.proves_later() {
            about.later = call;
        } else {
            about.call = call;
        }
    }

    fn call(&self, rules: &RouteRules, holder: &Registered, verified: &Verified) -> Option<Arc<Call>> {
        let audit = self.audit.as_ref()?;
        let shared = matches!(holder.stored.credential.material(), KeyMaterial::Hmac(_));
        Some(Arc::new(Call {
            app: holder.app.name.clone(),
            key_id: verified.key_id().to_owned(),
            dialect: verified.dialect().id().to_owned(),
            route: rules.name.clone(),
            digest: verified.fingerprint(audit.digest_key().expose()),
            proof: Proof::of(verified, audit.evidence_bytes(), shared),
        }))
    }

    /// Passes a result on; a denial of a caller who proved to hold its key is recorded first.
    pub(super) async fn told<T>(&self, result: Result<T, Denial>) -> Result<T, Denial> {
        if let (Some(audit), Err(denial)) = (&self.audit, &result)
            && let Some(call) = denial.call()
        {
            audit.refused(self.clock.now(), call.clone(), denial.reason()).await;
        }
        result
    }

    /// The last step: from here on the request may be acted on, so its record is durable first.
    pub(super) async fn recorded(&self, mut admitted: Admitted, body: BodyProof, about: &About) -> Result<Admitted, Denial> {
        let (Some(audit), Some(call)) = (&self.audit, &about.call) else {
            admitted.later.clone_from(&about.later);
            return Ok(admitted);
        };
        match audit.require(self.clock.now(), Event::Admitted { call: call.as_ref().clone(), body }).await {
            Ok(record) => {
                admitted.record = record;
                Ok(admitted)
            }
            Err(error) => {
                admitted.release().await;
                // Without the call: a log that cannot be written is not asked to record that.
                let about = About { call: None, ..about.clone() };
                Err(Denial::new(Refusal::new(Reason::StoreUnavailable, format!("the audit log: {error}")), &about))
            }
        }
    }

    /// Records that a caller was admitted who has proved only now who it is; of any other there is a record already. To be called once, before anything is done.
    ///
    /// # Errors
    /// The log cannot be written, and the policy is to refuse.
    pub async fn record_proved(&self, admitted: &Admitted) -> Result<(), StoreError> {
        let (Some(audit), Some(call)) = (&self.audit, &admitted.later) else { return Ok(()) };
        let event = Event::Admitted { call: call.as_ref().clone(), body: admitted.body() };
        audit.require(self.clock.now(), event).await.map(drop)
    }
}
