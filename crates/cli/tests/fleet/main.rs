//! The gateway as operators run it: killed, restarted one after the other, and several on one store.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crash;
mod keeper;
mod load;
mod logins;
mod plain;
mod rolling;
mod sessions;
mod shared;
mod site;
