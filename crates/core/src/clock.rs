//! The clock as an argument: the system's, or any closure.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_protocol::Timestamp;

/// Where an admission takes the current time from.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// The clock of the operating system. A clock set before 1970 reads as 1970, so that every request is from the future.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        EPOCH.plus(since)
    }
}

const EPOCH: Timestamp = match Timestamp::from_millis(0) {
    Some(epoch) => epoch,
    None => unreachable!(),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closures_and_the_system_are_clocks() {
        let fixed = Timestamp::from_seconds(1_000).unwrap();
        let clock: &dyn Clock = &move || fixed;
        assert_eq!(clock.now(), fixed);
        assert!(SystemClock.now() > fixed);
    }
}
