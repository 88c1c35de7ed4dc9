//! Bodies that are encrypted before they are signed, and the answers to them.

use countersign_envelope::{AnswerKey, OpenError, Sealer};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use reqwest::ResponseBuilderExt;

use crate::error::ClientError;

/// The header that marks an encrypted body, where nothing else is said.
const MARK: &str = "X-Encrypted-Body";
/// The header that says of which media type an encrypted answer is.
const MEDIA_TYPE: &str = "x-countersign-envelope-type";
/// The most bytes of a decrypted answer, where nothing else is said.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// The most bytes of an encrypted answer beside its base64.
const REST: usize = 4096;

/// How a client encrypts bodies, and reads the answers.
#[derive(Debug, Clone)]
pub struct Envelope {
    sealer: Sealer,
    mark: String,
    max_answer: usize,
    expects_encrypted: bool,
}

/// What reads the answer to one attempt.
pub(crate) struct AnswerReader(Option<AnswerKey>);

impl Envelope {
    /// Encrypts with this sealer and marks with `X-Encrypted-Body: true`, which is signed where the dialect carries a list of signed
    /// headers. Answers of up to 8 MiB are decrypted.
    #[must_use]
    pub fn new(sealer: Sealer) -> Self {
        Self { sealer, mark: MARK.to_owned(), max_answer: MAX_ANSWER, expects_encrypted: false }
    }

    /// The same with another header as the mark.
    #[must_use]
    pub fn with_mark(mut self, name: impl Into<String>) -> Self {
        self.mark = name.into();
        self
    }

    /// The same for decrypted answers of at most so many bytes.
    #[must_use]
    pub const fn with_max_answer(mut self, bytes: usize) -> Self {
        self.max_answer = bytes;
        self
    }

    /// The same, refusing a success that is not encrypted, but for one that can have no body.
    #[must_use]
    pub const fn expecting_encrypted_answers(mut self) -> Self {
        self.expects_encrypted = true;
        self
    }

    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    pub(crate) fn seal(&self, plain: &[u8]) -> Result<(Vec<u8>, AnswerReader), ClientError> {
        let sealed = self.sealer.seal(plain).map_err(ClientError::Seal)?;
        Ok((sealed.body, AnswerReader(sealed.answer_key)))
    }

    /// Whether a header of the caller's gives way to those of the envelope.
    pub(crate) fn replaces(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()) || name.eq_ignore_ascii_case(&self.mark)
    }

    /// The headers that go with an envelope.
    pub(crate) fn headers(&self) -> [(String, Vec<u8>); 2] {
        [("Content-Type".to_owned(), b"application/json".to_vec()), (self.mark.clone(), b"true".to_vec())]
    }

    /// The plain answer: the same status and headers, with the media type and the body that were encrypted.
    pub(crate) async fn read(
        &self,
        reader: AnswerReader,
        method: &Method,
        answer: reqwest::Response,
    ) -> Result<reqwest::Response, ClientError> {
        let marked = answer.headers().get(&self.mark).is_some_and(|value| value == "true");
        let Some(key) = reader.0.filter(|_| marked) else {
            return if self.expects_encrypted && must_be_encrypted(method, answer.status()) {
                Err(ClientError::PlainAnswer)
            } else {
                Ok(answer)
            };
        };
        let (status, url, version) = (answer.status(), answer.url().clone(), answer.version());
        let mut headers = answer.headers().clone();
        let media_type = headers.remove(MEDIA_TYPE).unwrap_or_else(|| HeaderValue::from_static(""));
        let text = media_type.to_str().map_err(|_| ClientError::Answer(OpenError::NotOpened))?;
        let sealed = self.gather(answer).await?;
        let plain = key.open(status.as_u16(), text, &sealed, self.sealer.fields(), self.max_answer).map_err(ClientError::Answer)?;
        self.restore(&mut headers, media_type, plain.len());
        let mut opened = http::Response::builder()
            .status(status)
            .version(version)
            .url(url)
            .body(plain)
            .map_err(|_| ClientError::Answer(OpenError::NotOpened))?;
        *opened.headers_mut() = headers;
        Ok(opened.into())
    }

    /// The headers of the plain answer.
    fn restore(&self, headers: &mut HeaderMap, media_type: HeaderValue, length: usize) {
        if let Ok(mark) = HeaderName::from_bytes(self.mark.as_bytes()) {
            headers.remove(mark);
        }
        headers.remove(CONTENT_TYPE);
        if !media_type.is_empty() {
            headers.insert(CONTENT_TYPE, media_type);
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }

    /// The whole of an encrypted answer, which is a third longer than the plain one.
    async fn gather(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, ClientError> {
        let most = self.max_answer.saturating_add(REST).saturating_mul(4) / 3;
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|e| ClientError::Send(e.without_url()))? {
            if bytes.len() + piece.len() > most {
                return Err(ClientError::Answer(OpenError::TooLarge));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

/// Whether a success of the recipient's has a body, which it encrypts.
fn must_be_encrypted(method: &Method, status: StatusCode) -> bool {
    status.is_success() && method != Method::HEAD && status != StatusCode::NO_CONTENT && status != StatusCode::RESET_CONTENT
}
