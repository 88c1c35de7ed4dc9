//! The faults of one configuration, as they are found.

use crate::config::ConfigError;

/// Collects faults while the rest is read on.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<ConfigError>);

impl Faults {
    pub(super) const fn beginning_with(found: Vec<ConfigError>) -> Self {
        Self(found)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, fault: ConfigError) {
        self.0.push(fault);
    }

    /// The value, or a fault more.
    pub(super) fn keep<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|fault| self.add(fault)).ok()
    }

    /// Every value if and only if none is at fault.
    pub(super) fn keep_all<T>(&mut self, results: impl IntoIterator<Item = Result<T, ConfigError>>) -> Option<Vec<T>> {
        let before = self.0.len();
        let kept = results.into_iter().filter_map(|result| self.keep(result)).collect();
        (self.0.len() == before).then_some(kept)
    }

    /// In the order of their lines.
    pub(super) fn in_order(mut self) -> Vec<ConfigError> {
        self.0.sort_by_key(ConfigError::line);
        self.0
    }
}
