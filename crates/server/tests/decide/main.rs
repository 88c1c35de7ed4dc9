//! Decide mode: behind a real nginx, behind a real Caddy, and asked as Traefik and Envoy ask.
#![expect(clippy::unwrap_used, reason = "a test ends where its setup fails")]

mod caddy;
mod checks;
mod config;
#[path = "../gateway/fixture.rs"]
#[expect(dead_code, reason = "shared with the gateway's tests, which use all of it")]
mod fixture;
mod front;
mod nginx;
mod questions;
