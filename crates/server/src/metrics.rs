//! Everything that is measured of one gateway, and its text for Prometheus.
//!
//! Plain atomics of our own: a series exists for what the configuration names, so labels are bounded by construction, a
//! request takes no lock for them, and nothing has to be drained between two scrapes.

mod clocks;
mod requests;
mod series;
pub(crate) mod sessions;
mod stores;
mod text;
mod upstreams;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::admission::Admission;
use countersign_core::replay::Age;
use countersign_protocol::Timestamp;

pub(crate) use self::clocks::Clocks;
pub(crate) use self::requests::{Ended, Requests};
pub(crate) use self::series::{Counter, Gauge, Held};
use self::sessions::SessionSeries;
use self::stores::{ObservedGuard, ObservedStore, Stores};
pub(crate) use self::text::MEDIA_TYPE;
use self::text::Text;
use self::upstreams::UpstreamsSeries;
use crate::reload::ConfigState;
use crate::route::Routes;
use crate::upstream::Directory;

/// The span within which requests are in doubt after a replay guard has lost its memory.
const DOUBT: Duration = Duration::from_mins(5);

/// The measurements of one gateway.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) requests: Requests,
    pub(crate) upstreams: UpstreamsSeries,
    pub(crate) clocks: Clocks,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) accepted: Counter,
    /// Tokens of the admin listener that were wrong.
    pub(crate) wrong_tokens: Counter,
    pub(crate) registered: Counter,
    pub(crate) sessions: SessionSeries,
    stores: Arc<Stores>,
    /// When the certificates that are served end, by name; whoever loads them says so.
    certificates: Mutex<BTreeMap<String, Timestamp>>,
}

impl Metrics {
    pub(crate) fn new(routes: &Routes) -> Self {
        let metrics = Self {
            requests: Requests::new(routes),
            upstreams: UpstreamsSeries::default(),
            clocks: Clocks::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            accepted: Counter::default(),
            wrong_tokens: Counter::default(),
            registered: Counter::default(),
            sessions: SessionSeries::default(),
            stores: Arc::default(),
            certificates: Mutex::default(),
        };
        metrics.know(routes);
        metrics
    }

    /// Takes over the routes of a configuration; to be called at each reload.
    pub(crate) fn know(&self, routes: &Routes) {
        self.requests.know(routes);
        self.upstreams.know(routes);
    }

    /// The same admission, measured.
    pub(crate) fn observe(&self, admission: Admission) -> Admission {
        let (one, other) = (Arc::clone(&self.stores), Arc::clone(&self.stores));
        admission.behind(|store| Arc::new(ObservedStore::new(store, one)), |guard| Arc::new(ObservedGuard::new(guard, other)))
    }

    /// Takes over when the certificates end that are served from now on.
    pub(crate) fn serve_certificates(&self, certificates: BTreeMap<String, Timestamp>) {
        *self.certificates.lock().unwrap_or_else(PoisonError::into_inner) = certificates;
    }

    /// The text of all of it.
    pub(crate) async fn text(&self, admission: &Admission, upstreams: &Directory, state: &ConfigState) -> String {
        let mut text = Text::default();
        self.requests.write(&mut text);
        text.gauge("countersign_requests_in_flight", "Requests from their head to the last byte of their answer.")
            .value(&[], self.in_flight.get());
        text.gauge("countersign_connections_open", "Connections of callers.").value(&[], self.connections.get());
        text.counter("countersign_connections_total", "Connections of callers that were accepted.").value(&[], self.accepted.get());
        self.upstreams.write(&mut text, upstreams);
        self.stores.write(&mut text);
        write_guard(&mut text, admission).await;
        self.clocks.write(&mut text);
        write_news(&mut text, state);
        self.write_certificates(&mut text);
        text.counter("countersign_admin_wrong_tokens_total", "Requests to the admin listener with a wrong token.")
            .value(&[], self.wrong_tokens.get());
        text.counter("countersign_registrations_total", "Apps that registered themselves.").value(&[], self.registered.get());
        self.sessions.write(&mut text);
        text.gauge("countersign_build_info", "The version of the program.").value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        text.into_string()
    }

    fn write_certificates(&self, text: &mut Text) {
        let certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut ends = text.gauge("countersign_certificate_end_seconds", "When a certificate that is served ends, in seconds since 1970.");
        certificates.iter().for_each(|(name, end)| ends.value(&[("certificate", name)], end.seconds()));
    }
}

fn write_news(text: &mut Text, told: &ConfigState) {
    text.gauge("countersign_config_generation", "Counts the configurations that were served since the start.").value(&[], told.generation);
    text.gauge("countersign_config_since_seconds", "Since when the configuration is served, in seconds since 1970.")
        .value(&[], told.since.seconds());
    text.gauge("countersign_config_last_reload_ok", "0 while the last configuration that was read is one that was refused, else 1.")
        .value(&[], u8::from(told.refused.is_none()));
    text.counter("countersign_config_refused_total", "Configurations that were refused.").value(&[], told.refusals);
}

async fn write_guard(text: &mut Text, admission: &Admission) {
    let (guard, now) = (admission.guard(), admission.now());
    let Some(epoch) = guard.epoch() else { return };
    let oldest = Timestamp::from_millis(0).unwrap_or(now);
    let recovering = epoch.doubts(Age { signed: None, credential: oldest, span: DOUBT, ahead: Duration::ZERO }, now);
    text.gauge("countersign_replay_epoch_seconds", "Since when the replay guard remembers, in seconds since 1970.")
        .value(&[], epoch.started().seconds());
    text.gauge("countersign_replay_recovering", "1 while requests are refused that a lost memory may have accepted, else 0.")
        .value(&[], u8::from(recovering));
    let Ok(Some(occupancy)) = guard.occupancy().await else { return };
    text.gauge("countersign_replay_entries", "What the replay guard holds.").value(&[], occupancy.entries);
    text.gauge("countersign_replay_entries_limit", "The most that it holds.").value(&[], occupancy.most);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reload::RefusedConfig;

    #[test]
    fn certificates_and_the_news_of_the_configuration_are_told() {
        let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
        let metrics = Metrics::new(&Routes::new(Vec::new()));
        metrics.serve_certificates([("api.example.com".to_owned(), at(1_800_000_000))].into());
        let news = ConfigState {
            refusals: 1,
            refused: Some(RefusedConfig { at: at(2), faults: Vec::new() }),
            ..ConfigState::first(at(1), Vec::new())
        };
        let mut text = Text::default();
        metrics.write_certificates(&mut text);
        write_news(&mut text, &news);
        let text = text.into_string();
        for line in [
            "countersign_certificate_end_seconds{certificate=\"api.example.com\"} 1800000000\n",
            "countersign_config_generation 1\n",
            "countersign_config_last_reload_ok 0\n",
            "countersign_config_refused_total 1\n",
        ] {
            assert!(text.contains(line), "{line} {text}");
        }
    }
}
