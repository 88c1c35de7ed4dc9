//! The gateway: admits signed requests, forwards each exactly as it was verified, and explains every refusal.

pub mod access;
pub mod admin;
mod admit;
pub mod audit;
mod authority;
mod body;
mod capacity;
pub mod config;
mod connection;
pub mod decide;
pub mod demo;
pub mod echo;
mod envelope;
pub mod forwarded;
mod gateway;
mod head;
mod identity;
pub mod layer;
pub mod limits;
mod metrics;
mod observers;
mod plan;
pub mod problem;
mod rate;
mod readiness;
pub mod reasons;
mod refusals;
mod refused;
pub mod register;
pub mod reload;
mod report;
pub mod response;
pub mod route;
mod service;
pub mod session;
pub mod store;
mod strip;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod testing;
pub mod tls;
pub mod trace;
pub mod upstream;
mod wire;

pub use gateway::Gateway;
pub use layer::SignatureLayer;
