//! Token sessions: a user logs in through an app, and calls with a token that rides inside signed requests.

pub mod authenticate;
mod id;
mod limit;
pub mod password;
mod refresh;
mod service;
pub mod signing;
mod state;
mod store;
pub mod throttle;
pub mod token;
pub mod totp;
pub mod user;

pub use id::{SessionId, TokenId, UserId};
pub use limit::RefreshLimit;
pub use refresh::{RefreshToken, Salt, SessionKeys};
pub use service::{
    Caller, Grant, Parties, Presented, RefreshFault, SessionFault, SessionStores, Sessions, UserSession, Wanted, client_key_id,
    session_key_id,
};
pub use state::{Binding, Ended, Known, Rotation, Session, SessionPolicy};
pub use store::{Refresh, SessionStore};
