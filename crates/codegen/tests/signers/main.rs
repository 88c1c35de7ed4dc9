//! Signers in other languages, run over the vectors, over dialects that try to break out of their literals, and beside the engine.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adapter;
mod document;
mod own;
mod table;
mod vectors;
