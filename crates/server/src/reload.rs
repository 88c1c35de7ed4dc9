//! A configuration that is read anew while the gateway runs, and swapped in whole or not at all.

mod source;
mod watch;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use countersign_protocol::Timestamp;

pub use self::source::{Loaded, Source};
use crate::config::{ConfigError, Running};
use crate::gateway::Shared;

/// What takes effect at a start only, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed(Vec<(&'static str, u64)>);

impl Fixed {
    /// Notes a value under a name; only whether it changes is remembered.
    pub(crate) fn note(&mut self, name: &'static str, value: impl Hash) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        self.0.push((name, hasher.finish()));
    }

    /// The names under which another value stands now.
    fn changed(&self, now: &Self) -> Vec<&'static str> {
        now.0.iter().filter(|entry| !self.0.contains(entry)).map(|(name, _)| *name).collect()
    }
}

/// Which configuration is served, and what became of the last attempt to change it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConfigState {
    /// Counts the configurations since the start: the first is 1.
    pub generation: u64,
    /// Since when it is served.
    pub since: Timestamp,
    /// What is legal and weak in it.
    pub warnings: Vec<String>,
    /// What it would change, and that takes effect at the next start.
    pub needs_restart: Vec<&'static str>,
    /// Configurations that were refused since the start.
    pub refusals: u64,
    /// The last attempt since then, if it was refused.
    pub refused: Option<RefusedConfig>,
}

/// A configuration that was refused: the one before is served on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RefusedConfig {
    /// When it was read.
    pub at: Timestamp,
    /// Everything that is wrong with it.
    pub faults: Vec<ConfigError>,
}

impl ConfigState {
    pub(crate) const fn first(since: Timestamp, warnings: Vec<String>) -> Self {
        Self { generation: 1, since, warnings, refusals: 0, needs_restart: Vec::new(), refused: None }
    }
}

/// Replaces the configuration of a running gateway.
#[derive(Debug, Clone)]
pub struct Reloader(Arc<Shared>);

impl Reloader {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Which configuration is served.
    #[must_use]
    pub fn state(&self) -> Arc<ConfigState> {
        self.0.state.load_full()
    }

    /// Reads the configuration anew and serves by it from the next request on. Requests in flight keep the old one. What was
    /// seen, counted and cached is kept. The log tells either way.
    ///
    /// # Errors
    /// Every fault of the configuration. The old one is served on.
    pub fn reload(&self, source: &Source) -> Result<Arc<ConfigState>, Vec<ConfigError>> {
        // One at a time: each plan is made from the one before.
        let _turn = self.0.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let loaded = source.load_while(&self.0.plan().upstreams, Running(self.0.users.as_ref()));
        match loaded.and_then(|loaded| self.serve(loaded, &state)) {
            Ok(state) => Ok(state),
            Err(faults) => {
                for fault in &faults {
                    tracing::error!(%fault, generation = state.generation, "the new configuration is refused, the old one is served on");
                }
                let refused = Some(RefusedConfig { at: self.0.plan().admission.now(), faults: faults.clone() });
                let refusals = state.refusals + 1;
                self.0.state.store(Arc::new(ConfigState { refused, refusals, ..(*state).clone() }));
                Err(faults)
            }
        }
    }

    fn serve(&self, loaded: Loaded, before: &ConfigState) -> Result<Arc<ConfigState>, Vec<ConfigError>> {
        let Loaded { settings, dialects, config } = loaded;
        let needs_restart = self.0.fixed.changed(&settings.fixed);
        let warnings = settings.warnings.clone();
        let plan = self.0.plan().next(settings, &dialects, &self.0.tls_addresses);
        let plan =
            plan.map_err(|error| vec![ConfigError::in_file(Path::new(config.file()), error.to_string(), "mend that, and reload")])?;
        self.0.record(&config);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        for name in &needs_restart {
            tracing::warn!("{name} changed: that takes effect at the next start");
        }
        let generation = before.generation + 1;
        let first = ConfigState::first(plan.admission.now(), warnings);
        let state = ConfigState { generation, needs_restart, refusals: before.refusals, ..first };
        self.0.observers.metrics.know(&plan.routes);
        self.0.observers.metrics.serve_certificates(plan.certificates());
        self.0.plan.store(Arc::new(plan));
        self.0.watch_upstreams();
        self.0.state.store(Arc::new(state));
        tracing::info!(generation, "the new configuration is served");
        Ok(self.state())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fixed_is_named_when_it_changes() {
        let fixed = |workers: usize| {
            let mut fixed = Fixed::default();
            fixed.note("workers", workers);
            fixed.note("data", "/var/lib");
            fixed
        };
        assert!(fixed(1).changed(&fixed(1)).is_empty());
        assert_eq!(fixed(1).changed(&fixed(2)), ["workers"]);
    }
}
