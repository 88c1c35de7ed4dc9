//! Logins that an external service decides: name and password go to it over HTTP, and its answer says whose they are.
//!
//! What the service does not clearly say is no login. It is asked within bounds of time, size and number, and over TLS unless it is on this machine.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_core::error::StoreError;
use countersign_core::session::authenticate::{Attempt, Authenticated, Authenticator, LoginReason, Outcome, Rejected, is_no_password};
use countersign_core::session::throttle::{Throttle, TooMany};
use countersign_core::session::user::{UserStatus, UserStore};
use countersign_core::store::Answer;
use countersign_protocol::{Secret, Timestamp};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use tokio::sync::Semaphore;

use self::message::{Told, question};
use crate::body::{BoxError, full};
use crate::limits::Limits;
use crate::upstream::connect::{Connection, open};
use crate::upstream::definition::{Address, Definition, Protocol};
use crate::upstream::server::Server;
use crate::upstream::tls::{Files, Tls};

mod message;

/// The most bytes of a name that is asked about.
const MOST_NAME: usize = 255;
/// The most bytes of the head of an answer.
const MOST_HEAD: usize = 16 * 1_024;

/// How the service is asked.
#[derive(Clone)]
#[non_exhaustive]
pub struct CallbackOptions {
    /// Where: `https://host:port/path`, or `http` on this machine.
    pub url: String,
    /// The header by which the service knows the gateway, and its value, such as `authorization` and `Bearer ..`.
    pub header: Option<(String, Secret)>,
    /// Whom to trust, in PEM, instead of the machine's own trust anchors.
    pub anchors: Option<Vec<u8>>,
    /// How long the whole may take. Beyond: nobody logs in.
    pub time: Duration,
    /// Bytes of an answer. Beyond: nobody logs in.
    pub answer_bytes: usize,
    /// Questions at one time. Beyond: [`Outcome::Busy`].
    pub at_once: usize,
}

impl CallbackOptions {
    /// The defaults: 5 seconds, 16 KiB, 32 at one time.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), header: None, anchors: None, time: Duration::from_secs(5), answer_bytes: 16 * 1_024, at_once: 32 }
    }
}

impl CallbackOptions {
    /// Whether the service can be asked like this.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn check(&self) -> Result<(), CallbackFault> {
        let (address, _) = parse(&self.url).ok_or(CallbackFault::Url)?;
        if !address.tls && !address.is_loopback() {
            return Err(CallbackFault::Cleartext);
        }
        self.header.as_ref().map_or(Ok(()), |(name, value)| header(name, value).map(drop).ok_or(CallbackFault::Header))
    }
}

impl fmt::Debug for CallbackOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.header.as_ref().map(|(name, _)| name);
        let mut shown = f.debug_struct("CallbackOptions");
        shown.field("url", &self.url).field("header", &header).field("time", &self.time);
        shown.field("answer_bytes", &self.answer_bytes).field("at_once", &self.at_once).finish_non_exhaustive()
    }
}

/// What is wrong with the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackFault {
    /// The URL is none, or holds a user.
    Url,
    /// Passwords would go over the network in the clear.
    Cleartext,
    /// The header cannot be written.
    Header,
    /// TLS cannot be spoken: what is wrong, and the mend.
    Tls(&'static str, &'static str),
}

impl fmt::Display for CallbackFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fault, mend) = match *self {
            Self::Url => ("it is no address of a login service", "write an address such as https://login.internal/check"),
            Self::Cleartext => ("passwords would be sent in the clear over the network", "write https, or an address of this machine"),
            Self::Header => ("the header cannot be written", "write a name such as authorization, and printable ASCII as its value"),
            Self::Tls(fault, mend) => (fault, mend),
        };
        write!(f, "{fault}; {mend}")
    }
}

impl std::error::Error for CallbackFault {}

/// Logins that an external service decides. Its users are added to the store at their first login.
pub struct CallbackAuthenticator {
    server: Server,
    definition: Definition,
    target: Uri,
    header: Option<(HeaderName, HeaderValue)>,
    time: Duration,
    answer_bytes: usize,
    places: Semaphore,
    users: Arc<dyn UserStore>,
    throttle: Arc<Throttle>,
}

impl CallbackAuthenticator {
    /// Logins that the service of these options decides.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn new(options: &CallbackOptions, users: Arc<dyn UserStore>, throttle: Arc<Throttle>) -> Result<Self, CallbackFault> {
        options.check()?;
        let (address, target) = parse(&options.url).ok_or(CallbackFault::Url)?;
        let header = options.header.as_ref().map(|(name, value)| header(name, value).ok_or(CallbackFault::Header)).transpose()?;
        let files = Files { anchors: options.anchors.as_deref(), own: None, name: None };
        let tls = address.tls.then(|| Tls::new(&files, Protocol::Http1)).transpose();
        let tls = tls.map_err(|fault| CallbackFault::Tls(fault.words().0, fault.words().1))?;
        let mut definition = Definition::new("login".to_owned(), Vec::new(), tls, &Limits::default());
        definition.protocol = Protocol::Http1;
        definition.times.connect = options.time;
        definition.most.head_bytes = MOST_HEAD;
        Ok(Self {
            server: Server::new(&address, &definition),
            definition,
            target,
            header,
            time: options.time,
            answer_bytes: options.answer_bytes,
            places: Semaphore::new(options.at_once.min(Semaphore::MAX_PERMITS)),
            users,
            throttle,
        })
    }

    async fn decide(&self, attempt: Attempt<'_>) -> Result<Outcome, StoreError> {
        let rejected = |reason| Ok(Outcome::Rejected(Rejected::new(reason, None)));
        if let Err(too_many) = self.throttle.arrive_once(&attempt).await? {
            return Ok(Outcome::TooMany(too_many));
        }
        if is_no_password(attempt.password) {
            return rejected(LoginReason::PasswordSize);
        }
        // Before the guess is counted: who floods the service does not make accounts wait.
        let Ok(_place) = self.places.try_acquire() else { return Ok(Outcome::Busy) };
        if !self.throttle.begin(attempt.username, attempt.now).await? {
            return rejected(LoginReason::Throttled);
        }
        let is_name = (1..=MOST_NAME).contains(&attempt.username.len()) && !attempt.username.chars().any(char::is_control);
        let Some(question) = is_name.then(|| question(&attempt)).flatten() else { return rejected(LoginReason::UnknownUser) };
        match self.ask(question).await? {
            Some(told) => self.admit(attempt, told).await,
            None => rejected(LoginReason::External),
        }
    }

    async fn admit(&self, attempt: Attempt<'_>, told: Told) -> Result<Outcome, StoreError> {
        let user = match self.users.external_user(told.into(), attempt.now).await {
            Ok(user) => user,
            Err(StoreError::UserExists(_)) => return Ok(Outcome::Rejected(Rejected::new(LoginReason::NameTaken, None))),
            Err(StoreError::Invalid { field, .. }) => return Err(unavailable(format!("it tells a {field} that cannot be used"))),
            Err(error) => return Err(error),
        };
        if user.status != UserStatus::Active {
            return Ok(Outcome::Rejected(Rejected::new(LoginReason::Disabled, Some(user.id))));
        }
        self.throttle.succeeded(attempt.username).await?;
        Ok(Outcome::Authenticated(Box::new(Authenticated { user, methods: vec!["pwd"], external: true })))
    }

    /// Asks the service: whom it tells, or `None` where it refuses.
    async fn ask(&self, question: Bytes) -> Result<Option<Told>, StoreError> {
        let asked = tokio::time::timeout(self.time, self.exchange(question)).await;
        let (status, body) = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unavailable(error)),
            Err(_) => return Err(unavailable("it did not answer in time")),
        };
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map(Some).map_err(|_| unavailable("its answer is not of the agreed form")),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(None),
            other => Err(unavailable(format!("it answered {}", other.as_u16()))),
        }
    }

    /// One request over a connection of its own, and the body of a good answer.
    async fn exchange(&self, question: Bytes) -> Result<(StatusCode, Bytes), BoxError> {
        let mut request = Request::new(full(question));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(self.server.address.authority.as_str())?);
        headers.insert(USER_AGENT, HeaderValue::from_static("countersign"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.extend(self.header.clone());
        let Connection::Http1(mut connection) = open(&self.server, &self.definition).await? else {
            return Err("it speaks another version of HTTP".into());
        };
        let answer = connection.sender.send_request(request).await?;
        let status = answer.status();
        if status != StatusCode::OK {
            return Ok((status, Bytes::new()));
        }
        let body = Limited::new(answer.into_body(), self.answer_bytes).collect().await?;
        Ok((status, body.to_bytes()))
    }
}

impl Authenticator for CallbackAuthenticator {
    fn authenticate<'a>(&'a self, attempt: Attempt<'a>) -> Answer<'a, Outcome> {
        Box::pin(self.decide(attempt))
    }

    fn arrive(&self, address: IpAddr, now: Timestamp) -> Answer<'_, Result<(), TooMany>> {
        Box::pin(self.throttle.arrive(address, now))
    }
}

impl fmt::Debug for CallbackAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackAuthenticator").field("server", &self.server.address).finish_non_exhaustive()
    }
}

/// The server, and what it is asked for.
fn parse(url: &str) -> Option<(Address, Uri)> {
    let parts = url.parse::<Uri>().ok()?.into_parts();
    let address = Address::parse(&format!("{}://{}", parts.scheme?, parts.authority?), 1)?;
    Some((address, Uri::from(parts.path_and_query?)))
}

fn header(name: &str, value: &Secret) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_bytes(value.expose()).ok()?;
    value.set_sensitive(true);
    Some((name.parse().ok()?, value))
}

fn unavailable(why: impl fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("the login service: {why}"))
}
