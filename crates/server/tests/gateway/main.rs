//! The gateway end to end: real sockets, real signatures, a clock and an upstream that the test holds.
#![expect(clippy::unwrap_used, reason = "a test ends where its setup fails")]

mod answers;
mod behind;
mod complaints;
mod config;
mod demo;
mod envelope;
mod fixture;
mod forwarding;
mod hostile;
mod http2;
mod http2_upstream;
mod identity;
mod lifecycle;
mod login_service;
mod overload;
mod pki;
mod proxies;
mod real_servers;
mod reasons;
mod reference;
mod reload;
mod servers;
mod shadow;
mod signed;
mod streaming;
mod tls;
mod tls_upstream;
mod tunnels;
mod upstream_config;
mod upstreams;
