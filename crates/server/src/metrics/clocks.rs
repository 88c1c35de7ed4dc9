//! How far the clocks of apps are off: told for apps whose signature held, so that nobody else can write here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_protocol::Timestamp;

use super::text::Text;

/// The most apps that are told; those that come first.
const MOST_APPS: usize = 1_000;
/// A largest offset is told for one to two spans of this length: a mended clock is seen as mended.
const SPAN: Duration = Duration::from_mins(10);

/// The offsets of the apps.
#[derive(Debug, Default)]
pub(crate) struct Clocks(Mutex<BTreeMap<String, Offset>>);

/// Signed time less our time, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Offset {
    last: i64,
    /// The one that is furthest from 0, in this span and in the one before.
    furthest: [i64; 2],
    until: Timestamp,
}

impl Clocks {
    pub(crate) fn note(&self, app: &str, offset_millis: i64, now: Timestamp) {
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(offset) = apps.get_mut(app) {
            offset.note(offset_millis, now);
        } else if apps.len() < MOST_APPS {
            apps.insert(app.to_owned(), Offset { last: offset_millis, furthest: [offset_millis; 2], until: now.plus(SPAN) });
        }
    }

    pub(crate) fn write(&self, text: &mut Text) {
        let apps = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut tell = |name, help, of: fn(&Offset) -> i64| {
            let mut family = text.gauge(name, help);
            apps.iter().for_each(|(app, offset)| family.value(&[("app", app)], seconds(of(offset))));
        };
        tell("countersign_clock_offset_seconds", "Signed time less our time, in the last admitted request of an app.", |offset| {
            offset.last
        });
        tell("countersign_clock_offset_max_seconds", "The offset furthest from 0 within the last 10 to 20 minutes.", |offset| {
            further(offset.furthest[0], offset.furthest[1])
        });
    }
}

impl Offset {
    fn note(&mut self, offset: i64, now: Timestamp) {
        self.last = offset;
        if now > self.until {
            let gone = now > self.until.plus(SPAN);
            self.furthest = [offset, if gone { offset } else { self.furthest[0] }];
            self.until = now.plus(SPAN);
        }
        self.furthest[0] = further(self.furthest[0], offset);
    }
}

const fn further(a: i64, b: i64) -> i64 {
    if b.unsigned_abs() > a.unsigned_abs() { b } else { a }
}

#[expect(clippy::cast_precision_loss, reason = "offsets of admitted requests are within days")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(clocks: &Clocks) -> String {
        let mut text = Text::default();
        clocks.write(&mut text);
        text.into_string()
    }

    #[test]
    fn the_last_and_the_furthest_offset_are_told_and_a_mended_clock_is_seen() {
        let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
        let clocks = Clocks::default();
        for (seconds, offset) in [(0, -90_000), (1, 500), (700, 0)] {
            clocks.note("a", offset, at(seconds));
        }
        let text = told(&clocks);
        assert!(text.contains("countersign_clock_offset_seconds{app=\"a\"} 0\n"), "{text}");
        assert!(text.contains("countersign_clock_offset_max_seconds{app=\"a\"} -90\n"), "{text}");
        clocks.note("a", 250, at(1_400));
        assert!(told(&clocks).contains("countersign_clock_offset_max_seconds{app=\"a\"} 0.25\n"));
    }

    #[test]
    fn so_many_apps_are_told_and_no_more() {
        let clocks = Clocks::default();
        for n in 0..2 * MOST_APPS {
            clocks.note(&format!("app-{n}"), 1, Timestamp::from_seconds(0).unwrap());
        }
        assert_eq!(told(&clocks).matches("offset_seconds{").count(), MOST_APPS);
    }
}
