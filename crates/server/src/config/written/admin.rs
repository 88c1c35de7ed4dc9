//! The admin listener as it is written.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// `admin = "127.0.0.1:9090"` or a table.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(in crate::config) enum WrittenAdmin {
    Address(String),
    Table(WrittenAdminTable),
}

/// `[admin]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenAdminTable {
    pub(in crate::config) listen: String,
    pub(in crate::config) token_file: Option<PathBuf>,
    #[serde(default)]
    pub(in crate::config) hosts: Vec<Spanned<String>>,
    pub(in crate::config) metrics_open: Option<bool>,
    pub(in crate::config) refusals: Option<NonZeroUsize>,
}
