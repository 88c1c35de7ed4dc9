//! The table `[audit]`, valid by construction.

use std::num::{NonZeroU32, NonZeroU64};

use countersign_core::audit::{AuditLimits, OnFailure};
use toml::Spanned;

use super::super::written::audit::WrittenAudit;
use super::super::{Config, ConfigError};
use crate::audit::AuditSettings;

/// The most records between two heads: evidence holds a digest for each.
const MOST_HEAD_RECORDS: u64 = 100_000;
/// The most bytes of a string to sign that are kept: a full queue holds thousands.
const MOST_EVIDENCE: usize = 1 << 20;

pub(super) fn settings(config: &Config) -> Result<Option<AuditSettings>, ConfigError> {
    let Some(written) = &config.written.audit else { return Ok(None) };
    let default = AuditLimits::default();
    let head_records = written.head_records.as_ref();
    if let Some(records) = head_records.filter(|records| records.get_ref().get() > MOST_HEAD_RECORDS) {
        let mend = format!("write a number from 1 to {MOST_HEAD_RECORDS}");
        return Err(config.error(records.span().start, "head_records is out of range", mend));
    }
    let evidence = written.evidence_bytes.as_ref();
    if let Some(bytes) = evidence.filter(|bytes| bytes.get_ref().get() > MOST_EVIDENCE) {
        return Err(config.error(bytes.span().start, "evidence_bytes is out of range", format!("write at most {MOST_EVIDENCE}")));
    }
    let limits = AuditLimits {
        head_records: head_records.map_or(default.head_records, |records| records.get_ref().get()),
        head_time: written.head_time.map_or(default.head_time, |span| span.0),
        keep: written.keep.map_or(default.keep, |span| span.0),
        most_bytes: written.most_bytes.map_or(default.most_bytes, NonZeroU64::get),
        evidence_bytes: evidence.map_or(default.evidence_bytes, |bytes| bytes.get_ref().get()),
        refusals_per_minute: written.refusals_per_minute.map_or(default.refusals_per_minute, NonZeroU32::get),
    };
    Ok(Some(AuditSettings { on_failure: on_failure(config, written)?, limits, anchor: written.anchor.clone() }))
}

fn on_failure(config: &Config, written: &WrittenAudit) -> Result<OnFailure, ConfigError> {
    match written.on_failure.as_ref().map(Spanned::get_ref).map(String::as_str) {
        None | Some("refuse") => Ok(OnFailure::Refuse),
        Some("continue") => Ok(OnFailure::Continue),
        Some(other) => {
            let at = written.on_failure.as_ref().map_or(0, |word| word.span().start);
            let mend = "write `refuse` (nothing happens that is not recorded) or `continue` (requests go on, and records may be missing)";
            Err(config.error(at, format!("`{other}` is no policy"), mend))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(lines: &str) -> Result<Option<AuditSettings>, ConfigError> {
        settings(&Config::parse("gateway.toml", &format!("listen = []\n{lines}")).unwrap())
    }

    #[test]
    fn without_the_table_nothing_is_recorded_and_with_it_defaults_hold() {
        assert_eq!(read("").unwrap(), None);
        let default = AuditSettings { on_failure: OnFailure::Refuse, limits: AuditLimits::default(), anchor: None };
        assert_eq!(read("[audit]").unwrap(), Some(default));
    }

    #[test]
    fn each_key_is_read() {
        let read = read(
            "[audit]\non_failure = \"continue\"\nhead_records = 7\nhead_time = \"5s\"\nkeep = \"2d\"\nmost_bytes = 9\nevidence_bytes = 8\nrefusals_per_minute = 6\nanchor = \"/a\"",
        );
        let limits = AuditLimits {
            head_records: 7,
            head_time: Duration::from_secs(5),
            keep: Duration::from_secs(172_800),
            most_bytes: 9,
            evidence_bytes: 8,
            refusals_per_minute: 6,
        };
        assert_eq!(read.unwrap(), Some(AuditSettings { on_failure: OnFailure::Continue, limits, anchor: Some("/a".into()) }));
    }

    #[test]
    fn what_makes_no_sense_is_refused_at_its_line() {
        for (line, words) in [
            ("on_failure = \"ignore\"", "`ignore` is no policy"),
            ("head_records = 100001", "head_records"),
            ("evidence_bytes = 1048577", "evidence_bytes"),
        ] {
            let error = read(&format!("[audit]\n{line}")).unwrap_err();
            assert!(error.line() == Some(3) && error.fault().contains(words), "{error}");
        }
        for line in ["head_records = 0", "keep = \"0s\"", "unknown = 1", "most_bytes = -1"] {
            assert!(Config::parse("gateway.toml", &format!("listen = []\n[audit]\n{line}")).is_err(), "{line}");
        }
    }
}
