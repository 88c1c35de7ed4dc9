//! Mistakes that signers make, and what proxies do to messages, as changes of the signing process. They work on compiled plans, texts and
//! messages: none of them knows a dialect.

mod body;
mod filters;
mod form;
mod headers;
mod key;
mod message;
mod pairs;
mod text;
pub(super) mod time;

use std::rc::Rc;

pub(super) use body::MOST_BODY;
pub(super) use message::replace;

use super::place::{self, Home};
use super::process::Process;
use crate::dialect::plan::{Op, Program, Source};
use crate::engine::filters::apply_all;

/// One change of a signing process.
#[derive(Clone)]
pub(super) struct Mutation {
    /// The stable name.
    pub(super) id: &'static str,
    /// What the signer did, or what was done on the way, as a sentence without its full stop.
    pub(super) what: String,
    /// The rule of the dialect's file that says otherwise.
    pub(super) rule: String,
    /// How far-fetched it is: 1 for what happens daily, 3 for what hardly happens.
    pub(super) cost: u8,
    /// Mutations of one axis are not put together.
    pub(super) axis: Option<&'static str>,
    /// Whether it changes the number of operations in a program, so that it comes after one that does not.
    pub(super) reshapes: bool,
    /// Whether it only leaves out a filter that the dialect has.
    pub(super) omits: bool,
    change: Rc<Change>,
}

type Change = dyn Fn(&mut Process) -> Option<()>;

impl Mutation {
    pub(super) fn new(
        id: &'static str,
        cost: u8,
        rule: impl Into<String>,
        what: impl Into<String>,
        change: impl Fn(&mut Process) -> Option<()> + 'static,
    ) -> Self {
        Self { id, what: what.into(), rule: rule.into(), cost, axis: None, reshapes: false, omits: false, change: Rc::new(change) }
    }

    fn on_axis(mut self, axis: &'static str) -> Self {
        self.axis = Some(axis);
        self
    }

    fn reshaping(mut self) -> Self {
        self.reshapes = true;
        self
    }

    fn omitting(mut self) -> Self {
        self.omits = true;
        self
    }

    /// The changed copy of a process; nothing where the change does not apply to it.
    pub(super) fn applied(&self, process: &Process) -> Option<Process> {
        let mut process = process.clone();
        (self.change)(&mut process).map(|()| process)
    }

    /// Whether two of them make no sense together.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        self.axis.is_some() && self.axis == other.axis || self.reshapes && other.reshapes && self.id == other.id
    }
}

/// Everything that may be tried on this process. `body_only` leaves what cannot change the digest of the body.
pub(super) fn all(base: &Process, body_only: bool) -> Vec<Mutation> {
    let mut all = body::mutations(base, body_only);
    if body_only {
        all.extend(filters::of_home(base, Home::Digest));
        return all;
    }
    all.extend(message::mutations(base));
    all.extend(pairs::mutations(base));
    all.extend(headers::mutations(base));
    all.extend(time::mutations(base));
    all.extend(key::mutations(base));
    all.extend(text::mutations(base));
    for home in place::reachable(base.plan()) {
        all.extend(filters::of_home(base, home));
    }
    all
}

/// Puts a literal in the place of an operation that is still the one that was meant. A bracket around it stays if the literal is something.
fn replace_op(process: &mut Process, home: Home, index: usize, like: &Op, by: Vec<u8>) -> Option<()> {
    let keeps_bracket = !by.is_empty();
    *op_mut(process, home, index, like)? = Op::Literal(by);
    if keeps_bracket {
        let ops = &mut home.program_mut(process.plan_mut())?.ops;
        while let Some((begin, end)) = bracket_around(ops, index) {
            ops[begin] = Op::Literal(Vec::new());
            ops[end] = Op::Literal(Vec::new());
        }
    }
    Some(())
}

/// The innermost bracket in which an operation stands.
fn bracket_around(ops: &[Op], index: usize) -> Option<(usize, usize)> {
    let mut open = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        match op {
            Op::Begin => open.push(at),
            Op::End => {
                let begin = open.pop()?;
                if begin < index && index < at {
                    return Some((begin, at));
                }
            }
            _ => {}
        }
    }
    None
}

/// The operation at this place, if its source is still the one that was meant.
fn op_mut<'p>(process: &'p mut Process, home: Home, index: usize, like: &Op) -> Option<&'p mut Op> {
    let op = home.program_mut(process.plan_mut())?.ops.get_mut(index)?;
    match (&*op, like) {
        (Op::Put { source: a, .. }, Op::Put { source: b, .. }) if a == b => Some(op),
        _ => None,
    }
}

/// Renders an operation as it stands, changes what it gives, and puts that in its place.
fn rewrite_op(process: &mut Process, home: Home, index: usize, like: &Op, change: impl Fn(&[u8]) -> Vec<u8>) -> Option<()> {
    let program: Program = home.program(process.plan())?.clone();
    let op = program.ops.get(index)?;
    let bytes = process.render_op(&program, op).ok()?;
    let changed = change(&bytes);
    (changed != bytes).then_some(())?;
    replace_op(process, home, index, like, changed)
}

/// The same with a change of what the operation's source gives, on which its filters are then run.
fn rewrite_source(process: &mut Process, home: Home, index: usize, like: &Op, change: impl Fn(&[u8]) -> Vec<u8>) -> Option<()> {
    let program: Program = home.program(process.plan())?.clone();
    let Op::Put { source, filters } = program.ops.get(index)? else { return None };
    let bytes = process.render_op(&program, &Op::Put { source: source.clone(), filters: Vec::new() }).ok()?;
    let changed = change(&bytes);
    (changed != bytes).then_some(())?;
    replace_op(process, home, index, like, apply_all(filters, &changed).ok()?)
}

/// The places of the operations of reachable texts whose source is wanted.
fn places(process: &Process, wanted: impl Fn(&Source) -> bool) -> Vec<(Home, usize, Op)> {
    let mut found = Vec::new();
    for home in place::reachable(process.plan()) {
        let Some(program) = home.program(process.plan()) else { continue };
        for (index, op) in program.ops.iter().enumerate() {
            if let Op::Put { source, .. } = op
                && wanted(source)
            {
                found.push((home, index, op.clone()));
            }
        }
    }
    found
}

/// The rule at which the first such operation stands; nothing where no text holds one.
fn rule_of(process: &Process, wanted: impl Fn(&Source) -> bool) -> Option<String> {
    places(process, wanted).first().map(|(home, index, _)| place::rule(process.plan(), *home, *index))
}
