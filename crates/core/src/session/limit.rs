//! How often sessions are refreshed at this gateway: counted where a generation moves, which of many refreshes with one token one does.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use countersign_protocol::Timestamp;

use super::SessionId;
use crate::limit::{MemoryLimiter, Rate};

/// Refusals that are remembered at one time.
const MOST_REFUSALS: usize = 10_000;

/// Counts the refreshes of sessions. A store asks it inside the transaction that moves the session.
#[derive(Debug, Default)]
pub struct RefreshLimit {
    buckets: MemoryLimiter,
    /// Sessions that may not move on yet: from which generation, and until when.
    refused: Mutex<HashMap<SessionId, (u64, Timestamp)>>,
}

impl RefreshLimit {
    /// No session has been refreshed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a session may move on from this generation now, which counts it if so.
    pub(super) fn takes(&self, sid: SessionId, generation: u64, rate: Rate, now: Timestamp) -> bool {
        let Err(wait) = self.buckets.take(&sid.to_string(), rate, now) else { return true };
        let until = now.plus(wait);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MOST_REFUSALS {
            refused.retain(|_, (_, until)| now < *until);
        }
        if refused.len() < MOST_REFUSALS {
            refused.insert(sid, (generation, until));
        }
        false
    }

    /// Whether a session was just refused to move on from this generation, and still would be: then the store need not be asked.
    pub(super) fn would_refuse(&self, sid: SessionId, generation: u64, now: Timestamp) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(&sid).is_some_and(|(from, until)| *from == generation && now < *until)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const RATE: Rate = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis).unwrap()
    }

    #[test]
    fn what_was_refused_is_refused_without_asking_until_it_may_pass() {
        let (limit, sid) = (RefreshLimit::new(), SessionId::from_bytes([1; 16]));
        assert!(limit.takes(sid, 0, RATE, at(0)));
        assert!(!limit.would_refuse(sid, 0, at(0)), "those that came at the same time are given the same answer");
        assert!(!limit.takes(sid, 1, RATE, at(1)));
        for (generation, now, wanted) in [(1, 1, true), (1, 999, true), (1, 1_000, false), (0, 1, false), (2, 1, false)] {
            assert_eq!(limit.would_refuse(sid, generation, at(now)), wanted, "{generation} {now}");
        }
        assert!(limit.takes(sid, 1, RATE, at(1_000)));
    }

    #[test]
    fn refusals_that_are_remembered_are_bounded() {
        let limit = RefreshLimit::new();
        for n in 0..2 * MOST_REFUSALS as u128 {
            let sid = SessionId::from_bytes(n.to_be_bytes());
            assert!(limit.takes(sid, 0, RATE, at(0)) && !limit.takes(sid, 1, RATE, at(0)));
        }
        assert!(limit.refused.lock().unwrap().len() <= MOST_REFUSALS);
        let sid = SessionId::from_bytes([0xff; 16]);
        assert!(limit.takes(sid, 0, RATE, at(1_000)) && !limit.takes(sid, 1, RATE, at(1_000)) && limit.would_refuse(sid, 1, at(1_000)));
    }
}
