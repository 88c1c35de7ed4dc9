//! Seeing and ending sessions: logout, everywhere or one by one, who is there, and what a token is worth.

use bytes::Bytes;
use countersign_core::session::{Ended, Presented, RefreshToken, Session, SessionFault, SessionId, UserSession};
use countersign_protocol::{Reason, Refusal, Timestamp};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::grant::token_type;
use super::login::refused;
use super::{Call, invalid, json as answer, nothing, unavailable};
use crate::refused::Refused;

impl Call<'_> {
    /// Ends the session of the token, also of one that is over: whoever logs out is logged out.
    pub(super) async fn logout(&self) -> Result<Response<Bytes>, Refused> {
        let (now, sessions) = (self.admission.now(), &self.desk.sessions);
        let sid = match self.plain.as_ref().and_then(|plain| plain.refresh.as_ref()) {
            Some(refresh) => sessions.unsigned_session(Presented::Refresh(refresh.expose()), now).await.map(|session| session.sid),
            None => sessions.of_ended(self.token()?, &self.caller, now).await,
        };
        self.end(sid.map_err(|fault| refused(&fault))?, Ended::Logout).await?;
        self.gone()
    }

    /// The answer to whoever is logged out: a browser forgets its cookies.
    fn gone(&self) -> Result<Response<Bytes>, Refused> {
        let mut answer = nothing();
        let cookies = self.desk.cookies().filter(|_| self.plain.as_ref().is_some_and(|plain| plain.by_cookie));
        cookies.map(|cookies| cookies.take(answer.headers_mut())).transpose()?;
        Ok(answer)
    }

    /// Ends every session of the user.
    pub(super) async fn logout_all(&self) -> Result<Response<Bytes>, Refused> {
        let found = self.user().await?;
        self.record("end all sessions", format!("user={}", found.session.user)).await?;
        self.desk.sessions.store().raise_epoch(found.session.user).await.map_err(|error| unavailable(&error))?;
        self.gone()
    }

    /// The user's sessions.
    pub(super) async fn list(&self) -> Result<Response<Bytes>, Refused> {
        let found = self.user().await?;
        let sessions = self.desk.sessions.store().sessions_of(found.session.user, self.admission.now()).await;
        let rows = sessions.map_err(|error| unavailable(&error))?;
        let rows: Vec<Value> = rows.iter().map(|session| row(session, found.session.sid)).collect();
        Ok(answer(StatusCode::OK, &json!({ "sessions": rows })))
    }

    /// Ends one of the user's own sessions. One of another user is not there.
    pub(super) async fn end_one(&self, sid: &str) -> Result<Response<Bytes>, Refused> {
        let found = self.user().await?;
        let sid = SessionId::parse(sid).ok_or(Reason::NotFound)?;
        let known = self.desk.sessions.store().session(sid).await.map_err(|error| unavailable(&error))?;
        if known.is_none_or(|known| known.session.user != found.session.user) {
            return Err(Reason::NotFound.into());
        }
        self.end(sid, Ended::Logout).await?;
        Ok(nothing())
    }

    /// Who the user is.
    pub(super) async fn whoami(&self) -> Result<Response<Bytes>, Refused> {
        let UserSession { token, session } = self.user().await?;
        let scope = token.scope.clone();
        let body = json!({
            "user": { "id": token.sub.to_string(), "name": token.u.name, "roles": token.u.roles },
            "scope": scope,
            "session_id": session.sid.to_string(),
            "app": session.app,
            "binding": session.binding.as_str(),
            "authenticated_at": session.authenticated.seconds(),
            "expires_at": token.exp,
            "session_expires_at": session.ends.seconds(),
        });
        Ok(answer(StatusCode::OK, &body))
    }

    /// What a token of this app is worth (RFC 7662). Of any other, and of what is none, only that it is not active is told.
    pub(super) async fn introspect(&self) -> Result<Response<Bytes>, Refused> {
        let text = self.form_token()?;
        let inactive = answer(StatusCode::OK, &json!({ "active": false }));
        let now = self.admission.now();
        let found = match self.desk.sessions.of_app(&text, self.caller.app, now).await {
            Ok(found) => found,
            Err(SessionFault::Store(error)) => return Err(unavailable(&error)),
            Err(_) => return Ok(inactive),
        };
        let UserSession { token, session } = found;
        let body = json!({
            "active": true, "scope": token.scope, "client_id": token.client_id, "username": token.u.name, "token_type": token_type(&session.binding),
            "exp": token.exp, "iat": token.iat, "sub": token.sub.to_string(), "aud": token.aud, "iss": token.iss,
            "jti": token.jti.to_string(), "sid": session.sid.to_string(), "auth_time": token.auth_time,
        });
        Ok(answer(StatusCode::OK, &body))
    }

    /// Ends the session of a token of this app (RFC 7009). The answer is the same for a token that is none.
    pub(super) async fn revoke(&self) -> Result<Response<Bytes>, Refused> {
        let text = self.form_token()?;
        let now = self.admission.now();
        let sid = match RefreshToken::parse(text.as_bytes()) {
            Some(token) => self.desk.sessions.of_refresh_token(&token, self.caller.app).await.map_err(|fault| refused(&fault))?,
            None => match self.desk.sessions.of_app(&text, self.caller.app, now).await {
                Ok(found) => Some(found.session.sid),
                Err(SessionFault::Store(error)) => return Err(unavailable(&error)),
                Err(_) => None,
            },
        };
        if let Some(sid) = sid {
            self.end(sid, Ended::Logout).await?;
        }
        Ok(answer(StatusCode::OK, &json!({})))
    }

    /// The user of the access token that came with the request.
    async fn user(&self) -> Result<UserSession, Refused> {
        let now: Timestamp = self.admission.now();
        self.desk.sessions.check(self.token()?, &self.caller, now).await.map_err(|fault| refused(&fault))
    }

    async fn end(&self, sid: SessionId, why: Ended) -> Result<(), Refused> {
        self.record("end a session", format!("session={sid} {why}")).await?;
        let ended = self.desk.sessions.end(sid, why, self.admission.now()).await.map_err(|error| unavailable(&error))?;
        if ended {
            self.counts.end();
            tracing::info!(session = %sid, app = self.caller.app, %why, "a session ended");
        }
        Ok(())
    }

    /// The parameter `token` of a form, which is there once.
    fn form_token(&self) -> Result<String, Refusal> {
        let kind = self.head.values("content-type").next().unwrap_or_default().to_ascii_lowercase();
        if !kind.starts_with(b"application/x-www-form-urlencoded") {
            return Err(invalid("the body is no application/x-www-form-urlencoded"));
        }
        let pairs = self.body.split(|b| *b == b'&').filter_map(|pair| pair.strip_prefix(b"token="));
        let mut tokens = pairs.map(crate::route::decoded);
        match (tokens.next(), tokens.next()) {
            // Tokens are base64url and dots: a plus that stands for a space makes none.
            (Some(token), None) => String::from_utf8(token).map_err(|_| invalid("token is no text")),
            (None, _) => Err(invalid("token is missing")),
            (Some(_), Some(_)) => Err(invalid("token is there twice")),
        }
    }
}

fn row(session: &Session, current: SessionId) -> Value {
    json!({
        "session_id": session.sid.to_string(),
        "current": session.sid == current,
        "app": session.app,
        "binding": session.binding.as_str(),
        "created_at": session.created.seconds(),
        "last_seen_at": session.last_seen.seconds(),
        "expires_at": session.ends.seconds(),
        "agent": session.agent,
        "address": session.address_last.as_ref().or(session.address_first.as_ref()),
    })
}
