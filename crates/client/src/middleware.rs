//! Signing as a middleware of `reqwest-middleware`.

use async_trait::async_trait;
use http::Extensions;
use reqwest_middleware::{ClientWithMiddleware, Error, Middleware, Next};
use std::sync::{Arc, Mutex};

use crate::answers::AnswerVerifier;
use crate::attempts::{Rules, Wire, run};
use crate::client::safe;
use crate::error::ClientError;
use crate::learning::ClockLearning;
use crate::request::header_lines;
use crate::signer::Signer;
use crate::template::{Content, Template};

/// Signs what passes. Stand it last in the chain, so that nothing changes a request after it, and a middleware that tries again before it, so
/// that each attempt is signed anew.
///
/// A refusal for the sake of the clock or the key is mended once, as in [`crate::SigningClient`]. The reqwest client inside must follow no
/// redirects: take it from [`SigningMiddleware::client`]. An answer that came by a redirect is an error.
///
/// ```
/// # #[cfg(feature = "middleware")]
/// # fn example(signer: countersign_client::Signer) -> Result<(), countersign_client::ClientError> {
/// use countersign_client::SigningMiddleware;
///
/// let http = SigningMiddleware::client(reqwest::Client::builder())?;
/// let client = reqwest_middleware::ClientBuilder::new(http).with(SigningMiddleware::new(signer)).build();
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SigningMiddleware {
    signer: Signer,
    rules: Rules,
}

impl SigningMiddleware {
    /// Signs through this.
    #[must_use]
    pub fn new(signer: Signer) -> Self {
        Self { signer, rules: Rules { clock: Some(ClockLearning::default()), ..Rules::default() } }
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

    /// The same, taking only answers that are signed so.
    #[must_use]
    pub fn with_answers(mut self, verifier: AnswerVerifier) -> Self {
        self.rules.answers = Some(Arc::new(verifier));
        self
    }

    /// The client for a chain that signs: it follows no redirect, tries nothing again and tells no one where it comes from.
    ///
    /// # Errors
    /// [`ClientError::Send`] when reqwest cannot be set up.
    pub fn client(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, ClientError> {
        safe(builder).build().map_err(|e| ClientError::Send(e.without_url()))
    }

    /// The whole: such a client, with this as its only middleware.
    ///
    /// # Errors
    /// As [`SigningMiddleware::client`].
    pub fn into_client(self, builder: reqwest::ClientBuilder) -> Result<ClientWithMiddleware, ClientError> {
        Ok(reqwest_middleware::ClientBuilder::new(Self::client(builder)?).with(self).build())
    }
}

/// What comes after in the chain.
struct Rest<'a, 'e> {
    next: Next<'a>,
    extensions: &'e mut Extensions,
}

impl Wire for Rest<'_, '_> {
    type Error = Error;

    async fn send(&mut self, request: reqwest::Request) -> Result<reqwest::Response, Error> {
        let url = request.url().clone();
        let answer = self.next.clone().run(request, self.extensions).await?;
        if *answer.url() == url { Ok(answer) } else { Err(ClientError::FollowedRedirect.into()) }
    }

    fn failure(error: &Error) -> Option<&reqwest::Error> {
        match error {
            Error::Reqwest(error) => Some(error),
            Error::Middleware(_) => None,
        }
    }
}

#[async_trait]
impl Middleware for SigningMiddleware {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let template = template(request);
        run(&self.signer, &self.rules, template, &mut Rest { next, extensions }).await.map(|answered| answered.answer)
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        Self::middleware(error)
    }
}

fn template(mut request: reqwest::Request) -> Template {
    let mut url = request.url().clone();
    url.set_fragment(None);
    let body = match request.body_mut().take() {
        None => Content::Bytes(Vec::new()),
        Some(body) => match body.as_bytes() {
            Some(bytes) => Content::Bytes(bytes.to_vec()),
            None => Content::Opaque(Arc::new(Mutex::new(Some(body)))),
        },
    };
    Template {
        method: request.method().clone(),
        url: url.into(),
        headers: header_lines(request.headers()),
        also: Vec::new(),
        body,
        digest_word: None,
        timeout: request.timeout().copied(),
        version: Some(request.version()),
    }
}

impl std::fmt::Debug for SigningMiddleware {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningMiddleware").field("signer", &self.signer).finish_non_exhaustive()
    }
}
