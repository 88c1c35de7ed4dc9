//! The client without async: the same client, with a thread of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::answers::gather;
use crate::client::SigningClient as AsyncClient;
use crate::error::ClientError;
use crate::outgoing::OutgoingRequest as AsyncRequest;
use crate::stream::StreamBody;

/// The most bytes of an answer, where nothing else is said.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A client that signs each request and waits for its answer. Cheap to clone; clones share the connections and the thread.
///
/// ```no_run
/// # fn example(client: countersign_client::SigningClient) -> Result<(), countersign_client::ClientError> {
/// use countersign_client::blocking::SigningClient;
/// use http::Method;
///
/// let client = SigningClient::new(client)?;
/// let answer = client.request(Method::GET, "https://api.example.com/orders").send_ok()?;
/// assert!(answer.text().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SigningClient {
    client: AsyncClient,
    thread: Arc<Thread>,
}

/// A request that is not signed yet.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    request: AsyncRequest,
    most: usize,
    thread: Arc<Thread>,
}

/// An answer, whole. `Debug` leaves headers and body out.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header lines.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl SigningClient {
    /// Sends through this client, on a thread of its own.
    ///
    /// # Errors
    /// [`ClientError::Blocking`] when the thread cannot be started.
    pub fn new(client: AsyncClient) -> Result<Self, ClientError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("countersign-client").enable_all().build();
        let runtime = runtime.map_err(|e| ClientError::Blocking { fault: format!("no thread for the client: {e}") })?;
        Ok(Self { client, thread: Arc::new(Thread(Some(runtime))) })
    }

    /// Begins a request; see [`AsyncClient::request`].
    pub fn request(&self, method: Method, url: impl Into<String>) -> OutgoingRequest {
        OutgoingRequest { request: self.client.request(method, url), most: MOST_BYTES, thread: Arc::clone(&self.thread) }
    }

    /// Waits for what a session of a user does, such as `client.wait(Session::login(..))`; its requests go through [`SigningClient::of`].
    ///
    /// # Errors
    /// [`ClientError::Blocking`] inside of async code, which must not be made to wait.
    pub fn wait<F: Future>(&self, future: F) -> Result<F::Output, ClientError> {
        self.thread.wait(future)
    }

    /// The same thread for another client, such as that of a session.
    #[must_use]
    pub fn of(&self, client: AsyncClient) -> Self {
        Self { client, thread: Arc::clone(&self.thread) }
    }

    /// A URL that carries its own signature; see [`crate::Signer::presign`].
    ///
    /// # Errors
    /// As [`crate::Signer::presign`].
    pub fn presign(&self, method: &Method, url: &str, expires: Duration) -> Result<String, ClientError> {
        self.client.presign(method, url, expires)
    }
}

impl OutgoingRequest {
    /// The same with one more header line.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request = self.request.body(body);
        self
    }

    /// The same with a body that is sent in pieces.
    #[must_use]
    pub fn stream(mut self, body: StreamBody) -> Self {
        self.request = self.request.stream(body);
        self
    }

    /// The same, each attempt ending after so long.
    #[must_use]
    pub fn timeout(mut self, each: Duration) -> Self {
        self.request = self.request.timeout(each);
        self
    }

    /// The same for answers of at most so many bytes; 64 MiB where nothing is said.
    #[must_use]
    pub const fn most_answer(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// Signs and sends; see [`AsyncRequest::send`].
    ///
    /// # Errors
    /// As [`AsyncRequest::send`]; [`ClientError::Blocking`] inside of async code, which must not be made to wait;
    /// [`ClientError::TooLarge`] for a longer answer.
    pub fn send(&self) -> Result<Answer, ClientError> {
        self.thread.wait(async { self.whole(self.request.send().await?).await })?
    }

    /// The same with a refusal as an error; see [`AsyncRequest::send_ok`].
    ///
    /// # Errors
    /// As [`OutgoingRequest::send`], and [`ClientError::Refused`].
    pub fn send_ok(&self) -> Result<Answer, ClientError> {
        self.thread.wait(async { self.whole(self.request.send_ok().await?).await })?
    }

    async fn whole(&self, answer: reqwest::Response) -> Result<Answer, ClientError> {
        let (rebuild, body) = gather(answer, self.most).await?;
        Ok(Answer { status: rebuild.status(), headers: rebuild.headers().clone(), body })
    }
}

impl Answer {
    /// The body as text, if it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }
}

/// The runtime; there until it is dropped.
struct Thread(Option<Runtime>);

impl Thread {
    fn wait<F: Future>(&self, future: F) -> Result<F::Output, ClientError> {
        let fault = |fault: &str| ClientError::Blocking { fault: fault.to_owned() };
        if Handle::try_current().is_ok() {
            return Err(fault("the blocking client would stop the async code around it; use the client that is awaited"));
        }
        self.0.as_ref().map(|runtime| runtime.block_on(future)).ok_or_else(|| fault("the client's thread has ended"))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // Waiting for it would not be allowed inside of async code.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Thread")
    }
}

impl fmt::Debug for SigningClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}
