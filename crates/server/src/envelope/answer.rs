//! Answers to encrypted requests: taken in whole, encrypted, and marked.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use countersign_envelope::AnswerKey;
use countersign_protocol::{Reason, Refusal};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;

use super::{EncryptedAnswers, Passage, RouteEnvelope};
use crate::body::{AnswerBody, full};
use crate::refused::Refused;

/// The header that says of which media type an encrypted answer is.
const MEDIA_TYPE: &str = "x-countersign-envelope-type";
/// Answers without a body (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5).
const BODILESS: [StatusCode; 3] = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
/// Digests of the plain body.
const DIGESTS: [&str; 4] = ["content-digest", "content-md5", "digest", "repr-digest"];

impl Passage<'_> {
    /// The answer as it goes to the peer: encrypted where the request was and the route says so. An answer that can have no body has nothing to
    /// encrypt. A pause of more than `idle` in the upstream's body is a failure.
    pub(crate) async fn answer(self, answer: Response<AnswerBody>, idle: Duration) -> Result<Response<AnswerBody>, Refused> {
        let Some(envelope) = self.envelope else { return Ok(answer) };
        let Some(rule) = &envelope.answers else { return Ok(answer) };
        let (mut parts, body) = answer.into_parts();
        // Only this gateway says that an answer is encrypted.
        for name in [envelope.mark.as_str(), MEDIA_TYPE] {
            parts.headers.remove(name);
        }
        let has_body = !self.is_head && !BODILESS.contains(&parts.status);
        let Some(key) = self.answer_key.filter(|_| has_body) else { return Ok(Response::from_parts(parts, body)) };
        if parts.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(unusable("the answer to an encrypted request has a content coding, which was not asked for").into());
        }
        let plain = gather(body, rule, idle).await?;
        Ok(encrypted(parts, &plain, &key, envelope)?)
    }
}

fn encrypted(mut parts: Parts, plain: &[u8], key: &AnswerKey, envelope: &RouteEnvelope) -> Result<Response<AnswerBody>, Refusal> {
    let media_type = media_type(&parts.headers)?;
    let sealed = key.seal(parts.status.as_u16(), media_type.to_str().unwrap_or_default(), plain, envelope.opener.fields());
    let body = Bytes::from(sealed.map_err(|error| Refusal::new(Reason::Internal, error.to_string()))?);
    for name in DIGESTS {
        parts.headers.remove(name);
    }
    let mark =
        HeaderName::from_bytes(envelope.mark.as_bytes()).map_err(|_| Refusal::new(Reason::Internal, "the mark's name is no header"))?;
    let set = [
        (mark, HeaderValue::from_static("true")),
        (HeaderName::from_static(MEDIA_TYPE), media_type),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        // Nobody but this request's sender can read it.
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_LENGTH, HeaderValue::from(body.len())),
    ];
    for (name, value) in set {
        parts.headers.insert(name, value);
    }
    Ok(Response::from_parts(parts, full(body)))
}

/// The media type of the plain answer, which its reader must be able to write again as text.
fn media_type(headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let value = headers.get(CONTENT_TYPE).cloned().unwrap_or_else(|| HeaderValue::from_static(""));
    if value.to_str().is_ok() { Ok(value) } else { Err(unusable("the media type of the answer is no ASCII text")) }
}

/// The whole body of an answer. Trailers are dropped: nothing in an encrypted answer stands for them.
async fn gather(mut body: AnswerBody, rule: &EncryptedAnswers, idle: Duration) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    loop {
        let frame = match tokio::time::timeout(idle, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(bytes.freeze()),
            Ok(Some(Err(_))) => return Err(unusable("the answer broke off")),
            Err(_) => return Err(Refusal::new(Reason::UpstreamTimeout, "the answer paused for too long")),
        };
        let Ok(piece) = frame.into_data() else { continue };
        if bytes.len() + piece.len() > rule.most {
            return Err(unusable("the answer is larger than what is encrypted here"));
        }
        bytes.extend_from_slice(&piece);
    }
}

fn unusable(fault: &'static str) -> Refusal {
    Refusal::new(Reason::UpstreamUnavailable, fault)
}
