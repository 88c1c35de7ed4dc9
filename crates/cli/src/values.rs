//! Readers of flag values.

use std::time::Duration;

use countersign_protocol::{Algorithm, Timestamp};

/// `name=value`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// An instant, RFC 3339 in UTC.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "expected a time in UTC such as 2015-08-30T12:36:00Z".to_owned())
}

/// A span such as `300s`, `5m`, `1h`, `7d`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let fault = || "expected digits and one of s, m, h, d, such as 300s".to_owned();
    let unit = match text.bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => return Err(fault()),
    };
    let digits = &text[..text.len() - 1];
    let count = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
    let seconds = count.and_then(|count| count.checked_mul(unit)).filter(|seconds| *seconds <= 3_660 * 86_400);
    seconds.map(Duration::from_secs).ok_or_else(fault)
}

/// An algorithm by its name.
pub(crate) fn algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(text).ok_or_else(|| format!("expected one of {}", Algorithm::names().collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit_and_an_end() {
        assert_eq!(span("300s"), Ok(Duration::from_secs(300)));
        assert_eq!(span("1h"), Ok(Duration::from_secs(3_600)));
        for bad in ["", "s", "300", "-1s", "1.5h", "99999999999999999999s", "999999d", "5é"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pair_needs_a_name() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("=b").is_err() && pair("a").is_err());
    }
}
