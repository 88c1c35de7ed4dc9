//! The configuration as it is written: names and types, no logic.

pub(super) mod admin;
pub(super) mod audit;
pub(super) mod decide;
pub(super) mod envelope;
pub(super) mod log;
pub(super) mod register;
pub(super) mod response;
pub(super) mod route;
pub(super) mod session;
pub(super) mod store;
pub(super) mod tls;
pub(super) mod upstream;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use self::admin::WrittenAdmin;
use self::log::WrittenLog;
use self::register::WrittenRegister;
use self::route::WrittenRoute;
use self::store::WrittenStore;
use self::tls::WrittenTls;
use self::upstream::WrittenUpstream;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// `["127.0.0.1:8080"]`
    #[serde(default)]
    pub(super) listen: Vec<Spanned<String>>,
    pub(super) admin: Option<Spanned<WrittenAdmin>>,
    pub(super) register: Option<Spanned<WrittenRegister>>,
    pub(super) log: Option<Spanned<WrittenLog>>,
    pub(super) workers: Option<Spanned<usize>>,
    pub(super) data: Option<PathBuf>,
    pub(super) store: Option<Spanned<WrittenStore>>,
    pub(super) session: Option<Spanned<session::WrittenSession>>,
    pub(super) master_key: Option<PathBuf>,
    #[serde(default)]
    pub(super) dialects: Vec<PathBuf>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) decide: Option<Spanned<decide::WrittenDecide>>,
    pub(super) audit: Option<audit::WrittenAudit>,
    #[serde(default)]
    pub(super) limits: WrittenLimits,
    #[serde(default)]
    pub(super) tls: Vec<Spanned<WrittenTls>>,
    /// Ranges of addresses whose `Forwarded` headers are believed.
    #[serde(default)]
    pub(super) trusted_proxies: Vec<Spanned<String>>,
    /// Whether connections of those begin with a PROXY header.
    pub(super) proxy_protocol: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) upstream: Vec<Spanned<WrittenUpstream>>,
    #[serde(default)]
    pub(super) route: Vec<Spanned<WrittenRoute>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenLimits {
    pub(super) head_bytes: Option<NonZeroUsize>,
    pub(super) header_lines: Option<NonZeroUsize>,
    pub(super) target_bytes: Option<NonZeroUsize>,
    pub(super) parameters: Option<NonZeroUsize>,
    pub(super) head_time: Option<Span>,
    pub(super) body_idle: Option<Span>,
    pub(super) answer_idle: Option<Span>,
    pub(super) body_bytes: Option<NonZeroUsize>,
    pub(super) bodies_bytes: Option<NonZeroUsize>,
    pub(super) address_rate: Option<Spanned<WrittenRate>>,
    pub(super) requests: Option<NonZeroUsize>,
    pub(super) queue: Option<usize>,
    pub(super) queue_time: Option<Span>,
    pub(super) handshake_time: Option<Span>,
    pub(super) connections: Option<NonZeroUsize>,
    pub(super) upstream_connect: Option<Span>,
    pub(super) upstream_head: Option<Span>,
    pub(super) upstream_idle: Option<Span>,
    pub(super) upstream_answer_idle: Option<Span>,
    pub(super) drain: Option<Span>,
}

/// `address_rate = { per_second = 100, burst = 200 }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRate {
    pub(super) per_second: NonZeroU32,
    pub(super) burst: NonZeroU32,
}

/// A length of time, more than none: `300s`, `5m`, `1h`, `7d` or `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Span(pub(super) Duration);

impl Span {
    fn parse(text: &str) -> Option<Self> {
        let unit = text.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = text[..unit].parse().ok()?;
        let millis = match &text[unit..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.checked_mul(millis).filter(|millis| *millis > 0).map(|millis| Self(Duration::from_millis(millis)))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no length of time, such as 300s, 5m or 1h")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [("300s", 300), ("5m", 300), ("2h", 7200), ("7d", 604_800)] {
            assert_eq!(Span::parse(text), Some(Span(Duration::from_secs(seconds))), "{text}");
        }
        for text in ["", "5", "0s", "0d", "s", "5 m", "-5s", "5w", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
