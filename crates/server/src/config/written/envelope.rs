//! The envelope of a route as it is written.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenEnvelope {
    pub(in crate::config) scheme: Option<Spanned<String>>,
    pub(in crate::config) private_key: Vec<Spanned<WrittenPrivateKey>>,
    #[serde(default)]
    pub(in crate::config) fields: WrittenFields,
    pub(in crate::config) mark: Option<Spanned<String>>,
    pub(in crate::config) key_id_header: Option<Spanned<String>>,
    #[serde(default = "yes")]
    pub(in crate::config) required: bool,
    pub(in crate::config) input: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) legacy: bool,
    pub(in crate::config) max_plain: Option<NonZeroUsize>,
    pub(in crate::config) max_answer: Option<NonZeroUsize>,
    pub(in crate::config) content_type: Option<Spanned<String>>,
    /// `plain` or `encrypted`
    pub(in crate::config) answer: Option<Spanned<String>>,
}

/// `"key.pem"` or `{ id = "2026", file = "key.pem" }`
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(in crate::config) enum WrittenPrivateKey {
    File(PathBuf),
    Named { id: String, file: PathBuf },
}

/// `{ content = "content", key = "encryptKey", key_id = "keyId" }`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct WrittenFields {
    pub(in crate::config) content: Option<String>,
    pub(in crate::config) key: Option<String>,
    pub(in crate::config) key_id: Option<String>,
}

const fn yes() -> bool {
    true
}
