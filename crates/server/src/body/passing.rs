//! A body that goes by: it is hashed on its way, and its last piece is held back until the digest held.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use countersign_protocol::{BodyCheck, Refusal};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::{AnswerBody, BoxError};
use crate::head::malformed;

/// A body on its way from the peer to the upstream.
struct Passing {
    body: Incoming,
    /// `None` when nobody looks at the body.
    check: Option<BodyCheck>,
    /// The latest piece. The upstream gets it when it is known that another follows, or that the digest held: so the body of a request that is
    /// refused is never complete there.
    held: Option<Bytes>,
    /// Bytes that may still come.
    room: u64,
    /// Bytes that are still to be given on, where the peer announced a length.
    length: Option<u64>,
    idle: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    ended: bool,
    upload: Arc<Upload>,
}

/// How far a body is, told to whoever waits for the answer.
#[derive(Debug)]
pub(crate) struct Upload(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Whether the next piece is the peer's to send.
    waits_for_peer: bool,
    /// When the upstream took the latest piece.
    moved: Instant,
    refusal: Option<Refusal>,
}

/// The body as it goes upstream, at most `limit` bytes, which may pause for at most `idle`. Trailers are dropped: no signature covers them.
pub(crate) fn passing(body: Incoming, check: Option<BodyCheck>, limit: u64, idle: Duration) -> Result<(AnswerBody, Arc<Upload>), Refusal> {
    let length = body.size_hint().exact();
    if length.is_some_and(|length| length > limit) {
        return Err(super::too_large());
    }
    let upload = Arc::new(Upload(Mutex::new(State { waits_for_peer: false, moved: Instant::now(), refusal: None })));
    let told = Arc::clone(&upload);
    let passing = Passing { body, check, held: None, room: limit, length, idle, pause: None, ended: false, upload };
    Ok((passing.boxed_unsync(), told))
}

impl Passing {
    fn refuse(&mut self, refusal: Refusal) -> BoxError {
        self.ended = true;
        self.held = None;
        let text = refusal.reason().as_str();
        self.upload.state().refusal = Some(refusal);
        text.into()
    }

    /// The next piece of the peer, within the limit of time.
    fn poll_peer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Refusal>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.pause = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(|_| malformed("the body broke off or its framing is wrong"))));
        }
        self.upload.state().waits_for_peer = true;
        let idle = self.idle;
        ready!(self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle))).as_mut().poll(cx));
        Poll::Ready(Some(Err(malformed("the body paused for too long"))))
    }

    /// Takes a piece; gives the one that may go on now.
    fn take(&mut self, piece: Bytes) -> Result<Option<Bytes>, Refusal> {
        self.room = self.room.checked_sub(piece.len() as u64).ok_or_else(super::too_large)?;
        match &mut self.check {
            Some(check) => {
                check.update(&piece);
                Ok(self.held.replace(piece))
            }
            None => Ok(Some(piece)),
        }
    }

    /// The body has ended: what was held back, if the digest held.
    fn end(&mut self) -> Result<Option<Bytes>, Refusal> {
        if let Some(check) = self.check.take() {
            check.finish()?;
        }
        self.ended = true;
        Ok(self.held.take())
    }

    fn give(&mut self, piece: Bytes) -> Frame<Bytes> {
        self.length = self.length.map(|length| length.saturating_sub(piece.len() as u64));
        self.upload.moved();
        Frame::data(piece)
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        while !this.ended {
            let next = match ready!(this.poll_peer(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if !piece.is_empty() => this.take(piece),
                    _ => Ok(None),
                },
                Some(Err(refusal)) => Err(refusal),
                None => this.end(),
            };
            match next {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(this.give(piece)))),
                Ok(None) => {}
                Err(refusal) => return Poll::Ready(Some(Err(this.refuse(refusal)))),
            }
        }
        this.upload.moved();
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Upload {
    /// Why the body was not given on to its end.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.state().refusal.clone()
    }

    /// When the upstream has taken too long, as it is now: a peer that is waited for is no fault of the upstream.
    pub(crate) fn deadline(&self, limit: Duration) -> Instant {
        let state = self.state();
        let since = if state.waits_for_peer { Instant::now() } else { state.moved };
        since + limit
    }

    fn moved(&self) {
        let mut state = self.state();
        state.waits_for_peer = false;
        state.moved = Instant::now();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
