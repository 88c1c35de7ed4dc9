//! A limit on requests per address: a bucket for each, in a map of bounded size.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are remembered at one time.
const MOST_ADDRESSES: usize = 65_536;

/// How many requests one address may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRate {
    /// Requests per second, in the long run.
    pub per_second: u32,
    /// Requests at once, after a pause.
    pub burst: u32,
}

/// Counts requests by address. An IPv6 address counts as its /64, which one host can use up alone.
#[derive(Debug)]
pub(crate) struct AddressLimit {
    between: Duration,
    burst: Duration,
    /// For each address, when its bucket will be full again.
    full_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl AddressLimit {
    pub(crate) fn new(rate: AddressRate) -> Self {
        let between = Duration::from_secs(1) / rate.per_second.max(1);
        Self { between, burst: between.saturating_mul(rate.burst.max(1)), full_at: Mutex::default() }
    }

    /// Whether a request from this address would pass now, without counting one.
    pub(crate) fn would_take(&self, address: IpAddr, now: Instant) -> bool {
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full = full_at.get(&network(address)).copied();
        full.is_none_or(|full| full.max(now) + self.between <= now + self.burst) && (full.is_some() || full_at.len() < MOST_ADDRESSES)
    }

    /// Whether a request from this address may pass now. When too many addresses are busy at once, new ones wait.
    pub(crate) fn takes(&self, address: IpAddr, now: Instant) -> bool {
        let address = network(address);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= MOST_ADDRESSES && !full_at.contains_key(&address) {
            full_at.retain(|_, full| *full > now);
            if full_at.len() >= MOST_ADDRESSES {
                return false;
            }
        }
        let full = full_at.entry(address).or_insert(now);
        let next = (*full).max(now) + self.between;
        let takes = next <= now + self.burst;
        if takes {
            *full = next;
        }
        takes
    }
}

/// The address as it is counted: an IPv6 one by its /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let limit = AddressLimit::new(AddressRate { per_second: 10, burst: 3 });
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let passed: Vec<bool> = [0, 0, 0, 0, 99, 100, 101].into_iter().map(|ms| limit.takes(a, at(ms))).collect();
        assert_eq!(passed, [true, true, true, false, false, true, false]);
        assert!(limit.takes(b, at(0)));
    }

    #[test]
    fn one_network_is_one_address() {
        let limit = AddressLimit::new(AddressRate { per_second: 1, burst: 1 });
        let now = Instant::now();
        assert!(limit.takes("2001:db8::1".parse().unwrap(), now));
        assert!(!limit.takes("2001:db8::2".parse().unwrap(), now));
        assert!(limit.takes("2001:db8:0:1::1".parse().unwrap(), now));
        assert!(limit.takes("192.0.2.1".parse().unwrap(), now));
        assert!(!limit.takes("::ffff:192.0.2.1".parse().unwrap(), now));
    }

    #[test]
    fn the_map_does_not_grow_without_end() {
        let limit = AddressLimit::new(AddressRate { per_second: 1, burst: 1 });
        let now = Instant::now();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..u32::try_from(MOST_ADDRESSES).unwrap() {
            assert!(limit.takes(address(n), now));
        }
        assert!(!limit.takes(address(u32::MAX), now));
        assert!(limit.takes(address(u32::MAX), now + Duration::from_secs(2)));
    }
}
