//! Where sessions are kept: one row each, however often it is refreshed.

use std::fmt::Debug;
use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};

use super::{Ended, Known, RefreshLimit, Rotation, Session, SessionId, SessionPolicy, UserId};
use crate::store::Answer;

#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod sqlite;

pub(super) use row::LIVE;

/// A refresh, as a store carries it out.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// The session.
    pub sid: SessionId,
    /// The generation of the token that was presented; its MAC held.
    pub presented: u64,
    /// The current time.
    pub now: Timestamp,
    /// From where it came.
    pub address: Option<String>,
    /// The rules.
    pub policy: SessionPolicy,
    /// What counts sessions that move on, by the rate of the rules.
    pub limit: Arc<RefreshLimit>,
}

impl Refresh {
    /// What becomes of this session, which is moved accordingly; and whether that has to be written.
    fn judge(self, known: &mut Known) -> (Rotation, bool) {
        let Self { presented, now, address, policy, limit, .. } = self;
        let rotation = Rotation::of(known, presented, now, &policy);
        let session = &mut known.session;
        let Some(next) = rotation.next(session.generation, presented) else { return (rotation, false) };
        // Here, where of many with one token one moves the session: the others are given its answer, and are not counted.
        if !limit.takes(session.sid, presented, policy.refreshes, now) {
            return (Rotation::TooMany, false);
        }
        (session.generation, session.rotated, session.last_seen) = (next, now, now);
        session.idle_ends = now.plus(policy.idle).min(session.ends);
        session.address_last = address.or_else(|| session.address_last.take());
        (rotation, true)
    }
}

/// A store of sessions. What ends a session is seen by every process within a second: [`SessionStore::session_revision`] changes.
pub trait SessionStore: Debug + Send + Sync {
    /// The key from which the keys of sessions are derived. It stays the same when the master key is replaced.
    fn session_key(&self) -> &Secret;

    /// Keeps a session that begins. Gives those that the user has beyond this number, the one that was idle longest first.
    fn begin(&self, session: Session, most: usize) -> Answer<'_, Vec<SessionId>>;

    /// The session with this id, with what its user is now.
    fn session(&self, sid: SessionId) -> Answer<'_, Option<Known>>;

    /// In one transaction: what becomes of the session by [`Rotation`], and the session as it is then. `None` where there is none. A session that has to end
    /// because of it is ended by whoever asked.
    fn refresh(&self, refresh: Refresh) -> Answer<'_, Option<(Rotation, Known)>>;

    /// Notes that an access token of this generation was used.
    fn confirm(&self, sid: SessionId, generation: u64) -> Answer<'_, ()>;

    /// Ends a session, if it is not over yet: whether this call did.
    fn end(&self, sid: SessionId, why: Ended, now: Timestamp) -> Answer<'_, bool>;

    /// At most [`crate::store::PAGE`] sessions of a user that are not over, the one that was used last first.
    fn sessions_of(&self, user: UserId, now: Timestamp) -> Answer<'_, Vec<Session>>;

    /// How many sessions are not over.
    fn count_sessions(&self, now: Timestamp) -> Answer<'_, u64>;

    /// Forgets sessions that were over before this instant, at most a page of them: how many.
    fn forget_sessions(&self, before: Timestamp) -> Answer<'_, usize>;

    /// A number that changes when sessions, users or signing keys end, also by another process.
    fn session_revision(&self) -> Answer<'_, u64>;
}

#[cfg(test)]
mod suite;
