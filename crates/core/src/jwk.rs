//! Public keys as JSON Web Keys (RFC 7517): RSA and EC on P-256 (RFC 7518, section 6), Ed25519 (RFC 8037).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_protocol::{KeyError, KeyPair};
use serde::Deserialize;

use crate::error::StoreError;

/// The most bytes of a key's text.
const MOST: usize = 16 * 1024;

/// The members that a public key has, and those that only others have. A member that comes twice is refused; unknown ones are not read
/// (RFC 7517, section 4).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private part of any kind of key.
    d: Option<serde::de::IgnoredAny>,
    /// A shared secret.
    k: Option<serde::de::IgnoredAny>,
}

/// Reads a public key. A private key or a shared secret is refused: it has no place here.
///
/// # Errors
/// When the text is no such key, or an RSA key of fewer than 2048 bits.
pub fn public_key(text: &str) -> Result<KeyPair, StoreError> {
    if text.len() > MOST {
        return Err(refused("it is too long"));
    }
    let jwk: Jwk = serde_json::from_str(text).map_err(|error| refused(format!("it is no JSON Web Key: {error}")))?;
    if jwk.d.is_some() || jwk.k.is_some() {
        return Err(refused("it holds a private key or a shared secret; make a new pair, and give the public key only"));
    }
    let der = jwk.der()?;
    KeyPair::from_public_der(&der).map_err(|error| match error {
        KeyError::TooShort { .. } => refused(error.to_string()),
        _ => refused("its numbers are no key"),
    })
}

/// The thumbprint of an Ed25519 or P-256 key (RFC 7638, with SHA-256); of no other kind.
#[cfg(feature = "sessions")]
pub(crate) fn thumbprint(key: &KeyPair) -> Option<String> {
    let der = key.public_der();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    // The members in the order of their names, without spaces.
    let members = if let Some(point) = der.strip_prefix(&info(&[&EC_PUBLIC_KEY[..], &P_256].concat(), &[UNCOMPRESSED; 65])[..27]) {
        let (x, y) = point.split_first_chunk::<32>()?;
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
    } else {
        let x = der.strip_prefix(&info(&ED25519, &[0; 32])[..12])?;
        format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x))
    };
    Some(text(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, members.as_bytes()).as_ref()))
}

impl Jwk {
    /// The key as SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
    fn der(&self) -> Result<Vec<u8>, StoreError> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => {
                let numbers = [integer(&bytes("n", &self.n)?), integer(&bytes("e", &self.e)?)].concat();
                Ok(info(&[&RSA_ENCRYPTION[..], &NULL].concat(), &tagged(SEQUENCE, &numbers)))
            }
            ("EC", Some("P-256")) => {
                let point = [&[UNCOMPRESSED][..], &coordinate("x", &self.x)?, &coordinate("y", &self.y)?].concat();
                Ok(info(&[&EC_PUBLIC_KEY[..], &P_256].concat(), &point))
            }
            ("OKP", Some("Ed25519")) => Ok(info(&ED25519, &coordinate("x", &self.x)?)),
            (kty, crv) => Err(refused(format!("its kind {kty} {} is none of RSA, EC P-256, OKP Ed25519", crv.unwrap_or_default()))),
        }
    }
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;
const NULL: [u8; 2] = [0x05, 0x00];
/// The mark of a point with both coordinates (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 0x04;
/// Object identifiers of RFC 8017, RFC 5480 and RFC 8410.
const RSA_ENCRYPTION: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_PUBLIC_KEY: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P_256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];

fn info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let key = tagged(BIT_STRING, &[&[0][..], key].concat());
    tagged(SEQUENCE, &[tagged(SEQUENCE, algorithm), key].concat())
}

/// A positive number: without leading zeros, but for the one that keeps it positive.
fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[zeros..];
    let is_negative = number.first().is_none_or(|byte| *byte >= 0x80);
    tagged(INTEGER, &[&[0][..usize::from(is_negative)], number].concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    if content.len() >= 0x80 {
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(0));
        out.extend_from_slice(significant);
    } else {
        out.push(length[length.len() - 1]);
    }
    out.extend_from_slice(content);
    out
}

fn coordinate(name: &str, text: &Option<String>) -> Result<Vec<u8>, StoreError> {
    let bytes = bytes(name, text)?;
    if bytes.len() == 32 { Ok(bytes) } else { Err(refused(format!("{name} has {} bytes, not 32", bytes.len()))) }
}

fn bytes(name: &str, text: &Option<String>) -> Result<Vec<u8>, StoreError> {
    let text = text.as_ref().ok_or_else(|| refused(format!("{name} is missing")))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| refused(format!("{name} is no base64url without padding")))
}

fn refused(fault: impl Into<String>) -> StoreError {
    StoreError::Invalid { field: "public key", fault: fault.into(), mend: "give an RSA, EC P-256 or Ed25519 public key as PEM or JWK" }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::KeyFamily;

    use super::*;

    /// RFC 7517, appendix A.1, without members that are not read.
    const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}"#;
    const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256"}"#;
    /// RFC 8037, appendix A.2; the same key is RFC 8410's example in no document, so its bytes are compared.
    const OKP: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[test]
    fn published_keys_are_read() {
        for (text, family) in [(EC, KeyFamily::Ec), (RSA, KeyFamily::Rsa), (OKP, KeyFamily::Ed25519)] {
            assert_eq!(public_key(text).unwrap().family(), family);
        }
        let der = public_key(OKP).unwrap().public_der().to_vec();
        // RFC 8410, section 4: the key itself is the end of its document.
        assert_eq!(der[..12], [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]);
        assert_eq!(URL_SAFE_NO_PAD.encode(&der[12..]), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        let change = |from: &str, to: &str, text: &str| {
            assert!(text.contains(from));
            text.replace(from, to)
        };
        let cases = [
            (String::new(), "no JSON Web Key"),
            ("[]".to_owned(), "no JSON Web Key"),
            (change("\"kty\":\"OKP\",", "", OKP), "kty"),
            (change("}", ",\"x\":\"AA\"}", OKP), "duplicate"),
            (change("}", ",\"d\":\"AA\"}", OKP), "private key"),
            ("{\"kty\":\"oct\",\"k\":\"AA\"}".to_owned(), "shared secret"),
            (change("Ed25519", "X25519", OKP), "X25519"),
            (change("P-256", "P-521", EC), "P-521"),
            (change("11qYA", "1", OKP), "x has"),
            (change("11qYA", "1+qYA", OKP), "base64url"),
            (change("MKBCT", "MKBCS", EC), "no key"),
            (change("\"e\":\"AQAB\"", "\"f\":\"\"", RSA), "e is missing"),
            (format!("{{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"0{}k\"}}", "v".repeat(169)), "too short"),
            (" ".repeat(MOST + 1), "too long"),
        ];
        for (text, words) in cases {
            let refused = public_key(&text).unwrap_err().to_string();
            assert!(refused.contains(words), "{words}: {refused}");
        }
    }
}
