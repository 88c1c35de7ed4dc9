//! The other side's text beside ours: as it is, and as it was before an editor saved it.

use super::difference;
use super::mutate::replace;
use super::process::Process;
use super::report::{Explanation, Seen};
use super::search::{Goal, search};
use super::{Question, Side};

/// A text that the other side may have meant.
struct Meant {
    text: Vec<u8>,
    /// What was changed of it; nothing for the text as it is.
    change: &'static str,
}

impl Question<'_> {
    /// Holds another side's text against ours.
    pub(super) fn compare(&self, side: &Side<'_>, shown: &Process, theirs: &[u8], answer: &mut Explanation) {
        if theirs.iter().all(u8::is_ascii_whitespace) {
            answer.notes.push("the other side's text is empty: it was left aside".to_owned());
            self.look_at_tags(side, answer);
            return;
        }
        let all = meant(theirs);
        let proven = all.iter().position(|meant| holds(side, &meant.text));
        let stage = if proven.is_some() { None } else { difference::stage_of(shown, all.last().map_or(theirs, |meant| &meant.text)) };
        let chosen = &all[proven.unwrap_or_else(|| nearest(&all, shown.text(stage).as_ref().map_or(&[], |ours| ours.expose())))];
        if !chosen.change.is_empty() {
            answer.notes.push(format!("the other side's text was read {}, since editors change that", chosen.change));
        }
        let plan = self.dialect.plan();
        answer.difference = difference::find(shown, stage, &chosen.text, &self.credentials);
        let Some(difference) = &answer.difference else {
            let name = stage.map_or("string_to_sign", |index| &plan.lets[index].name);
            answer
                .notes
                .push(format!("both sides have the same {name}: what differs comes after it, such as the key or the signature's encoding"));
            self.look_at_tags(side, answer);
            return;
        };
        if let Some(inner) = difference::hashes(plan, &difference.rule) {
            answer
                .notes
                .push(format!("the difference is inside {inner}, of which only a digest stands here: give the other side's {inner}"));
        }
        if stage.is_none() && !side.readings.is_empty() && !side.processes.is_empty() {
            let (is, right) = if proven.is_some() { ("is", ": the key is right") } else { ("is not", "") };
            answer.notes.push(format!("the signature {is} one over the other side's text with the key that is given here{right}"));
        }
        self.look_at_text(side, shown, &chosen.text, stage, answer);
    }

    /// Looks for what makes the texts equal, and unless the signature then holds too, for what makes the signature hold.
    fn look_at_text(&self, side: &Side<'_>, shown: &Process, theirs: &[u8], stage: Option<usize>, answer: &mut Explanation) {
        let found = search(shown, &Goal::Text(theirs, stage), &side.transit.mutations(), self.depth, self.most / 2);
        self.note_search(&found, answer);
        let Some(hit) = found.hit else {
            self.look_at_tags(side, answer);
            return;
        };
        let tags = Goal::Tags(side.readings);
        if side.processes.iter().any(|process| hit.holds(process, &tags)) {
            self.note_hit(&hit, side.seen, answer);
            return;
        }
        let before = answer.causes.len();
        self.look_at_tags(side, answer);
        let is_part = |id: &str| answer.causes[before..].iter().any(|cause| cause.names(id));
        if !hit.mutations.iter().all(|mutation| is_part(mutation.id)) {
            self.note_hit(&hit, Seen::TextsEqual, answer);
        }
    }
}

/// The text as it is, without one line end, and with LF for CR LF.
fn meant(theirs: &[u8]) -> Vec<Meant> {
    let cut = |text: &[u8]| text.strip_suffix(b"\n").map_or(text, |text| text.strip_suffix(b"\r").unwrap_or(text)).to_vec();
    let unix = replace(theirs, b"\r\n", b"\n");
    let mut all: Vec<Meant> = Vec::new();
    for (text, change) in [
        (theirs.to_vec(), ""),
        (cut(theirs), "without the line end at its end"),
        (unix.clone(), "with LF for CR LF"),
        (cut(&unix), "with LF for CR LF, and without the line end at its end"),
    ] {
        if !all.iter().any(|meant| meant.text == text) {
            all.push(Meant { text, change });
        }
    }
    all
}

/// Whether a signature is one over this text with a key that is given.
fn holds(side: &Side<'_>, text: &[u8]) -> bool {
    let tags: Vec<_> = side.readings.iter().map(|reading| reading.tag.clone()).collect();
    !tags.is_empty() && side.processes.iter().filter_map(Process::run).any(|o| o.key.attempt(o.algorithm, text, &tags).0.is_some())
}

/// The first of those whose line ends are like ours.
fn nearest(all: &[Meant], ours: &[u8]) -> usize {
    let ends = |text: &[u8]| (text.ends_with(b"\n"), text.windows(2).any(|pair| pair == b"\r\n"));
    let alike = |meant: &Meant| {
        let (own, other) = (ends(ours), ends(&meant.text));
        usize::from(own.0 == other.0) + usize::from(own.1 == other.1)
    };
    let most = all.iter().map(alike).max();
    all.iter().position(|meant| Some(alike(meant)) == most).unwrap_or_default()
}
