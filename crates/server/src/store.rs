//! Opening the embedded store: credentials, replay guard and master key as files in one folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::admission::Admission;
use countersign_core::clock::Clock;
use countersign_core::error::StoreError;
use countersign_core::master_key::MasterKey;
use countersign_core::replay::{Epoch, ReplayLimits, SqliteGuard};
use countersign_core::store::{CacheLimits, CachedStore, CredentialStore, SqliteStore};
use countersign_protocol::Dialects;

use crate::config::Config;

/// The files of the embedded store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFiles {
    /// Apps and credentials; other processes may open it too.
    pub store: PathBuf,
    /// What was seen, for as long as it could be accepted again; one process at a time.
    pub replay: PathBuf,
    /// The key under which secrets are sealed.
    pub master_key: PathBuf,
}

impl StoreFiles {
    /// The files of this names in a data folder.
    #[must_use]
    pub fn within(data: &Path) -> Self {
        Self { store: data.join("countersign.db"), replay: data.join("replay.db"), master_key: data.join("master.key") }
    }

    /// The files that a configuration names; those that it does not are in its data folder, or in this one.
    #[must_use]
    pub fn of(config: &Config, data: &Path) -> Self {
        let mut files = Self::within(config.data().unwrap_or(data));
        if let Some(store) = config.store() {
            files.store = store.to_owned();
            files.replay = store.with_extension("replay.db");
        }
        if let Some(key) = config.master_key() {
            files.master_key = key.to_owned();
        }
        files
    }

    /// Opens the files, or creates them for their owner only, and gives the admissions over them. Folders that are
    /// missing are created.
    ///
    /// # Errors
    /// A file cannot be opened, is readable by others, or belongs to another master key.
    pub async fn open(&self, dialects: &Dialects, clock: Arc<dyn Clock>) -> Result<Admission, StoreError> {
        for file in [&self.store, &self.replay, &self.master_key] {
            create_folder(file)?;
        }
        let key = Arc::new(MasterKey::open_or_create(&self.master_key)?);
        let store = SqliteStore::open(&self.store, Arc::clone(&key))?;
        let epoch = Epoch::begin(clock.now(), store.is_empty().await?);
        let guard = SqliteGuard::open(&self.replay, ReplayLimits::default(), epoch)?;
        let store = Arc::new(CachedStore::new(store, CacheLimits::default()));
        Ok(Admission::new(store, Arc::new(guard), clock, key.replay_key()).knowing(dialects))
    }
}

fn create_folder(file: &Path) -> Result<(), StoreError> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let fault = |error: std::io::Error| StoreError::File {
        path: folder.to_owned(),
        fault: error.to_string(),
        mend: "name a folder that can be created and written",
    };
    std::fs::create_dir_all(folder).map_err(fault)
}
