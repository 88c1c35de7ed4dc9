//! Signature algorithms by name, and the kinds of key that each takes.

use crate::digest::DigestAlgorithm;

/// The fewest bits of an RSA modulus, where a dialect does not say otherwise. Nothing is ever signed with fewer.
pub const RSA_BITS: usize = 2048;
/// The fewest bits that a dialect can say.
pub(crate) const RSA_BITS_LEAST: usize = 1024;
/// The most bits that a dialect can say.
pub(crate) const RSA_BITS_MOST: usize = 8192;

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC (RFC 2104) with this digest.
    Hmac(DigestAlgorithm),
    /// The bare digest of a text that holds the secret. Extensible by anyone who sees one: unsafe.
    Plain(DigestAlgorithm),
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017).
    RsaSha256,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes (RFC 8017).
    RsaPssSha512,
    /// ECDSA on P-256 with SHA-256, signature as `r || s`.
    EcdsaP256Sha256,
    /// ECDSA on P-256 with SHA-256, signature as DER.
    EcdsaP256Sha256Der,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

/// A family of algorithms that share one type of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyFamily {
    /// A shared secret.
    Hmac,
    /// An RSA key pair.
    Rsa,
    /// A key pair on P-256.
    Ec,
    /// An Ed25519 key pair.
    Ed25519,
}

impl Algorithm {
    const NAMED: [(&'static str, Self); 17] = [
        ("hmac-md5", Self::Hmac(DigestAlgorithm::Md5)),
        ("hmac-sha1", Self::Hmac(DigestAlgorithm::Sha1)),
        ("hmac-sha256", Self::Hmac(DigestAlgorithm::Sha256)),
        ("hmac-sha384", Self::Hmac(DigestAlgorithm::Sha384)),
        ("hmac-sha512", Self::Hmac(DigestAlgorithm::Sha512)),
        ("hmac-sm3", Self::Hmac(DigestAlgorithm::Sm3)),
        ("md5", Self::Plain(DigestAlgorithm::Md5)),
        ("sha1", Self::Plain(DigestAlgorithm::Sha1)),
        ("sha256", Self::Plain(DigestAlgorithm::Sha256)),
        ("sha384", Self::Plain(DigestAlgorithm::Sha384)),
        ("sha512", Self::Plain(DigestAlgorithm::Sha512)),
        ("sm3", Self::Plain(DigestAlgorithm::Sm3)),
        ("rsa-sha256", Self::RsaSha256),
        ("rsa-pss-sha512", Self::RsaPssSha512),
        ("ecdsa-p256-sha256", Self::EcdsaP256Sha256),
        ("ecdsa-p256-sha256-der", Self::EcdsaP256Sha256Der),
        ("ed25519", Self::Ed25519),
    ];

    /// The name in dialect files and registries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMED.iter().find(|(_, a)| *a == self).map_or("", |(name, _)| name)
    }

    /// The algorithm of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(n, _)| *n == name).map(|(_, a)| *a)
    }

    /// Every name, in the order in which documents list them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::NAMED.iter().map(|(name, _)| *name)
    }

    /// The family whose keys it takes.
    #[must_use]
    pub const fn family(self) -> KeyFamily {
        match self {
            Self::Hmac(_) | Self::Plain(_) => KeyFamily::Hmac,
            Self::RsaSha256 | Self::RsaPssSha512 => KeyFamily::Rsa,
            Self::EcdsaP256Sha256 | Self::EcdsaP256Sha256Der => KeyFamily::Ec,
            Self::Ed25519 => KeyFamily::Ed25519,
        }
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_read_back() {
        for name in Algorithm::names() {
            assert_eq!(Algorithm::from_name(name).map(Algorithm::as_str), Some(name));
        }
        assert_eq!(Algorithm::from_name("HMAC-SHA256"), None);
    }
}
