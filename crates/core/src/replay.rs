//! The replay guard: each signed request, nonce or event is reserved once, until nothing could accept it any more.

use std::fmt::{self, Debug};
use std::time::Duration;

use countersign_protocol::Timestamp;

use crate::store::Answer;

pub(crate) mod keeping;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod sqlite;

pub use memory::MemoryGuard;
#[cfg(feature = "redis")]
pub use redis::RedisGuard;
pub use sqlite::SqliteGuard;

/// What is reserved: a keyed hash, so that a stolen store tells nothing about nonces or requests.
pub type ReplayKey = [u8; 32];

/// How much a guard holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayLimits {
    /// The most entries in all.
    pub total: usize,
    /// The most entries of one app, so that it cannot fill the guard for others.
    pub per_app: usize,
}

impl Default for ReplayLimits {
    fn default() -> Self {
        Self { total: 10_000_000, per_app: 1_000_000 }
    }
}

/// How full a guard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    /// The entries that are held, expired ones that were not looked for yet included.
    pub entries: usize,
    /// The most entries in all.
    pub most: usize,
}

/// One thing to reserve.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The hash of what must not come twice.
    pub key: ReplayKey,
    /// The app that it counts for.
    pub app: &'a str,
    /// The last instant at which the request could be accepted: absolute, from its signed time.
    pub expires_at: Timestamp,
    /// The current time.
    pub now: Timestamp,
    /// What decides whether a memory that was lost may have held it.
    pub age: Age,
}

/// How old a request and its credential are.
#[derive(Debug, Clone, Copy)]
pub struct Age {
    /// The signed time.
    pub signed: Option<Timestamp>,
    /// When the credential was registered.
    pub credential: Timestamp,
    /// How long any request of this kind could be accepted at most.
    pub span: Duration,
    /// How far ahead of the clock a request of this kind may be signed.
    pub ahead: Duration,
}

/// Whoever holds this made the reservation, and may take it back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Owner(pub(crate) u64);

impl Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner")
    }
}

/// What came of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// It is new, and reserved now.
    Reserved(Owner),
    /// It is there already.
    Seen {
        /// Whether whoever reserved it has also committed it.
        committed: bool,
    },
    /// It may have been there before the memory was lost.
    Doubted,
    /// There is no room, in all or for this app.
    Full,
    /// The clock stands before an instant at which entries like this one were already forgotten.
    SteppedBack,
}

/// A store of reservations. When in doubt, an entry stays: a request is refused rather than accepted twice.
pub trait ReplayGuard: Debug + Send + Sync {
    /// Reserves the entry if and only if it is not there. A durable guard answers after it is on disk.
    fn reserve<'a>(&'a self, entry: Entry<'a>) -> Answer<'a, Reserve>;

    /// Notes that the owner has done with it what it was reserved for; from now on it cannot be released.
    fn commit(&self, key: ReplayKey, owner: Owner) -> Answer<'_, ()>;

    /// Forgets the entry if and only if this owner reserved it and did not commit it.
    fn release<'a>(&'a self, key: ReplayKey, app: &'a str, owner: Owner) -> Answer<'a, ()>;

    /// Since when the guard remembers, as far as is known.
    fn epoch(&self) -> Option<Epoch>;

    /// How full it is; `None` where it cannot tell.
    fn occupancy(&self) -> Answer<'_, Option<Occupancy>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// The beginning of a guard's memory. What was signed before it may have been accepted by a memory that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    started: Timestamp,
    first: bool,
}

impl Epoch {
    /// A memory that begins now. It is the first one, and nothing was lost, if and only if the credential store holds no
    /// credential yet.
    #[must_use]
    pub const fn begin(now: Timestamp, store_is_empty: bool) -> Self {
        Self { started: now, first: store_is_empty }
    }

    /// When it began.
    #[must_use]
    pub const fn started(self) -> Timestamp {
        self.started
    }

    /// Whether a request could have been accepted before this epoch, under a credential that is older than the epoch: one that was signed before it,
    /// or as far ahead of the clock as is allowed; one without time within one window after it.
    #[must_use]
    pub fn doubts(self, age: Age, now: Timestamp) -> bool {
        if self.first || age.credential >= self.started {
            return false;
        }
        age.signed.unwrap_or(now) < self.recovered_at(age)
    }

    /// From when on a request of this kind that is signed then is doubted no more.
    #[must_use]
    pub fn recovered_at(self, age: Age) -> Timestamp {
        self.started.plus(if age.signed.is_some() { age.ahead } else { age.span })
    }
}

#[cfg(test)]
mod suite;
