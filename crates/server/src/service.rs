//! One request through the gateway: head, route, admission, upstream; and the access log's line about it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use countersign_core::admission::{Admitted, Denial, RouteRules, Step};
use countersign_protocol::{Body, Language, Reason, Refusal, ReplayMode, RequestView, Scheme};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Level;
use uuid::Uuid;

use crate::body::{AnswerBody, collect, full};
use crate::gateway::Shared;
use crate::head::{Head, malformed};
use crate::limits::Limits;
use crate::problem::{Problem, Row, preferred_language};
use crate::route::{ExternalAuthority, Found, Route};
use crate::strip::{REQUEST_ID, Stripping};
use crate::upstream::{Outgoing, Upstreams};

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(SocketAddr);

impl Peer {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self(address)
    }
}

/// Answers the requests of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    shared: Arc<Shared>,
    upstreams: Upstreams,
}

/// A refusal on its way to the peer and to the log.
struct Refused {
    problem: Problem,
    detail: String,
    about: About,
}

/// Whom a refusal is about, as far as is known.
#[derive(Default)]
struct About {
    app: Option<String>,
    key_id: Option<String>,
    dialect: Option<String>,
    /// An event that was delivered before: a success to its sender.
    duplicate: bool,
    /// The dialect's own header for the server's string to sign.
    header: Option<(HeaderName, HeaderValue)>,
}

/// What the access log tells of a request.
#[derive(Default)]
struct Record {
    method: String,
    target: String,
    language: Language,
    route: String,
    app: String,
    key_id: String,
    dialect: String,
}

impl Service {
    pub(crate) const fn new(shared: Arc<Shared>, upstreams: Upstreams) -> Self {
        Self { shared, upstreams }
    }

    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.shared.limits
    }

    /// The answer to one request. `head` is what was read from an HTTP/1 wire; an HTTP/2 request brings its own.
    pub(crate) async fn answer(
        &self,
        head: Option<Option<Result<Head, Refusal>>>,
        peer: Peer,
        request: Request<Incoming>,
    ) -> Response<AnswerBody> {
        let started = Instant::now();
        let id = Uuid::now_v7().to_string();
        let mut record = Record::default();
        let (parts, body) = request.into_parts();
        let head = match head {
            Some(read) => read.unwrap_or_else(|| Err(malformed("a request without a head"))),
            None => Head::from_http2(&parts, &self.shared.limits),
        };
        let limited = self.shared.addresses.as_ref().is_some_and(|limit| !limit.takes(peer.0.ip(), started));
        let outcome = match head {
            Ok(_) if limited => Err(Reason::RateLimited.into()),
            Ok(head) => self.admit_and_forward(head, body, &id, &mut record).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (mut answer, reason, detail) = match outcome {
            Ok(answer) => (answer, None, String::new()),
            Err(refused) => {
                record.note(&refused.about);
                let mut answer = if refused.about.duplicate { duplicate() } else { refused.problem.answer(record.language, &id) };
                answer.headers_mut().extend(refused.about.header);
                (answer.map(full), Some(refused.problem.reason()), refused.detail)
            }
        };
        // An id is 36 visible characters.
        answer.headers_mut().extend(HeaderValue::try_from(&id).ok().map(|value| (HeaderName::from_static(REQUEST_ID), value)));
        record.log(&id, peer, answer.status().as_u16(), reason, &detail, started);
        answer
    }

    async fn admit_and_forward(
        &self,
        mut head: Head,
        body: Incoming,
        id: &str,
        record: &mut Record,
    ) -> Result<Response<AnswerBody>, Refused> {
        record.method.clone_from(&head.method);
        record.target = self.shared.known.redacted(&head.target);
        record.language = preferred_language(head.values("accept-language").next().unwrap_or_default());
        let permit = Arc::clone(&self.shared.requests).try_acquire_owned().map_err(|_| Refused::from(Reason::Overloaded))?;
        let route = match self.shared.routes.find(&head) {
            Found::Route(route) => route,
            Found::Nothing => return Err(Reason::NoRoute.into()),
            Found::Unclear => return Err(malformed("dots or escapes in the path lead to another route").into()),
        };
        record.route.clone_from(&route.name);
        let scheme = route.authority.apply(&mut head);
        let (admitted, body) = self.admit(&route.rules, &head, scheme, body).await?;
        record.app.clone_from(&admitted.app().name);
        record.key_id = admitted.key_id().to_owned();
        record.dialect = admitted.dialect().to_owned();
        let answer = self.forward(route, &head, body, admitted, id).await?;
        Ok(answer.map(|body| hold(body, permit)))
    }
}

impl Service {
    /// Steps 2 to 8. The body is read as late as the dialect permits: a caller without a valid signature uploads nothing
    /// where the tag can be computed without it.
    async fn admit(&self, rules: &RouteRules, head: &Head, scheme: Scheme, body: Incoming) -> Result<(Admitted, Bytes), Refused> {
        let admission = &self.shared.admission;
        let lines = head.lines();
        let view = |body| RequestView { method: &head.method, scheme, target: &head.target, version: head.version, headers: &lines, body };
        let early = view(if body.is_end_stream() { Body::Bytes(b"") } else { Body::Pending });
        let read;
        let whole;
        let authentic = match admission.begin(rules, &early)? {
            Step::NeedsBody => {
                read = self.read(rules, body).await?;
                whole = view(Body::Bytes(&read));
                let Step::Begun(begun) = admission.begin(rules, &whole)? else { return Err(Reason::Internal.into()) };
                admission.authenticate(begun).await?
            }
            Step::Begun(begun) if begun.needs_body() => {
                read = self.read(rules, body).await?;
                admission.authenticate(begun.with_body(&read)).await?
            }
            Step::Begun(begun) => {
                let authentic = admission.authenticate(begun).await?;
                read = self.read(rules, body).await?;
                authentic.with_body(&read)
            }
        };
        let admitted = admission.admit(authentic).await?;
        Ok((admitted, read))
    }

    async fn read(&self, rules: &RouteRules, body: Incoming) -> Result<Bytes, Refusal> {
        collect(body, rules.body_limit, self.shared.limits.body_idle).await
    }

    /// Sends an admitted request upstream once. The reservation is taken back if and only if no byte went, or an event
    /// was not handled.
    async fn forward(
        &self,
        route: &Route,
        head: &Head,
        body: Bytes,
        mut admitted: Admitted,
        id: &str,
    ) -> Result<Response<AnswerBody>, Refused> {
        let own = self.shared.own.get(admitted.dialect()).ok_or(Reason::Internal)?;
        let stripping = Stripping { admitted: &admitted, own, known: &self.shared.known, keeps_own: route.keep_credentials };
        let outgoing = Outgoing { method: head.method.clone(), target: stripping.target(head), headers: stripping.headers(head, id), body };
        let outcome = self.upstreams.send(&route.upstream, outgoing).await;
        let used_up = match &outcome {
            Ok(answer) if admitted.replay() == ReplayMode::Event => answer.status().is_success(),
            Ok(_) => true,
            Err(failure) => failure.sent && admitted.replay() != ReplayMode::Event,
        };
        if !used_up {
            admitted.release().await;
        } else if let Err(error) = admitted.commit().await {
            tracing::error!(%error, id, "an admission could not be committed; it stays reserved");
        }
        outcome.map_err(|failure| Refused { problem: Problem::new(failure.reason), detail: failure.detail, about: About::default() })
    }
}

impl ExternalAuthority {
    /// Puts the outer peer's authority into the head; the scheme that the outer peer used.
    fn apply(&self, head: &mut Head) -> Scheme {
        match self {
            Self::Wire => Scheme::Http,
            Self::Fixed { scheme, host } => {
                if let Some(host) = host {
                    head.set_host(host);
                }
                *scheme
            }
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { problem: Problem::new(refusal.reason()), detail: refusal.detail().to_owned(), about: About::default() }
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { problem: Problem::new(reason), detail: String::new(), about: About::default() }
    }
}

impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        let mut problem = Problem::new(denial.reason());
        if let Some(clock) = denial.clock() {
            problem = problem.with_clock(clock.server_time, clock.offset_millis);
        }
        if let Some(text) = denial.diagnostics().and_then(|stages| stages.get("string_to_sign")) {
            problem = problem.with_string_to_sign(text.to_vec());
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let about = About {
            app: owned(denial.app()),
            key_id: owned(denial.key_id()),
            dialect: owned(denial.dialect()),
            duplicate: denial.is_duplicate(),
            header: denial.dialect_header().and_then(|(name, text)| Some((name.parse().ok()?, HeaderValue::from_bytes(&text).ok()?))),
        };
        Self { problem, detail: denial.detail().to_owned(), about }
    }
}

impl Record {
    fn note(&mut self, about: &About) {
        for (mine, known) in [(&mut self.app, &about.app), (&mut self.key_id, &about.key_id), (&mut self.dialect, &about.dialect)] {
            if let Some(known) = known {
                mine.clone_from(known);
            }
        }
    }

    /// One line per request. The exact reason stands here only; the peer sees what the problem table tells.
    fn log(&self, id: &str, peer: Peer, status: u16, reason: Option<Reason>, detail: &str, started: Instant) {
        let level = reason.map_or(Level::INFO, |reason| Row::of(reason).level);
        let reason = reason.map_or("", Reason::as_str);
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Self { method, target, route, app, key_id, dialect, .. } = self;
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: "countersign::access", $level,
                    id, peer = %peer.0, method, target, route, status, reason, detail, app, key_id, dialect, micros
                )
            };
        }
        match level {
            Level::ERROR => line!(Level::ERROR),
            Level::WARN => line!(Level::WARN),
            _ => line!(Level::INFO),
        }
    }
}

/// The answer to an event that was delivered before: its sender need not try again.
fn duplicate() -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(b"{\"status\":\"duplicate\"}"));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// The body, which keeps the permit until its last byte went or it is dropped.
fn hold(body: AnswerBody, permit: OwnedSemaphorePermit) -> AnswerBody {
    body.map_frame(move |frame| {
        let _held = &permit;
        frame
    })
    .boxed_unsync()
}
