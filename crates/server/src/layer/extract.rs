//! What handlers ask for: the caller, or perhaps a caller.

use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use countersign_protocol::{Language, Reason};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use uuid::Uuid;

use super::caller::{Anonymous, Caller};
use crate::problem::{Problem, preferred_language};
use crate::strip::REQUEST_ID;

/// A caller, or nobody: for handlers behind [`super::SignatureLayer::optional`].
#[derive(Debug, Clone)]
pub struct OptionalCaller(pub Option<Caller>);

/// Why a handler does not run, or refuses: an answer from the problem table.
#[derive(Debug, Clone)]
pub struct Rejection {
    reason: Reason,
    language: Language,
}

impl Rejection {
    pub(super) const fn new(reason: Reason) -> Self {
        Self { reason, language: Language::English }
    }

    fn to(parts: &Parts, reason: Reason) -> Self {
        let accept = parts.headers.get(http::header::ACCEPT_LANGUAGE);
        Self { reason, language: preferred_language(accept.map_or(b"", |accept| accept.as_bytes())) }
    }

    /// The reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> axum::response::Response {
        let id = Uuid::now_v7().to_string();
        let mut answer = Problem::new(self.reason).answer(self.language, &id).map(axum::body::Body::from);
        // An id is 36 visible characters.
        answer.headers_mut().extend(HeaderValue::try_from(id).ok().map(|id| (HeaderName::from_static(REQUEST_ID), id)));
        answer
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let OptionalCaller(caller) = OptionalCaller::from_request_parts(parts, state).await?;
        caller.ok_or_else(|| Rejection::to(parts, Reason::MissingSignature))
    }
}

impl<S: Sync> FromRequestParts<S> for OptionalCaller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(Self(Some(caller.clone())));
        }
        if parts.extensions.get::<Anonymous>().is_some() {
            return Ok(Self(None));
        }
        // Nobody looked at the request, which is something else than a request of nobody.
        tracing::error!(target: "countersign::layer", "a handler asks for its caller, and no SignatureLayer is around it; add one to its router");
        Err(Rejection::to(parts, Reason::Internal))
    }
}
