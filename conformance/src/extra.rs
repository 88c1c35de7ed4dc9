//! Checks that no vector holds, for optional members of the protocol that an adapter says it understands.
//!
//! They follow from the vectors: the same body in pieces has the same verdict, a stranger's key beside the right one
//! changes nothing, and a time at the edge of a window is inside of it.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_protocol::{BodyNeed, KeyMaterial, Window};
use countersign_vectors::{Case, Expect};
use serde_json::json;

use crate::line::{Object, Verification, in_pieces};
use crate::run::Subject;

/// Bodies may come in pieces.
const PIECES: &str = "body_pieces";
/// Several credentials may be given.
const CREDENTIALS: &str = "several_credentials";
/// The policy may hold a window.
const WINDOWS: &str = "windows";
/// What is tried once for each kind and dialect is tried with this many of its vectors.
const EACH: usize = 3;
/// The window that is asked for.
const WINDOW: Duration = Duration::from_secs(7);

/// A derived check: what it is called, what is asked, and what must come out.
pub(crate) struct Extra {
    pub(crate) name: &'static str,
    pub(crate) line: Object,
    pub(crate) expect: Expect,
}

/// How many checks of each kind were made for a dialect.
#[derive(Default)]
pub(crate) struct Made(BTreeMap<&'static str, usize>);

impl Made {
    /// Whether one more of this kind is wanted.
    fn one_more(&mut self, kind: &'static str) -> bool {
        let count = self.0.entry(kind).or_default();
        *count += 1;
        *count <= EACH
    }
}

/// The derived checks of a vector, for an adapter of these features.
pub(crate) fn extras(subject: &Subject, case: &Case, has: impl Fn(&str) -> bool, made: &mut Made) -> Vec<Extra> {
    let mut extras = Vec::new();
    let asked = Verification::of(case);
    if has(PIECES) && !case.placed.body.is_empty() && subject.dialect.body_need() != BodyNeed::Nothing {
        extras.push(Extra { name: "body in pieces", line: pieces(case, asked.clone()), expect: case.expect });
    }
    if case.expect != Expect::Accepted {
        return extras;
    }
    if has(CREDENTIALS) && matches!(case.credential.material(), KeyMaterial::Hmac(_)) && made.one_more(CREDENTIALS) {
        // Where messages name no key, a key without a name is one more to try.
        let stranger = match &case.keys.key_id {
            Some(id) => json!({ "key_id": format!("{id}-of-a-stranger"), "secret": "a-stranger's-secret" }),
            None => json!({ "secret_base64": "YSBzdHJhbmdlcidzIHNlY3JldA==" }),
        };
        let mut both = asked.clone();
        both.credentials.insert(0, stranger);
        extras.push(Extra { name: "a stranger's key beside it", line: both.line(), expect: case.expect });
    }
    extras.extend(windows(subject, case, &asked, has, made));
    extras
}

/// The first byte, nothing, and the rest in pieces of 64 KiB.
fn pieces(case: &Case, mut asked: Verification) -> Object {
    let (first, rest) = case.placed.body.split_at(1);
    let pieces = [first, &[][..]].into_iter().chain(rest.chunks(1 << 16));
    asked.message = in_pieces(&asked.message, pieces);
    asked.line()
}

/// A vector that is checked at its signed time, at the two edges of a window and behind them.
fn windows(subject: &Subject, case: &Case, asked: &Verification, has: impl Fn(&str) -> bool, made: &mut Made) -> Vec<Extra> {
    let is_at_its_time =
        case.signing.as_ref().is_some_and(|signing| signing.options.at == case.now && signing.options.at.millis() % 1000 == 0);
    let has_window = subject.dialect.window().is_some() && subject.dialect.max_expires().is_none() && subject.dialect.carries_time();
    // A time that is carried to the day or the minute only is not the signer's clock.
    let is_told = || subject.time_of(case) == Some(case.now);
    if !has(WINDOWS) || !is_at_its_time || !has_window || !is_told() || !made.one_more(WINDOWS) {
        return Vec::new();
    }
    let at = |moment, expect, name| {
        let mut asked = asked.clone();
        asked.at = moment;
        asked.policy.window = Some(Window { past: WINDOW, future: WINDOW / 7 });
        Extra { name, line: asked.line(), expect }
    };
    let second = Duration::from_secs(1);
    vec![
        at(case.now.plus(WINDOW), Expect::Accepted, "at the end of a window"),
        at(case.now.plus(WINDOW + second), Expect::Refused(countersign_protocol::Reason::TooOld), "behind a window"),
        at(case.now.minus(WINDOW / 7), Expect::Accepted, "at the beginning of a window"),
        at(case.now.minus(WINDOW / 7 + second), Expect::Refused(countersign_protocol::Reason::FromTheFuture), "before a window"),
    ]
}
