//! What an access token says, and the one form in which it may say it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::json::{MOST, Members};
use crate::session::id::{SessionId, TokenId, UserId};

/// The most bytes of `iss` and `aud`.
const PARTY: usize = 256;
/// The most bytes of an app's name.
const APP: usize = 64;
/// The most bytes of `scope`.
const SCOPE: usize = 1_024;
/// The most bytes of the user object, as JSON.
const USER: usize = 1_024;
/// The most bytes of a key id.
const KEY_ID: usize = 128;
/// The most ways of authentication, and the bytes of each.
const METHODS: usize = 8;
const METHOD: usize = 32;
/// The one value of `bind`.
pub(super) const BEARER: &str = "bearer";
/// The bytes of a thumbprint (RFC 7638, with SHA-256).
const THUMBPRINT: usize = 32;
/// The last second that a timestamp has: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// What an access token says. Whoever holds it can read it: it has no address, telephone number or secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Who minted it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// The user.
    pub sub: UserId,
    /// The app through which the user logged in.
    pub client_id: String,
    /// The session.
    pub sid: SessionId,
    /// The token's own id.
    pub jti: TokenId,
    /// When it was minted, in seconds since 1970.
    pub iat: u64,
    /// From when on it is over, in seconds since 1970.
    pub exp: u64,
    /// When the user showed a password, in seconds since 1970.
    pub auth_time: u64,
    /// What the user may do through the app: names with one space between two; empty for nothing.
    pub scope: String,
    /// The generation of the refresh token that was given with it.
    pub rtg: u64,
    /// The user's epoch: a token of an earlier one is over.
    pub ep: u64,
    /// The key that must sign the requests in which it rides; `None` where any key of the app may.
    pub cnf: Option<Confirmation>,
    /// Whether it comes without a signature, and never with one: then `bind` is `bearer`, and whoever has it is the user.
    pub bearer: bool,
    /// What an upstream may want to know of the user; at most 1 KiB.
    pub u: TokenUser,
    /// How the user was authenticated (RFC 8176); empty where nothing is said.
    pub amr: Vec<String>,
}

/// The key to which a token is bound (RFC 7800).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confirmation {
    /// The key of this id.
    Kid(String),
    /// The public key with this thumbprint (RFC 7638): 43 characters of base64url.
    Jkt(String),
}

/// The user, as a token shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenUser {
    /// The name.
    pub name: String,
    /// The roles.
    pub roles: Vec<String>,
}

impl AccessToken {
    /// The scopes, one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Reads the members of a payload, all of them, and `nbf`.
    pub(super) fn read(mut members: Members) -> Result<(Self, Option<u64>), &'static str> {
        let (m, nbf) = (&mut members, "nbf");
        let nbf = if m.has(nbf) { Some(m.take_whole(nbf).ok_or("nbf is no time")?) } else { None };
        let token = Self {
            iss: m.take_text("iss").ok_or("iss is no text")?,
            aud: m.take_text("aud").ok_or("aud is no text")?,
            sub: m.take_text("sub").as_deref().and_then(UserId::parse).ok_or("sub is no user id")?,
            client_id: m.take_text("client_id").ok_or("client_id is no text")?,
            sid: m.take_text("sid").as_deref().and_then(SessionId::parse).ok_or("sid is no session id")?,
            jti: m.take_text("jti").as_deref().and_then(TokenId::parse).ok_or("jti is no token id")?,
            iat: m.take_whole("iat").ok_or("iat is no time")?,
            exp: m.take_whole("exp").ok_or("exp is no time")?,
            auth_time: m.take_whole("auth_time").ok_or("auth_time is no time")?,
            scope: m.take_text("scope").ok_or("scope is no text")?,
            rtg: m.take_whole("rtg").ok_or("rtg is no number")?,
            ep: m.take_whole("ep").ok_or("ep is no number")?,
            cnf: if m.has("cnf") { Some(Confirmation::read(m).ok_or("cnf is neither a kid nor a jkt")?) } else { None },
            bearer: m.has("bind") && m.take_text("bind").filter(|bind| bind == BEARER).map(|_| true).ok_or("bind is not bearer")?,
            u: TokenUser::read(m).ok_or("u is no user")?,
            amr: if m.has("amr") { m.take_texts("amr").ok_or("amr is no list of texts")? } else { Vec::new() },
        };
        if !members.is_empty() {
            return Err("a claim that no access token has");
        }
        token.check()?;
        Ok((token, nbf))
    }

    /// Whether every claim is as it must be, for who mints as for who verifies.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let must = |holds: bool, fault: &'static str| if holds { Ok(()) } else { Err(fault) };
        must(is_text(&self.iss, PARTY), "iss is empty, too long, or holds control characters")?;
        must(is_text(&self.aud, PARTY), "aud is empty, too long, or holds control characters")?;
        must(is_app(&self.client_id), "client_id is no app's name")?;
        must(self.scope.len() <= SCOPE && is_scope(&self.scope), "scope is too long, or not names with one space between two")?;
        must(self.iat < self.exp, "exp is not after iat")?;
        must(self.exp <= LAST_SECOND && self.auth_time <= LAST_SECOND, "a time after the year 9999")?;
        must(self.rtg <= MOST && self.ep <= MOST, "a number that others would round")?;
        must(self.cnf.as_ref().is_none_or(Confirmation::is_sound), "cnf is no key id and no thumbprint")?;
        must(!self.bearer || self.cnf.is_none(), "bind is bearer, and cnf names a key")?;
        must(self.u.is_sound(), "u is too long, or has an empty role or control characters")?;
        let is_method = |text: &String| is_text(text, METHOD) && text.bytes().all(|b| b.is_ascii_graphic());
        must(self.amr.len() <= METHODS && self.amr.iter().all(is_method), "amr is too long, or no list of short words")
    }
}

impl Confirmation {
    fn read(members: &mut Members) -> Option<Self> {
        let mut cnf = members.take_object("cnf")?;
        let read = if cnf.has("kid") { Self::Kid(cnf.take_text("kid")?) } else { Self::Jkt(cnf.take_text("jkt")?) };
        cnf.is_empty().then_some(read)
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Kid(id) => is_text(id, KEY_ID),
            Self::Jkt(thumbprint) => URL_SAFE_NO_PAD.decode(thumbprint).is_ok_and(|bytes| bytes.len() == THUMBPRINT),
        }
    }
}

impl TokenUser {
    fn read(members: &mut Members) -> Option<Self> {
        let mut user = members.take_object("u")?;
        let read = Self { name: user.take_text("name")?, roles: user.take_texts("roles")? };
        user.is_empty().then_some(read)
    }

    fn is_sound(&self) -> bool {
        let is_short = serde_json::to_vec(self).is_ok_and(|json| json.len() <= USER);
        is_short && is_text(&self.name, USER) && self.roles.iter().all(|role| is_text(role, USER))
    }
}

fn is_text(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control)
}

fn is_app(name: &str) -> bool {
    !name.is_empty() && name.len() <= APP && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// RFC 6749, section 3.3; or nothing.
fn is_scope(scope: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    scope.is_empty() || scope.split(' ').all(is_name)
}
