//! The store of apps and credentials: where it lies, and opening it.

use std::env;
use std::fs::DirBuilder;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::audit::{Audit, AuditLimits, AuditedKeys, AuditedStore, AuditedUsers, OnFailure, SqliteAudit};
use countersign_core::clock::SystemClock;
use countersign_core::master_key::MasterKey;
use countersign_core::session::password::PasswordOptions;
use countersign_core::session::signing::SigningKeyStore;
use countersign_core::session::user::UserStore;
use countersign_core::store::CredentialStore;
use countersign_server::config::Config;
use countersign_server::store::{Credentials, Stores};

use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::registry::Registry;

/// The folder that was named, or the default one.
pub(crate) fn folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(folder) = named {
        return Ok(folder.to_owned());
    }
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    let state = state.ok_or_else(|| Failure::usage("neither XDG_STATE_HOME nor HOME is set; name the folder with --data"))?;
    Ok(state.join("countersign"))
}

/// Creates the folder for its owner only, where there is none.
pub(crate) fn create(folder: &Path) -> Result<(), Failure> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| Failure::file(folder, e))
}

/// Opens the store that the config names, or the one in this folder; it is created where there is none.
pub(crate) async fn open(args: &StoreArgs, registry: &mut Registry) -> Result<Opened, Failure> {
    let folder = folder(args.data.as_deref())?;
    let mut passwords = PasswordOptions::default();
    let stores = match &args.config {
        Some(path) => {
            let config = Config::read(path).map_err(Failure::usage)?;
            config.dialect_folders().iter().try_for_each(|folder| registry.load(folder))?;
            passwords = config.password_options().map_err(Failure::usage)?;
            config.stores(&folder).map_err(Failure::usage)?
        }
        None => Stores::within(&folder),
    };
    if stores.files.store.starts_with(&folder) || stores.files.master_key.starts_with(&folder) {
        create(&folder)?;
    }
    let credentials = stores.credentials().await.map_err(Failure::usage)?;
    Ok(Opened { credentials, passwords, stores })
}

/// An opened store, and what is beside it.
pub(crate) struct Opened {
    pub(crate) credentials: Credentials,
    /// What the hash of a new password costs.
    pub(crate) passwords: PasswordOptions,
    stores: Stores,
}

impl Opened {
    /// The audit log beside the store, if there is one.
    pub(crate) fn audit_log(&self) -> Option<PathBuf> {
        let paths = self.stores.files.audit();
        paths.key.exists().then_some(paths.log)
    }

    /// The store for changes: where there is an audit log, each is recorded first.
    pub(crate) async fn for_changes(self) -> Result<Arc<dyn CredentialStore>, Failure> {
        self.stores.begin_replay(&self.credentials, &SystemClock).await?;
        let audit = self.audit()?;
        let store = self.credentials.into_dyn();
        Ok(match audit {
            Some(audit) => Arc::new(AuditedStore::new(store, audit, Arc::new(SystemClock), operator())),
            None => store,
        })
    }

    /// The users for changes: where there is an audit log, each is recorded first.
    pub(crate) fn users_for_changes(self) -> Result<Arc<dyn UserStore>, Failure> {
        let audit = self.audit()?;
        let users = self.credentials.into_users();
        Ok(match audit {
            Some(audit) => Arc::new(AuditedUsers::new(users, audit, Arc::new(SystemClock), operator())),
            None => users,
        })
    }

    /// The signing keys for changes: where there is an audit log, each is recorded first.
    pub(crate) fn signing_keys(self) -> Result<Arc<dyn SigningKeyStore>, Failure> {
        let audit = self.audit()?;
        let store = self.credentials.into_signing_keys();
        let Some(audit) = audit else { return Ok(store) };
        Ok(Arc::new(AuditedKeys::new(store, audit, Arc::new(SystemClock), operator())))
    }

    /// The audit log beside the store, opened, if there is one.
    fn audit(&self) -> Result<Option<Audit>, Failure> {
        if self.audit_log().is_none() {
            return Ok(None);
        }
        let master = Arc::new(MasterKey::open(&self.stores.files.master_key)?);
        let limits = AuditLimits::keeping_all();
        let log = SqliteAudit::open(&self.stores.files.audit(), master, limits.clone(), Arc::new(SystemClock))?;
        Ok(Some(Audit::new(Arc::new(log), OnFailure::Refuse, &limits)))
    }
}

/// Who runs this command, as far as the system knows.
fn operator() -> String {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map_or_else(|_| "cli".to_owned(), |own| format!("cli, user id {}", own.uid()))
}
