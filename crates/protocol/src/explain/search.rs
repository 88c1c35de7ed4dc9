//! The search: each mutation is tried, then pairs of them, the simplest first, until a text or a tag is the other side's.

use std::collections::HashMap;

use super::mutate::{self, Mutation};
use super::process::Process;
use super::received::TagReading;

/// The most texts that are signed with a shared secret, or compared, for one explanation.
pub const MOST_TRIALS: usize = 4096;
/// The most signatures of key pairs that are verified for one explanation.
pub const MOST_VERIFICATIONS: usize = 512;
/// The most bytes that all trials of one explanation render together.
pub const MOST_WORK: usize = 64 << 20;

/// What a trial must reach.
pub(super) enum Goal<'g> {
    /// One of these tags.
    Tags(&'g [TagReading]),
    /// This string to sign, or this text of the named let.
    Text(&'g [u8], Option<usize>),
    /// This text of the body's digest.
    Digest(&'g [u8]),
}

/// What reached the goal: mutations that are needed together.
pub(super) struct Hit {
    pub(super) mutations: Vec<Mutation>,
    /// Other mutations that give the same, each in the place of the last of `mutations`, or of all of them.
    pub(super) alternatives: Vec<Vec<Mutation>>,
    /// How the signature must be read, where that is unusual.
    pub(super) oddity: Option<(&'static str, &'static str)>,
}

impl Hit {
    /// Its mutations, made on a process. What changes the shape of a text comes last: the other one still finds its place.
    pub(super) fn applied(&self, process: &Process) -> Option<Process> {
        let (late, early): (Vec<_>, Vec<_>) = self.mutations.iter().partition(|mutation| mutation.reshapes);
        early.into_iter().chain(late).try_fold(process.clone(), |process, mutation| mutation.applied(&process))
    }

    /// Whether its mutations reach this goal on a process.
    pub(super) fn holds(&self, process: &Process, goal: &Goal<'_>) -> bool {
        let mut budget = Budget { trials: 0, most: 1, work: 0 };
        self.applied(process).and_then(|process| attempt(&process, goal, &mut budget)).is_some_and(|tried| tried.reached.is_some())
    }
}

/// How a search ended.
pub(super) struct Search {
    pub(super) hit: Option<Hit>,
    pub(super) trials: usize,
    /// Whether everything that is known was tried.
    pub(super) complete: bool,
}

/// How deep mutations are composed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Depth {
    /// Each mutation alone.
    One,
    /// Two mutations at once where one is not enough.
    #[default]
    Two,
}

/// What tells two trials apart.
type Mark = Vec<u8>;

struct Budget {
    trials: usize,
    most: usize,
    work: usize,
}

impl Budget {
    /// Takes one trial of so many bytes; `false` when there is none left.
    fn take(&mut self, bytes: usize) -> bool {
        if self.trials >= self.most || self.work.saturating_add(bytes) > MOST_WORK {
            return false;
        }
        self.trials += 1;
        self.work += bytes;
        true
    }
}

/// One trial's result: its mark, and how the goal was reached.
struct Tried {
    mark: Mark,
    reached: Option<Option<(&'static str, &'static str)>>,
}

/// Looks for what makes the goal reached. `extra` is tried first; `most` bounds the trials.
pub(super) fn search(base: &Process, goal: &Goal<'_>, extra: &[Mutation], depth: Depth, most: usize) -> Search {
    let mut budget = Budget { trials: 0, most, work: 0 };
    let start = attempt(base, goal, &mut budget);
    if let Some(Tried { reached: Some(oddity), .. }) = &start {
        let hit = Hit { mutations: Vec::new(), alternatives: Vec::new(), oddity: *oddity };
        return Search { hit: Some(hit), trials: budget.trials, complete: true };
    }
    let mut all = extra.to_vec();
    all.extend(mutate::all(base, matches!(goal, Goal::Digest(_))));
    // Of what gives the same, a filter that was forgotten is likelier than another way of getting there.
    all.sort_by_key(|mutation| (mutation.cost, !mutation.omits));
    let single = one_deep(base, goal, &all, start.map(|s| s.mark), &mut budget);
    let mut complete = single.complete;
    let mut hit = single.hit;
    if hit.is_none() && depth == Depth::Two && !matches!(goal, Goal::Digest(_)) {
        (hit, complete) = two_deep(base, goal, &all, &single.effective, &mut budget);
    }
    let hit = hit.map(|found| found.into_hit(&all));
    Search { hit, trials: budget.trials, complete }
}

/// Indices into the list of mutations.
struct Found {
    first: Vec<usize>,
    others: Vec<Vec<usize>>,
    oddity: Option<(&'static str, &'static str)>,
}

impl Found {
    fn into_hit(self, all: &[Mutation]) -> Hit {
        let named = |indices: Vec<usize>| indices.into_iter().map(|i| all[i].clone()).collect();
        Hit { mutations: named(self.first), alternatives: self.others.into_iter().map(named).collect(), oddity: self.oddity }
    }
}

struct Single {
    hit: Option<Found>,
    /// One mutation for each result that differs from the others and from the start.
    effective: Vec<usize>,
    complete: bool,
}

fn one_deep(base: &Process, goal: &Goal<'_>, all: &[Mutation], start: Option<Mark>, budget: &mut Budget) -> Single {
    let mut seen: HashMap<Mark, usize> = start.into_iter().map(|mark| (mark, usize::MAX)).collect();
    let mut single = Single { hit: None, effective: Vec::new(), complete: true };
    let mut hit_mark: Option<Mark> = None;
    for (index, mutation) in all.iter().enumerate() {
        let Some(process) = mutation.applied(base) else { continue };
        let before = budget.trials;
        let Some(tried) = attempt(&process, goal, budget) else {
            single.complete &= budget.trials > before;
            continue;
        };
        if hit_mark.as_ref() == Some(&tried.mark) {
            single.hit.iter_mut().for_each(|hit| hit.others.push(vec![index]));
            continue;
        }
        // A signature that must also be read otherwise counts as two mistakes: a single one goes before it.
        let better = tried.reached.is_some_and(|oddity| single.hit.as_ref().is_none_or(|hit| hit.oddity.is_some() && oddity.is_none()));
        if let Some(oddity) = tried.reached.filter(|_| better) {
            single.hit = Some(Found { first: vec![index], others: Vec::new(), oddity });
            hit_mark = Some(tried.mark.clone());
        }
        if let std::collections::hash_map::Entry::Vacant(slot) = seen.entry(tried.mark) {
            slot.insert(index);
            single.effective.push(index);
        }
    }
    single
}

fn two_deep(base: &Process, goal: &Goal<'_>, all: &[Mutation], effective: &[usize], budget: &mut Budget) -> (Option<Found>, bool) {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (place, first) in effective.iter().enumerate() {
        let others = effective[place + 1..].iter().filter(|second| !all[**second].excludes(&all[*first]));
        pairs.extend(others.map(|second| (*first, *second)));
    }
    let cost = |pair: &(usize, usize)| all[pair.0].cost + all[pair.1].cost;
    pairs.sort_by_key(cost);
    let mut hit: Option<(Found, Mark, u8)> = None;
    for pair in pairs {
        if hit.as_ref().is_some_and(|(.., most)| cost(&pair) > *most) {
            break;
        }
        // What changes the shape of a text comes last: the other one still finds its place.
        let (early, late) = if all[pair.0].reshapes { (pair.1, pair.0) } else { (pair.0, pair.1) };
        let process = all[early].applied(base).and_then(|process| all[late].applied(&process));
        let Some(process) = process else { continue };
        let before = budget.trials;
        let Some(tried) = attempt(&process, goal, budget) else {
            if budget.trials == before {
                return (hit.map(|(found, ..)| found), false);
            }
            continue;
        };
        match (&mut hit, tried.reached) {
            (Some((found, mark, _)), _) if *mark == tried.mark => found.others.push(vec![pair.0, pair.1]),
            (None, Some(oddity)) => {
                let found = Found { first: vec![pair.0, pair.1], others: Vec::new(), oddity };
                hit = Some((found, tried.mark, cost(&pair)));
            }
            _ => {}
        }
    }
    (hit.map(|(found, ..)| found), true)
}

/// Runs a process and holds its result against the goal; nothing when it gives no text, or when the budget is spent.
fn attempt(process: &Process, goal: &Goal<'_>, budget: &mut Budget) -> Option<Tried> {
    let body = if process.has_body() { process.message().body_bytes().len() } else { 0 };
    match goal {
        Goal::Tags(readings) => {
            if !budget.take(body) {
                return None;
            }
            let outcome = process.run()?;
            budget.work = budget.work.saturating_add(outcome.text.expose().len());
            let tags: Vec<_> = readings.iter().map(|reading| reading.tag.clone()).collect();
            let (place, own) = outcome.key.attempt(outcome.algorithm, outcome.text.expose(), &tags);
            let mark = own.map_or_else(|| outcome.text.expose().to_vec(), |tag| tag.as_bytes().to_vec());
            Some(Tried { mark, reached: place.map(|place| readings[place].oddity) })
        }
        Goal::Text(theirs, stage) => {
            if !budget.take(body) {
                return None;
            }
            let text = process.text(*stage)?;
            let reached = (text.expose() == *theirs).then_some(None);
            Some(Tried { mark: text.expose().to_vec(), reached })
        }
        Goal::Digest(sent) => {
            if !budget.take(body) {
                return None;
            }
            let digest = process.body_digest()?;
            let reached = (digest == *sent).then_some(None);
            Some(Tried { mark: digest, reached })
        }
    }
}
