//! One request through the gateway: head, route, admission, upstream.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use countersign_core::admission::{Admitted, RouteRules, Step};
use countersign_protocol::{Body, Reason, Refusal, ReplayMode, RequestView, Scheme};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::authority::Outer;
use crate::body::{AnswerBody, Arriving, full};
use crate::envelope::{Expected, Passage};
use crate::forwarded::Origin;
use crate::gateway::Shared;
use crate::head::{Head, malformed};
use crate::plan::Plan;
use crate::problem::{Problem, preferred_language};
use crate::refused::{About, Refused};
use crate::report::{Outcome, Report};
use crate::route::{Found, Mode, Route};
use crate::strip::{REQUEST_ID, Standing, Stripping, Way};
use crate::tls::Fingerprint;
use crate::upstream::{Failure, Outgoing, Upstreams};

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
}

impl Service {
    pub(crate) const fn new(shared: Arc<Shared>, upstreams: Upstreams) -> Self {
        Self { shared, upstreams }
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
        request: Request<Incoming>,
    ) -> Response<AnswerBody> {
        let started = Instant::now();
        let plan = self.plan();
        let mut report = Report::new(Uuid::now_v7().to_string(), peer.address);
        let (parts, body) = request.into_parts();
        let head = match head {
            Some(read) => read.unwrap_or_else(|| Err(malformed("a request without a head"))),
            None => Head::from_http2(&parts, &plan.limits),
        };
        let visit = Visit { plan: &plan, upstreams: &self.upstreams, peer, started };
        let result = match head {
            Ok(head) => visit.admit_and_forward(head, Arriving::Unread(body), &mut report).await,
            Err(refusal) => Err(visit.counted(refusal)),
        };
        let mut outcome = Outcome::default();
        let mut answer = result.unwrap_or_else(|refused| {
            report.note(&refused);
            (outcome.reason, outcome.detail) = (Some(refused.reason()), refused.detail.clone());
            refused.answer(report.language, &report.id).map(full)
        });
        // An id is 36 visible characters.
        answer.headers_mut().extend(HeaderValue::try_from(&report.id).ok().map(|value| (HeaderName::from_static(REQUEST_ID), value)));
        (outcome.status, outcome.took) = (answer.status().as_u16(), started.elapsed());
        report.publish(&outcome);
        answer
    }
}

/// One request, under one plan.
#[derive(Debug, Clone, Copy)]
struct Visit<'a> {
    plan: &'a Plan,
    upstreams: &'a Upstreams,
    peer: Peer,
    started: Instant,
}

/// A request that goes upstream.
#[derive(Debug)]
struct Passing<'r> {
    route: &'r Route,
    head: Head,
    outer: Outer,
    way: Way,
    body: Bytes,
}

impl Visit<'_> {
    async fn admit_and_forward(&self, mut head: Head, mut body: Arriving, report: &mut Report) -> Result<Response<AnswerBody>, Refused> {
        report.method.clone_from(&head.method);
        report.target = self.plan.known.redacted(&head.target);
        report.language = preferred_language(head.values("accept-language").next().unwrap_or_default());
        let origin = self.origin(&head).map_err(|refusal| self.counted(refusal))?;
        report.client = origin.client;
        if !self.takes(&origin) {
            return Err(Reason::RateLimited.into());
        }
        let told = origin.authority(head.host(), origin.scheme.unwrap_or(self.peer.scheme))?;
        let route = match self.plan.routes.find(&head, told.as_deref()) {
            Found::Route(route) => route,
            Found::Nothing => return Err(Reason::NoRoute.into()),
            Found::Unclear => return Err(malformed("dots or escapes in the path lead to another route").into()),
        };
        report.route.clone_from(&route.name);
        if !route.client_certificate.takes(self.peer.certificate.as_ref()) {
            return Err(Refusal::new(Reason::InsecureTransport, "the route needs a client's certificate").into());
        }
        let permit = self.plan.capacity.enter().await?;
        let outer = route.outer(&mut head, self.peer.scheme, &origin, told.as_deref());
        let expected = route.envelope.as_ref().map(|envelope| envelope.expected(&head, !body.is_empty()));
        let rules = expected.as_ref().and_then(Expected::rules).unwrap_or(&route.rules);
        let judged = self.admit(rules, &head, outer.scheme, &mut body, origin.client).await;
        let admitted = match judged {
            Ok(admitted) => Some(admitted),
            Err(refused) if route.mode == Mode::Shadow && is_of_the_signature(refused.reason()) => {
                report.note_shadow(refused);
                None
            }
            Err(refused) => return Err(refused),
        };
        let body = self.read(&route.rules, &mut body).await?;
        let way = Way { client: origin.client, certificate: self.peer.certificate, trusted: origin.trusted };
        let passing = Passing { route, head, outer, way, body };
        let answer = match admitted {
            Some(admitted) => self.forward_admitted(passing, expected, admitted, report).await?,
            None => self.forward_unproved(passing, report).await?,
        };
        Ok(answer.map(|body| hold(body, permit)))
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

    /// Steps 2 to 8. The body is read as late as the dialect permits: a caller without a valid signature uploads nothing
    /// where the tag can be computed without it.
    async fn admit(
        &self,
        rules: &RouteRules,
        head: &Head,
        scheme: Scheme,
        body: &mut Arriving,
        client: IpAddr,
    ) -> Result<Admitted, Refused> {
        let admission = &self.plan.admission;
        let lines = head.lines();
        let view = |body| RequestView { method: &head.method, scheme, target: &head.target, version: head.version, headers: &lines, body };
        let early = view(if body.is_empty() { Body::Bytes(b"") } else { Body::Pending });
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
        Ok(admission.admit(authentic.with_peer(client)).await?)
    }

    async fn read(&self, rules: &RouteRules, body: &mut Arriving) -> Result<Bytes, Refusal> {
        body.read(rules.body_limit, self.plan.limits.body_idle).await
    }

    /// Sends an admitted request upstream once. The reservation is taken back if and only if no byte went, or an event
    /// was not handled.
    async fn forward_admitted(
        &self,
        passing: Passing<'_>,
        expected: Option<Expected<'_>>,
        mut admitted: Admitted,
        report: &mut Report,
    ) -> Result<Response<AnswerBody>, Refused> {
        report.app.clone_from(&admitted.app().name);
        report.key_id = admitted.key_id().to_owned();
        report.dialect = admitted.dialect().to_owned();
        let (opened, passage) = Passage::open(expected, &passing.head, admitted, passing.body.clone()).await?;
        admitted = opened;
        let outcome = self.send(passing, Some(&passage), Standing::Admitted(&admitted), &report.id).await?;
        let used_up = match &outcome {
            Ok(answer) if admitted.replay() == ReplayMode::Event => answer.status().is_success(),
            Ok(_) => true,
            Err(failure) => failure.sent && admitted.replay() != ReplayMode::Event,
        };
        if !used_up {
            admitted.release().await;
        } else if let Err(error) = admitted.commit().await {
            tracing::error!(%error, id = report.id, "an admission could not be committed; it stays reserved");
        }
        passage.answer(outcome.map_err(failed)?, self.plan.limits.upstream_head).await
    }

    /// Sends a request upstream that a route in shadow mode would refuse: as nobody's.
    async fn forward_unproved(&self, passing: Passing<'_>, report: &Report) -> Result<Response<AnswerBody>, Refused> {
        let reason = report.would_refuse.unwrap_or(Reason::Internal);
        self.send(passing, None, Standing::Unproved(reason), &report.id).await?.map_err(failed)
    }

    /// Sends a request as it is, or with its body opened.
    async fn send(
        &self,
        passing: Passing<'_>,
        passage: Option<&Passage<'_>>,
        standing: Standing<'_>,
        id: &str,
    ) -> Result<Result<Response<AnswerBody>, Failure>, Refused> {
        let Passing { route, head, outer, way, body } = passing;
        let known = &self.plan.known;
        let (own, keeps_own) = match standing {
            Standing::Admitted(admitted) => (self.plan.own.get(admitted.dialect()).ok_or(Reason::Internal)?, route.keep_credentials),
            // Nobody knows which protocol its parts belong to, and in shadow mode nothing may break: they go on as they came.
            Standing::Unproved(_) => (known, true),
        };
        let stripping = Stripping { standing, way, own, known, keeps_own };
        let target = stripping.target(&head).split_off(outer.prefix);
        let headers = stripping.headers(&head, id);
        let (headers, body) = match passage {
            Some(passage) => (passage.headers(headers), passage.body()),
            None => (headers, body),
        };
        let outgoing = Outgoing { method: head.method, target, headers, body };
        Ok(self.upstreams.send(&route.upstream, outgoing).await)
    }
}

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

fn failed(failure: Failure) -> Refused {
    Refused { problem: Problem::new(failure.reason), detail: failure.detail, about: About::default() }
}

/// The body, which keeps the permit until its last byte went or it is dropped.
fn hold(body: AnswerBody, permit: OwnedSemaphorePermit) -> AnswerBody {
    body.map_frame(move |frame| {
        let _held = &permit;
        frame
    })
    .boxed_unsync()
}
