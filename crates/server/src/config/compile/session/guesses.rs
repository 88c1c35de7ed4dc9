//! What a guess at a password costs, and how many there may be, from as written to valid by construction.

use std::time::Duration;

use countersign_core::session::password::{Parameters, PasswordOptions};
use countersign_core::session::throttle::{Delays, ThrottleLimits};
use toml::Spanned;

use crate::config::written::session::WrittenSession;
use crate::config::{Config, ConfigError};

/// The least memory of a hash: the least that OWASP's cheat sheet names.
const LEAST_KIB: u32 = 7_168;
/// The most hashes at one time, and that wait.
const MOST_AT_ONCE: usize = 8;
const MOST_QUEUE: usize = 1_024;
/// The longest that a login waits for others.
const MOST_WAIT: Duration = Duration::from_secs(30);
/// The least and the most that is remembered.
const REMEMBERED: std::ops::RangeInclusive<u32> = 1_000..=10_000_000;

/// How passwords are hashed.
pub(in crate::config) fn passwords(config: &Config, session: &WrittenSession) -> Result<PasswordOptions, ConfigError> {
    let mut options = PasswordOptions::default();
    let Some(table) = &session.password else { return Ok(options) };
    if session.callback.is_some() {
        let fault = "session.password: a service of your own decides logins, and no password is hashed here";
        return Err(config.error(table.span().start, fault, "remove this table, or [session.callback]"));
    }
    let written = table.get_ref();
    let usual = Parameters::DEFAULT;
    let number = |written: &Option<Spanned<u32>>, usual: u32| written.as_ref().map_or(usual, |number| *number.get_ref());
    let memory = number(&written.memory_kib, usual.memory_kib());
    let parameters = Parameters::new(memory, number(&written.passes, usual.passes()), number(&written.lanes, usual.lanes()));
    let place = [&written.memory_kib, &written.passes, &written.lanes].into_iter().flatten().map(|number| number.span().start).min();
    options.parameters = parameters.filter(|_| memory >= LEAST_KIB).ok_or_else(|| {
        let mend = "write memory_kib from 7168 to 262144, passes from 1 to 10, lanes from 1 to 16, such as 19456, 2 and 1";
        config.error(place.unwrap_or(table.span().start), "session.password: a hash would cost too little or too much", mend)
    })?;
    let count = |written: &Option<Spanned<usize>>, usual: usize, range: std::ops::RangeInclusive<usize>, key: &str| {
        let Some(written) = written else { return Ok(usual) };
        let fault = || {
            let mend = format!("write a number from {} to {}", range.start(), range.end());
            config.error(written.span().start, format!("session.password: {key} is out of range"), mend)
        };
        if range.contains(written.get_ref()) { Ok(*written.get_ref()) } else { Err(fault()) }
    };
    options.at_once = count(&written.at_once, options.at_once, 1..=MOST_AT_ONCE, "at_once")?;
    options.queue = count(&written.queue, options.queue, 0..=MOST_QUEUE, "queue")?;
    if let Some(wait) = &written.wait {
        options.wait = wait.get_ref().0;
        if options.wait > MOST_WAIT {
            return Err(config.error(wait.span().start, "session.password: wait is out of range", "write at most 30s"));
        }
    }
    Ok(options)
}

/// How often may be guessed.
pub(super) fn throttle(config: &Config, session: &WrittenSession) -> Result<ThrottleLimits, ConfigError> {
    let mut limits = ThrottleLimits::default();
    let by_address = session.throttle_by_address.unwrap_or(true);
    limits.per_address = limits.per_address.filter(|_| by_address);
    let Some(written) = session.throttle.as_ref().map(Spanned::get_ref) else { return Ok(limits) };
    if let Some(most) = &written.per_address {
        if !by_address {
            let fault = "session.throttle: per_address, and guesses are not counted by address";
            return Err(config.error(most.span().start, fault, "remove it, or `throttle_by_address = false`"));
        }
        limits.per_address = Some(most.get_ref().get());
    }
    limits.per_gateway = written.per_gateway.map_or(limits.per_gateway, std::num::NonZeroU32::get);
    if let Some(remembered) = &written.remembered {
        limits.remembered = *remembered.get_ref();
        if !REMEMBERED.contains(&limits.remembered) {
            let mend = format!("write a number from {} to {}", REMEMBERED.start(), REMEMBERED.end());
            return Err(config.error(remembered.span().start, "session.throttle: remembered is out of range", mend));
        }
    }
    if let Some(waits) = &written.waits {
        let steps: Vec<(u32, u64)> = waits.get_ref().iter().map(|(guesses, wait)| (*guesses, wait.0.as_secs())).collect();
        limits.delays = Delays::new(&steps).map_err(|fault| {
            let mend = "write numbers of guesses and whole seconds, both rising, such as `waits = [[3, \"1s\"], [10, \"10s\"]]`";
            config.error(waits.span().start, format!("session.throttle: {fault}"), mend)
        })?;
    }
    Ok(limits)
}
