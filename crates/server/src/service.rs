//! One request through the gateway: head, route, admission, upstream.

mod forward;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign_protocol::{HeaderLine, Reason, Refusal, Scheme};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument, Span};

use crate::admit::Inbound;
use crate::authority::Outer;
use crate::body::{AnswerBody, Arriving, full, holding};
use crate::decide::Desk;
use crate::envelope::Expected;
use crate::forwarded::Origin;
use crate::gateway::Shared;
use crate::head::{Head, malformed};
use crate::metrics::Held;
use crate::plan::Plan;
use crate::problem::preferred_language;
use crate::refused::Refused;
use crate::register;
use crate::report::{Outcome, Report};
use crate::route::{Found, Mode, Route};
use crate::session::browser::Cross;
use crate::strip::{REQUEST_ID, Way};
use crate::tls::Fingerprint;
use crate::trace;
use crate::upstream::Upstreams;
use crate::upstream::tunnel::Tunnel;

/// Who is at the other end of the connection, and how it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    address: SocketAddr,
    scheme: Scheme,
    certificate: Option<Fingerprint>,
    /// Whether it may tell of the way of its requests, if it is a trusted proxy.
    may_tell: bool,
}

impl Peer {
    /// A peer without TLS.
    pub(crate) const fn plain(address: SocketAddr) -> Self {
        Self { address, scheme: Scheme::Http, certificate: None, may_tell: true }
    }

    /// Someone whom the proxy at this address does not name: what it sends is not the proxy's own word.
    pub(crate) const fn unnamed(address: SocketAddr) -> Self {
        Self { may_tell: false, ..Self::plain(address) }
    }

    /// The same over TLS.
    pub(crate) const fn over_tls(self, certificate: Option<Fingerprint>) -> Self {
        Self { scheme: Scheme::Https, certificate, ..self }
    }
}

/// Answers the requests of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    shared: Arc<Shared>,
    upstreams: Upstreams,
    tunnel: Tunnel,
}

impl Service {
    pub(crate) fn new(shared: Arc<Shared>, upstreams: Upstreams) -> Self {
        Self { shared, upstreams, tunnel: Tunnel::default() }
    }

    /// Ready when the tunnel that the connection has become has ended, at once when it is none.
    pub(crate) async fn tunnel_ended(&self) {
        self.tunnel.ended().await;
    }

    /// The plan by which a request that comes now is judged.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        self.shared.plan()
    }

    /// The answer to one request. `head` is what was read from an HTTP/1 wire; an HTTP/2 request brings its own.
    pub(crate) async fn answer(
        &self,
        head: Option<Option<Result<Head, Refusal>>>,
        peer: Peer,
        mut request: Request<Incoming>,
    ) -> Response<AnswerBody> {
        let started = Instant::now();
        let plan = self.plan();
        let near = hyper::upgrade::on(&mut request);
        let (parts, body) = request.into_parts();
        let head = match head {
            Some(read) => read.unwrap_or_else(|| Err(malformed("a request without a head"))),
            None => Head::from_http2(&parts, &plan.limits),
        };
        // What somebody sends whom the proxy does not name is not the proxy's own word.
        let named = head.as_ref().ok().filter(|_| peer.may_tell);
        let mut report = Report::new(self.shared.access.id(peer.address.ip(), named), peer.address);
        let span = self.shared.span(peer.address.ip(), named);
        let cross = head.as_ref().ok().filter(|_| plan.decide.is_none()).and_then(|head| self.shared.session.get()?.cross(head));
        let cross = cross.as_ref();
        let visit = Visit { shared: &self.shared, plan: &plan, upstreams: &self.upstreams, tunnel: &self.tunnel, peer, started, cross };
        let result = match head {
            Ok(head) => {
                visit
                    .admit_and_forward(head, Arriving::Unread(body, visit.plan.bodies.clone()), near, &mut report)
                    .instrument(span.clone())
                    .await
            }
            Err(refusal) => Err(visit.counted(refusal)),
        };
        let mut outcome = Outcome::default();
        let mut answer = result.unwrap_or_else(|refused| {
            report.note(&refused);
            (outcome.reason, outcome.detail) = (Some(refused.reason()), refused.detail.clone());
            let mut answer = match &plan.decide {
                Some(decide) => decide.refuse(&refused, report.language, &report.id),
                None => refused.answer(report.language, &report.id),
            };
            // A page has to read why, wherever its request was refused.
            if let Some(cross) = cross {
                cross.allow(answer.headers_mut());
            }
            answer.map(full)
        });
        // An id is at most 64 visible characters.
        answer.headers_mut().extend(HeaderValue::try_from(&report.id).ok().map(|value| (HeaderName::from_static(REQUEST_ID), value)));
        (outcome.status, outcome.took) = (answer.status().as_u16(), started.elapsed());
        trace::end(&span, &report, &outcome);
        report.publish(&outcome, &self.shared.observers, &self.shared.access, plan.admission.now());
        answer
    }
}

/// One request, under one plan.
#[derive(Debug, Clone, Copy)]
struct Visit<'a> {
    shared: &'a Shared,
    plan: &'a Plan,
    upstreams: &'a Upstreams,
    tunnel: &'a Tunnel,
    peer: Peer,
    started: Instant,
    cross: Option<&'a Cross>,
}

/// A request on its way, but for its body.
#[derive(Debug)]
struct Passing<'r> {
    route: &'r Route,
    head: Head,
    outer: Outer,
    way: Way,
}

impl Passing<'_> {
    fn inbound<'a>(&'a self, lines: &'a [HeaderLine<'a>], idle: Duration) -> Inbound<'a> {
        Inbound { head: &self.head, lines, scheme: self.outer.scheme, client: Some(self.way.client), idle }
    }
}

impl Visit<'_> {
    async fn admit_and_forward(
        &self,
        mut head: Head,
        mut body: Arriving,
        near: OnUpgrade,
        report: &mut Report,
    ) -> Result<Response<AnswerBody>, Refused> {
        report.method.clone_from(&head.method);
        report.target = self.plan.known.redacted(&head.target);
        report.language = preferred_language(head.values("accept-language").next().unwrap_or_default());
        if let Some(decide) = &self.plan.decide {
            let permit = self.enter().await?;
            let Plan { routes, admission, limits, known, .. } = self.plan;
            let desk = Desk { decide, routes, admission, limits, metrics: &self.shared.observers.metrics };
            let answer = desk.answer(&head, body, self.peer.address.ip(), report, |target| known.redacted(target)).await?;
            return Ok(answer.map(|body| holding(body, permit)));
        }
        let origin = self.origin(&head).map_err(|refusal| self.counted(refusal))?;
        report.client = origin.client;
        if !self.takes(&origin) {
            return Err(Reason::RateLimited.into());
        }
        if let Some(register) = self.shared.register.as_ref().filter(|register| register.takes(&head)) {
            let _held = self.enter().await?;
            report.route = register.path().to_owned();
            let body = body.read(register::MOST_BODY, self.plan.limits.body_idle).await?;
            let answer = register.answer(&head, &body, origin.client, &self.plan.admission, &self.shared.observers.metrics).await;
            return Ok(answer.map(full));
        }
        if let Some(desk) = self.shared.session.get().filter(|desk| desk.takes(&head)) {
            let _held = self.enter().await?;
            if let Some(answer) = desk.open_answer(&head, self.cross, report) {
                return Ok(answer.map(full));
            }
            // As the gateway sees it: what a proxy took off the path may be put before it.
            let below = desk.below(&head).map(str::to_owned);
            let scheme = desk.outer(&mut head, self.peer.scheme, &origin)?;
            let lines = head.lines();
            let inbound = Inbound { head: &head, lines: &lines, scheme, client: Some(origin.client), idle: self.plan.limits.body_idle };
            let counts = &self.shared.observers.metrics.sessions;
            let answer = desk.answer(&inbound, below.as_deref(), &mut body, &self.plan.admission, counts, report).await?;
            return Ok(self.allowed(answer).map(full));
        }
        let told = origin.authority(head.host(), origin.scheme.unwrap_or(self.peer.scheme))?;
        if let Some(answer) = self.permission(&head, told.as_deref(), report) {
            return Ok(answer.map(full));
        }
        let route = match self.plan.routes.find(&head, told.as_deref()) {
            Found::Route(route) => route,
            Found::Nothing => return Err(Reason::NoRoute.into()),
            Found::Unclear => return Err(malformed("dots or escapes in the path lead to another route").into()),
        };
        report.route.clone_from(&route.name);
        if !route.client_certificate.takes(self.peer.certificate.as_ref()) {
            return Err(Refusal::new(Reason::InsecureTransport, "the route needs a client's certificate").into());
        }
        let permit = self.enter().await?;
        let outer = route.outer(&mut head, self.peer.scheme, &origin, told.as_deref());
        let expected = route.envelope.as_ref().map(|envelope| envelope.expected(&head, !body.is_empty()));
        let rules = expected.as_ref().and_then(Expected::rules).unwrap_or(&route.rules);
        let way = Way { client: origin.client, certificate: self.peer.certificate, trusted: origin.trusted };
        let passing = Passing { route, head, outer, way };
        let answer = match report.timing(self.admit(&passing, rules, &mut body)).await {
            Ok((admitted, body)) => self.forward_admitted(passing, expected, admitted, body, near, report).await?,
            Err(refused) if route.mode == Mode::Shadow && is_of_the_signature(refused.reason()) => {
                report.note_shadow(refused);
                self.forward_unproved(passing, body, report).await?
            }
            Err(refused) => return Err(refused),
        };
        let mut answer = if route.rules.user.is_some() { self.allowed(answer) } else { answer };
        if let Some(cookies) = self.shared.session.get().and_then(|desk| desk.cookies()) {
            cookies.guard(answer.headers_mut());
        }
        let answer = match &route.sign_response {
            // What is no answer yet carries no body: a tunnel begins.
            Some(signer) if answer.status() != StatusCode::SWITCHING_PROTOCOLS => signer.sign(answer).await?,
            _ => answer,
        };
        Ok(answer.map(|body| holding(body, permit)))
    }

    /// The permission for a page to call a route that knows users.
    fn permission(&self, head: &Head, told: Option<&str>, report: &mut Report) -> Option<Response<Bytes>> {
        let cross = self.cross?;
        let announced = cross.announced(head)?;
        let Found::Route(route) = self.plan.routes.find(&announced, told) else { return None };
        route.rules.user.as_ref()?;
        report.route.clone_from(&route.name);
        Some(cross.permission(head))
    }

    /// The answer, with who may read it.
    fn allowed<B>(&self, mut answer: Response<B>) -> Response<B> {
        if let Some(cross) = self.cross {
            cross.allow(answer.headers_mut());
        }
        answer
    }

    /// Room for one more request, which is counted as long as it is held.
    async fn enter(&self) -> Result<Permit, Refused> {
        let permit = self.plan.capacity.enter().await?;
        Ok((permit, self.shared.observers.metrics.in_flight.hold()))
    }

    fn origin(&self, head: &Head) -> Result<Origin, Refusal> {
        let address = self.peer.address.ip();
        if self.peer.may_tell { self.plan.proxies.origin(head, address) } else { Ok(Origin::direct(address.to_canonical())) }
    }

    /// Whether the limit per address lets the client pass.
    fn takes(&self, origin: &Origin) -> bool {
        self.plan.addresses.as_ref().is_none_or(|addresses| addresses.limit.takes(origin.client, self.started))
    }

    /// A refusal of a request whose client cannot be told: it counts as one of the peer's.
    fn counted(&self, refusal: Refusal) -> Refused {
        if let Some(addresses) = &self.plan.addresses {
            addresses.limit.takes(self.peer.address.ip(), self.started);
        }
        refusal.into()
    }
}

/// What a request holds until the last byte of its answer.
type Permit = (OwnedSemaphorePermit, Held);

/// Whether a reason is about who signed what, so that a route in shadow mode lets the request pass. Limits of size and number
/// hold there too, and what cannot be read cannot be forwarded.
const fn is_of_the_signature(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::HeadTooLarge
            | Reason::MalformedRequest
            | Reason::RateLimited
            | Reason::BodyTooLarge
            | Reason::NoRoute
            | Reason::Overloaded
            | Reason::UpstreamUnavailable
            | Reason::UpstreamTimeout
            | Reason::NotFound
            | Reason::Internal
    )
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
