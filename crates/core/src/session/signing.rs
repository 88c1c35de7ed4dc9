//! The keys that sign access tokens: what one is, and when it is published, signs and verifies.

mod holder;
#[cfg(feature = "postgres")]
mod postgres;
mod ring;
mod rotation;
mod row;
mod sqlite;
mod store;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use countersign_protocol::{Secret, Timestamp};
use jsonwebtoken::DecodingKey;

use crate::error::StoreError;
use crate::random::{fill, hex};

pub use holder::{KeyHolder, TokenError};
pub use ring::KeyRing;
pub use rotation::{Rotated, RotationPolicy, revoke, rotate};
pub use store::{Ending, KeyChange, MOST_KEYS, SigningKeyStore};

/// The bytes of a private key of any algorithm.
const PRIVATE: usize = 32;
/// The random bytes of a key's name.
const NAME: usize = 10;

/// How tokens are signed. Nothing else is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SigningAlgorithm {
    /// Ed25519 (RFC 8037), the default.
    #[default]
    EdDsa,
    /// ECDSA on P-256 with SHA-256 (RFC 7518, section 3.4).
    Es256,
    /// HMAC with SHA-256, where nobody but those who mint verifies.
    Hs256,
}

impl SigningAlgorithm {
    /// Its name in tokens (`alg`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }

    /// Whether others can verify without being able to sign.
    #[must_use]
    pub const fn is_asymmetric(self) -> bool {
        !matches!(self, Self::Hs256)
    }

    pub(super) const fn jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

impl FromStr for SigningAlgorithm {
    type Err = StoreError;

    fn from_str(name: &str) -> Result<Self, StoreError> {
        let all = [Self::EdDsa, Self::Es256, Self::Hs256];
        all.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or_else(|| StoreError::Invalid {
            field: "algorithm",
            fault: format!("{name:?} signs no access tokens"),
            mend: "use EdDSA, ES256 or HS256",
        })
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When a key does what. Each instant ends what was before: it is pending, signs, verifies only, and is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTimes {
    /// From when on others can fetch it, and it verifies.
    pub published: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// From when on it signs no more.
    pub signs_until: Timestamp,
    /// From when on it verifies no more.
    pub verifies_until: Timestamp,
    /// When it was revoked. A revoked key does nothing, by any clock.
    pub revoked: Option<Timestamp>,
}

/// What a key is at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published, so that others have it when it signs.
    Pending,
    /// It signs.
    Active,
    /// It signs no more, and what it signed is still verified.
    Retiring,
    /// It is not published any more, or not yet.
    Gone,
    /// It was ended before its time.
    Revoked,
}

impl KeyState {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Gone => "gone",
            Self::Revoked => "revoked",
        }
    }
}

impl KeyTimes {
    /// What the key is now.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.revoked.is_some() {
            KeyState::Revoked
        } else if now < self.published || now >= self.verifies_until {
            KeyState::Gone
        } else if now < self.signs_from {
            KeyState::Pending
        } else if now < self.signs_until {
            KeyState::Active
        } else {
            KeyState::Retiring
        }
    }

    /// Whether the key is published, which is the same as that it verifies.
    #[must_use]
    pub fn verifies(&self, now: Timestamp) -> bool {
        !matches!(self.state(now), KeyState::Gone | KeyState::Revoked)
    }

    fn is_in_order(&self) -> bool {
        self.published <= self.signs_from && self.signs_from <= self.signs_until && self.signs_until <= self.verifies_until
    }
}

/// A key with both halves. `Debug` shows neither the private half nor a shared secret.
pub struct SigningKey {
    kid: String,
    times: KeyTimes,
    half: Half,
    private: Secret,
    public: Vec<u8>,
    decoding: DecodingKey,
}

enum Half {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Hs256(Box<hmac::Key>),
}

impl SigningKey {
    /// A new key with a new name.
    ///
    /// # Errors
    /// When the operating system has no randomness, or the instants are not in their order.
    pub fn generate(algorithm: SigningAlgorithm, times: KeyTimes) -> Result<Self, StoreError> {
        let kid = format!("k_{}", hex(NAME)?);
        let refused = |_| StoreError::Unavailable("a signing key could not be made".to_owned());
        let mut bytes = zeroize::Zeroizing::new([0; PRIVATE]);
        let (private, public) = match algorithm {
            SigningAlgorithm::EdDsa => {
                fill(bytes.as_mut())?;
                let pair = Ed25519KeyPair::from_seed_unchecked(bytes.as_ref()).map_err(refused)?;
                (Secret::new(bytes.as_slice()), pair.public_key().as_ref().to_vec())
            }
            SigningAlgorithm::Es256 => {
                // A scalar must lie below the order of the group: the library draws it.
                let missing = |_| StoreError::Unavailable("a signing key could not be made".to_owned());
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(missing)?;
                let scalar = pair.private_key().as_be_bytes().map_err(missing)?;
                (Secret::new(scalar.as_ref()), pair.public_key().as_ref().to_vec())
            }
            SigningAlgorithm::Hs256 => {
                fill(bytes.as_mut())?;
                (Secret::new(bytes.as_slice()), Vec::new())
            }
        };
        Self::from_parts(kid, algorithm, private, &public, times)
    }

    /// A key from its bytes: the private half is the seed of Ed25519, the scalar of P-256 or the shared secret, 32 bytes each; the public half
    /// the 32 bytes of Ed25519, the uncompressed point of P-256 or nothing.
    ///
    /// # Errors
    /// When the name is not 1 to 64 letters, digits, underscores and hyphens, the halves do not belong together, or the instants are not in
    /// their order.
    pub fn from_parts(
        kid: String,
        algorithm: SigningAlgorithm,
        private: Secret,
        public: &[u8],
        times: KeyTimes,
    ) -> Result<Self, StoreError> {
        let refused = |fault: &str| StoreError::Invalid {
            field: "signing key",
            fault: fault.to_owned(),
            mend: "restore it from a backup, or rotate to a new one",
        };
        if !is_kid(&kid) {
            return Err(refused("its name is not 1 to 64 letters, digits, underscores and hyphens"));
        }
        if !times.is_in_order() {
            return Err(refused("it ends before it begins"));
        }
        if private.expose().len() != PRIVATE {
            return Err(refused("its private half is not 32 bytes"));
        }
        let torn = |_| refused("its halves do not belong together");
        let (half, decoding) = match algorithm {
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(private.expose(), public).map_err(torn)?;
                (Half::EdDsa(pair), DecodingKey::from_ed_der(public))
            }
            SigningAlgorithm::Es256 => {
                let all = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(all, private.expose(), public).map_err(torn)?;
                (Half::Es256(pair), DecodingKey::from_ec_der(public))
            }
            SigningAlgorithm::Hs256 if public.is_empty() => {
                (Half::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, private.expose()))), DecodingKey::from_secret(private.expose()))
            }
            SigningAlgorithm::Hs256 => return Err(refused("a shared secret has no public half")),
        };
        Ok(Self { kid, times, half, private, public: public.to_vec(), decoding })
    }

    /// The key's name, which tokens carry.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        match &self.half {
            Half::EdDsa(_) => SigningAlgorithm::EdDsa,
            Half::Es256(_) => SigningAlgorithm::Es256,
            Half::Hs256(_) => SigningAlgorithm::Hs256,
        }
    }

    /// When it does what.
    #[must_use]
    pub const fn times(&self) -> KeyTimes {
        self.times
    }

    /// The public half: 32 bytes of Ed25519, an uncompressed point of P-256, or nothing.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    pub(super) const fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// The signature of RFC 7515, or nothing where the library has no randomness for it.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.half {
            Half::EdDsa(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Half::Es256(pair) => Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()),
            Half::Hs256(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    /// Whether it signed at this instant, by clocks that differ by so much.
    pub(super) fn signs_around(&self, millis: i64, skew: Duration) -> bool {
        millis >= self.times.signs_from.minus(skew).millis() - 999 && millis < self.times.signs_until.plus(skew).millis()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SigningKey");
        shown.field("kid", &self.kid).field("algorithm", &self.algorithm()).field("times", &self.times).finish_non_exhaustive()
    }
}

/// Whether a text can be a key's name: nothing in it means anything to a path, a query or a URL.
pub(super) fn is_kid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

#[cfg(test)]
mod suite;
