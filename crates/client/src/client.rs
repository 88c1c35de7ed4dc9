//! The client: an HTTP client, a dialect, a credential, and the sources of time and nonces.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_protocol::{Credential, Dialect, Inputs, SignOptions, Timestamp};
use http::Method;

use crate::error::ClientError;
use crate::outgoing::OutgoingRequest;

type Clock = dyn Fn() -> Timestamp + Send + Sync;
type Nonces = dyn Fn() -> Result<String, ClientError> + Send + Sync;

/// A client that signs each request. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct SigningClient {
    pub(crate) http: reqwest::Client,
    pub(crate) dialect: Dialect,
    pub(crate) credential: Credential,
    pub(crate) allow_plain_http: bool,
    #[cfg(feature = "envelope")]
    pub(crate) envelope: Option<crate::envelope::Envelope>,
    inputs: Inputs,
    clock: Option<Arc<Clock>>,
    nonces: Option<Arc<Nonces>>,
}

impl SigningClient {
    /// A client that sends through what `builder` builds.
    ///
    /// Redirects and reqwest's own retries are switched off, whatever the builder says: a signature is for one origin and
    /// one attempt. Set headers on each request, not as the builder's defaults: those are added after signing.
    ///
    /// # Errors
    /// [`ClientError::Send`] when reqwest cannot be set up, for example without certificates.
    pub fn new(builder: reqwest::ClientBuilder, dialect: Dialect, credential: Credential) -> Result<Self, ClientError> {
        let builder = builder.redirect(reqwest::redirect::Policy::none()).retry(reqwest::retry::never()).referer(false);
        let http = builder.build().map_err(|e| ClientError::Send(e.without_url()))?;
        Ok(Self {
            http,
            dialect,
            credential,
            allow_plain_http: false,
            #[cfg(feature = "envelope")]
            envelope: None,
            inputs: Inputs::new(),
            clock: None,
            nonces: None,
        })
    }

    /// The same with an input of the dialect, such as a region.
    #[must_use]
    pub fn with_input(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inputs = self.inputs.with(name, value);
        self
    }

    /// The same with another clock than the machine's.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The same with another source of nonces than 128 random bits in hexadecimal. Each must be new.
    #[must_use]
    pub fn with_nonces(mut self, nonces: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.nonces = Some(Arc::new(move || Ok(nonces())));
        self
    }

    /// The same, but a dialect that shows the secret itself may be used over plain `http` too: for loopback only.
    #[must_use]
    pub const fn allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// The same, encrypting each body that is not empty before it is signed, and decrypting the answers to it.
    #[cfg(feature = "envelope")]
    #[must_use]
    pub fn with_envelope(mut self, envelope: crate::envelope::Envelope) -> Self {
        self.envelope = Some(envelope);
        self
    }

    /// Begins a request. The URL's path and query are signed and sent as written.
    pub fn request(&self, method: Method, url: impl Into<String>) -> OutgoingRequest {
        OutgoingRequest::new(self.clone(), method, url.into())
    }

    /// What one attempt is signed with: a new time, and a new nonce where the dialect carries one.
    pub(crate) fn options(&self) -> Result<SignOptions, ClientError> {
        let at = match &self.clock {
            Some(clock) => clock(),
            None => machine_time()?,
        };
        let mut options = SignOptions::new(at);
        options.inputs = self.inputs.clone();
        if self.dialect.carries_nonce() {
            options.nonce = Some(self.nonces.as_ref().map_or_else(random_nonce, |nonces| nonces())?);
        }
        Ok(options)
    }
}

impl fmt::Debug for SigningClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningClient")
            .field("dialect", &self.dialect.id())
            .field("key_id", &self.credential.key_id())
            .finish_non_exhaustive()
    }
}

fn machine_time() -> Result<Timestamp, ClientError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_millis()).ok().and_then(Timestamp::from_millis);
    now.ok_or_else(|| ClientError::Source("the machine's clock is past the year 9999".to_owned()))
}

fn random_nonce() -> Result<String, ClientError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| ClientError::Source(format!("no randomness: {e}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
