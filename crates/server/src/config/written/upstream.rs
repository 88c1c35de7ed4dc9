//! An upstream as it is written, and the signature that a route puts on what goes there.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::Span;

/// `[[upstream]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenUpstream {
    pub(in crate::config) name: Spanned<String>,
    pub(in crate::config) servers: Vec<Spanned<WrittenServer>>,
    /// `auto`, `http1` or `http2`
    pub(in crate::config) protocol: Option<Spanned<String>>,
    pub(in crate::config) connect: Option<Span>,
    pub(in crate::config) head: Option<Span>,
    pub(in crate::config) idle: Option<Span>,
    pub(in crate::config) answer_idle: Option<Span>,
    pub(in crate::config) tunnel_idle: Option<Span>,
    pub(in crate::config) requests: Option<NonZeroUsize>,
    pub(in crate::config) idle_connections: Option<usize>,
    pub(in crate::config) tunnels: Option<usize>,
    pub(in crate::config) head_bytes: Option<Spanned<usize>>,
    pub(in crate::config) retries: Option<Spanned<u32>>,
    pub(in crate::config) tls: Option<Spanned<WrittenTls>>,
    pub(in crate::config) check: Option<Spanned<WrittenCheck>>,
    pub(in crate::config) eject: Option<Spanned<WrittenEjection>>,
}

/// `{ url = "https://10.0.0.1:9000", weight = 3 }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenServer {
    pub(in crate::config) url: Spanned<String>,
    pub(in crate::config) weight: Option<Spanned<u32>>,
}

/// `tls = { ca = "ca.pem", certificate = "own.pem", key = "own.key", server_name = "orders.internal" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenTls {
    pub(in crate::config) ca: Option<PathBuf>,
    pub(in crate::config) certificate: Option<PathBuf>,
    pub(in crate::config) key: Option<PathBuf>,
    pub(in crate::config) server_name: Option<String>,
}

/// `check = { path = "/healthz", interval = "5s", timeout = "2s", rise = 2, fall = 3, statuses = [200] }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenCheck {
    pub(in crate::config) path: Spanned<String>,
    #[serde(default)]
    pub(in crate::config) statuses: Vec<Spanned<u16>>,
    pub(in crate::config) interval: Option<Span>,
    pub(in crate::config) timeout: Option<Span>,
    pub(in crate::config) rise: Option<u32>,
    pub(in crate::config) fall: Option<u32>,
}

/// `eject = { after = 5, time = "30s", most = "5m", share = 50, server_errors = false }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenEjection {
    pub(in crate::config) after: Option<u32>,
    pub(in crate::config) time: Option<Span>,
    pub(in crate::config) most: Option<Span>,
    pub(in crate::config) share: Option<Spanned<u32>>,
    #[serde(default)]
    pub(in crate::config) server_errors: bool,
}

/// `identity = { sign_with = "hmac-sha256", key_id = "gateway", secret_file = "gateway.secret" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenIdentity {
    pub(in crate::config) sign_with: Spanned<String>,
    pub(in crate::config) key_id: String,
    pub(in crate::config) secret_file: Spanned<PathBuf>,
    #[serde(default)]
    pub(in crate::config) inputs: BTreeMap<Spanned<String>, String>,
}
