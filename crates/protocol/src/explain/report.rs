//! What an explanation says: as data, and as text for people.

use std::fmt::Write as _;

use serde::Serialize;

use super::difference::Difference;
use super::transit::Change;

/// Why a signature does not match, or that it does.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The dialect's id.
    pub dialect: String,
    /// The key id that the message names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Whether the message is accepted.
    pub accepted: bool,
    /// Why not: the stable name of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What exactly was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Every stage of signing this message, in the order in which they are made; the last one is the string to sign.
    pub stages: Vec<Stage>,
    /// Where the other side's text parts from ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// What was changed between the other side's request and ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The likely mistakes, each found by trying it; none when no simple cause was found.
    pub causes: Vec<Cause>,
    /// What else is worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How many texts were tried.
    pub trials: usize,
}

/// A named intermediate of signing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stage {
    /// The name.
    pub name: String,
    /// Its lines, invisible bytes made visible, secrets masked.
    pub lines: Vec<String>,
}

/// What makes the message verify, or the texts equal: mistakes that were made together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cause {
    /// One mistake, or two that are needed together.
    pub mistakes: Vec<Mistake>,
    /// Other mistakes that give the very same on this message, and so cannot be told from these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Vec<Mistake>>,
    /// What was seen of it.
    pub seen: Seen,
}

/// What was seen of a cause: how far it is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Seen {
    /// With it the message verifies.
    Verifies,
    /// With it the signature holds. Something else is wrong with the message too, or the signature is not the one in it.
    SignatureHolds,
    /// With it the two sides' texts are equal, but the signature is not one over them.
    TextsEqual,
    /// It stands in the message, and is refused by itself.
    Carried,
    /// It fits, and nothing proves it.
    Possible,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Mistake {
    /// The stable name, such as `query-unsorted`.
    pub id: &'static str,
    /// What the signer did, or what was done on the way.
    pub what: String,
    /// The rule of the dialect's file that says otherwise, as a YAML path; lines of a text are counted from 0.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
}

impl Cause {
    /// Whether it names this mistake, or cannot tell it from what it names.
    #[must_use]
    pub fn names(&self, id: &str) -> bool {
        self.mistakes.iter().chain(self.alternatives.iter().flatten()).any(|mistake| mistake.id == id)
    }

    /// One sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mistakes: Vec<&str> = self.mistakes.iter().map(|m| m.what.as_str()).collect();
        let start = match self.seen {
            Seen::Verifies => "it verifies if ",
            Seen::SignatureHolds => "the signature holds if ",
            Seen::TextsEqual => "the texts are equal if ",
            Seen::Carried => "",
            Seen::Possible => "it may be that ",
        };
        format!("{start}{}", mistakes.join(", and "))
    }
}

impl Explanation {
    /// The explanation as text for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let _ = match (self.accepted, self.reason) {
            (true, _) => writeln!(out, "accepted: the signature is right"),
            (false, reason) => writeln!(out, "rejected: {}", reason.unwrap_or("malformed_request")),
        };
        if let Some(detail) = self.detail.as_ref().filter(|d| !d.is_empty()) {
            let _ = writeln!(out, "  {detail}");
        }
        self.write_causes(&mut out);
        if let Some(difference) = &self.difference {
            write_difference(difference, &mut out);
        }
        if !self.changes.is_empty() {
            let _ = writeln!(out, "\nchanged between sending and receiving:");
            for change in &self.changes {
                let _ = writeln!(out, "  {}\n    sent:     {}\n    received: {}", change.part, change.sent, change.received);
            }
        }
        for note in &self.notes {
            let _ = writeln!(out, "\nnote: {note}");
        }
        for stage in &self.stages {
            let _ = writeln!(out, "\n{}:", stage.name);
            stage.lines.iter().for_each(|line| {
                let _ = writeln!(out, "  {line}");
            });
        }
        out
    }

    fn write_causes(&self, out: &mut String) {
        if self.accepted && self.causes.is_empty() {
            return;
        }
        if self.causes.is_empty() {
            let _ = writeln!(out, "\nno simple cause found ({} tried)", self.trials);
        }
        for cause in &self.causes {
            let name = match cause.seen {
                Seen::Carried => "cause",
                Seen::Possible => "possible cause",
                _ => "likely cause, found by trying it",
            };
            let _ = writeln!(out, "\n{name}: {}", cause.sentence());
            for mistake in &cause.mistakes {
                let _ = writeln!(out, "  {}{}", mistake.id, rule(mistake));
            }
            for alternative in &cause.alternatives {
                let named: Vec<String> = alternative.iter().map(|m| format!("{} ({})", m.what, m.id)).collect();
                let _ = writeln!(out, "  the same on this message: {}", named.join(", and "));
            }
        }
    }
}

fn rule(mistake: &Mistake) -> String {
    if mistake.rule.is_empty() { String::new() } else { format!(", decided by {}", mistake.rule) }
}

fn write_difference(difference: &Difference, out: &mut String) {
    let Difference { stage, offset, line, column, rule, template, ours, theirs } = difference;
    let _ = writeln!(out, "\nfirst difference: {stage}, line {line}, column {column} (byte {offset})");
    let _ = writeln!(out, "  ours:   {ours}\n  theirs: {theirs}");
    let written = if template.is_empty() { String::new() } else { format!(": {template}") };
    let _ = writeln!(out, "  decided by {rule}{written}");
}
