//! Every number beyond which the gateway refuses, with its default.

use std::time::Duration;

pub use crate::rate::AddressRate;

/// The limits of a gateway. Each has a default; nothing is unlimited.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of request line and headers. Beyond: `head_too_large`.
    pub head_bytes: usize,
    /// Header lines. Beyond: `head_too_large`.
    pub header_lines: usize,
    /// Bytes of the request target. Beyond: `head_too_large`.
    pub target_bytes: usize,
    /// Query parameters. Beyond: `head_too_large`.
    pub parameters: usize,
    /// How long a head may take to arrive, and a kept connection may be idle, of HTTP/2 one without an open stream. Beyond: the connection is closed.
    pub head_time: Duration,
    /// How long a body may pause. Beyond: `malformed_request`, and the connection is closed.
    pub body_idle: Duration,
    /// How long a caller may take nothing of an answer. Beyond: the connection is closed.
    pub answer_idle: Duration,
    /// Bytes of a buffered body, where the route says nothing else. Beyond: `body_too_large`.
    pub body_bytes: usize,
    /// Bytes of all bodies that are held in memory at one time. Beyond: `overloaded`.
    pub bodies_bytes: usize,
    /// Requests from one address. Beyond: `rate_limited`. Off by default: behind another proxy, all callers share one.
    pub address_rate: Option<AddressRate>,
    /// Requests at one time. Beyond, they queue.
    pub requests: usize,
    /// Requests that wait for others to end, their bodies unread. Beyond: `overloaded`.
    pub queue: usize,
    /// How long one waits. Beyond: `overloaded`.
    pub queue_time: Duration,
    /// How long a TLS handshake may take. Beyond: the connection is closed.
    pub handshake_time: Duration,
    /// Connections at one time. Beyond: new ones wait, one at each listening socket, the others in the kernel's queue.
    pub connections: usize,
    /// How long an upstream may take to accept a connection. Beyond: `upstream_unavailable`.
    pub upstream_connect: Duration,
    /// How long an upstream may take to answer with a head. Beyond: `upstream_timeout`.
    pub upstream_head: Duration,
    /// How long an unused upstream connection is kept.
    pub upstream_idle: Duration,
    /// How long an upstream's answer may pause, and both sides of a tunnel. Beyond: it breaks off.
    pub upstream_answer_idle: Duration,
    /// How long a stop waits for requests in flight.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            header_lines: 100,
            target_bytes: 8 * 1024,
            parameters: 256,
            head_time: Duration::from_secs(10),
            body_idle: Duration::from_secs(30),
            answer_idle: Duration::from_secs(60),
            body_bytes: 8 * 1024 * 1024,
            bodies_bytes: 512 * 1024 * 1024,
            address_rate: None,
            requests: 10_000,
            queue: 1_000,
            queue_time: Duration::from_secs(1),
            handshake_time: Duration::from_secs(10),
            connections: 20_000,
            upstream_connect: Duration::from_secs(5),
            upstream_head: Duration::from_secs(30),
            upstream_idle: Duration::from_secs(90),
            upstream_answer_idle: Duration::from_secs(300),
            drain: Duration::from_secs(30),
        }
    }
}
