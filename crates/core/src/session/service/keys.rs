//! The keys that sign the requests of a session, found by the ids that its login names.

use countersign_protocol::{KeyMaterial, KeyPair};

use super::{SessionStores, Sessions};
use crate::admission::SessionKey;
use crate::error::StoreError;
use crate::session::{Binding, SessionId};

/// What the ids of these keys begin with.
const SESSION: &str = "sk_";
const CLIENT: &str = "ck_";

/// The id of the key that was returned at a login.
#[must_use]
pub fn session_key_id(sid: SessionId) -> String {
    format!("{SESSION}{sid}")
}

/// The id under which the caller's own key signs after a login.
#[must_use]
pub fn client_key_id(sid: SessionId) -> String {
    format!("{CLIENT}{sid}")
}

/// The session that this key id belongs to, and whether its key is the caller's own.
pub(super) fn session_of(key_id: &str) -> Option<(SessionId, bool)> {
    let session = |prefix| key_id.strip_prefix(prefix).and_then(SessionId::parse);
    session(SESSION).map(|sid| (sid, false)).or_else(|| session(CLIENT).map(|sid| (sid, true)))
}

/// The key of this id. Who still holds that of a session that is over is told so by the check of its token.
pub(super) async fn find(sessions: &Sessions, key_id: &str) -> Result<Option<SessionKey>, StoreError> {
    let Some((sid, is_own)) = session_of(key_id) else { return Ok(None) };
    let store: &dyn SessionStores = &**sessions.store();
    let Some(known) = store.session(sid).await? else { return Ok(None) };
    let session = known.session;
    let material = match (&session.binding, is_own) {
        (Binding::Session, false) => KeyMaterial::Hmac(sessions.keys().request_key(sid, &session.salt)?),
        (Binding::Client(key), true) => {
            let damaged = |_| StoreError::Corrupt { row: "session".to_owned(), fault: "its public key" };
            KeyMaterial::Pair(KeyPair::from_public_der(key).map_err(damaged)?)
        }
        _ => return Ok(None),
    };
    Ok(Some(SessionKey { app: session.app, material, created: session.created }))
}
