//! Why a session gives nothing, for the log and, more coarsely, for the peer.

use std::fmt;

use countersign_protocol::{Reason, Refusal};

use crate::error::StoreError;
use crate::session::token::{MintFault, TokenFault};
use crate::session::{Ended, SessionId};

/// Why a login, a refresh or a token was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionFault {
    /// The access token is at fault.
    Token(TokenFault),
    /// Another key signs than the one that the session is bound to.
    Binding,
    /// A request that a browser may have sent by itself does not show the session's CSRF token.
    Csrf,
    /// The session is over.
    Over(Ended),
    /// The refresh token gives nothing; the session that it names, for the audit log.
    Refresh(RefreshFault, Option<SessionId>),
    /// The session is refreshed too often.
    TooManyRefreshes,
    /// No token can be minted for this user.
    Mint(MintFault),
    /// The store does not answer.
    Store(StoreError),
}

/// Why a refresh token gives nothing. A peer learns no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshFault {
    /// It is not written as one.
    Malformed,
    /// There is no such session.
    Unknown,
    /// It was not made here.
    Forged,
    /// Another key signs than the one that the session is bound to.
    Binding,
    /// It was replaced, and its successor used. The session has ended.
    Reused,
    /// The session was over.
    Over(Ended),
}

impl RefreshFault {
    /// Its stable name, in the audit log and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown_session",
            Self::Forged => "forged",
            Self::Binding => "binding",
            Self::Reused => "reuse",
            Self::Over(why) => why.as_str(),
        }
    }
}

impl SessionFault {
    /// As a refusal of the request in which it came.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Token(fault) => {
                let reason = match fault {
                    TokenFault::Malformed(_) => Reason::TokenMalformed,
                    TokenFault::Invalid(_) => Reason::TokenInvalid,
                    TokenFault::Expired(_) => Reason::TokenExpired,
                    TokenFault::NotYetValid(_) => Reason::TokenNotYetValid,
                };
                Refusal::new(reason, fault.detail())
            }
            Self::Binding => Refusal::new(Reason::TokenBindingMismatch, "another key signed"),
            Self::Csrf => Refusal::new(Reason::CrossSiteRequest, "the CSRF token is not the session's"),
            Self::Over(Ended::Expired) => Refusal::new(Reason::SessionExpired, Ended::Expired.as_str()),
            Self::Over(why) => Refusal::new(Reason::SessionRevoked, why.as_str()),
            Self::Refresh(fault, _) => Refusal::new(Reason::InvalidGrant, fault.as_str()),
            Self::TooManyRefreshes => Refusal::new(Reason::RateLimited, "refreshes of one session"),
            Self::Mint(fault) => Refusal::new(Reason::Internal, fault.to_string()),
            Self::Store(error) => Refusal::new(Reason::StoreUnavailable, error.to_string()),
        }
    }
}

impl fmt::Display for SessionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refusal = self.refusal();
        write!(f, "{}: {}", refusal.reason(), refusal.detail())
    }
}

impl std::error::Error for SessionFault {}

impl From<StoreError> for SessionFault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
