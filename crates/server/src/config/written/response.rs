//! How answers are signed, as it is written.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// `sign_response = { dialect = "...", key_id = "...", secret_file = "..." }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenResponse {
    pub(in crate::config) dialect: Spanned<String>,
    pub(in crate::config) key_id: String,
    pub(in crate::config) secret_file: Spanned<PathBuf>,
    #[serde(default)]
    pub(in crate::config) inputs: BTreeMap<String, String>,
    /// Bytes of an answer.
    pub(in crate::config) limit: Option<NonZeroUsize>,
}
