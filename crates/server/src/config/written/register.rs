//! Self-registration as it is written.

use std::num::{NonZeroU32, NonZeroU64};

use serde::Deserialize;
use toml::Spanned;

/// `[register]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenRegister {
    /// `/register`
    pub(in crate::config) path: Spanned<String>,
    pub(in crate::config) dialects: Vec<Spanned<String>>,
    pub(in crate::config) most_pending: Option<NonZeroU64>,
    pub(in crate::config) daily_per_address: Option<NonZeroU32>,
    /// Something in front of the gateway speaks TLS with the callers.
    #[serde(default)]
    pub(in crate::config) behind_tls: bool,
}
