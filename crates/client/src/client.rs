//! The client: an HTTP client, a signer, and the rules for answers that are not the last word.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::{Dialect, Timestamp};
use http::Method;

use crate::answers::AnswerVerifier;
use crate::attempts::{Rules, Wire};
use crate::credentials::Credentials;
use crate::error::ClientError;
use crate::learning::ClockLearning;
use crate::outgoing::OutgoingRequest;
use crate::retry::RetryPolicy;
use crate::signer::Signer;

/// A client that signs each request. Cheap to clone; clones share the connections and the clock offsets that were learned.
///
/// A request that was refused for the sake of the clock or the key is signed once more, with the server's time or the key that the source
/// gives now, where these are others. Beyond that nothing is tried again unless [`SigningClient::with_retries`] says so.
#[derive(Clone)]
pub struct SigningClient {
    pub(crate) http: reqwest::Client,
    pub(crate) signer: Signer,
    pub(crate) rules: Rules,
}

impl SigningClient {
    /// A client that sends through what `builder` builds.
    ///
    /// Redirects and reqwest's own retries are switched off, whatever the builder says: a signature is for one origin and
    /// one attempt. Set headers on each request, not as the builder's defaults: those are added after signing.
    ///
    /// # Errors
    /// [`ClientError::Send`] when reqwest cannot be set up, for example without certificates.
    pub fn new(builder: reqwest::ClientBuilder, dialect: Dialect, credentials: impl Into<Credentials>) -> Result<Self, ClientError> {
        Self::from_signer(builder, Signer::new(dialect, credentials))
    }

    /// A client that sends through what `builder` builds, and signs through this.
    ///
    /// # Errors
    /// As [`SigningClient::new`].
    pub fn from_signer(builder: reqwest::ClientBuilder, signer: Signer) -> Result<Self, ClientError> {
        let http = safe(builder).build().map_err(|e| ClientError::Send(e.without_url()))?;
        let rules = Rules { clock: Some(ClockLearning::default()), ..Rules::default() };
        Ok(Self { http, signer, rules })
    }

    /// The same with an input of the dialect, such as a region.
    #[must_use]
    pub fn with_input(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.signer = self.signer.with_input(name, value);
        self
    }

    /// The same with another clock than the machine's.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.signer = self.signer.with_clock(clock);
        self
    }

    /// The same with another source of nonces than 128 random bits in hexadecimal. Each must be new.
    #[must_use]
    pub fn with_nonces(mut self, nonces: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.signer = self.signer.with_nonces(nonces);
        self
    }

    /// The same, but a dialect that shows the secret itself may be used over plain `http` too: for loopback only.
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        self.signer = self.signer.allow_plain_http();
        self
    }

    /// The same, trying again what this says.
    #[must_use]
    pub fn with_retries(mut self, policy: RetryPolicy) -> Self {
        self.rules.retries = Some(Arc::new(policy));
        self
    }

    /// The same, taking a server's time from its refusals as this says.
    #[must_use]
    pub fn with_clock_learning(mut self, learning: ClockLearning) -> Self {
        self.rules.clock = Some(learning);
        self
    }

    /// The same, signing with its own clock whatever a server says.
    #[must_use]
    pub fn without_clock_learning(mut self) -> Self {
        self.rules.clock = None;
        self
    }

    /// The same, following at most so many redirects per request: to the same origin only, each signed anew, with the method that RFC 9110
    /// says. A redirect to anywhere else is handed back, and nothing is sent there.
    #[must_use]
    pub const fn follow_redirects(mut self, most: u32) -> Self {
        self.rules.redirects = most;
        self
    }

    /// The same, handing on only answers that are signed so. An unsigned refusal may still lead to another attempt.
    #[must_use]
    pub fn with_answers(mut self, verifier: AnswerVerifier) -> Self {
        self.rules.answers = Some(Arc::new(verifier));
        self
    }

    /// The same, encrypting each body that is not empty before it is signed, and decrypting the answers to it.
    #[cfg(feature = "envelope")]
    #[must_use]
    pub fn with_envelope(mut self, envelope: crate::envelope::Envelope) -> Self {
        self.rules.sealing.envelope = Some(envelope);
        self
    }

    /// What signs.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Begins a request. The URL's path and query are signed and sent as written.
    pub fn request(&self, method: Method, url: impl Into<String>) -> OutgoingRequest {
        OutgoingRequest::new(self.clone(), method, url.into())
    }

    /// A URL that carries its own signature for so long; see [`Signer::presign`].
    ///
    /// # Errors
    /// As [`Signer::presign`].
    pub fn presign(&self, method: &Method, url: &str, expires: Duration) -> Result<String, ClientError> {
        self.signer.presign(method.as_str(), url, expires)
    }
}

impl Wire for &reqwest::Client {
    type Error = ClientError;

    async fn send(&mut self, request: reqwest::Request) -> Result<reqwest::Response, ClientError> {
        self.execute(request).await.map_err(|e| ClientError::Send(e.without_url()))
    }

    fn failure(error: &ClientError) -> Option<&reqwest::Error> {
        match error {
            ClientError::Send(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Debug for SigningClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningClient").field("signer", &self.signer).finish_non_exhaustive()
    }
}

/// A builder without what would send a signature a second time, or elsewhere.
pub(crate) fn safe(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder.redirect(reqwest::redirect::Policy::none()).retry(reqwest::retry::never()).referer(false)
}
