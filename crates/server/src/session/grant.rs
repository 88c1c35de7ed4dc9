//! The answer to a login or a refresh: what it says, and where its tokens ride.

use bytes::Bytes;
use countersign_core::session::{Binding, Grant, client_key_id};
use countersign_protocol::{Reason, Refusal, Secret, Timestamp};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::cookie::{CSRF_HEADER, CookieSettings};
use super::plain::PlainDelivery;
use super::{Call, json as answer, unavailable};
use crate::refused::Refused;

/// The header in which a refresh token is given.
pub(super) const REFRESH_HEADER: &str = "x-refresh-token";

/// Where tokens ride.
#[derive(Debug, Clone, Copy)]
pub(super) enum Delivery<'s> {
    Body,
    Header,
    Cookie(&'s CookieSettings),
}

impl<'s> Delivery<'s> {
    pub(super) const fn of_plain(deliver: &'s PlainDelivery) -> Self {
        match deliver {
            PlainDelivery::Body => Self::Body,
            PlainDelivery::Header => Self::Header,
            PlainDelivery::Cookie(cookies) => Self::Cookie(cookies),
        }
    }
}

impl Call<'_> {
    /// Both tokens, how long they last, and the key that signs from now on where there is one.
    pub(super) fn granted(&self, grant: &Grant, now: Timestamp) -> Result<Response<Bytes>, Refused> {
        let (session, delivery) = (&grant.session, self.desk.delivery(&grant.session.binding));
        let left = |end: Timestamp| (end.millis() - now.millis()).max(0) / 1_000;
        let mut body = json!({
            "token_type": token_type(&session.binding),
            "expires_in": left(grant.access_ends),
            "expires_at": grant.access_ends.seconds(),
            "refresh_expires_in": left(session.idle_ends),
            "session_id": session.sid.to_string(),
            "session_expires_at": session.ends.seconds(),
            "user": { "id": session.user.to_string(), "name": grant.user },
            "scope": grant.scopes.join(" "),
            "binding": session.binding.as_str(),
        });
        if session.binding != Binding::Bearer {
            body["header"] = self.desk.settings.header.as_str().into();
        }
        if let Some((key_id, key)) = &grant.request_key {
            body["session_key"] = json!({ "key_id": key_id, "secret": text(key) });
        }
        if matches!(session.binding, Binding::Client(_)) {
            body["key_id"] = Value::from(client_key_id(session.sid));
        }
        let (access, refresh) = (&grant.access_token, &grant.refresh_token);
        match delivery {
            Delivery::Body => {
                (body["access_token"], body["refresh_token"]) = (text(access), text(refresh));
                Ok(answer(StatusCode::OK, &body))
            }
            Delivery::Header => {
                let mut answer = answer(StatusCode::OK, &body);
                for (name, token) in [(self.desk.settings.header.as_str(), access), (REFRESH_HEADER, refresh)] {
                    let line = HeaderName::try_from(name).ok().zip(HeaderValue::from_bytes(token.expose()).ok());
                    let (name, mut value) = line.ok_or_else(|| Refusal::new(Reason::Internal, "a token cannot stand in a header"))?;
                    value.set_sensitive(true);
                    answer.headers_mut().insert(name, value);
                }
                Ok(answer)
            }
            Delivery::Cookie(cookies) => {
                let csrf = self.desk.sessions.csrf_token(session).map_err(|error| unavailable(&error))?;
                (body["csrf_token"], body["csrf_header"]) = (text(&csrf), CSRF_HEADER.into());
                let mut answer = answer(StatusCode::OK, &body);
                // The access token's too: that it is over is for the server to say.
                cookies.give(answer.headers_mut(), access, refresh, left(session.idle_ends))?;
                Ok(answer)
            }
        }
    }
}

/// How a token of such a session is used.
pub(super) const fn token_type(binding: &Binding) -> &'static str {
    match binding {
        Binding::Bearer => "Bearer",
        Binding::App | Binding::Session | Binding::Client(_) => "Signed",
    }
}

fn text(secret: &Secret) -> Value {
    // Tokens and keys are base64url.
    String::from_utf8_lossy(secret.expose()).into_owned().into()
}
