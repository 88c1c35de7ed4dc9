//! What must hold for any input: one function per target, for a coverage-guided fuzzer and for the test that replays its corpus.
//!
//! Each target takes any bytes and panics when something does not hold. `libfuzzer/` has the fuzzers, `corpus/` the inputs that reach the most
//! of the code, `dictionaries/` words of each form of input.

mod canonical;
mod claim;
pub mod corpus;
mod dialect;
mod http;
mod subject;
mod text;
pub mod words;

use std::sync::LazyLock;

pub use canonical::canonical;
pub use claim::claim;
pub use dialect::dialect;
pub use http::http;

/// Does beforehand what is done once, so that it is not the time of an input.
pub fn prepare() {
    LazyLock::force(&subject::SUBJECTS);
}

/// A target: its name, and what it does with an input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its fuzzer, its corpus and its dictionary.
    pub name: &'static str,
    /// Panics when something does not hold.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 4] = [
    Target { name: "claim", run: claim },
    Target { name: "canonical", run: canonical },
    Target { name: "dialect", run: dialect },
    Target { name: "http", run: http },
];
