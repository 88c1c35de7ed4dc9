//! The bodies that go in and out of the service behind the layer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, SizeHint};

use crate::body::{BoxError, full};

/// The answer of the service behind, or a refusal.
pub type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;

/// What the service behind gets: the verified bytes, without trailers, which nobody signs; or the bounded body of an anonymous request. `Debug`
/// shows no byte.
pub struct RequestBody(UnsyncBoxBody<Bytes, BoxError>);

impl RequestBody {
    /// A body that was read.
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self(full(bytes))
    }

    /// A body of which nobody has read a byte.
    pub(super) fn unread<B>(body: B) -> Self
    where
        B: Body<Error: Into<BoxError>> + Send + 'static,
    {
        let frame = |frame: Frame<B::Data>| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
        Self(body.map_frame(frame).map_err(Into::into).boxed_unsync())
    }

    /// The same, ending in an error beyond so many bytes.
    pub(super) fn bounded(self, most: usize) -> Self {
        Self(Limited::new(self, most).boxed_unsync())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("size", &self.size_hint()).finish()
    }
}
