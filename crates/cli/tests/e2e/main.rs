//! Unmodified clients of six ecosystems through `countersign serve`.
#![doc = include_str!("README.md")]
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answer;
mod aws;
mod browser;
mod chromium;
mod cookies;
mod envelope;
mod examples;
mod gateway;
mod own;
mod program;
mod relay;
mod trial;
mod vendors;
