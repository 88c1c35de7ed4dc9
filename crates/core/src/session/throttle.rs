//! How often a password may be guessed: for one account, from one address, and at this gateway.
//!
//! Nobody is locked out for good, because whoever knows a name could lock its user out. An account that many have guessed at waits, at most a
//! quarter of an hour; each guess counts as wrong before it is looked at, so that many at one time are not one.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_protocol::{Secret, Timestamp};

use super::authenticate::Attempt;
use crate::error::StoreError;
use crate::store::Answer;

#[cfg(feature = "postgres")]
mod postgres;
mod rule;
mod sqlite;

pub use rule::{Delays, Rule, Tally};

/// The time of a rate.
const MINUTE: Duration = Duration::from_secs(60);
/// Guesses at one gateway in a minute, for each core.
const PER_CORE: u32 = 50;
/// How often what is over is removed: at each of so many guesses.
const TIDY_EVERY: u32 = 256;

/// Where guesses are counted: a keyed digest, which tells neither the name nor the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bucket([u8; 32]);

/// What guesses are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The name of an account, whether there is one or not.
    Account(&'a str),
    /// The peer's address; of IPv6 its network of 64 bits.
    Address(IpAddr),
}

impl Bucket {
    fn of(key: &Secret, subject: Subject<'_>) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        let mut context = hmac::Context::with_key(&key);
        match subject {
            Subject::Account(name) => {
                context.update(b"login throttle account|");
                context.update(name.as_bytes());
            }
            Subject::Address(address) => match address.to_canonical() {
                IpAddr::V4(address) => {
                    context.update(b"login throttle ipv4|");
                    context.update(&address.octets());
                }
                IpAddr::V6(address) => {
                    context.update(b"login throttle ipv6|");
                    context.update(&address.octets()[..8]);
                }
            },
        }
        let mut bucket = [0; 32];
        bucket.copy_from_slice(context.sign().as_ref());
        Self(bucket)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Where guesses are counted, for every gateway that shares the store.
pub trait ThrottleStore: fmt::Debug + Send + Sync {
    /// Where guesses for this subject are counted.
    fn bucket(&self, subject: Subject<'_>) -> Bucket;

    /// Counts a guess, or tells until when it has to wait. Of two at one time, the second sees the first.
    fn count(&self, bucket: Bucket, rule: Rule, now: Timestamp) -> Answer<'_, Result<Tally, Timestamp>>;

    /// Forgets what was counted.
    fn forget(&self, bucket: Bucket) -> Answer<'_, ()>;

    /// Removes what is over; and of the rest, where there are more than `most`, those with the fewest guesses.
    fn tidy(&self, now: Timestamp, most: u32) -> Answer<'_, ()>;
}

/// How often guesses may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleLimits {
    /// From one address in a minute; `None` where all peers share one, as behind a proxy that does not tell theirs.
    pub per_address: Option<u32>,
    /// At this gateway in a minute.
    pub per_gateway: u32,
    /// How long an account waits after wrong guesses.
    pub delays: Delays,
    /// Accounts and addresses that are remembered, and up to 256 more for each gateway.
    pub remembered: u32,
}

impl Default for ThrottleLimits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let per_gateway = PER_CORE.saturating_mul(u32::try_from(cores).unwrap_or(1));
        Self { per_address: Some(20), per_gateway, delays: Delays::default(), remembered: 200_000 }
    }
}

/// There are too many guesses from this address, or at this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    /// When it is worth trying again.
    pub retry_after: Duration,
}

/// The throttle of one gateway, over a store that others may share.
#[derive(Debug)]
pub struct Throttle {
    store: Arc<dyn ThrottleStore>,
    limits: ThrottleLimits,
    /// The guesses of this minute.
    here: Mutex<Option<Tally>>,
    guesses: AtomicU32,
}

impl Throttle {
    /// A throttle that has seen nothing yet but what the store remembers.
    #[must_use]
    pub const fn new(store: Arc<dyn ThrottleStore>, limits: ThrottleLimits) -> Self {
        Self { store, limits, here: Mutex::new(None), guesses: AtomicU32::new(0) }
    }

    /// Counts a guess from this address, before anything is spent on it.
    ///
    /// # Errors
    /// The store does not answer: then nobody may guess.
    pub async fn arrive(&self, address: IpAddr, now: Timestamp) -> Result<Result<(), TooMany>, StoreError> {
        let refused = |until: Timestamp| {
            let millis = until.millis().saturating_sub(now.millis());
            Ok(Err(TooMany { retry_after: Duration::from_millis(millis.unsigned_abs()) }))
        };
        // The address first, so that one peer cannot use up the guesses of all.
        if let Some(most) = self.limits.per_address {
            let bucket = self.store.bucket(Subject::Address(address));
            if let Err(until) = self.store.count(bucket, Rule::Rate { most, time: MINUTE }, now).await? {
                return refused(until);
            }
        }
        let rule = Rule::Rate { most: self.limits.per_gateway, time: MINUTE };
        let counted = {
            let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
            rule.decide(*here, now).map(|tally| *here = Some(tally))
        };
        counted.map_or_else(refused, |()| Ok(Ok(())))
    }

    /// The same for an attempt, unless it was counted already.
    ///
    /// # Errors
    /// As [`Throttle::arrive`].
    pub async fn arrive_once(&self, attempt: &Attempt<'_>) -> Result<Result<(), TooMany>, StoreError> {
        if attempt.is_counted { Ok(Ok(())) } else { self.arrive(attempt.address, attempt.now).await }
    }

    /// Counts a guess at this account, as a wrong one. `false` while the account has to wait: then the right password is refused too.
    ///
    /// # Errors
    /// The store does not answer: then nobody may guess.
    pub async fn begin(&self, account: &str, now: Timestamp) -> Result<bool, StoreError> {
        if self.guesses.fetch_add(1, Ordering::Relaxed).is_multiple_of(TIDY_EVERY) {
            self.store.tidy(now, self.limits.remembered).await?;
        }
        let bucket = self.store.bucket(Subject::Account(account));
        Ok(self.store.count(bucket, Rule::Account(self.limits.delays), now).await?.is_ok())
    }

    /// Forgets the guesses at an account whose user has come.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn succeeded(&self, account: &str) -> Result<(), StoreError> {
        self.store.forget(self.store.bucket(Subject::Account(account))).await
    }
}

#[cfg(test)]
mod suite;
