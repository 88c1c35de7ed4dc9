//! What the vectors show: a table of dialects by features, and one of dialects by reasons.
//!
//! A cell is the count of vectors that show it, or why the dialect's own definition rules it out; else it is a hole.

use std::fmt::Write as _;

use countersign_protocol::{BodyNeed, Dialect, Part, Reason, Request};
use countersign_vectors::{Case, Expect};
use serde_json::{Value, json};

use crate::run::Subject;

/// The reasons of verifying, in the order in which a verifier decides.
pub const REASONS: [Reason; 12] = [
    Reason::MalformedRequest,
    Reason::MissingSignature,
    Reason::MalformedClaim,
    Reason::InsecureTransport,
    Reason::TooOld,
    Reason::FromTheFuture,
    Reason::SignatureMismatch,
    Reason::AlgorithmNotAllowed,
    Reason::DialectNotAllowed,
    Reason::AmbiguousRequest,
    Reason::RequiredPartUnsigned,
    Reason::BodyDigestMismatch,
];

/// Something that requests have and implementations get wrong.
struct Feature {
    name: &'static str,
    /// Whether a vector's placed request shows it.
    shows: fn(&Case) -> bool,
    /// Why the definition rules it out.
    ruled_out: fn(&Dialect) -> Option<&'static str>,
}

const FEATURES: &[Feature] = &[
    Feature { name: "unicode", shows: |case| has_unicode(&case.placed), ruled_out: signs_nothing },
    Feature { name: "empty value", shows: |case| pairs(&case.placed).any(|pair| pair.ends_with(b"=")), ruled_out: no_parameters },
    Feature { name: "repeated parameter", shows: |case| has_repeated_parameter(&case.placed), ruled_out: no_parameters },
    Feature { name: "bare +", shows: |case| pairs(&case.placed).any(|pair| pair.contains(&b'+')), ruled_out: no_parameters },
    Feature { name: "%2F", shows: |case| contains_ignoring_case(&case.placed.target, b"%2f"), ruled_out: no_target },
    Feature { name: "dot segments", shows: |case| has_dot_segments(&case.placed), ruled_out: no_path },
    Feature { name: "repeated header", shows: |case| has_repeated_header(&case.placed), ruled_out: no_headers },
    Feature { name: "empty body", shows: |case| case.placed.body.is_empty(), ruled_out: no_empty_body },
    Feature { name: "binary body", shows: |case| std::str::from_utf8(&case.placed.body).is_err(), ruled_out: no_binary_body },
    Feature { name: "1 MiB body", shows: |case| case.placed.body.len() >= 1 << 20, ruled_out: no_binary_body },
    Feature { name: "another port", shows: |case| has_port(&case.placed), ruled_out: no_host },
];

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covered {
    /// So many vectors show it; the first of them.
    Vectors(usize, String),
    /// The definition rules it out.
    RuledOut(&'static str),
    /// Nothing shows it.
    Hole,
}

/// A table: the heads of its columns, and a row for each dialect.
#[derive(Debug, Clone)]
pub struct Table {
    /// What the columns are about.
    pub title: &'static str,
    /// The heads of the columns.
    pub columns: Vec<String>,
    /// The dialects with their cells.
    pub rows: Vec<(String, Vec<Covered>)>,
}

impl Table {
    /// Dialect and column of every hole.
    pub fn holes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows.iter().flat_map(|(dialect, cells)| {
            let holes = cells.iter().zip(&self.columns).filter(|(cell, _)| **cell == Covered::Hole);
            holes.map(|(_, column)| (dialect.as_str(), column.as_str()))
        })
    }

    /// The table as text, with the reasons below it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut notes: Vec<&str> = Vec::new();
        let mut lines = vec![std::iter::once(self.title.to_owned()).chain(self.columns.iter().cloned()).collect::<Vec<_>>()];
        for (dialect, cells) in &self.rows {
            let shown = cells.iter().map(|cell| match cell {
                Covered::Vectors(count, _) => count.to_string(),
                Covered::RuledOut(why) => {
                    let known = notes.iter().position(|note| note == why);
                    let index = known.unwrap_or_else(|| {
                        notes.push(why);
                        notes.len() - 1
                    });
                    format!("({})", index + 1)
                }
                Covered::Hole => "HOLE".to_owned(),
            });
            lines.push(std::iter::once(dialect.clone()).chain(shown).collect());
        }
        let mut out = aligned(&lines);
        for (index, note) in notes.iter().enumerate() {
            let _ = writeln!(out, "({}) the dialect {note}", index + 1);
        }
        out
    }

    /// The table as JSON: a cell is `{ vectors, first }`, `{ ruled_out }` or `null`.
    #[must_use]
    pub fn json(&self) -> Value {
        let cell = |cell: &Covered| match cell {
            Covered::Vectors(count, first) => json!({ "vectors": count, "first": first }),
            Covered::RuledOut(why) => json!({ "ruled_out": why }),
            Covered::Hole => Value::Null,
        };
        let row = |cells: &[Covered]| self.columns.iter().zip(cells).map(|(column, c)| (column.clone(), cell(c))).collect::<Value>();
        self.rows.iter().map(|(dialect, cells)| (dialect.clone(), row(cells))).collect()
    }
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    lines.iter().fold(String::new(), |mut out, line| {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
        out
    })
}

/// The dialects by the features of requests that are accepted or refused, and by optional inputs and algorithms.
#[must_use]
pub fn features(subjects: &[Subject]) -> Table {
    let mut columns: Vec<String> = FEATURES.iter().map(|feature| feature.name.to_owned()).collect();
    columns.extend(["every algorithm", "every input"].map(str::to_owned));
    let rows = subjects.iter().map(|subject| {
        let mut cells: Vec<Covered> = FEATURES
            .iter()
            .map(|feature| {
                // An accepted request is shown as such: a refused one need not have come to the feature.
                let accepted = |case: &&Case| case.expect == Expect::Accepted && (feature.shows)(case);
                covered(subject.cases.iter().filter(accepted), (feature.ruled_out)(&subject.dialect))
            })
            .collect();
        cells.push(algorithms(subject));
        cells.push(inputs(subject));
        (subject.dialect.id().to_owned(), cells)
    });
    Table { title: "features", rows: rows.collect(), columns }
}

/// The dialects by the reasons of a refusal.
#[must_use]
pub fn reasons(subjects: &[Subject]) -> Table {
    let rows = subjects.iter().map(|subject| {
        let cell = |reason: &Reason| {
            let refused = |case: &&Case| matches!(case.expect, Expect::Refused(told) if told.public() == *reason);
            covered(subject.cases.iter().filter(refused), subject.dialect.rules_out(*reason))
        };
        (subject.dialect.id().to_owned(), REASONS.iter().map(cell).collect())
    });
    Table { title: "reasons", columns: REASONS.iter().map(ToString::to_string).collect(), rows: rows.collect() }
}

fn covered<'c>(mut cases: impl Iterator<Item = &'c Case>, ruled_out: Option<&'static str>) -> Covered {
    match (cases.next(), ruled_out) {
        (Some(first), _) => Covered::Vectors(cases.count() + 1, first.name.clone()),
        (None, Some(why)) => Covered::RuledOut(why),
        (None, None) => Covered::Hole,
    }
}

/// Each algorithm of the dialect accepts a vector.
fn algorithms(subject: &Subject) -> Covered {
    let known = subject.dialect.algorithms();
    if known.len() < 2 {
        return Covered::RuledOut(if known.is_empty() { "signs nothing" } else { "knows one algorithm" });
    }
    let used =
        |case: &Case| countersign_vectors::check::admit(&subject.dialect, case, &case.placed, &case.inputs).ok()?.verified().algorithm();
    let mut seen = Vec::new();
    for case in subject.cases.iter().filter(|case| case.expect == Expect::Accepted) {
        seen.extend(used(case).filter(|algorithm| !seen.contains(algorithm)));
        if seen.len() == known.len() {
            return Covered::Vectors(known.len(), case.name.clone());
        }
    }
    Covered::Hole
}

/// Each input is given by an accepted vector.
fn inputs(subject: &Subject) -> Covered {
    let known = subject.dialect.inputs();
    let given = |case: &&Case, name: &str| case.expect == Expect::Accepted && case.inputs.get(name).is_some();
    let first = |name: &str| subject.cases.iter().find(|case| given(case, name));
    match known.iter().map(|input| first(&input.name)).collect::<Option<Vec<_>>>() {
        _ if known.is_empty() => Covered::RuledOut("takes no inputs"),
        Some(found) => Covered::Vectors(found.len(), found.first().map(|case| case.name.clone()).unwrap_or_default()),
        None => Covered::Hole,
    }
}

// ---------------------------------------------------------------- what requests show

fn query(request: &Request) -> &[u8] {
    let mark = request.target.iter().position(|byte| *byte == b'?');
    mark.and_then(|mark| request.target.get(mark + 1..)).unwrap_or_default()
}

fn path(request: &Request) -> &[u8] {
    request.target.split(|byte| *byte == b'?').next().unwrap_or_default()
}

fn is_form(request: &Request) -> bool {
    let is_it = |(name, value): &(String, Vec<u8>)| {
        name.eq_ignore_ascii_case("content-type") && value.starts_with(b"application/x-www-form-urlencoded")
    };
    request.headers.iter().any(is_it)
}

/// The pieces of the query, and of a form.
fn pairs(request: &Request) -> impl Iterator<Item = &[u8]> {
    let form: &[u8] = if is_form(request) { &request.body } else { b"" };
    query(request).split(|byte| *byte == b'&').chain(form.split(|byte| *byte == b'&')).filter(|piece| !piece.is_empty())
}

fn has_repeated_parameter(request: &Request) -> bool {
    let names: Vec<&[u8]> = pairs(request).filter_map(|pair| pair.split(|byte| *byte == b'=').next()).collect();
    names.iter().enumerate().any(|(index, name)| names.iter().take(index).any(|other| other == name))
}

/// Octets beyond ASCII, bare or percent-encoded.
fn has_unicode(request: &Request) -> bool {
    let encoded = |text: &[u8]| {
        text.windows(2).any(|pair| pair.first() == Some(&b'%') && pair.get(1).is_some_and(|digit| b"89abcdefABCDEF".contains(digit)))
    };
    let bare = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| !text.is_ascii());
    encoded(&request.target)
        || is_form(request) && encoded(&request.body)
        || bare(&request.body)
        || request.headers.iter().any(|(_, value)| bare(value))
}

fn contains_ignoring_case(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

fn has_dot_segments(request: &Request) -> bool {
    path(request).split(|byte| *byte == b'/').any(|segment| segment == b"." || segment == b"..")
}

fn has_repeated_header(request: &Request) -> bool {
    let names: Vec<String> = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.iter().enumerate().any(|(index, name)| names.iter().take(index).any(|other| other == name))
}

fn has_port(request: &Request) -> bool {
    request.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("host") && value.contains(&b':'))
}

// ---------------------------------------------------------------- what a definition rules out

fn signs_nothing(dialect: &Dialect) -> Option<&'static str> {
    dialect.algorithms().is_empty().then_some("signs nothing")
}

fn no_parameters(dialect: &Dialect) -> Option<&'static str> {
    (!dialect.can_sign(&Part::Query)).then_some("does not sign the query")
}

fn no_path(dialect: &Dialect) -> Option<&'static str> {
    (!dialect.can_sign(&Part::Path)).then_some("does not sign the path")
}

fn no_target(dialect: &Dialect) -> Option<&'static str> {
    no_path(dialect).and(no_parameters(dialect)).map(|_| "signs neither path nor query")
}

fn no_host(dialect: &Dialect) -> Option<&'static str> {
    (!dialect.can_sign(&Part::Host) && !dialect.can_sign_header("host")).then_some("does not sign the host")
}

fn no_headers(dialect: &Dialect) -> Option<&'static str> {
    (!dialect.can_sign_headers_of_choice()).then_some("signs no header of the caller's choice")
}

fn no_body(dialect: &Dialect) -> Option<&'static str> {
    (!dialect.can_sign(&Part::Body) && dialect.body_need() == BodyNeed::Nothing).then_some("does not sign the body")
}

/// A claim that rides in the body needs a body that is a form or JSON, which is text.
fn no_binary_body(dialect: &Dialect) -> Option<&'static str> {
    no_body(dialect).or_else(|| (dialect.body_need() == BodyNeed::Claim).then_some("reads its claim from a body that is a form or JSON"))
}

fn no_empty_body(dialect: &Dialect) -> Option<&'static str> {
    let needs_one = dialect.carriers().any(|carrier| matches!(carrier.place.as_str(), "form" | "json" | "body"));
    needs_one.then_some("reads its claim from a body that is a form or JSON")
}
