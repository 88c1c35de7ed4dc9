//! Which requests the access log tells, and whose request ids are taken over.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;
use uuid::Uuid;

use crate::head::Head;
use crate::strip::REQUEST_ID;

/// The most bytes of a request id that is taken over.
const ID: usize = 64;

/// How the log is written.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LogSettings {
    /// Whether each line is a JSON object; absent: as the command line says.
    pub json: Option<bool>,
    /// What is logged, such as `info` or `countersign_server=debug`; absent: `info`.
    pub level: Option<String>,
    /// The access log.
    pub access: AccessSettings,
}

/// What the access log tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AccessSettings {
    /// Whether there is one.
    pub on: bool,
    /// Of requests that were not refused, each so many-th is told. Refusals are told always.
    pub one_success_in: NonZeroU64,
    /// The proxies whose `X-Request-Id` is taken over, and whose traces go on here.
    pub ids_from: Vec<IpNet>,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self { on: true, one_success_in: NonZeroU64::MIN, ids_from: Vec::new() }
    }
}

/// The access log of a gateway.
#[derive(Debug)]
pub(crate) struct AccessLog {
    settings: AccessSettings,
    successes: AtomicU64,
}

impl AccessLog {
    pub(crate) const fn new(settings: AccessSettings) -> Self {
        Self { settings, successes: AtomicU64::new(0) }
    }

    /// Whether this request is told.
    pub(crate) fn tells(&self, refused: bool) -> bool {
        let in_turn = || self.successes.fetch_add(1, Ordering::Relaxed) % self.settings.one_success_in == 0;
        self.settings.on && (refused || in_turn())
    }

    /// The id of a request: a new UUID of version 7, or what a trusted proxy calls it.
    pub(crate) fn id(&self, peer: IpAddr, head: Option<&Head>) -> String {
        let named = head.filter(|_| self.trusts(peer)).and_then(single_id);
        named.unwrap_or_else(|| Uuid::now_v7().to_string())
    }

    /// Whether this is a proxy that may name requests and their traces.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.settings.ids_from.iter().any(|range| range.contains(&peer.to_canonical()))
    }
}

/// The one id that the head names, if it can stand in a log and a header as it is.
fn single_id(head: &Head) -> Option<String> {
    let mut values = head.values(REQUEST_ID);
    let id = values.next()?;
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = values.next().is_none() && !id.is_empty() && id.len() <= ID && id.iter().all(plain);
    if fits { String::from_utf8(id.to_vec()).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn log(settings: AccessSettings) -> AccessLog {
        AccessLog::new(settings)
    }

    #[test]
    fn refusals_are_told_always_and_successes_in_turn() {
        let sampled = log(AccessSettings { one_success_in: NonZeroU64::new(3).unwrap(), ..AccessSettings::default() });
        let told: Vec<bool> = (0..6).map(|_| sampled.tells(false)).collect();
        assert_eq!(told, [true, false, false, true, false, false]);
        assert!((0..3).all(|_| sampled.tells(true)));
        assert!(!log(AccessSettings { on: false, ..AccessSettings::default() }).tells(true));
    }

    #[test]
    fn an_id_is_taken_over_from_a_trusted_proxy_only() {
        let log = log(AccessSettings { ids_from: vec!["10.0.0.0/8".parse().unwrap()], ..AccessSettings::default() });
        let id = |peer: &str, lines: &str| {
            let head = Head::from_http1(format!("GET / HTTP/1.1\r\nHost: a{lines}").as_bytes(), &Limits::default()).unwrap();
            log.id(peer.parse().unwrap(), Some(&head))
        };
        let named = "\r\nX-Request-Id: edge-7f";
        assert_eq!(id("10.1.2.3", named), "edge-7f");
        assert_eq!(id("::ffff:10.1.2.3", named), "edge-7f");
        for (peer, lines) in [
            ("192.0.2.1", named.to_owned()),
            ("10.1.2.3", String::new()),
            ("10.1.2.3", "\r\nX-Request-Id: a b".to_owned()),
            ("10.1.2.3", format!("{named}{named}")),
            ("10.1.2.3", format!("\r\nX-Request-Id: {}", "a".repeat(ID + 1))),
        ] {
            assert_eq!(Uuid::parse_str(&id(peer, &lines)).unwrap().get_version_num(), 7, "{peer} {lines}");
        }
    }
}
