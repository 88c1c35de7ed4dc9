//! Sending an admitted request to its upstream, over pooled connections or in process.

use bytes::Bytes;
use countersign_protocol::Reason;
use http::header::CONNECTION;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::ServiceExt;

use crate::body::AnswerBody;
use crate::head::tokens;
use crate::limits::Limits;
use crate::route::Upstream;

/// Idle connections kept to one upstream, per worker.
const IDLE_PER_HOST: usize = 256;
/// Headers that an upstream may not set on our connection to the peer.
const CONNECTION_HEADERS: [&str; 6] = ["connection", "keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade"];

/// A request as it goes upstream.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
}

/// Why there is no answer, and whether the upstream may have seen the request.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) sent: bool,
    pub(crate) detail: String,
}

/// The way to every upstream from one worker.
#[derive(Debug, Clone)]
pub(crate) struct Upstreams {
    client: Client<HttpConnector, Full<Bytes>>,
    head_time: std::time::Duration,
    echo: axum::Router,
}

impl Upstreams {
    pub(crate) fn new(limits: &Limits) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(limits.upstream_connect));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.upstream_idle)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build(connector);
        Self { client, head_time: limits.upstream_head, echo: crate::echo::echo() }
    }

    /// Sends the request once.
    pub(crate) async fn send(&self, upstream: &Upstream, outgoing: Outgoing) -> Result<Response<AnswerBody>, Failure> {
        let request = outgoing.into_request(upstream)?;
        match upstream {
            Upstream::Echo => self.send_to_echo(request).await,
            Upstream::Http(_) => self.send_over_http(request).await,
        }
    }

    async fn send_to_echo(&self, request: Request<Full<Bytes>>) -> Result<Response<AnswerBody>, Failure> {
        let answer = self.echo.clone().oneshot(request.map(axum::body::Body::new)).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
    }

    async fn send_over_http(&self, request: Request<Full<Bytes>>) -> Result<Response<AnswerBody>, Failure> {
        let answer = match tokio::time::timeout(self.head_time, self.client.request(request)).await {
            Ok(Ok(answer)) => answer,
            // Only a connection that was never made proves that no byte went.
            Ok(Err(error)) => {
                return Err(Failure { reason: Reason::UpstreamUnavailable, sent: !error.is_connect(), detail: chain(&error) });
            }
            Err(_) => return Err(Failure { reason: Reason::UpstreamTimeout, sent: true, detail: "no answer's head".to_owned() }),
        };
        let (mut parts, body) = answer.into_parts();
        strip_connection_headers(&mut parts.headers);
        Ok(Response::from_parts(parts, body.map_err(Into::into).boxed_unsync()))
    }
}

impl Outgoing {
    fn into_request(self, upstream: &Upstream) -> Result<Request<Full<Bytes>>, Failure> {
        let unsent =
            |what: &str| Failure { reason: Reason::Internal, sent: false, detail: format!("the request cannot be written anew: {what}") };
        let target = PathAndQuery::from_maybe_shared(Bytes::from(self.target)).map_err(|_| unsent("target"))?;
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(target);
        if let Upstream::Http(authority) = upstream {
            uri.scheme = Some(Scheme::HTTP);
            uri.authority = Some(authority.clone());
        }
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| unsent("target"))?;
        *request.method_mut() = Method::from_bytes(self.method.as_bytes()).map_err(|_| unsent("method"))?;
        for (name, value) in self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsent("header name"))?;
            let value = HeaderValue::from_maybe_shared(Bytes::from(value)).map_err(|_| unsent("header value"))?;
            request.headers_mut().append(name, value);
        }
        Ok(request)
    }
}

/// Takes off what speaks of the upstream's connection only, and what its `Connection` line names.
fn strip_connection_headers(headers: &mut HeaderMap) {
    let lines: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    for name in lines.iter().flat_map(|line| tokens(line.as_bytes())).filter_map(|name| HeaderName::from_bytes(name).ok()) {
        headers.remove(name);
    }
    for name in CONNECTION_HEADERS {
        headers.remove(name);
    }
}

/// The error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
