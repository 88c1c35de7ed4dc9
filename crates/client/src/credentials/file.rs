//! A credential in a private file, read again when the file changes.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use countersign_protocol::{Credential, KeyMaterial, Secret};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{Given, SourceError};

/// The most bytes of a file.
const MOST_BYTES: u64 = 64 * 1024;
/// The permission bits of group and others.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// A file, and what was read from it.
pub(super) struct FileSource {
    path: PathBuf,
    read: Mutex<Option<(State, Credential)>>,
}

/// What tells one content of a file from the next without reading it.
#[derive(PartialEq, Eq)]
struct State {
    length: u64,
    modified: Option<SystemTime>,
    /// Of the file itself: one that took another's place is another one.
    identity: (u64, i64, i64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    key_id: String,
    secret: Option<Text>,
    private_key: Option<Text>,
    #[serde(default)]
    parts: BTreeMap<String, Text>,
}

/// A secret's text, wiped on drop.
struct Text(Zeroizing<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl FileSource {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::new(None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The credential of the file as it is now.
    pub(super) fn current(&self) -> Given {
        let fault = |fault: &str| format!("the credential's file {}: {fault}", self.path.display());
        let mut file = File::open(&self.path).map_err(|e| fault(&e.to_string()))?;
        let metadata = file.metadata().map_err(|e| fault(&e.to_string()))?;
        refuse_what_others_read(&metadata).map_err(|e| fault(&e))?;
        let state = State::of(&metadata);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, credential)) = read.as_ref().filter(|(known, _)| *known == state) {
            return Ok(credential.clone());
        }
        let mut text = Zeroizing::new(Vec::new());
        file.by_ref().take(MOST_BYTES + 1).read_to_end(&mut text).map_err(|e| fault(&e.to_string()))?;
        if text.len() as u64 > MOST_BYTES {
            return Err(fault("it has more than 64 KiB; it holds one JSON object").into());
        }
        let credential = parse(&text).map_err(|e| fault(&e.to_string()))?;
        *read = Some((state, credential.clone()));
        Ok(credential)
    }

    /// Reads the file the next time, even if it seems to be the same.
    pub(super) fn forget(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
        };
        #[cfg(not(unix))]
        let identity = (0, 0, 0);
        Self { length: metadata.len(), modified: metadata.modified().ok(), identity }
    }
}

/// Only a file that nobody else can read holds a secret.
pub(crate) fn refuse_what_others_read(metadata: &Metadata) -> Result<(), String> {
    if !metadata.is_file() {
        return Err("it is no file".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if metadata.mode() & OTHERS != 0 {
            let mode = metadata.mode() & 0o777;
            return Err(format!("others may read it (mode {mode:o}); run chmod 600 on it, and replace the secret if others did read it"));
        }
    }
    Ok(())
}

fn parse(text: &[u8]) -> Given {
    // The parser's own text may quote the file.
    let written: Written = serde_json::from_slice(text)
        .map_err(|e| -> SourceError { format!("line {} is not of the form {{\"key_id\": .., \"secret\": ..}}", e.line()).into() })?;
    let material = match (written.secret, written.private_key) {
        (Some(secret), None) => KeyMaterial::Hmac(Secret::new(secret.0.as_bytes())),
        (None, Some(key)) => private_key(&key.0)?,
        _ => return Err("it must hold one of `secret` and `private_key`".into()),
    };
    let credential = Credential::new(written.key_id, material);
    let parts = written.parts.into_iter();
    Ok(parts.fold(credential, |credential, (name, text)| credential.with_part(name, Secret::new(text.0.as_bytes()))))
}

#[cfg(feature = "asymmetric")]
fn private_key(pem: &str) -> Result<KeyMaterial, SourceError> {
    Ok(KeyMaterial::Pair(countersign_protocol::KeyPair::from_private_pem(pem)?))
}

#[cfg(not(feature = "asymmetric"))]
fn private_key(_: &str) -> Result<KeyMaterial, SourceError> {
    Err("a `private_key` needs the feature `asymmetric` of this crate".into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(folder: &Path, text: &str, mode: u32) -> PathBuf {
        let path = folder.join("key.json");
        let draft = folder.join("draft.json");
        fs::write(&draft, text).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(&draft, &path).unwrap();
        path
    }

    #[test]
    fn a_file_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let source = FileSource::new(written(folder.path(), r#"{"key_id": "a", "secret": "s", "parts": {"token": "t"}}"#, 0o600));
        assert_eq!(source.current().unwrap().key_id(), "a");
        written(folder.path(), r#"{"key_id": "b", "secret": "s", "parts": {"token": "t"}}"#, 0o400);
        assert_eq!(source.current().unwrap().key_id(), "b");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o644] {
            let source = FileSource::new(written(folder.path(), r#"{"key_id": "a", "secret": "canary"}"#, mode));
            let error = source.current().unwrap_err().to_string();
            assert!(error.contains("chmod 600") && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn what_is_no_credential_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("{{\"key_id\": \"a\", \"secret\": \"{}\"}}", "x".repeat(70_000));
        for text in [
            "canary",
            r#"{"key_id": "a"}"#,
            r#"{"key_id": "a", "secret": "canary", "private_key": "canary"}"#,
            r#"{"key_id": "a", "secret": "s", "canary": 1}"#,
            r#"{"key_id": "a", "private_key": "canary"}"#,
            &long,
        ] {
            let error = FileSource::new(written(folder.path(), text, 0o600)).current().unwrap_err().to_string();
            assert!(error.contains("key.json") && !error.contains("canary"), "{error}");
        }
        assert!(FileSource::new(folder.path().to_owned()).current().is_err(), "a folder");
        assert!(FileSource::new(folder.path().join("none")).current().is_err());
    }
}
