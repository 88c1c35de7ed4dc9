//! One request through the gateway: head, route, admission, upstream.

mod forward;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use countersign_protocol::{Reason, Refusal, Scheme};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::body::{AnswerBody, full};
use crate::gateway::Shared;
use crate::head::{Head, malformed};
use crate::limits::Limits;
use crate::problem::preferred_language;
use crate::refused::Refused;
use crate::report::{Outcome, Report};
use crate::route::{ExternalAuthority, Found};
use crate::strip::REQUEST_ID;
use crate::upstream::Upstreams;
use crate::upstream::tunnel::Tunnel;

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

    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.shared.limits
    }

    /// The answer to one request. `head` is what was read from an HTTP/1 wire; an HTTP/2 request brings its own.
    pub(crate) async fn answer(
        &self,
        head: Option<Option<Result<Head, Refusal>>>,
        peer: Peer,
        mut request: Request<Incoming>,
    ) -> Response<AnswerBody> {
        let started = Instant::now();
        let mut report = Report::new(Uuid::now_v7().to_string(), peer.0);
        let near = hyper::upgrade::on(&mut request);
        let (parts, body) = request.into_parts();
        let head = match head {
            Some(read) => read.unwrap_or_else(|| Err(malformed("a request without a head"))),
            None => Head::from_http2(&parts, &self.shared.limits),
        };
        let limited = self.shared.addresses.as_ref().is_some_and(|limit| !limit.takes(peer.0.ip(), started));
        let result = match head {
            Ok(_) if limited => Err(Reason::RateLimited.into()),
            Ok(head) => self.admit_and_forward(head, body, near, &mut report).await,
            Err(refusal) => Err(refusal.into()),
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

    async fn admit_and_forward(
        &self,
        mut head: Head,
        body: Incoming,
        near: OnUpgrade,
        report: &mut Report,
    ) -> Result<Response<AnswerBody>, Refused> {
        report.method.clone_from(&head.method);
        report.target = self.shared.known.redacted(&head.target);
        report.language = preferred_language(head.values("accept-language").next().unwrap_or_default());
        let permit = Arc::clone(&self.shared.requests).try_acquire_owned().map_err(|_| Refused::from(Reason::Overloaded))?;
        let route = match self.shared.routes.find(&head) {
            Found::Route(route) => route,
            Found::Nothing => return Err(Reason::NoRoute.into()),
            Found::Unclear => return Err(malformed("dots or escapes in the path lead to another route").into()),
        };
        report.route.clone_from(&route.name);
        let scheme = route.authority.apply(&mut head);
        let (admitted, body) = self.admit(route, &head, scheme, body).await?;
        report.app.clone_from(&admitted.app().name);
        report.key_id = admitted.key_id().to_owned();
        report.dialect = admitted.dialect().to_owned();
        let answer = self.forward(route, &head, body, admitted, near, &report.id).await?;
        Ok(answer.map(|body| hold(body, permit)))
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
fn hold(body: AnswerBody, permit: OwnedSemaphorePermit) -> AnswerBody {
    body.map_frame(move |frame| {
        let _held = &permit;
        frame
    })
    .boxed_unsync()
}
