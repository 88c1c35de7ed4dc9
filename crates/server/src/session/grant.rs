//! The answer to a login or a refresh.

use bytes::Bytes;
use countersign_core::session::{Binding, Grant, client_key_id};
use countersign_protocol::{Secret, Timestamp};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{SessionSettings, json as answer};

/// Both tokens, how long they last, and the key that signs from now on where there is one.
pub(super) fn granted(grant: &Grant, settings: &SessionSettings, now: Timestamp) -> Response<Bytes> {
    let session = &grant.session;
    let left = |end: Timestamp| (end.millis() - now.millis()).max(0) / 1_000;
    let mut body = json!({
        "access_token": text(&grant.access_token),
        "token_type": "Signed",
        "header": settings.header,
        "expires_in": left(grant.access_ends),
        "expires_at": grant.access_ends.seconds(),
        "refresh_token": text(&grant.refresh_token),
        "refresh_expires_in": left(session.idle_ends),
        "session_id": session.sid.to_string(),
        "session_expires_at": session.ends.seconds(),
        "user": { "id": session.user.to_string(), "name": grant.user },
        "scope": grant.scopes.join(" "),
        "binding": session.binding.as_str(),
    });
    if let Some((key_id, key)) = &grant.request_key {
        body["session_key"] = json!({ "key_id": key_id, "secret": text(key) });
    }
    if matches!(session.binding, Binding::Client(_)) {
        body["key_id"] = Value::from(client_key_id(session.sid));
    }
    answer(StatusCode::OK, &body)
}

fn text(secret: &Secret) -> Value {
    // Tokens and keys are base64url.
    String::from_utf8_lossy(secret.expose()).into_owned().into()
}
