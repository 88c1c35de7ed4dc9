//! A route as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::Span;
use super::envelope::WrittenEnvelope;
use super::upstream::WrittenIdentity;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenRoute {
    pub(in crate::config) host: Option<Spanned<String>>,
    pub(in crate::config) prefix: Spanned<String>,
    pub(in crate::config) methods: Option<Vec<Spanned<String>>>,
    /// The name of an [[upstream]], `http://host:port`, `https://host:port` or `echo`; absent in decide mode.
    #[serde(default = "super::decide::no_upstream")]
    pub(in crate::config) upstream: Spanned<String>,
    pub(in crate::config) dialects: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) inputs: BTreeMap<Spanned<String>, String>,
    pub(in crate::config) window: Option<WrittenWindow>,
    pub(in crate::config) max_expires: Option<Span>,
    #[serde(default)]
    pub(in crate::config) require: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) waive: Vec<Spanned<String>>,
    pub(in crate::config) replay: Option<Spanned<String>>,
    #[serde(default, rename = "unsafe")]
    pub(in crate::config) allow_unsafe: bool,
    #[serde(default)]
    pub(in crate::config) allow_ambiguous: bool,
    pub(in crate::config) loopback_is_tls: Option<Spanned<bool>>,
    pub(in crate::config) body_limit: Option<usize>,
    /// `buffered`, `streamed` or `unsigned`
    pub(in crate::config) body: Option<Spanned<String>>,
    pub(in crate::config) upgrade: Option<Spanned<bool>>,
    pub(in crate::config) identity: Option<Spanned<WrittenIdentity>>,
    #[serde(default)]
    pub(in crate::config) keep_credentials: bool,
    pub(in crate::config) authority: Option<Spanned<WrittenAuthority>>,
    /// What a proxy in front takes off the path.
    pub(in crate::config) external_prefix: Option<Spanned<String>>,
    /// `enforce` or `shadow`
    pub(in crate::config) mode: Option<Spanned<String>>,
    pub(in crate::config) require_client_certificate: Option<Spanned<bool>>,
    /// SHA-256 fingerprints, in hexadecimal.
    #[serde(default)]
    pub(in crate::config) client_certificates: Vec<Spanned<String>>,
    /// Key ids, for dialects whose requests name none.
    #[serde(default)]
    pub(in crate::config) keys: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) scopes: Vec<String>,
    /// `required`, `optional` or `none`
    pub(in crate::config) session: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) bearer: bool,
    pub(in crate::config) cookie: Option<Spanned<bool>>,
    #[serde(default)]
    pub(in crate::config) user_scopes: Vec<String>,
    pub(in crate::config) login_within: Option<Span>,
    pub(in crate::config) envelope: Option<Spanned<WrittenEnvelope>>,
    pub(in crate::config) decide_body: Option<Spanned<String>>,
    pub(in crate::config) sign_response: Option<Spanned<super::response::WrittenResponse>>,
}

/// `window = "5m"` or `window = { past = "15m", future = "1m" }`
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(in crate::config) enum WrittenWindow {
    Both(Span),
    Each { past: Span, future: Span },
}

/// `authority = "wire"`, `authority = "forwarded"` or `authority = { scheme = "https", host = "api.example.com" }`
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(in crate::config) enum WrittenAuthority {
    Word(String),
    Fixed { scheme: String, host: Option<String> },
}
