//! What a store can fail with, and who is at fault.

use std::fmt;
use std::path::PathBuf;

/// Why a store did not do what was asked. No variant holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot answer: its thread ended, its disk is full, or another process held it for too long.
    Unavailable(String),
    /// More is asked of the store at once than its queue holds.
    Busy,
    /// The operator's value is not acceptable.
    Invalid {
        /// Which value.
        field: &'static str,
        /// What is wrong with it.
        fault: String,
        /// What to do.
        mend: &'static str,
    },
    /// There is an app of this name already.
    AppExists(String),
    /// There is no app of this name.
    UnknownApp(String),
    /// There is a credential with this key id already.
    KeyIdExists(String),
    /// There is no credential with this key id.
    UnknownKeyId(String),
    /// There is a user of this name already, or of one that differs by the case of letters only.
    UserExists(String),
    /// There is no user of this name or with this id.
    UnknownUser(String),
    /// Another credential has the same secret or public key.
    SecretInUse,
    /// A public key was offered as a shared secret: whoever knows it could sign.
    PublicKeyAsSecret,
    /// A file is not as it must be.
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
        /// What to do.
        mend: &'static str,
    },
    /// The store was written under another master key.
    WrongMasterKey {
        /// The key id that the store names.
        stored: String,
        /// The key id that was given.
        given: String,
    },
    /// The store was written by a later version.
    NewerSchema {
        /// The version that the store has.
        found: i64,
        /// The last version that is known here.
        known: i64,
    },
    /// A stored row cannot be read: damaged, or moved from elsewhere.
    Corrupt {
        /// Which row.
        row: String,
        /// What is wrong with it.
        fault: &'static str,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "the store cannot answer: {why}"),
            Self::Busy => f.write_str("the store's queue is full"),
            Self::Invalid { field, fault, mend } => write!(f, "{field}: {fault}; {mend}"),
            Self::AppExists(name) => write!(f, "there is an app {name:?} already; choose another name"),
            Self::UnknownApp(name) => write!(f, "there is no app {name:?}"),
            Self::KeyIdExists(id) => write!(f, "there is a credential with the key id {id:?} already; choose another key id"),
            Self::UnknownKeyId(id) => write!(f, "there is no credential with the key id {id:?}"),
            Self::UserExists(name) => write!(f, "there is a user {name:?} already, in this or another case; choose another name"),
            Self::UnknownUser(name) => write!(f, "there is no user {name:?}"),
            Self::SecretInUse => f.write_str("another credential has the same secret or public key; make a new one"),
            Self::PublicKeyAsSecret => f.write_str("a public key cannot be a shared secret; register it as a public key"),
            Self::File { path, fault, mend } => write!(f, "{}: {fault}; {mend}", path.display()),
            Self::WrongMasterKey { stored, given } => {
                write!(f, "the store was written under the master key {stored}, not {given}; give the key file that belongs to it")
            }
            Self::NewerSchema { found, known } => {
                write!(f, "the store has schema version {found}, this program knows {known}; use a later program")
            }
            Self::Corrupt { row, fault } => write!(f, "the stored {row} cannot be read: {fault}; restore it from a backup"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
