//! The machine's clock, and by how much each server's is known to differ from it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_protocol::Timestamp;

use crate::error::ClientError;

/// The most servers whose offset is kept.
const MOST_SERVERS: usize = 64;

/// By how many milliseconds servers are ahead of the clock, by origin: a server moves the time of what it is sent itself, and of nothing else.
#[derive(Debug, Default)]
pub(crate) struct Offsets(Mutex<HashMap<String, i64>>);

impl Offsets {
    /// The time to sign with for this server.
    pub(crate) fn correct(&self, origin: &str, now: Timestamp) -> Timestamp {
        let offset = self.of(origin);
        let by = Duration::from_millis(offset.unsigned_abs());
        if offset < 0 { now.minus(by) } else { now.plus(by) }
    }

    fn of(&self, origin: &str) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(origin).copied().unwrap_or(0)
    }

    /// Takes what a server's clock says. Whether that changes anything: not where it is further off than `most`, or about what was known.
    #[cfg_attr(not(feature = "reqwest"), expect(dead_code, reason = "only what sends learns"))]
    pub(crate) fn learn(&self, origin: &str, now: Timestamp, server: Timestamp, most: Duration) -> bool {
        let offset = server.millis() - now.millis();
        let is_new = offset.abs_diff(self.of(origin)) > 1_000;
        if !is_new || u128::from(offset.unsigned_abs()) > most.as_millis() {
            return false;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = kept.len() < MOST_SERVERS || kept.contains_key(origin);
        if has_room {
            kept.insert(origin.to_owned(), offset);
        }
        has_room
    }
}

pub(crate) fn machine_time() -> Result<Timestamp, ClientError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_millis()).ok().and_then(Timestamp::from_millis);
    now.ok_or_else(|| ClientError::Source("the machine's clock is past the year 9999".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    #[test]
    fn an_offset_is_of_one_server_and_bounded() {
        let (offsets, hour) = (Offsets::default(), Duration::from_secs(3600));
        assert!(offsets.learn("a", at(10_000), at(13_000), hour));
        assert!(!offsets.learn("a", at(10_000), at(13_001), hour), "about what was known");
        assert!(!offsets.learn("b", at(10_000), at(13_601), hour), "too far ahead");
        assert!(!offsets.learn("b", at(10_000), at(6_399), hour), "too far behind");
        assert!(offsets.learn("c", at(10_000), at(9_000), hour));
        let corrected = ["a", "b", "c"].map(|server| offsets.correct(server, at(20_000)).seconds());
        assert_eq!(corrected, [23_000, 20_000, 19_000]);
    }

    #[test]
    fn the_servers_are_bounded() {
        let offsets = Offsets::default();
        let learnt = (0..2 * MOST_SERVERS).filter(|i| offsets.learn(&i.to_string(), at(0), at(60), Duration::from_secs(60))).count();
        assert_eq!(learnt, MOST_SERVERS);
        assert!(offsets.learn("0", at(0), at(30), Duration::from_secs(60)), "one that is known may change");
    }
}
