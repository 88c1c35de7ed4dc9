//! The key that signs heads: a file with its public half in the open and its private half sealed under the master key.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{KeyFamily, KeyPair, Secret};
use serde::{Deserialize, Serialize};

use super::head::{Head, SignedHead};
use crate::error::StoreError;
use crate::master_key::{MasterKey, Place};
use crate::private_file;
use crate::random::hex;

/// The bytes of a chain's id.
const CHAIN_ID: usize = 8;
/// The most bytes of a key file.
const MOST: u64 = 4_096;
/// What stands before the 32 bytes of an Ed25519 public key in DER (RFC 8410, section 4).
const ED25519_DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Signs the heads of one chain, seals its evidence, and makes its keyed digests.
pub struct AuditKey {
    pinned: Pinned,
    pair: Ed25519KeyPair,
    master: Arc<MasterKey>,
    digest: Secret,
    seal: hmac::Key,
}

/// What a verifier must know of a chain: its id, and whose signature holds for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The chain's id; `None` for any chain of this key.
    pub chain: Option<String>,
    /// The 32 bytes of the public key.
    public_key: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    chain: String,
    public_key: String,
    sealed: String,
}

impl AuditKey {
    /// Reads the key file, or makes a new chain and its key, for the file's owner only.
    ///
    /// # Errors
    /// When others may read the file, when it belongs to another master key, or when it can be neither read nor created.
    pub fn open_or_create(path: &Path, master: Arc<MasterKey>) -> Result<Self, StoreError> {
        if private_file::open(path)?.is_none() {
            private_file::create(path, new_file(&master)?.as_bytes())?;
        }
        Self::open(path, master)
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// When there is none, when others may read it, or when it belongs to another master key.
    pub fn open(path: &Path, master: Arc<MasterKey>) -> Result<Self, StoreError> {
        let (pinned, sealed) = read(path)?;
        let chain = pinned.chain.clone().unwrap_or_default();
        let pkcs8 = master.open_sealed(&place(&chain), &sealed);
        let pair = pkcs8.and_then(|pkcs8| Ed25519KeyPair::from_pkcs8(&pkcs8).ok());
        let own = pair.filter(|pair| pair.public_key().as_ref() == pinned.public_key);
        let pair = own.ok_or_else(|| StoreError::File {
            path: path.to_owned(),
            fault: "it does not belong to this master key, or was changed".to_owned(),
            mend: "restore the file and the master key from one backup",
        })?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, master.audit_key().expose());
        let digest = Secret::new(hmac::sign(&root, b"digest").as_ref());
        let seal = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, b"seal").as_ref());
        Ok(Self { pinned, pair, master, digest, seal })
    }

    /// What a verifier must know.
    #[must_use]
    pub const fn pinned(&self) -> &Pinned {
        &self.pinned
    }

    /// The chain's id.
    #[must_use]
    pub fn chain(&self) -> &str {
        self.pinned.chain.as_deref().unwrap_or_default()
    }

    pub(super) const fn digest_key(&self) -> &Secret {
        &self.digest
    }

    pub(super) fn sign(&self, head: &Head) -> SignedHead {
        let text = head.to_text();
        SignedHead { signature: self.pair.sign(text.as_bytes()).as_ref().to_vec(), text }
    }

    /// What only a holder of the master key can put beside a link: it holds the records that no head holds yet.
    pub(super) fn seal_of(&self, link: &[u8; 32]) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.seal, link).as_ref());
        out
    }

    /// Whether the seal is that of the link, in constant time.
    pub(super) fn seals(&self, link: &[u8; 32], seal: &[u8]) -> bool {
        hmac::verify(&self.seal, link, seal).is_ok()
    }

    pub(super) fn seal_evidence(&self, sequence: u64, lines: &str) -> Result<Vec<u8>, StoreError> {
        let row = sequence.to_string();
        self.master.seal(&Place { table: "audit", app: self.chain(), credential: &row }, lines.as_bytes())
    }

    pub(super) fn open_evidence(&self, sequence: u64, sealed: &[u8]) -> Option<String> {
        let row = sequence.to_string();
        let plain = self.master.open_sealed(&Place { table: "audit", app: self.chain(), credential: &row }, sealed)?;
        String::from_utf8(plain.to_vec()).ok()
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditKey({})", self.chain())
    }
}

impl Pinned {
    /// The open half of a key file. Nobody has checked that it is the one that was made at first.
    ///
    /// # Errors
    /// When there is none, or it is no key file.
    pub fn of_key_file(path: &Path) -> Result<Self, StoreError> {
        read(path).map(|(pinned, _)| pinned)
    }

    /// A public key that was exported before: PEM. It stands for any chain that it signs.
    ///
    /// # Errors
    /// When it is no Ed25519 public key.
    pub fn from_pem(pem: &str) -> Result<Self, StoreError> {
        let pair = KeyPair::from_public_pem(pem).ok().filter(|pair| pair.family() == KeyFamily::Ed25519);
        let public_key = pair.and_then(|pair| pair.public_der().strip_prefix(&ED25519_DER)?.try_into().ok());
        public_key.map(|public_key| Self { chain: None, public_key }).ok_or(StoreError::Invalid {
            field: "public key",
            fault: "it is no Ed25519 public key in PEM".to_owned(),
            mend: "give the file that `countersign audit key` printed",
        })
    }

    /// The public key: PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &[&ED25519_DER[..], &self.public_key].concat())
    }

    pub(super) const fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// Whether both have the same key.
    #[must_use]
    pub fn same_key(&self, other: &Self) -> bool {
        self.public_key == other.public_key
    }
}

/// DER as PEM (RFC 7468).
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn new_file(master: &MasterKey) -> Result<String, StoreError> {
    let chain = hex(CHAIN_ID)?;
    let failed = || StoreError::Unavailable("an Ed25519 key could not be made".to_owned());
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).map_err(|_| failed())?;
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|_| failed())?;
    let sealed = STANDARD.encode(master.seal(&place(&chain), pkcs8.as_ref())?);
    let public_key = STANDARD.encode(pair.public_key().as_ref());
    let written = serde_json::to_string(&Written { chain, public_key, sealed }).map_err(|_| failed())?;
    Ok(format!("{written}\n"))
}

fn read(path: &Path) -> Result<(Pinned, Vec<u8>), StoreError> {
    let refused = |fault: &str| StoreError::File {
        path: path.to_owned(),
        fault: fault.to_owned(),
        mend: "restore the audit key from its backup; without it the chain cannot go on",
    };
    let file = private_file::open(path)?.ok_or_else(|| refused("there is no such file"))?;
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text).map_err(|error| private_file::fault(path, &error))?;
    let written: Written = serde_json::from_str(&text).map_err(|_| refused("it is no audit key"))?;
    let public_key = STANDARD.decode(&written.public_key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let (public_key, sealed) = public_key.zip(STANDARD.decode(&written.sealed).ok()).ok_or_else(|| refused("it is no audit key"))?;
    Ok((Pinned { chain: Some(written.chain), public_key }, sealed))
}

const fn place(chain: &str) -> Place<'_> {
    Place { table: "audit key", app: chain, credential: "ed25519" }
}
