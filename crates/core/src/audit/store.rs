//! A store of credentials whose changes are recorded, before they are made, with the name of who makes them.

use std::fmt::Debug;
use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};

use super::Audit;
use super::operator::Operator;
use crate::app::{App, NewCredential, Registered, Status};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::store::{Answer, CredentialStore, LookupKey};

/// Records each change, then makes it. A change that fails after its record gets a second one that says so, so that none is made unrecorded.
pub struct AuditedStore {
    store: Arc<dyn CredentialStore>,
    operator: Operator,
}

impl AuditedStore {
    /// Changes of this store are recorded as made by this operator, such as `cli` or a name.
    #[must_use]
    pub fn new(store: Arc<dyn CredentialStore>, audit: Audit, clock: Arc<dyn Clock>, by: impl Into<String>) -> Self {
        Self { store, operator: Operator::new(audit, clock, by.into()) }
    }

    async fn app_of(&self, key_id: &str) -> Result<String, StoreError> {
        let found = self.store.find(&LookupKey::KeyId(key_id.to_owned())).await?;
        Ok(found.map(|registered| registered.app.name.clone()).unwrap_or_default())
    }
}

impl Debug for AuditedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditedStore").field("store", &self.store).field("operator", &self.operator).finish()
    }
}

impl CredentialStore for AuditedStore {
    fn find<'a>(&'a self, key: &'a LookupKey) -> Answer<'a, Option<Arc<Registered>>> {
        self.store.find(key)
    }

    fn secret_index(&self, secret: &Secret) -> [u8; 32] {
        self.store.secret_index(secret)
    }

    fn revision(&self) -> Answer<'_, u64> {
        self.store.revision()
    }

    fn is_empty(&self) -> Answer<'_, bool> {
        self.store.is_empty()
    }

    fn app<'a>(&'a self, name: &'a str) -> Answer<'a, Option<App>> {
        self.store.app(name)
    }

    fn apps<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<App>> {
        self.store.apps(after)
    }

    fn credentials<'a>(&'a self, app: &'a str, after: &'a str) -> Answer<'a, Vec<Arc<Registered>>> {
        self.store.credentials(app, after)
    }

    fn count_apps(&self, status: Status) -> Answer<'_, u64> {
        self.store.count_apps(status)
    }

    fn add_app(&self, app: App) -> Answer<'_, ()> {
        Box::pin(async move {
            let change = self.operator.change("add app", &app.name, "", terms_of(&app));
            self.operator.recorded(change, Box::pin(async move { self.store.add_app(app).await })).await
        })
    }

    fn add_credential<'a>(&'a self, app: &'a str, credential: NewCredential, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        Box::pin(async move {
            let change = self.operator.change("add credential", app, &credential.key_id, described(&credential));
            self.operator.recorded(change, Box::pin(async move { self.store.add_credential(app, credential, now).await })).await
        })
    }

    fn rotate<'a>(&'a self, key_id: &'a str, successor: NewCredential, ends: Timestamp, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        Box::pin(async move {
            let detail = format!("valid until {ends}; successor {:?}, {}", successor.key_id, described(&successor));
            let change = self.operator.change("rotate credential", &self.app_of(key_id).await?, key_id, detail);
            self.operator.recorded(change, Box::pin(async move { self.store.rotate(key_id, successor, ends, now).await })).await
        })
    }

    fn set_app_status<'a>(&'a self, app: &'a str, status: Status) -> Answer<'a, ()> {
        Box::pin(async move {
            let change = self.operator.change("set app status", app, "", format!("status {status}"));
            self.operator.recorded(change, Box::pin(async move { self.store.set_app_status(app, status).await })).await
        })
    }

    fn set_credential_status<'a>(&'a self, key_id: &'a str, status: Status) -> Answer<'a, ()> {
        Box::pin(async move {
            let change = self.operator.change("set credential status", &self.app_of(key_id).await?, key_id, format!("status {status}"));
            self.operator.recorded(change, Box::pin(async move { self.store.set_credential_status(key_id, status).await })).await
        })
    }

    fn update_app(&self, app: App) -> Answer<'_, ()> {
        Box::pin(async move {
            let change = self.operator.change("change app", &app.name, "", terms_of(&app));
            self.operator.recorded(change, Box::pin(async move { self.store.update_app(app).await })).await
        })
    }

    fn remove_credential<'a>(&'a self, key_id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            let change = self.operator.change("remove credential", &self.app_of(key_id).await?, key_id, String::new());
            self.operator.recorded(change, Box::pin(async move { self.store.remove_credential(key_id, now).await })).await
        })
    }

    fn touch(&self, key_id: &str, dialect: &str, at: Timestamp) {
        self.store.touch(key_id, dialect, at);
    }
}

/// What an app may do.
fn terms_of(app: &App) -> String {
    let App { status, scopes, addresses, rate, .. } = app;
    format!("status {status}, scopes {scopes:?}, addresses {addresses:?}, rate {rate:?}")
}

/// What is registered, without the key and the further secret parts.
fn described(credential: &NewCredential) -> String {
    let NewCredential { material, algorithms, terms, .. } = credential;
    let algorithms: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    format!(
        "key {:?}, algorithms {algorithms:?}, dialects {:?}, inputs {:?}, status {}",
        material.family(),
        terms.dialects,
        terms.inputs,
        terms.status
    )
}
