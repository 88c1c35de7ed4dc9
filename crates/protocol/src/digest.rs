//! Digests and message authentication codes by name, over bytes or fed piece by piece.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Digest;

/// A digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DigestAlgorithm {
    /// MD5 (RFC 1321). Broken; kept for older dialects.
    Md5,
    /// SHA-1. Broken; kept for older dialects.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SM3 (GB/T 32905-2016).
    Sm3,
}

macro_rules! with_digest {
    ($algorithm:expr, $d:ident => $body:expr) => {
        match $algorithm {
            DigestAlgorithm::Md5 => {
                type $d = md5::Md5;
                $body
            }
            DigestAlgorithm::Sha1 => {
                type $d = sha1::Sha1;
                $body
            }
            DigestAlgorithm::Sha256 => {
                type $d = sha2::Sha256;
                $body
            }
            DigestAlgorithm::Sha384 => {
                type $d = sha2::Sha384;
                $body
            }
            DigestAlgorithm::Sha512 => {
                type $d = sha2::Sha512;
                $body
            }
            DigestAlgorithm::Sm3 => {
                type $d = sm3::Sm3;
                $body
            }
        }
    };
}

impl DigestAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 6] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512, Self::Sm3];

    /// The name in dialect files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sm3 => "sm3",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == name)
    }

    /// The digest of these bytes.
    #[must_use]
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        with_digest!(self, D => D::digest(bytes).to_vec())
    }

    /// The HMAC of these bytes (RFC 2104).
    #[must_use]
    pub(crate) fn hmac(self, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        // HMAC takes keys of every length, so the fallback is never used.
        with_digest!(self, D => match Hmac::<D>::new_from_slice(key) {
            Ok(mut mac) => {
                mac.update(bytes);
                mac.finalize().into_bytes().to_vec()
            }
            Err(_) => Vec::new(),
        })
    }
}

/// A running digest.
#[derive(Clone)]
enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
    Sm3(sm3::Sm3),
}

impl Hasher {
    fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Md5 => Self::Md5(md5::Md5::new()),
            DigestAlgorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            DigestAlgorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            DigestAlgorithm::Sha384 => Self::Sha384(sha2::Sha384::new()),
            DigestAlgorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
            DigestAlgorithm::Sm3 => Self::Sm3(sm3::Sm3::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(h) => h.update(bytes),
            Self::Sha1(h) => h.update(bytes),
            Self::Sha256(h) => h.update(bytes),
            Self::Sha384(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
            Self::Sm3(h) => h.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(h) => h.finalize().to_vec(),
            Self::Sha1(h) => h.finalize().to_vec(),
            Self::Sha256(h) => h.finalize().to_vec(),
            Self::Sha384(h) => h.finalize().to_vec(),
            Self::Sha512(h) => h.finalize().to_vec(),
            Self::Sm3(h) => h.finalize().to_vec(),
        }
    }
}

/// Computes digests of a body that goes by in pieces and is not kept.
#[derive(Clone)]
pub struct BodyHasher {
    hashers: Vec<(DigestAlgorithm, Hasher)>,
    length: u64,
}

impl BodyHasher {
    /// Starts these digests.
    #[must_use]
    pub fn new(algorithms: &[DigestAlgorithm]) -> Self {
        Self { hashers: algorithms.iter().map(|a| (*a, Hasher::new(*a))).collect(), length: 0 }
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.length = self.length.saturating_add(piece.len() as u64);
        for (_, hasher) in &mut self.hashers {
            hasher.update(piece);
        }
    }

    /// The digests of everything that was taken.
    #[must_use]
    pub fn finish(self) -> BodyDigests {
        let digests = self.hashers.into_iter().map(|(a, h)| (a, h.finish())).collect();
        BodyDigests { digests, length: self.length }
    }
}

impl std::fmt::Debug for BodyHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BodyHasher({} bytes)", self.length)
    }
}

/// The digests and the length of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyDigests {
    digests: Vec<(DigestAlgorithm, Vec<u8>)>,
    length: u64,
}

impl BodyDigests {
    /// The number of bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn get(&self, algorithm: DigestAlgorithm) -> Option<&[u8]> {
        self.digests.iter().find(|(a, _)| *a == algorithm).map(|(_, d)| &d[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex;

    #[test]
    fn known_answers() {
        let shown = |a: DigestAlgorithm| String::from_utf8(hex(&a.digest(b"abc"))).unwrap();
        assert_eq!(shown(DigestAlgorithm::Md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(shown(DigestAlgorithm::Sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(shown(DigestAlgorithm::Sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(shown(DigestAlgorithm::Sm3), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
        // RFC 4231, case 2.
        let mac = DigestAlgorithm::Sha256.hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(&mac), b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let mut hasher = BodyHasher::new(&DigestAlgorithm::ALL);
        hasher.update(b"a");
        hasher.update(b"");
        hasher.update(b"bc");
        let digests = hasher.finish();
        assert_eq!(digests.length(), 3);
        for algorithm in DigestAlgorithm::ALL {
            assert_eq!(digests.get(algorithm), Some(&algorithm.digest(b"abc")[..]));
        }
    }
}
