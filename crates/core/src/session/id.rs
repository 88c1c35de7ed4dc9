//! The names of sessions, users and access tokens: 128 random bits, written in base64url without padding.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::StoreError;
use crate::random::fill;

/// The bytes of an id.
const BYTES: usize = 16;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; BYTES]);

        impl $name {
            /// A new one.
            ///
            /// # Errors
            /// When the operating system has no randomness.
            pub fn random() -> Result<Self, StoreError> {
                let mut bytes = [0; BYTES];
                fill(&mut bytes)?;
                Ok(Self(bytes))
            }

            /// The one with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; BYTES]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; BYTES] {
                &self.0
            }

            /// The one that is written like this: 22 characters of base64url, in the one way in which it is written.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Some(Self(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
            }
        }
    };
}

id! {
    /// A session's id. It is no secret: it stands in tokens, logs and answers.
    SessionId
}
id! {
    /// A user's id, which stays when the name changes.
    UserId
}
id! {
    /// The id of one access token (`jti`). It is no secret.
    TokenId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_in_one_way() {
        let id = SessionId::from_bytes([0xfb; BYTES]);
        assert_eq!(id.to_string(), "-_v7-_v7-_v7-_v7-_v7-w");
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        for bad in ["", "-_v7-_v7-_v7-_v7-_v7-x", "-_v7-_v7-_v7-_v7-_v7-w==", "+/v7-_v7-_v7-_v7-_v7-w", "-_v7-_v7-_v7-_v7-_v7"] {
            assert_eq!(SessionId::parse(bad), None, "{bad}");
        }
        assert_ne!(SessionId::random(), SessionId::random());
    }
}
