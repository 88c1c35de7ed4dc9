//! One server of an upstream: its address, and what is known of it at this moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::connect::Connector;
use super::definition::{Address, Definition};

/// The number of the next server: no two have the same, also after a reload.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A server. What is known of it is read and written by all workers without a lock.
#[derive(Debug)]
pub(crate) struct Server {
    /// Under which each worker keeps its connections.
    pub(crate) number: u64,
    pub(crate) address: Address,
    pub(crate) connector: Connector,
    /// Whether it agreed to HTTP/2 the last time.
    pub(crate) speaks_http2: AtomicBool,
    born: Instant,
    well: AtomicBool,
    /// Checks in a row that speak against `well`.
    against: AtomicU32,
    /// Failures in a row.
    failed: AtomicU32,
    /// Times in a row that it was left out.
    ejections: AtomicU32,
    /// Milliseconds since `born` until which it is left out.
    out_until: AtomicU64,
    in_flight: AtomicUsize,
    requests: AtomicU64,
    failures: AtomicU64,
}

/// What is known of a server: for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Scheme, host and port.
    pub server: String,
    /// Whether the health checks take it to be well; true without checks.
    pub healthy: bool,
    /// Whether it is left out because requests failed.
    pub ejected: bool,
    /// Requests and tunnels at this moment.
    pub in_flight: usize,
    /// Requests that were given to it.
    pub requests: u64,
    /// Those without an answer, and those whose status counts as a failure.
    pub failures: u64,
}

/// A request that a server has at this moment.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Server>);

impl Server {
    pub(crate) fn new(address: &Address, definition: &Definition) -> Self {
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            address: address.clone(),
            connector: Connector::new(address, definition.tls.as_ref()),
            speaks_http2: AtomicBool::new(false),
            born: Instant::now(),
            well: AtomicBool::new(true),
            against: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    pub(crate) fn status(&self) -> ServerStatus {
        ServerStatus {
            server: self.address.to_string(),
            healthy: self.is_well(),
            ejected: self.is_ejected(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// Takes a place for one request, if fewer than `most` are taken.
    pub(crate) fn enter(self: &Arc<Self>, most: usize) -> Option<InFlight> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= most {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        Some(InFlight(Arc::clone(self)))
    }

    pub(crate) fn is_well(&self) -> bool {
        self.well.load(Ordering::Relaxed)
    }

    pub(crate) fn is_ejected(&self) -> bool {
        self.out_until.load(Ordering::Relaxed) > self.age()
    }

    /// Notes a check; whether that changed what is thought of the server.
    pub(crate) fn checked(&self, good: bool, rise: u32, fall: u32) -> bool {
        if good == self.is_well() {
            self.against.store(0, Ordering::Relaxed);
            return false;
        }
        let against = self.against.fetch_add(1, Ordering::Relaxed) + 1;
        let turned = against >= if good { rise } else { fall };
        if turned {
            self.against.store(0, Ordering::Relaxed);
            self.well.store(good, Ordering::Relaxed);
        }
        turned
    }

    pub(crate) fn succeeded(&self) {
        // Written only where it changes something: all workers share the cache line.
        if self.failed.load(Ordering::Relaxed) != 0 {
            self.failed.store(0, Ordering::Relaxed);
        }
    }

    /// Notes a failure; how many there were in a row.
    pub(crate) fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Leaves the server out: `first` milliseconds, doubled for each time in a row, at most `most`. A server that stayed in for `most` since
    /// begins anew.
    pub(crate) fn eject(&self, first: u64, most: u64) -> u64 {
        let (age, before) = (self.age(), self.out_until.load(Ordering::Relaxed));
        let in_a_row = if age.saturating_sub(before) > most { 0 } else { self.ejections.load(Ordering::Relaxed) };
        let time = first.saturating_mul(1_u64.checked_shl(in_a_row).unwrap_or(u64::MAX)).min(most);
        self.ejections.store(in_a_row.saturating_add(1).min(63), Ordering::Relaxed);
        self.failed.store(0, Ordering::Relaxed);
        self.out_until.store(age.saturating_add(time), Ordering::Relaxed);
        time
    }

    fn age(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl InFlight {
    pub(crate) const fn server(&self) -> &Arc<Server> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
