//! What watches a gateway: its metrics, its last refusals, the news of its configuration, and whether it is ready.

use std::sync::OnceLock;

use crate::config::Settings;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::refusals::Refusals;
use crate::trace::Adopt;

/// The last refusals that are kept, where the configuration says nothing else.
pub(crate) const REFUSALS: usize = 1_000;

/// Lives as long as the process; a reload replaces what it watches, and tells it.
#[derive(Debug)]
pub(crate) struct Observers {
    pub(crate) metrics: Metrics,
    pub(crate) refusals: Refusals,
    pub(crate) readiness: Readiness,
    /// How traces go on, if anyone collects them.
    pub(crate) adopt: OnceLock<Adopt>,
}

impl Observers {
    pub(crate) fn new(settings: &Settings) -> Self {
        let refusals = settings.admin.as_ref().map_or(REFUSALS, |admin| admin.refusals);
        Self {
            metrics: Metrics::new(&settings.routes),
            refusals: Refusals::new(refusals),
            readiness: Readiness::default(),
            adopt: OnceLock::new(),
        }
    }
}
