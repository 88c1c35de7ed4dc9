//! Accepting the admin listener's connections: few at a time, each of them with little patience.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::gate::Caller;

/// Connections at one time. Beyond: new ones wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// How long a head may take, and a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long one request may take with its answer, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// hyper's buffer for one connection.
const BUFFER: usize = 32 * 1024;
/// A pause after a failed accept, such as one for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until it is dropped, which ends them too.
pub(super) async fn accept(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        while open.try_join_next().is_some() {}
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let router = router.clone();
        open.spawn(async move {
            serve(stream, peer, router).await;
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, router: Router) {
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Caller(peer));
        let answer = router.clone().oneshot(request);
        async move {
            let late = |_| super::ApiProblem::too_slow().into();
            Ok::<_, Infallible>(
                tokio::time::timeout(REQUEST_TIME, answer).await.map_or_else(late, |answer| answer.unwrap_or_else(|e| match e {})),
            )
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(BUFFER);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%peer, %error, "a connection of the admin listener ended");
    }
}
