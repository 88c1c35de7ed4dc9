//! What is told of each upstream: for whoever sends to it, and for whoever judges its health.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::series::{Counter, Gauge, Histogram};
use super::text::Text;
use crate::route::{Routes, Upstream};
use crate::upstream::Directory;

/// Every upstream of the configuration, by name.
#[derive(Debug, Default)]
pub(crate) struct UpstreamsSeries {
    known: ArcSwap<BTreeMap<String, Arc<Target>>>,
    /// Requests to upstreams that the configuration names no more.
    gone: Arc<Target>,
}

/// One upstream.
#[derive(Debug)]
pub(crate) struct Target {
    took: Histogram,
    failures: Counter,
    in_flight: Gauge,
}

impl Default for Target {
    fn default() -> Self {
        Self { took: Histogram::of_durations(), failures: Counter::default(), in_flight: Gauge::default() }
    }
}

impl UpstreamsSeries {
    /// Takes over the upstreams of a configuration. What was counted under a name that stays is kept.
    pub(crate) fn know(&self, routes: &Routes) {
        let before = self.known.load();
        let mut known = BTreeMap::new();
        for name in routes.iter().map(|route| name(&route.upstream)) {
            known.insert(name.to_owned(), before.get(name).cloned().unwrap_or_default());
        }
        self.known.store(Arc::new(known));
    }

    pub(crate) fn target(&self, upstream: &Upstream) -> Arc<Target> {
        Arc::clone(self.known.load().get(name(upstream)).unwrap_or(&self.gone))
    }

    pub(crate) fn write(&self, text: &mut Text, directory: &Directory) {
        let known = self.known.load();
        let mut took =
            text.histogram("countersign_upstream_duration_seconds", "From sending a request to the head of its answer or its failure.");
        known.iter().for_each(|(name, target)| took.values_of(&[("upstream", name)], &target.took));
        let mut failures = text.counter("countersign_upstream_failures_total", "Requests that got no answer.");
        known.iter().for_each(|(name, target)| failures.value(&[("upstream", name)], target.failures.get()));
        let mut in_flight = text.gauge("countersign_upstream_requests_in_flight", "Requests that wait for an answer's head.");
        known.iter().for_each(|(name, target)| in_flight.value(&[("upstream", name)], target.in_flight.get()));
        let mut healthy = text.gauge("countersign_upstream_healthy", "1 while requests are sent to this server, else 0.");
        for servers in directory.iter() {
            for server in servers.status() {
                let labels = [("upstream", servers.name()), ("server", server.server.as_str())];
                healthy.value(&labels, u8::from(server.healthy && !server.ejected));
            }
        }
    }
}

impl Target {
    /// Measures one sending.
    pub(crate) async fn watch<T, E>(&self, sending: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let held = self.in_flight.hold();
        let started = Instant::now();
        let result = sending.await;
        self.took.note_time(started.elapsed());
        self.failures.add(u64::from(result.is_err()));
        drop(held);
        result
    }
}

fn name(upstream: &Upstream) -> &str {
    match upstream {
        Upstream::Echo => "echo",
        Upstream::Servers(servers) => servers.name(),
    }
}
