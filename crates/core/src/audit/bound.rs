//! How many refusals of one app are recorded: a key holder must not be able to fill the disk with them.

use std::collections::HashMap;

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

    fn make_room(&mut self, minute: i64) {
        self.apps.retain(|_, count| count.minute == minute);
        if self.apps.len() >= APPS {
            self.apps.clear();
        }
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
    fn the_counts_are_bounded() {
        let mut bound = RefusalBound::new(1);
        for n in 0..APPS * 2 {
            bound.take(&n.to_string(), at(0));
        }
        assert!(bound.apps.len() <= APPS);
    }
}
