//! Why a session cannot be used.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::Reason;

use crate::error::ClientError;
use crate::refused::ServerRefusal;

/// What stands between a user and a request. Only [`SessionError::Over`] means that the session has ended. Its text holds no token and no key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SessionError {
    /// The session has ended: log in again.
    Over {
        /// The server's `code`, such as `session_revoked`; `logged_out` after a logout here.
        code: String,
        /// What the server says besides.
        hint: Option<String>,
    },
    /// The server refused, as it would again: a wrong password, a caller that must be mended.
    Refused(Box<ServerRefusal>),
    /// The server cannot answer now. The session is kept; try again later.
    Unavailable(Box<ServerRefusal>),
    /// What the server answered is not what a login or a refresh gives.
    Answer {
        /// What is wrong.
        fault: &'static str,
    },
    /// The token file cannot be used. The session is not ended by that.
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong, and what helps.
        fault: String,
    },
    /// Another refresh of this session takes too long. The session is kept; try again.
    Busy {
        /// How long was waited.
        waited: Duration,
    },
    /// The key that signs is not here.
    Key {
        /// What is missing, and what helps.
        fault: &'static str,
    },
    /// The request was not signed or not sent, or its answer did not come.
    Client(Arc<ClientError>),
}

impl SessionError {
    /// Whether the user has to log in again.
    #[must_use]
    pub const fn must_log_in(&self) -> bool {
        matches!(self, Self::Over { .. })
    }

    /// The server's `code`, where it gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Over { code, .. } => Some(code),
            Self::Refused(refusal) | Self::Unavailable(refusal) => refusal.code(),
            _ => None,
        }
    }

    /// What a refusal means for the session.
    pub(super) fn of(refusal: ServerRefusal) -> Self {
        let is_over = matches!(refusal.reason(), Some(Reason::SessionRevoked | Reason::SessionExpired | Reason::InvalidGrant));
        if is_over {
            let code = refusal.code().unwrap_or_default().to_owned();
            return Self::Over { code, hint: refusal.hint().map(str::to_owned) };
        }
        let status = refusal.status();
        let passes = status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS;
        if passes { Self::Unavailable(Box::new(refusal)) } else { Self::Refused(Box::new(refusal)) }
    }

    pub(super) fn file(path: &Path, fault: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), fault: fault.into() }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over { code, hint } => {
                write!(f, "the session is over ({code}): log in again")?;
                hint.as_ref().map_or(Ok(()), |hint| write!(f, "; the server says: {hint}"))
            }
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Unavailable(refusal) => write!(f, "{refusal}; the session is kept, try again later"),
            Self::Answer { fault } => write!(f, "the server's answer gives no session: {fault}; is the URL that of a gateway with users?"),
            Self::File { path, fault } => write!(f, "the token file {}: {fault}", path.display()),
            Self::Busy { waited } => {
                write!(f, "another refresh of this session has taken {} s; the session is kept, try again", waited.as_secs())
            }
            Self::Key { fault } => write!(f, "{fault}"),
            Self::Client(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Client(error) => error.source(),
            _ => None,
        }
    }
}

impl From<ClientError> for SessionError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Session(error) => error,
            ClientError::Refused(refusal) => Self::of(*refusal),
            other => Self::Client(Arc::new(other)),
        }
    }
}

impl From<SessionError> for ClientError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}
