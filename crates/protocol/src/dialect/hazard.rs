//! What a dialect's definition says about its own weaknesses.

use std::fmt;

use super::part::Part;

/// A weakness that follows from the definition alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hazard {
    /// The items of this list run together: different lists give one text.
    NoSeparators(&'static str),
    /// Two neighbouring values run together: where one ends, the text does not say.
    RunTogether(String),
    /// Only so many bytes of a value are signed, or so little of its digest that another value has the same.
    CutShort(String),
    /// A filter makes different values one.
    MadeOne(String),
    /// The signature is a bare digest: whoever sees one can extend the message.
    UnkeyedDigest,
    /// The secret itself is on the wire.
    ShowsSecret,
    /// Signatures are verified under RSA keys from so many bits on, fewer than 2048.
    ShortKeys(usize),
    /// Nothing bounds the age of a request.
    NoTime,
    /// Nothing makes a request unique.
    NoNonce,
    /// A part that the file leaves unsigned.
    Unsigned(Part),
}

impl Hazard {
    /// Whether verifying needs [`crate::Policy::allow_unsafe`].
    #[must_use]
    pub const fn is_unsafe(&self) -> bool {
        matches!(self, Self::NoSeparators(_) | Self::RunTogether(_) | Self::UnkeyedDigest)
    }
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSeparators(list) => {
                write!(f, "nothing stands between names and values of {{{list}}}: different parameters give one string to sign")
            }
            Self::RunTogether(pieces) => write!(f, "{pieces} run together: different requests give one string to sign"),
            Self::CutShort(what) => write!(f, "{what}: what is cut off is not signed"),
            Self::MadeOne(piece) => write!(f, "{piece} gives different values one text: between them the signature does not tell"),
            Self::UnkeyedDigest => f.write_str("the signature is an unkeyed digest: whoever sees one can extend the message"),
            Self::ShowsSecret => f.write_str("the secret itself is sent: only over TLS"),
            Self::ShortKeys(bits) => write!(f, "RSA keys from {bits} bits on are verified with: too short for a new key"),
            Self::NoTime => f.write_str("no signed time: a captured request stays valid"),
            Self::NoNonce => f.write_str("no signed nonce: a captured request can be repeated within its window"),
            Self::Unsigned(part) => write!(f, "{part} is not signed"),
        }
    }
}
