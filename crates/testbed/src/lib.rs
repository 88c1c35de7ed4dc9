//! Real servers for tests: each on a free loopback port, with its files in a folder of its own, ended with the test.
//!
//! Only for tests: what goes wrong here is a panic that says what is missing.

mod caddy;
mod daemon;
mod nginx;

pub use caddy::Caddy;
pub use daemon::{Daemon, as_other_user, find, free_port, give_away, wait_until};
pub use nginx::Nginx;
