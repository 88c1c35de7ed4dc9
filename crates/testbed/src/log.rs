//! The logs of the tests: with `COUNTERSIGN_TEST_LOG`, everything that is told at TRACE is kept in files of that folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What is told, in memory, for a test that reads it.
#[derive(Debug, Clone, Default)]
pub struct Told(Arc<Mutex<Vec<u8>>>);

impl Told {
    /// What was told so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Told {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Where logs are kept, if they are.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os("COUNTERSIGN_TEST_LOG").map(PathBuf::from)
}

/// Keeps what this process tells from now on, unless it has another log already.
pub fn keep_log() {
    if let Some(file) = file() {
        let log = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false).with_writer(Mutex::new(file));
        // The first one stays.
        let _kept = log.try_init();
    }
}

/// A file of this process, to append to.
pub(crate) fn file() -> Option<File> {
    let folder = folder()?;
    fs::create_dir_all(&folder).ok()?;
    OpenOptions::new().create(true).append(true).open(folder.join(format!("{}.log", std::process::id()))).ok()
}
