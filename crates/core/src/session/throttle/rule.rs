//! What a guess changes: from what was counted before and the time, without a store.

use std::time::Duration;

use countersign_protocol::Timestamp;

/// How long guesses at an account are remembered, from the first one on.
const WINDOW: Duration = Duration::from_secs(24 * 3_600);
/// The most steps of [`Delays`].
const STEPS: usize = 8;
/// The longest that anybody may be made to wait, in seconds.
const MOST_WAIT: u64 = 3_600;
/// The most guesses before a step.
const MOST_GUESSES: u32 = 10_000;

/// How long an account waits after how many wrong guesses within 24 hours: steps, each later and longer than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays([(u32, u64); STEPS]);

impl Default for Delays {
    fn default() -> Self {
        Self::USUAL
    }
}

impl Delays {
    /// One second after 3, three after 5, ten after 10, a minute after 25, a quarter of an hour after 100.
    pub const USUAL: Self = Self([(3, 1), (5, 3), (10, 10), (25, 60), (100, 900), Self::NO_STEP, Self::NO_STEP, Self::NO_STEP]);
    /// A place without a step.
    const NO_STEP: (u32, u64) = (u32::MAX, 0);

    /// These steps: after so many guesses, so many seconds.
    ///
    /// # Errors
    /// There is none, there are more than 8, one is not later and longer than the one before, the first is after no guess, or one is after more than 10,000 guesses or
    /// longer than an hour: whoever knows a name could lock its user out.
    pub fn new(steps: &[(u32, u64)]) -> Result<Self, &'static str> {
        let mut delays = [Self::NO_STEP; STEPS];
        let place = delays.get_mut(..steps.len()).filter(|place| !place.is_empty()).ok_or("there are no steps, or more than 8")?;
        place.copy_from_slice(steps);
        let mut before = (0, 0);
        for &(guesses, seconds) in steps {
            if guesses <= before.0 || seconds <= before.1 {
                return Err("a step is not later and longer than the one before");
            }
            if guesses > MOST_GUESSES || seconds > MOST_WAIT {
                return Err("a step is after more than 10000 guesses, or longer than an hour");
            }
            before = (guesses, seconds);
        }
        Ok(Self(delays))
    }

    /// How long an account waits after so many wrong guesses.
    #[must_use]
    pub fn after(&self, guesses: u32) -> Duration {
        let step = self.0.iter().rev().find(|step| **step != Self::NO_STEP && guesses >= step.0);
        Duration::from_secs(step.map_or(0, |(_, seconds)| *seconds))
    }

    /// The longest wait.
    fn longest(&self) -> Duration {
        Duration::from_secs(self.0.iter().map(|(_, seconds)| *seconds).max().unwrap_or(0))
    }
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
    Account(Delays),
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
            Self::Account(_) => WINDOW,
            Self::Rate { time, .. } => time,
        };
        // An end that lies too far ahead was written by a clock that was ahead itself: it must not bind anybody for longer.
        let before = before.filter(|tally| now < tally.reset_at && tally.reset_at <= now.plus(window));
        let (guesses, reset_at) = before.map_or_else(|| (0, now.plus(window)), |tally| (tally.guesses, tally.reset_at));
        let guesses = guesses.saturating_add(1);
        match (self, before) {
            (Self::Account(delays), Some(Tally { next_at, .. })) if now < next_at && next_at <= now.plus(delays.longest()) => Err(next_at),
            (Self::Account(delays), _) => Ok(Tally { guesses, next_at: now.plus(delays.after(guesses)), reset_at }),
            (Self::Rate { most, .. }, _) if guesses > most => Err(reset_at),
            (Self::Rate { .. }, _) => Ok(Tally { guesses, next_at: now, reset_at }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Rule = Rule::Account(Delays::USUAL);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    #[test]
    fn the_more_wrong_guesses_the_longer_the_wait() {
        let seconds = |guesses| Delays::USUAL.after(guesses).as_secs();
        for (guesses, wait) in [(0, 0), (2, 0), (3, 1), (4, 1), (5, 3), (9, 3), (10, 10), (24, 10), (25, 60), (99, 60), (100, 900)] {
            assert_eq!(seconds(guesses), wait, "{guesses}");
        }
        assert_eq!(seconds(u32::MAX), 900, "never for good");
    }

    #[test]
    fn steps_come_later_and_last_longer_and_none_is_for_good() {
        let delays = Delays::new(&[(1, 2), (4, 3_600)]).unwrap();
        assert_eq!([0, 1, 3, 4, u32::MAX].map(|guesses| delays.after(guesses).as_secs()), [0, 2, 2, 3_600, 3_600]);
        let waits = Rule::Account(delays).decide(None, at(0)).unwrap();
        assert_eq!(Rule::Account(delays).decide(Some(waits), at(1)), Err(at(2)));
        let nine: Vec<_> = (1..=9).map(|n| (n, u64::from(n))).collect();
        assert!(Delays::new(&nine[..8]).is_ok());
        for bad in [&[][..], &nine, &[(0, 1)], &[(1, 0)], &[(3, 1), (3, 2)], &[(3, 2), (4, 2)], &[(3, 3_601)], &[(10_001, 1)]] {
            assert!(Delays::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_guess_that_has_to_wait_makes_nobody_wait_longer() {
        let mut tally = None;
        for _ in 0..3 {
            tally = Some(ACCOUNT.decide(tally, at(0)).unwrap());
        }
        for _ in 0..1_000 {
            assert_eq!(ACCOUNT.decide(tally, at(0)), Err(at(1)));
        }
        assert_eq!(ACCOUNT.decide(tally, at(1)).unwrap().guesses, 4);
    }

    #[test]
    fn after_a_day_nothing_counts() {
        let tally = Tally { guesses: 5_000, next_at: at(0), reset_at: at(86_400) };
        assert_eq!(ACCOUNT.decide(Some(tally), at(86_399)).unwrap().next_at, at(86_399 + 900));
        assert_eq!(ACCOUNT.decide(Some(tally), at(86_400)).unwrap().guesses, 1);
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
        assert_eq!(ACCOUNT.decide(Some(ahead), at(0)).unwrap().guesses, 1);
        let ahead = Tally { guesses: 500, next_at: at(5_000), reset_at: at(80_000) };
        assert_eq!(ACCOUNT.decide(Some(ahead), at(0)).unwrap().guesses, 501);
    }
}
