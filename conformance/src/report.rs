//! What a run found: every check, and the conclusion.

mod html;
mod json;
mod junit;
mod text;

use std::fmt;

use crate::answer::Hello;
use crate::link::Fault;

pub use html::html;
pub use json::json;
pub use junit::junit;
pub use text::text;

/// A column of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// The named intermediates of signing.
    Stages,
    /// The signature and the placed message.
    Sign,
    /// Messages that must be accepted.
    Good,
    /// Messages that must be refused.
    Bad,
    /// What follows from the vectors: bodies in pieces, several credentials, windows.
    Extra,
}

impl Cell {
    /// The columns, in their order.
    pub const ALL: [Self; 5] = [Self::Stages, Self::Sign, Self::Good, Self::Bad, Self::Extra];

    /// The head of the column.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Stages => "sign stages",
            Self::Sign => "sign",
            Self::Good => "verify good",
            Self::Bad => "verify bad",
            Self::Extra => "derived",
        }
    }
}

/// How one check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It holds, and something about it is worth telling: another reason for the same refusal.
    Noted(String),
    /// The implementation says something else.
    Failed(String),
    /// It was not looked at, and why.
    Skipped(String),
    /// The adapter gave no answer that could be looked at.
    Broken(String),
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The dialect's id.
    pub dialect: String,
    /// The vector's name.
    pub vector: String,
    /// Its column.
    pub cell: Cell,
    /// What was compared.
    pub what: String,
    /// How it went.
    pub verdict: Verdict,
}

/// What a run says in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// All that was run holds, and something was run.
    Conforms,
    /// The adapter speaks the protocol, and the implementation differs.
    Differs,
    /// The adapter does not speak the protocol: nothing is said of the implementation until it does.
    Broken,
    /// Nothing was run, which shows nothing.
    Nothing,
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conforms => "the implementation conforms",
            Self::Differs => "the implementation is broken: it differs from the vectors; the adapter speaks the protocol",
            Self::Broken => "the adapter is broken: mend how it speaks the protocol first; what it implements cannot be told",
            Self::Nothing => "nothing was run: the adapter offers none of these dialects, or supports nothing of them",
        })
    }
}

/// How many checks of a kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Tally {
    /// Those that hold, also those with another reason.
    pub passed: u64,
    /// Those that differ.
    pub failed: u64,
    /// Those that were not looked at.
    pub skipped: u64,
    /// Those without an answer.
    pub broken: u64,
}

impl Tally {
    fn of<'c>(checks: impl Iterator<Item = &'c Check>) -> Self {
        checks.fold(Self::default(), |mut tally, check| {
            match check.verdict {
                Verdict::Passed | Verdict::Noted(_) => tally.passed += 1,
                Verdict::Failed(_) => tally.failed += 1,
                Verdict::Skipped(_) => tally.skipped += 1,
                Verdict::Broken(_) => tally.broken += 1,
            }
            tally
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.passed, ""), (self.failed, " failed"), (self.skipped, " skipped"), (self.broken, " unanswered")];
        let words: Vec<String> = words.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count}{word}")).collect();
        f.write_str(if words.is_empty() { "-" } else { "" })?;
        f.write_str(&words.join(", "))
    }
}

/// Everything that a run found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The command that was run.
    pub command: String,
    /// How the adapter introduced itself; absent: it did not.
    pub adapter: Option<Hello>,
    /// The dialects that were run, with their directions.
    pub offered: Vec<(String, Vec<String>)>,
    /// The dialects that the adapter does not offer.
    pub not_offered: Vec<String>,
    /// Every check.
    pub checks: Vec<Check>,
    /// What is wrong with the adapter, and where it showed.
    pub broken: Vec<(String, Fault)>,
    /// Skips that are not needed.
    pub needless_skips: Vec<String>,
}

impl Report {
    pub(crate) fn new(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            adapter: None,
            offered: Vec::new(),
            not_offered: Vec::new(),
            checks: Vec::new(),
            broken: Vec::new(),
            needless_skips: Vec::new(),
        }
    }

    /// The conclusion.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        let total = self.total();
        if !self.broken.is_empty() {
            return Conclusion::Broken;
        }
        if total.failed > 0 || !self.needless_skips.is_empty() {
            return Conclusion::Differs;
        }
        if total.passed == 0 { Conclusion::Nothing } else { Conclusion::Conforms }
    }

    /// The count over everything.
    #[must_use]
    pub fn total(&self) -> Tally {
        Tally::of(self.checks.iter())
    }

    /// The count of a cell of the matrix.
    #[must_use]
    pub fn tally(&self, dialect: &str, cell: Cell) -> Tally {
        Tally::of(self.checks.iter().filter(|check| check.dialect == dialect && check.cell == cell))
    }

    /// Whether the vectors of this dialect were recorded from the library behind the adapter.
    #[must_use]
    pub fn is_witness_of(&self, dialect: &str) -> bool {
        self.adapter.as_ref().is_some_and(|adapter| adapter.witness_of.iter().any(|id| id == dialect))
    }

    /// The reasons of the skips of a dialect, each with its count, in the order in which they came.
    #[must_use]
    pub fn skip_reasons(&self, dialect: &str) -> Vec<(&str, u64)> {
        let mut reasons: Vec<(&str, u64)> = Vec::new();
        for check in self.checks.iter().filter(|check| check.dialect == dialect) {
            let Verdict::Skipped(why) = &check.verdict else { continue };
            match reasons.iter_mut().find(|(reason, _)| reason == why) {
                Some((_, count)) => *count += 1,
                None => reasons.push((why, 1)),
            }
        }
        reasons
    }
}
