//! Making a connection to a server, and knowing of each whether a byte was written to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tower::{Service, ServiceExt};

use super::definition::{Address, Definition, Protocol};
use super::server::Server;
use super::tls::Tls;
use crate::body::{AnswerBody, BoxError};

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// The way to one server.
#[derive(Debug, Clone)]
pub(crate) enum Connector {
    Plain(HttpConnector),
    Tls(HttpsConnector<HttpConnector>),
}

/// An open connection.
#[derive(Debug)]
pub(crate) enum Connection {
    Http1(Http1),
    Http2(Http2),
}

/// A connection for one request at a time. It is closed when this is dropped, whatever is still under way on it.
#[derive(Debug)]
pub(crate) struct Http1 {
    pub(crate) sender: http1::SendRequest<AnswerBody>,
    written: Arc<AtomicU64>,
    task: Option<AbortHandle>,
}

/// A connection for many requests at one time.
#[derive(Debug, Clone)]
pub(crate) struct Http2 {
    pub(crate) sender: http2::SendRequest<AnswerBody>,
    /// Held once by the connection's keeper and once by each request on it.
    users: Arc<()>,
}

impl Http1 {
    /// Bytes that were written, or that TLS has taken to be written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Leaves the connection to the tunnel that it becomes.
    pub(crate) fn into_tunnel(mut self) {
        self.task = None;
    }
}

impl Drop for Http1 {
    /// An upstream that answered early, and reads no more, would hold the rest of a body for ever.
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Http2 {
    /// Requests on this connection.
    pub(crate) fn load(&self) -> usize {
        Arc::strong_count(&self.users) - 1
    }
}

impl Connector {
    pub(crate) fn new(address: &Address, tls: Option<&Tls>) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        match tls.filter(|_| address.tls) {
            Some(tls) => Self::Tls(tls.connector(http)),
            None => Self::Plain(http),
        }
    }

    async fn connect(&self, address: &Address) -> Result<Stream, BoxError> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if address.tls { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(address.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        let uri = Uri::from_parts(parts)?;
        match self {
            // Never in the clear where the address says TLS.
            Self::Plain(_) if address.tls => Err("TLS is not configured for this server".into()),
            Self::Plain(http) => Ok(MaybeHttpsStream::Http(http.clone().ready().await?.call(uri).await?)),
            Self::Tls(https) => https.clone().ready().await?.call(uri).await,
        }
    }
}

/// Opens a connection within the limit of time, and runs it until it ends.
///
/// # Errors
/// Nobody listens there, the TLS handshake failed, or it took too long. No byte of a request was sent.
pub(crate) async fn open(server: &Server, definition: &Definition) -> Result<Connection, BoxError> {
    let opened = async {
        let stream = server.connector.connect(&server.address).await?;
        let http2 = match definition.protocol {
            Protocol::Http2 => true,
            Protocol::Http1 => false,
            Protocol::Auto => stream.connected().is_negotiated_h2(),
        };
        server.speaks_http2.store(http2, Ordering::Relaxed);
        if http2 { open_http2(stream, definition).await } else { open_http1(stream, definition).await }
    };
    let most = definition.times.connect;
    tokio::time::timeout(most, opened).await.unwrap_or_else(|_| Err(format!("no connection within {} ms", most.as_millis()).into()))
}

async fn open_http1(stream: Stream, definition: &Definition) -> Result<Connection, BoxError> {
    let written = Arc::new(AtomicU64::new(0));
    let stream = Counted { stream, written: Arc::clone(&written) };
    let mut builder = http1::Builder::new();
    // hyper takes at most 100 header lines.
    builder.max_buf_size(definition.most.head_bytes);
    let (sender, connection) = builder.handshake(stream).await?;
    let task = Some(tokio::spawn(connection.with_upgrades()).abort_handle());
    Ok(Connection::Http1(Http1 { sender, written, task }))
}

async fn open_http2(stream: Stream, definition: &Definition) -> Result<Connection, BoxError> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).max_header_list_size(u32::try_from(definition.most.head_bytes).unwrap_or(u32::MAX));
    builder.keep_alive_interval(Duration::from_secs(30)).keep_alive_timeout(Duration::from_secs(10));
    let (sender, connection) = builder.handshake(stream).await?;
    tokio::spawn(connection);
    Ok(Connection::Http2(Http2 { sender, users: Arc::new(()) }))
}

/// A stream that counts what is written.
struct Counted<S> {
    stream: S,
    written: Arc<AtomicU64>,
}

impl<S> Counted<S> {
    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &written {
            self.written.fetch_add(*count as u64, Ordering::Relaxed);
        }
        written
    }
}

impl<S: Read + Unpin> Read for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: Write + Unpin> Write for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count(written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
