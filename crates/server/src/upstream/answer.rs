//! The body of an upstream's answer: passed on piece by piece, with a limit on its pauses; its connection is kept when it has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::connect::Http1;
use super::connections::Connections;
use super::server::InFlight;
use super::servers::Servers;
use crate::body::BoxError;

/// The body of an answer.
pub(crate) struct Answer {
    body: Incoming,
    idle: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    /// Whether the end was read: a chunked body does not know it before.
    ended: bool,
    lease: Lease,
}

/// What an answer uses until its end.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) servers: Arc<Servers>,
    pub(crate) in_flight: InFlight,
    /// The connection to be kept, and where.
    pub(crate) connection: Option<(Http1, Arc<Connections>)>,
}

impl Answer {
    pub(crate) fn new(body: Incoming, lease: Lease) -> Self {
        Self { body, idle: lease.servers.definition().times.answer_idle, pause: None, ended: false, lease }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.pause = None;
            this.ended |= frame.is_none();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let idle = this.idle;
        ready!(this.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle))).as_mut().poll(cx));
        Poll::Ready(Some(Err("the upstream's answer paused for too long".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    /// A connection is kept only if the answer on it was read to its end; else it is closed here.
    fn drop(&mut self) {
        if let Some((connection, connections)) = self.lease.connection.take().filter(|_| self.ended || self.body.is_end_stream()) {
            connections.give_back(self.lease.in_flight.server().number, self.lease.servers.definition(), connection);
        }
    }
}
