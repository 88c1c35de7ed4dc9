//! What the lint finds of each dialect, as it is committed in `lint/`: the ids and parts, not the messages.

use std::collections::BTreeMap;

use countersign_protocol::Dialect;
use countersign_protocol::lint::{self, Finding, Unproved};
use serde::{Deserialize, Serialize};

/// The findings of one dialect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// The dialect's id.
    pub dialect: String,
    /// How each part of a message stands.
    pub parts: BTreeMap<String, String>,
    /// The protection against replays.
    pub replay: String,
    /// What is found, the gravest first.
    pub findings: Vec<Found>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The id of the finding.
    pub id: String,
    /// Its severity.
    pub severity: String,
    /// The part of which it speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

/// The findings of two dialects together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairFindings {
    /// Their ids, in the order of the alphabet.
    pub dialects: [String; 2],
    /// What is found, the gravest first.
    pub findings: Vec<Found>,
}

impl Findings {
    /// Looks at a dialect.
    ///
    /// # Errors
    /// When no sample of it is accepted, or a rule stated what is not so.
    pub fn of(dialect: &Dialect) -> Result<Self, String> {
        let report = lint::lint(dialect).map_err(|error| error.to_string())?;
        proved(&report.unproved)?;
        Ok(Self {
            dialect: dialect.id().to_owned(),
            parts: report.parts.iter().map(|(part, standing)| (part.to_string(), standing.as_str().to_owned())).collect(),
            replay: report.replay.to_string(),
            findings: report.findings.iter().map(Found::of).collect(),
        })
    }
}

impl PairFindings {
    /// Looks at two dialects together; nothing where they have nothing to do with each other.
    ///
    /// # Errors
    /// When a rule stated what is not so.
    pub fn of(a: &Dialect, b: &Dialect) -> Result<Option<Self>, String> {
        let report = lint::pair(a, b);
        proved(&report.unproved)?;
        let findings: Vec<_> = report.findings.iter().map(Found::of).collect();
        Ok((!findings.is_empty()).then(|| Self { dialects: [a.id().to_owned(), b.id().to_owned()], findings }))
    }

    /// Looks at every two of these.
    ///
    /// # Errors
    /// When a rule stated what is not so.
    pub fn of_all<'d>(dialects: impl IntoIterator<Item = &'d Dialect>) -> Result<Vec<Self>, String> {
        let mut all: Vec<&Dialect> = dialects.into_iter().collect();
        all.sort_by_key(|dialect| dialect.id());
        let mut found = Vec::new();
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                found.extend(Self::of(a, b)?);
            }
        }
        Ok(found)
    }
}

impl Found {
    fn of(finding: &Finding) -> Self {
        Self { id: finding.id().to_string(), severity: finding.severity().to_string(), part: finding.part().map(ToString::to_string) }
    }
}

fn proved(unproved: &[Unproved]) -> Result<(), String> {
    let faults: Vec<_> = unproved.iter().map(ToString::to_string).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}
