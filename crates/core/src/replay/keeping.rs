//! How long and by what the requests of each dialect are kept, and what earlier rules kept for less.
//!
//! A rule that is changed must not open the past: where a window grows, or entries are found by something else from now on, requests that were
//! signed before the change are doubted as far as the earlier rules may have forgotten them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_protocol::{ReplayMode, Timestamp};
use serde::{Deserialize, Serialize};

use super::Age;
use crate::error::StoreError;
use crate::private_file;

/// The most bytes of the file.
const MOST: u64 = 1 << 20;
/// Requests that came just before a change are still judged by the rules before it.
const OVERLAP: Duration = Duration::from_secs(5);

/// What one route asks for the requests of one dialect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'r> {
    pub(crate) dialect: &'r str,
    pub(crate) mode: ReplayMode,
    /// Both windows together, or longer.
    pub(crate) keeps: Duration,
    /// How far ahead of the clock a request may be signed.
    pub(crate) ahead: Duration,
}

/// What is kept of each dialect that was ever accepted here, by its id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Keeping(BTreeMap<String, Kept>);

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The names of the modes of its routes.
    modes: BTreeSet<String>,
    /// For so long after the signed time, in milliseconds: the longest of its routes.
    keeps: u64,
    /// How far ahead of the clock requests may be signed, in milliseconds: the farthest of its routes.
    ahead: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<Change>,
}

/// The last change after which more could be accepted than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    at: i64,
    /// For how long after their signed time requests of the time before are known, in milliseconds; `None`: not at all.
    kept: Option<u64>,
    /// How far ahead of the clock they were signed at most, in milliseconds.
    ahead: u64,
}

impl Keeping {
    /// What is kept from `now` on by these rules, after what was kept until now.
    pub(crate) fn followed_by<'r>(&self, rules: impl IntoIterator<Item = Asked<'r>>, now: Timestamp) -> Self {
        let mut asked: BTreeMap<&str, Kept> = BTreeMap::new();
        for one in rules {
            let kept = asked.entry(one.dialect).or_default();
            kept.modes.insert(one.mode.as_str().to_owned());
            kept.keeps = kept.keeps.max(millis(one.keeps));
            kept.ahead = kept.ahead.max(millis(one.ahead));
        }
        // What no route accepts any more stays known, in case it comes back.
        let mut next = self.clone();
        for (dialect, mut kept) in asked {
            kept.changed = self.0.get(dialect).and_then(|before| before.change_to(&kept, now));
            next.0.insert(dialect.to_owned(), kept);
        }
        next
    }

    /// For how long after its signed time a request of this dialect is kept at least.
    pub(crate) fn keeps(&self, dialect: &str) -> Duration {
        self.0.get(dialect).map_or(Duration::ZERO, |kept| Duration::from_millis(kept.keeps))
    }

    /// Where a request may have been accepted, and forgotten since, under the rules before the last change: from when on one that is signed then
    /// is doubted no more.
    pub(crate) fn doubted_until(&self, dialect: &str, age: Age, now: Timestamp) -> Option<Timestamp> {
        let Kept { keeps, changed: Some(change), .. } = self.0.get(dialect)? else { return None };
        let at = Timestamp::from_millis(change.at).unwrap_or(now).plus(OVERLAP);
        if age.credential >= at {
            return None;
        }
        let (is_doubted, end) = match age.signed {
            Some(signed) => {
                let end = at.plus(Duration::from_millis(change.ahead));
                let is_held = change.kept.is_some_and(|kept| signed.plus(Duration::from_millis(kept)) > now);
                (signed < end && !is_held, end)
            }
            None => {
                let end = at.plus(Duration::from_millis(*keeps));
                (now < end, end)
            }
        };
        is_doubted.then_some(end)
    }

    /// Reads the file; nothing was kept where there is none.
    pub(crate) fn read(path: &Path) -> Result<Self, StoreError> {
        let Some(file) = private_file::open(path)? else { return Ok(Self::default()) };
        let mut text = String::new();
        file.take(MOST).read_to_string(&mut text).map_err(|error| private_file::fault(path, &error))?;
        serde_json::from_str(&text).map_err(|error| StoreError::File {
            path: path.to_owned(),
            fault: format!("it does not say what the replay guard keeps: {error}"),
            mend: "restore it from its backup; or remove it together with the file of replay entries, which begins a new memory",
        })
    }

    /// Writes the file, whole and durable.
    pub(crate) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        private_file::replace(path, text.as_bytes())
    }
}

impl Kept {
    /// What the next rules may accept that these have forgotten.
    fn change_to(&self, next: &Self, now: Timestamp) -> Option<Change> {
        let is_known = next.modes.iter().all(|new| self.modes.iter().all(|old| finds(new, old)));
        let longest = self.keeps.max(next.keeps);
        let still = self.changed.filter(|change| now.millis() < change.at.saturating_add_unsigned(longest));
        if is_known && next.keeps <= self.keeps {
            return still;
        }
        let own = is_known.then_some(self.keeps);
        let kept = still.map_or(own, |change| change.kept.zip(own).map(|(former, own)| former.min(own)));
        let ahead = still.map_or(self.ahead, |change| change.ahead.max(self.ahead));
        Some(Change { at: now.millis(), kept, ahead })
    }
}

/// Whether what a mode looks for was written by another one, for every request.
fn finds(new: &str, old: &str) -> bool {
    let is = |text: &str, mode: ReplayMode| text == mode.as_str();
    let none = is(new, ReplayMode::None) || is(new, ReplayMode::UntilExpiry);
    none || new == old || (is(new, ReplayMode::SafeMethodsExempt) && is(old, ReplayMode::Signature))
}

/// Where it is written down, so that it outlives the process.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) keeping: Keeping,
    path: Option<PathBuf>,
}

impl Record {
    /// One that ends with the process.
    pub(crate) fn passing() -> Self {
        Self { keeping: Keeping::default(), path: None }
    }

    /// One in this file.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { keeping: Keeping::read(path)?, path: Some(path.to_owned()) })
    }

    /// The same after other rules. It is written before anything is accepted by them.
    pub(crate) fn followed_by<'r>(&self, rules: impl IntoIterator<Item = Asked<'r>>, now: Timestamp) -> Result<Self, StoreError> {
        let keeping = self.keeping.followed_by(rules, now);
        if let Some(path) = self.path.as_deref().filter(|_| keeping != self.keeping) {
            keeping.write(path)?;
        }
        Ok(Self { keeping, path: self.path.clone() })
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(NOW + seconds).unwrap()
    }

    fn asked(mode: ReplayMode, seconds: u64) -> Asked<'static> {
        Asked { dialect: "d", mode, keeps: Duration::from_secs(seconds), ahead: Duration::from_secs(1) }
    }

    fn doubts(keeping: &Keeping, signed: i64, now: i64) -> bool {
        keeping.doubted_until("d", age(Some(signed)), at(now)).is_some()
    }

    fn age(signed: Option<i64>) -> Age {
        Age { signed: signed.map(at), credential: at(-10_000), span: Duration::ZERO, ahead: Duration::ZERO }
    }

    #[test]
    fn the_longest_window_of_a_dialect_holds_for_each_of_its_routes() {
        let keeping = Keeping::default().followed_by([asked(ReplayMode::Signature, 4), asked(ReplayMode::Signature, 600)], at(0));
        assert_eq!(keeping.keeps("d"), Duration::from_secs(600));
        assert_eq!(keeping.keeps("other"), Duration::ZERO);
        assert!(!doubts(&keeping, -590, 0), "nothing was kept before: the first rules doubt nothing");
    }

    #[test]
    fn a_wider_window_does_not_take_what_was_forgotten() {
        let narrow = Keeping::default().followed_by([asked(ReplayMode::Signature, 4)], at(0));
        let wide = narrow.followed_by([asked(ReplayMode::Signature, 600)], at(100));
        assert!(doubts(&wide, 90, 101), "forgotten at 94");
        assert!(!doubts(&wide, 98, 101), "still held");
        assert!(doubts(&wide, 98, 102), "and no more a moment later");
        assert!(doubts(&wide, 105, 200) && !doubts(&wide, 106, 200), "signed under the new rules");
        assert!(
            wide.doubted_until("d", Age { credential: at(110), ..age(Some(90)) }, at(120)).is_none(),
            "a key that is younger than the change"
        );
        // The same rules once more, as at a restart, forget nothing of it.
        let again = wide.followed_by([asked(ReplayMode::Signature, 600)], at(200));
        assert!(doubts(&again, 90, 201));
        // When nothing that old can be accepted any more, it is over.
        assert_eq!(again.followed_by([asked(ReplayMode::Signature, 600)], at(800)).0["d"].changed, None);
    }

    #[test]
    fn a_second_change_keeps_what_the_first_one_doubted() {
        let first = Keeping::default().followed_by([asked(ReplayMode::Signature, 4)], at(0));
        let second =
            first.followed_by([asked(ReplayMode::Signature, 100)], at(50)).followed_by([asked(ReplayMode::Signature, 600)], at(60));
        assert!(doubts(&second, 40, 61), "kept for 4 seconds");
        let narrow = second.followed_by([asked(ReplayMode::Signature, 4)], at(61));
        assert!(doubts(&narrow.followed_by([asked(ReplayMode::Signature, 600)], at(70)), 63, 71), "kept for 4 seconds again");
    }

    #[test]
    fn what_was_found_by_something_else_is_not_found() {
        use ReplayMode::{Event, Nonce, None, SafeMethodsExempt, Signature, UntilExpiry};
        let modes = [Nonce, Signature, SafeMethodsExempt, UntilExpiry, Event, None];
        for old in modes {
            for new in modes {
                let keeping = Keeping::default().followed_by([asked(old, 600)], at(0)).followed_by([asked(new, 600)], at(100));
                let known = new == old || [None, UntilExpiry].contains(&new) || (new, old) == (SafeMethodsExempt, Signature);
                assert_eq!(doubts(&keeping, 99, 100), !known, "{old} then {new}");
                assert!(!doubts(&keeping, 106, 107), "{old} then {new}");
            }
        }
    }

    #[test]
    fn without_a_time_all_is_doubted_for_as_long_as_it_is_kept() {
        let keeping = Keeping::default().followed_by([asked(ReplayMode::Signature, 60)], at(0));
        let changed = keeping.followed_by([asked(ReplayMode::Nonce, 60)], at(100));
        let doubts = |now: i64| changed.doubted_until("d", age(None), at(now)).is_some();
        assert!(doubts(101) && doubts(160) && !doubts(166));
    }

    #[test]
    fn it_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replay.kept");
        let first = Record::open(&path).unwrap().followed_by([asked(ReplayMode::Signature, 4)], at(0)).unwrap();
        let second = Record::open(&path).unwrap();
        assert_eq!(second.keeping, first.keeping);
        let second = second.followed_by([asked(ReplayMode::Signature, 600)], at(100)).unwrap();
        let third = Record::open(&path).unwrap();
        assert!(doubts(&third.keeping, 90, 101) && third.keeping == second.keeping);
        std::fs::write(&path, "{\"d\":").unwrap();
        let refused = Record::open(&path).unwrap_err().to_string();
        assert!(refused.contains("replay.kept") && refused.contains("restore"), "{refused}");
    }
}
