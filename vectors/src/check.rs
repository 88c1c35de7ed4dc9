//! Runs vectors against a dialect: signing, verifying, and mutations derived from what was accepted.

use std::fmt::Write as _;

mod mutate;
mod sign;
mod verify;

pub use mutate::{let_through, mutate};
pub use sign::{Given, given, same_message, same_signature, same_stage, sign};
pub use verify::{admit, verify};

/// What a check looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A named intermediate, of the signer or of the verifier.
    Stage,
    /// The signature or the placed message of the signer.
    Sign,
    /// The verdict or the covered parts of the verifier.
    Verify,
    /// A request with one part changed.
    Mutation,
}

/// One check and its result.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was looked at.
    pub kind: Kind,
    /// Its name within the vector, such as `sign: string_to_sign`.
    pub what: String,
    /// Nothing, or what differs.
    pub result: Result<(), String>,
}

impl Outcome {
    fn new(kind: Kind, what: impl Into<String>, result: Result<(), String>) -> Self {
        Self { kind, what: what.into(), result }
    }
}

/// Bytes on one line, with everything that is not printable ASCII escaped, and long ones cut.
fn shown(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    if text.len() <= SHOWN {
        return text;
    }
    format!("{}.. ({} bytes)", &text[..SHOWN], bytes.len())
}

/// Both sides, and where they part.
fn difference(expected: &[u8], got: &[u8]) -> String {
    let at = expected.iter().zip(got).position(|(a, b)| a != b).unwrap_or(expected.len().min(got.len()));
    let mut text = format!("differs at byte {at}");
    let _ = write!(text, "\n    expected {}\n    got      {}", shown(expected), shown(got));
    text
}

/// The most characters of a value in a message.
const SHOWN: usize = 2000;
