//! Logins of users as they are written.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::route::WrittenAuthority;
use super::{Span, WrittenRate};

/// `[session]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenSession {
    /// `/session`
    pub(in crate::config) path: Option<Spanned<String>>,
    /// `https://api.example.com`
    pub(in crate::config) issuer: Spanned<String>,
    /// The issuer where it is not named.
    pub(in crate::config) audience: Option<Spanned<String>>,
    /// `X-Access-Token`
    pub(in crate::config) header: Option<Spanned<String>>,
    pub(in crate::config) dialects: Vec<Spanned<String>>,
    /// `wire`, `forwarded`, or a table.
    pub(in crate::config) authority: Option<Spanned<WrittenAuthority>>,
    /// The scope that an app needs.
    pub(in crate::config) scope: Option<String>,
    #[serde(default)]
    pub(in crate::config) public_apps: Vec<String>,
    /// `https://app.example.com`
    #[serde(default)]
    pub(in crate::config) origins: Vec<Spanned<String>>,
    /// `EdDSA`, `ES256` or `HS256`
    pub(in crate::config) algorithm: Option<Spanned<String>>,
    pub(in crate::config) access: Option<Spanned<Span>>,
    pub(in crate::config) idle: Option<Spanned<Span>>,
    pub(in crate::config) absolute: Option<Spanned<Span>>,
    pub(in crate::config) grace: Option<Span>,
    pub(in crate::config) skew: Option<Span>,
    /// How often one session may be refreshed.
    pub(in crate::config) refresh_rate: Option<WrittenRate>,
    pub(in crate::config) sessions_per_user: Option<std::num::NonZeroUsize>,
    /// Whether guesses are counted by address; not behind a proxy that does not tell it.
    pub(in crate::config) throttle_by_address: Option<bool>,
    pub(in crate::config) callback: Option<Spanned<WrittenCallback>>,
    /// `body` or `header`: of logins that are signed.
    pub(in crate::config) deliver: Option<Spanned<String>>,
    pub(in crate::config) plain: Option<Spanned<WrittenPlain>>,
    pub(in crate::config) cookie: Option<Spanned<WrittenCookie>>,
    pub(in crate::config) password: Option<Spanned<WrittenPassword>>,
    pub(in crate::config) throttle: Option<Spanned<WrittenThrottle>>,
    /// Something in front of the gateway speaks TLS with the callers.
    #[serde(default)]
    pub(in crate::config) behind_tls: bool,
}

/// `[session.callback]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenCallback {
    pub(in crate::config) url: Spanned<String>,
    /// The header by which the service knows the gateway.
    pub(in crate::config) header: Option<String>,
    /// A file with its value.
    pub(in crate::config) header_file: Option<Spanned<PathBuf>>,
    pub(in crate::config) timeout: Option<Span>,
}

/// `[session.plain]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenPlain {
    pub(in crate::config) apps: Vec<String>,
    /// `body`, `header` or `cookie`
    pub(in crate::config) deliver: Option<Spanned<String>>,
}

/// `[session.cookie]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenCookie {
    /// `__Host-session`
    pub(in crate::config) name: Option<Spanned<String>>,
    /// `/`
    pub(in crate::config) path: Option<Spanned<String>>,
    /// `strict` or `lax`
    pub(in crate::config) same_site: Option<Spanned<String>>,
}

/// `[session.password]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenPassword {
    pub(in crate::config) memory_kib: Option<Spanned<u32>>,
    pub(in crate::config) passes: Option<Spanned<u32>>,
    pub(in crate::config) lanes: Option<Spanned<u32>>,
    pub(in crate::config) at_once: Option<Spanned<usize>>,
    pub(in crate::config) queue: Option<Spanned<usize>>,
    pub(in crate::config) wait: Option<Spanned<Span>>,
}

/// `[session.throttle]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenThrottle {
    /// In a minute.
    pub(in crate::config) per_address: Option<Spanned<std::num::NonZeroU32>>,
    /// In a minute.
    pub(in crate::config) per_gateway: Option<std::num::NonZeroU32>,
    pub(in crate::config) remembered: Option<Spanned<u32>>,
    /// After so many wrong guesses, so long: `[[3, "1s"], [5, "3s"]]`
    pub(in crate::config) waits: Option<Spanned<Vec<(u32, Span)>>>,
}
