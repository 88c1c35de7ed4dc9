//! The body of one request and its way upstream: read, passed on while it is checked, or not looked at.

use bytes::Bytes;
use countersign_core::admission::{Admitted, RouteRules, Step};
use countersign_protocol::{Body, BodyCheck, Reason, Refusal, ReplayMode, RequestView, Scheme};
use http::Response;
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;

use super::Service;
use crate::body::passing::passing;
use crate::body::{AnswerBody, collect};
use crate::head::Head;
use crate::problem::Problem;
use crate::refused::{About, Refused};
use crate::route::forward::BodyMode;
use crate::route::{Route, Upstream};
use crate::strip::Stripping;
use crate::upstream::Failure;
use crate::upstream::outgoing::{Outgoing, OutgoingBody};

impl Service {
    /// Steps 2 to 8, and the body as it goes upstream.
    pub(super) async fn admit(
        &self,
        route: &Route,
        head: &Head,
        scheme: Scheme,
        body: Incoming,
    ) -> Result<(Admitted, OutgoingBody), Refused> {
        // A body that is not there needs no other treatment than one that was read; but nobody looks at what goes through a tunnel.
        let opens_tunnel = route.forward.upgrades && head.asks_for_websocket();
        if route.forward.body == BodyMode::Buffered || (body.is_end_stream() && !opens_tunnel) {
            let (admitted, bytes) = self.admit_whole(&route.rules, head, scheme, body).await?;
            return Ok((admitted, OutgoingBody::Whole(bytes)));
        }
        self.admit_passing(route, head, scheme, body).await
    }

    /// Steps 2 to 8 with a body that goes by.
    async fn admit_passing(&self, route: &Route, head: &Head, scheme: Scheme, body: Incoming) -> Result<(Admitted, OutgoingBody), Refused> {
        let (admission, lines) = (&self.shared.admission, head.lines());
        let known = if body.is_end_stream() { Body::Bytes(b"") } else { Body::Pending };
        let (method, target, version) = (&head.method, &head.target, head.version);
        let view = RequestView { method, scheme, target, version, headers: &lines, body: known };
        let Step::Begun(begun) = admission.begin(&route.rules, &view)? else { return Err(needs_body()) };
        if begun.needs_body() {
            return Err(needs_body());
        }
        let authentic = admission.authenticate(begun).await?;
        let (admitted, check) = match route.forward.body {
            BodyMode::Streamed => admission.admit_pending(authentic).await.map(|(admitted, check)| (admitted, Some(check)))?,
            _ => (admission.admit_without_body(authentic).await?, None),
        };
        match self.pass(&route.rules, body, check) {
            Ok(body) => Ok((admitted, body)),
            Err(refusal) => {
                admitted.release().await;
                Err(refusal.into())
            }
        }
    }

    fn pass(&self, rules: &RouteRules, body: Incoming, check: Option<BodyCheck>) -> Result<OutgoingBody, Refusal> {
        if body.is_end_stream() {
            return Ok(OutgoingBody::Whole(Bytes::new()));
        }
        let (body, upload) = passing(body, check, rules.body_limit as u64, self.shared.limits.body_idle)?;
        Ok(OutgoingBody::Passing(body, upload))
    }

    /// Steps 2 to 8 with a body that is read. It is read as late as the dialect permits: a caller without a valid signature uploads nothing
    /// where the tag can be computed without it.
    async fn admit_whole(&self, rules: &RouteRules, head: &Head, scheme: Scheme, body: Incoming) -> Result<(Admitted, Bytes), Refused> {
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

    /// Sends an admitted request upstream. The reservation is taken back if and only if no byte went, or an event was not handled.
    pub(super) async fn forward(
        &self,
        route: &Route,
        head: &Head,
        body: OutgoingBody,
        mut admitted: Admitted,
        near: OnUpgrade,
        id: &str,
    ) -> Result<Response<AnswerBody>, Refused> {
        let outcome = match self.outgoing(route, head, body, &admitted, id) {
            Ok(outgoing) => self.upstreams.send(&route.upstream, outgoing).await,
            Err(failure) => Err(failure),
        };
        let used_up = match &outcome {
            Ok(answered) if admitted.replay() == ReplayMode::Event => answered.answer.status().is_success(),
            Ok(_) => true,
            Err(failure) => failure.sent && admitted.replay() != ReplayMode::Event,
        };
        if !used_up {
            admitted.release().await;
        } else if let Err(error) = admitted.commit().await {
            tracing::error!(%error, id, "an admission could not be committed; it stays reserved");
        }
        let answered = outcome?;
        if let Some(far) = answered.tunnel {
            self.tunnel.start(near, far);
        }
        Ok(answered.answer)
    }

    /// The request as it goes upstream: stripped, annotated, and signed anew where the route says so.
    fn outgoing(&self, route: &Route, head: &Head, body: OutgoingBody, admitted: &Admitted, id: &str) -> Result<Outgoing, Failure> {
        let own = self.shared.own.get(admitted.dialect()).ok_or_else(|| Failure::internal("the dialect is of no route"))?;
        let identity = route.forward.identity.as_deref();
        let replaced = identity.map(|identity| &identity.carried);
        let stripping = Stripping { admitted, own, known: &self.shared.known, keeps_own: route.keep_credentials, replaced };
        let outgoing = Outgoing {
            method: head.method.clone(),
            target: stripping.target(head),
            headers: stripping.headers(head, id),
            body,
            upgrades: route.forward.upgrades && head.asks_for_websocket(),
            takes_trailers: head.takes_trailers(),
        };
        let tls = matches!(&route.upstream, Upstream::Servers(servers) if servers.definition().tls.is_some());
        match identity {
            Some(identity) => identity.sign(outgoing, tls),
            None => Ok(outgoing),
        }
    }
}

/// The configuration refuses such a dialect where bodies go by, so only a body in which a claim may ride comes here.
fn needs_body() -> Refused {
    Refusal::new(Reason::BodyTooLarge, "the signature covers the body as a whole, and this route does not read it").into()
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { problem: Problem::new(failure.reason), detail: failure.detail, about: About::default() }
    }
}
