//! A route as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::Span;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenRoute {
    pub(in crate::config) host: Option<Spanned<String>>,
    pub(in crate::config) prefix: Spanned<String>,
    pub(in crate::config) methods: Option<Vec<Spanned<String>>>,
    /// `http://host:port` or `echo`; absent in decide mode.
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
    #[serde(default)]
    pub(in crate::config) keep_credentials: bool,
    pub(in crate::config) authority: Option<Spanned<WrittenAuthority>>,
    /// Key ids, for dialects whose requests name none.
    #[serde(default)]
    pub(in crate::config) keys: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) scopes: Vec<String>,
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

/// `authority = "wire"` or `authority = { scheme = "https", host = "api.example.com" }`
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(in crate::config) enum WrittenAuthority {
    Word(String),
    Fixed { scheme: String, host: Option<String> },
}
