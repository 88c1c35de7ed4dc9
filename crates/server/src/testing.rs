//! A connection without a socket: what the gateway reads out of the bytes of one, for tests that try many.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use countersign_protocol::Refusal;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

use crate::connection::http1_builder;
use crate::head::Head;
use crate::limits::Limits;
use crate::wire::{Desk, Wire};

/// What was read out of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The peer speaks HTTP/2.
    Http2,
    /// Requests, in their order.
    Http1(Vec<Exchange>),
}

/// One request as the service gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The head that was read from the wire, or why it was refused; `None` when there was none for this request.
    pub head: Option<Result<ReadHead, Refusal>>,
    /// The method of the request that hyper made beside it.
    pub method: String,
    /// The body.
    pub body: ReadBody,
}

/// A head that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadHead {
    /// The method.
    pub method: String,
    /// The raw target.
    pub target: Vec<u8>,
    /// The version.
    pub version: &'static str,
    /// The header lines.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A body, without its framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadBody {
    /// All of it.
    Whole(Vec<u8>),
    /// More is to come.
    Open,
    /// Its framing is broken.
    Broken,
}

/// Serves a connection whose bytes come in these pieces, without an end; each request is answered when its body is there.
///
/// # Errors
/// When there is no runtime to be had.
pub fn read(pieces: Vec<Vec<u8>>, limits: &Limits) -> io::Result<Read> {
    RUNTIME.with(|runtime| {
        let _context = runtime.as_ref().map_err(|error| io::Error::other(error.to_string()))?.enter();
        Ok(read_within(pieces, limits))
    })
}

thread_local! {
    /// For timers, which nobody waits for.
    static RUNTIME: io::Result<Runtime> = Builder::new_current_thread().enable_time().build();
}

fn read_within(pieces: Vec<Vec<u8>>, limits: &Limits) -> Read {
    let stream = Pieces(pieces.into_iter().filter(|piece| !piece.is_empty()).collect());
    let Some(Ok(wire)) = settled(pin!(Wire::accept(stream, Arc::new(limits.clone())))) else { return Read::Http1(Vec::new()) };
    if wire.is_http2() {
        return Read::Http2;
    }
    let (desk, exchanges) = (wire.desk(), Rc::new(RefCell::new(Vec::new())));
    let service = service_fn(|request| exchange(&desk, request, Rc::clone(&exchanges)));
    // How it ends is told by what was read of the last request.
    let _ = settled(pin!(http1_builder(limits).serve_connection(TokioIo::new(wire), service)));
    let exchanges = exchanges.borrow().clone();
    Read::Http1(exchanges)
}

/// Takes the head before anything is awaited, as the gateway does.
fn exchange(
    desk: &Arc<Desk>,
    request: Request<Incoming>,
    exchanges: Rc<RefCell<Vec<Exchange>>>,
) -> impl Future<Output = Result<Response<Empty<Bytes>>, Infallible>> + use<> {
    let head = desk.take().map(|head| head.map(ReadHead::of));
    let (parts, body) = request.into_parts();
    let place = exchanges.borrow().len();
    exchanges.borrow_mut().push(Exchange { head, method: parts.method.as_str().to_owned(), body: ReadBody::Open });
    let desk = Arc::clone(desk);
    async move {
        let body = body.collect().await.map_or(ReadBody::Broken, |body| ReadBody::Whole(body.to_bytes().to_vec()));
        if let Some(exchange) = exchanges.borrow_mut().get_mut(place) {
            exchange.body = body;
        }
        desk.answered(false);
        Ok(Response::new(Empty::new()))
    }
}

impl ReadHead {
    fn of(head: Head) -> Self {
        Self { method: head.method, target: head.target, version: head.version, headers: head.headers }
    }
}

/// Polls until nothing goes on any more; `None` when it then still waits.
fn settled<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
    }
    None
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream that gives one piece at a time, and then nothing and no end. What is written to it is gone.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(piece) = self.0.front_mut() else { return Poll::Pending };
        let count = piece.len().min(buf.remaining());
        buf.put_slice(&piece[..count]);
        piece.drain(..count);
        if piece.is_empty() {
            self.0.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::Reason;

    use super::*;

    fn reasons(pieces: &[&str], limits: &Limits) -> Vec<Result<Vec<u8>, Reason>> {
        let Read::Http1(exchanges) = read(pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect(), limits).unwrap() else {
            return Vec::new();
        };
        exchanges.into_iter().filter_map(|exchange| exchange.head).map(|head| head.map(|h| h.target).map_err(|r| r.reason())).collect()
    }

    /// Wherever the bytes are cut, the same is read.
    fn everywhere(text: &str, limits: &Limits) -> Vec<Result<Vec<u8>, Reason>> {
        let whole = reasons(&[text], limits);
        for cut in 0..text.len() {
            assert_eq!(reasons(&[&text[..cut], &text[cut..]], limits), whole, "{text:?} cut at {cut}");
        }
        whole
    }

    #[test]
    fn one_empty_line_is_ignored_before_each_request_however_it_comes() {
        let request = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
        let read = |before: &str| everywhere(&format!("{before}{request}"), &Limits::default());
        assert_eq!(read(""), [Ok(b"/a".to_vec())]);
        assert_eq!(read("\r\n"), [Ok(b"/a".to_vec())]);
        assert_eq!(read("\r\n\r\n"), [Err(Reason::MalformedRequest)]);
        assert_eq!(read(&format!("{request}\r\n")), [Ok(b"/a".to_vec()), Ok(b"/a".to_vec())]);
        assert_eq!(read(&format!("\r\n{request}\r\n\r\n")), [Ok(b"/a".to_vec()), Err(Reason::MalformedRequest)]);
    }

    #[test]
    fn a_head_of_just_the_limit_is_read_however_it_comes() {
        let request = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
        let limits = |head_bytes| Limits { head_bytes, ..Limits::default() };
        let length = request.len() - "\r\n\r\n".len();
        assert_eq!(everywhere(request, &limits(length)), [Ok(b"/a".to_vec())]);
        assert_eq!(everywhere(request, &limits(length - 1)), [Err(Reason::HeadTooLarge)]);
    }

    #[test]
    fn bodies_are_read_without_their_framing() {
        let text = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nPUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx";
        let Read::Http1(exchanges) = read(vec![text.as_bytes().to_vec()], &Limits::default()).unwrap() else { panic!("no HTTP/1") };
        let bodies: Vec<_> = exchanges.into_iter().map(|exchange| (exchange.method, exchange.body)).collect();
        assert_eq!(bodies, [("POST".to_owned(), ReadBody::Whole(b"abc".to_vec())), ("PUT".to_owned(), ReadBody::Open)]);
        assert_eq!(read(vec![b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()], &Limits::default()).unwrap(), Read::Http2);
    }
}
