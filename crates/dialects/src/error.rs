//! What is wrong with a folder of dialects: every file at fault, the place in it, and the mend.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use countersign_protocol::LoadError;

/// A folder that was not loaded. Nothing of it is in the registry.
#[derive(Debug)]
pub struct FolderError {
    files: Vec<FileError>,
}

impl FolderError {
    pub(crate) const fn new(files: Vec<FileError>) -> Self {
        Self { files }
    }

    /// The faults, in the order of the files' names. There is at least one.
    #[must_use]
    pub fn files(&self) -> &[FileError] {
        &self.files
    }
}

impl From<FileError> for FolderError {
    fn from(error: FileError) -> Self {
        Self::new(vec![error])
    }
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, file) in self.files.iter().enumerate() {
            write!(f, "{}{file}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for FolderError {}

/// A file, or the folder itself, and its fault.
#[derive(Debug)]
pub struct FileError {
    path: PathBuf,
    fault: Fault,
}

impl FileError {
    pub(crate) fn new(path: &Path, fault: Fault) -> Self {
        Self { path: path.to_owned(), fault }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::new(path, Fault::Unreadable(error))
    }

    /// The file or folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn fault(&self) -> &Fault {
        &self.fault
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl std::error::Error for FileError {}

/// What is wrong with a file or folder.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// It cannot be read.
    Unreadable(io::Error),
    /// The path names no folder.
    NoFolder,
    /// Everyone may write it.
    WorldWritable,
    /// A link that leads out of the folder.
    LeavesFolder,
    /// It is no regular file.
    NoFile,
    /// It is longer than [`crate::FILE_LIMIT`].
    TooLong,
    /// The folder holds more than [`crate::FILES_LIMIT`] dialects.
    TooMany,
    /// The bytes are no UTF-8.
    NotUtf8,
    /// The name ends in `.yml`.
    WrongEnding,
    /// The name is no dialect id.
    WrongName,
    /// The definition makes no sense.
    Definition(LoadError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::NoFolder => f.write_str("is no folder; name a folder that holds <id>.yaml files"),
            Self::WorldWritable => f.write_str("may be written by everyone; take that right away with chmod o-w"),
            Self::LeavesFolder => f.write_str("is a link that leads out of the folder; copy the file into it"),
            Self::NoFile => f.write_str("is no regular file; remove it, or name it other than .yaml"),
            Self::TooLong => write!(f, "is longer than {} KiB; a dialect is shorter", crate::FILE_LIMIT >> 10),
            Self::TooMany => write!(f, "holds more than {} dialects; use several folders", crate::FILES_LIMIT),
            Self::NotUtf8 => f.write_str("is no UTF-8 text; save it as UTF-8"),
            Self::WrongEnding => f.write_str("ends in .yml; name it <id>.yaml"),
            Self::WrongName => f.write_str("is named unlike a dialect; use lower-case letters, digits and '-' before .yaml"),
            Self::Definition(error) => error.fmt(f),
        }
    }
}
