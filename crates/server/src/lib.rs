//! The gateway: admits signed requests, forwards each exactly as it was verified, and explains every refusal.

mod admin;
pub mod audit;
mod body;
pub mod config;
mod connection;
pub mod demo;
pub mod echo;
mod gateway;
mod head;
pub mod limits;
pub mod problem;
mod rate;
mod refused;
mod report;
pub mod route;
mod service;
pub mod store;
mod strip;
mod upstream;
mod wire;

pub use gateway::Gateway;
