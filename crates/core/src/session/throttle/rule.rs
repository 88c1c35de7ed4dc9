//! What a guess changes: from what was counted before and the time, without a store.

use std::time::Duration;

use countersign_protocol::Timestamp;

/// How long guesses at an account are remembered, from the first one on.
const WINDOW: Duration = Duration::from_secs(24 * 3_600);
/// After so many guesses, so many seconds until the next one. The last one is the longest that anybody waits.
const DELAYS: [(u32, u64); 5] = [(100, 900), (25, 60), (10, 10), (5, 3), (3, 1)];
/// The longest of them.
const LONGEST: Duration = Duration::from_secs(DELAYS[0].1);

/// How long an account waits after so many wrong guesses within 24 hours.
#[must_use]
pub fn delay_after(guesses: u32) -> Duration {
    let delay = DELAYS.iter().find(|(least, _)| guesses >= *least);
    Duration::from_secs(delay.map_or(0, |(_, seconds)| *seconds))
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Guesses.
    pub guesses: u32,
    /// Before this, another guess has to wait.
    pub next_at: Timestamp,
    /// From then on nothing of it counts.
    pub reset_at: Timestamp,
}

/// By which rule a guess is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The more wrong guesses, the longer the wait. A guess that has to wait is not counted: waiting ends by itself.
    Account,
    /// So many in this time.
    Rate {
        /// How many.
        most: u32,
        /// In which time.
        time: Duration,
    },
}

impl Rule {
    /// Counts a guess.
    ///
    /// # Errors
    /// It has to wait, until when.
    pub fn decide(self, before: Option<Tally>, now: Timestamp) -> Result<Tally, Timestamp> {
        let window = match self {
            Self::Account => WINDOW,
            Self::Rate { time, .. } => time,
        };
        // An end that lies too far ahead was written by a clock that was ahead itself: it must not bind anybody for longer.
        let before = before.filter(|tally| now < tally.reset_at && tally.reset_at <= now.plus(window));
        let (guesses, reset_at) = before.map_or_else(|| (0, now.plus(window)), |tally| (tally.guesses, tally.reset_at));
        let guesses = guesses.saturating_add(1);
        match (self, before) {
            (Self::Account, Some(Tally { next_at, .. })) if now < next_at && next_at <= now.plus(LONGEST) => Err(next_at),
            (Self::Account, _) => Ok(Tally { guesses, next_at: now.plus(delay_after(guesses)), reset_at }),
            (Self::Rate { most, .. }, _) if guesses > most => Err(reset_at),
            (Self::Rate { .. }, _) => Ok(Tally { guesses, next_at: now, reset_at }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    #[test]
    fn the_more_wrong_guesses_the_longer_the_wait() {
        let seconds = |guesses| delay_after(guesses).as_secs();
        for (guesses, wait) in [(0, 0), (2, 0), (3, 1), (4, 1), (5, 3), (9, 3), (10, 10), (24, 10), (25, 60), (99, 60), (100, 900)] {
            assert_eq!(seconds(guesses), wait, "{guesses}");
        }
        assert_eq!(seconds(u32::MAX), 900, "never for good");
    }

    #[test]
    fn a_guess_that_has_to_wait_makes_nobody_wait_longer() {
        let mut tally = None;
        for _ in 0..3 {
            tally = Some(Rule::Account.decide(tally, at(0)).unwrap());
        }
        for _ in 0..1_000 {
            assert_eq!(Rule::Account.decide(tally, at(0)), Err(at(1)));
        }
        assert_eq!(Rule::Account.decide(tally, at(1)).unwrap().guesses, 4);
    }

    #[test]
    fn after_a_day_nothing_counts() {
        let tally = Tally { guesses: 5_000, next_at: at(0), reset_at: at(86_400) };
        assert_eq!(Rule::Account.decide(Some(tally), at(86_399)).unwrap().next_at, at(86_399 + 900));
        assert_eq!(Rule::Account.decide(Some(tally), at(86_400)).unwrap().guesses, 1);
    }

    #[test]
    fn a_rate_begins_anew_when_its_time_is_over() {
        let rule = Rule::Rate { most: 2, time: Duration::from_secs(60) };
        let first = rule.decide(None, at(0)).unwrap();
        let second = rule.decide(Some(first), at(59)).unwrap();
        assert_eq!(rule.decide(Some(second), at(59)), Err(at(60)));
        assert_eq!(rule.decide(Some(second), at(60)).unwrap().guesses, 1);
        assert_eq!(Rule::Rate { most: 0, time: Duration::from_secs(60) }.decide(None, at(0)), Err(at(60)));
    }

    #[test]
    fn a_clock_that_was_ahead_locks_nobody_out() {
        let ahead = Tally { guesses: 500, next_at: at(1_000_000), reset_at: at(1_000_000) };
        assert_eq!(Rule::Account.decide(Some(ahead), at(0)).unwrap().guesses, 1);
        let ahead = Tally { guesses: 500, next_at: at(5_000), reset_at: at(80_000) };
        assert_eq!(Rule::Account.decide(Some(ahead), at(0)).unwrap().guesses, 501);
    }
}
