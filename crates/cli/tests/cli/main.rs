//! The binary from the outside: what it prints, where, and with which exit code.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adapter;
mod app;
mod broken;
mod curl;
mod operate;
mod serve;
mod sign;
mod support;
#[cfg(feature = "otel")]
mod traces;
