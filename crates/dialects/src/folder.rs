//! A folder of dialect files, read with limits and suspicion.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use countersign_protocol::Dialects;

use crate::error::{Fault, FileError, FolderError};

/// The longest dialect file that is read, in bytes.
pub const FILE_LIMIT: u64 = 64 << 10;
/// The most dialect files in one folder.
pub const FILES_LIMIT: usize = 1_000;

/// A folder that may be read.
#[derive(Debug, Clone)]
pub struct Folder {
    /// The real path, without links.
    path: PathBuf,
}

/// A dialect file that was loaded.
#[derive(Debug, Clone)]
pub struct DialectFile {
    /// The dialect's id, which is the stem of the file's name.
    pub id: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// When the path names no folder, or one that everyone may write.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FolderError> {
        let given = path.as_ref();
        let path = fs::canonicalize(given).map_err(FileError::io(given))?;
        let metadata = fs::metadata(&path).map_err(FileError::io(given))?;
        if !metadata.is_dir() {
            return Err(FileError::new(given, Fault::NoFolder).into());
        }
        if is_world_writable(&metadata) {
            return Err(FileError::new(given, Fault::WorldWritable).into());
        }
        Ok(Self { path })
    }

    /// Loads every `*.yaml` of the folder, by name. Hidden files, other endings and inner folders are left alone.
    ///
    /// # Errors
    /// When any file is refused: all of them are named, and the registry stays as it was.
    pub fn load_into(&self, dialects: &mut Dialects) -> Result<Vec<DialectFile>, FolderError> {
        let mut loaded = dialects.clone();
        let (mut files, mut faults) = (Vec::new(), Vec::new());
        for path in self.paths()? {
            match self.load(&path, &mut loaded) {
                Ok(file) => files.push(file),
                Err(fault) => faults.push(FileError::new(&path, fault)),
            }
        }
        if !faults.is_empty() {
            return Err(FolderError::new(faults));
        }
        *dialects = loaded;
        Ok(files)
    }

    fn paths(&self) -> Result<Vec<PathBuf>, FolderError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(FileError::io(&self.path))? {
            let path = entry.map_err(FileError::io(&self.path))?.path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if hidden || !path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
                continue;
            }
            if paths.len() == FILES_LIMIT {
                return Err(FileError::new(&self.path, Fault::TooMany).into());
            }
            paths.push(path);
        }
        paths.sort();
        Ok(paths)
    }

    fn load(&self, path: &Path, dialects: &mut Dialects) -> Result<DialectFile, Fault> {
        if path.extension().is_some_and(|ending| ending == "yml") {
            return Err(Fault::WrongEnding);
        }
        let id = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| is_id(stem)).ok_or(Fault::WrongName)?.to_owned();
        let text = String::from_utf8(self.read(path)?).map_err(|_| Fault::NotUtf8)?;
        dialects.add_yaml(&id, &text).map_err(Fault::Definition)?;
        Ok(DialectFile { id, path: path.to_owned(), text })
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Fault> {
        let real = fs::canonicalize(path).map_err(Fault::Unreadable)?;
        if !real.starts_with(&self.path) {
            return Err(Fault::LeavesFolder);
        }
        // Opening a pipe would wait for a writer.
        if !fs::metadata(&real).map_err(Fault::Unreadable)?.is_file() {
            return Err(Fault::NoFile);
        }
        let file = File::open(&real).map_err(Fault::Unreadable)?;
        let metadata = file.metadata().map_err(Fault::Unreadable)?;
        if !metadata.is_file() {
            return Err(Fault::NoFile);
        }
        if is_world_writable(&metadata) {
            return Err(Fault::WorldWritable);
        }
        let mut bytes = Vec::new();
        file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(Fault::Unreadable)?;
        if bytes.len() as u64 > FILE_LIMIT { Err(Fault::TooLong) } else { Ok(bytes) }
    }
}

fn is_id(stem: &str) -> bool {
    stem.len() <= 64 && stem.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') && !stem.starts_with('-')
}

#[cfg(unix)]
fn is_world_writable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o002 != 0
}

#[cfg(not(unix))]
const fn is_world_writable(_: &Metadata) -> bool {
    false
}
