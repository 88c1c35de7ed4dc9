//! What a dialect leaves open, found by trying: each finding carries two messages, and both are verified before it is told.
//!
//! The rules know no dialect. Samples are made from the compiled file, signed with a published key, and changed as somebody without that key could
//! change them.
//!
//! ```
//! use countersign_protocol::{Dialects, lint};
//!
//! let dialects = Dialects::builtin()?;
//! let dialect = dialects.get("hmac-sha256").expect("built in");
//! let report = lint::lint(dialect)?;
//! assert!(report.findings.iter().all(|finding| finding.severity() < lint::Severity::Medium));
//! assert!(report.unproved.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod age;
mod aspect;
mod collide;
mod collisions;
mod extend;
mod finding;
mod keys;
mod lab;
mod pair;
mod parts;
mod place;
mod proof;
#[cfg(test)]
mod tests;
mod weak;

use std::fmt;

pub use finding::{Finding, FindingId, Severity};
pub use pair::{Overlap, overlap};
pub use parts::Standing;
pub use proof::{Exhibit, Proof, Shows, Unproved};

use crate::dialect::{Dialect, Part, ReplayMode};
use finding::Draft;
use lab::Lab;

/// What was found of one dialect.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// How each part stands.
    pub parts: Vec<(Part, Standing)>,
    /// The protection against replays that holds for the plainest sample.
    pub replay: ReplayMode,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// What a rule stated and the verifier did not bear out: a fault of the rule.
    pub unproved: Vec<Unproved>,
}

/// What was found of two dialects together.
#[derive(Debug)]
#[non_exhaustive]
pub struct PairReport {
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// What a rule stated and the verifier did not bear out.
    pub unproved: Vec<Unproved>,
}

/// Why a dialect cannot be looked at: no sample of it is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSample(String);

impl fmt::Display for NoSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoSample {}

/// Looks at one dialect.
///
/// # Errors
/// When no sample message of it can be signed and is then accepted.
pub fn lint(dialect: &Dialect) -> Result<Report, NoSample> {
    let lab = Lab::new(dialect).map_err(NoSample)?;
    let mut standings = parts::Standings::new();
    let mut drafts = parts::rule(&lab, &mut standings);
    drafts.extend(RULES.iter().flat_map(|rule| rule(&lab)));
    if !dialect.plan().signs() {
        let all = [Part::Method, Part::Host, Part::Path, Part::Query, Part::Body];
        standings.extend(all.map(|part| (part, Standing::Free)));
    }
    let replay = lab.shapes.first().map_or(ReplayMode::None, |shape| shape.accepted.protection());
    let (findings, unproved) = prove(drafts);
    Ok(Report { parts: standings.into_iter().collect(), replay, findings, unproved })
}

/// Looks at two dialects together; each alone is another question.
#[must_use]
pub fn pair(a: &Dialect, b: &Dialect) -> PairReport {
    let (findings, unproved) = prove(pair::rule(a, b));
    PairReport { findings, unproved }
}

type Rule = fn(&Lab<'_>) -> Vec<Draft>;

/// The rules besides the one that changes each part.
const RULES: [Rule; 5] = [parts::open, age::rule, age::shown_secret, collide::rule, weak::rule];

/// Verifies what was stated. What does not hold is kept apart.
fn prove(drafts: Vec<Draft>) -> (Vec<Finding>, Vec<Unproved>) {
    let mut findings = Vec::new();
    let mut unproved = Vec::new();
    for draft in drafts {
        match Finding::prove(draft) {
            Ok(finding) => findings.push(finding),
            Err(fault) => unproved.push(fault),
        }
    }
    findings.sort_by(|a, b| b.severity().cmp(&a.severity()).then_with(|| (a.id(), a.part()).cmp(&(b.id(), b.part()))));
    (findings, unproved)
}
