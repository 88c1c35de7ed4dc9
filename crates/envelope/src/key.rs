//! The recipient's keys: private ones that open, public ones that seal, each of a length that still protects.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::der;
use crate::error::KeyError;
use crate::scheme::Scheme;

/// The fewest bits of an RSA modulus.
pub const MIN_BITS: usize = 2048;
/// The most bits of an RSA modulus.
pub(crate) const MAX_BITS: usize = 8192;

/// Names the key that stands for a failed unwrapping, so that it is no HMAC of anything else.
const REJECTION: &[u8] = b"countersign-envelope-1:rejection";

/// A recipient's private key. `Debug` shows its size only.
pub struct PrivateKey {
    id: Option<String>,
    bytes: usize,
    oaep: OaepPrivateDecryptingKey,
    pkcs1: Pkcs1PrivateDecryptingKey,
    rejection: hmac::Key,
}

impl PrivateKey {
    /// Reads a private key: PEM, PKCS#8, not encrypted, of 2048 to 8192 bits.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if pem.contains("-----BEGIN RSA PRIVATE KEY-----") {
            return Err(KeyError::Pkcs1);
        }
        let der = block(pem, "PRIVATE KEY").ok_or(KeyError::NotPem { expected: "PRIVATE KEY (PKCS#8, not encrypted)" })?;
        check_bits(der::private_bits(&der))?;
        let read = || PrivateDecryptingKey::from_pkcs8(&der).map_err(|_| KeyError::NotRsa);
        let oaep = OaepPrivateDecryptingKey::new(read()?).map_err(|_| KeyError::NotRsa)?;
        let pkcs1 = Pkcs1PrivateDecryptingKey::new(read()?).map_err(|_| KeyError::NotRsa)?;
        let of_key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &der), REJECTION);
        let rejection = hmac::Key::new(hmac::HMAC_SHA256, of_key.as_ref());
        Ok(Self { id: None, bytes: oaep.key_size_bytes(), oaep, pkcs1, rejection })
    }

    /// The same with the id by which envelopes may name it.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The id by which envelopes may name it.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The bytes of a key that is wrapped for it.
    pub(crate) const fn wrapped_bytes(&self) -> usize {
        self.bytes
    }

    /// Unwraps a content key by RSAES-OAEP; `None` for anything that is no such key.
    pub(crate) fn unwrap_oaep(&self, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut room = Zeroizing::new(vec![0; self.oaep.min_output_size()]);
        let length = self.oaep.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut room, None).ok()?.len();
        room.truncate(length);
        Some(room)
    }

    /// Unwraps a content key by RSAES-PKCS1-v1_5 into the front of as many bytes as the modulus has; its length.
    pub(crate) fn unwrap_pkcs1(&self, wrapped: &[u8]) -> (Zeroizing<Vec<u8>>, Option<usize>) {
        let mut room = Zeroizing::new(vec![0; self.pkcs1.min_output_size()]);
        let length = self.pkcs1.decrypt(wrapped, &mut room).map(|key| key.len()).ok();
        (room, length)
    }

    /// The key that takes the place of one that cannot be unwrapped: the same for the same bytes, and known to nobody else.
    pub(crate) fn rejection_key(&self, wrapped: &[u8]) -> hmac::Tag {
        hmac::sign(&self.rejection, wrapped)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("id", &self.id).field("bits", &(self.bytes * 8)).finish_non_exhaustive()
    }
}

/// A recipient's public key.
#[derive(Clone)]
pub struct PublicKey {
    key: PublicEncryptingKey,
}

impl PublicKey {
    /// Reads a public key of 2048 to 8192 bits: PEM, as SubjectPublicKeyInfo or inside a certificate. Of a certificate only the
    /// key is read: neither its validity nor who signed it is looked at.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let spki = match (block(pem, "PUBLIC KEY"), block(pem, "CERTIFICATE")) {
            (Some(spki), _) => spki,
            (None, Some(certificate)) => Zeroizing::new(der::certified_key(&certificate).ok_or(KeyError::NotRsa)?.to_vec()),
            (None, None) => return Err(KeyError::NotPem { expected: "PUBLIC KEY or CERTIFICATE" }),
        };
        check_bits(der::public_bits(&spki))?;
        PublicEncryptingKey::from_der(&spki).map(|key| Self { key }).map_err(|_| KeyError::NotRsa)
    }

    /// Wraps a content key.
    pub(crate) fn wrap(&self, scheme: Scheme, key: &[u8]) -> Option<Vec<u8>> {
        let mut room = vec![0; self.key.key_size_bytes()];
        let length = if scheme.is_legacy() {
            Pkcs1PublicEncryptingKey::new(self.key.clone()).ok()?.encrypt(key, &mut room).ok()?.len()
        } else {
            let oaep = OaepPublicEncryptingKey::new(self.key.clone()).ok()?;
            oaep.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut room, None).ok()?.len()
        };
        (length == room.len()).then_some(room)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("bits", &self.key.key_size_bits()).finish_non_exhaustive()
    }
}

fn check_bits(bits: Option<usize>) -> Result<(), KeyError> {
    match bits {
        None => Err(KeyError::NotRsa),
        Some(bits) if bits < MIN_BITS => Err(KeyError::TooShort { bits }),
        Some(bits) if bits > MAX_BITS => Err(KeyError::TooLong { bits }),
        Some(_) => Ok(()),
    }
}

/// The bytes of the first PEM block of this label (RFC 7468).
fn block(pem: &str, label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let text = pem.split_once(&begin)?.1.split_once(&end)?.0;
    let mut joined = Zeroizing::new(String::with_capacity(text.len()));
    joined.extend(text.split_ascii_whitespace());
    STANDARD.decode(joined.as_bytes()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_pem_and_certificates() {
        let private = PrivateKey::from_pem(include_str!("../tests/keys/rsa2048.pem")).unwrap();
        assert_eq!(private.wrapped_bytes(), 256);
        for public in [include_str!("../tests/keys/rsa2048.pub.pem"), include_str!("../tests/keys/rsa2048.cert.pem")] {
            let wrapped = PublicKey::from_pem(public).unwrap().wrap(Scheme::OaepGcm, &[7; 32]).unwrap();
            assert_eq!(private.unwrap_oaep(&wrapped).unwrap().as_slice(), [7; 32]);
        }
    }

    #[test]
    fn keys_of_1024_bits_are_refused_by_name() {
        let short = KeyError::TooShort { bits: 1024 };
        assert_eq!(PrivateKey::from_pem(include_str!("../tests/keys/rsa1024.pem")).unwrap_err(), short);
        assert_eq!(PublicKey::from_pem(include_str!("../tests/keys/rsa1024.pub.pem")).unwrap_err(), short);
        assert_eq!(short.to_string(), "an RSA key of 1024 bits is too short; use 2048 bits or more");
    }

    #[test]
    fn what_is_no_rsa_key_is_refused() {
        let public = include_str!("../tests/keys/rsa2048.pub.pem");
        assert!(matches!(PrivateKey::from_pem(public), Err(KeyError::NotPem { .. })));
        assert!(matches!(PublicKey::from_pem(include_str!("../tests/keys/rsa2048.pem")), Err(KeyError::NotPem { .. })));
        assert!(matches!(PrivateKey::from_pem("-----BEGIN RSA PRIVATE KEY-----\nAA==\n"), Err(KeyError::Pkcs1)));
        assert_eq!(PublicKey::from_pem(include_str!("../tests/keys/ec.pub.pem")).unwrap_err(), KeyError::NotRsa);
        assert_eq!(PrivateKey::from_pem(include_str!("../tests/keys/ec.pem")).unwrap_err(), KeyError::NotRsa);
        for text in ["", "-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\n*\n-----END PUBLIC KEY-----"] {
            assert!(matches!(PublicKey::from_pem(text), Err(KeyError::NotPem { .. })), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let private = PrivateKey::from_pem(include_str!("../tests/keys/rsa2048.pem")).unwrap().with_id("a");
        assert_eq!(format!("{private:?}"), "PrivateKey { id: Some(\"a\"), bits: 2048, .. }");
    }
}
