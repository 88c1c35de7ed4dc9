//! Sending an admitted request to a server of its upstream, over connections of this worker, or to the echo in process.

mod answer;
pub(crate) mod connect;
mod connections;
pub(crate) mod definition;
mod health;
pub(crate) mod outgoing;
pub(crate) mod server;
mod servers;
pub(crate) mod tls;
pub(crate) mod tunnel;

use std::sync::Arc;

use countersign_protocol::{Reason, Refusal};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Instant;
use tower::ServiceExt;

use self::answer::{Answer, Lease};
use self::connect::{Connection, Http1};
use self::connections::Connections;
use self::outgoing::{Outgoing, shape};
pub use self::server::ServerStatus;
use self::server::{InFlight, Server};
pub use self::servers::{Directory, Servers};
use self::servers::{NoServer, TunnelPlace};
use self::tunnel::FarEnd;
use crate::body::passing::Upload;
use crate::body::{AnswerBody, full};
use crate::head::tokens;
use crate::route::Upstream;

/// Headers that an upstream may not set on our connection to the peer.
const CONNECTION_HEADERS: [&str; 6] = ["connection", "keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade"];

/// Why there is no answer, and whether the upstream may have seen the request.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) sent: bool,
    pub(crate) detail: String,
}

/// An answer of an upstream.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) answer: Response<AnswerBody>,
    /// The other end, when the upstream has agreed to a WebSocket connection.
    pub(crate) tunnel: Option<FarEnd>,
}

/// The way to every upstream from one worker.
#[derive(Debug, Clone)]
pub(crate) struct Upstreams {
    connections: Arc<Connections>,
    echo: axum::Router,
}

/// One try that gave no answer.
struct Tried {
    failure: Failure,
    /// The request, if nothing of it went.
    request: Option<Request<AnswerBody>>,
    /// Whether a kept connection had ended, which says nothing of the server.
    stale: bool,
}

/// One request on its way to the servers of an upstream.
struct Sending<'u> {
    connections: &'u Arc<Connections>,
    servers: &'u Arc<Servers>,
    upload: Option<Arc<Upload>>,
    /// The place of the tunnel that it asks for.
    tunnel: Option<TunnelPlace>,
}

impl Upstreams {
    /// To be called inside the worker's runtime.
    pub(crate) fn new() -> Self {
        Self { connections: Connections::new(), echo: crate::echo::echo() }
    }

    /// Sends the request: once, or again where no byte of it went.
    pub(crate) async fn send(&self, upstream: &Upstream, outgoing: Outgoing) -> Result<Answered, Failure> {
        let upload = outgoing.body.upload();
        let sent = match upstream {
            Upstream::Echo => self.send_to_echo(outgoing).await,
            Upstream::Servers(servers) => {
                let tunnel = if outgoing.upgrades { Some(servers.open_tunnel().ok_or_else(Failure::overloaded)?) } else { None };
                Sending { connections: &self.connections, servers, upload: upload.clone(), tunnel }.send(outgoing.into_request()?).await
            }
        };
        // A body that was refused on its way is the peer's fault, whatever became of the connection.
        match upload.and_then(|upload| upload.refusal()) {
            Some(refusal) => Err(Failure::from(refusal)),
            None => sent,
        }
    }

    async fn send_to_echo(&self, outgoing: Outgoing) -> Result<Answered, Failure> {
        let answer = self.echo.clone().oneshot(outgoing.into_request()?.map(axum::body::Body::new)).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        Ok(Answered { answer: answer.map(|body| body.map_err(Into::into).boxed_unsync()), tunnel: None })
    }
}

impl Sending<'_> {
    async fn send(mut self, mut request: Request<AnswerBody>) -> Result<Answered, Failure> {
        let mut tried = Vec::new();
        let mut failure = None;
        for _ in 0..=self.servers.definition().most.retries {
            let in_flight = match self.servers.choose(&tried) {
                Ok(in_flight) => in_flight,
                Err(NoServer::Busy) => return Err(Failure::overloaded()),
                Err(NoServer::Tried) => break,
            };
            let number = in_flight.server().number;
            match self.attempt(in_flight, request).await {
                Ok(answered) => return Ok(answered),
                Err(Tried { failure: last, request: Some(unsent), stale }) => {
                    (request, failure) = (unsent, Some(last));
                    tried.extend((!stale).then_some(number));
                }
                Err(tried) => return Err(tried.failure),
            }
        }
        Err(failure.unwrap_or_else(|| Failure::unsent("no server")))
    }

    async fn attempt(&mut self, in_flight: InFlight, request: Request<AnswerBody>) -> Result<Answered, Tried> {
        let (server, definition) = (Arc::clone(in_flight.server()), self.servers.definition());
        let (connection, new) = match self.connections.get(&server, definition, self.tunnel.is_some()).await {
            Ok(connection) => connection,
            Err(error) => {
                self.servers.failed(&server);
                return Err(Tried { failure: Failure::unsent(&chain(&*error)), request: Some(request), stale: false });
            }
        };
        let http2 = matches!(connection, Connection::Http2(_));
        let request = shape(request, http2, server.address.tls).map_err(Tried::for_good)?;
        let sent = match connection {
            Connection::Http1(http1) => self.over_http1(http1, in_flight, request).await,
            Connection::Http2(_) if self.tunnel.is_some() => Err(Tried::for_good(Failure::unsent("the server speaks HTTP/2 only"))),
            Connection::Http2(mut http2) => {
                let answer = self.in_time(http2.sender.try_send_request(request)).await;
                let answer = answer.map_err(Tried::for_good)?.map_err(|mut error| {
                    let request = error.take_message();
                    Tried::broken(request.is_none(), request, error.error())
                });
                answer.map(|answer| (answer, Lease { servers: Arc::clone(self.servers), in_flight, connection: None }))
            }
        };
        let (answer, lease) = sent.map_err(|tried| self.judged(tried, new, &server))?;
        match self.servers.is_failure(answer.status()) {
            true => self.servers.failed(&server),
            false => server.succeeded(),
        }
        self.answered(answer, lease).map_err(Tried::for_good)
    }

    async fn over_http1(
        &self,
        mut http1: Http1,
        in_flight: InFlight,
        request: Request<AnswerBody>,
    ) -> Result<(Response<Incoming>, Lease), Tried> {
        let before = http1.written();
        let answer = self.in_time(http1.sender.try_send_request(request)).await.map_err(Tried::for_good)?;
        let answer = answer.map_err(|mut error| {
            let request = error.take_message();
            // What the kernel or TLS has taken may have arrived: every doubt burns.
            Tried::broken(request.is_none() && http1.written() != before, request, error.error())
        })?;
        let connection = Some((http1, Arc::clone(self.connections)));
        Ok((answer, Lease { servers: Arc::clone(self.servers), in_flight, connection }))
    }

    /// The answer's head, if it comes within its limit of time, which begins when the upstream has all that there is of the body.
    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Failure> {
        let limit = self.servers.definition().times.head;
        let mut answer = std::pin::pin!(answer);
        let mut deadline = Instant::now() + limit;
        loop {
            if let Ok(answer) = tokio::time::timeout_at(deadline, answer.as_mut()).await {
                return Ok(answer);
            }
            match self.upload.as_ref().map(|upload| upload.deadline(limit)) {
                Some(later) if later > Instant::now() => deadline = later,
                _ => return Err(Failure { reason: Reason::UpstreamTimeout, sent: true, detail: "no answer's head".to_owned() }),
            }
        }
    }

    /// A kept connection that had ended, and a body that was refused, say nothing of the server.
    fn judged(&self, tried: Tried, new: bool, server: &Server) -> Tried {
        let stale = tried.request.is_some() && !new;
        if !stale && self.upload.as_ref().is_none_or(|upload| upload.refusal().is_none()) {
            self.servers.failed(server);
        }
        Tried { stale, ..tried }
    }

    fn answered(&mut self, mut answer: Response<Incoming>, mut lease: Lease) -> Result<Answered, Failure> {
        let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let place = self.tunnel.take();
        let upgrade = hyper::upgrade::on(&mut answer);
        let (mut parts, body) = answer.into_parts();
        strip_connection_headers(&mut parts.headers);
        if !switches {
            let answer = Response::from_parts(parts, Answer::new(body, lease).boxed_unsync());
            return Ok(Answered { answer, tunnel: None });
        }
        let Some(place) = place else {
            let detail = "the server switched to another protocol unasked".to_owned();
            return Err(Failure { reason: Reason::UpstreamUnavailable, sent: true, detail });
        };
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Some((http1, _)) = lease.connection.take() {
            http1.into_tunnel();
        }
        let idle = self.servers.definition().times.tunnel_idle;
        let tunnel = Some(FarEnd { upgrade, idle, place, in_flight: lease.in_flight });
        Ok(Answered { answer: Response::from_parts(parts, full(bytes::Bytes::new())), tunnel })
    }
}

impl Tried {
    /// Nothing more is tried.
    const fn for_good(failure: Failure) -> Self {
        Self { failure, request: None, stale: false }
    }

    fn broken(sent: bool, request: Option<Request<AnswerBody>>, error: &hyper::Error) -> Self {
        let failure = Failure { sent, ..Failure::unsent(&chain(error)) };
        Self { failure, request, stale: false }
    }
}

impl Failure {
    fn unsent(detail: &str) -> Self {
        Self { reason: Reason::UpstreamUnavailable, sent: false, detail: detail.to_owned() }
    }

    /// Something went wrong here before anything was sent.
    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self { reason: Reason::Internal, sent: false, detail: detail.into() }
    }

    fn overloaded() -> Self {
        Self { reason: Reason::Overloaded, sent: false, detail: "the upstream has as many requests as it may".to_owned() }
    }
}

impl From<Refusal> for Failure {
    /// Pieces before the one that was held back may have gone.
    fn from(refusal: Refusal) -> Self {
        Self { reason: refusal.reason(), sent: true, detail: refusal.detail().to_owned() }
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
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
