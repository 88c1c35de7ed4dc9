//! Answers that must be signed.

use std::fmt;

use countersign_protocol::{Credential, Dialect, Inputs, Intact, Keys, Policy, Refusal, Response, Timestamp};

use crate::error::{ClientError, url_fault};
use crate::request::header_lines;

/// The most bytes of an answer that is verified, where nothing else is said.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Verifies each answer before the caller sees anything of it.
///
/// An answer is bound to its request as far as its dialect says so. One that was decompressed on the way is no longer what was signed: leave
/// the compression features of reqwest off.
#[derive(Clone)]
pub struct AnswerVerifier {
    dialect: Dialect,
    keys: Vec<Credential>,
    inputs: Inputs,
    policy: Policy,
    most: usize,
    unsigned_errors: bool,
}

impl AnswerVerifier {
    /// Takes answers that are signed in this dialect, which must be one of responses, under one of these keys; of at most 8 MiB.
    ///
    /// # Errors
    /// The dialect signs requests.
    pub fn new(dialect: Dialect, keys: impl IntoIterator<Item = Credential>) -> Result<Self, ClientError> {
        if !dialect.is_of_responses() {
            return Err(url_fault(format!("the dialect {} signs requests; give one whose file says `message: response`", dialect.id())));
        }
        let (inputs, policy) = (Inputs::new(), Policy::default());
        Ok(Self { dialect, keys: keys.into_iter().collect(), inputs, policy, most: MOST_BYTES, unsigned_errors: false })
    }

    /// The same with an input of the dialect.
    #[must_use]
    pub fn with_input(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inputs = self.inputs.with(name, value);
        self
    }

    /// The same under another policy than the dialect's own.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The same for answers of at most so many bytes.
    #[must_use]
    pub const fn with_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// The same, handing back errors (4xx and 5xx) that nobody signed, such as a proxy's. Whoever is on the way can write one.
    #[must_use]
    pub const fn allow_unsigned_errors(mut self) -> Self {
        self.unsigned_errors = true;
        self
    }

    /// The answer, if its signature holds at this time.
    pub(crate) async fn verify(&self, answer: reqwest::Response, now: Timestamp) -> Result<reqwest::Response, ClientError> {
        let status = answer.status();
        let has_claim = |name: &str| answer.headers().contains_key(name);
        let is_unsigned = !self.dialect.carriers().filter(|carrier| carrier.is_sensitive).any(|carrier| has_claim(carrier.name));
        if self.unsigned_errors && is_unsigned && (status.is_client_error() || status.is_server_error()) {
            return Ok(answer);
        }
        let (rebuild, body) = gather(answer, self.most).await?;
        let response = Response { status: status.as_u16(), headers: header_lines(rebuild.headers()), body: body.clone() };
        self.check(&response, now).map_err(ClientError::Unverified)?;
        Ok(rebuild.with(body))
    }

    fn check(&self, answer: &Response, now: Timestamp) -> Result<Intact, Refusal> {
        let claim = self.dialect.claim(answer, &self.inputs)?;
        let named: Vec<&Credential> = self.keys.iter().filter(|key| claim.key_id().is_none_or(|id| id == key.key_id())).collect();
        let keys = if named.is_empty() { Keys::Unknown } else { Keys::Known(&named) };
        claim.check_clock(now, &self.policy)?.verify(keys)?.require(&self.policy)?.check_body(&answer.body)
    }
}

impl fmt::Debug for AnswerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.keys.iter().map(Credential::key_id).collect();
        f.debug_struct("AnswerVerifier").field("dialect", &self.dialect.id()).field("keys", &keys).finish_non_exhaustive()
    }
}

/// An answer without its body.
pub(crate) struct Rebuild(http::response::Parts);

/// The answer's head, and its body of at most so many bytes.
pub(crate) async fn gather(mut answer: reqwest::Response, most: usize) -> Result<(Rebuild, Vec<u8>), ClientError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|e| ClientError::Send(e.without_url()))? {
        if body.len().saturating_add(piece.len()) > most {
            return Err(ClientError::TooLarge { most });
        }
        body.extend_from_slice(&piece);
    }
    let url = answer.url().clone();
    let mut parts = http::Response::<reqwest::Body>::from(answer).into_parts().0;
    // The URL goes along in an extension that only this builder makes.
    let carrier = reqwest::ResponseBuilderExt::url(http::Response::builder(), url).body(());
    if let Ok(carrier) = carrier {
        parts.extensions.extend(carrier.into_parts().0.extensions);
    }
    Ok((Rebuild(parts), body))
}

impl Rebuild {
    pub(crate) const fn status(&self) -> http::StatusCode {
        self.0.status
    }

    pub(crate) const fn headers(&self) -> &http::HeaderMap {
        &self.0.headers
    }

    /// The same answer with this body.
    pub(crate) fn with(self, body: Vec<u8>) -> reqwest::Response {
        http::Response::from_parts(self.0, body).into()
    }
}
