//! Token sessions: a user logs in through an app, and calls with a token that rides inside signed requests.

mod id;
mod refresh;
mod state;
mod store;

pub use id::{SessionId, UserId};
pub use refresh::{RefreshToken, Salt, SessionKeys};
pub use state::{Binding, Ended, Known, Rotation, Session, SessionPolicy};
pub use store::{Refresh, SessionStore};
