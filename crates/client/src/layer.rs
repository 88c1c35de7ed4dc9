//! Signing as a tower layer, in front of any client of `http::Request`.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_protocol::BodyNeed;
use http::Request;
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use tower::{BoxError, Layer, Service};

use crate::error::ClientError;
use crate::signer::{Payload, Signer};

/// The most bytes of a body that is kept to be signed, where nothing else is said.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Signs what passes. Stand it next to the client, so that nothing changes a request after it, and a layer that tries again outside it, so
/// that each attempt is signed anew. The client must follow no redirects.
///
/// Where the dialect signs the body, it is kept whole before it is sent, up to 8 MiB; where it does not, it passes untouched.
///
/// ```
/// # #[cfg(feature = "tower")]
/// # fn example(signer: countersign_client::Signer) {
/// use countersign_client::SigningLayer;
/// use tower::ServiceBuilder;
///
/// # type Sent = http::Request<http_body_util::Full<bytes::Bytes>>;
/// # let http_client = tower::service_fn(|_: Sent| async { Ok::<_, tower::BoxError>(http::Response::new(())) });
/// let client = ServiceBuilder::new().layer(SigningLayer::new(signer)).service(http_client);
/// # let _ = client;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SigningLayer {
    signer: Signer,
    most: usize,
}

/// A client behind a [`SigningLayer`].
#[derive(Debug, Clone)]
pub struct SigningService<S> {
    inner: S,
    signer: Signer,
    most: usize,
}

impl SigningLayer {
    /// Signs through this.
    #[must_use]
    pub const fn new(signer: Signer) -> Self {
        Self { signer, most: MOST_BYTES }
    }

    /// The same for bodies of at most so many bytes, where they are signed.
    #[must_use]
    pub const fn with_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }
}

impl<S> Layer<S> for SigningLayer {
    type Service = SigningService<S>;

    fn layer(&self, inner: S) -> SigningService<S> {
        SigningService { inner, signer: self.signer.clone(), most: self.most }
    }
}

impl<S, B> Service<Request<B>> for SigningService<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + From<Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was ready is used; its clone waits for the next call.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let (signer, most) = (self.signer.clone(), self.most);
        Box::pin(async move {
            let signed = sign(&signer, request, most).await?;
            ready.call(signed).await.map_err(Into::into)
        })
    }
}

async fn sign<B>(signer: &Signer, request: Request<B>, most: usize) -> Result<Request<B>, BoxError>
where
    B: Body<Data = Bytes> + From<Bytes>,
    B::Error: Into<BoxError>,
{
    let (mut parts, body) = request.into_parts();
    let presented = signer.credentials().current().await?;
    if signer.dialect().body_need() == BodyNeed::Nothing && !body.is_end_stream() {
        signer.sign_head(&mut parts, Payload::Unread, &presented)?;
        return Ok(Request::from_parts(parts, body));
    }
    let bytes = match Limited::new(body, most).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(ClientError::TooLarge { most }.into()),
        Err(error) => return Err(error),
    };
    let signed = signer.sign_head(&mut parts, Payload::Bytes(bytes.to_vec()), &presented)?;
    let bytes = if signed == bytes { bytes } else { signed.into() };
    Ok(Request::from_parts(parts, B::from(bytes)))
}
