//! Times that a verifier cannot take: the format, the unit and the zone in which they would be right.

use super::mutate::time::{moved, zone_text};
use super::received::Received;
use super::report::{Cause, Mistake};
use crate::dialect::plan::{Claimed, Plan};
use crate::policy::Policy;
use crate::time::{TimeFormat, Timestamp, Window, Zone};

/// What would bring the carried time into the window; nothing where it is there.
pub(super) fn causes(plan: &Plan, received: &Received, now: Timestamp, policy: &Policy) -> Vec<Cause> {
    let (Some(rule), Some(text)) = (&plan.time, received.texts.get(Claimed::Time)) else { return Vec::new() };
    let window = policy.window.unwrap_or(rule.window);
    let cause =
        |id, what: String| vec![Cause { mistakes: vec![Mistake { id, what, rule: "time.format".to_owned() }], alternatives: Vec::new() }];
    if let Some(name) = received.other_format {
        let what = format!("the time is carried as {name}, which is not the dialect's format");
        return cause("time-format", what);
    }
    let Some(at) = received.instant.filter(|at| !is_within(*at, now, window)) else { return Vec::new() };
    for (name, format) in [("seconds", "unix"), ("milliseconds", "unix-ms")] {
        let read = TimeFormat::parse(format).ok().and_then(|format| format.read(text, Zone::UTC));
        if read.is_some_and(|other| other != at && is_within(other, now, window)) {
            return cause("time-unit", format!("the time is carried in {name}, which is not the dialect's unit"));
        }
    }
    for half_hours in (-24_i64..=28).filter(|n| *n != 0) {
        if is_within(moved(at, -half_hours * 1800), now, window) {
            let what = format!("the time is local, UTC{}, and written as if it were UTC", zone_text(half_hours));
            return cause("time-local", what);
        }
    }
    Vec::new()
}

fn is_within(at: Timestamp, now: Timestamp, window: Window) -> bool {
    now <= at.plus(window.past) && at <= now.plus(window.future)
}
