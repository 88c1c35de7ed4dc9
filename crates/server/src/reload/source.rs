//! Where a configuration comes from, at the start and at each reload.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use countersign_protocol::Dialects;
use sha2::{Digest, Sha256};

use crate::config::{Checked, Config, ConfigError, Running, Settings};
use crate::upstream::Directory;

/// Bytes of one file that count for whether it changed.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// Files of one folder that count for whether it changed.
const MOST_FILES: usize = 4096;

/// Reads folders of dialect files.
type ReadDialects = dyn Fn(&[PathBuf]) -> Result<Dialects, ConfigError> + Send + Sync;

/// A configuration file, with the dialect folders that it names.
pub struct Source {
    file: PathBuf,
    listen: Option<SocketAddr>,
    decides: bool,
    folders: Vec<PathBuf>,
    dialects: Box<ReadDialects>,
    /// The fingerprint of what was loaded last.
    loaded: Mutex<Option<[u8; 32]>>,
}

/// A configuration without fault.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// As it is written.
    pub config: Config,
    /// As it is served.
    pub settings: Settings,
    /// Every dialect that is known with it.
    pub dialects: Dialects,
}

impl Source {
    /// The configuration in this file. `dialects` gives every dialect that is known with the folders that the configuration
    /// names.
    #[must_use]
    pub fn new(file: &Path, dialects: impl Fn(&[PathBuf]) -> Result<Dialects, ConfigError> + Send + Sync + 'static) -> Self {
        Self {
            file: file.to_owned(),
            listen: None,
            decides: false,
            folders: Vec::new(),
            dialects: Box::new(dialects),
            loaded: Mutex::default(),
        }
    }

    /// The same, listening on this address in the place of its own.
    #[must_use]
    pub fn listening_on(mut self, address: Option<SocketAddr>) -> Self {
        self.listen = address;
        self
    }

    /// The same, in decide mode, whatever it says itself.
    #[must_use]
    pub const fn deciding(mut self, decides: bool) -> Self {
        self.decides = decides;
        self
    }

    /// The same, where a change of these folders counts as a change too.
    #[must_use]
    pub fn watching(mut self, folders: &[PathBuf]) -> Self {
        self.folders = folders.to_vec();
        self
    }

    /// Reads and checks everything.
    ///
    /// # Errors
    /// Every fault.
    pub fn load(&self) -> Result<Loaded, Vec<ConfigError>> {
        self.load_with(|config, dialects| config.check(dialects))
    }

    /// The same for a gateway that runs with these upstreams and these logins.
    pub(crate) fn load_while(&self, before: &Directory, running: Running<'_>) -> Result<Loaded, Vec<ConfigError>> {
        self.load_with(|config, dialects| config.check_while(dialects, before, running))
    }

    fn load_with(&self, check: impl FnOnce(&Config, &Dialects) -> Checked) -> Result<Loaded, Vec<ConfigError>> {
        // Taken before anything is read: what changes meanwhile differs from it, and is loaded next.
        let fingerprint = self.fingerprint();
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
        let config = Config::read_leniently(&self.file).map_err(|fault| vec![fault])?;
        let config = self.listen.into_iter().fold(config, Config::listening_on);
        let config = if self.decides { config.deciding() } else { config };
        let dialects = match (self.dialects)(config.dialect_folders()) {
            Ok(dialects) => dialects,
            // Without the folders, every route of theirs would be told for a fault of its own.
            Err(fault) => return Err(config.faults().iter().cloned().chain([fault]).collect()),
        };
        let checked = check(&config, &dialects);
        match checked.settings {
            Some(settings) => Ok(Loaded { config, settings, dialects }),
            None => Err(checked.faults),
        }
    }

    /// Whether this is the fingerprint of what was loaded last, with or without success.
    pub(super) fn is_loaded(&self, fingerprint: [u8; 32]) -> bool {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) == Some(fingerprint)
    }

    /// A digest of everything that the configuration is made of, as it lies on the disk now. Links are followed, so that a
    /// swapped one shows.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        note(&mut digest, &self.file);
        if let Ok(config) = Config::read_leniently(&self.file) {
            for folder in config.dialect_folders().iter().chain(&self.folders) {
                note_folder(&mut digest, folder);
            }
            config.further_files().into_iter().for_each(|file| note(&mut digest, file));
        }
        digest.finalize().into()
    }
}

/// Path and content, or that there is none.
fn note(digest: &mut Sha256, file: &Path) {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    let name = file.as_os_str().as_encoded_bytes();
    for part in [name, if read.is_ok() { b"+" } else { b"-" }, &bytes] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
}

fn note_folder(digest: &mut Sha256, folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return note(digest, folder) };
    let mut files: Vec<PathBuf> = entries.take(MOST_FILES).filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files.iter().for_each(|file| note(digest, file));
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_of_any_file_shows_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (config, dialects) = (at("gateway.toml"), at("dialects"));
        fs::create_dir(&dialects).unwrap();
        fs::write(
            &config,
            format!(
                "dialects = [{dialects:?}]\n[[tls]]\nlisten = []\ncertificates = [{{ certificate = {:?}, key = \"k\" }}]\n",
                at("c.pem")
            ),
        )
        .unwrap();
        let source = Source::new(&config, |_| Ok(Dialects::builtin().unwrap()));
        let mut last = source.fingerprint();
        assert_eq!(source.fingerprint(), last);
        let mut changes = |what: &str| {
            let now = source.fingerprint();
            assert_ne!(now, std::mem::replace(&mut last, now), "{what}");
        };
        fs::write(dialects.join("a.yaml"), "a").unwrap();
        changes("a new dialect");
        fs::write(dialects.join("a.yaml"), "b").unwrap();
        changes("another content");
        fs::rename(dialects.join("a.yaml"), dialects.join("b.yaml")).unwrap();
        changes("another name");
        fs::write(at("one.pem"), "1").unwrap();
        fs::write(at("two.pem"), "2").unwrap();
        std::os::unix::fs::symlink(at("one.pem"), at("c.pem")).unwrap();
        changes("a certificate that is there now");
        std::os::unix::fs::symlink(at("two.pem"), at("link")).unwrap();
        fs::rename(at("link"), at("c.pem")).unwrap();
        changes("a link that leads elsewhere");
        fs::remove_dir_all(&dialects).unwrap();
        changes("a folder that is gone");
        fs::write(&config, "listen").unwrap();
        changes("a configuration that cannot be read");
    }
}
