//! The user of a request: an access token that is among the signed headers, and what a route asks of it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::{KeyMaterial, MessageView, Part, Reason, Refusal, Timestamp, Verified};

use super::bearer::{Bearer, BearerSent};
use super::cookie::CookieRule;
use crate::store::Answer;

/// What a route asks of the user's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRule {
    /// The header that carries the access token, in lower case.
    pub header: String,
    /// Whether a request without a token is refused.
    pub is_required: bool,
    /// The scopes that the user needs.
    pub scopes: Vec<String>,
    /// Whether a token may come without a signature, as `Authorization: Bearer`: then whoever has it is the user.
    pub takes_bearer: bool,
    /// The cookie in which a token may come without a signature, where one may. Then it never comes with one.
    pub cookie: Option<Arc<CookieRule>>,
    /// How long ago the login may be.
    pub login_within: Option<Duration>,
}

impl UserRule {
    /// A user is needed, with the token in `X-Access-Token`, whatever its scopes are.
    #[must_use]
    pub fn required() -> Self {
        Self {
            header: "x-access-token".to_owned(),
            is_required: true,
            scopes: Vec::new(),
            takes_bearer: false,
            cookie: None,
            login_within: None,
        }
    }
}

/// The user of an admitted request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The user's id, which stays.
    pub id: String,
    /// The user's name.
    pub name: String,
    /// The user's roles.
    pub roles: Vec<String>,
    /// What the session may do.
    pub scopes: Vec<String>,
    /// The session's id.
    pub session: String,
    /// When the user last proved to be it.
    pub authenticated: Timestamp,
}

/// An access token as it came, and who signed the request in which it did.
#[derive(Clone, Copy)]
pub struct TokenSent<'a> {
    /// The token.
    pub token: &'a str,
    /// The app that signed.
    pub app: &'a str,
    /// The key id with which it did.
    pub key_id: &'a str,
    /// From where.
    pub peer: Option<IpAddr>,
    /// The current time.
    pub now: Timestamp,
}

impl fmt::Debug for TokenSent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSent").field("app", &self.app).field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A key that signs the requests of one session.
#[derive(Debug, Clone)]
pub struct SessionKey {
    /// The app through which the user logged in.
    pub app: String,
    /// The key.
    pub material: KeyMaterial,
    /// When the session began.
    pub created: Timestamp,
}

/// Who judges access tokens.
pub trait TokenJudge: fmt::Debug + Send + Sync {
    /// The user of the token, or why it is refused.
    fn judge<'a>(&'a self, sent: TokenSent<'a>) -> Answer<'a, Result<SignedIn, Refusal>>;

    /// The user of a token that came without a signature, and its app. One that is bound to a key is refused.
    fn judge_bearer<'a>(&'a self, sent: BearerSent<'a>, now: Timestamp) -> Answer<'a, Result<Bearer, Refusal>>;

    /// The key of this id, where it belongs to a session.
    fn session_key<'a>(&'a self, key_id: &'a str) -> Answer<'a, Option<SessionKey>>;

    /// Whether this key id belongs to a session: then it signs nothing without that session's token.
    fn is_of_a_session(&self, key_id: &str) -> bool;
}

/// Tokens that came with one request, as far as a route asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carried {
    /// None.
    Nothing,
    /// One.
    Token(Vec<u8>),
    /// More than one.
    Several,
    /// A cookie with one, which no signature can be about.
    Cookie,
}

impl Carried {
    pub(super) fn of(message: &dyn MessageView, rule: Option<&UserRule>) -> Self {
        let Some(rule) = rule else { return Self::Nothing };
        if rule.cookie.as_ref().is_some_and(|cookie| cookie.values(message.values("cookie")).next().is_some()) {
            return Self::Cookie;
        }
        let mut values = message.values(&rule.header);
        match (values.next(), values.next()) {
            (None, _) => Self::Nothing,
            (Some(token), None) => Self::Token(token.to_vec()),
            (Some(_), Some(_)) => Self::Several,
        }
    }

    /// The token, if it is there once and signed.
    pub(super) fn signed<'c>(&'c self, rule: &UserRule, verified: &Verified) -> Result<Option<&'c str>, Refusal> {
        let token = match self {
            Self::Nothing => return Ok(None),
            Self::Several => return Err(Refusal::new(Reason::TokenNotSigned, "the token came more than once")),
            Self::Cookie => {
                return Err(Refusal::new(Reason::TokenNotSigned, "a signed request has its token in a header, and not in a cookie"));
            }
            Self::Token(token) => token,
        };
        if !verified.covers().contains(&Part::Header(rule.header.clone())) {
            return Err(Refusal::new(Reason::TokenNotSigned, format!("{} is not among the signed headers", rule.header)));
        }
        let text = std::str::from_utf8(token).map_err(|_| Refusal::new(Reason::TokenMalformed, "the token is no text"))?;
        Ok(Some(text))
    }
}

impl UserRule {
    /// What the route asks beyond that there is a user.
    pub(super) fn allows(&self, user: &SignedIn, now: Timestamp) -> Result<(), Refusal> {
        if let Some(within) = self.login_within.filter(|within| now > user.authenticated.plus(*within)) {
            return Err(Refusal::new(
                Reason::LoginTooOld,
                format!("the login is of {}, at most {} s ago", user.authenticated, within.as_secs()),
            ));
        }
        match self.scopes.iter().find(|scope| !user.scopes.contains(scope)) {
            Some(scope) => Err(Refusal::new(Reason::InsufficientScope, format!("the user lacks {scope:?}"))),
            None => Ok(()),
        }
    }
}
