//! How many refusals of one app are recorded: neither a key holder nor whoever guesses passwords must be able to fill the disk with them.

use std::collections::HashMap;
use std::net::IpAddr;

use countersign_protocol::Timestamp;

/// The apps that are counted at once. When more are refused within a minute, the counts begin anew.
const APPS: usize = 10_000;
const MINUTE: i64 = 60_000;

/// Counts refusals by app and minute.
#[derive(Debug)]
pub(super) struct RefusalBound {
    per_minute: u32,
    apps: HashMap<String, Count>,
}

#[derive(Debug)]
struct Count {
    minute: i64,
    recorded: u32,
    unrecorded: u64,
}

impl RefusalBound {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, apps: HashMap::new() }
    }

    /// Whether one more is recorded now: then with the number of those that were not since the last one.
    pub(super) fn take(&mut self, app: &str, now: Timestamp) -> Option<u64> {
        let minute = now.millis().div_euclid(MINUTE);
        if self.apps.len() >= APPS && !self.apps.contains_key(app) {
            self.make_room(minute);
        }
        let count = self.apps.entry(app.to_owned()).or_insert(Count { minute, recorded: 0, unrecorded: 0 });
        if count.minute != minute {
            (count.minute, count.recorded) = (minute, 0);
        }
        if count.recorded >= self.per_minute {
            count.unrecorded = count.unrecorded.saturating_add(1);
            return None;
        }
        count.recorded += 1;
        Some(std::mem::take(&mut count.unrecorded))
    }

    /// Counts one that is not recorded for another reason.
    fn skip(&mut self, app: &str) {
        if let Some(count) = self.apps.get_mut(app) {
            count.unrecorded = count.unrecorded.saturating_add(1);
        }
    }

    fn make_room(&mut self, minute: i64) {
        self.apps.retain(|_, count| count.minute == minute);
        if self.apps.len() >= APPS {
            self.apps.clear();
        }
    }
}

/// Refused logins from one address that are recorded in a minute, so that it does not hide those from others.
const OF_ADDRESS: u32 = 10;

/// Counts refused logins by app, and by the address that they come from.
#[derive(Debug)]
pub(super) struct LoginBound {
    apps: RefusalBound,
    addresses: RefusalBound,
}

impl LoginBound {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { apps: RefusalBound::new(per_minute), addresses: RefusalBound::new(per_minute.min(OF_ADDRESS)) }
    }

    /// As [`RefusalBound::take`].
    pub(super) fn take(&mut self, app: &str, address: IpAddr, now: Timestamp) -> Option<u64> {
        // An IPv6 address counts as its network, which one host can use up alone.
        let network = match address.to_canonical() {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address) >> 64 << 64,
        };
        if self.addresses.take(&format!("{app} {network:x}"), now).is_some() {
            return self.apps.take(app, now);
        }
        self.apps.skip(app);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    #[test]
    fn what_is_over_the_bound_is_counted() {
        let mut bound = RefusalBound::new(2);
        let taken: Vec<_> = [0, 1, 2, 3].into_iter().map(|s| bound.take("a", at(s))).collect();
        assert_eq!(taken, [Some(0), Some(0), None, None]);
        assert_eq!(bound.take("b", at(4)), Some(0), "one app does not use up another's");
        assert_eq!(bound.take("a", at(60)), Some(2));
        assert_eq!(bound.take("a", at(61)), Some(0));
    }

    #[test]
    fn one_address_does_not_hide_the_logins_of_others_and_many_do_not_fill_the_log() {
        let mut bound = LoginBound::new(60);
        let mut count = |address: &str, times: usize, seconds| {
            let address = address.parse().unwrap();
            (0..times).filter_map(|_| bound.take("web", address, at(seconds))).collect::<Vec<_>>()
        };
        assert_eq!(count("192.0.2.1", 100, 0), vec![0; 10]);
        assert_eq!(count("192.0.2.2", 1, 1), [90], "those that have no record are told by the next one that has");
        assert_eq!(count("2001:db8::1", 10, 2).len() + count("2001:db8::2", 10, 2).len(), 10, "one network");
        let many: usize = (0..100).map(|n| count(&format!("198.51.100.{n}"), 1, 3).len()).sum();
        assert_eq!(many, 60 - 10 - 1 - 10);
        assert_eq!(count("192.0.2.1", 1, 60), [61]);
    }

    #[test]
    fn the_counts_are_bounded() {
        let mut bound = RefusalBound::new(1);
        for n in 0..APPS * 2 {
            bound.take(&n.to_string(), at(0));
        }
        assert!(bound.apps.len() <= APPS);
    }
}
