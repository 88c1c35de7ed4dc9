//! Readers of flag values.

use std::net::IpAddr;
use std::time::Duration;

use countersign_core::limit::Rate;
use countersign_protocol::{Algorithm, Timestamp};
use ipnet::IpNet;

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

/// A range of addresses; one address is a range of one.
pub(crate) fn range(text: &str) -> Result<IpNet, String> {
    let one = |_| text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(one).map_err(|_| "write a range such as 192.0.2.0/24 or 2001:db8::/32".to_owned())
}

/// Requests per second and at once: `100/200`, or `100` for both.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    let (per_second, burst) = text.split_once('/').unwrap_or((text, text));
    let count = |text: &str| text.parse().map_err(|_| "write requests per second and at once, such as 100/200".to_owned());
    Ok(Rate { per_second: count(per_second)?, burst: count(burst)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_rates() {
        assert_eq!(range("192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
        assert_eq!(range("2001:db8::/32").unwrap().to_string(), "2001:db8::/32");
        let told = |text: &str| rate(text).map(|rate| (rate.per_second.get(), rate.burst.get())).ok();
        assert_eq!((told("100/200"), told("5")), (Some((100, 200)), Some((5, 5))));
        for wrong in ["", "0", "1/0", "-1", "1/2/3", "a"] {
            assert_eq!(told(wrong), None, "{wrong}");
        }
        assert!(range("192.0.2.0/33").is_err() && range("here").is_err());
    }

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
