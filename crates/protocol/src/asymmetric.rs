//! RSA, ECDSA and Ed25519 through aws-lc-rs.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaPair;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey};

use crate::algorithm::{Algorithm, KeyFamily, RSA_BITS, RSA_BITS_LEAST};
use crate::encoding::from_base64;

/// A public key, with its private half where this side signs.
#[derive(Clone)]
pub struct KeyPair {
    family: KeyFamily,
    /// SubjectPublicKeyInfo, DER.
    public: Arc<[u8]>,
    private: Option<Arc<Private>>,
    /// The bits of an RSA modulus; of any other key, none.
    rsa_bits: Option<usize>,
}

enum Private {
    Rsa(RsaPair),
    /// One signer for each encoding of the signature.
    Ec {
        raw: EcdsaKeyPair,
        der: EcdsaKeyPair,
    },
    Ed25519(Ed25519KeyPair),
}

/// Why a key was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is no PEM block of the expected label.
    NotPem,
    /// The key is of no supported kind: RSA, EC on P-256, or Ed25519.
    Unsupported,
    /// An RSA key of fewer bits than are accepted.
    TooShort {
        /// The bits it has.
        bits: usize,
        /// The fewest that are accepted.
        least: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem => {
                f.write_str("the key is no PEM text; expected -----BEGIN PUBLIC KEY----- or -----BEGIN PRIVATE KEY----- (PKCS#8)")
            }
            Self::Unsupported => f.write_str("the key is none of RSA, EC on P-256, Ed25519"),
            Self::TooShort { bits, least } => write!(f, "an RSA key of {bits} bits is too short; use {least} bits or more"),
        }
    }
}

impl std::error::Error for KeyError {}

/// The algorithm identifiers inside a SubjectPublicKeyInfo or PKCS#8 document (RFC 8017, RFC 5480, RFC 8410).
const OIDS: [(&[u8], KeyFamily); 3] = [
    (&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01], KeyFamily::Rsa),
    (&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], KeyFamily::Ec),
    (&[0x06, 0x03, 0x2b, 0x65, 0x70], KeyFamily::Ed25519),
];

impl KeyPair {
    /// Reads a public key: PEM, SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When the text is no such key, or an RSA key of fewer than 2048 bits.
    pub fn from_public_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_public_der(&pem_bytes(pem, "PUBLIC KEY")?)
    }

    /// Reads a public key: DER, SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When the bytes are no such key, or an RSA key of fewer than 2048 bits.
    pub fn from_public_der(der: &[u8]) -> Result<Self, KeyError> {
        Self::public(der, RSA_BITS)
    }

    /// Reads a public key that may be a short one, for a dialect that says so ([`crate::Dialect::least_rsa_bits`]): PEM, SubjectPublicKeyInfo.
    /// Every other dialect refuses what it signed.
    ///
    /// # Errors
    /// When the text is no such key, or an RSA key of fewer than 1024 bits.
    pub fn from_short_public_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_short_public_der(&pem_bytes(pem, "PUBLIC KEY")?)
    }

    /// Reads a public key that may be a short one: DER, SubjectPublicKeyInfo; see [`Self::from_short_public_pem`].
    ///
    /// # Errors
    /// When the bytes are no such key, or an RSA key of fewer than 1024 bits.
    pub fn from_short_public_der(der: &[u8]) -> Result<Self, KeyError> {
        Self::public(der, RSA_BITS_LEAST)
    }

    fn public(der: &[u8], least: usize) -> Result<Self, KeyError> {
        let family = family_of(der)?;
        let mut rsa_bits = None;
        let parsed = |with| ParsedPublicKey::new(with, der).map(drop).map_err(|_| KeyError::Unsupported);
        match family {
            KeyFamily::Rsa => {
                let inner = rsa_public_key(der).ok_or(KeyError::Unsupported)?;
                let bits = signature::RsaParameters::public_modulus_len(inner).map_err(|_| KeyError::Unsupported)?;
                let bits = usize::try_from(bits).unwrap_or(0);
                if bits < least {
                    return Err(KeyError::TooShort { bits, least });
                }
                rsa_bits = Some(bits);
                parsed(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)?;
            }
            KeyFamily::Ec => parsed(&signature::ECDSA_P256_SHA256_FIXED)?,
            KeyFamily::Ed25519 | KeyFamily::Hmac => parsed(&signature::ED25519)?,
        }
        Ok(Self { family, public: der.into(), private: None, rsa_bits })
    }

    /// Reads a private key: PEM, PKCS#8.
    ///
    /// # Errors
    /// When the text is no such key, or an RSA key of fewer than 2048 bits.
    pub fn from_private_pem(pem: &str) -> Result<Self, KeyError> {
        let der = pem_bytes(pem, "PRIVATE KEY")?;
        let refused = |_| KeyError::Unsupported;
        let family = family_of(&der)?;
        let mut rsa_bits = None;
        let (private, public) = match family {
            KeyFamily::Rsa => {
                let pair = RsaPair::from_pkcs8(&der).map_err(refused)?;
                let bits = pair.public_modulus_len() * 8;
                if bits < RSA_BITS {
                    return Err(KeyError::TooShort { bits, least: RSA_BITS });
                }
                rsa_bits = Some(bits);
                let public = spki_of(&pair)?;
                (Private::Rsa(pair), public)
            }
            KeyFamily::Ec => {
                let raw = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(refused)?;
                let public = spki_of(&raw)?;
                let der = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &der).map_err(refused)?;
                (Private::Ec { raw, der }, public)
            }
            _ => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(refused)?;
                let public = spki_of(&pair)?;
                (Private::Ed25519(pair), public)
            }
        };
        Ok(Self { family, public: public.into(), private: Some(Arc::new(private)), rsa_bits })
    }

    /// The family.
    #[must_use]
    pub const fn family(&self) -> KeyFamily {
        self.family
    }

    /// The bits of an RSA modulus; `None` for a key of another kind.
    #[must_use]
    pub const fn rsa_bits(&self) -> Option<usize> {
        self.rsa_bits
    }

    /// The public key: DER, SubjectPublicKeyInfo.
    #[must_use]
    pub fn public_der(&self) -> &[u8] {
        &self.public
    }

    pub(crate) fn shared_public_der(&self) -> Arc<[u8]> {
        Arc::clone(&self.public)
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, text: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match (self.private.as_deref()?, algorithm) {
            (Private::Rsa(pair), Algorithm::RsaSha256 | Algorithm::RsaPssSha512) => {
                let padding: &dyn signature::RsaEncoding =
                    if algorithm == Algorithm::RsaSha256 { &signature::RSA_PKCS1_SHA256 } else { &signature::RSA_PSS_SHA512 };
                let mut tag = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, text, &mut tag).ok()?;
                Some(tag)
            }
            (Private::Ec { raw, .. }, Algorithm::EcdsaP256Sha256) => Some(raw.sign(&random, text).ok()?.as_ref().to_vec()),
            (Private::Ec { der, .. }, Algorithm::EcdsaP256Sha256Der) => Some(der.sign(&random, text).ok()?.as_ref().to_vec()),
            (Private::Ed25519(pair), Algorithm::Ed25519) => Some(pair.sign(text).as_ref().to_vec()),
            _ => None,
        }
    }

    pub(crate) fn verify(&self, algorithm: Algorithm, text: &[u8], tag: &[u8]) -> bool {
        let with: &'static dyn signature::VerificationAlgorithm = match algorithm {
            // How short a key may be is the dialect's to say, and was held against it before.
            Algorithm::RsaSha256 => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Algorithm::RsaPssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
            Algorithm::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::EcdsaP256Sha256Der => &signature::ECDSA_P256_SHA256_ASN1,
            Algorithm::Ed25519 => &signature::ED25519,
            Algorithm::Hmac(_) | Algorithm::Plain(_) => return false,
        };
        algorithm.family() == self.family && signature::UnparsedPublicKey::new(with, &self.public).verify(text, tag).is_ok()
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half = if self.private.is_some() { "private and public" } else { "public" };
        write!(f, "KeyPair({:?}, {half})", self.family)
    }
}

fn spki_of<K: signature::KeyPair>(pair: &K) -> Result<Vec<u8>, KeyError>
where
    K::PublicKey: aws_lc_rs::encoding::AsDer<aws_lc_rs::encoding::PublicKeyX509Der<'static>>,
{
    use aws_lc_rs::encoding::AsDer;
    let der = pair.public_key().as_der().map_err(|_| KeyError::Unsupported)?;
    Ok(der.as_ref().to_vec())
}

fn family_of(der: &[u8]) -> Result<KeyFamily, KeyError> {
    // The identifier stands within the first 32 bytes of both documents.
    let head = &der[..der.len().min(64)];
    let found = OIDS.iter().find(|(oid, _)| head.windows(oid.len()).any(|w| w == *oid));
    found.map(|(_, family)| *family).ok_or(KeyError::Unsupported)
}

/// The RSAPublicKey (RFC 8017, appendix A.1.1) inside a SubjectPublicKeyInfo (RFC 5280, section 4.1).
fn rsa_public_key(der: &[u8]) -> Option<&[u8]> {
    let (oid, _) = OIDS.iter().find(|(_, family)| *family == KeyFamily::Rsa)?;
    let at = der.windows(oid.len()).position(|w| w == *oid)?;
    // The parameters are NULL; then a BIT STRING without unused bits.
    let rest = der[at + oid.len()..].strip_prefix(&[0x05, 0x00, 0x03])?;
    let length_bytes = match rest.first()? {
        long @ 0x81..=0x84 => usize::from(long & 0x7f) + 1,
        _ => 1,
    };
    rest.get(length_bytes..)?.strip_prefix(&[0x00])
}

fn pem_bytes(pem: &str, label: &str) -> Result<Vec<u8>, KeyError> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let inner = pem.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end)).ok_or(KeyError::NotPem)?.0;
    let text: Vec<u8> = inner.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    from_base64(&text).ok_or(KeyError::NotPem)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;

    use super::*;
    use crate::encoding::base64;

    /// A key of 1024 bits, made for this test.
    const SHORT: &str = "-----BEGIN PUBLIC KEY-----\n\
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDlfeS7otrq6hRTGGe9aFLw9ZV6\n\
        Kl56h9aLe0c3mRSVvr6GpymdB2KHlRzNYba/kRqLEkb/Dysav6nFOk63udjp5Tky\n\
        SmThDO2rzTw4claa5IIu6/HRxCQO3uGn5RDbpaQod1SkPv3/YiAgVAXFLQ8P2BS0\n\
        tBvsaor1I6GILX0fNQIDAQAB\n\
        -----END PUBLIC KEY-----";

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", String::from_utf8(base64(der)).unwrap())
    }

    fn round_trip(private: &KeyPair, algorithms: &[Algorithm]) {
        let public = KeyPair::from_public_pem(&pem("PUBLIC KEY", private.public_der())).unwrap();
        for algorithm in algorithms {
            let tag = private.sign(*algorithm, b"text").unwrap();
            assert!(public.verify(*algorithm, b"text", &tag), "{algorithm}");
            assert!(!public.verify(*algorithm, b"texT", &tag), "{algorithm}");
            assert_eq!(public.sign(*algorithm, b"text"), None, "a public key signs nothing");
        }
        let others = Algorithm::names().filter_map(Algorithm::from_name).filter(|a| a.family() != private.family());
        assert!(others.into_iter().all(|a| private.sign(a, b"text").is_none() && !public.verify(a, b"text", b"")));
    }

    #[test]
    fn rsa_keys_sign_and_verify() {
        let made = RsaPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = made.as_der().unwrap();
        let pair = KeyPair::from_private_pem(&pem("PRIVATE KEY", der.as_ref())).unwrap();
        round_trip(&pair, &[Algorithm::RsaSha256, Algorithm::RsaPssSha512]);
        assert_eq!((pair.family(), pair.rsa_bits()), (KeyFamily::Rsa, Some(2048)));
        let longer = RsaPair::generate(KeySize::Rsa3072).unwrap();
        let der: Pkcs8V1Der<'_> = longer.as_der().unwrap();
        assert_eq!(KeyPair::from_private_pem(&pem("PRIVATE KEY", der.as_ref())).unwrap().rsa_bits(), Some(3072));
    }

    #[test]
    fn elliptic_keys_sign_and_verify() {
        let der = EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = KeyPair::from_private_pem(&pem("PRIVATE KEY", der.as_ref())).unwrap();
        round_trip(&pair, &[Algorithm::EcdsaP256Sha256, Algorithm::EcdsaP256Sha256Der]);
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = KeyPair::from_private_pem(&pem("PRIVATE KEY", der.as_ref())).unwrap();
        round_trip(&pair, &[Algorithm::Ed25519]);
    }

    #[test]
    fn short_and_foreign_keys_are_refused_by_name() {
        assert_eq!(KeyPair::from_public_pem(SHORT).unwrap_err(), KeyError::TooShort { bits: 1024, least: 2048 });
        let short = KeyPair::from_short_public_pem(SHORT).unwrap();
        assert_eq!((short.rsa_bits(), short.sign(Algorithm::RsaSha256, b"text")), (Some(1024), None), "it only verifies");
        assert_eq!(KeyPair::from_public_pem("secret").unwrap_err(), KeyError::NotPem);
        assert_eq!(KeyPair::from_public_der(b"0123456789").unwrap_err(), KeyError::Unsupported);
        assert!(
            !format!("{:?}", KeyPair::from_private_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")).contains("AAAA")
        );
    }
}
