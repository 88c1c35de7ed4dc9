//! One request: built by the caller, signed anew for each attempt, sent as signed.

use std::fmt;
use std::time::Duration;

use http::Method;

use crate::answers::gather;
use crate::attempts::{Answered, run};
use crate::client::SigningClient;
use crate::error::ClientError;
use crate::refused::{self, ServerRefusal};
use crate::stream::StreamBody;
use crate::template::{Content, Template};

/// A request that is not signed yet.
#[derive(Clone)]
pub struct OutgoingRequest {
    client: SigningClient,
    template: Template,
}

impl OutgoingRequest {
    pub(crate) const fn new(client: SigningClient, method: Method, url: String) -> Self {
        Self { client, template: Template::new(method, url) }
    }

    /// The same with one more header line.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.template.headers.push((name.into(), value.into()));
        self
    }

    /// The same with one more header line, which is signed besides those that the dialect says, where it carries a list of signed headers.
    #[must_use]
    pub fn signed_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        let name = name.into();
        self.template.also.push(name.to_ascii_lowercase());
        self.header(name, value)
    }

    /// The same with this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.template.body = Content::Bytes(body.into());
        self
    }

    /// The same with a body that is sent in pieces.
    #[must_use]
    pub fn stream(mut self, body: StreamBody) -> Self {
        self.template.body = Content::Stream(body);
        self
    }

    /// The same, carrying this word in place of the body's digest where the dialect has such words: the body is then not signed, and may be
    /// one that can be read only once.
    #[must_use]
    pub fn body_digest_word(mut self, word: impl Into<String>) -> Self {
        self.template.digest_word = Some(word.into());
        self
    }

    /// The same, each attempt ending after so long.
    #[must_use]
    pub const fn timeout(mut self, each: Duration) -> Self {
        self.template.timeout = Some(each);
        self
    }

    /// Signs with a new time and nonce, and sends, as often as the client's rules say. An answer of any status is handed back.
    ///
    /// # Errors
    /// When the request cannot be sent exactly as it would be signed, cannot be signed, or gets no answer; when the answer is not signed or
    /// encrypted as it must be.
    pub async fn send(&self) -> Result<reqwest::Response, ClientError> {
        self.answered().await.map(|answered| answered.answer)
    }

    /// The same, with a refusal as an error that tells why: the server's code and hint, and both strings to sign where it shows its own.
    ///
    /// # Errors
    /// As [`OutgoingRequest::send`], and [`ClientError::Refused`] for a status of 400 and more.
    pub async fn send_ok(&self) -> Result<reqwest::Response, ClientError> {
        let Answered { answer, string_to_sign } = self.answered().await?;
        let status = answer.status();
        if !(status.is_client_error() || status.is_server_error()) {
            return Ok(answer);
        }
        let headers = answer.headers().clone();
        let body = match gather(answer, refused::MOST_BYTES).await {
            Ok((_, body)) => body,
            // One that is longer than any problem says nothing.
            Err(ClientError::TooLarge { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let dialect = self.client.signer.dialect();
        Err(ClientError::Refused(Box::new(ServerRefusal::new(dialect, status, &headers, &body, &string_to_sign))))
    }

    /// Signs with a new time and nonce, without sending. Where the body is encrypted, an encrypted answer to this request cannot be read.
    ///
    /// # Errors
    /// When the request cannot be sent exactly as it would be signed, or cannot be signed; when its body is sent in pieces.
    pub fn sign(&self) -> Result<reqwest::Request, ClientError> {
        let signer = &self.client.signer;
        let presented = signer.credentials().current_now()?;
        Ok(self.template.attempt_now(signer, &self.client.rules.sealing, &presented)?.request)
    }

    async fn answered(&self) -> Result<Answered, ClientError> {
        let SigningClient { http, signer, rules } = &self.client;
        run(signer, rules, self.template.clone(), &mut &*http).await
    }
}

impl fmt::Debug for OutgoingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL and the headers may hold secrets of the caller's.
        f.debug_struct("OutgoingRequest").field("method", &self.template.method).field("client", &self.client).finish_non_exhaustive()
    }
}
