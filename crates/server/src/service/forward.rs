//! The body of one request and its way upstream: read, passed on while it is checked, or not looked at.

use bytes::Bytes;
use countersign_core::admission::{Admitted, RouteRules, Step};
use countersign_protocol::{Body, BodyCheck, Reason, Refusal, ReplayMode};
use http::Response;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::{Passing, Visit};
use crate::admit::Inbound;
use crate::body::passing::passing;
use crate::body::{AnswerBody, Arriving};
use crate::envelope::{Expected, Passage};
use crate::problem::Problem;
use crate::refused::{About, Refused};
use crate::report::Report;
use crate::route::Upstream;
use crate::route::forward::BodyMode;
use crate::session::cookie::CookieSettings;
use crate::strip::{Standing, Stripping};
use crate::upstream::outgoing::{Outgoing, OutgoingBody};
use crate::upstream::{Answered, Failure};

impl Visit<'_> {
    /// Steps 2 to 8, and the body as it goes upstream.
    pub(super) async fn admit(
        &self,
        passing: &Passing<'_>,
        rules: &RouteRules,
        body: &mut Arriving,
    ) -> Result<(Admitted, OutgoingBody), Refused> {
        let (forward, lines) = (&passing.route.forward, passing.head.lines());
        // A body that is not there needs no other treatment than one that was read; but nobody looks at what goes through a tunnel.
        let opens_tunnel = forward.upgrades && passing.head.asks_for_websocket();
        if forward.body == BodyMode::Buffered || (body.is_empty() && !opens_tunnel) {
            let admitted = passing.inbound(&lines, self.plan.limits.body_idle).admit(&self.plan.admission, rules, body).await?;
            return Ok((admitted, OutgoingBody::Whole(self.read(rules, body).await?)));
        }
        self.admit_passing(&passing.inbound(&lines, self.plan.limits.body_idle), passing.route.forward.body, rules, body).await
    }

    /// Steps 2 to 8 with a body that goes by.
    async fn admit_passing(
        &self,
        inbound: &Inbound<'_>,
        mode: BodyMode,
        rules: &RouteRules,
        body: &mut Arriving,
    ) -> Result<(Admitted, OutgoingBody), Refused> {
        let admission = &self.plan.admission;
        let view = inbound.view(if body.is_empty() { Body::Bytes(b"") } else { Body::Pending });
        let Step::Begun(begun) = admission.begin(rules, &view)? else { return Err(needs_body()) };
        if begun.needs_body() {
            return Err(needs_body());
        }
        let authentic = inbound.of_client(admission.authenticate(begun).await?);
        let (admitted, check) = match mode {
            BodyMode::Streamed => admission.admit_pending(authentic).await.map(|(admitted, check)| (admitted, Some(check)))?,
            _ => (admission.admit_without_body(authentic).await?, None),
        };
        match self.pass(rules, body.take(), check) {
            Ok(body) => Ok((admitted, body)),
            Err(refusal) => {
                admitted.release().await;
                Err(refusal.into())
            }
        }
    }

    fn pass(&self, rules: &RouteRules, body: Option<Incoming>, check: Option<BodyCheck>) -> Result<OutgoingBody, Refusal> {
        let Some(body) = body else { return Ok(OutgoingBody::Whole(Bytes::new())) };
        let (body, upload) = passing(body, check, rules.body_limit as u64, self.plan.limits.body_idle)?;
        Ok(OutgoingBody::Passing(body, upload))
    }

    async fn read(&self, rules: &RouteRules, body: &mut Arriving) -> Result<Bytes, Refusal> {
        body.read(rules.body_limit, self.plan.limits.body_idle).await
    }

    /// Sends an admitted request upstream. The reservation is taken back if and only if no byte went, or an event was not handled.
    pub(super) async fn forward_admitted(
        &self,
        passing: Passing<'_>,
        expected: Option<Expected<'_>>,
        mut admitted: Admitted,
        body: OutgoingBody,
        near: OnUpgrade,
        report: &mut Report,
    ) -> Result<Response<AnswerBody>, Refused> {
        report.note_admitted(&admitted, body.announced(), self.plan.admission.now(), &self.shared.observers.metrics);
        let mut passage = None;
        let mut body = body;
        if let OutgoingBody::Whole(bytes) = &body {
            let (still, opened) = Passage::open(expected, &passing.head, admitted, bytes.clone()).await?;
            (admitted, body) = (still, OutgoingBody::Whole(opened.body()));
            passage = Some(opened);
        }
        let outcome = match self.outgoing(passing, passage.as_ref(), Standing::Admitted(&admitted), body, &report.id) {
            Ok((upstream, outgoing)) => self.send(upstream, outgoing).await,
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
            tracing::error!(%error, id = report.id, "an admission could not be committed; it stays reserved");
        }
        let answered = outcome?;
        if let Some(far) = answered.tunnel {
            self.tunnel.start(near, far);
        }
        match passage {
            Some(passage) => passage.answer(answered.answer, self.plan.limits.upstream_head).await,
            None => Ok(answered.answer),
        }
    }

    async fn send(&self, upstream: &Upstream, outgoing: Outgoing) -> Result<Answered, Failure> {
        let target = self.shared.observers.metrics.upstreams.target(upstream);
        target.watch(self.upstreams.send(upstream, outgoing)).await
    }

    /// Sends a request upstream that a route in shadow mode would refuse: as nobody's.
    pub(super) async fn forward_unproved(
        &self,
        passing: Passing<'_>,
        mut body: Arriving,
        report: &Report,
    ) -> Result<Response<AnswerBody>, Refused> {
        let (reason, rules) = (report.would_refuse.unwrap_or(Reason::Internal), &passing.route.rules);
        let body = match passing.route.forward.body {
            BodyMode::Buffered => OutgoingBody::Whole(self.read(rules, &mut body).await?),
            _ if body.is_empty() => OutgoingBody::Whole(Bytes::new()),
            _ => self.pass(rules, body.take(), None)?,
        };
        let (upstream, outgoing) = self.outgoing(passing, None, Standing::Unproved(reason), body, &report.id)?;
        Ok(self.send(upstream, outgoing).await?.answer)
    }

    /// The request as it goes upstream: stripped, annotated, and signed anew where the route says so.
    fn outgoing<'r>(
        &self,
        passing: Passing<'r>,
        passage: Option<&Passage<'_>>,
        standing: Standing<'_>,
        body: OutgoingBody,
        id: &str,
    ) -> Result<(&'r Upstream, Outgoing), Failure> {
        let Passing { route, head, outer, way } = passing;
        let known = &self.plan.known;
        let is_admitted = matches!(standing, Standing::Admitted(_));
        let (own, keeps_own) = match standing {
            Standing::Admitted(admitted) => {
                let own = self.plan.own.get(admitted.dialect()).ok_or_else(|| Failure::internal("the dialect is of no route"))?;
                (own, route.keep_credentials)
            }
            // Nobody knows which protocol its parts belong to, and in shadow mode nothing may break: they go on as they came.
            Standing::Unproved(_) => (known, true),
        };
        // The gateway puts its own name only to what it has proved.
        let identity = route.forward.identity.as_deref().filter(|_| is_admitted);
        let replaced = identity.map(|identity| &identity.carried);
        let token = route.rules.user.as_ref().map(|rule| rule.header.as_str()).filter(|_| !route.keep_credentials);
        // They reach every path of theirs, also routes that have no users.
        let cookies = self.shared.session.get().and_then(|desk| desk.cookies()).filter(|_| !route.keep_credentials);
        let cookies = cookies.map(CookieSettings::names);
        let cookies = cookies.as_ref().map_or(&[][..], |names| &names[..]);
        let stripping = Stripping { standing, way, own, known, keeps_own, replaced, token, cookies };
        let headers = stripping.headers(&head, id);
        let outgoing = Outgoing {
            target: stripping.target(&head).split_off(outer.prefix),
            headers: match passage {
                Some(passage) => passage.headers(headers),
                None => headers,
            },
            body,
            upgrades: is_admitted && route.forward.upgrades && head.asks_for_websocket(),
            takes_trailers: head.takes_trailers(),
            method: head.method,
        };
        let tls = matches!(&route.upstream, Upstream::Servers(servers) if servers.definition().tls.is_some());
        let outgoing = match identity {
            Some(identity) => identity.sign(outgoing, tls)?,
            None => outgoing,
        };
        Ok((&route.upstream, outgoing))
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
