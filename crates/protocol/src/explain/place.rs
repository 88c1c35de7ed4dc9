//! Where in a dialect's file something stands: the programs of a plan by their YAML path.

use crate::dialect::listing;
use crate::dialect::plan::{Claimed, HeaderList, Op, PairList, Plan, Program, Source};

/// A program of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    Text,
    Let(usize),
    Digest,
    Key,
    KeyStep(usize),
    HeaderItem,
    Pseudo(usize),
    Item(List),
}

/// A list of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Query,
    Form,
    Params,
}

impl List {
    pub(super) const ALL: [Self; 3] = [Self::Query, Self::Form, Self::Params];

    /// The key in the file.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Form => "form",
            Self::Params => "params",
        }
    }

    pub(super) const fn source(self) -> Source {
        match self {
            Self::Query => Source::QueryList,
            Self::Form => Source::FormList,
            Self::Params => Source::ParamsList,
        }
    }

    pub(super) const fn of(self, plan: &Plan) -> &PairList {
        match self {
            Self::Query => &plan.query,
            Self::Form => &plan.form,
            Self::Params => &plan.params,
        }
    }

    pub(super) const fn of_mut(self, plan: &mut Plan) -> &mut PairList {
        match self {
            Self::Query => &mut plan.query,
            Self::Form => &mut plan.form,
            Self::Params => &mut plan.params,
        }
    }
}

impl Home {
    pub(super) fn program(self, plan: &Plan) -> Option<&Program> {
        match self {
            Self::Text => plan.text.as_ref(),
            Self::Let(index) => plan.lets.get(index).map(|l| &l.program),
            Self::Digest => plan.digest.as_ref().map(|d| &d.is),
            Self::Key => Some(&plan.key.from),
            Self::KeyStep(index) => plan.key.chain.get(index),
            Self::HeaderItem => Some(&plan.headers.each),
            Self::Pseudo(index) => plan.headers.pseudo.get(index).map(|(_, program)| program),
            Self::Item(list) => Some(&list.of(plan).each),
        }
    }

    pub(super) fn program_mut(self, plan: &mut Plan) -> Option<&mut Program> {
        match self {
            Self::Text => plan.text.as_mut(),
            Self::Let(index) => plan.lets.get_mut(index).map(|l| &mut l.program),
            Self::Digest => plan.digest.as_mut().map(|d| &mut d.is),
            Self::Key => Some(&mut plan.key.from),
            Self::KeyStep(index) => plan.key.chain.get_mut(index),
            Self::HeaderItem => Some(&mut plan.headers.each),
            Self::Pseudo(index) => plan.headers.pseudo.get_mut(index).map(|(_, program)| program),
            Self::Item(list) => Some(&mut list.of_mut(plan).each),
        }
    }

    /// The YAML path of the program.
    pub(super) fn path(self, plan: &Plan) -> String {
        match self {
            Self::Text => "string_to_sign".to_owned(),
            Self::Let(index) => format!("let.{}", plan.lets.get(index).map_or("", |l| &l.name)),
            Self::Digest => "body_digest.is".to_owned(),
            Self::Key => "key.from".to_owned(),
            Self::KeyStep(index) => format!("key.hmac[{index}]"),
            Self::HeaderItem => "headers.each".to_owned(),
            Self::Pseudo(index) => format!("headers.pseudo.{}", plan.headers.pseudo.get(index).map_or("", |(name, _)| name)),
            Self::Item(list) => format!("{}.each", list.key()),
        }
    }

    /// Whether it is a text of lines: the string to sign or a let.
    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Let(_))
    }
}

/// The YAML path of an operation: that of its program, with the line of a text that has several, counted from 0.
pub(super) fn rule(plan: &Plan, home: Home, index: usize) -> String {
    let path = home.path(plan);
    let Some(program) = home.program(plan) else { return path };
    if !is_long(program) {
        return path;
    }
    format!("{path}[{}]", line(plan, home, index))
}

/// The line of a program on which an operation stands, counted from 0.
pub(super) fn line(plan: &Plan, home: Home, index: usize) -> usize {
    home.program(plan).map_or(0, |program| program.ops.iter().take(index).filter_map(literal).map(line_feeds).sum())
}

/// Whether a program is a text of several lines.
pub(super) fn is_long(program: &Program) -> bool {
    program.ops.iter().filter_map(literal).any(|text| text.contains(&b'\n'))
}

fn literal(op: &Op) -> Option<&[u8]> {
    match op {
        Op::Literal(text) => Some(text),
        _ => None,
    }
}

fn line_feeds(text: &[u8]) -> usize {
    text.iter().filter(|b| **b == b'\n').count()
}

/// Every program from which a signature is made.
pub(super) fn reachable(plan: &Plan) -> Vec<Home> {
    let mut found = Vec::new();
    add(plan, Home::Text, &mut found);
    add(plan, Home::Key, &mut found);
    for step in 0..plan.key.chain.len() {
        add(plan, Home::KeyStep(step), &mut found);
    }
    found
}

fn add(plan: &Plan, home: Home, found: &mut Vec<Home>) {
    let Some(program) = home.program(plan) else { return };
    if found.contains(&home) {
        return;
    }
    found.push(home);
    for op in &program.ops {
        let Op::Put { source, .. } = op else { continue };
        match source {
            Source::Let(index) => add(plan, Home::Let(*index), found),
            Source::Headers => {
                add(plan, Home::HeaderItem, found);
                (0..plan.headers.pseudo.len()).for_each(|index| add(plan, Home::Pseudo(index), found));
            }
            Source::QueryList => add(plan, Home::Item(List::Query), found),
            Source::FormList => add(plan, Home::Item(List::Form), found),
            Source::ParamsList => add(plan, Home::Item(List::Params), found),
            Source::Claim(Claimed::BodyDigest) => add(plan, Home::Digest, found),
            _ => {}
        }
    }
}

/// The list of headers, where it is signed.
pub(super) fn signs_headers(plan: &Plan) -> Option<&HeaderList> {
    reachable(plan).contains(&Home::HeaderItem).then_some(&plan.headers)
}

/// Operations as a file writes them.
pub(super) fn template(plan: &Plan, ops: &[Op]) -> String {
    let mut out = String::new();
    for op in ops {
        match op {
            Op::Literal(text) => out.push_str(&text.escape_ascii().to_string()),
            Op::Begin => out.push('['),
            Op::End => out.push(']'),
            Op::Put { source, filters } => {
                let filters: String = filters.iter().map(|f| format!(" | {}", listing::filter(f))).collect();
                out.push_str(&format!("{{{}{filters}}}", listing::name(plan, source)));
            }
        }
    }
    out
}

/// Lets whose text is a stage of its own: those that a text of the string to sign uses, in the order of the plan.
pub(super) fn stages(plan: &Plan) -> Vec<usize> {
    let lets = reachable(plan).into_iter().filter_map(|home| match home {
        Home::Let(index) => Some(index),
        _ => None,
    });
    let mut lets: Vec<usize> = lets.collect();
    lets.sort_unstable();
    lets
}
