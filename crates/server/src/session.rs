//! Logins of users over HTTP.

pub mod callback;
