//! Skips as data: which vectors an adapter is known not to hold, and why.
//!
//! A skipped vector is run all the same. One that would pass is reported, so that the list stays true.

use std::collections::BTreeSet;
use std::fmt;

use crate::report::Cell;
use crate::run::Name;

/// The skips of an adapter.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skips {
    /// The skips, in the order of the file.
    #[serde(default)]
    pub skips: Vec<Skip>,
}

/// Some vectors of a dialect, with the one reason why they are skipped.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// The dialect's id.
    pub dialect: String,
    /// Names of vectors; a `*` at the end stands for any rest.
    pub vectors: Vec<String>,
    /// What is not looked at: `stages`, `sign`, `good`, `bad`; absent: all of them.
    #[serde(default)]
    pub cells: BTreeSet<Cell>,
    /// Why.
    pub reason: String,
}

/// Why a file of skips makes no sense.
#[derive(Debug)]
pub enum SkipError {
    /// The text is no such file.
    Shape(serde_yaml::Error),
    /// A skip without a reason.
    NoReason(String),
    /// A skip that names no vector.
    Nothing(String),
}

impl fmt::Display for SkipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(error) => write!(f, "{error}"),
            Self::NoReason(dialect) => write!(f, "a skip of {dialect} has no reason: say why the implementation cannot do it"),
            Self::Nothing(dialect) => write!(f, "a skip of {dialect} names no vector: list them under vectors"),
        }
    }
}

impl std::error::Error for SkipError {}

impl Skips {
    /// Reads a file of skips.
    ///
    /// # Errors
    /// When the text makes no sense, or a skip has no reason.
    pub fn read(text: &str) -> Result<Self, SkipError> {
        let skips: Self = serde_yaml::from_str(text).map_err(SkipError::Shape)?;
        for skip in &skips.skips {
            if skip.reason.trim().is_empty() {
                return Err(SkipError::NoReason(skip.dialect.clone()));
            }
            if skip.vectors.is_empty() {
                return Err(SkipError::Nothing(skip.dialect.clone()));
            }
        }
        Ok(skips)
    }

    /// The place of the skip that holds for a vector's cell, and its reason.
    pub(crate) fn of(&self, case: Name<'_>, cell: Cell) -> Option<(usize, &str)> {
        let holds =
            |skip: &Skip| skip.dialect == case.dialect && skip.names(case.name) && (skip.cells.is_empty() || skip.cells.contains(&cell));
        self.skips.iter().enumerate().find(|(_, skip)| holds(skip)).map(|(index, skip)| (index, skip.reason.as_str()))
    }

    /// Patterns that name no vector of the dialects that were run.
    pub(crate) fn lost<'s>(&'s self, cases: &'s [Name<'_>]) -> impl Iterator<Item = String> + 's {
        let ran = |dialect: &str| cases.iter().any(|case| case.dialect == dialect);
        let skips = self.skips.iter().filter(move |skip| ran(&skip.dialect));
        skips.flat_map(move |skip| {
            let is_lost = |pattern: &&String| !cases.iter().any(|case| case.dialect == skip.dialect && fits(pattern, case.name));
            skip.vectors.iter().filter(is_lost).map(|pattern| format!("{} {pattern}", skip.dialect))
        })
    }
}

impl Skip {
    fn names(&self, vector: &str) -> bool {
        self.vectors.iter().any(|pattern| fits(pattern, vector))
    }
}

fn fits(pattern: &str, vector: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == vector, |start| vector.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_needs_a_reason_and_a_vector() {
        assert!(Skips::read("skips: [{ dialect: a, vectors: [b], reason: because }]").is_ok());
        assert!(matches!(Skips::read("skips: [{ dialect: a, vectors: [b], reason: ' ' }]"), Err(SkipError::NoReason(_))));
        assert!(matches!(Skips::read("skips: [{ dialect: a, vectors: [], reason: x }]"), Err(SkipError::Nothing(_))));
        assert!(matches!(Skips::read("skips: [{ dialect: a, vector: b, reason: x }]"), Err(SkipError::Shape(_))));
        assert!(matches!(Skips::read("skips: [{ dialect: a, vectors: [b], cells: [all], reason: x }]"), Err(SkipError::Shape(_))));
    }

    #[test]
    fn a_star_stands_for_any_rest() {
        assert!(fits("a-*", "a-b") && fits("a", "a") && !fits("a", "a-b") && !fits("a-*", "b"));
    }
}
