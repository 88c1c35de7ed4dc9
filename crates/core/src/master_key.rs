//! The master key: a private file, from which every secret at rest is sealed and every keyed digest is made.

use std::fmt;
use std::io::Read;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use countersign_protocol::Secret;
use zeroize::{Zeroize, Zeroizing};

use crate::error::StoreError;
use crate::private_file;
use crate::random::{fill, to_hex};

/// The bytes of the key.
const KEY_BYTES: usize = 32;

/// Keys for sealing, for fingerprints of secrets, for the look-up of API keys, for replay entries, for the audit log and for sessions, all from one file.
pub struct MasterKey {
    id: String,
    sealing: LessSafeKey,
    fingerprint: hmac::Key,
    pepper: hmac::Key,
    replay: Secret,
    audit: Secret,
    session: Secret,
}

impl MasterKey {
    /// Reads the key file, or creates it with 32 random bytes, readable by its owner only.
    ///
    /// # Errors
    /// When others may read the file, when it has another length, or when it can be neither read nor created.
    pub fn open_or_create(path: &Path) -> Result<Self, StoreError> {
        if private_file::open(path)?.is_none() {
            let mut bytes = Zeroizing::new([0; KEY_BYTES]);
            fill(bytes.as_mut())?;
            private_file::create(path, bytes.as_ref())?;
        }
        Self::open(path)
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// When there is none, when others may read it, or when it has another length.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let refused = |fault: &str| StoreError::File {
            path: path.to_owned(),
            fault: fault.to_owned(),
            mend: "restore the 32 bytes of the master key from its backup",
        };
        let file = private_file::open(path)?.ok_or_else(|| refused("there is no such file"))?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
        file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| private_file::fault(path, &error))?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != KEY_BYTES {
            return Err(refused("it is no master key: not 32 bytes"));
        }
        key.copy_from_slice(&bytes);
        Self::from_bytes(&key)
    }

    /// A key that is kept nowhere, for stores that live as long as the process.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn ephemeral() -> Result<Self, StoreError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(bytes.as_mut())?;
        Self::from_bytes(&bytes)
    }

    fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Result<Self, StoreError> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let derived = |purpose: &str| hmac::sign(&root, format!("countersign 1 {purpose}").as_bytes());
        let keyed = |purpose: &str| hmac::Key::new(hmac::HMAC_SHA256, derived(purpose).as_ref());
        let sealing = UnboundKey::new(&AES_256_GCM, derived("sealing").as_ref())
            .map_err(|_| StoreError::Unavailable("AES-256-GCM is missing".to_owned()))?;
        Ok(Self {
            id: to_hex(&derived("id").as_ref()[..8]),
            sealing: LessSafeKey::new(sealing),
            fingerprint: keyed("fingerprint"),
            pepper: keyed("pepper"),
            replay: Secret::new(derived("replay").as_ref()),
            audit: Secret::new(derived("audit").as_ref()),
            session: Secret::new(derived("session").as_ref()),
        })
    }

    /// The key's public name: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key under which replay entries are hashed.
    #[must_use]
    pub const fn replay_key(&self) -> &Secret {
        &self.replay
    }

    /// The key from which refresh tokens and the signing keys of sessions are made.
    pub(crate) const fn session_key(&self) -> &Secret {
        &self.session
    }

    /// The key from which the audit log's digests and seals are made.
    pub(crate) const fn audit_key(&self) -> &Secret {
        &self.audit
    }

    /// What tells that two credentials have the same secret, without telling the secret.
    pub(crate) fn fingerprint(&self, bytes: &[u8]) -> [u8; 32] {
        digest(&self.fingerprint, bytes)
    }

    /// Where the credential of an API key is found.
    pub(crate) fn secret_index(&self, secret: &Secret) -> [u8; 32] {
        digest(&self.pepper, secret.expose())
    }

    /// Seals the bytes for one place; they open nowhere else.
    pub(crate) fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce)?;
        let mut sealed = plain.to_vec();
        let tag =
            self.sealing.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.text(&self.id)), &mut sealed);
        let Ok(tag) = tag else {
            sealed.zeroize();
            return Err(StoreError::Unavailable("sealing failed".to_owned()));
        };
        Ok([&nonce[..], &sealed, tag.as_ref()].concat())
    }

    /// Opens what was sealed for this place; `None` for anything else.
    pub(crate) fn open_sealed(&self, place: &Place<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut plain = Zeroizing::new(rest.to_vec());
        let length =
            self.sealing.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.text(&self.id)), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// The one row that a sealed value belongs to.
pub(crate) struct Place<'a> {
    /// The table.
    pub(crate) table: &'static str,
    /// The app's name, which holds no `|`.
    pub(crate) app: &'a str,
    /// The credential's key id.
    pub(crate) credential: &'a str,
}

impl Place<'_> {
    /// Unambiguous: only the third field may hold a `|`, and the last one has a fixed length.
    fn text(&self, key: &str) -> Vec<u8> {
        format!("{}|{}|{}|{key}", self.table, self.app, self.credential).into_bytes()
    }
}

fn digest(key: &hmac::Key, bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(hmac::sign(key, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const HOME: Place<'_> = Place { table: "credential", app: "a", credential: "k" };

    #[test]
    fn the_file_is_private_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = MasterKey::open_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let sealed = key.seal(&HOME, b"canary").unwrap();
        let again = MasterKey::open_or_create(&path).unwrap();
        assert_eq!(again.open_sealed(&HOME, &sealed).unwrap().as_slice(), b"canary");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        drop(MasterKey::open_or_create(&path).unwrap());
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = MasterKey::open_or_create(&path).unwrap_err();
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
    }

    #[test]
    fn a_file_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, length) in [("short", 31), ("long", 33), ("empty", 0)] {
            let path = folder.path().join(name);
            private_file::create(&path, &vec![7; length]).unwrap();
            assert!(MasterKey::open_or_create(&path).is_err(), "{name}");
        }
    }

    #[test]
    fn a_sealed_value_opens_in_its_own_place_only() {
        let key = MasterKey::ephemeral().unwrap();
        let sealed = key.seal(&HOME, b"canary").unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"canary"));
        assert!(key.open_sealed(&Place { credential: "other", ..HOME }, &sealed).is_none());
        assert!(key.open_sealed(&Place { app: "b", ..HOME }, &sealed).is_none());
        assert!(MasterKey::ephemeral().unwrap().open_sealed(&HOME, &sealed).is_none());
        let mut flipped = sealed.clone();
        flipped[NONCE_LEN] ^= 1;
        assert!(key.open_sealed(&HOME, &flipped).is_none());
        assert!(key.open_sealed(&HOME, &sealed[..5]).is_none());
        assert_ne!(sealed, key.seal(&HOME, b"canary").unwrap(), "each nonce is new");
    }

    #[test]
    fn digests_for_two_purposes_differ() {
        let key = MasterKey::ephemeral().unwrap();
        assert_ne!(key.fingerprint(b"s"), key.secret_index(&Secret::from("s")));
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
    }
}
