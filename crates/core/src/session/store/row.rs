//! A session's row, read back: the same for every database.

use countersign_protocol::Timestamp;

use crate::error::StoreError;
use crate::session::{Binding, Ended, Known, Session, SessionId, UserId};

/// The columns of a [`SessionRow`], of a table that is called `s` beside the users `u`.
pub(super) const COLUMNS: &str = "s.sid, s.user_id, s.app, s.salt, s.created, s.authenticated, s.last_seen, s.idle_ends, s.ends, s.generation, s.rotated, \
     s.confirmed, s.epoch, s.binding, s.bound_key, s.scopes, s.methods, s.agent, s.address_first, s.address_last, s.revoked, s.revoke_reason, \
     u.status, u.epoch";

/// What makes a session one that is not over: of a table `s` beside `u`, with the current time as the second parameter.
pub(in crate::session) const LIVE: &str =
    "s.revoked IS NULL AND u.status = 'active' AND s.epoch = u.epoch AND s.idle_ends > $2 AND s.ends > $2";

/// What is stored of an access token that was never used.
pub(super) const UNCONFIRMED: i64 = -1;

/// A session as it is stored.
pub(super) struct SessionRow {
    pub(super) sid: Vec<u8>,
    pub(super) user: String,
    pub(super) app: String,
    pub(super) salt: Vec<u8>,
    /// `created`, `authenticated`, `last_seen`, `idle_ends`, `ends`, `generation`, `rotated`, `confirmed`, `epoch`.
    pub(super) numbers: [i64; 9],
    pub(super) binding: String,
    pub(super) bound_key: Option<Vec<u8>>,
    pub(super) scopes: String,
    pub(super) methods: String,
    /// `agent`, `address_first`, `address_last`.
    pub(super) notes: [Option<String>; 3],
    pub(super) revoked: Option<i64>,
    pub(super) revoke_reason: Option<String>,
    pub(super) user_status: String,
    pub(super) user_epoch: i64,
}

impl SessionRow {
    pub(super) fn known(self) -> Result<Known, StoreError> {
        let damaged = |fault| StoreError::Corrupt { row: "session".to_owned(), fault };
        let instant = |millis| Timestamp::from_millis(millis).ok_or_else(|| damaged("its dates"));
        let texts = |text: &str| serde_json::from_str(text).map_err(|_| damaged("its lists"));
        let [created, authenticated, last_seen, idle_ends, ends, generation, rotated, confirmed, epoch] = self.numbers;
        let binding = match (self.binding.as_str(), self.bound_key) {
            ("app", None) => Binding::App,
            ("session", None) => Binding::Session,
            ("client", Some(key)) => Binding::Client(key),
            ("bearer", None) => Binding::Bearer,
            _ => return Err(damaged("its binding")),
        };
        let revoked = match (self.revoked, self.revoke_reason.as_deref().map(Ended::from_name)) {
            (None, None) => None,
            (Some(at), Some(Some(why))) => Some((instant(at)?, why)),
            _ => return Err(damaged("its end")),
        };
        let [agent, address_first, address_last] = self.notes;
        let session = Session {
            sid: SessionId::from_bytes(self.sid.try_into().map_err(|_| damaged("its id"))?),
            user: UserId::parse(&self.user).ok_or_else(|| damaged("its user"))?,
            app: self.app,
            salt: self.salt.try_into().map_err(|_| damaged("its salt"))?,
            binding,
            scopes: texts(&self.scopes)?,
            methods: texts(&self.methods)?,
            created: instant(created)?,
            authenticated: instant(authenticated)?,
            last_seen: instant(last_seen)?,
            idle_ends: instant(idle_ends)?,
            ends: instant(ends)?,
            generation: generation.cast_unsigned(),
            rotated: instant(rotated)?,
            confirmed: (confirmed != UNCONFIRMED).then_some(confirmed.cast_unsigned()),
            epoch: epoch.cast_unsigned(),
            agent,
            address_first,
            address_last,
            revoked,
        };
        Ok(Known { session, user_is_active: self.user_status == "active", user_epoch: self.user_epoch.cast_unsigned() })
    }
}

/// The key that a session is bound to, where it is the caller's own.
pub(super) fn bound_key(binding: &Binding) -> Option<&[u8]> {
    match binding {
        Binding::Client(key) => Some(key),
        Binding::App | Binding::Session | Binding::Bearer => None,
    }
}

/// A list of texts, as it is stored.
pub(super) fn list(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}
