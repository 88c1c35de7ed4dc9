//! Requests that are not signed: the token alone, in a header or in a cookie.
//!
//! What a browser sends by itself proves nothing about the page that made it. So a request with a cookie also shows the session's CSRF token, which only a page
//! that may read our answers knows.

use std::fmt;

use countersign_protocol::{Secret, Timestamp};

use super::{RefreshFault, SessionFault, Sessions, UserSession, is_of};
use crate::admission::{BearerSent, Csrf, SentBy};
use crate::error::StoreError;
use crate::session::{Binding, Ended, RefreshToken, Session};

/// What a caller without a signature presents.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// An access token.
    Access(&'a str),
    /// A refresh token.
    Refresh(&'a [u8]),
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access(_) => "Access",
            Self::Refresh(_) => "Refresh",
        })
    }
}

impl Sessions {
    /// Who the user of a token is that came without a signature. A session that is bound to a key of its own needs that key; a cookie is of a session without one.
    ///
    /// # Errors
    /// Whatever is wrong with the token or its session; [`SessionFault::Binding`] for one that is bound to a key, [`SessionFault::Csrf`] for a cookie that comes
    /// without the session's CSRF token.
    pub async fn check_bearer(&self, sent: BearerSent<'_>, now: Timestamp) -> Result<UserSession, SessionFault> {
        let token = self.holder.verify(sent.token, &self.rules, now).await?;
        let may = |session: &Session| match (&session.binding, sent.by) {
            (Binding::Bearer, _) => true,
            (Binding::App, SentBy::Header) => true,
            _ => false,
        };
        let found = self.judge(token, may, now).await?;
        if let SentBy::Cookie(csrf) = sent.by {
            self.demand_csrf(&found.session, csrf)?;
        }
        Ok(found)
    }

    /// The session without a key that a token is of, for who has to know its app before anything else. It may be over, and so may the token.
    ///
    /// # Errors
    /// The token was not made here, or its session is bound to a key.
    pub async fn unsigned_session(&self, presented: Presented<'_>, now: Timestamp) -> Result<Session, SessionFault> {
        let session = match presented {
            Presented::Access(token) => {
                let token = self.holder.verify_ended(token, &self.rules, now).await?;
                let known = self.store.session(token.sid).await?.ok_or(SessionFault::Over(Ended::Expired))?;
                if is_of(&token, &known.session)? { known.session } else { return Err(SessionFault::Binding) }
            }
            Presented::Refresh(text) => {
                let token = RefreshToken::parse(text).ok_or(SessionFault::Refresh(RefreshFault::Malformed, None))?;
                let fault = |fault| SessionFault::Refresh(fault, Some(token.session()));
                let known = self.store.session(token.session()).await?.ok_or(fault(RefreshFault::Unknown))?;
                if !self.keys.made(&token, &known.session.salt)? {
                    return Err(fault(RefreshFault::Forged));
                }
                if known.session.binding != Binding::Bearer {
                    return Err(fault(RefreshFault::Binding));
                }
                known.session
            }
        };
        if session.binding == Binding::Bearer { Ok(session) } else { Err(SessionFault::Binding) }
    }

    /// What a page shows with each request of this session that changes something.
    ///
    /// # Errors
    /// The key cannot be derived.
    pub fn csrf_token(&self, session: &Session) -> Result<Secret, StoreError> {
        self.keys.csrf_token(session.sid, &session.salt)
    }

    /// Refuses a request with a cookie that changes something and does not show the session's CSRF token.
    ///
    /// # Errors
    /// [`SessionFault::Csrf`].
    pub fn demand_csrf(&self, session: &Session, csrf: Csrf<'_>) -> Result<(), SessionFault> {
        match csrf {
            Csrf::NotNeeded => Ok(()),
            // Secrets are compared in constant time.
            Csrf::Shown(shown) if self.csrf_token(session)? == Secret::new(shown) => Ok(()),
            Csrf::Shown(_) => Err(SessionFault::Csrf),
        }
    }
}
