//! The table of decide mode as it is written.

use serde::Deserialize;
use toml::Spanned;

/// `[decide]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenDecide {
    /// `nginx`, `traefik`, `caddy` or `envoy`
    pub(in crate::config) proxy: Spanned<String>,
    /// `["127.0.0.0/8", "::1/128"]`
    pub(in crate::config) trusted: Option<Vec<Spanned<String>>>,
    pub(in crate::config) path_prefix: Option<Spanned<String>>,
}

/// The upstream of a route that names none: it stands nowhere in the file.
pub(super) fn no_upstream() -> Spanned<String> {
    Spanned::new(0..0, "echo".to_owned())
}
