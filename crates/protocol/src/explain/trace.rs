//! Which rule of the file wrote which bytes of a text.

use std::ops::Range;

use super::place::{self, Home};
use super::process::Process;
use crate::dialect::plan::{Op, Source};

/// A piece of a text, and the rule that wrote it.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) range: Range<usize>,
    pub(super) rule: String,
    /// The piece of the template.
    pub(super) template: String,
    pub(super) source: Option<Source>,
    /// Whether a secret stands there.
    pub(super) secret: bool,
}

/// A text with the rules that wrote it.
#[derive(Debug, Default)]
pub(super) struct Traced {
    pub(super) bytes: Vec<u8>,
    pub(super) segments: Vec<Segment>,
}

impl Traced {
    /// Traces a program of a process; nothing where it cannot be rendered.
    pub(super) fn of(process: &Process, home: Home) -> Option<Self> {
        let mut traced = Self::default();
        traced.program(process, home)?;
        Some(traced)
    }

    fn program(&mut self, process: &Process, home: Home) -> Option<()> {
        let count = home.program(process.plan())?.ops.len();
        self.ops(process, home, 0..count)
    }

    fn ops(&mut self, process: &Process, home: Home, range: Range<usize>) -> Option<()> {
        let program = home.program(process.plan())?;
        let mut index = range.start;
        while index < range.end {
            let op = &program.ops[index];
            match op {
                Op::Literal(text) => self.literal(process, home, index, text),
                Op::Put { source: Source::Let(inner), filters } if filters.is_empty() => self.program(process, Home::Let(*inner))?,
                Op::Put { source, .. } => {
                    let bytes = process.render_op(program, op).ok()?;
                    let secret = match source {
                        Source::Secret | Source::SecretPart(_) => true,
                        Source::Let(inner) => process.plan().lets[*inner].program.tainted,
                        _ => false,
                    };
                    let template = place::template(process.plan(), std::slice::from_ref(op));
                    self.push(&bytes, place::rule(process.plan(), home, index), template, Some(source.clone()), secret);
                }
                Op::Begin => {
                    let end = closing(&program.ops, index, range.end)?;
                    let has_value = program.ops[index..end].iter().any(|op| match op {
                        Op::Put { .. } => process.render_op(program, op).is_ok_and(|bytes| !bytes.is_empty()),
                        _ => false,
                    });
                    if has_value {
                        self.ops(process, home, index + 1..end)?;
                    }
                    index = end;
                }
                Op::End => {}
            }
            index += 1;
        }
        Some(())
    }

    /// A literal belongs to the line on which each piece of it stands.
    fn literal(&mut self, process: &Process, home: Home, index: usize, text: &[u8]) {
        let path = home.path(process.plan());
        let long = home.program(process.plan()).is_some_and(place::is_long);
        let first = place::line(process.plan(), home, index);
        for (offset, piece) in text.split_inclusive(|b| *b == b'\n').enumerate() {
            let rule = if long { format!("{path}[{}]", first + offset) } else { path.clone() };
            self.push(piece, rule, piece.escape_ascii().to_string(), None, false);
        }
    }

    fn push(&mut self, bytes: &[u8], rule: String, template: String, source: Option<Source>, secret: bool) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.segments.push(Segment { range: start..self.bytes.len(), rule, template, source, secret });
    }

    /// The piece at this byte; behind the end, the last one.
    pub(super) fn at(&self, offset: usize) -> Option<&Segment> {
        self.segments.iter().find(|s| s.range.contains(&offset)).or_else(|| self.segments.iter().rfind(|s| !s.range.is_empty()))
    }
}

fn closing(ops: &[Op], begin: usize, end: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, op) in ops.iter().enumerate().take(end).skip(begin) {
        match op {
            Op::Begin => depth += 1,
            Op::End => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}
