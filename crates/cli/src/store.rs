//! The embedded store: where it lies, and opening it.

use std::env;
use std::fs::DirBuilder;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::master_key::MasterKey;
use countersign_core::store::SqliteStore;
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

/// Opens the store in this folder, or creates it together with its master key.
pub(crate) fn open(folder: &Path) -> Result<SqliteStore, Failure> {
    create(folder)?;
    open_files(&StoreFiles::within(folder))
}

/// Opens the store of these files, or creates it together with its master key.
pub(crate) fn open_files(files: &StoreFiles) -> Result<SqliteStore, Failure> {
    for file in [&files.store, &files.master_key] {
        file.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(Ok(()), create)?;
    }
    let key = MasterKey::open_or_create(&files.master_key).map_err(Failure::usage)?;
    SqliteStore::open(&files.store, Arc::new(key)).map_err(Failure::usage)
}
