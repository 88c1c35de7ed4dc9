//! Logins of users over HTTP: the session API, which the gateway serves beside its routes.
//!
//! A request to it is signed, by the app through which the user logs in or by the key of the session, and is admitted like any other. Apps that are listed as
//! plain need not sign.

pub(crate) mod browser;
pub mod callback;
pub mod cookie;
mod grant;
mod login;
mod manage;
pub mod plain;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_core::admission::{Admission, Admitted, RouteRules};
use countersign_core::audit::{Audit, AuditedKeys, Change, Event};
use countersign_core::clock::Clock;
use countersign_core::error::StoreError;
use countersign_core::session::authenticate::Authenticator;
use countersign_core::session::password::PasswordOptions;
use countersign_core::session::signing::{RotationPolicy, SigningAlgorithm, SigningKeyStore, rotate};
use countersign_core::session::throttle::ThrottleLimits;
use countersign_core::session::{Binding, Caller, SessionPolicy, SessionStores, Sessions};
use countersign_protocol::{Dialect, Part, Reason, Refusal, Scheme, Timestamp};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use hyper::body::Body;
use serde::de::DeserializeOwned;

use self::browser::{Cross, Pages};
use self::callback::CallbackOptions;
use self::grant::Delivery;
use self::plain::{PlainCall, PlainDelivery, PlainSettings};
use crate::admit::Inbound;
use crate::body::{Arriving, BoxError};
use crate::forwarded::Origin;
use crate::head::Head;
use crate::metrics::sessions::SessionSeries;
use crate::refused::Refused;
use crate::report::Report;
use crate::route::ExternalAuthority;

/// The most bytes of a request to the API.
const MOST_BODY: usize = 16 * 1024;
/// How often keys are looked after and ended sessions are forgotten.
const TEND_EVERY: Duration = Duration::from_mins(5);
/// Where the public keys are.
const JWKS_PATH: &str = "/.well-known/jwks.json";

/// How users log in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionSettings {
    /// Where the API is, on every listener of the gateway.
    pub path: String,
    /// Who mints the tokens: the gateway's own URL.
    pub issuer: String,
    /// For whom they are.
    pub audience: String,
    /// The header in which an access token comes, in lower case.
    pub header: String,
    /// Under which scheme, host and prefix callers address the API; absent: the host of the wire, and the scheme that a trusted proxy tells.
    pub authority: Option<ExternalAuthority>,
    /// The dialects in which the API is called, and in which the keys of sessions sign.
    pub dialects: Vec<Dialect>,
    /// The scope that an app needs for the API; none when absent.
    pub scope: Option<String>,
    /// Apps whose users may log in with a key that they bring, without a secret of the app.
    pub public_apps: Vec<String>,
    /// The pages of other origins that may call, as browsers name them: `https://app.example.com`.
    pub origins: Vec<String>,
    /// How tokens are signed.
    pub algorithm: SigningAlgorithm,
    /// How long things last.
    pub policy: SessionPolicy,
    /// The service that decides logins; absent: users have passwords here.
    pub callback: Option<CallbackOptions>,
    /// How the tokens of logins that are signed reach their caller.
    pub deliver: SignedDelivery,
    /// The apps that need not sign, where there are some.
    pub plain: Option<PlainSettings>,
    /// What a password's hash costs, and how many are computed at one time.
    pub passwords: PasswordOptions,
    /// How often may be guessed.
    pub throttle: ThrottleLimits,
}

/// How the tokens of a login that is signed reach its caller. A browser cannot sign its `Cookie` line, so no cookie is among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignedDelivery {
    /// In the body of the answer.
    #[default]
    Body,
    /// In its headers.
    Header,
}

/// Where users log in.
#[derive(Debug)]
pub struct SessionDesk {
    settings: SessionSettings,
    pages: Pages,
    rules: RouteRules,
    sessions: Arc<Sessions>,
    authenticator: Arc<dyn Authenticator>,
    /// The keys that sign access tokens; each change of them is recorded where there is an audit log.
    signing: Arc<dyn SigningKeyStore>,
    clock: Arc<SystemTime>,
}

/// A clock that can be shown.
struct SystemTime(Arc<dyn Clock>);

impl std::fmt::Debug for SystemTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl SessionDesk {
    /// A desk over these sessions, where this one decides logins. Sees to it that a key signs.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn open(
        settings: SessionSettings,
        sessions: Arc<Sessions>,
        authenticator: Arc<dyn Authenticator>,
        clock: Arc<dyn Clock>,
        audit: Option<&Audit>,
    ) -> Result<Self, StoreError> {
        let mut rules = RouteRules::new(settings.dialects.clone());
        rules.name.clone_from(&settings.path);
        rules.body_limit = MOST_BODY;
        rules.judges_later = true;
        rules.scopes.extend(settings.scope.clone());
        let keys: Arc<dyn SigningKeyStore> = Arc::<dyn SessionStores>::clone(sessions.store());
        let signing = match audit {
            Some(audit) => Arc::new(AuditedKeys::new(keys, audit.clone(), Arc::clone(&clock), "serve")),
            None => keys,
        };
        let pages = Pages::of(&settings);
        let desk = Self { settings, pages, rules, sessions, authenticator, signing, clock: Arc::new(SystemTime(clock)) };
        desk.tend().await?;
        Ok(desk)
    }

    /// Admissions that know users, and the keys of their sessions.
    #[must_use]
    pub fn joined(&self, admission: Admission) -> Admission {
        let users = Arc::<Sessions>::clone(&self.sessions);
        admission.with_users(users, self.settings.dialects.iter().map(|dialect| dialect.id().to_owned()).collect())
    }

    fn now(&self) -> Timestamp {
        self.clock.0.now()
    }

    /// Sees to it that a key signs and its successor is known in time, and forgets what is long over.
    async fn tend(&self) -> Result<(), StoreError> {
        let (now, policy, store) = (self.now(), self.sessions.policy(), self.sessions.store());
        let rotation = RotationPolicy { algorithm: self.settings.algorithm, ..RotationPolicy::new(policy.access, policy.skew) };
        if let Some(rotated) = rotate(&*self.signing, now, &rotation).await?
            && let Some(kid) = rotated.added
        {
            tracing::info!(%kid, from = %rotated.signs_from, "a new key signs access tokens");
        }
        store.forget_sessions(now.minus(policy.keep)).await?;
        Ok(())
    }

    /// Tends again and again.
    pub(crate) async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TEND_EVERY).await;
            if let Err(error) = self.tend().await {
                tracing::warn!(%error, "keys and sessions are not looked after");
            }
        }
    }

    /// Whether a request is for the API.
    pub(crate) fn takes(&self, head: &Head) -> bool {
        self.below(head).is_some() || head.path() == JWKS_PATH.as_bytes()
    }

    /// What pages of other origins may do with the answer; nothing where none is listed.
    pub(crate) fn cross(&self, head: &Head) -> Option<Cross> {
        Cross::of(head, &self.pages)
    }

    /// The answer to what needs no signature: the module for browsers, which is for anyone, and a listed page that asks whether it may call.
    pub(crate) fn open_answer(&self, head: &Head, cross: Option<&Cross>, report: &mut Report) -> Option<Response<Bytes>> {
        report.route.clone_from(&self.settings.path);
        if head.method == "GET" && self.below(head) == Some(browser::MODULE_PATH) {
            let mut answer = browser::module(head);
            cross.inspect(|cross| cross.allow(answer.headers_mut()));
            return Some(answer);
        }
        let cross = cross.filter(|cross| cross.announced(head).is_some())?;
        Some(cross.permission(head))
    }

    /// The path below the API's own.
    pub(crate) fn below<'h>(&self, head: &'h Head) -> Option<&'h str> {
        let path = std::str::from_utf8(head.path()).ok()?;
        path.strip_prefix(self.settings.path.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Puts the outer peer's host and path into the head of a request to the API, and gives the scheme. `wire` is that of the connection.
    pub(crate) fn outer(&self, head: &mut Head, wire: Scheme, origin: &Origin) -> Result<Scheme, Refusal> {
        let told = origin.scheme.unwrap_or(wire);
        let Some(authority) = &self.settings.authority else { return Ok(told) };
        let host = origin.authority(head.host(), told)?;
        Ok(authority.outer(head, None, wire, origin, host.as_deref()).scheme)
    }

    /// The answer to a request to the API; `below` is the path below the API's own.
    pub(crate) async fn answer<B>(
        &self,
        inbound: &Inbound<'_>,
        below: Option<&str>,
        body: &mut Arriving<B>,
        admission: &Admission,
        counts: &SessionSeries,
        report: &mut Report,
    ) -> Result<Response<Bytes>, Refused>
    where
        B: Body<Error: Into<BoxError>>,
    {
        report.route.clone_from(&self.settings.path);
        let head = inbound.head;
        let Some(below) = below else { return self.published(head).await };
        let read = body.read(MOST_BODY, inbound.idle).await?;
        let mut body: Arriving<B> = Arriving::Whole(read.clone());
        let plain = self.plain(inbound, below, &read, counts).await?;
        let own_keys = match &plain {
            Some(_) => None,
            None => login::brought(self, head, below, &read, &**admission.store()).await?,
        };
        // Whoever holds no key of an app is counted first: it fills neither the log nor the guard.
        let is_counted = own_keys.is_some() || plain.as_ref().is_some_and(|plain| plain.is_login);
        if is_counted {
            self.arrive(inbound.client, counts).await?;
        }
        let mut admitted = match (&plain, own_keys) {
            (Some(plain), _) if plain.is_login => admission.admit_unproved(&self.rules, &plain.app, inbound.client).await?,
            (Some(plain), _) => admission.admit_plain(&self.rules, &plain.app, inbound.client).await?,
            (None, Some(keys)) => inbound.admit(admission, &RouteRules { keys, ..self.rules.clone() }, &mut body).await?,
            (None, None) => inbound.admit(admission, &self.rules, &mut body).await?,
        };
        report.note_caller(&admitted);
        // Before anything is done: what was seen is done once.
        if let Err(error) = admitted.commit().await {
            return Err(Refusal::new(Reason::StoreUnavailable, error.to_string()).into());
        }
        let agent = head.values("user-agent").next().and_then(|agent| std::str::from_utf8(agent).ok());
        let key_id = plain.is_none().then(|| admitted.key_id());
        let caller = Caller { app: &admitted.app().name, key_id, address: inbound.client, agent };
        let call = Call { desk: self, head, body: &read, admitted: &admitted, caller, plain, is_counted, admission, counts };
        let mut answer = call.answer(below).await?;
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }

    /// How the tokens of a session with this binding reach its caller.
    fn delivery(&self, binding: &Binding) -> Delivery<'_> {
        match (binding, &self.settings.plain) {
            (Binding::Bearer, Some(plain)) => Delivery::of_plain(&plain.deliver),
            _ if self.settings.deliver == SignedDelivery::Header => Delivery::Header,
            _ => Delivery::Body,
        }
    }

    /// The public keys, as RFC 7517 writes them.
    async fn published(&self, head: &Head) -> Result<Response<Bytes>, Refused> {
        if head.method != "GET" {
            return Err(Reason::NotFound.into());
        }
        let now = self.now();
        let ring =
            self.sessions.signing_keys().ring(now).await.map_err(|error| Refusal::new(Reason::StoreUnavailable, error.to_string()))?;
        let mut answer = json(StatusCode::OK, &ring.jwks(now));
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        Ok(answer)
    }
}

/// An admitted request to the API.
struct Call<'c> {
    desk: &'c SessionDesk,
    head: &'c Head,
    body: &'c [u8],
    admitted: &'c Admitted,
    caller: Caller<'c>,
    /// The call of a plain app, which is not signed.
    plain: Option<PlainCall>,
    /// Whether a login was counted before it was admitted.
    is_counted: bool,
    admission: &'c Admission,
    counts: &'c SessionSeries,
}

impl Call<'_> {
    async fn answer(&self, below: &str) -> Result<Response<Bytes>, Refused> {
        match (self.head.method.as_str(), below) {
            ("POST", "/login") => self.login().await,
            ("POST", "/refresh") => self.refresh().await,
            ("POST", "/logout") => self.logout().await,
            ("POST", "/logout-all") => self.logout_all().await,
            ("GET", "" | "/") => self.list().await,
            ("GET", "/whoami") => self.whoami().await,
            ("GET", "/csrf") => self.csrf().await,
            ("POST", "/introspect") => self.introspect().await,
            ("POST", "/revoke") => self.revoke().await,
            ("DELETE", one) => self.end_one(one.trim_start_matches('/')).await,
            _ => Err(Reason::NotFound.into()),
        }
    }

    /// The body, as the endpoint takes it.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let kind = self.head.values("content-type").next().unwrap_or_default().to_ascii_lowercase();
        if !kind.starts_with(b"application/json") {
            return Err(invalid("the body is no application/json"));
        }
        serde_json::from_slice(self.body).map_err(|error| invalid(format!("{} at column {}", word(&error), error.column())))
    }

    /// The access token, which must be there once and signed.
    fn token(&self) -> Result<&str, Refusal> {
        if let Some(plain) = &self.plain {
            return plain.access.as_deref().ok_or_else(|| Refusal::new(Reason::TokenMissing, "there is no access token"));
        }
        let header = &self.desk.settings.header;
        let mut values = self.head.values(header);
        let token = values.next().ok_or_else(|| Refusal::new(Reason::TokenMissing, "there is no access token"))?;
        let is_signed = self.admitted.covers().contains(&Part::Header(header.clone()));
        if values.next().is_some() || !is_signed {
            return Err(Refusal::new(Reason::TokenNotSigned, format!("{header} is not among the signed headers, or there twice")));
        }
        std::str::from_utf8(token).map_err(|_| Refusal::new(Reason::TokenMalformed, "the token is no text"))
    }

    /// Records what is about to be done, where there is an audit log.
    async fn record(&self, action: &'static str, detail: String) -> Result<(), Refused> {
        let Some(audit) = self.admission.audit() else { return Ok(()) };
        let recorded = audit.require(self.admission.now(), Event::Change(self.change(action, detail))).await;
        recorded.map(drop).map_err(|error| unavailable(&error))
    }

    /// Records that a login is refused, within the bounds of the audit log.
    async fn record_refused(&self, detail: String) -> Result<(), Refused> {
        let Some(audit) = self.admission.audit() else { return Ok(()) };
        let change = self.change("refuse a login", detail);
        let recorded = audit.refused_login(self.admission.now(), change, login::known(self.caller.address)).await;
        recorded.map_err(|error| unavailable(&error))
    }

    fn change(&self, action: &'static str, detail: String) -> Change {
        let (app, key_id) = (self.caller.app.to_owned(), self.caller.key_id.unwrap_or_default().to_owned());
        Change { by: "session api".to_owned(), action, app, key_id, detail }
    }
}

/// What serde says of a body holds pieces of it, such as a password: only the kind of the fault is told.
fn word(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "a member is missing, unknown or of another type",
        serde_json::error::Category::Eof => "the JSON ends too early",
        _ => "the body is no JSON",
    }
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Reason::InvalidRequest, detail)
}

fn unavailable(error: &StoreError) -> Refused {
    Refusal::new(Reason::StoreUnavailable, error.to_string()).into()
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(value.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn nothing() -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}
