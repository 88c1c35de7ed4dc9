//! Files that only their owner may read: created so, and refused otherwise.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

/// Opens a file that exists; `None` when there is none.
pub(crate) fn open(path: &Path) -> Result<Option<File>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(path, &error)),
    };
    let mode = file.metadata().map_err(|error| fault(path, &error))?.mode();
    if mode & OTHERS == 0 {
        return Ok(Some(file));
    }
    let fault = format!("others may read it (mode {:o})", mode & 0o777);
    Err(StoreError::File { path: path.to_owned(), fault, mend: "run chmod 600 on it, and replace its content if others did read it" })
}

/// Creates an empty file if there is none, and refuses one that others may read.
pub(crate) fn ensure(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(path).map(drop),
        Err(error) => Err(fault(path, &error)),
    }
}

/// Creates the file with this content, whole and durable, unless there is one already: then nothing is done.
pub(crate) fn create(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let draft = draft_beside(path)?;
    let written = write_draft(&draft, content);
    // A hard link is refused when the name exists: of two processes that start at once, one wins and both read its file.
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match linked {
        Ok(()) => removed.map_err(|error| fault(&draft, &error)).and_then(|()| sync_folder(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(fault(path, &error)),
    }
}

/// Writes the file with this content, whole and durable, in place of one that is there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let draft = draft_beside(path)?;
    if let Err(error) = write_draft(&draft, content).and_then(|()| fs::rename(&draft, path)) {
        // What is half written is of no use to anybody.
        let _gone = fs::remove_file(&draft);
        return Err(fault(path, &error));
    }
    sync_folder(path)
}

fn write_draft(draft: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

pub(crate) fn fault(path: &Path, error: &io::Error) -> StoreError {
    StoreError::File { path: path.to_owned(), fault: error.to_string(), mend: "check the folder and its permissions" }
}

fn draft_beside(path: &Path) -> Result<PathBuf, StoreError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", crate::random::hex(8)?));
    Ok(path.with_file_name(name))
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(|error| fault(folder, &error))
}
