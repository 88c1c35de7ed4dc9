//! The connection as hyper sees it: each HTTP/1 head is read here first, strictly, and hyper gets only its framing.
//!
//! hyper drops what a verifier must see (fragments, repeated lengths, header case) and answers what it refuses with an
//! empty 400. So the raw head goes to the service beside hyper, which reads a plain head with the same method and
//! framing in its place; a head that is refused becomes one plain request, whose service answers with the refusal.

mod chunked;
mod patience;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use std::{fmt, io};

use bytes::{Buf, Bytes, BytesMut};
use countersign_protocol::{Reason, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use self::chunked::Chunked;
use self::patience::Patience;
use crate::head::{Framing, Head, malformed};
use crate::limits::Limits;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What stands behind a head.
const END: &[u8] = b"\r\n\r\n";
const PIECE: usize = 4096;
/// Bytes of chunk extensions and trailers in one body.
const CHUNK_SPARE: usize = 16 * 1024;
/// What a closing connection still reads, so that the answer is not lost to a reset.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(1);

/// Where the service finds the head of the request that hyper hands to it.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<Slot>);

#[derive(Debug, Default)]
struct Slot {
    head: Option<Result<Head, Refusal>>,
    reader: Option<Waker>,
    /// Whether the answer to the head that was taken last switches to another protocol, once that is known.
    switches: Option<bool>,
}

impl Desk {
    /// The head of the request at hand. Each can be taken once; taking it lets the next one be read.
    pub(crate) fn take(&self) -> Option<Result<Head, Refusal>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let head = slot.head.take();
        if let Some(reader) = slot.reader.take() {
            reader.wake();
        }
        head
    }

    /// Whether the last head was taken; else the reader is woken when it is.
    fn is_free(&self, cx: &Context<'_>) -> bool {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.head.is_some() {
            slot.reader = Some(cx.waker().clone());
        }
        slot.head.is_none()
    }

    fn put(&self, head: Result<Head, Refusal>) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (slot.head, slot.switches) = (Some(head), None);
    }

    /// Tells whether the answer to the request at hand switches to another protocol. Of a request before one whose head lies here already it
    /// says nothing.
    pub(crate) fn answered(&self, switches: bool) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.head.is_none() {
            slot.switches = Some(switches);
            if let Some(reader) = slot.reader.take() {
                reader.wake();
            }
        }
    }

    /// What was told by [`Desk::answered`]; else the reader is woken when it is.
    fn switches(&self, cx: &Context<'_>) -> Option<bool> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.switches.is_none() {
            slot.reader = Some(cx.waker().clone());
        }
        slot.switches
    }
}

#[derive(Debug)]
enum State {
    /// Between two messages, or inside a head.
    Head,
    Length(u64),
    Chunked(Chunked),
    /// A head was refused: nothing more is read from the peer.
    Refused,
    /// The peer asks for another protocol: what follows is read when the answer has told in which.
    Asked,
    /// HTTP/2 or a WebSocket connection, which have their own framing.
    Through,
}

/// A connection whose HTTP/1 heads are read before hyper reads them.
pub(crate) struct Wire<S> {
    stream: S,
    inbound: BytesMut,
    outbound: Bytes,
    state: State,
    /// Whether the empty line that may stand before a request line was there.
    skipped: bool,
    desk: Arc<Desk>,
    limits: Arc<Limits>,
    patience: Patience,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> fmt::Debug for Wire<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("state", &self.state).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Reads the first bytes to tell HTTP/2 from HTTP/1.
    pub(crate) async fn accept(mut stream: S, limits: Arc<Limits>) -> io::Result<Self> {
        let mut inbound = BytesMut::with_capacity(PIECE);
        while inbound.len() < PREFACE.len() && PREFACE.starts_with(&inbound) {
            if stream.read_buf(&mut inbound).await? == 0 {
                break;
            }
        }
        let state = if inbound.starts_with(PREFACE) { State::Through } else { State::Head };
        let patience = Patience::new(limits.answer_idle);
        Ok(Self { stream, inbound, outbound: Bytes::new(), state, skipped: false, desk: Arc::default(), limits, patience, linger: None })
    }

    /// Whether the peer speaks HTTP/2.
    pub(crate) const fn is_http2(&self) -> bool {
        matches!(self.state, State::Through)
    }

    /// Where the heads of HTTP/1 requests lie.
    pub(crate) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// Gives a head to the service and its framing to hyper, as soon as one is complete.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Progress>> {
        if !self.desk.is_free(cx) {
            return Poll::Pending;
        }
        loop {
            if let Some(head) = self.next_head() {
                let (state, plain) = match &head {
                    Ok(head) => (State::after(head), plain_head(head)),
                    Err(_) => (State::Refused, Bytes::from_static(b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n")),
                };
                (self.state, self.outbound) = (state, plain);
                self.desk.put(head);
                return Poll::Ready(Ok(Progress::More));
            }
            let filled = self.inbound.len();
            self.inbound.resize(filled + PIECE, 0);
            let mut piece = ReadBuf::new(&mut self.inbound[filled..]);
            let read = Pin::new(&mut self.stream).poll_read(cx, &mut piece);
            let count = piece.filled().len();
            self.inbound.truncate(filled + count);
            ready!(read)?;
            if count == 0 {
                return Poll::Ready(Ok(Progress::Ended));
            }
        }
    }

    /// The next head, if all of it is there or so much of it that it can be refused.
    fn next_head(&mut self) -> Option<Result<Head, Refusal>> {
        // RFC 9112, section 2.2: one empty line before a request line is ignored. One, also where the bytes come in pieces.
        if !self.skipped && self.inbound.starts_with(b"\r\n") {
            self.inbound.advance(2);
            self.skipped = true;
        }
        let end = self.inbound.windows(END.len()).position(|window| window == END);
        // The last bytes may be the first of an end.
        if end.unwrap_or(self.inbound.len().saturating_sub(END.len() - 1)) > self.limits.head_bytes {
            return Some(Err(Refusal::new(Reason::HeadTooLarge, "head")));
        }
        let Some(end) = end else {
            let bare = self.inbound.iter().enumerate().any(|(i, b)| *b == b'\n' && (i == 0 || self.inbound[i - 1] != b'\r'));
            return bare.then(|| Err(malformed("a line ends in a bare LF")));
        };
        let block = self.inbound.split_to(end + END.len());
        self.skipped = false;
        Some(Head::from_http1(&block[..end], &self.limits))
    }

    /// Reads at most `limit` bytes of a body, first those that came with the head.
    fn poll_piece(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>, limit: u64) -> Poll<io::Result<usize>> {
        let room = buf.remaining().min(usize::try_from(limit).unwrap_or(usize::MAX));
        if !self.inbound.is_empty() {
            let count = room.min(self.inbound.len());
            buf.put_slice(&self.inbound.split_to(count));
            return Poll::Ready(Ok(count));
        }
        let mut piece = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        let count = piece.filled().len();
        buf.advance(count);
        Poll::Ready(Ok(count))
    }

    /// Reads chunked bytes and gives back those that follow the end of the body.
    fn poll_chunked(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let count = ready!(self.poll_piece(cx, buf, u64::MAX))?;
        let State::Chunked(chunked) = &mut self.state else { return Poll::Ready(Ok(())) };
        let Ok(taken) = chunked.take(&buf.filled()[before..]) else {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "chunk framing")));
        };
        let rest = BytesMut::from(&buf.filled()[before + taken..before + count]);
        if chunked.ended() {
            self.state = State::Head;
        }
        if !rest.is_empty() {
            let later = std::mem::replace(&mut self.inbound, rest);
            self.inbound.extend_from_slice(&later);
            buf.set_filled(before + taken);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads on for a moment after the last answer, when the peer may still be sending.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (timer, budget) = self.linger.get_or_insert_with(|| (Box::pin(tokio::time::sleep(LINGER_TIME)), LINGER_BYTES));
        let mut scratch = [0; PIECE];
        while timer.as_mut().poll(cx).is_pending() && *budget > 0 {
            let mut piece = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => *budget = budget.saturating_sub(piece.filled().len()),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

enum Progress {
    More,
    Ended,
}

impl State {
    fn after(head: &Head) -> Self {
        match head.framing {
            _ if head.asks_for_websocket() => Self::Asked,
            Framing::Length(0) | Framing::Stream => Self::Head,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::new(CHUNK_SPARE)),
        }
    }
}

/// What hyper needs to know of a head: method, version and framing.
fn plain_head(head: &Head) -> Bytes {
    let mut plain = format!("{} / {}\r\nhost: h\r\n", head.method, head.version);
    match head.framing {
        Framing::Length(0) | Framing::Stream => {}
        Framing::Length(length) => plain.push_str(&format!("content-length: {length}\r\n")),
        Framing::Chunked => plain.push_str("transfer-encoding: chunked\r\n"),
    }
    for token in ["close", "keep-alive"] {
        if head.connection_says(token) && !head.asks_for_websocket() {
            plain.push_str(&format!("connection: {token}\r\n"));
            break;
        }
    }
    if head.asks_for_websocket() {
        plain.push_str("connection: upgrade\r\nupgrade: websocket\r\n");
    }
    if head.expects_continue() {
        plain.push_str("expect: 100-continue\r\n");
    }
    plain.push_str("\r\n");
    Bytes::from(plain)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if !this.outbound.is_empty() {
                let count = buf.remaining().min(this.outbound.len());
                buf.put_slice(&this.outbound.split_to(count));
                return Poll::Ready(Ok(()));
            }
            match this.state {
                State::Head => match ready!(this.poll_head(cx))? {
                    Progress::More => {}
                    Progress::Ended => return Poll::Ready(Ok(())),
                },
                State::Length(left) => {
                    let count = ready!(this.poll_piece(cx, buf, left))? as u64;
                    this.state = if count == left { State::Head } else { State::Length(left - count) };
                    return Poll::Ready(Ok(()));
                }
                State::Chunked(_) => return this.poll_chunked(cx, buf),
                State::Asked => match this.desk.switches(cx) {
                    Some(true) => this.state = State::Through,
                    Some(false) => this.state = State::Head,
                    None => return Poll::Pending,
                },
                // An end of file would make hyper drop the answer that it is about to write.
                State::Refused => return Poll::Pending,
                State::Through => return this.poll_piece(cx, buf, u64::MAX).map_ok(|_| ()),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.patience.judge(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.patience.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.patience.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        let unread = !self.inbound.is_empty() || !matches!(self.state, State::Head | State::Through);
        if unread {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
