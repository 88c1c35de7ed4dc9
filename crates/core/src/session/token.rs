//! Access tokens: what one says, minting it, and verifying it so strictly that no other reader takes it for something else.
//!
//! The form is the compact one of RFC 7515, the type `at+jwt` (RFC 9068). One thing is written in one way only: a member that comes twice, a
//! fraction, a list where a text is meant, an unknown member or a second spelling in base64url is refused, whatever the signature says.

mod claims;
mod json;
mod mint;
mod verify;

use std::fmt;
use std::time::Duration;

pub use claims::{AccessToken, Confirmation, TokenUser};
pub use mint::{MintFault, mint};
pub(super) use verify::Unverified;
pub use verify::{verify, verify_ended};

/// The most bytes of a token.
pub const MOST_BYTES: usize = 4_096;
/// The value of `typ`: no other kind of token is taken for an access token.
const TYPE: &str = "at+jwt";

/// What a verifier demands of every token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// The one `iss`.
    pub issuer: String,
    /// The one `aud`.
    pub audience: String,
    /// The longest time from `iat` to `exp`; beyond, the token is refused although its signature holds.
    pub max_ttl: Duration,
    /// How far the clocks of those who mint and verify may differ.
    pub skew: Duration,
}

/// Why a token is refused. The detail is for the log: the caller learns the word only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// It is not written as a token is.
    Malformed(&'static str),
    /// Its signature does not hold under the key that it names, or it is meant for somebody else.
    Invalid(&'static str),
    /// It was good, and is over.
    Expired(&'static str),
    /// It is good later: the clocks differ.
    NotYetValid(&'static str),
}

impl TokenFault {
    /// The word for the caller.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed(_) => "token_malformed",
            Self::Invalid(_) => "token_invalid",
            Self::Expired(_) => "token_expired",
            Self::NotYetValid(_) => "token_not_yet_valid",
        }
    }

    /// What is wrong, for the log. It holds nothing of the token.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Malformed(detail) | Self::Invalid(detail) | Self::Expired(detail) | Self::NotYetValid(detail) => detail,
        }
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.as_str(), self.detail())
    }
}

impl std::error::Error for TokenFault {}

#[cfg(test)]
pub(crate) mod suite;
