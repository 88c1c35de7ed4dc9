//! Opening: an envelope in, the plain body and the key for the answer out.

use std::fmt;

use zeroize::Zeroizing;

use crate::answer::AnswerKey;
use crate::content::{self, NONCE, TAG};
use crate::error::{OpenError, SetupError};
use crate::fields::{Fields, Parts, is_key_id};
use crate::key::{MIN_BITS, PrivateKey};
use crate::legacy::{BLOCK, LegacyEnvelope, Work};
use crate::scheme::Scheme;
use crate::seal::REQUEST;

/// The most private keys that one recipient has, and that are tried for an envelope that names none.
pub const MOST_KEYS: usize = 4;

/// A recipient: opens the envelopes of one scheme with its private keys.
#[derive(Debug)]
pub struct Opener {
    scheme: Scheme,
    keys: Vec<PrivateKey>,
    fields: Fields,
    max_plain: usize,
}

/// An envelope that was opened. `Debug` shows the size only.
pub struct Opened {
    /// The plain body.
    pub plain: Vec<u8>,
    /// What encrypts the answer; absent where the scheme is a legacy one.
    pub answer_key: Option<AnswerKey>,
}

impl Opener {
    /// A recipient with these keys, 1 to [`MOST_KEYS`], for plain bodies of at most `max_plain` bytes.
    ///
    /// # Errors
    /// [`SetupError::Legacy`] for a legacy scheme; no key, too many, two of one id; names that cannot be told apart.
    pub fn new(scheme: Scheme, keys: Vec<PrivateKey>, fields: Fields, max_plain: usize) -> Result<Self, SetupError> {
        if scheme.is_legacy() { Err(SetupError::Legacy) } else { Self::allowing_legacy(scheme, keys, fields, max_plain) }
    }

    /// The same, for legacy schemes too. With several keys each needs an id, and each envelope names its own.
    ///
    /// # Errors
    /// As [`Opener::new`], but for the legacy scheme; [`SetupError::LegacyKeysNeedIds`].
    pub fn allowing_legacy(scheme: Scheme, keys: Vec<PrivateKey>, fields: Fields, max_plain: usize) -> Result<Self, SetupError> {
        fields.check()?;
        match keys.len() {
            0 => return Err(SetupError::NoKey),
            1..=MOST_KEYS => {}
            _ => return Err(SetupError::TooManyKeys),
        }
        let ids: Vec<&str> = keys.iter().filter_map(PrivateKey::id).collect();
        if !ids.iter().all(|id| is_key_id(id)) {
            return Err(SetupError::KeyId);
        }
        if ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id)) {
            return Err(SetupError::SameKeyId);
        }
        if scheme.is_legacy() && keys.len() > 1 && ids.len() < keys.len() {
            return Err(SetupError::LegacyKeysNeedIds);
        }
        Ok(Self { scheme, keys, fields, max_plain })
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The names of the members.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Opens an envelope. `named` is the id of the key where a header names one; else the envelope's own member does, or every
    /// key is tried.
    ///
    /// # Errors
    /// The body is no envelope, is too large, or cannot be opened. For a legacy scheme everything but a size and a short key is
    /// [`OpenError::NotOpened`].
    pub fn open(&self, body: &[u8], named: Option<&str>) -> Result<Opened, OpenError> {
        if self.scheme.is_legacy() {
            return self.open_legacy(body, named, &mut Work::default());
        }
        let parts = self.fields.parse(body, self.max_plain.saturating_add(NONCE + TAG))?;
        check_length(&parts.wrapped)?;
        let keys = self.candidates(named, &parts)?;
        let content_key = keys.into_iter().find_map(|key| self.content_key(key, &parts.wrapped)).ok_or(OpenError::NotOpened)?;
        let plain = content::decrypt(&content_key, parts.content, REQUEST).ok_or(OpenError::NotOpened)?;
        if plain.len() > self.max_plain {
            return Err(OpenError::TooLarge);
        }
        let answer_key = AnswerKey::derive(&content_key, body).ok_or(OpenError::NotOpened)?;
        Ok(Opened { plain, answer_key: Some(answer_key) })
    }

    fn content_key(&self, key: &PrivateKey, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        key.unwrap_oaep(wrapped).filter(|content_key| content_key.len() == self.scheme.key_bytes())
    }

    /// The key that is named, or every one that a key of this length can be wrapped for.
    fn candidates(&self, named: Option<&str>, parts: &Parts) -> Result<Vec<&PrivateKey>, OpenError> {
        let Some(id) = one_name(named, parts.key_id.as_deref())? else {
            return Ok(self.keys.iter().filter(|key| key.wrapped_bytes() == parts.wrapped.len()).collect());
        };
        self.named(id).map(|key| vec![key]).ok_or(OpenError::UnknownKey)
    }

    fn named(&self, id: &str) -> Option<&PrivateKey> {
        self.keys.iter().find(|key| key.id() == Some(id))
    }

    fn open_legacy(&self, body: &[u8], named: Option<&str>, work: &mut Work) -> Result<Opened, OpenError> {
        let parsed = self.fields.parse(body, self.max_plain.saturating_add(2 * BLOCK));
        // A size is seen by everyone on the way, so it may be told.
        match &parsed {
            Err(OpenError::TooLarge) => return Err(OpenError::TooLarge),
            Ok(parts) => check_length(&parts.wrapped)?,
            Err(_) => {}
        }
        let id = parsed.as_ref().map_or(Err(OpenError::NotOpened), |parts| one_name(named, parts.key_id.as_deref()));
        let (key, known) = self.legacy_key(id.unwrap_or_default()).ok_or(OpenError::NotOpened)?;
        let sound = parsed.is_ok() && id.is_ok() && known;
        let (wrapped, content) = parsed.map(|parts| (parts.wrapped, parts.content)).unwrap_or_default();
        let envelope = LegacyEnvelope { scheme: self.scheme, key, wrapped, content, sound };
        let plain = envelope.open(work).ok_or(OpenError::NotOpened)?;
        if plain.len() > self.max_plain {
            return Err(OpenError::TooLarge);
        }
        Ok(Opened { plain, answer_key: None })
    }

    /// The one key that a legacy envelope is opened with, and whether it is the one that is meant. An id that is not known takes
    /// the first one through the same steps.
    fn legacy_key(&self, id: Option<&str>) -> Option<(&PrivateKey, bool)> {
        let first = self.keys.first()?;
        Some(match id {
            Some(id) => self.named(id).map_or((first, false), |key| (key, true)),
            None => (first, self.keys.len() == 1),
        })
    }
}

/// The id that header and envelope name, which must not differ.
fn one_name<'a>(header: Option<&'a str>, member: Option<&'a str>) -> Result<Option<&'a str>, OpenError> {
    match (header, member) {
        (Some(header), Some(member)) if header != member => Err(OpenError::Malformed("header and envelope name different keys")),
        (header, member) => Ok(header.or(member)),
    }
}

/// A wrapped key is as long as the modulus of its RSA key.
fn check_length(wrapped: &[u8]) -> Result<(), OpenError> {
    let bits = wrapped.len() * 8;
    if bits < MIN_BITS { Err(OpenError::ShortKey { bits }) } else { Ok(()) }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("bytes", &self.plain.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod suite;
