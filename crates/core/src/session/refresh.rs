//! The refresh token: a session and a generation under a MAC. Nothing of it is stored, so nothing of it can leak from a store, and a successor that was lost on
//! the way is made again.
//!
//! ```text
//! rt1_ base64url( key version u8 | session[16] | generation u64 | mac[16] )
//! ```

use std::fmt;

use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_protocol::Secret;

use super::SessionId;
use crate::error::StoreError;

/// What every refresh token begins with, so that scanners for secrets find it.
const PREFIX: &str = "rt1_";
/// The version of the key from which the tokens are made.
const KEY_VERSION: u8 = 1;
/// The bytes of a MAC.
const MAC: usize = 16;
/// The bytes under the MAC: key version, session, generation.
const HEAD: usize = 1 + 16 + 8;

/// The random bytes of a session, which its keys are derived with.
pub type Salt = [u8; 16];

/// The key from which the keys of every session are derived: that of the store.
#[derive(Clone)]
pub struct SessionKeys(Secret);

/// A refresh token as it was presented.
pub struct RefreshToken {
    sid: SessionId,
    generation: u64,
    bytes: [u8; HEAD + MAC],
}

impl SessionKeys {
    /// From the root key of a store.
    #[must_use]
    pub const fn new(root: Secret) -> Self {
        Self(root)
    }

    /// The refresh token of this generation.
    ///
    /// # Errors
    /// The key cannot be derived.
    pub fn refresh_token(&self, sid: SessionId, salt: &Salt, generation: u64) -> Result<Secret, StoreError> {
        let head = head(sid, generation);
        let mac = self.mac(sid, salt, &head)?;
        let text = zeroize::Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&head[..], mac.expose()].concat())));
        Ok(Secret::new(text.as_bytes()))
    }

    /// Whether the token is one of this session's.
    ///
    /// # Errors
    /// The key cannot be derived.
    pub fn made(&self, token: &RefreshToken, salt: &Salt) -> Result<bool, StoreError> {
        let (head, mac) = token.bytes.split_at(HEAD);
        // Secrets are compared in constant time.
        Ok(self.mac(token.sid, salt, head)? == Secret::new(mac))
    }

    /// The key with which the caller of a session signs its requests, where the session has one of its own.
    ///
    /// # Errors
    /// The key cannot be derived.
    pub fn request_key(&self, sid: SessionId, salt: &Salt) -> Result<Secret, StoreError> {
        let key = self.derived(b"sk|", sid, salt)?;
        // Letters, because many a client takes its secret as text.
        let text = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.encode(key.expose()));
        Ok(Secret::new(text.as_bytes()))
    }

    /// What a page shows with each request of a session whose token its browser sends by itself: only a page that may read our answers knows it.
    ///
    /// # Errors
    /// The key cannot be derived.
    pub fn csrf_token(&self, sid: SessionId, salt: &Salt) -> Result<Secret, StoreError> {
        let key = self.derived(b"csrf|", sid, salt)?;
        let text = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.encode(key.expose()));
        Ok(Secret::new(text.as_bytes()))
    }

    fn mac(&self, sid: SessionId, salt: &Salt, head: &[u8]) -> Result<Secret, StoreError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.derived(b"rt|", sid, salt)?.expose());
        Ok(Secret::new(&hmac::sign(&key, head).as_ref()[..MAC]))
    }

    /// RFC 5869 with SHA-256.
    fn derived(&self, purpose: &[u8], sid: SessionId, salt: &Salt) -> Result<Secret, StoreError> {
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(self.0.expose());
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        let filled = key.expand(&[purpose, sid.as_bytes()], hkdf::HKDF_SHA256).and_then(|derived| derived.fill(bytes.as_mut()));
        filled.map_err(|_| StoreError::Unavailable("a session's key cannot be derived".to_owned()))?;
        Ok(Secret::new(bytes.as_ref()))
    }
}

impl RefreshToken {
    /// The token that is written like this, in the one way in which it is written. Nothing of it is proved.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.strip_prefix(PREFIX)?;
        let mut bytes = [0; HEAD + MAC];
        // A buffer of the right size is filled to its end, or the text is another.
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (sid, rest) = rest.split_first_chunk::<16>()?;
        let (generation, _) = rest.split_first_chunk::<8>()?;
        let (sid, generation) = (SessionId::from_bytes(*sid), u64::from_be_bytes(*generation));
        (length == bytes.len() && *version == KEY_VERSION).then_some(Self { sid, generation, bytes })
    }

    /// The session that it names.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.sid
    }

    /// Counts the refreshes of the session.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken").field("session", &self.sid).field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys")
    }
}

fn head(sid: SessionId, generation: u64) -> [u8; HEAD] {
    let mut head = [KEY_VERSION; HEAD];
    head[1..17].copy_from_slice(sid.as_bytes());
    head[17..].copy_from_slice(&generation.to_be_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: SessionId = SessionId::from_bytes([7; 16]);
    const SALT: Salt = [9; 16];

    fn keys() -> SessionKeys {
        SessionKeys::new(Secret::from("root"))
    }

    fn text(secret: &Secret) -> String {
        String::from_utf8(secret.expose().to_vec()).unwrap()
    }

    fn parsed(text: &str) -> RefreshToken {
        RefreshToken::parse(text.as_bytes()).unwrap()
    }

    /// From Python: hmac and hashlib, HKDF as RFC 5869 writes it.
    #[test]
    fn it_is_what_the_documents_say() {
        let token = text(&keys().refresh_token(SID, &SALT, 3).unwrap());
        assert_eq!(token, "rt1_AQcHBwcHBwcHBwcHBwcHBwcAAAAAAAAAAyFRQPZpk-PqWgmfxcJkHvw");
        assert_eq!(text(&keys().request_key(SID, &SALT).unwrap()), "aTMU5_xqUwrnM-v8Jzo4oE0tDWXzUY-k6voJQMaJExM");
        assert_eq!(text(&keys().csrf_token(SID, &SALT).unwrap()), "-q_-JQqa9N830h2xgchkgr7qLUNPTbvEJGnMVaTv6tU");
    }

    #[test]
    fn what_was_made_is_known_again_and_nothing_else() {
        let token = text(&keys().refresh_token(SID, &SALT, 3).unwrap());
        let read = parsed(&token);
        assert_eq!((read.session(), read.generation()), (SID, 3));
        assert!(keys().made(&read, &SALT).unwrap());
        assert!(!keys().made(&read, &[8; 16]).unwrap());
        assert!(!SessionKeys::new(Secret::from("other")).made(&read, &SALT).unwrap());
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX).unwrap()).unwrap();
        for at in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[at / 8] ^= 1 << (at % 8);
            let changed = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&changed));
            let made = RefreshToken::parse(changed.as_bytes()).is_some_and(|token| keys().made(&token, &SALT).unwrap());
            assert!(!made, "bit {at}");
        }
    }

    #[test]
    fn a_token_is_written_in_one_way() {
        let token = text(&keys().refresh_token(SID, &SALT, 3).unwrap());
        let body = &token[PREFIX.len()..];
        let last = token.len() - 1;
        let bad = [
            body.to_owned(),
            format!("rt2_{body}"),
            format!("{token}="),
            format!("{token}A"),
            format!("{token}\n"),
            token[..last].to_owned(),
            format!(" {token}"),
            String::new(),
            PREFIX.to_owned(),
        ];
        for bad in bad {
            assert!(RefreshToken::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert!(RefreshToken::parse(b"rt1_\xff").is_none());
    }

    #[test]
    fn debug_shows_no_byte() {
        let shown = format!("{:?} {:?}", keys(), parsed(&text(&keys().refresh_token(SID, &SALT, 3).unwrap())));
        assert!(!shown.contains("rt1_") && !shown.contains("root"), "{shown}");
    }
}
