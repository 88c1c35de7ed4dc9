//! What a handler reads of a request: a JSON body or a query, each refused as a problem where it does not fit.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::ApiProblem;

/// A JSON body. No browser sends its media type to another origin unasked.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

/// A query.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiProblem> {
        let media = request.headers().get(CONTENT_TYPE).map_or(&b""[..], http::HeaderValue::as_bytes).to_vec();
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiProblem::body_too_large(),
            _ => ApiProblem::invalid("the body broke off"),
        })?;
        read(&media, &bytes).map(Self)
    }
}

/// Reads a JSON body of this media type.
pub(crate) fn read<T: DeserializeOwned>(media: &[u8], bytes: &[u8]) -> Result<T, ApiProblem> {
    let media = media.split(|b| *b == b';').next().unwrap_or_default();
    if !media.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        return Err(ApiProblem::not_json());
    }
    // A fault of syntax or shape is told by its place; serde quotes values of wrong types, which could be keys.
    serde_json::from_slice(bytes).map_err(|error| {
        ApiProblem::invalid(format!(
            "the body does not fit at line {}, column {}; /openapi.json tells its shape",
            error.line(),
            error.column()
        ))
    })
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiProblem> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(asked)| Self(asked)).map_err(|_| ApiProblem::invalid("the query does not fit; /openapi.json tells its parameters"))
    }
}
