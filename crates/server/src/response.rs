//! Signing answers, in a dialect of responses.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use countersign_core::clock::Clock;
use countersign_protocol::{Credential, Dialect, Inputs, Message, Reason, SignError, SignOptions};
use http::{HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;

use crate::body::{AnswerBody, full};
use crate::refused::Refused;

/// The most bytes of an answer that is signed, where nothing else is said.
pub const ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Random bytes of a nonce.
const NONCE_BYTES: usize = 16;

/// An answer while it is signed.
pub(crate) type Signing = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Refused>> + Send>>;

/// Signs whole answers with one credential. `Debug` shows no secret.
#[derive(Clone)]
pub struct ResponseSigner(Arc<Inner>);

struct Inner {
    dialect: Dialect,
    credential: Credential,
    inputs: Inputs,
    clock: Arc<dyn Clock>,
    limit: usize,
}

impl ResponseSigner {
    /// Signs in this dialect, which must be one of responses, answers of at most [`ANSWER_BYTES`].
    ///
    /// # Errors
    /// No answer could ever be signed so: the dialect is one of requests, the credential does not fit it, or an input is missing.
    pub fn new(dialect: Dialect, credential: Credential, inputs: Inputs, clock: Arc<dyn Clock>) -> Result<Self, SignError> {
        let signer = Self(Arc::new(Inner { dialect, credential, inputs, clock, limit: ANSWER_BYTES }));
        let sample = countersign_protocol::Response { status: 200, headers: Vec::new(), body: Vec::new() };
        match signer.0.sign(sample, "0") {
            // Another answer may well have what this one lacks.
            Ok(_) | Err(SignError::Unsignable(_)) => Ok(signer),
            Err(error) => Err(error),
        }
    }

    /// The same for answers of at most so many bytes. A larger one is not passed on, as nobody could trust it.
    #[must_use]
    pub fn with_limit(self, bytes: usize) -> Self {
        let Inner { dialect, credential, inputs, clock, .. } = &*self.0;
        let (dialect, credential, inputs, clock) = (dialect.clone(), credential.clone(), inputs.clone(), Arc::clone(clock));
        Self(Arc::new(Inner { dialect, credential, inputs, clock, limit: bytes }))
    }

    /// The answer with its signature. It is buffered, and its trailers are dropped.
    pub(crate) fn sign(&self, answer: Response<AnswerBody>) -> Signing {
        let signer = self.clone();
        Box::pin(async move { signer.signed(answer).await })
    }

    async fn signed(&self, answer: Response<AnswerBody>) -> Result<Response<AnswerBody>, Refused> {
        let (mut parts, body) = answer.into_parts();
        let body = collect(body, self.0.limit).await?;
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
        let unsigned = countersign_protocol::Response { status: parts.status.as_u16(), headers, body: body.to_vec() };
        let nonce = nonce().map_err(|error| internal(&error.to_string()))?;
        let signed = self.0.sign(unsigned, &nonce).map_err(|error| internal(&error.to_string()))?;
        let was = body.len();
        parts.headers.clear();
        for (name, value) in signed.headers {
            let line = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_bytes(&value).ok());
            let (name, value) = line.ok_or_else(|| internal(&format!("the header {name} cannot be written")))?;
            parts.headers.append(name, value);
        }
        // A signature in the body makes it longer; the length of an answer to HEAD speaks of another body.
        if signed.body.len() != was {
            parts.headers.remove(http::header::CONTENT_LENGTH);
        }
        Ok(Response::from_parts(parts, full(Bytes::from(signed.body))))
    }
}

impl Inner {
    fn sign(&self, answer: countersign_protocol::Response, nonce: &str) -> Result<countersign_protocol::Response, SignError> {
        let mut options = SignOptions { inputs: self.inputs.clone(), ..SignOptions::new(self.clock.now()) };
        options.nonce = self.dialect.carries_nonce().then(|| nonce.to_owned());
        match self.dialect.sign(answer, &self.credential, &options)?.into_message() {
            Message::Response(signed) => Ok(signed),
            Message::Request(_) => Err(SignError::WrongMessage),
        }
    }
}

/// The whole answer. How long it may pause is the business of whoever writes it.
async fn collect(mut body: AnswerBody, limit: usize) -> Result<Bytes, Refused> {
    let unfit = |detail| Refused { detail, ..Reason::UpstreamUnavailable.into() };
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unfit(format!("the answer broke off: {error}")))?;
        let Ok(piece) = frame.into_data() else { continue };
        if bytes.len().saturating_add(piece.len()) > limit {
            return Err(unfit(format!(
                "the answer has more than {limit} bytes, the most that is signed; raise the limit or leave it unsigned"
            )));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

fn internal(detail: &str) -> Refused {
    Refused { detail: format!("the answer cannot be signed: {detail}"), ..Reason::Internal.into() }
}

fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl fmt::Debug for ResponseSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseSigner")
            .field("dialect", &self.0.dialect.id())
            .field("key_id", &self.0.credential.key_id())
            .finish_non_exhaustive()
    }
}
