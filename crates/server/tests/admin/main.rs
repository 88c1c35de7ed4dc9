//! The admin listener end to end: what machines and operators see of a running gateway, and who may.
#![expect(clippy::unwrap_used, reason = "a test ends where its setup fails")]

mod apps;
mod dashboard;
mod document;
#[path = "../gateway/fixture.rs"]
#[expect(dead_code, reason = "shared with the gateway's tests, which use all of it")]
mod fixture;
mod gate;
mod ids;
mod metrics;
mod readiness;
mod refusals;
mod register;
mod support;
