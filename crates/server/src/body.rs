//! Bodies: buffered up to a limit or passed on while they are checked on the way in, streamed on the way out.

pub(crate) mod passing;
mod taken;

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use countersign_protocol::{Reason, Refusal};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError};
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::head::malformed;

pub(crate) use taken::taken;

/// The body of an answer: a problem's, the echo's or an upstream's.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;
/// Any error of a body that is being streamed.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// A body of these bytes.
pub(crate) fn full(bytes: Bytes) -> AnswerBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// The body, which keeps this until its last byte went or it is dropped.
pub(crate) fn holding(body: AnswerBody, held: impl Send + 'static) -> AnswerBody {
    body.map_frame(move |frame| {
        let _held = &held;
        frame
    })
    .boxed_unsync()
}

/// Memory for the bodies that are held at one time, over all requests.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    size: usize,
    free: Arc<Semaphore>,
}

impl Room {
    /// Room for so many bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self { size, free: Arc::new(Semaphore::new(size.min(Semaphore::MAX_PERMITS))) }
    }

    /// This room where it has the size, else another one.
    pub(crate) fn resized(&self, size: usize) -> Self {
        if self.size == size { self.clone() } else { Self::new(size) }
    }

    /// Takes room for more bytes, which is given back with the bytes.
    fn take(&self, more: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let more = u32::try_from(more).ok();
        more.and_then(|more| Arc::clone(&self.free).try_acquire_many_owned(more).ok())
            .ok_or_else(|| Refusal::new(Reason::Overloaded, "no memory is left for another body"))
    }
}

/// Bytes in memory, with the room that they take.
struct Held {
    bytes: BytesMut,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of a request, which is read once, as late as may be.
#[derive(Debug)]
pub(crate) enum Arriving<B = Incoming> {
    Unread(B, Room),
    Whole(Bytes),
    Broken,
}

impl<B: Body> Arriving<B> {
    /// A body without a byte.
    pub(crate) const fn nothing() -> Self {
        Self::Whole(Bytes::new())
    }

    /// Whether there is nothing to be read.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Unread(body, _) => body.is_end_stream(),
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Broken => false,
        }
    }

    /// The body that was read.
    pub(crate) fn whole(self) -> Result<Bytes, Refusal> {
        match self {
            Self::Whole(bytes) => Ok(bytes),
            Self::Unread(..) | Self::Broken => Err(malformed("the body broke off")),
        }
    }

    /// The body as it comes, if nobody has read it.
    pub(crate) fn take(&mut self) -> Option<B> {
        match std::mem::replace(self, Self::Broken) {
            Self::Unread(body, _) if !body.is_end_stream() => Some(body),
            _ => None,
        }
    }

    /// The whole body, as [`collect`] reads it.
    pub(crate) async fn read(&mut self, limit: usize, idle: Duration) -> Result<Bytes, Refusal>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let bytes = match std::mem::replace(self, Self::Broken) {
            Self::Unread(body, room) => collect(body, &room, limit, idle).await?,
            Self::Whole(bytes) => bytes,
            Self::Broken => return Err(malformed("the body broke off")),
        };
        *self = Self::Whole(bytes.clone());
        Ok(bytes)
    }
}

/// Reads a whole body of at most `limit` bytes, which may pause for at most `idle`. Room is taken for what has arrived, not for what was announced.
async fn collect<B>(body: B, room: &Room, limit: usize, idle: Duration) -> Result<Bytes, Refusal>
where
    B: Body<Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0).min(64 * 1024));
    let mut held: Option<OwnedSemaphorePermit> = None;
    loop {
        let frame = match tokio::time::timeout(idle, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(Bytes::from_owner(Held { bytes, _room: held })),
            Ok(Some(Err(error))) => return Err(broken(&error.into())),
            Err(_) => return Err(malformed("the body paused for too long")),
        };
        // Trailers are dropped: no dialect here signs them.
        let Ok(piece) = frame.into_data() else { continue };
        if bytes.len().saturating_add(piece.remaining()) > limit {
            return Err(too_large());
        }
        let more = room.take(piece.remaining())?;
        match &mut held {
            Some(held) => held.merge(more),
            None => held = Some(more),
        }
        bytes.put(piece);
    }
}

/// A body that ended in an error: one of a limit that another layer put around it is no fault in its framing.
fn broken(error: &BoxError) -> Refusal {
    let mut cause: Option<&dyn Error> = Some(&**error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return too_large();
        }
        cause = error.source();
    }
    malformed("the body broke off or its framing is wrong")
}

fn too_large() -> Refusal {
    Refusal::new(Reason::BodyTooLarge, "body")
}
