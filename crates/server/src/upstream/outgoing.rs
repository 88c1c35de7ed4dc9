//! An admitted request in the form in which it goes upstream.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, TE, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};
use hyper::body::Body;

use super::Failure;
use crate::body::passing::Upload;
use crate::body::{AnswerBody, full};

/// A request as it goes upstream.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: OutgoingBody,
    /// Whether it asks for a WebSocket connection.
    pub(crate) upgrades: bool,
    /// Whether the peer takes the trailers of an answer.
    pub(crate) takes_trailers: bool,
}

/// The body of a request as it goes upstream.
#[derive(Debug)]
pub(crate) enum OutgoingBody {
    /// Read, and checked.
    Whole(Bytes),
    /// It goes by, and tells how far it is.
    Passing(AnswerBody, Arc<Upload>),
}

impl OutgoingBody {
    /// How many bytes it has at least, as far as is known before it goes.
    pub(crate) fn announced(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Passing(body, _) => body.size_hint().lower(),
        }
    }

    /// How far a body is that goes by.
    pub(crate) fn upload(&self) -> Option<Arc<Upload>> {
        match self {
            Self::Whole(_) => None,
            Self::Passing(_, upload) => Some(Arc::clone(upload)),
        }
    }
}

impl Outgoing {
    /// The request with its target in origin form.
    pub(crate) fn into_request(self) -> Result<Request<AnswerBody>, Failure> {
        let target = PathAndQuery::from_maybe_shared(Bytes::from(self.target)).map_err(|_| Failure::unwritable("target"))?;
        let mut request = Request::new(match self.body {
            OutgoingBody::Whole(bytes) => full(bytes),
            OutgoingBody::Passing(body, _) => body,
        });
        *request.uri_mut() = Uri::from(target);
        *request.method_mut() = Method::from_bytes(self.method.as_bytes()).map_err(|_| Failure::unwritable("method"))?;
        let headers = request.headers_mut();
        for (name, value) in self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Failure::unwritable("header name"))?;
            let value = HeaderValue::from_maybe_shared(Bytes::from(value)).map_err(|_| Failure::unwritable("header value"))?;
            headers.append(name, value);
        }
        if self.takes_trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        if self.upgrades {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        Ok(request)
    }
}

/// Puts a request into the form of a version of HTTP: the host in `:authority` or in the Host line, the same text in both.
///
/// # Errors
/// The host cannot be written there.
pub(crate) fn shape<B>(mut request: Request<B>, http2: bool, tls: bool) -> Result<Request<B>, Failure> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let path = parts.path_and_query.take().unwrap_or_else(|| PathAndQuery::from_static("/"));
    if !http2 {
        if let Some(authority) = parts.authority {
            let host = HeaderValue::try_from(authority.as_str()).map_err(|_| Failure::unwritable("host"))?;
            request.headers_mut().insert(HOST, host);
        }
        request.headers_mut().remove(TE);
        *request.uri_mut() = Uri::from(path);
        *request.version_mut() = Version::HTTP_11;
        return Ok(request);
    }
    let mut whole = http::uri::Parts::default();
    whole.authority = match request.headers_mut().remove(HOST) {
        Some(host) => Some(Authority::try_from(host.as_bytes()).map_err(|_| Failure::unwritable("host"))?),
        None => parts.authority,
    };
    whole.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    whole.path_and_query = Some(path);
    *request.uri_mut() = Uri::from_parts(whole).map_err(|_| Failure::unwritable("target"))?;
    *request.version_mut() = Version::HTTP_2;
    Ok(request)
}

impl Failure {
    /// What was verified cannot be written upstream as it is. Nothing went.
    fn unwritable(what: &str) -> Self {
        Self::internal(format!("the request cannot be written anew: {what}"))
    }
}
