//! The log as it is written.

use std::num::NonZeroU64;

use serde::Deserialize;
use toml::Spanned;

/// `[log]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenLog {
    pub(in crate::config) format: Option<WrittenFormat>,
    pub(in crate::config) level: Option<String>,
    pub(in crate::config) access: Option<bool>,
    /// Of requests that were not refused, each so many-th is told.
    pub(in crate::config) one_success_in: Option<NonZeroU64>,
    /// Address ranges of proxies.
    #[serde(default)]
    pub(in crate::config) request_ids_from: Vec<Spanned<String>>,
}

/// `json` or `text`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum WrittenFormat {
    Json,
    Text,
}
