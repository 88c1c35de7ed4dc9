//! Where the two sides' texts part: the stage, the first byte, and the rule of the dialect that decides it.

use serde::Serialize;

use super::place::{self, Home, List};
use super::process::Process;
use super::trace::{Segment, Traced};
use super::visible;
use crate::credential::Credential;
use crate::dialect::plan::{Op, Plan, Source};

/// How many bytes around the first difference are shown.
const SHOWN: usize = 60;

/// The first difference between two texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The stage: `string_to_sign` or the name of a let.
    pub stage: String,
    /// The first byte that differs, counted from 0.
    pub offset: usize,
    /// Its line, counted from 1.
    pub line: usize,
    /// Its place in the line in bytes, counted from 1.
    pub column: usize,
    /// The rule of the dialect's file that decides this byte, as a YAML path; lines of a text are counted from 0.
    pub rule: String,
    /// The piece of the template that wrote it.
    pub template: String,
    /// What stands there here, invisible bytes made visible, secrets masked.
    pub ours: String,
    /// What stands there on the other side.
    pub theirs: String,
}

/// Which stage another side's text is, by likeness: nothing is the string to sign.
pub(super) fn stage_of(process: &Process, theirs: &[u8]) -> Option<usize> {
    let likeness = |text: &[u8]| {
        let (prefix, suffix) = common(text, theirs);
        let most = text.len().max(theirs.len()).max(1);
        (prefix + suffix).saturating_mul(1000) / most
    };
    let text = process.text(None).map_or(0, |text| likeness(text.expose()));
    let lets = place::stages(process.plan()).into_iter().filter_map(|index| Some((index, likeness(process.text(Some(index))?.expose()))));
    lets.filter(|(_, score)| *score > text).max_by_key(|(_, score)| *score).map(|(index, _)| index)
}

/// The lengths of the common start and of the common end behind it.
fn common(a: &[u8], b: &[u8]) -> (usize, usize) {
    let prefix = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let suffix = a[prefix..].iter().rev().zip(b[prefix..].iter().rev()).take_while(|(x, y)| x == y).count();
    (prefix, suffix)
}

/// The first difference between the stage of this process and another side's text; nothing where they are equal.
pub(super) fn find(process: &Process, stage: Option<usize>, theirs: &[u8], credentials: &[&Credential]) -> Option<Difference> {
    let plan = process.plan();
    let home = stage.map_or(Home::Text, Home::Let);
    let traced = Traced::of(process, home)?;
    let ours = &traced.bytes;
    if ours == theirs {
        return None;
    }
    let (offset, suffix) = common(ours, theirs);
    let line_start = ours[..offset].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let segment = traced.at(offset);
    let (rule, template) =
        segment.map_or_else(|| (home.path(plan), String::new()), |s| (rule(plan, s, ours, theirs, suffix), s.template.clone()));
    let is_secret = segment.is_some_and(|s| s.secret);
    Some(Difference {
        stage: stage.map_or_else(|| "string_to_sign".to_owned(), |index| plan.lets[index].name.clone()),
        offset,
        line: ours[..offset].iter().filter(|b| **b == b'\n').count() + 1,
        column: offset - line_start + 1,
        rule,
        template,
        ours: excerpt(&masked(&traced), ours, offset),
        theirs: if is_secret { "(a secret stands here)".to_owned() } else { shown_theirs(theirs, offset, credentials) },
    })
}

/// The rule of a piece; of a list, the key that decides how its items differ.
fn rule(plan: &Plan, segment: &Segment, ours: &[u8], theirs: &[u8], suffix: usize) -> String {
    let (key, joint, rest) = match &segment.source {
        Some(Source::Headers) => ("headers", &plan.headers.join, "sign"),
        Some(Source::QueryList) => ("query", &List::Query.of(plan).join, "from"),
        Some(Source::FormList) => ("form", &List::Form.of(plan).join, "from"),
        Some(Source::ParamsList) => ("params", &List::Params.of(plan).join, "from"),
        _ => return segment.rule.clone(),
    };
    let behind = ours.len() - segment.range.end;
    let end = if behind <= suffix { theirs.len() - behind } else { theirs.len() };
    let region = theirs.get(segment.range.start..end.max(segment.range.start)).unwrap_or_default();
    let mut own = items(&ours[segment.range.clone()], joint);
    let mut other = items(region, joint);
    own.sort_unstable();
    other.sort_unstable();
    let decides = if own == other {
        "order"
    } else if own.len() != other.len() && (own.iter().all(|item| other.contains(item)) || other.iter().all(|item| own.contains(item))) {
        rest
    } else {
        "each"
    };
    format!("{key}.{decides}")
}

fn items<'t>(text: &'t [u8], joint: &[u8]) -> Vec<&'t [u8]> {
    let mut all = Vec::new();
    let mut rest = text;
    while !joint.is_empty()
        && let Some(at) = rest.windows(joint.len()).position(|w| w == joint)
    {
        all.push(&rest[..at]);
        rest = &rest[at + joint.len()..];
    }
    all.push(rest);
    all
}

/// The secret ranges of a text.
fn masked(traced: &Traced) -> Vec<std::ops::Range<usize>> {
    traced.segments.iter().filter(|s| s.secret && !s.range.is_empty()).map(|s| s.range.clone()).collect()
}

/// What is shown around a byte of our own text, with `***` where a secret stands.
fn excerpt(secrets: &[std::ops::Range<usize>], text: &[u8], offset: usize) -> String {
    let (start, end) = window(text, offset);
    let mut out = Vec::new();
    let mut at = start;
    for secret in secrets.iter().filter(|s| s.end > start && s.start < end) {
        out.extend_from_slice(&text[at.min(secret.start)..secret.start.max(at)]);
        out.extend_from_slice(b"***");
        at = secret.end.min(end).max(at);
    }
    out.extend_from_slice(&text[at.min(end)..end]);
    visible::line(&out)
}

/// The other side's text around a byte. Its secrets are not marked, so those that are known here are looked for.
fn shown_theirs(theirs: &[u8], offset: usize, credentials: &[&Credential]) -> String {
    let mut text = theirs.to_vec();
    let mut hidden = Vec::new();
    for secret in credentials.iter().flat_map(|c| c.secrets()).filter(|s| !s.is_empty()) {
        let secret = secret.expose();
        let mut at = 0;
        while let Some(found) = text.get(at..).and_then(|rest| rest.windows(secret.len()).position(|w| w == secret)) {
            hidden.push(at + found..at + found + secret.len());
            at += found + secret.len();
        }
    }
    hidden.sort_by_key(|range| range.start);
    let shown = excerpt(&hidden, &text, offset.min(text.len()));
    zeroize::Zeroize::zeroize(&mut text);
    if shown.is_empty() { "(nothing)".to_owned() } else { shown }
}

/// The bytes around an offset that are shown: within its line, its own line end with it.
fn window(text: &[u8], offset: usize) -> (usize, usize) {
    let line_start = text[..offset].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let line_end = text[offset..].iter().position(|b| *b == b'\n').map_or(text.len(), |at| offset + at + 1);
    (line_start.max(offset.saturating_sub(SHOWN)), line_end.min(offset + SHOWN))
}

/// Whether a text holds a digest of this let, so that a difference in it is hidden.
pub(super) fn hashes(plan: &Plan, rule: &str) -> Option<String> {
    let index = place::stages(plan).into_iter().find(|index| {
        place::reachable(plan).into_iter().any(|home| {
            home.program(plan).is_some_and(|program| {
                program.ops.iter().enumerate().any(|(at, op)| {
                    matches!(op, Op::Put { source: Source::Let(inner), filters } if inner == index && !filters.is_empty())
                        && place::rule(plan, home, at) == rule
                })
            })
        })
    })?;
    Some(plan.lets[index].name.clone())
}
