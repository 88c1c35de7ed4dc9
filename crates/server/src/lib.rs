//! The gateway: admits signed requests, forwards each exactly as it was verified, and explains every refusal.

pub mod access;
pub mod admin;
mod body;
pub mod config;
mod connection;
pub mod demo;
pub mod echo;
mod gateway;
mod head;
pub mod limits;
mod metrics;
mod news;
mod observers;
pub mod problem;
mod rate;
mod readiness;
mod refusals;
mod refused;
pub mod register;
mod report;
pub mod route;
mod service;
pub mod store;
mod strip;
pub mod trace;
mod upstream;
mod wire;

pub use gateway::Gateway;
