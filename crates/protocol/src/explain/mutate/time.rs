//! Times written otherwise: another unit or format, local time, another day, or a clock that was read twice.

use std::time::Duration;

use super::super::place::{self, Home};
use super::super::process::Process;
use super::super::received::FORMATS;
use super::{Mutation, places, rule_of};
use crate::dialect::plan::{Claimed, Filter, Op, Source};
use crate::time::{TimeFormat, Timestamp, Zone};

/// The offsets from UTC that are in use somewhere, in minutes.
pub(in super::super) const OFFSETS: [i64; 39] = [
    -720, -660, -600, -570, -540, -480, -420, -360, -300, -240, -210, -180, -150, -120, -60, 60, 120, 180, 210, 240, 270, 300, 330, 345,
    360, 390, 420, 480, 525, 540, 570, 600, 630, 660, 720, 765, 780, 825, 840,
];
const DAY: u64 = 86_400;
/// How far two readings of a clock are tried apart, in seconds.
const SECONDS_APART: u64 = 2;

pub(super) fn mutations(base: &Process) -> Vec<Mutation> {
    let Some(at) = base.instant else { return Vec::new() };
    let mut all = Vec::new();
    // Where no text names the time, it may be signed with the header or the list in which it rides.
    let carrier = base.plan().carry.iter().find(|e| e.holds(Claimed::Time));
    let carried = || carrier.map(|e| format!("carry.{}.{}", e.place.as_str(), e.name));
    if let Some(rule) = rule_of(base, |s| *s == Source::Claim(Claimed::Time)).or_else(carried) {
        all.extend(units(base, &rule, at));
        all.extend(shifted(base, &rule, at));
    }
    all.extend(days(base, at));
    all
}

/// The instant moved by so many seconds, in either direction.
pub(in super::super) fn moved(at: Timestamp, seconds: i64) -> Timestamp {
    let span = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { at.minus(span) } else { at.plus(span) }
}

fn written(format: &TimeFormat, at: Timestamp, zone: Zone) -> Option<String> {
    let mut out = Vec::new();
    format.write(at, zone, &mut out);
    String::from_utf8(out).ok()
}

fn put(id: &'static str, cost: u8, rule: &str, what: String, text: String, at: Option<Timestamp>) -> Mutation {
    Mutation::new(id, cost, rule, what, move |process| {
        let before = process.texts.get(Claimed::Time)?;
        if before == text && at.is_none_or(|at| process.instant == Some(at)) {
            return None;
        }
        process.carry_otherwise(Claimed::Time, &text);
        process.instant = at.or(process.instant);
        Some(())
    })
    .on_axis("time")
}

fn units(base: &Process, rule: &str, at: Timestamp) -> Vec<Mutation> {
    let mut all = Vec::new();
    let now = base.texts.get(Claimed::Time).unwrap_or_default();
    let zone = base.plan().time.as_ref().map_or(Zone::UTC, |t| t.zone);
    for (name, format) in FORMATS {
        let text = TimeFormat::parse(format).ok().and_then(|format| written(&format, at, zone));
        let Some(text) = text.filter(|text| text != now) else { continue };
        let (id, cost) = match format {
            "unix" => ("time-in-seconds", 1),
            "unix-ms" => ("time-in-milliseconds", 1),
            _ => ("time-in-another-format", 2),
        };
        all.push(put(id, cost, rule, format!("the time was signed as {text} ({name}), and carried as {now}"), text, None));
    }
    if let Some(text) = written(&TimeFormat::UnixMillis, Timestamp::from_seconds(at.seconds()).unwrap_or(at), zone).filter(|t| t != now) {
        all.push(put("time-in-milliseconds", 1, rule, format!("the time was signed as {text}, whole seconds in milliseconds"), text, None));
    }
    all
}

fn shifted(base: &Process, rule: &str, at: Timestamp) -> Vec<Mutation> {
    let Some(time) = &base.plan().time else { return Vec::new() };
    let Some(format) = time.formats.iter().find(|f| base.texts.get(Claimed::Time).is_some_and(|t| f.read(t, time.zone).is_some())) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut add = |id, cost, seconds: i64, what: String| {
        let at = moved(at, seconds);
        if let Some(text) = written(format, at, time.zone) {
            all.push(put(id, cost, rule, what, text, Some(at)));
        }
    };
    for minutes in OFFSETS {
        let cost = if minutes % 60 == 0 { 2 } else { 3 };
        add("time-local", cost, minutes * 60, format!("the signer signed local time, UTC{}, as if it were UTC", zone_text(minutes)));
    }
    for seconds in 1..=i64::try_from(SECONDS_APART).unwrap_or_default() {
        for seconds in [seconds, -seconds] {
            let when = if seconds < 0 { "before" } else { "after" };
            let what = format!("the clock was read twice: what was signed is {} s {when} what is carried", seconds.abs());
            add("time-read-twice", 2, seconds, what);
        }
    }
    all
}

/// An offset in minutes as `+08:00`.
pub(in super::super) fn zone_text(minutes: i64) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// Texts that hold the day alone, as scopes do.
fn days(base: &Process, at: Timestamp) -> Vec<Mutation> {
    let zone = base.plan().time.as_ref().map_or(Zone::UTC, |t| t.zone);
    let mut all = Vec::new();
    for (home, index, op) in places(base, |s| matches!(s, Source::Claim(Claimed::Time) | Source::Let(_))) {
        let Some(format) = day_of(base, home, &op) else { continue };
        for (seconds, name) in [(-i64::try_from(DAY).unwrap_or_default(), "before"), (i64::try_from(DAY).unwrap_or_default(), "after")] {
            let Some(text) = written(&format, moved(at, seconds), zone) else { continue };
            let what = format!("the date was signed as {text}, the day {name} that of the time: it was kept from earlier, or is local");
            let like = op.clone();
            let what = if matches!(home, Home::KeyStep(_)) { format!("in the key alone, {what}") } else { what };
            let put = Mutation::new("date-of-another-day", 1, place::rule(base.plan(), home, index), what, move |process| {
                super::replace_op(process, home, index, &like, text.clone().into_bytes())
            });
            all.push(put.on_axis("date"));
        }
    }
    all
}

/// The format of a day that this operation writes: of the time itself, or in a step of the key of a text that is nothing else.
fn day_of(base: &Process, home: Home, op: &Op) -> Option<TimeFormat> {
    match op {
        Op::Put { source: Source::Claim(Claimed::Time), filters } => match filters.first()? {
            Filter::Time(format) if !format.is_precise() => Some(format.clone()),
            _ => None,
        },
        Op::Put { source: Source::Let(inner), filters } if filters.is_empty() && matches!(home, Home::KeyStep(_)) => {
            match &base.plan().lets.get(*inner)?.program.ops[..] {
                [only] => day_of(base, Home::Let(*inner), only),
                _ => None,
            }
        }
        _ => None,
    }
}
