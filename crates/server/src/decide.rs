//! Decide mode: a proxy asks whether it may let a request pass, and forwards that request itself.
//!
//! What each proxy changes on the way, and how it is configured, is in DECIDE.md of this crate.

use std::net::IpAddr;

use bytes::Bytes;
use countersign_core::admission::{Admission, Admitted, Step};
use countersign_protocol::{Body, Language, Part, Reason};
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use ipnet::IpNet;

mod proxy;

use self::proxy::Original;
pub use self::proxy::Proxy;
use crate::admit::Inbound;
use crate::body::{AnswerBody, Arriving, full};
use crate::head::{Head, malformed};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::problem::preferred_language;
use crate::refused::Refused;
use crate::report::Report;
use crate::route::{Found, Route, Routes};
use crate::strip::{IDENTITY_PREFIX, USER_NAMES, identity, user};

/// Under which header a refused question tells the public reason.
const REASON: &str = "x-countersign-reason";

/// Who may ask, and how.
#[derive(Debug, Clone)]
pub struct Decide {
    /// The one proxy whose way of asking is understood.
    pub proxy: Proxy,
    /// The addresses from which it asks.
    pub trusted: Vec<IpNet>,
}

/// What becomes of a request with a body, which a proxy does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecideBody {
    /// It is refused, as far as a body shows: by its length, or because the caller signed one.
    #[default]
    Refuse,
    /// It passes unchecked, and the answer says so.
    Unchecked,
    /// The proxy gives the body with its question, and it is checked.
    Given,
}

/// What a decision needs of the gateway.
pub(crate) struct Desk<'a> {
    pub(crate) decide: &'a Decide,
    pub(crate) routes: &'a Routes,
    pub(crate) admission: &'a Admission,
    pub(crate) limits: &'a Limits,
    pub(crate) metrics: &'a Metrics,
}

impl Decide {
    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The answer to a question that is refused. It is never a success, not even for an event that was delivered before: a success would deliver
    /// it again.
    pub(crate) fn refuse(&self, refused: &Refused, language: Language, request_id: &str) -> Response<Bytes> {
        let mut answer = refused.problem.answer(language, request_id);
        let status = answer.status();
        if !self.proxy.hands_on_refusals() && status.is_client_error() && status != StatusCode::UNAUTHORIZED {
            *answer.status_mut() = StatusCode::FORBIDDEN;
        }
        let told = HeaderValue::from_static(refused.reason().public().as_str());
        answer.headers_mut().insert(HeaderName::from_static(REASON), told);
        answer.headers_mut().extend(refused.about.header.clone());
        answer
    }
}

impl Desk<'_> {
    /// Answers a question of the proxy: 200 with the caller's identity, or why not.
    pub(crate) async fn answer(
        &self,
        asked: &Head,
        mut body: Arriving,
        from: IpAddr,
        report: &mut Report,
        redacted: impl FnOnce(&[u8]) -> String,
    ) -> Result<Response<AnswerBody>, Refused> {
        if !self.decide.trusts(from) {
            return Err(Refused {
                detail: "it is not an address of the proxy: see decide.trusted".to_owned(),
                ..Reason::AddressNotAllowed.into()
            });
        }
        let original = self.decide.proxy.original(asked, self.limits)?;
        let head = &original.head;
        report.method.clone_from(&head.method);
        report.target = redacted(&head.target);
        report.language = preferred_language(head.values("accept-language").next().unwrap_or_default());
        let route = match self.routes.find(head, None) {
            Found::Route(route) => route,
            Found::Nothing => return Err(Reason::NoRoute.into()),
            Found::Unclear => return Err(malformed("dots or escapes in the path lead to another route").into()),
        };
        report.route.clone_from(&route.name);
        let mut admitted = report.timing(self.decide(route, &original, &mut body)).await?;
        report.note_admitted(&admitted, 0, self.admission.now(), self.metrics);
        // Used up before the proxy learns that it may act on it.
        if let Err(error) = admitted.commit().await {
            return Err(Refused { detail: error.to_string(), ..Reason::StoreUnavailable.into() });
        }
        Ok(allowed(&admitted, route.decide_body))
    }

    async fn decide(&self, route: &Route, original: &Original, body: &mut Arriving) -> Result<Admitted, Refused> {
        let lines = original.head.lines();
        let inbound = Inbound { head: &original.head, lines: &lines, scheme: original.scheme, client: None, idle: self.limits.body_idle };
        match route.decide_body {
            DecideBody::Refuse if original.shows_body => Err(unseen()),
            DecideBody::Refuse => self.without_body(route, &inbound).await,
            DecideBody::Unchecked => self.unchecked(route, &inbound).await,
            DecideBody::Given => inbound.admit(self.admission, &route.rules, body).await,
        }
    }

    /// Admits what its caller signed as a request without a body. That none was put in on the way is not known here.
    async fn without_body(&self, route: &Route, inbound: &Inbound<'_>) -> Result<Admitted, Refused> {
        match inbound.admit(self.admission, &route.rules, &mut Arriving::<Incoming>::nothing()).await {
            Ok(admitted) => Ok(admitted),
            Err(refused) if refused.reason() == Reason::BodyDigestMismatch => Err(Refused { about: refused.about, ..unseen() }),
            Err(refused) => Err(refused),
        }
    }

    async fn unchecked(&self, route: &Route, inbound: &Inbound<'_>) -> Result<Admitted, Refused> {
        let view = inbound.view(Body::Pending);
        let Step::Begun(begun) = self.admission.begin(&route.rules, &view)? else { return Err(Reason::Internal.into()) };
        let authentic = self.admission.authenticate(begun).await?;
        Ok(self.admission.admit_without_body(authentic).await?)
    }
}

fn unseen() -> Refused {
    let detail = "a request with a body, which is not seen here: see decide_body".to_owned();
    Refused { detail, ..Reason::BodyTooLarge.into() }
}

/// The success, with what the proxy copies to its upstream.
fn allowed(admitted: &Admitted, body: DecideBody) -> Response<AnswerBody> {
    // A body that nobody saw here is not told to be covered, even where the signature says that there is none.
    let body = match body {
        DecideBody::Given if admitted.covers().contains(&Part::Body) => "intact",
        DecideBody::Refuse if admitted.covers().contains(&Part::Body) => "empty",
        _ => "unchecked",
    };
    let covers = admitted.covers().iter().filter(|part| body == "intact" || **part != Part::Body);
    let mut answer = Response::new(full(Bytes::new()));
    // A proxy that kept it would let a replay pass.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let nobody = || USER_NAMES.map(|name| (name, String::new())).to_vec();
    // Where there is no user the names are told too, empty: what a proxy copies replaces whatever the caller wrote there.
    let user = if admitted.user().is_some() { user(admitted) } else { nobody() };
    for (name, value) in identity(admitted, covers).into_iter().chain(user).chain([("body", body.to_owned())]) {
        // Visible ASCII, made by ourselves.
        let line = HeaderName::try_from(format!("{IDENTITY_PREFIX}{name}")).ok().zip(HeaderValue::try_from(value).ok());
        answer.headers_mut().extend(line);
    }
    answer
}
