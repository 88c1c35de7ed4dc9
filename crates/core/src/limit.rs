//! How often an app may call: a bucket for each, in this process, or shared by every gateway.

use std::collections::HashMap;
use std::fmt::Debug;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_protocol::Timestamp;

use crate::store::Answer;

#[cfg(feature = "redis")]
mod redis;

#[cfg(feature = "redis")]
pub use redis::RedisLimiter;

/// Apps that are remembered at one time.
const MOST_APPS: usize = 100_000;

/// A limit on requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests per second, in the long run.
    pub per_second: NonZeroU32,
    /// Requests at once, after a pause.
    pub burst: NonZeroU32,
}

impl Rate {
    /// The time between two requests in the long run, in microseconds.
    pub(crate) fn between(self) -> i64 {
        i64::from(1_000_000 / self.per_second.get()).max(1)
    }

    /// How far ahead a burst may go, in microseconds.
    pub(crate) fn ahead(self) -> i64 {
        self.between().saturating_mul(self.burst.get().into())
    }
}

/// Counts the requests of apps.
pub trait RateLimiter: Debug + Send + Sync {
    /// Whether a request of this app may pass now, which counts it if so.
    fn takes<'a>(&'a self, app: &'a str, rate: Rate, now: Timestamp) -> Answer<'a, bool>;
}

/// Counts in this process: several gateways together take as many times the rate.
#[derive(Debug, Default)]
pub struct MemoryLimiter {
    /// For each app, when its bucket will be full again, in microseconds.
    full_at: Mutex<HashMap<String, i64>>,
}

impl MemoryLimiter {
    /// Nobody has called yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a request that may pass, or tells how long it has to wait. When too many apps are busy at once, those that are not known wait.
    pub(crate) fn take(&self, app: &str, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        let wait = |micros: i64| Duration::from_micros(micros.unsigned_abs());
        let now = now.millis().saturating_mul(1_000);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= MOST_APPS && !full_at.contains_key(app) {
            full_at.retain(|_, full| *full > now);
            if full_at.len() >= MOST_APPS {
                return Err(wait(rate.between()));
            }
        }
        let next = full_at.get(app).copied().unwrap_or(now).max(now).saturating_add(rate.between());
        let early = next.saturating_sub(now.saturating_add(rate.ahead()));
        if early > 0 {
            return Err(wait(early));
        }
        full_at.insert(app.to_owned(), next);
        Ok(())
    }

    /// Whether a request may pass, which counts it if so.
    pub(crate) fn takes_now(&self, app: &str, rate: Rate, now: Timestamp) -> bool {
        self.take(app, rate, now).is_ok()
    }
}

impl RateLimiter for MemoryLimiter {
    fn takes<'a>(&'a self, app: &'a str, rate: Rate, now: Timestamp) -> Answer<'a, bool> {
        Box::pin(std::future::ready(Ok(self.takes_now(app, rate, now))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (limiter, count) = (MemoryLimiter::new(), |n| NonZeroU32::new(n).unwrap());
        let rate = Rate { per_second: count(10), burst: count(3) };
        let at = |millis| Timestamp::from_millis(1_000_000_i64 + millis).unwrap();
        let passed: Vec<bool> = [0, 0, 0, 0, 99, 100, 101].into_iter().map(|ms| limiter.takes_now("a", rate, at(ms))).collect();
        assert_eq!(passed, [true, true, true, false, false, true, false]);
        assert!(limiter.takes_now("b", rate, at(0)), "each app has its own");
    }

    #[test]
    fn the_map_does_not_grow_without_end() {
        let (limiter, rate) = (MemoryLimiter::new(), Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN });
        let at = |seconds| Timestamp::from_seconds(1_000_i64 + seconds).unwrap();
        for n in 0..MOST_APPS {
            assert!(limiter.takes_now(&n.to_string(), rate, at(0)));
        }
        assert!(!limiter.takes_now("one more", rate, at(0)));
        assert!(limiter.takes_now("one more", rate, at(2)));
    }
}
