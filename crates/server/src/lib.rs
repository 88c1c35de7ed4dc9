//! The gateway: admits signed requests, forwards each exactly as it was verified, and explains every refusal.

mod admin;
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
mod plan;
pub mod problem;
mod rate;
mod refused;
pub mod reload;
mod report;
pub mod response;
pub mod route;
mod service;
pub mod store;
mod strip;
pub mod tls;
pub mod upstream;
mod wire;

pub use gateway::Gateway;
pub use layer::SignatureLayer;
