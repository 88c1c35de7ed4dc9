//! The search itself: requests are put together by their string to sign, and the accepted ones of one string are compared.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::space::{Point, Position};
use crate::subject::{Asked, Subject};

/// The collisions that are shown in full.
const MOST_SHOWN: usize = 12;

/// What a search saw.
#[derive(Default)]
pub(crate) struct Report {
    asked: u64,
    unsignable: u64,
    strings: u64,
    verified: u64,
    refused: u64,
    /// How many accepted requests held text in a position.
    accepted: BTreeMap<Position, u64>,
    collisions: u64,
    shown: Vec<String>,
}

/// What is kept of a string to sign: requests of one meaning.
struct Kept {
    /// Worked out when it is first compared: most strings come once.
    meaning: Option<u64>,
    first: Point,
    /// Whether the first is known to be accepted: then the others are not needed.
    accepted: bool,
    others: Vec<Point>,
}

/// Searches all spaces of a dialect together.
pub(crate) fn run(subject: &Subject, most: usize) -> Result<Report, String> {
    let mut report = Report::default();
    let spaces = subject.spaces();
    let mut signed = BTreeSet::new();
    for space in &spaces {
        report.accepted.extend(space.positions.iter().map(|position| (*position, 0)));
    }
    for space in &spaces {
        space.visit(1, &mut |point| report.probe(subject, point, &mut signed));
    }
    let mut seen: HashMap<u64, Kept> = HashMap::new();
    for space in &spaces {
        space.visit(most, &mut |point| report.take(subject, &signed, &mut seen, point));
    }
    report.strings = u64::try_from(seen.len()).map_err(|e| e.to_string())?;
    Ok(report)
}

impl Report {
    /// Verifies a request with text in one position at most, and notes what its signature speaks of.
    fn probe(&mut self, subject: &Subject, point: &Point, signed: &mut BTreeSet<&'static str>) {
        self.verified += 1;
        match subject.accepts(point) {
            Some(intact) => {
                signed.extend(subject.ask(point).meaning(subject).signed(intact.verified().covers()));
                point.filled().for_each(|position| *self.accepted.entry(position).or_default() += 1);
            }
            None => self.refused += 1,
        }
    }

    /// Verifying costs more than signing, and only requests of one string and different meanings can collide: the others are not verified.
    fn take(&mut self, subject: &Subject, signed: &BTreeSet<&'static str>, seen: &mut HashMap<u64, Kept>, point: &Point) {
        self.asked += 1;
        let asked = subject.ask(point);
        let Ok(prepared) = subject.prepare(&asked) else {
            self.unsignable += 1;
            return;
        };
        let meaning = |asked: &Asked| {
            let mut meaning = asked.meaning(subject);
            meaning.keep(signed);
            Some(hash(&meaning))
        };
        let new = Kept { meaning: None, first: *point, accepted: false, others: Vec::new() };
        match seen.entry(hash(prepared.string_to_sign())) {
            Entry::Vacant(place) => {
                place.insert(new);
            }
            Entry::Occupied(mut place) => {
                let kept = place.get_mut();
                kept.meaning = kept.meaning.or_else(|| meaning(&subject.ask(&kept.first)));
                self.compare(subject, kept, Kept { meaning: meaning(&asked), ..new });
            }
        }
    }

    /// Requests of one meaning stand for each other, once one of them is accepted.
    fn compare(&mut self, subject: &Subject, kept: &mut Kept, new: Kept) {
        if kept.meaning == new.meaning {
            if !kept.accepted {
                kept.others.push(new.first);
            }
            return;
        }
        let mut all = std::iter::once(kept.first).chain(std::mem::take(&mut kept.others));
        let found = if kept.accepted { all.next() } else { all.find(|point| self.accept(subject, point)) };
        match found {
            Some(first) => *kept = Kept { first, accepted: true, meaning: kept.meaning, others: Vec::new() },
            None => {
                *kept = new;
                return;
            }
        }
        self.compare_accepted(subject, &kept.first, &new.first);
    }

    fn compare_accepted(&mut self, subject: &Subject, kept: &Point, new: &Point) {
        self.verified += 1;
        let Some(other) = subject.accepts(new) else {
            self.refused += 1;
            return;
        };
        let Some(one) = subject.accepts(kept) else { return };
        let covers = [one.verified().covers(), other.verified().covers()];
        let differences = subject.ask(kept).meaning(subject).differences(&subject.ask(new).meaning(subject), covers);
        if !differences.is_empty() {
            self.collide(subject, kept, new, &differences);
        }
    }

    fn accept(&mut self, subject: &Subject, point: &Point) -> bool {
        self.verified += 1;
        let accepted = subject.accepts(point).is_some();
        self.refused += u64::from(!accepted);
        accepted
    }

    fn collide(&mut self, subject: &Subject, one: &Point, other: &Point, differences: &[&str]) {
        self.collisions += 1;
        if self.shown.len() < MOST_SHOWN {
            let text = subject.prepare(&subject.ask(one)).map(|prepared| prepared.string_to_sign().escape_ascii().to_string());
            self.shown.push(format!(
                "different in {}:\n  {}\n  {}\n  string to sign: {}",
                differences.join(", "),
                shown(subject, one),
                shown(subject, other),
                text.unwrap_or_default()
            ));
        }
    }

    /// How many pairs of different requests had one string to sign.
    pub(crate) const fn collisions(&self) -> u64 {
        self.collisions
    }

    /// Nothing collided, and the search was not empty: some text was accepted in every position.
    pub(crate) fn judge(self) -> Result<(), String> {
        if self.collisions > 0 {
            return Err(format!("{self}\n{}", self.shown.join("\n")));
        }
        match self.accepted.iter().find(|(_, count)| **count == 0) {
            Some((position, _)) => Err(format!("{self}: nothing was accepted with text in {position:?}")),
            None => Ok(()),
        }
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn shown(subject: &Subject, point: &Point) -> String {
    let asked = subject.ask(point);
    let request = &asked.request;
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| format!("{name}: {}", value.escape_ascii())).collect();
    format!(
        "{} {} [{}] {:?} nonce {:?} inputs {:?}",
        request.method,
        request.target.escape_ascii(),
        headers.join(", "),
        request.body.escape_ascii().to_string(),
        asked.options.nonce,
        asked.options.inputs.iter().collect::<Vec<_>>()
    )
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests, {} that cannot be signed, {} strings to sign, {} verified, {} refused, {} collisions, accepted in {:?}",
            self.asked, self.unsignable, self.strings, self.verified, self.refused, self.collisions, self.accepted
        )
    }
}
