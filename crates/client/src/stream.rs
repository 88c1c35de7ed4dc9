//! Bodies that are sent in pieces: read once for their digest where the dialect signs it, and once more to be sent.
//!
//! ```text
//! open -> digest -> sign -> open again -> Pieces -> the wire
//! ```
//! Where a dialect is to sign each piece on its own, its signer stands between the last two: a body like `Pieces`, made from it and from
//! the tag of the head, that writes each piece with its signature. Nothing before that changes.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use countersign_protocol::{BodyDigests, BodyHasher, BodyNeed, Dialect};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::error::ClientError;

/// The bytes that are read at one time.
const PIECE: usize = 64 * 1024;

type Reader = Pin<Box<dyn AsyncRead + Send>>;
type Opening = Pin<Box<dyn Future<Output = io::Result<Reader>> + Send>>;

/// A body that is not kept in memory. Cheap to clone; clones are the same body.
#[derive(Clone)]
pub struct StreamBody(Kind);

#[derive(Clone)]
enum Kind {
    Again(Arc<dyn Fn() -> Opening + Send + Sync>),
    Once(Arc<Mutex<Option<Reader>>>, Option<u64>),
}

impl StreamBody {
    /// The content of a file, which must not change while it is sent.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::again(move || tokio::fs::File::open(path.clone()))
    }

    /// What this closure opens, from its beginning: once for the digest, and once for each attempt. Each time it must be the same.
    #[must_use]
    pub fn again<F, R>(open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<R>> + Send + 'static,
        R: AsyncRead + Send + 'static,
    {
        Self(Kind::Again(Arc::new(move || {
            let opening = open();
            Box::pin(async move { opening.await.map(|reader| Box::pin(reader) as Reader) })
        })))
    }

    /// What can be read only once, of this length where it is known. Refused where the dialect signs the body; never tried again.
    #[must_use]
    pub fn once(reader: impl AsyncRead + Send + 'static, length: Option<u64>) -> Self {
        Self(Kind::Once(Arc::new(Mutex::new(Some(Box::pin(reader)))), length))
    }

    /// Whether it can be sent another time.
    pub(crate) const fn is_repeatable(&self) -> bool {
        matches!(self.0, Kind::Again(_))
    }

    /// The digests that this dialect signs; `None` where it needs none.
    pub(crate) async fn digests(&self, dialect: &Dialect, has_word: bool) -> Result<Option<BodyDigests>, ClientError> {
        if has_word || dialect.body_need() == BodyNeed::Nothing {
            return Ok(None);
        }
        let algorithms = dialect.body_digests();
        if algorithms.is_empty() || dialect.body_need() == BodyNeed::Claim {
            let fault = "this dialect signs or carries something in the bytes themselves; give them whole, not in pieces";
            return Err(ClientError::Body { fault: fault.to_owned() });
        }
        let Kind::Again(open) = &self.0 else { return Err(ClientError::OneShotBody) };
        let mut reader = open().await.map_err(|e| unreadable(&e))?;
        let (mut hasher, mut piece) = (BodyHasher::new(&algorithms), vec![0; PIECE]);
        loop {
            match reader.read(&mut piece).await.map_err(|e| unreadable(&e))? {
                0 => return Ok(Some(hasher.finish())),
                read => hasher.update(&piece[..read]),
            }
        }
    }

    /// The body as it is sent. One whose digests are known is held against them.
    pub(crate) async fn pieces(&self, dialect: &Dialect, signed: Option<BodyDigests>) -> Result<reqwest::Body, ClientError> {
        let (reader, length) = match &self.0 {
            Kind::Again(open) => (open().await.map_err(|e| unreadable(&e))?, signed.as_ref().map(BodyDigests::length)),
            Kind::Once(reader, length) => {
                let reader = reader.lock().unwrap_or_else(PoisonError::into_inner).take();
                (reader.ok_or(ClientError::OneShotBody)?, *length)
            }
        };
        let expected = signed.map(|digests| (BodyHasher::new(&dialect.body_digests()), digests));
        Ok(reqwest::Body::wrap(Pieces {
            reader: Mutex::new(reader),
            left: length,
            expected,
            buffer: vec![0; PIECE],
            is_over: length == Some(0),
        }))
    }
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_repeatable() { "StreamBody(again)" } else { "StreamBody(once)" })
    }
}

fn unreadable(error: &io::Error) -> ClientError {
    ClientError::Body { fault: error.to_string() }
}

/// A body on its way: as long as was said, and the one that was signed, or it breaks off before its last piece.
struct Pieces {
    /// Never locked: it makes what can only be sent between threads shareable too.
    reader: Mutex<Reader>,
    left: Option<u64>,
    expected: Option<(BodyHasher, BodyDigests)>,
    buffer: Vec<u8>,
    is_over: bool,
}

impl Pieces {
    /// Takes a piece of this length from the buffer, if the body may go on with it.
    fn take(&mut self, read: usize) -> io::Result<Option<Bytes>> {
        let broken = |what| Err(io::Error::other(what));
        if read == 0 {
            self.is_over = true;
            return if self.left.is_some_and(|left| left > 0) { broken("the body is shorter than was said") } else { Ok(None) };
        }
        let piece = &self.buffer[..read];
        if let Some(left) = &mut self.left {
            let Some(rest) = left.checked_sub(read as u64) else { return broken("the body is longer than was said") };
            *left = rest;
        }
        if let Some((hasher, signed)) = &mut self.expected {
            hasher.update(piece);
            if self.left == Some(0) && hasher.clone().finish() != *signed {
                return broken("the body is not the one that was signed: it changed while it was sent");
            }
        }
        self.is_over = self.left == Some(0);
        Ok(Some(Bytes::copy_from_slice(piece)))
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        let mut buffer = ReadBuf::new(&mut this.buffer);
        let reader = this.reader.get_mut().unwrap_or_else(PoisonError::into_inner);
        let read = ready!(reader.as_mut().poll_read(cx, &mut buffer)).map(|()| buffer.filled().len());
        let piece = read.and_then(|read| this.take(read));
        this.is_over |= piece.is_err();
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
