//! The binary from the outside: what it prints, where, and with which exit code.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adapter;
mod app;
mod audit;
mod broken;
mod codegen;
mod config;
mod conformance;
mod curl;
mod deploy;
mod drain;
mod envelope;
mod explain;
mod guides;
mod har;
mod import;
mod lint;
mod operate;
mod reason;
mod serve;
mod serving;
mod session;
mod sign;
mod support;
#[cfg(feature = "otel")]
mod traces;
mod user;
