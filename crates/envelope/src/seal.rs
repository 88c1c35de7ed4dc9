//! Sealing: a plain body in, the envelope and the key for the answer out.

use std::fmt;

use zeroize::Zeroizing;

use crate::answer::AnswerKey;
use crate::content;
use crate::error::{SealError, SetupError};
use crate::fields::{Fields, Parts, is_key_id};
use crate::key::PublicKey;
use crate::legacy;
use crate::scheme::Scheme;

/// The additional data of a request's body: nothing else is encrypted under it.
pub(crate) const REQUEST: &[u8] = b"countersign-envelope-1:request";

/// Seals bodies for one recipient.
#[derive(Debug, Clone)]
pub struct Sealer {
    scheme: Scheme,
    key: PublicKey,
    fields: Fields,
    key_id: Option<String>,
}

/// A body that was sealed. `Debug` shows the size only.
pub struct Sealed {
    /// The envelope: a JSON object.
    pub body: Vec<u8>,
    /// What opens the answer to exactly this body; absent where the scheme is a legacy one.
    pub answer_key: Option<AnswerKey>,
}

impl Sealer {
    /// Seals for the holder of this key.
    ///
    /// # Errors
    /// [`SetupError::Legacy`] for a legacy scheme; names that cannot be told apart.
    pub fn new(scheme: Scheme, key: PublicKey, fields: Fields) -> Result<Self, SetupError> {
        if scheme.is_legacy() { Err(SetupError::Legacy) } else { Self::allowing_legacy(scheme, key, fields) }
    }

    /// The same, for legacy schemes too.
    ///
    /// # Errors
    /// Names that cannot be told apart.
    pub fn allowing_legacy(scheme: Scheme, key: PublicKey, fields: Fields) -> Result<Self, SetupError> {
        fields.check()?;
        Ok(Self { scheme, key, fields, key_id: None })
    }

    /// The same, naming the recipient's key in each envelope, where the members have a place for it.
    ///
    /// # Errors
    /// [`SetupError::KeyId`].
    pub fn with_key_id(mut self, id: impl Into<String>) -> Result<Self, SetupError> {
        let id = id.into();
        if !is_key_id(&id) {
            return Err(SetupError::KeyId);
        }
        self.key_id = Some(id);
        Ok(self)
    }

    /// The names of the members.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Seals a body under a new content key.
    ///
    /// # Errors
    /// No randomness; a legacy scheme and a body that is no JSON.
    pub fn seal(&self, plain: &[u8]) -> Result<Sealed, SealError> {
        if self.scheme.is_legacy() && serde_json::from_slice::<serde::de::IgnoredAny>(plain).is_err() {
            return Err(SealError::NotJson);
        }
        let mut content_key = Zeroizing::new(vec![0; self.scheme.key_bytes()]);
        aws_lc_rs::rand::fill(&mut content_key).map_err(|_| SealError::Failed)?;
        let wrapped = self.key.wrap(self.scheme, &content_key).ok_or(SealError::Failed)?;
        let content = match self.scheme {
            Scheme::OaepGcm => content::encrypt(&content_key, plain, REQUEST),
            legacy => legacy::encrypt(legacy, &content_key, plain),
        };
        let parts = Parts { content: content.ok_or(SealError::Failed)?, wrapped, key_id: self.key_id.clone() };
        let body = self.fields.write(&parts);
        if self.scheme.is_legacy() {
            return Ok(Sealed { body, answer_key: None });
        }
        let answer_key = AnswerKey::derive(&content_key, &body).ok_or(SealError::Failed)?;
        Ok(Sealed { body, answer_key: Some(answer_key) })
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}
