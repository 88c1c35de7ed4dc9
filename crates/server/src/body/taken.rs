//! An answer that its caller must take: over HTTP/2 a stream can wait for its caller for ever while its connection lives on.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::{AnswerBody, BoxError};

/// What is given at one time at most: hyper takes a whole piece for any window, and nobody sees whether that is taken.
const PIECE: usize = 16 * 1024;

/// The body, with what watches it.
struct Taken {
    state: Arc<Mutex<State>>,
    watch: JoinHandle<()>,
}

struct State {
    /// `None` when nothing of it is left, or its caller lost it.
    body: Option<AnswerBody>,
    /// Of the last piece what was not given yet.
    rest: Bytes,
    is_lost: bool,
    /// Since when the next step is the caller's.
    since: Option<Instant>,
}

/// The body, which is let go with all that it holds when the caller takes nothing for as long as `idle`. Must be called within a runtime.
pub(crate) fn taken(body: AnswerBody, idle: Duration) -> AnswerBody {
    if body.is_end_stream() {
        return body;
    }
    let state = Arc::new(Mutex::new(State { body: Some(body), rest: Bytes::new(), is_lost: false, since: Some(Instant::now()) }));
    let watch = tokio::spawn(watch(Arc::clone(&state), idle));
    Taken { state, watch }.boxed_unsync()
}

async fn watch(state: Arc<Mutex<State>>, idle: Duration) {
    loop {
        let since = locked(&state).since;
        sleep_until(since.unwrap_or_else(Instant::now) + idle).await;
        let mut state = locked(&state);
        if since.is_some() && state.since == since {
            (state.body, state.rest, state.is_lost) = (None, Bytes::new(), true);
            return;
        }
    }
}

impl State {
    /// A frame, of data not too much at one time.
    fn give(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(mut data) => {
                self.rest = data.split_off(data.len().min(PIECE));
                Frame::data(data)
            }
            Err(frame) => frame,
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for Taken {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = locked(&self.state);
        // While it is asked, whoever gives the next piece is waited for.
        state.since = None;
        if state.is_lost {
            return Poll::Ready(Some(Err("the peer takes nothing of the answer".into())));
        }
        let rest = std::mem::take(&mut state.rest);
        let frame = match &mut state.body {
            _ if !rest.is_empty() => Some(Ok(Frame::data(rest))),
            Some(body) => ready!(Pin::new(body).poll_frame(cx)),
            None => None,
        };
        state.since = Some(Instant::now());
        if !matches!(frame, Some(Ok(_))) {
            state.body = None;
        }
        Poll::Ready(frame.map(|frame| frame.map(|frame| state.give(frame))))
    }

    fn is_end_stream(&self) -> bool {
        let state = locked(&self.state);
        !state.is_lost && state.rest.is_empty() && state.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let state = locked(&self.state);
        let rest = state.rest.len() as u64;
        let body = state.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
