//! The conformance suite for implementations in any language: the vectors, sent to an adapter over JSON lines.
//!
//! An adapter is a program that answers the protocol of `PROTOCOL.md`. [`run`] starts it, tries whether it speaks the
//! protocol at all, sends it every vector and compares. A *broken adapter* (it dies, is silent, answers no JSON) is told
//! apart from a *broken implementation* (another stage, signature or verdict).

mod answer;
pub mod archive;
pub mod coverage;
mod extra;
mod judge;
mod line;
mod link;
pub mod lint;
pub mod report;
mod run;
mod skips;
mod smoke;

pub use answer::{Hello, Offer};
pub use link::Fault;
pub use report::{Cell, Check, Conclusion, Report, Verdict};
pub use run::{Reasons, Settings, Subject, of_responses, run, subjects};
pub use skips::{Skip, SkipError, Skips};
