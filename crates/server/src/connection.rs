//! Accepting connections, and serving the requests of each, in HTTP/1.1, HTTP/1.0 or HTTP/2.

mod streams;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;

use self::streams::Streams;
use crate::body::{AnswerBody, holding, taken};
use crate::gateway::Shared;
use crate::limits::Limits;
use crate::service::{Peer, Service};
use crate::tls;
use crate::upstream::Upstreams;
use crate::wire::{Desk, Wire};

/// hyper's buffer for one HTTP/1 connection.
const READ_BUFFER: usize = 64 * 1024;
/// Requests at one time on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// A pause after a failed accept, such as one for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Runs the streams of an HTTP/2 connection on the thread that accepted it.
#[derive(Debug, Clone, Copy)]
struct OnThisThread;

impl<F: Future<Output: 'static> + 'static> Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// One listening socket of one worker, and where its requests go.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    /// The place of its TLS listener among those of the plan.
    pub(crate) tls: Option<usize>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) upstreams: Upstreams,
}

/// Accepts connections until the stop, then waits for those that are open.
pub(crate) async fn accept(door: Door, mut stopped: watch::Receiver<bool>) {
    let mut open = JoinSet::new();
    while let Some((stream, peer, permit)) = next(&door.listener, &door.shared, &mut stopped).await {
        // Finished connections leave the set here, so that it holds no more than are open.
        while open.try_join_next().is_some() {}
        let metrics = &door.shared.observers.metrics;
        metrics.accepted.add(1);
        let held = metrics.connections.hold();
        let service = Service::new(Arc::clone(&door.shared), door.upstreams.clone());
        let (stopped, tls) = (stopped.clone(), door.tls);
        open.spawn_local(async move {
            if let Err(error) = receive(stream, peer, tls, service, stopped).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
            drop((permit, held));
        });
    }
    let drain = door.shared.plan().limits.drain;
    drop(door);
    if tokio::time::timeout(drain, async { while open.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!(connections = open.len(), "cut off at the end of the drain time");
    }
}

/// The next connection, once there is room for it; `None` when the gateway stops.
async fn next(
    listener: &TcpListener,
    shared: &Shared,
    stopped: &mut watch::Receiver<bool>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let accepted = async {
        let (stream, peer) = loop {
            match listener.accept().await {
                Ok(accepted) => break accepted,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        // Not before: a worker to which nobody comes must not hold the place of a connection that waits at another.
        let permit = Arc::clone(&shared.connections).acquire_owned().await.ok()?;
        Some((stream, peer, permit))
    };
    tokio::select! {
        () = stop(stopped) => None,
        accepted = accepted => accepted,
    }
}

/// Ready when the gateway stops.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}

/// Serves a connection, after a proxy's header and the handshake where its listener speaks TLS.
async fn receive(
    mut stream: TcpStream,
    address: SocketAddr,
    tls: Option<usize>,
    service: Service,
    stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let plan = service.plan();
    let told = plan.proxies.source(&mut stream, address);
    let told = tokio::time::timeout(plan.limits.handshake_time, told).await??;
    let peer = told.map_or_else(|| Peer::unnamed(address), Peer::plain);
    let Some(place) = tls else { return serve(stream, peer, service, stopped, &plan.limits).await };
    let server = plan.tls.get(place).ok_or_else(|| io::Error::other("a listener without TLS settings"))?;
    let stream = server.accept(stream, plan.limits.handshake_time).await?;
    let peer = peer.over_tls(tls::shown(&stream));
    serve(stream, peer, service, stopped, &plan.limits).await
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: Peer,
    service: Service,
    stopped: watch::Receiver<bool>,
    limits: &Arc<Limits>,
) -> io::Result<()> {
    let wire = tokio::time::timeout(limits.head_time, Wire::accept(stream, Arc::clone(limits))).await??;
    if wire.is_http2() {
        return serve_http2(wire, peer, service, stopped, limits).await.map_err(io::Error::other);
    }
    let desk = wire.desk();
    let of_connection = service.clone();
    let answer = service_fn(move |request| respond(service.clone(), Some(Arc::clone(&desk)), peer, request));
    let mut connection = pin!(http1_builder(limits).serve_connection(TokioIo::new(wire), answer).with_upgrades());
    let ended = drive(stopped, connection.as_mut(), |connection| connection.graceful_shutdown()).await.map_err(io::Error::other);
    of_connection.tunnel_ended().await;
    ended
}

/// How hyper is told to read what the wire hands to it.
pub(crate) fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head_time).max_buf_size(READ_BUFFER);
    builder
}

async fn serve_http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    wire: Wire<S>,
    peer: Peer,
    service: Service,
    mut stopped: watch::Receiver<bool>,
    limits: &Limits,
) -> hyper::Result<()> {
    // Twice the limit, so that most heads beyond it reach the service and are answered in its words.
    let heads = u32::try_from(limits.head_bytes.saturating_mul(2)).unwrap_or(u32::MAX);
    let (head_time, answer_idle) = (limits.head_time, limits.answer_idle);
    let streams = Streams::new();
    let of_connection = streams.clone();
    let answer = service_fn(move |request| {
        let (stream, answer) = (of_connection.open(), respond(service.clone(), None, peer, request));
        async move { answer.await.map(|answer| answer.map(|body| holding(taken(body, answer_idle), stream))) }
    });
    let mut builder = http2::Builder::new(OnThisThread);
    builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(heads);
    builder.keep_alive_interval(Duration::from_secs(30)).keep_alive_timeout(Duration::from_secs(10));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(wire), answer));
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stop(&mut stopped) => {}
        () = streams.idle(head_time) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A peer that does not hear of it, as within a head that does not end, is cut off.
    let deaf = async {
        tokio::time::sleep(head_time).await;
        streams.idle(head_time).await;
    };
    tokio::select! {
        ended = connection => ended,
        () = deaf => Ok(()),
    }
}

/// Runs a connection; at the stop it is told to finish what it has begun.
async fn drive<C: Future>(
    mut stopped: watch::Receiver<bool>,
    mut connection: std::pin::Pin<&mut C>,
    finish: impl FnOnce(std::pin::Pin<&mut C>),
) -> C::Output {
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stop(&mut stopped) => {}
    }
    finish(connection.as_mut());
    connection.await
}

/// The answer to one request. The head is taken before anything is awaited: heads and requests come in the same order.
fn respond(
    service: Service,
    desk: Option<Arc<Desk>>,
    peer: Peer,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<AnswerBody>, Infallible>> {
    let head = desk.as_ref().map(|desk| desk.take());
    async move {
        let answer = service.answer(head, peer, request).await;
        if let Some(desk) = desk {
            desk.answered(answer.status() == StatusCode::SWITCHING_PROTOCOLS);
        }
        Ok(answer)
    }
}
