//! Which configuration is served, and what became of the attempts to change it.

use std::sync::{Mutex, PoisonError};

use countersign_protocol::Timestamp;

/// The news of the configuration, for the admin listener.
#[derive(Debug)]
pub(crate) struct News(Mutex<Told>);

/// What is told of it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// Counts the configurations since the start: the first is 1.
    pub(crate) generation: u64,
    /// Since when it is served.
    pub(crate) since: Timestamp,
    /// What is legal and weak in it.
    pub(crate) warnings: Vec<String>,
    /// Configurations that were refused since the start.
    pub(crate) refused: u64,
    /// When the last one was refused, and why, if nothing was taken since then.
    pub(crate) last_refused: Option<(Timestamp, String)>,
}

impl News {
    pub(crate) fn first(now: Timestamp, warnings: Vec<String>) -> Self {
        Self(Mutex::new(Told { generation: 1, since: now, warnings, refused: 0, last_refused: None }))
    }

    /// Another configuration is served from now on.
    #[cfg_attr(not(test), expect(dead_code, reason = "called by a reload"))]
    pub(crate) fn taken(&self, now: Timestamp, warnings: Vec<String>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *told = Told { generation: told.generation + 1, since: now, warnings, refused: told.refused, last_refused: None };
    }

    /// A configuration was refused: the one before is served on.
    #[cfg_attr(not(test), expect(dead_code, reason = "called by a reload"))]
    pub(crate) fn refused(&self, now: Timestamp, faults: String) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.refused += 1;
        told.last_refused = Some((now, faults));
    }

    pub(crate) fn told(&self) -> Told {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_configuration_is_told_until_the_next_is_taken() {
        let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
        let news = News::first(at(1), vec!["weak".to_owned()]);
        news.refused(at(2), "line 3".to_owned());
        let told = news.told();
        assert_eq!((told.generation, told.since, told.warnings.len()), (1, at(1), 1));
        assert_eq!((told.refused, told.last_refused), (1, Some((at(2), "line 3".to_owned()))));
        news.taken(at(3), Vec::new());
        let told = news.told();
        assert_eq!((told.generation, told.since, told.refused, told.last_refused), (2, at(3), 1, None));
    }
}
