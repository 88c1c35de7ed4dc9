//! What a template may speak of while one message is signed or verified.

use crate::algorithm::Algorithm;
use crate::credential::Credential;
use crate::dialect::plan::{Claimed, Plan};
use crate::message::{Body, MessageView};
use crate::reason::{Reason, Refusal};
use crate::time::Timestamp;

/// The texts that ride in the message, exactly as carried, and those that the caller supplied in their place.
#[derive(Clone, Default)]
pub(crate) struct Texts(Vec<(Claimed, String)>);

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Texts").field(&self.0.iter().map(|(what, _)| what).collect::<Vec<_>>()).finish()
    }
}

impl Texts {
    pub(crate) fn get(&self, what: Claimed) -> Option<&str> {
        self.0.iter().find(|(w, _)| *w == what).map(|(_, text)| text.as_str())
    }

    pub(crate) fn set(&mut self, what: Claimed, text: impl Into<String>) {
        let text = text.into();
        match self.0.iter_mut().find(|(w, _)| *w == what) {
            Some((_, old)) => *old = text,
            None => self.0.push((what, text)),
        }
    }
}

/// One message with everything that was read from it or decided about it.
pub(crate) struct Scene<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) message: &'a dyn MessageView,
    pub(crate) body: Body<'a>,
    pub(crate) texts: &'a Texts,
    /// The names of the headers to sign, as listed.
    pub(crate) names: &'a [String],
    pub(crate) instant: Option<Timestamp>,
    pub(crate) credential: Option<&'a Credential>,
    pub(crate) algorithm: Option<Algorithm>,
    /// Whether a message is read, not written.
    pub(crate) reading: bool,
}

impl<'a> Scene<'a> {
    /// The bytes of the body.
    pub(crate) fn body_bytes(&self) -> Result<&'a [u8], Refusal> {
        match self.body {
            Body::Bytes(bytes) => Ok(bytes),
            Body::Digests(_) | Body::Pending => Err(Refusal::new(Reason::Internal, "this dialect needs the bytes of the body")),
        }
    }

    pub(crate) fn body_is_empty(&self) -> bool {
        match self.body {
            Body::Bytes(bytes) => bytes.is_empty(),
            Body::Digests(digests) => digests.length() == 0,
            Body::Pending => false,
        }
    }

    /// The value of the Host header, or nothing.
    pub(crate) fn host(&self) -> &'a [u8] {
        let message: &'a dyn MessageView = self.message;
        message.values("host").next().unwrap_or_default()
    }
}

/// The host and the port that is written after it (RFC 3986, section 3.2), brackets of an IPv6 address kept.
pub(crate) fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let bracket = authority.iter().rposition(|b| *b == b']').unwrap_or(0);
    match authority[bracket..].iter().rposition(|b| *b == b':') {
        Some(colon) => (&authority[..bracket + colon], Some(&authority[bracket + colon + 1..])),
        None => (authority, None),
    }
}
