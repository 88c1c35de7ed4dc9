//! The client against raw sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod again;
mod answers;
mod layers;
mod presigned;
mod redirects;
mod signed;
mod streams;
mod support;
#[cfg(feature = "sessions")]
mod users;
