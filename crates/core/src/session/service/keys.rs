//! The keys that sign the requests of a session, found like the credentials of its app.

use std::fmt;
use std::sync::Arc;

use countersign_protocol::{KeyMaterial, KeyPair, Secret, Timestamp};

use super::{SessionStores, Sessions};
use crate::app::{App, NewCredential, Registered, Status, Terms};
use crate::error::StoreError;
use crate::session::{Binding, SessionId};
use crate::store::{Answer, CredentialStore, LookupKey};

/// What the ids of these keys begin with.
const SESSION: &str = "sk_";
const CLIENT: &str = "ck_";

/// The id of the key that was returned at a login.
#[must_use]
pub fn session_key_id(sid: SessionId) -> String {
    format!("{SESSION}{sid}")
}

/// The id under which the caller's own key signs after a login.
#[must_use]
pub fn client_key_id(sid: SessionId) -> String {
    format!("{CLIENT}{sid}")
}

/// The session that this key id belongs to, and whether its key is the caller's own.
pub(super) fn session_of(key_id: &str) -> Option<(SessionId, bool)> {
    let session = |prefix| key_id.strip_prefix(prefix).and_then(SessionId::parse);
    session(SESSION).map(|sid| (sid, false)).or_else(|| session(CLIENT).map(|sid| (sid, true)))
}

/// A store of credentials that also finds the keys of sessions. They may be used as long as their session is not over.
pub struct SessionCredentials {
    store: Arc<dyn CredentialStore>,
    sessions: Arc<Sessions>,
    dialects: Vec<String>,
}

impl SessionCredentials {
    /// The credentials of this store, and keys of sessions for these dialects.
    #[must_use]
    pub const fn new(store: Arc<dyn CredentialStore>, sessions: Arc<Sessions>, dialects: Vec<String>) -> Self {
        Self { store, sessions, dialects }
    }

    async fn key_of(&self, key_id: &str, sid: SessionId, is_own: bool) -> Result<Option<Arc<Registered>>, StoreError> {
        let store: &dyn SessionStores = &**self.sessions.store();
        let Some(known) = store.session(sid).await? else { return Ok(None) };
        let session = known.session;
        let material = match (&session.binding, is_own) {
            (Binding::Session, false) => KeyMaterial::Hmac(self.sessions.keys().request_key(sid, &session.salt)?),
            (Binding::Client(key), true) => {
                let damaged = |_| StoreError::Corrupt { row: "session".to_owned(), fault: "its public key" };
                KeyMaterial::Pair(KeyPair::from_public_der(key).map_err(damaged)?)
            }
            _ => return Ok(None),
        };
        let Some(app) = self.store.app(&session.app).await? else { return Ok(None) };
        // Who still holds the key of a session that is over is told so by the check of its token.
        let terms = Terms::new(self.dialects.iter().cloned());
        let stored = NewCredential::new(key_id, material, terms).stored(&session.app, session.created);
        Ok(Some(Arc::new(Registered::new(app, stored))))
    }
}

impl fmt::Debug for SessionCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCredentials").field("store", &self.store).finish_non_exhaustive()
    }
}

impl CredentialStore for SessionCredentials {
    fn find<'a>(&'a self, key: &'a LookupKey) -> Answer<'a, Option<Arc<Registered>>> {
        match key {
            LookupKey::KeyId(id) => match session_of(id) {
                Some((sid, is_own)) => Box::pin(self.key_of(id, sid, is_own)),
                None => self.store.find(key),
            },
            LookupKey::SecretIndex(_) => self.store.find(key),
        }
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

    fn add_app(&self, app: App) -> Answer<'_, ()> {
        self.store.add_app(app)
    }

    fn update_app(&self, app: App) -> Answer<'_, ()> {
        self.store.update_app(app)
    }

    fn count_apps(&self, status: Status) -> Answer<'_, u64> {
        self.store.count_apps(status)
    }

    fn add_credential<'a>(&'a self, app: &'a str, credential: NewCredential, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        self.store.add_credential(app, credential, now)
    }

    fn rotate<'a>(&'a self, key_id: &'a str, successor: NewCredential, ends: Timestamp, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        self.store.rotate(key_id, successor, ends, now)
    }

    fn set_app_status<'a>(&'a self, app: &'a str, status: Status) -> Answer<'a, ()> {
        self.store.set_app_status(app, status)
    }

    fn set_credential_status<'a>(&'a self, key_id: &'a str, status: Status) -> Answer<'a, ()> {
        self.store.set_credential_status(key_id, status)
    }

    fn remove_credential<'a>(&'a self, key_id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        self.store.remove_credential(key_id, now)
    }

    fn touch(&self, key_id: &str, dialect: &str, at: Timestamp) {
        if session_of(key_id).is_none() {
            self.store.touch(key_id, dialect, at);
        }
    }
}
