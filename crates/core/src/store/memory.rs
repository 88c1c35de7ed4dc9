//! A store that lives as long as the process: for tests and for embedding.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_protocol::{KeyMaterial, Secret, Timestamp};

use super::rules::{check_app, check_credential, check_removal};
use super::{Answer, CredentialStore, LookupKey, PAGE};
use crate::app::{App, NewCredential, Registered, Status, StoredCredential};
use crate::error::StoreError;
use crate::master_key::MasterKey;

/// Apps and credentials in memory.
#[derive(Debug)]
pub struct MemoryStore {
    key: MasterKey,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    apps: BTreeMap<String, App>,
    credentials: BTreeMap<String, StoredCredential>,
    fingerprints: HashMap<[u8; 32], String>,
    indices: HashMap<[u8; 32], String>,
    revision: u64,
}

impl MemoryStore {
    /// An empty store.
    ///
    /// # Errors
    /// When the operating system has no randomness for its keys.
    pub fn new() -> Result<Self, StoreError> {
        Ok(Self { key: MasterKey::ephemeral()?, tables: Mutex::default() })
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Each change is made at once, after all checks: a panic elsewhere leaves nothing half done.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, tables: &mut Tables, app: &str, new: NewCredential, now: Timestamp) -> Result<Arc<Registered>, StoreError> {
        check_credential(&new)?;
        let owner = tables.apps.get(app).ok_or_else(|| StoreError::UnknownApp(app.to_owned()))?.clone();
        if tables.credentials.contains_key(&new.key_id) {
            return Err(StoreError::KeyIdExists(new.key_id));
        }
        let fingerprint = self.key.fingerprint(&super::key_bytes(&new.material)?);
        if tables.fingerprints.contains_key(&fingerprint) {
            return Err(StoreError::SecretInUse);
        }
        if let KeyMaterial::Hmac(secret) = &new.material {
            tables.indices.insert(self.key.secret_index(secret), new.key_id.clone());
        }
        tables.fingerprints.insert(fingerprint, new.key_id.clone());
        let stored = new.stored(app, now);
        tables.credentials.insert(stored.credential.key_id().to_owned(), stored.clone());
        tables.revision += 1;
        Ok(Arc::new(Registered::new(owner, stored)))
    }
}

impl Tables {
    fn join(&self, key_id: &str) -> Option<Arc<Registered>> {
        let stored = self.credentials.get(key_id)?;
        Some(Arc::new(Registered::new(self.apps.get(&stored.app)?.clone(), stored.clone())))
    }
}

impl CredentialStore for MemoryStore {
    fn find<'a>(&'a self, key: &'a LookupKey) -> Answer<'a, Option<Arc<Registered>>> {
        let tables = self.tables();
        let found = match key {
            LookupKey::KeyId(id) => tables.join(id),
            LookupKey::SecretIndex(index) => tables.indices.get(index).and_then(|id| tables.join(id)),
        };
        ready(Ok(found))
    }

    fn secret_index(&self, secret: &Secret) -> [u8; 32] {
        self.key.secret_index(secret)
    }

    fn revision(&self) -> Answer<'_, u64> {
        ready(Ok(self.tables().revision))
    }

    fn is_empty(&self) -> Answer<'_, bool> {
        ready(Ok(self.tables().credentials.is_empty()))
    }

    fn app<'a>(&'a self, name: &'a str) -> Answer<'a, Option<App>> {
        ready(Ok(self.tables().apps.get(name).cloned()))
    }

    fn apps<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<App>> {
        let tables = self.tables();
        ready(Ok(tables.apps.values().filter(|app| app.name.as_str() > after).take(PAGE).cloned().collect()))
    }

    fn credentials<'a>(&'a self, app: &'a str, after: &'a str) -> Answer<'a, Vec<Arc<Registered>>> {
        let tables = self.tables();
        let ids = tables.credentials.iter().filter(|(id, stored)| stored.app == app && id.as_str() > after);
        ready(Ok(ids.take(PAGE).filter_map(|(id, _)| tables.join(id)).collect()))
    }

    fn add_app(&self, app: App) -> Answer<'_, ()> {
        let mut tables = self.tables();
        let added = check_app(&app).and_then(|()| {
            if tables.apps.contains_key(&app.name) {
                return Err(StoreError::AppExists(app.name));
            }
            tables.apps.insert(app.name.clone(), app);
            tables.revision += 1;
            Ok(())
        });
        ready(added)
    }

    fn update_app(&self, app: App) -> Answer<'_, ()> {
        let mut tables = self.tables();
        let updated = check_app(&app).and_then(|()| {
            let known = tables.apps.get_mut(&app.name).ok_or_else(|| StoreError::UnknownApp(app.name.clone()))?;
            *known = App { status: known.status, created: known.created, ..app };
            tables.revision += 1;
            Ok(())
        });
        ready(updated)
    }

    fn count_apps(&self, status: Status) -> Answer<'_, u64> {
        ready(Ok(self.tables().apps.values().filter(|app| app.status == status).count() as u64))
    }

    fn add_credential<'a>(&'a self, app: &'a str, credential: NewCredential, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        ready(self.insert(&mut self.tables(), app, credential, now))
    }

    fn rotate<'a>(&'a self, key_id: &'a str, successor: NewCredential, ends: Timestamp, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        let mut tables = self.tables();
        let Some(app) = tables.credentials.get(key_id).map(|old| old.app.clone()) else {
            return ready(Err(StoreError::UnknownKeyId(key_id.to_owned())));
        };
        let added = self.insert(&mut tables, &app, successor, now);
        if added.is_ok()
            && let Some(old) = tables.credentials.get_mut(key_id)
        {
            old.terms.not_after = Some(old.terms.not_after.map_or(ends, |before| before.min(ends)));
        }
        ready(added)
    }

    fn set_app_status<'a>(&'a self, app: &'a str, status: Status) -> Answer<'a, ()> {
        let mut tables = self.tables();
        tables.revision += 1;
        let changed = tables.apps.get_mut(app).map(|app| app.status = status);
        ready(changed.ok_or_else(|| StoreError::UnknownApp(app.to_owned())))
    }

    fn set_credential_status<'a>(&'a self, key_id: &'a str, status: Status) -> Answer<'a, ()> {
        let mut tables = self.tables();
        tables.revision += 1;
        let changed = tables.credentials.get_mut(key_id).map(|stored| stored.terms.status = status);
        ready(changed.ok_or_else(|| StoreError::UnknownKeyId(key_id.to_owned())))
    }

    fn remove_credential<'a>(&'a self, key_id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        let mut tables = self.tables();
        let Some(stored) = tables.credentials.get(key_id) else { return ready(Err(StoreError::UnknownKeyId(key_id.to_owned()))) };
        let removed = check_removal(stored, now);
        if removed.is_ok() {
            tables.credentials.remove(key_id);
            tables.fingerprints.retain(|_, id| id != key_id);
            tables.indices.retain(|_, id| id != key_id);
            tables.revision += 1;
        }
        ready(removed)
    }

    fn touch(&self, key_id: &str, dialect: &str, at: Timestamp) {
        if let Some(stored) = self.tables().credentials.get_mut(key_id).filter(|stored| stored.last_used <= Some(at)) {
            (stored.last_used, stored.last_used_with) = (Some(at), Some(dialect.to_owned()));
        }
    }
}

fn ready<'a, T: Send + 'a>(result: Result<T, StoreError>) -> Answer<'a, T> {
    Box::pin(std::future::ready(result))
}
