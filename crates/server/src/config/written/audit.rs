//! The table `[audit]` as it is written.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::Span;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct WrittenAudit {
    /// `"refuse"` or `"continue"`
    pub(in crate::config) on_failure: Option<Spanned<String>>,
    pub(in crate::config) head_records: Option<Spanned<NonZeroU64>>,
    pub(in crate::config) head_time: Option<Span>,
    pub(in crate::config) keep: Option<Span>,
    pub(in crate::config) most_bytes: Option<NonZeroU64>,
    pub(in crate::config) evidence_bytes: Option<Spanned<NonZeroUsize>>,
    pub(in crate::config) refusals_per_minute: Option<NonZeroU32>,
    pub(in crate::config) anchor: Option<PathBuf>,
}
