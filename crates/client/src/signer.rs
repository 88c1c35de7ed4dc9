//! The one place where a message is signed: a dialect, a source of credentials, a clock, nonces and inputs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::{BodyDigests, BodyHasher, BodyNeed, Dialect, Inputs, Request, Scheme, SignOptions, Timestamp};

use crate::clock::{Offsets, machine_time};
use crate::credentials::Credentials;
use crate::error::ClientError;
use crate::presented::Presented;

type Clock = dyn Fn() -> Result<Timestamp, ClientError> + Send + Sync;
type Nonces = dyn Fn() -> Result<String, ClientError> + Send + Sync;

/// Signs requests without sending them. Cheap to clone; clones share the clock offsets that were learned.
///
/// Everything else of this crate signs through one of these.
///
/// ```
/// use countersign_client::Signer;
/// use countersign_protocol::{Credential, Dialects};
///
/// let dialects = Dialects::builtin()?;
/// let dialect = dialects.get("hmac-sha256").ok_or("no such dialect")?.clone();
/// let signer = Signer::new(dialect, Credential::hmac("key-1", "a secret"));
/// let request = http::Request::post("https://api.example.com/orders?dry=1").body(b"{}".to_vec())?;
/// let signed = signer.sign_request(request)?;
/// assert!(signed.headers().contains_key("authorization"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Signer {
    dialect: Dialect,
    credentials: Credentials,
    inputs: Inputs,
    clock: Arc<Clock>,
    nonces: Arc<Nonces>,
    plain_http: bool,
    offsets: Arc<Offsets>,
}

/// A request before it is signed: what will be on the wire, but for what the dialect adds.
pub(crate) struct Unsigned {
    pub(crate) method: String,
    /// `None`: nobody said, so that it must be taken for the worse.
    pub(crate) scheme: Option<Scheme>,
    /// Scheme and authority, such as `https://api.example.com`.
    pub(crate) origin: String,
    pub(crate) target: Vec<u8>,
    /// Every header line, `Host` among them.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) payload: Payload,
    /// Headers to sign besides those of the dialect.
    pub(crate) also: Vec<String>,
    /// A word that is carried in place of the body's digest.
    pub(crate) digest_word: Option<String>,
    /// How long the signature holds, where the dialect carries that.
    pub(crate) expires: Option<Duration>,
}

/// What is known of a body when the request is signed.
#[derive(Clone)]
pub(crate) enum Payload {
    /// All of it.
    Bytes(Vec<u8>),
    /// Its digests; the bytes are sent in pieces.
    #[cfg_attr(not(feature = "reqwest"), expect(dead_code, reason = "only the client sends in pieces"))]
    Digests(BodyDigests),
    /// Nothing: it can be read only once, when it is sent.
    #[cfg_attr(not(any(feature = "reqwest", feature = "tower")), expect(dead_code, reason = "only what sends has such bodies"))]
    Unread,
}

/// A signed request, and what was signed.
pub(crate) struct SignedRequest {
    pub(crate) request: Request,
    /// The string to sign, secrets masked; empty where nothing is signed.
    #[cfg_attr(not(feature = "reqwest"), expect(dead_code, reason = "only what sends can be refused"))]
    pub(crate) string_to_sign: Vec<u8>,
}

impl Signer {
    /// A signer with the machine's clock and nonces of 128 random bits in hexadecimal.
    #[must_use]
    pub fn new(dialect: Dialect, credentials: impl Into<Credentials>) -> Self {
        Self {
            dialect,
            credentials: credentials.into(),
            inputs: Inputs::new(),
            clock: Arc::new(machine_time),
            nonces: Arc::new(random_nonce),
            plain_http: false,
            offsets: Arc::new(Offsets::default()),
        }
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
        self.clock = Arc::new(move || Ok(clock()));
        self
    }

    /// The same with another source of nonces. Each must be new.
    #[must_use]
    pub fn with_nonces(mut self, nonces: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.nonces = Arc::new(move || Ok(nonces()));
        self
    }

    /// The same, but a dialect that shows the secret itself may be used over plain `http` too: for loopback only.
    #[must_use]
    pub const fn allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// The dialect in which it signs.
    #[must_use]
    pub const fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The same, signing with what this source gives.
    #[cfg(feature = "sessions")]
    pub(crate) fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    #[cfg(feature = "sessions")]
    pub(crate) const fn allows_plain_http(&self) -> bool {
        self.plain_http
    }

    pub(crate) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    #[cfg_attr(not(feature = "reqwest"), expect(dead_code, reason = "only what sends learns"))]
    pub(crate) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// What the clock says, without any offset that was learned.
    pub(crate) fn time(&self) -> Result<Timestamp, ClientError> {
        (self.clock)()
    }

    /// Signs one attempt: with a new time and, where the dialect carries one, a new nonce.
    pub(crate) fn sign(&self, mut unsigned: Unsigned, presented: &Presented) -> Result<SignedRequest, ClientError> {
        if self.dialect.carries_secret() && unsigned.scheme != Some(Scheme::Https) && !self.plain_http {
            return Err(ClientError::InsecureTransport);
        }
        if let Some(token) = &presented.token {
            token.ride(&self.dialect, &mut unsigned)?;
        }
        let mut options = self.options(&unsigned)?;
        let body = match unsigned.payload {
            Payload::Bytes(bytes) => bytes,
            Payload::Digests(digests) => {
                options.body = Some(digests);
                Vec::new()
            }
            Payload::Unread if self.dialect.body_need() == BodyNeed::Nothing || options.body_digest.is_some() => {
                // Digests of nothing: a template that asks for one is refused, not signed over an empty body.
                options.body = Some(BodyHasher::new(&[]).finish());
                Vec::new()
            }
            Payload::Unread => return Err(ClientError::OneShotBody),
        };
        let mut request = Request::new(unsigned.method, unsigned.target).with_body(body);
        request.scheme = unsigned.scheme.unwrap_or_default();
        request.headers = unsigned.headers;
        let signed = self.dialect.sign(request, &presented.credential, &options).map_err(ClientError::Sign)?;
        let string_to_sign = signed.stages().get("string_to_sign").unwrap_or_default().to_vec();
        let request = signed.into_message().into_request().ok_or(ClientError::Sign(countersign_protocol::SignError::WrongMessage))?;
        Ok(SignedRequest { request, string_to_sign })
    }

    fn options(&self, unsigned: &Unsigned) -> Result<SignOptions, ClientError> {
        let at = self.offsets.correct(&unsigned.origin, self.time()?);
        let mut options = SignOptions::new(at);
        options.inputs = self.inputs.clone();
        options.also.clone_from(&unsigned.also);
        options.body_digest.clone_from(&unsigned.digest_word);
        options.expires = unsigned.expires.and_then(|after| self.dialect.expires_text(at, after));
        if self.dialect.carries_nonce() {
            options.nonce = Some((self.nonces)()?);
        }
        Ok(options)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("dialect", &self.dialect.id()).field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

fn random_nonce() -> Result<String, ClientError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| ClientError::Source(format!("no randomness: {e}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
