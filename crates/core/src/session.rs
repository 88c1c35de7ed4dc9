//! Token sessions: a user logs in through an app, and calls with a token that rides inside signed requests.

pub mod authenticate;
mod id;
pub mod password;
pub mod throttle;
pub mod totp;
pub mod user;

pub use id::{SessionId, UserId};
