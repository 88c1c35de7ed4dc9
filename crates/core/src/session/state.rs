//! A session as it is stored, and what becomes of it when a refresh token is presented.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use countersign_protocol::Timestamp;

use super::refresh::Salt;
use super::{SessionId, UserId};
use crate::limit::Rate;

/// How long things of a session last, and how many there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionPolicy {
    /// How long an access token lasts; up to a twentieth less, so that not all are refreshed at one time.
    pub access: Duration,
    /// How long a session lasts without a refresh.
    pub idle: Duration,
    /// How long it lasts at most. No refresh extends it.
    pub absolute: Duration,
    /// How long the predecessor of a refresh token still gives the same successor, once that was used.
    pub grace: Duration,
    /// How far the clocks of those who verify tokens may differ.
    pub skew: Duration,
    /// Sessions of one user. Beyond, the one that was idle longest ends.
    pub per_user: usize,
    /// How often one session may be refreshed. Answers with the same successor do not count.
    pub refreshes: Rate,
    /// How long the rows of ended sessions are kept.
    pub keep: Duration,
}

/// Once in a second, and ten times at once.
const REFRESHES: Rate = match (NonZeroU32::new(1), NonZeroU32::new(10)) {
    (Some(per_second), Some(burst)) => Rate { per_second, burst },
    _ => unreachable!(),
};

impl Default for SessionPolicy {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        Self {
            access: Duration::from_mins(10),
            idle: hours(12),
            absolute: hours(7 * 24),
            grace: Duration::from_secs(30),
            skew: Duration::from_secs(30),
            per_user: 20,
            refreshes: REFRESHES,
            keep: hours(7 * 24),
        }
    }
}

/// Which key signs the requests of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// A credential of the app through which the user logged in.
    App,
    /// The key that was returned at the login.
    Session,
    /// The caller's own, whose public half is this: the DER of its SubjectPublicKeyInfo.
    Client(Vec<u8>),
    /// None: requests are not signed, and whoever has the token is the user.
    Bearer,
}

impl Binding {
    /// Its name in a login, in rows and in answers.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Session => "session",
            Self::Client(_) => "client",
            Self::Bearer => "bearer",
        }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// The user logged out of it.
    Logout,
    /// The user logged out everywhere, or has another password.
    Everywhere,
    /// An old refresh token was presented after its successor had been used.
    Reuse,
    /// An operator ended it.
    Operator,
    /// The user was switched off.
    UserDisabled,
    /// Its time was over.
    Expired,
    /// The user began more sessions than may be.
    Evicted,
}

impl Ended {
    const ALL: [Self; 7] = [Self::Logout, Self::Everywhere, Self::Reuse, Self::Operator, Self::UserDisabled, Self::Expired, Self::Evicted];

    /// Its stable name, in rows, in the audit log and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Everywhere => "logout_all",
            Self::Reuse => "reuse",
            Self::Operator => "operator",
            Self::UserDisabled => "user_disabled",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ended| ended.as_str() == name)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A session that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub sid: SessionId,
    /// The user who logged in.
    pub user: UserId,
    /// The app through which it was.
    pub app: String,
    /// What its keys are derived with.
    pub salt: Salt,
    /// Which key signs its requests.
    pub binding: Binding,
    /// What it may do.
    pub scopes: Vec<String>,
    /// How the user proved to be it.
    pub methods: Vec<String>,
    /// When it began.
    pub created: Timestamp,
    /// When the user last proved to be it.
    pub authenticated: Timestamp,
    /// When it was last refreshed or used, to the minute.
    pub last_seen: Timestamp,
    /// When it ends unless it is refreshed.
    pub idle_ends: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
    /// Counts its refreshes: the current refresh token has this generation.
    pub generation: u64,
    /// When the current generation was made.
    pub rotated: Timestamp,
    /// The latest generation whose access token was used.
    pub confirmed: Option<u64>,
    /// The user's epoch at the login.
    pub epoch: u64,
    /// What the client called itself.
    pub agent: Option<String>,
    /// From where the login came.
    pub address_first: Option<String>,
    /// From where it was last refreshed.
    pub address_last: Option<String>,
    /// When and why it ended by itself.
    pub revoked: Option<(Timestamp, Ended)>,
}

/// A session with what its user is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The session.
    pub session: Session,
    /// Whether the user may be used.
    pub user_is_active: bool,
    /// The user's epoch now.
    pub user_epoch: u64,
}

impl Known {
    /// Why the session is over, if it is.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Option<Ended> {
        let session = &self.session;
        match session.revoked {
            Some((_, why)) => Some(why),
            None if !self.user_is_active => Some(Ended::UserDisabled),
            None if session.epoch != self.user_epoch => Some(Ended::Everywhere),
            None if now >= session.idle_ends || now >= session.ends => Some(Ended::Expired),
            None => None,
        }
    }
}

/// What becomes of a session whose authentic refresh token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotation {
    /// It has a new generation.
    Rotated,
    /// The token is the current one's predecessor, and gives the same successor.
    Same,
    /// The token is later than the store knows: it lost its last commits. It has a new generation, later than the token's.
    Adopted,
    /// The token was replaced, and its successor used: somebody else has one of the two.
    Reused,
    /// The session was over.
    Over(Ended),
    /// It would have a new generation, and has them too often: it stays as it is.
    TooMany,
}

impl Rotation {
    /// What becomes of this session, when this generation is presented now.
    pub(super) fn of(known: &Known, presented: u64, now: Timestamp, policy: &SessionPolicy) -> Self {
        if let Some(ended) = known.ended(now) {
            return Self::Over(ended);
        }
        let session = &known.session;
        let current = session.generation;
        if presented == current {
            return Self::Rotated;
        }
        // A MAC that holds was made here. A store that was restored knows less than its callers.
        if presented > current {
            return Self::Adopted;
        }
        // Whoever signs with the caller's own key is the caller, whichever of its tokens it kept.
        if matches!(session.binding, Binding::Client(_)) {
            return Self::Same;
        }
        let is_predecessor = presented + 1 == current;
        let unconfirmed = session.confirmed.is_none_or(|confirmed| confirmed < current);
        if is_predecessor && (unconfirmed || now <= session.rotated.plus(policy.grace)) { Self::Same } else { Self::Reused }
    }

    /// The generation that the session has then; `None` where it stays as it is.
    pub(super) fn next(self, current: u64, presented: u64) -> Option<u64> {
        match self {
            Self::Rotated => Some(current.saturating_add(1)),
            Self::Adopted => Some(presented.saturating_add(1)),
            Self::Same | Self::Reused | Self::Over(_) | Self::TooMany => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    /// At generation 5, which was made at 1,000.
    fn known(binding: Binding, confirmed: Option<u64>) -> Known {
        let session = Session {
            sid: SessionId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            app: "shop".to_owned(),
            salt: [3; 16],
            binding,
            scopes: Vec::new(),
            methods: vec!["pwd".to_owned()],
            created: at(0),
            authenticated: at(0),
            last_seen: at(1_000),
            idle_ends: at(5_000),
            ends: at(9_000),
            generation: 5,
            rotated: at(1_000),
            confirmed,
            epoch: 2,
            agent: None,
            address_first: None,
            address_last: None,
            revoked: None,
        };
        Known { session, user_is_active: true, user_epoch: 2 }
    }

    fn rotation(known: &Known, presented: u64, now: i64) -> Rotation {
        Rotation::of(known, presented, at(now), &SessionPolicy::default())
    }

    #[test]
    fn the_current_token_gives_a_new_generation() {
        assert_eq!(rotation(&known(Binding::App, None), 5, 1_001), Rotation::Rotated);
        assert_eq!(Rotation::Rotated.next(5, 5), Some(6));
    }

    #[test]
    fn the_predecessor_gives_the_same_successor_until_that_was_used_and_for_a_while_after() {
        for (confirmed, now, wanted) in [
            (Some(5), 1_030, Rotation::Same),
            (Some(5), 1_031, Rotation::Reused),
            (Some(4), 1_031, Rotation::Same),
            (None, 4_999, Rotation::Same),
            (Some(6), 1_031, Rotation::Reused),
        ] {
            let found = rotation(&known(Binding::Session, confirmed), 4, now);
            assert_eq!((found, found.next(5, 4)), (wanted, None), "{confirmed:?} at {now}");
        }
    }

    #[test]
    fn what_is_older_than_the_predecessor_is_a_reuse() {
        for now in [1_000, 1_001] {
            assert_eq!(rotation(&known(Binding::App, None), 3, now), Rotation::Reused);
            assert_eq!(rotation(&known(Binding::App, None), 0, now), Rotation::Reused);
        }
    }

    #[test]
    fn a_session_without_a_key_is_as_strict() {
        for (presented, confirmed, now, wanted) in [
            (4, Some(5), 1_030, Rotation::Same),
            (4, Some(5), 1_031, Rotation::Reused),
            (3, None, 1_000, Rotation::Reused),
            (5, None, 1_001, Rotation::Rotated),
        ] {
            assert_eq!(rotation(&known(Binding::Bearer, confirmed), presented, now), wanted, "{presented} {confirmed:?} at {now}");
        }
    }

    #[test]
    fn a_token_from_after_the_last_known_commit_is_adopted() {
        for presented in [6, 9] {
            let found = rotation(&known(Binding::App, Some(5)), presented, 1_500);
            assert_eq!((found, found.next(5, presented)), (Rotation::Adopted, Some(presented + 1)));
        }
        assert_eq!(Rotation::Adopted.next(5, u64::MAX), Some(u64::MAX));
    }

    #[test]
    fn the_callers_own_key_takes_the_place_of_rotation() {
        for presented in 0..5 {
            assert_eq!(rotation(&known(Binding::Client(vec![1]), Some(5)), presented, 4_000), Rotation::Same);
        }
    }

    #[test]
    fn nothing_comes_of_a_session_that_is_over() {
        let over = |known: &Known, now| rotation(known, 5, now);
        let live = known(Binding::App, None);
        assert_eq!(over(&live, 4_999), Rotation::Rotated);
        assert_eq!(over(&live, 5_000), Rotation::Over(Ended::Expired), "idle");
        let long = Known { session: Session { idle_ends: at(20_000), ..live.session.clone() }, ..live };
        assert_eq!(over(&long, 8_999), Rotation::Rotated);
        assert_eq!(over(&long, 9_000), Rotation::Over(Ended::Expired), "absolute");
        assert_eq!(over(&Known { user_is_active: false, ..live.clone() }, 1_001), Rotation::Over(Ended::UserDisabled));
        assert_eq!(over(&Known { user_epoch: 3, ..live.clone() }, 1_001), Rotation::Over(Ended::Everywhere));
        for why in Ended::ALL {
            let ended = Known { session: Session { revoked: Some((at(1_000), why)), ..live.session.clone() }, ..live.clone() };
            for presented in [4, 5, 6] {
                assert_eq!(rotation(&ended, presented, 1_001), Rotation::Over(why));
            }
            assert_eq!(Ended::from_name(why.as_str()), Some(why));
        }
    }
}
