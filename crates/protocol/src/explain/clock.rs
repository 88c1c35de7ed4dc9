//! Times that a verifier cannot take: the format, the unit and the zone in which they would be right.

use super::mutate::time::{OFFSETS, moved, zone_text};
use super::received::Received;
use super::report::{Cause, Mistake, Seen};
use super::visible;
use crate::dialect::plan::{Claimed, Plan};
use crate::policy::Policy;
use crate::time::{TimeFormat, Timestamp, Window, Zone};

/// How far from a whole offset of a zone a clock may be, in seconds.
const NEAR: u64 = 60;

/// What would bring the carried time into the window; nothing where it is there.
pub(super) fn causes(plan: &Plan, received: &Received, now: Timestamp, policy: &Policy) -> Vec<Cause> {
    let (Some(rule), Some(text)) = (&plan.time, received.texts.get(Claimed::Time)) else { return Vec::new() };
    let window = policy.window.unwrap_or(rule.window);
    let cause = |id, seen, what: String| {
        vec![Cause { mistakes: vec![Mistake { id, what, rule: "time.format".to_owned() }], alternatives: Vec::new(), seen }]
    };
    if let Some(name) = received.other_format {
        let what = format!("the time is carried as {name}, which is not the dialect's format");
        return cause("time-format", Seen::Carried, what);
    }
    let Some(at) = received.instant else {
        let what = format!("the time is carried as {}, which is not the dialect's format", visible::line(text.as_bytes()));
        return cause("time-format", Seen::Carried, what);
    };
    if is_within(at, now, window) {
        return Vec::new();
    }
    for (name, format) in [("seconds", "unix"), ("milliseconds", "unix-ms")] {
        let read = TimeFormat::parse(format).ok().and_then(|format| format.read(text, Zone::UTC));
        if read.is_some_and(|other| other != at && is_within(other, now, window)) {
            return cause("time-unit", Seen::Carried, format!("the time is carried in {name}, which is not the dialect's unit"));
        }
    }
    let near = |minutes: &&i64| now.millis().abs_diff(moved(at, -**minutes * 60).millis()) <= NEAR * 1000;
    let Some(minutes) = OFFSETS.iter().find(near) else { return Vec::new() };
    let zone = zone_text(*minutes);
    let is_unix = |format: &TimeFormat| matches!(format, TimeFormat::Unix | TimeFormat::UnixMillis);
    let local = if rule.formats.iter().any(|format| is_unix(format) && format.read(text, rule.zone).is_some()) {
        format!("local time, UTC{zone}, was taken for UTC before it was made a number")
    } else {
        format!("the time is local, UTC{zone}, and written as if it were UTC")
    };
    let way = if at < now { "old: give the time at which it was received with --at" } else { "ahead of the clock here" };
    let what = format!("{local}; or the message is simply {} minutes {way}", minutes.abs());
    cause("time-local", Seen::Possible, what)
}

fn is_within(at: Timestamp, now: Timestamp, window: Window) -> bool {
    now <= at.plus(window.past) && at <= now.plus(window.future)
}
