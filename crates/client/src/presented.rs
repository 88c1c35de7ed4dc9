//! What an attempt shows of its sender: the credential that signs it, and the access token of a user that rides along.

use std::fmt;

use countersign_protocol::{Credential, Dialect, Secret};

use crate::error::ClientError;
use crate::signer::Unsigned;

/// A credential, and the access token that is signed with it.
#[derive(Clone)]
pub(crate) struct Presented {
    pub(crate) credential: Credential,
    pub(crate) token: Option<AccessToken>,
}

/// An access token, and for whom it is.
#[derive(Clone)]
pub(crate) struct AccessToken {
    /// The header in which the server looks for it.
    pub(crate) header: String,
    pub(crate) value: Secret,
    /// The server that gave it, such as `https://api.example.com`: no other one is shown it.
    pub(crate) origin: String,
}

impl Presented {
    /// Whether the header of this name holds the token.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.token.as_ref().is_some_and(|token| token.header.eq_ignore_ascii_case(name))
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("key_id", &self.credential.key_id()).finish_non_exhaustive()
    }
}

impl From<Credential> for Presented {
    fn from(credential: Credential) -> Self {
        Self { credential, token: None }
    }
}

impl AccessToken {
    /// Puts the token into its header, among those that are signed.
    pub(crate) fn ride(&self, dialect: &Dialect, unsigned: &mut Unsigned) -> Result<(), ClientError> {
        let refused = |fault: String| Err(ClientError::Token { fault });
        if unsigned.origin != self.origin {
            return refused(format!(
                "it is for {} and the request goes to {}; use a client without a session there",
                self.origin, unsigned.origin
            ));
        }
        if !dialect.can_sign_header(&self.header) {
            return refused(format!(
                "the dialect {} cannot sign the header {}, so that it could be exchanged on the way",
                dialect.id(),
                self.header
            ));
        }
        if unsigned.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(&self.header)) {
            return refused(format!("the request has a header {} of its own; leave it out", self.header));
        }
        unsigned.headers.push((self.header.clone(), self.value.expose().to_vec()));
        unsigned.also.push(self.header.to_ascii_lowercase());
        Ok(())
    }
}
