//! One request through the gateway: head, route, admission, upstream.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use countersign_core::admission::{Admitted, RouteRules, Step};
use countersign_protocol::{Body, Reason, Refusal, ReplayMode, RequestView, Scheme};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument, Span};

use crate::body::{AnswerBody, collect, full};
use crate::gateway::Shared;
use crate::head::{Head, malformed};
use crate::limits::Limits;
use crate::metrics::Held;
use crate::problem::{Problem, preferred_language};
use crate::refused::{About, Refused};
use crate::register;
use crate::report::{Outcome, Report};
use crate::route::{ExternalAuthority, Found, Route};
use crate::strip::{REQUEST_ID, Stripping};
use crate::trace;
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
        let (parts, body) = request.into_parts();
        let head = match head {
            Some(read) => read.unwrap_or_else(|| Err(malformed("a request without a head"))),
            None => Head::from_http2(&parts, &self.shared.limits),
        };
        let mut report = Report::new(self.shared.access.id(peer.0.ip(), head.as_ref().ok()), peer.0);
        let span = self.shared.span(peer.0.ip(), head.as_ref().ok());
        let limited = self.shared.addresses.as_ref().is_some_and(|limit| !limit.takes(peer.0.ip(), started));
        let result = match head {
            Ok(_) if limited => Err(Reason::RateLimited.into()),
            Ok(head) => self.admit_and_forward(head, body, &mut report).instrument(span.clone()).await,
            Err(refusal) => Err(refusal.into()),
        };
        let mut outcome = Outcome::default();
        let mut answer = result.unwrap_or_else(|refused| {
            report.note(&refused);
            (outcome.reason, outcome.detail) = (Some(refused.reason()), refused.detail.clone());
            refused.answer(report.language, &report.id).map(full)
        });
        // An id is at most 64 visible characters.
        answer.headers_mut().extend(HeaderValue::try_from(&report.id).ok().map(|value| (HeaderName::from_static(REQUEST_ID), value)));
        (outcome.status, outcome.took) = (answer.status().as_u16(), started.elapsed());
        trace::end(&span, &report, &outcome);
        report.publish(&outcome, &self.shared.observers, &self.shared.access, self.shared.admission.now());
        answer
    }

    async fn admit_and_forward(&self, mut head: Head, body: Incoming, report: &mut Report) -> Result<Response<AnswerBody>, Refused> {
        report.method.clone_from(&head.method);
        report.target = self.shared.known.redacted(&head.target);
        report.language = preferred_language(head.values("accept-language").next().unwrap_or_default());
        let permit = Arc::clone(&self.shared.requests).try_acquire_owned().map_err(|_| Refused::from(Reason::Overloaded))?;
        let permit = (permit, self.shared.observers.metrics.in_flight.hold());
        if let Some(register) = self.shared.register.as_ref().filter(|register| register.takes(&head)) {
            report.route = register.path().to_owned();
            let body = collect(body, register::MOST_BODY, self.shared.limits.body_idle).await?;
            return Ok(register
                .answer(&head, &body, report.peer.ip(), &self.shared.admission, &self.shared.observers.metrics)
                .await
                .map(full));
        }
        let route = match self.shared.routes.find(&head) {
            Found::Route(route) => route,
            Found::Nothing => return Err(Reason::NoRoute.into()),
            Found::Unclear => return Err(malformed("dots or escapes in the path lead to another route").into()),
        };
        report.route.clone_from(&route.name);
        let scheme = route.authority.apply(&mut head);
        let (admitted, body) = report.timing(self.admit(&route.rules, &head, scheme, body)).await?;
        report.note_admitted(&admitted, body.len(), self.shared.admission.now(), &self.shared.observers.metrics);
        let answer = self.forward(route, &head, body, admitted, &report.id).await?;
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
        let target = self.shared.observers.metrics.upstreams.target(&route.upstream);
        let outcome = target.watch(self.upstreams.send(&route.upstream, outgoing)).await;
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

impl Shared {
    /// The span of a request. Whose request ids are not taken over cannot choose its trace either.
    fn span(&self, peer: IpAddr, head: Option<&Head>) -> Span {
        let span = trace::begin();
        let adopt = self.observers.adopt.get().filter(|_| self.access.trusts(peer) && !span.is_disabled());
        let parent = head.and_then(|head| head.values("traceparent").next()).and_then(|value| std::str::from_utf8(value).ok());
        if let (Some(adopt), Some(parent)) = (adopt, parent) {
            adopt(&span, parent);
        }
        span
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

/// The body, which keeps the permit until its last byte went or it is dropped.
fn hold(body: AnswerBody, permit: (OwnedSemaphorePermit, Held)) -> AnswerBody {
    body.map_frame(move |frame| {
        let _held = &permit;
        frame
    })
    .boxed_unsync()
}
