//! Known answers for request-signing dialects: the vectors, their loader, and the checker that runs them.
//!
//! The files `<dialect>.yaml` beside this crate are data that any language can read; `schema.json` describes them. They
//! are embedded when the crate is built.

pub mod answer;
pub mod case;
mod change;
pub mod check;
pub mod error;
pub mod findings;
pub mod meaning;
pub mod message;
pub mod reading;
pub mod written;

pub use answer::answers;
pub use case::{Case, Signing, StageBytes};
pub use error::{Fault, VectorError};
pub use message::Sample;
pub use written::{Expect, Source};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The embedded files: each dialect's id with the text of its vectors, in the order of the ids.
pub fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().copied()
}

/// Works out every embedded vector of a dialect; `None` when it has no file.
///
/// # Errors
/// When the file makes no sense.
pub fn cases(dialect: &str) -> Option<Result<Vec<Case>, VectorError>> {
    files().find(|(stem, _)| *stem == dialect).map(|(stem, text)| parse(stem, text))
}

/// Works out the vectors of a file with this stem.
///
/// # Errors
/// When the text makes no sense.
pub fn parse(stem: &str, text: &str) -> Result<Vec<Case>, VectorError> {
    Case::of_file(stem, text)
}

/// The JSON Schema of a vectors file, as it is committed in `schema.json`.
///
/// # Errors
/// When the schema cannot be written as JSON, which its types rule out.
pub fn schema() -> Result<String, serde_json::Error> {
    let schema = schemars::schema_for!(written::VectorFile);
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}
