//! The embedded store: where it lies, and opening it.

use std::env;
use std::fs::DirBuilder;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::audit::{Audit, AuditLimits, AuditedStore, OnFailure, SqliteAudit};
use countersign_core::clock::SystemClock;
use countersign_core::master_key::MasterKey;
use countersign_core::store::{CredentialStore, SqliteStore};
use countersign_server::store::StoreFiles;

use crate::failure::Failure;

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

/// Opens the store for changes: where the folder has an audit log, each is recorded first.
pub(crate) fn open_for_changes(folder: &Path) -> Result<Arc<dyn CredentialStore>, Failure> {
    let store: Arc<dyn CredentialStore> = Arc::new(open(folder)?);
    let files = StoreFiles::within(folder);
    if !files.audit().key.exists() {
        return Ok(store);
    }
    let master = Arc::new(MasterKey::open(&files.master_key)?);
    let limits = AuditLimits::keeping_all();
    let log = SqliteAudit::open(&files.audit(), master, limits.clone(), Arc::new(SystemClock))?;
    let audit = Audit::new(Arc::new(log), OnFailure::Refuse, &limits);
    Ok(Arc::new(AuditedStore::new(store, audit, Arc::new(SystemClock), operator())))
}

/// Who runs this command, as far as the system knows.
fn operator() -> String {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map_or_else(|_| "cli".to_owned(), |own| format!("cli, user id {}", own.uid()))
}

/// Opens the store in this folder, or creates it together with its master key.
pub(crate) fn open(folder: &Path) -> Result<SqliteStore, Failure> {
    create(folder)?;
    let files = StoreFiles::within(folder);
    let key = MasterKey::open_or_create(&files.master_key).map_err(Failure::usage)?;
    SqliteStore::open(&files.store, Arc::new(key)).map_err(Failure::usage)
}
