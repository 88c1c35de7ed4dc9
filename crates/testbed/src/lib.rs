//! Real servers for tests: each on a free loopback port, with its files in a folder of its own, ended with the test.
//!
//! Only for tests: what goes wrong here is a panic that says what is missing.

mod caddy;
mod daemon;
mod http;
mod log;
mod nginx;
mod postgres;
mod power;
mod redis;
mod serving;

pub use caddy::Caddy;
pub use daemon::{Daemon, as_other_user, find, free_port, give_away, wait_until};
pub use http::{Answer, Connection};
pub use log::{Told, keep_log};
pub use nginx::Nginx;
pub use postgres::Postgres;
pub use power::Power;
pub use redis::{Redis, RedisCluster};
pub use serving::Serving;
