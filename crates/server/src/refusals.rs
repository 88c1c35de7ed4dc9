//! The last refusals, for an operator who is asked why a caller is refused. Bounded in number and in the length of each.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use countersign_protocol::{Reason, Timestamp};

/// The most bytes of a text that is kept with a refusal.
const TEXT: usize = 512;

/// One refusal. Nothing that a dialect carries as a value stands in it but the key id.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) at: Timestamp,
    pub(crate) id: String,
    pub(crate) peer: String,
    pub(crate) method: String,
    /// Redacted as in the access log.
    pub(crate) target: String,
    pub(crate) route: String,
    pub(crate) dialect: String,
    /// Claimed, and proved if and only if the app is known.
    pub(crate) key_id: String,
    pub(crate) app: String,
    /// The exact reason.
    pub(crate) reason: Reason,
    pub(crate) status: u16,
    pub(crate) detail: String,
    /// The signed time less ours, where a clock reason tells it.
    pub(crate) offset_millis: Option<i64>,
}

/// The last refusals of a gateway.
#[derive(Debug)]
pub(crate) struct Refusals {
    kept: Mutex<VecDeque<Refusal>>,
    most: usize,
}

impl Refusals {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: Mutex::default(), most }
    }

    pub(crate) fn keep(&self, mut refusal: Refusal) {
        let Refusal { id, method, target, route, dialect, key_id, app, detail, .. } = &mut refusal;
        [id, method, target, route, dialect, key_id, app, detail].into_iter().for_each(shorten);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() >= self.most {
            kept.pop_front();
        }
        kept.push_back(refusal);
    }

    /// Those that are wanted, the latest first, at most so many.
    pub(crate) fn latest(&self, most: usize, wanted: impl Fn(&Refusal) -> bool) -> Vec<Refusal> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().filter(|refusal| wanted(refusal)).take(most).cloned().collect()
    }
}

fn shorten(text: &mut String) {
    if text.len() > TEXT {
        text.truncate(text.floor_char_boundary(TEXT));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(n: usize, target: &str) -> Refusal {
        Refusal {
            at: Timestamp::from_seconds(0).unwrap(),
            id: n.to_string(),
            peer: "192.0.2.1:1".to_owned(),
            method: "GET".to_owned(),
            target: target.to_owned(),
            route: "/".to_owned(),
            dialect: String::new(),
            key_id: format!("key-{}", n % 2),
            app: String::new(),
            reason: Reason::TooOld,
            status: 401,
            detail: String::new(),
            offset_millis: None,
        }
    }

    #[test]
    fn the_latest_come_first_and_the_oldest_go() {
        let refusals = Refusals::new(10);
        (0..25).for_each(|n| refusals.keep(refusal(n, "/")));
        let ids = |most, key: &str| -> Vec<String> {
            refusals.latest(most, |refusal| refusal.key_id.contains(key)).into_iter().map(|refusal| refusal.id).collect()
        };
        assert_eq!(ids(100, "key-"), ["24", "23", "22", "21", "20", "19", "18", "17", "16", "15"]);
        assert_eq!(ids(2, "key-1"), ["23", "21"]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let refusals = Refusals::new(1);
        refusals.keep(refusal(0, &"é".repeat(10_000)));
        let kept = &refusals.latest(1, |_| true)[0];
        assert_eq!(kept.target, format!("{}…", "é".repeat(TEXT / 2)));
    }
}
