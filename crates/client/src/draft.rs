//! What is signed of one attempt: the caller's headers and body, or those of its envelope.

use http::Method;

use crate::client::SigningClient;
use crate::error::ClientError;

/// The headers and the body of one attempt, as they are to be signed.
pub(crate) struct Draft {
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// Headers to sign besides those of the dialect.
    pub(crate) also: Vec<String>,
    #[cfg(feature = "envelope")]
    sealed: Option<crate::envelope::AnswerReader>,
}

impl Draft {
    /// The attempt with its body encrypted where the client says so.
    #[cfg(feature = "envelope")]
    pub(crate) fn of(client: &SigningClient, headers: &[(String, Vec<u8>)], body: &[u8]) -> Result<Self, ClientError> {
        let mut draft = Self { headers: headers.to_vec(), body: body.to_vec(), also: Vec::new(), sealed: None };
        if let Some(envelope) = client.envelope.as_ref().filter(|_| !body.is_empty()) {
            let (body, reader) = envelope.seal(body)?;
            draft.headers.retain(|(name, _)| !envelope.replaces(name));
            draft.headers.extend(envelope.headers());
            draft.also.push(envelope.mark().to_owned());
            (draft.body, draft.sealed) = (body, Some(reader));
        }
        Ok(draft)
    }

    /// The answer, decrypted where it is encrypted.
    #[cfg(feature = "envelope")]
    pub(crate) async fn read(
        self,
        client: &SigningClient,
        method: &Method,
        answer: reqwest::Response,
    ) -> Result<reqwest::Response, ClientError> {
        match (&client.envelope, self.sealed) {
            (Some(envelope), Some(reader)) => envelope.read(reader, method, answer).await,
            _ => Ok(answer),
        }
    }

    #[cfg(not(feature = "envelope"))]
    #[expect(clippy::unnecessary_wraps, reason = "with envelopes it can fail")]
    pub(crate) fn of(_: &SigningClient, headers: &[(String, Vec<u8>)], body: &[u8]) -> Result<Self, ClientError> {
        Ok(Self { headers: headers.to_vec(), body: body.to_vec(), also: Vec::new() })
    }

    #[cfg(not(feature = "envelope"))]
    #[expect(clippy::unused_async, reason = "with envelopes it reads the answer")]
    pub(crate) async fn read(self, _: &SigningClient, _: &Method, answer: reqwest::Response) -> Result<reqwest::Response, ClientError> {
        Ok(answer)
    }
}
