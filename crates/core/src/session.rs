//! Token sessions: a user logs in through an app, and calls with a token that rides inside signed requests.

mod id;
pub mod signing;
pub mod token;

pub use id::{SessionId, TokenId, UserId};
