//! What is signed of one attempt: the caller's headers and body, or those of its envelope.

use http::Method;

use crate::error::ClientError;

/// Whether bodies are encrypted, and how.
#[derive(Clone, Default)]
pub(crate) struct Sealing {
    #[cfg(feature = "envelope")]
    pub(crate) envelope: Option<crate::envelope::Envelope>,
}

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
    /// An attempt whose body is not encrypted, or is none.
    pub(crate) fn plain(headers: &[(String, Vec<u8>)]) -> Self {
        Self {
            headers: headers.to_vec(),
            body: Vec::new(),
            also: Vec::new(),
            #[cfg(feature = "envelope")]
            sealed: None,
        }
    }
}

#[cfg(feature = "envelope")]
impl Sealing {
    /// The attempt with its body encrypted where the client says so.
    pub(crate) fn draft(&self, headers: &[(String, Vec<u8>)], body: &[u8]) -> Result<Draft, ClientError> {
        let mut draft = Draft { body: body.to_vec(), ..Draft::plain(headers) };
        if let Some(envelope) = self.envelope.as_ref().filter(|_| !body.is_empty()) {
            let (body, reader) = envelope.seal(body)?;
            draft.headers.retain(|(name, _)| !envelope.replaces(name));
            draft.headers.extend(envelope.headers());
            draft.also.push(envelope.mark().to_owned());
            (draft.body, draft.sealed) = (body, Some(reader));
        }
        Ok(draft)
    }

    /// A body that is sent in pieces is not encrypted, so it must not be sent.
    pub(crate) fn refuse_stream(&self) -> Result<(), ClientError> {
        let fault = "this client encrypts bodies, and only whole ones; give its bytes";
        if self.envelope.is_some() { Err(ClientError::Body { fault: fault.to_owned() }) } else { Ok(()) }
    }

    /// The answer, decrypted where it is encrypted.
    pub(crate) async fn read(&self, draft: Draft, method: &Method, answer: reqwest::Response) -> Result<reqwest::Response, ClientError> {
        match (&self.envelope, draft.sealed) {
            (Some(envelope), Some(reader)) => envelope.read(reader, method, answer).await,
            _ => Ok(answer),
        }
    }
}

#[cfg(not(feature = "envelope"))]
#[expect(clippy::unused_self, clippy::unnecessary_wraps, clippy::unused_async, reason = "with envelopes they do what they say")]
impl Sealing {
    pub(crate) fn draft(&self, headers: &[(String, Vec<u8>)], body: &[u8]) -> Result<Draft, ClientError> {
        Ok(Draft { body: body.to_vec(), ..Draft::plain(headers) })
    }

    pub(crate) fn refuse_stream(&self) -> Result<(), ClientError> {
        Ok(())
    }

    pub(crate) async fn read(&self, _: Draft, _: &Method, answer: reqwest::Response) -> Result<reqwest::Response, ClientError> {
        Ok(answer)
    }
}
