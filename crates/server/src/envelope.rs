//! Encrypted bodies: opened after the request was admitted as it was sent, before it is forwarded; and the answers to them.
//!
//! What an envelope is, byte for byte, is in `crates/envelope/ENVELOPE.md`.

mod answer;

use bytes::Bytes;
use countersign_core::admission::{Admitted, RouteRules};
use countersign_envelope::{AnswerKey, OpenError, Opener};
use countersign_protocol::{Part, Reason, Refusal, ReplayMode};

use crate::head::{Head, malformed};
use crate::refused::Refused;
use crate::strip::{IDENTITY_PREFIX, plain_name};

/// The end of the identity header that tells an upstream of an encrypted body.
const ENVELOPE: &str = "envelope";
/// Headers that speak of the body as it was sent, in the spelling of [`plain_name`].
const OF_THE_BODY: [&str; 6] = ["content-digest", "content-encoding", "content-md5", "content-type", "digest", "repr-digest"];

/// How a route opens encrypted bodies.
#[derive(Debug)]
pub(crate) struct RouteEnvelope {
    pub(crate) opener: Opener,
    /// The header that says whether a body is encrypted, lower case.
    pub(crate) mark: String,
    /// The header that names the recipient's key, lower case.
    pub(crate) key_id_header: Option<String>,
    /// Whether a plain body is refused.
    pub(crate) required: bool,
    /// The route's rules with the input that says that the body is encrypted, where the route names one.
    pub(crate) rules: Option<RouteRules>,
    /// The media type of every plain body.
    pub(crate) content_type: String,
    /// Absent: answers are plain.
    pub(crate) answers: Option<EncryptedAnswers>,
}

/// How a route encrypts answers.
#[derive(Debug)]
pub(crate) struct EncryptedAnswers {
    /// The most bytes of a plain answer.
    pub(crate) most: usize,
}

/// What a request says of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Encrypted,
    Plain,
    Nothing,
}

/// What is expected of the body of one request, from its head alone.
pub(crate) struct Expected<'r> {
    envelope: &'r RouteEnvelope,
    said: Result<Said, Refusal>,
    /// Whether the body is taken for an envelope.
    encrypted: bool,
}

impl RouteEnvelope {
    /// What is expected of the body of a request with this head. Where plain bodies are refused, one that says nothing of its body is taken
    /// for encrypted if it has a body.
    pub(crate) fn expected(&self, head: &Head, has_body: bool) -> Expected<'_> {
        let said = self.said(head);
        let encrypted = match said {
            Ok(Said::Encrypted) => true,
            Ok(Said::Nothing) => self.required && has_body,
            Ok(Said::Plain) | Err(_) => false,
        };
        Expected { envelope: self, said, encrypted }
    }

    fn said(&self, head: &Head) -> Result<Said, Refusal> {
        let mut values = head.values(&self.mark);
        match (values.next(), values.next()) {
            (None, _) => Ok(Said::Nothing),
            (Some(b"true"), None) => Ok(Said::Encrypted),
            (Some(b"false"), None) => Ok(Said::Plain),
            _ => Err(malformed("the mark of an encrypted body is neither true nor false, or there twice")),
        }
    }

    /// The id of the recipient's key, where a header names it.
    fn named<'h>(&self, head: &'h Head) -> Result<Option<&'h str>, Refusal> {
        let Some(name) = &self.key_id_header else { return Ok(None) };
        let mut lines = head.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        match (lines.next(), lines.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => std::str::from_utf8(value).map(Some).map_err(|_| malformed("the id of a key is no text")),
            _ => Err(malformed("the id of a key is there twice")),
        }
    }
}

impl<'r> Expected<'r> {
    /// The rules for this request, where they are not the route's own.
    pub(crate) fn rules(&self) -> Option<&'r RouteRules> {
        self.envelope.rules.as_ref().filter(|_| self.encrypted)
    }

    /// The plain body. What says how to read it must be signed: the body itself, and the mark, unless every body is encrypted.
    fn open(&self, head: &Head, admitted: &Admitted, body: &[u8]) -> Result<Option<(Bytes, Option<AnswerKey>)>, Refusal> {
        let envelope = self.envelope;
        let marked = self.said.clone()? != Said::Nothing;
        let covers = |part: &Part| admitted.covers().contains(part);
        if marked && !envelope.required && !covers(&Part::Header(envelope.mark.clone())) {
            return Err(Refusal::new(Reason::RequiredPartUnsigned, format!("the header {} is not signed", envelope.mark)));
        }
        if !self.encrypted {
            return if self.takes_plain(body) { Ok(None) } else { Err(Refusal::new(Reason::EnvelopeInvalid, "the body is not encrypted")) };
        }
        if !covers(&Part::Body) {
            return Err(Refusal::new(Reason::RequiredPartUnsigned, "an encrypted body is not signed"));
        }
        let opened = envelope.opener.open(body, envelope.named(head)?).map_err(refusal)?;
        Ok(Some((opened.plain.into(), opened.answer_key)))
    }

    /// Whether a request without an envelope may pass. Where answers are encrypted too, one that could only be answered in plain may not.
    fn takes_plain(&self, body: &[u8]) -> bool {
        !self.envelope.required || (body.is_empty() && self.envelope.answers.is_none())
    }
}

/// One admitted request with the body that goes upstream.
pub(crate) struct Passage<'r> {
    body: Bytes,
    envelope: Option<&'r RouteEnvelope>,
    opened: bool,
    answer_key: Option<AnswerKey>,
    /// Whether the answer to it has a body at all (RFC 9110, section 9.3.2).
    is_head: bool,
}

impl<'r> Passage<'r> {
    /// Opens the body where the route says so. A request that cannot be opened stays used up, but for an event, which nobody has handled.
    pub(crate) async fn open(
        expected: Option<Expected<'r>>,
        head: &Head,
        admitted: Admitted,
        body: Bytes,
    ) -> Result<(Admitted, Self), Refused> {
        let opened = expected.as_ref().map_or(Ok(None), |expected| expected.open(head, &admitted, &body));
        let envelope = expected.map(|expected| expected.envelope);
        let is_head = head.method == "HEAD";
        match opened {
            Ok(None) => Ok((admitted, Self { body, envelope, opened: false, answer_key: None, is_head })),
            Ok(Some((body, answer_key))) => Ok((admitted, Self { body, envelope, opened: true, answer_key, is_head })),
            Err(refusal) => {
                if admitted.replay() == ReplayMode::Event {
                    admitted.release().await;
                }
                Err(refusal.into())
            }
        }
    }

    pub(crate) fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// The lines as they go upstream: those of the envelope are taken off, those of the plain body put on.
    pub(crate) fn headers(&self, mut lines: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
        let Some(envelope) = self.envelope else { return lines };
        let answers_in_plain = envelope.answers.is_none() || !self.opened;
        lines.retain(|(name, _)| {
            let name = plain_name(name);
            let of_the_envelope =
                name == plain_name(&envelope.mark) || envelope.key_id_header.as_deref().is_some_and(|id| name == plain_name(id));
            let of_the_body = self.opened && OF_THE_BODY.contains(&name.as_str());
            // What is encrypted here is encrypted as it is: an upstream is not asked to compress it.
            let of_the_answer = !answers_in_plain && name == "accept-encoding";
            !(of_the_envelope || of_the_body || of_the_answer)
        });
        if self.opened {
            lines.push(("content-type".to_owned(), envelope.content_type.clone().into_bytes()));
            lines.push((format!("{IDENTITY_PREFIX}{ENVELOPE}"), b"opened".to_vec()));
        }
        lines
    }
}

/// What the peer and the log are told. No text of the crate's says which cryptographic step failed.
fn refusal(error: OpenError) -> Refusal {
    let reason = if error == OpenError::TooLarge { Reason::BodyTooLarge } else { Reason::EnvelopeInvalid };
    Refusal::new(reason, error.to_string())
}
