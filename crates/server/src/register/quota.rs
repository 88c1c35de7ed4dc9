//! How many apps one address may register within a day, in a map of bounded size.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::rate::network;

/// Addresses that are remembered at one time.
const MOST_ADDRESSES: usize = 10_000;
/// The span within which registrations are counted, from an address's first.
const DAY: Duration = Duration::from_hours(24);

/// Counts registrations by address.
#[derive(Debug)]
pub(super) struct Quota {
    most: u32,
    /// For each address, since when it is counted, and how many there were.
    counted: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Quota {
    pub(super) fn new(most: u32) -> Self {
        Self { most, counted: Mutex::default() }
    }

    /// Whether one more may come from this address now. When too many addresses are counted, new ones wait.
    pub(super) fn takes(&self, address: IpAddr, now: Instant) -> bool {
        let address = network(address);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MOST_ADDRESSES && !counted.contains_key(&address) {
            counted.retain(|_, (since, _)| now.duration_since(*since) < DAY);
            if counted.len() >= MOST_ADDRESSES {
                return false;
            }
        }
        let (since, count) = counted.entry(address).or_insert((now, 0));
        if now.duration_since(*since) >= DAY {
            (*since, *count) = (now, 0);
        }
        let takes = *count < self.most;
        *count += u32::from(takes);
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_number_each_day() {
        let quota = Quota::new(2);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let start = Instant::now();
        assert_eq!([a, a, a, b].map(|address| quota.takes(address, start)), [true, true, false, true]);
        assert!(!quota.takes(a, start + DAY - Duration::from_secs(1)));
        assert!(quota.takes(a, start + DAY));
    }

    #[test]
    fn the_map_does_not_grow_without_end() {
        let quota = Quota::new(1);
        let now = Instant::now();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!((0..u32::try_from(MOST_ADDRESSES).unwrap()).all(|n| quota.takes(address(n), now)));
        assert!(!quota.takes(address(u32::MAX), now));
        assert!(quota.takes(address(u32::MAX), now + DAY));
    }
}
