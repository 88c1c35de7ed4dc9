//! The token file of one user, which processes share.
//!
//! Whoever refreshes holds the lock of the file beside it from reading to writing; the file itself is replaced whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SessionError;
use super::grant::Grant;
use crate::credentials::file::refuse_what_others_read;

/// The most bytes of a file.
const MOST_BYTES: u64 = 64 * 1024;
/// The version of the form.
const VERSION: u32 = 1;
/// How long it takes until the lock is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// Where the file is.
#[derive(Clone)]
pub(super) struct TokenFile {
    path: PathBuf,
}

/// The file, while nobody else may write it.
pub(super) struct Locked {
    file: TokenFile,
    _lock: File,
}

/// What it holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    countersign_session: u32,
    /// The URL of the session's API: no other server is shown the tokens.
    pub(super) server: String,
    /// The machine's clock when the tokens came, in milliseconds since 1970.
    pub(super) granted_at: i64,
    pub(super) grant: Grant,
}

impl Stored {
    pub(super) const fn new(server: String, granted_at: i64, grant: Grant) -> Self {
        Self { countersign_session: VERSION, server, granted_at, grant }
    }
}

impl TokenFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Waits for the lock, at most so long. The system takes it back from a process that ends.
    pub(super) async fn lock(&self, patience: Duration) -> Result<Locked, SessionError> {
        let file = self.clone();
        let lock = aside(move || file.open_lock()).await?;
        let taken = async {
            loop {
                match lock.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
                    Err(TryLockError::Error(error)) => return Err(self.fault(format!("it cannot be locked: {error}"))),
                }
            }
        };
        tokio::time::timeout(patience, taken).await.map_err(|_| SessionError::Busy { waited: patience })??;
        Ok(Locked { file: self.clone(), _lock: lock })
    }

    /// What the file holds now; `None`: there is none.
    pub(super) async fn read(&self) -> Result<Option<Stored>, SessionError> {
        let file = self.clone();
        aside(move || file.read_now()).await
    }

    pub(super) fn fault(&self, fault: impl Into<String>) -> SessionError {
        SessionError::file(&self.path, fault)
    }

    fn open_lock(&self) -> Result<File, SessionError> {
        let path = self.beside(".lock");
        let lock = private().create(true).truncate(false).open(&path);
        let lock = lock.map_err(|e| self.fault(format!("its lock {} cannot be opened: {e}", path.display())))?;
        // Whoever may open it could hold it for ever.
        let metadata = lock.metadata().map_err(|e| self.fault(e.to_string()))?;
        refuse_what_others_read(&metadata).map_err(|fault| SessionError::file(&path, fault))?;
        Ok(lock)
    }

    fn read_now(&self) -> Result<Option<Stored>, SessionError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.fault(error.to_string())),
        };
        let metadata = file.metadata().map_err(|e| self.fault(e.to_string()))?;
        refuse_what_others_read(&metadata).map_err(|fault| self.fault(fault))?;
        let mut text = Zeroizing::new(Vec::new());
        file.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(|e| self.fault(e.to_string()))?;
        // The parser's own text may quote the tokens.
        let broken =
            || self.fault("it is torn, or another program's; the session is not ended by that: put the file back, or log in again");
        if text.len() as u64 > MOST_BYTES {
            return Err(broken());
        }
        let stored: Stored = serde_json::from_slice(&text).map_err(|_| broken())?;
        if stored.countersign_session != VERSION {
            return Err(self.fault(format!("it is of version {}, and this program writes {VERSION}", stored.countersign_session)));
        }
        stored.grant.check().map_err(|_| broken())?;
        Ok(Some(stored))
    }

    /// Writes a new file and puts it in the old one's place. After a loss of power the one or the other is there, and what was used is.
    fn write_now(&self, text: &[u8]) -> std::io::Result<()> {
        let draft = self.beside(".new");
        // One that a crash has left; nobody else writes while the lock is held.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private().create_new(true).open(&draft)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        self.sync_folder()
    }

    #[cfg(unix)]
    fn sync_folder(&self) -> std::io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        File::open(folder)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync_folder(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.file_name().map_or_else(OsString::new, OsString::from);
        name.push(ending);
        self.path.with_file_name(name)
    }
}

impl Locked {
    /// What the file holds.
    pub(super) async fn read(&self) -> Result<Option<Stored>, SessionError> {
        self.file.read().await
    }

    /// Replaces what it holds. Once this has returned, the content survives a crash.
    pub(super) async fn write(&self, stored: &Stored) -> Result<(), SessionError> {
        let file = self.file.clone();
        let text = Zeroizing::new(serde_json::to_vec(stored).map_err(|_| file.fault("the tokens cannot be written"))?);
        aside(move || file.write_now(&text).map_err(|e| file.fault(format!("it cannot be written: {e}")))).await
    }

    /// Removes the file.
    pub(super) async fn remove(&self) -> Result<(), SessionError> {
        let file = self.file.clone();
        aside(move || match fs::remove_file(&file.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(file.fault(format!("it cannot be removed: {error}"))),
            _ => Ok(()),
        })
        .await
    }
}

/// For writing, and for its owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Runs what waits for a disk where it holds nobody up.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, SessionError> + Send + 'static) -> Result<T, SessionError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(SessionError::Key { fault: "the program is ending" }))
}
