//! The gateway end to end: real sockets, real signatures, a clock and an upstream that the test holds.
#![expect(clippy::unwrap_used, reason = "a test ends where its setup fails")]

mod config;
mod demo;
mod fixture;
mod forwarding;
mod hostile;
mod http2;
mod lifecycle;
mod reasons;
mod signed;
