//! The layer in front of services: every rule of it, over tower, axum and real sockets.
#![expect(clippy::unwrap_used, reason = "a test ends where its setup fails")]

mod bodies;
mod callers;
mod example;
#[path = "../gateway/fixture.rs"]
#[expect(dead_code, reason = "shared with the gateway's tests, which use all of it")]
mod fixture;
mod heads;
mod hyper;
mod logs;
mod responses;
mod stand;
