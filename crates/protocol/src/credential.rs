//! Credentials: a key id with typed key material, and the algorithms that it may be used with.

use std::sync::Arc;

use crate::algorithm::{Algorithm, KeyFamily};
#[cfg(feature = "asymmetric")]
use crate::asymmetric::KeyPair;
use crate::secret::{Secret, Tag};

/// Key material of one family. A public key can never be used as a shared secret: they are different variants.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeyMaterial {
    /// A shared secret.
    Hmac(Secret),
    /// An RSA, EC or Ed25519 key: public for verifying, with its private half for signing.
    #[cfg(feature = "asymmetric")]
    Pair(KeyPair),
}

impl KeyMaterial {
    /// The family.
    #[must_use]
    pub const fn family(&self) -> KeyFamily {
        match self {
            Self::Hmac(_) => KeyFamily::Hmac,
            #[cfg(feature = "asymmetric")]
            Self::Pair(pair) => pair.family(),
        }
    }

    /// The bits of an RSA modulus; `None` for a key of another kind.
    pub(crate) const fn rsa_bits(&self) -> Option<usize> {
        match self {
            Self::Hmac(_) => None,
            #[cfg(feature = "asymmetric")]
            Self::Pair(pair) => pair.rsa_bits(),
        }
    }

    /// The shared secret, if it is one.
    pub(crate) const fn shared(&self) -> Option<&Secret> {
        match self {
            Self::Hmac(secret) => Some(secret),
            #[cfg(feature = "asymmetric")]
            Self::Pair(_) => None,
        }
    }

    /// The text that `{secret}` stands for: empty for a key pair, whose secret is never a text.
    pub(crate) fn secret(&self) -> &[u8] {
        self.shared().map_or(b"", Secret::expose)
    }
}

/// A key id with its key, and what it may be used with.
#[derive(Debug, Clone)]
pub struct Credential {
    key_id: String,
    material: KeyMaterial,
    parts: Vec<(String, Secret)>,
    algorithms: Vec<Algorithm>,
}

impl Credential {
    /// A credential with a shared secret.
    #[must_use]
    pub fn hmac(key_id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self::new(key_id, KeyMaterial::Hmac(secret.into()))
    }

    /// A credential with this key material.
    #[must_use]
    pub fn new(key_id: impl Into<String>, material: KeyMaterial) -> Self {
        Self { key_id: key_id.into(), material, parts: Vec::new(), algorithms: Vec::new() }
    }

    /// The same with a further secret part, for a dialect whose `secrets` names it.
    #[must_use]
    pub fn with_part(mut self, name: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.parts.push((name.into(), secret.into()));
        self
    }

    /// The same, registered for this algorithm too. The first one registered is the one that a signer uses. Without
    /// any, the dialect's first algorithm that fits the key is the registered one.
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithms.push(algorithm);
        self
    }

    /// The same with other key material, for an explanation that tries how else a secret may have been used.
    #[cfg(feature = "explain")]
    pub(crate) fn with_material(mut self, material: KeyMaterial) -> Self {
        self.material = material;
        self
    }

    /// The key id.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The key material.
    #[must_use]
    pub const fn material(&self) -> &KeyMaterial {
        &self.material
    }

    /// The algorithms it is registered for; empty: the dialect's own choice.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Every secret text that it holds.
    #[cfg(feature = "explain")]
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.material.shared().into_iter().chain(self.parts.iter().map(|(_, secret)| secret))
    }

    pub(crate) fn part(&self, name: &str) -> Option<&Secret> {
        self.parts.iter().find(|(n, _)| n == name).map(|(_, secret)| secret)
    }
}

/// A key for one request, derived as the dialect says.
pub(crate) enum SigningKey {
    Shared(Secret),
    #[cfg(feature = "asymmetric")]
    Pair(KeyPair),
}

impl SigningKey {
    /// Signs the text; `None` when the algorithm does not fit the key or the private half is missing.
    pub(crate) fn sign(&self, algorithm: Algorithm, text: &[u8]) -> Option<Tag> {
        match (self, algorithm) {
            (Self::Shared(key), Algorithm::Hmac(digest)) => Some(Tag::new(digest.hmac(key.expose(), text))),
            (Self::Shared(_), Algorithm::Plain(digest)) => Some(Tag::new(digest.digest(text))),
            #[cfg(feature = "asymmetric")]
            (Self::Pair(pair), _) => pair.sign(algorithm, text).map(Tag::new),
            _ => None,
        }
    }

    /// The public key: DER. `None` for a shared secret.
    pub(crate) fn public(&self) -> Option<Arc<[u8]>> {
        match self {
            Self::Shared(_) => None,
            #[cfg(feature = "asymmetric")]
            Self::Pair(pair) => Some(pair.shared_public_der()),
        }
    }

    /// Whether the tag is the signature of the text under this key. This is the one place where tags are compared.
    pub(crate) fn holds(&self, algorithm: Algorithm, text: &[u8], tag: &Tag) -> bool {
        match (self, algorithm) {
            (Self::Shared(_), Algorithm::Hmac(_) | Algorithm::Plain(_)) => self.sign(algorithm, text).is_some_and(|own| own == *tag),
            #[cfg(feature = "asymmetric")]
            (Self::Pair(pair), _) => pair.verify(algorithm, text, tag.as_bytes()),
            _ => false,
        }
    }

    /// Tries a text for an explanation, which is no verdict: the place of the first of these tags that is its signature, and for a shared
    /// secret the text's own tag, which tells one trial from another and is shown to nobody.
    #[cfg(feature = "explain")]
    pub(crate) fn attempt(&self, algorithm: Algorithm, text: &[u8], tags: &[Tag]) -> (Option<usize>, Option<Tag>) {
        match self {
            Self::Shared(_) => {
                let own = self.sign(algorithm, text);
                (own.as_ref().and_then(|own| tags.iter().position(|tag| own == tag)), own)
            }
            #[cfg(feature = "asymmetric")]
            Self::Pair(_) => (tags.iter().position(|tag| self.holds(algorithm, text, tag)), None),
        }
    }
}
