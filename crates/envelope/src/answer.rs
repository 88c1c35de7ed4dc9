//! The answer to a sealed request: encrypted under a key that only its sender and its recipient can derive, and bound to that
//! one request, to the status and to the media type.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::content::{self, NONCE, TAG};
use crate::error::{OpenError, SealError};
use crate::fields::Fields;

/// What the key is derived for (RFC 5869, section 3.2).
const INFO: &[u8] = b"countersign-envelope-1:answer-key";
/// The first line of what an answer is bound to.
const ANSWER: &str = "countersign-envelope-1:answer";
/// The first word of a key that is kept as text.
const TEXT: &str = "countersign-answer-key-1";

/// The key for the answers to one sealed request. `Debug` shows nothing of it; it is wiped on drop.
pub struct AnswerKey {
    key: Zeroizing<[u8; 32]>,
    /// The SHA-256 of the envelope as it was sent.
    request: [u8; 32],
}

impl AnswerKey {
    /// The key for answers to this envelope: HKDF-SHA256 of its content key, with its SHA-256 as salt.
    pub(crate) fn derive(content_key: &[u8], envelope: &[u8]) -> Option<Self> {
        let request: [u8; 32] = digest(&SHA256, envelope).as_ref().try_into().ok()?;
        let mut key = Zeroizing::new([0; 32]);
        let derived = Salt::new(HKDF_SHA256, &request).extract(content_key);
        derived.expand(&[INFO], HKDF_SHA256).and_then(|okm| okm.fill(key.as_mut())).ok()?;
        Some(Self { key, request })
    }

    /// Encrypts the body of an answer with this status and media type: a JSON object of one text.
    ///
    /// # Errors
    /// No randomness.
    pub fn seal(&self, status: u16, media_type: &str, plain: &[u8], fields: &Fields) -> Result<Vec<u8>, SealError> {
        let content = content::encrypt(self.key.as_slice(), plain, &self.context(status, media_type)).ok_or(SealError::Failed)?;
        Ok(fields.write_answer(&content))
    }

    /// Decrypts the body of an answer of at most `max_plain` bytes, if and only if it answers this request with this status and
    /// media type.
    ///
    /// # Errors
    /// The body is no encrypted answer, is too large, or answers something else.
    pub fn open(&self, status: u16, media_type: &str, body: &[u8], fields: &Fields, max_plain: usize) -> Result<Vec<u8>, OpenError> {
        let content = fields.parse_answer(body, max_plain.saturating_add(NONCE + TAG))?;
        let plain = content::decrypt(self.key.as_slice(), content, &self.context(status, media_type)).ok_or(OpenError::NotOpened)?;
        if plain.len() > max_plain { Err(OpenError::TooLarge) } else { Ok(plain) }
    }

    /// The additional data: four lines, joined by LF.
    fn context(&self, status: u16, media_type: &str) -> Vec<u8> {
        format!("{ANSWER}\n{}\n{status}\n{media_type}", hex(&self.request)).into_bytes()
    }

    /// The key as one line of text, to be kept in a file that only its owner can read.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(hex(self.key.as_slice()));
        Zeroizing::new(format!("{TEXT} {} {}\n", *key, hex(&self.request)))
    }

    /// Reads what [`AnswerKey::to_text`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n').unwrap_or(text).split(' ');
        let (first, key, request) = (words.next()?, words.next()?, words.next()?);
        if first != TEXT || words.next().is_some() {
            return None;
        }
        Some(Self { key: Zeroizing::new(unhex(key)?), request: unhex(request)? })
    }
}

impl fmt::Debug for AnswerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerKey(32 bytes)")
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
    }
    text
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; 32];
    if text.len() != bytes.len() * 2 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
            return None;
        };
        *byte = high << 4 | low;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AnswerKey {
        AnswerKey::derive(&[7; 32], b"an envelope").unwrap()
    }

    #[test]
    fn an_answer_is_opened_by_its_sender_only() {
        let fields = Fields::default();
        let body = key().seal(200, "application/json", b"{}", &fields).unwrap();
        assert!(body.starts_with(b"{\"content\":\"") && body.ends_with(b"\"}"));
        assert_eq!(key().open(200, "application/json", &body, &fields, 2).unwrap(), b"{}");
        let other_request = AnswerKey::derive(&[7; 32], b"another envelope").unwrap();
        let other_key = AnswerKey::derive(&[8; 32], b"an envelope").unwrap();
        for (key, status, media_type) in [
            (&other_request, 200, "application/json"),
            (&other_key, 200, "application/json"),
            (&key(), 201, "application/json"),
            (&key(), 200, "text/plain"),
            (&key(), 200, ""),
        ] {
            assert_eq!(key.open(status, media_type, &body, &fields, 2), Err(OpenError::NotOpened), "{status} {media_type}");
        }
        assert_eq!(key().open(200, "application/json", &body, &fields, 1), Err(OpenError::TooLarge));
    }

    #[test]
    fn a_request_is_no_answer() {
        let content = content::encrypt(key().key.as_slice(), b"{}", crate::seal::REQUEST).unwrap();
        let body = Fields::default().write_answer(&content);
        assert_eq!(key().open(200, "application/json", &body, &Fields::default(), 2), Err(OpenError::NotOpened));
    }

    #[test]
    fn a_kept_key_is_read_back() {
        let text = key().to_text();
        assert_eq!(*AnswerKey::from_text(&text).unwrap().to_text(), *text);
        assert_eq!(*AnswerKey::from_text(text.trim_end()).unwrap().to_text(), *text);
        for wrong in [
            text[1..].to_owned(),
            text.replace('\n', " more"),
            text.replacen(' ', "  ", 1),
            text.trim_end()[1..].to_owned(),
            text.replace(' ', " +"),
        ] {
            assert!(AnswerKey::from_text(&wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", key()), "AnswerKey(32 bytes)");
    }
}
