//! Why a request was not signed, not sent, or not answered as it must be.

use std::fmt;

use countersign_protocol::{Refusal, SignError};

#[cfg(feature = "reqwest")]
use crate::refused::ServerRefusal;

/// A request that was not signed or not sent, or an answer that was not taken. Its text holds no secret and no URL.
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
    /// The source of credentials gave none.
    Credentials {
        /// What it said.
        fault: String,
    },
    /// The request cannot be signed in this dialect.
    Sign(SignError),
    /// The dialect signs the body, and this one can be read only once.
    OneShotBody,
    /// The body could not be read.
    Body {
        /// What its source said.
        fault: String,
    },
    /// The body, or the answer to be verified, has more bytes than are kept.
    TooLarge {
        /// The most bytes.
        most: usize,
    },
    /// No URL can carry this dialect's signature for a while.
    NotPresignable {
        /// Why, and what helps.
        reason: String,
    },
    /// The answer is not signed as it must be: take nothing from it.
    Unverified(Refusal),
    /// The access token of a user cannot ride in this request.
    Token {
        /// Why, and what helps.
        fault: String,
    },
    /// The session of a user cannot be used.
    #[cfg(feature = "sessions")]
    Session(crate::session::SessionError),
    /// The server refused the request and said why.
    #[cfg(feature = "reqwest")]
    Refused(Box<ServerRefusal>),
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
    #[cfg(feature = "reqwest")]
    Send(reqwest::Error),
    /// The client inside followed a redirect, and took the signature along.
    #[cfg(feature = "middleware")]
    FollowedRedirect,
    /// The blocking client cannot run here.
    #[cfg(feature = "blocking")]
    Blocking {
        /// Why, and what helps.
        fault: String,
    },
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
            Self::Credentials { fault } => write!(f, "no credential: {fault}"),
            Self::Sign(error) => write!(f, "{error}"),
            Self::OneShotBody => f.write_str(
                "this dialect signs the body, and this one can be read only once; give its bytes, a file, or a closure that opens it again",
            ),
            Self::Body { fault } => write!(f, "the body: {fault}"),
            Self::TooLarge { most } => {
                write!(f, "more than {most} bytes, the most that are kept; raise the limit, or send the body in pieces")
            }
            Self::NotPresignable { reason } => write!(f, "no URL can be signed ahead: {reason}"),
            Self::Unverified(refusal) => write!(f, "the answer is not signed as it must be: {refusal}"),
            Self::Token { fault } => write!(f, "the access token was not sent: {fault}"),
            #[cfg(feature = "sessions")]
            Self::Session(error) => write!(f, "{error}"),
            #[cfg(feature = "reqwest")]
            Self::Refused(refusal) => write!(f, "{refusal}"),
            #[cfg(feature = "envelope")]
            Self::Seal(error) => write!(f, "{error}"),
            #[cfg(feature = "envelope")]
            Self::Answer(error) => write!(f, "the encrypted answer: {error}"),
            #[cfg(feature = "envelope")]
            Self::PlainAnswer => f.write_str("the answer is not encrypted: it was not written by the one to whom the request was"),
            // reqwest's own text may hold the URL, and with it a signature.
            #[cfg(feature = "reqwest")]
            Self::Send(_) => f.write_str("the signed request got no answer"),
            #[cfg(feature = "middleware")]
            Self::FollowedRedirect => f.write_str(
                "the client inside followed a redirect with the signature: build it without redirects, as SigningMiddleware::client does",
            ),
            #[cfg(feature = "blocking")]
            Self::Blocking { fault } => write!(f, "{fault}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sign(error) => Some(error),
            Self::Unverified(error) => Some(error),
            #[cfg(feature = "reqwest")]
            Self::Send(error) => Some(error),
            _ => None,
        }
    }
}

/// A fault of the caller's URL.
pub(crate) fn url_fault(text: impl Into<String>) -> ClientError {
    ClientError::Url { fault: text.into() }
}
