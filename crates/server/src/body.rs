//! Bodies: buffered up to a limit or passed on while they are checked on the way in, streamed on the way out.

pub(crate) mod passing;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use countersign_protocol::{Reason, Refusal};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};

use crate::head::malformed;

/// The body of an answer: a problem's, the echo's or an upstream's.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;
/// Any error of a body that is being streamed.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body of these bytes.
pub(crate) fn full(bytes: Bytes) -> AnswerBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// The body of a request, which is read once, as late as may be.
#[derive(Debug)]
pub(crate) enum Arriving {
    Unread(Incoming),
    Whole(Bytes),
    Broken,
}

impl Arriving {
    /// Whether there is nothing to be read.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Unread(body) => body.is_end_stream(),
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Broken => false,
        }
    }

    /// The body as it comes, if nobody has read it.
    pub(crate) fn take(&mut self) -> Option<Incoming> {
        match std::mem::replace(self, Self::Broken) {
            Self::Unread(body) if !body.is_end_stream() => Some(body),
            _ => None,
        }
    }

    /// The whole body, as [`collect`] reads it.
    pub(crate) async fn read(&mut self, limit: usize, idle: Duration) -> Result<Bytes, Refusal> {
        let bytes = match std::mem::replace(self, Self::Broken) {
            Self::Unread(body) => collect(body, limit, idle).await?,
            Self::Whole(bytes) => bytes,
            Self::Broken => return Err(malformed("the body broke off")),
        };
        *self = Self::Whole(bytes.clone());
        Ok(bytes)
    }
}

/// Reads a whole body of at most `limit` bytes, which may pause for at most `idle`.
async fn collect(mut body: Incoming, limit: usize, idle: Duration) -> Result<Bytes, Refusal> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0).min(64 * 1024));
    loop {
        let frame = match tokio::time::timeout(idle, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(bytes.freeze()),
            Ok(Some(Err(_))) => return Err(malformed("the body broke off or its framing is wrong")),
            Err(_) => return Err(malformed("the body paused for too long")),
        };
        // Trailers are dropped: no dialect here signs them.
        let Ok(piece) = frame.into_data() else { continue };
        if bytes.len() + piece.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
}

fn too_large() -> Refusal {
    Refusal::new(Reason::BodyTooLarge, "body")
}
