//! What can be wrong: with a key, with a setup, with an envelope that came, with a body that is to be sealed.

use std::fmt;

use crate::fields::{MAX_KEY_ID, MAX_NAME};
use crate::key::{MAX_BITS, MIN_BITS};
use crate::open::MOST_KEYS;

/// Why a key was not taken. The operator or the caller is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is no PEM block of the kind that is read here.
    NotPem {
        /// The labels that are read.
        expected: &'static str,
    },
    /// The block is PKCS#1, which is not read.
    Pkcs1,
    /// The block holds no RSA key.
    NotRsa,
    /// The modulus is too short.
    TooShort {
        /// The bits it has.
        bits: usize,
    },
    /// The modulus is too long.
    TooLong {
        /// The bits it has.
        bits: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem { expected } => write!(f, "the key is no PEM text of the label {expected}"),
            Self::Pkcs1 => f.write_str("the key is PKCS#1; write it as PKCS#8 with `openssl pkcs8 -topk8 -nocrypt`"),
            Self::NotRsa => f.write_str("the key is no RSA key"),
            Self::TooShort { bits } => write!(f, "an RSA key of {bits} bits is too short; use {MIN_BITS} bits or more"),
            Self::TooLong { bits } => write!(f, "an RSA key of {bits} bits is too long; use {MAX_BITS} bits or fewer"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Why keys, scheme and member names do not go together. The operator or the caller is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// The scheme is for old systems, and nobody said that it may be used.
    Legacy,
    /// There is no key.
    NoKey,
    /// More keys than are tried.
    TooManyKeys,
    /// Two keys have one id.
    SameKeyId,
    /// A legacy envelope is opened with the one key that it names, so each of several keys needs an id.
    LegacyKeysNeedIds,
    /// A key id is empty, too long, or holds more than visible ASCII.
    KeyId,
    /// A member name is empty, too long, or there twice.
    Name,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Legacy => f.write_str("the scheme is a legacy one; use rsa-oaep-sha256+a256gcm, or say that legacy schemes may be used"),
            Self::NoKey => f.write_str("there is no key; name one"),
            Self::TooManyKeys => write!(f, "there are more than {MOST_KEYS} keys; take the oldest away"),
            Self::SameKeyId => f.write_str("two keys have the same id; give each its own"),
            Self::LegacyKeysNeedIds => f.write_str("a legacy scheme with several keys; give each an id, or keep one"),
            Self::KeyId => write!(f, "a key id is empty, or no visible ASCII of at most {MAX_KEY_ID} bytes; write another"),
            Self::Name => write!(f, "a member name is empty, longer than {MAX_NAME} bytes, or there twice; write three different names"),
        }
    }
}

impl std::error::Error for SetupError {}

/// Why an envelope was not opened. The sender is at fault. No variant says which cryptographic step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are not exactly an envelope: what is wrong with their shape.
    Malformed(&'static str),
    /// The content key was wrapped under an RSA key that is too short.
    ShortKey {
        /// The bits that the wrapped key's length stands for.
        bits: usize,
    },
    /// The envelope names a key that is not here.
    UnknownKey,
    /// The plain body would be larger than the limit.
    TooLarge,
    /// The envelope cannot be opened: another key, a changed text, or not the scheme.
    NotOpened,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(fault) => write!(f, "the body is no envelope: {fault}"),
            Self::ShortKey { bits } => {
                write!(f, "the content key is wrapped under an RSA key of {bits} bits; use a key of {MIN_BITS} bits or more")
            }
            Self::UnknownKey => f.write_str("the envelope names a key that is not here"),
            Self::TooLarge => f.write_str("the plain body would be larger than the limit"),
            Self::NotOpened => f.write_str("the envelope cannot be opened with the keys that are here"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why a body was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// No randomness, or the library refused.
    Failed,
    /// A legacy scheme encrypts JSON only: whoever opens it has nothing else by which to see a change.
    NotJson,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "the body cannot be encrypted; check the machine's random source",
            Self::NotJson => "a legacy scheme encrypts JSON bodies only; use rsa-oaep-sha256+a256gcm",
        })
    }
}

impl std::error::Error for SealError {}
