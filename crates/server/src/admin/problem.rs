//! What goes wrong at the admin API and at self-registration, as RFC 9457 problems.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use countersign_core::error::StoreError;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// One problem.
#[derive(Debug, Clone)]
pub(crate) struct ApiProblem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    header: Option<(HeaderName, &'static str)>,
}

/// A problem as it is written (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The kind of problem, as a URN that ends in its code.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// The stable code.
    code: String,
    /// What is wrong, and what to do.
    detail: String,
}

impl ApiProblem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), header: None }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    pub(crate) fn not_json() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "send a JSON object with `Content-Type: application/json`")
    }

    pub(super) fn body_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("send at most {} bytes", super::MOST_BODY))
    }

    pub(super) fn unauthorized() -> Self {
        let detail = "send the content of the token file as `Authorization: Bearer <token>`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).with(WWW_AUTHENTICATE, "Bearer realm=\"countersign\"")
    }

    pub(super) fn too_many_wrong_tokens() -> Self {
        let detail = "too many wrong tokens came from this address; wait a second";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_wrong_tokens", detail).with(RETRY_AFTER, "1")
    }

    pub(super) fn no_token() -> Self {
        let detail = "this listener has no token: only /livez, /readyz and /metrics are served; set `token_file` in the table [admin]";
        Self::new(StatusCode::FORBIDDEN, "no_token", detail)
    }

    pub(super) fn unknown_host() -> Self {
        let detail = "the listener is not known by this Host; add it to `hosts` in the table [admin]";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", detail)
    }

    pub(super) fn nothing_here(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", what)
    }

    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the request took too long; send it again")
    }

    pub(super) fn not_ready(why: &[&str]) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why.join("; ")).with(RETRY_AFTER, "1")
    }

    pub(crate) fn use_post() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "use POST").with(ALLOW, "POST")
    }

    pub(crate) fn too_many_registrations() -> Self {
        let detail = "no more apps can register themselves at present; try later or ask the operator";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_registrations", detail).with(RETRY_AFTER, "3600")
    }

    /// The same for a peer that nobody knows: what is wrong inside is told to the log only.
    pub(crate) fn for_strangers(mut self) -> Self {
        if self.status.is_server_error() {
            tracing::error!(error = %self.detail, "a registration failed");
            "this cannot be done at present; try again later".clone_into(&mut self.detail);
        }
        self
    }

    /// The answer, with its body as bytes.
    pub(crate) fn answer(&self) -> http::Response<Bytes> {
        let problem = Problem {
            kind: format!("urn:countersign:api:{}", self.code),
            title: self.status.canonical_reason().unwrap_or_default().to_owned(),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail.clone(),
        };
        let mut answer = http::Response::new(serde_json::to_vec(&problem).unwrap_or_default().into());
        *answer.status_mut() = self.status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        answer.headers_mut().extend(self.header.clone().map(|(name, value)| (name, HeaderValue::from_static(value))));
        answer
    }
}

impl From<StoreError> for ApiProblem {
    fn from(error: StoreError) -> Self {
        let (status, code) = match &error {
            StoreError::Invalid { .. } | StoreError::PublicKeyAsSecret => (StatusCode::BAD_REQUEST, "invalid"),
            StoreError::AppExists(_) | StoreError::KeyIdExists(_) | StoreError::SecretInUse => (StatusCode::CONFLICT, "conflict"),
            StoreError::UnknownApp(_) | StoreError::UnknownKeyId(_) => (StatusCode::NOT_FOUND, "not_found"),
            StoreError::Unavailable(_) | StoreError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let problem = Self::new(status, code, error.to_string());
        if status == StatusCode::SERVICE_UNAVAILABLE { problem.with(RETRY_AFTER, "1") } else { problem }
    }
}

impl From<ApiProblem> for Response {
    fn from(problem: ApiProblem) -> Self {
        problem.answer().map(Into::into)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        self.into()
    }
}

pub(super) async fn not_found() -> ApiProblem {
    ApiProblem::nothing_here("there is nothing at this path; /openapi.json tells what there is")
}

pub(super) async fn no_such_method() -> ApiProblem {
    ApiProblem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes other methods; /openapi.json tells which")
}
