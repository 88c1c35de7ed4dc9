//! Why a request was not signed or not sent.

use std::fmt;

use countersign_protocol::SignError;

/// A request that was not sent, or got no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The caller's URL is none, or has no host.
    Url {
        /// What is wrong.
        fault: String,
    },
    /// The URL's path and query would not be sent as written, so another text would be signed.
    UrlChanged {
        /// The target as written.
        written: String,
        /// The target as it would be sent.
        sent: String,
    },
    /// A header that cannot be sent.
    Header {
        /// Its name.
        name: String,
    },
    /// The dialect shows the secret itself and the URL is not `https`.
    InsecureTransport,
    /// The random source or the clock failed.
    Source(String),
    /// The request cannot be signed in this dialect.
    Sign(SignError),
    /// The body was not encrypted, so nothing was sent.
    #[cfg(feature = "envelope")]
    Seal(countersign_envelope::SealError),
    /// The answer is marked as encrypted, and cannot be opened.
    #[cfg(feature = "envelope")]
    Answer(countersign_envelope::OpenError),
    /// The answer to an encrypted request is a success that is not encrypted, although it must be.
    #[cfg(feature = "envelope")]
    PlainAnswer,
    /// The request was signed, but sending it failed.
    Send(reqwest::Error),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { fault } => write!(f, "{fault}"),
            Self::UrlChanged { written, sent } => {
                write!(f, "the URL would be sent as '{sent}' and not as written, '{written}'; write it as it is to be sent")
            }
            Self::Header { name } => write!(f, "the header '{name}' cannot be sent; its name or value is malformed"),
            Self::InsecureTransport => f.write_str("this dialect sends the secret itself: use an https URL"),
            Self::Source(fault) => write!(f, "{fault}"),
            Self::Sign(error) => write!(f, "{error}"),
            #[cfg(feature = "envelope")]
            Self::Seal(error) => write!(f, "{error}"),
            #[cfg(feature = "envelope")]
            Self::Answer(error) => write!(f, "the encrypted answer: {error}"),
            #[cfg(feature = "envelope")]
            Self::PlainAnswer => f.write_str("the answer is not encrypted: it was not written by the one to whom the request was"),
            // reqwest's own text may hold the URL, and with it a signature.
            Self::Send(_) => f.write_str("the signed request got no answer"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sign(error) => Some(error),
            Self::Send(error) => Some(error),
            _ => None,
        }
    }
}
