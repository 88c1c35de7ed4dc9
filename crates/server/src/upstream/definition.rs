//! What an upstream is, as configured: its servers, how they are spoken to, and every limit.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use http::uri::Authority;

use super::tls::Tls;
use crate::limits::Limits;

/// Servers of one upstream.
pub(crate) const MOST_SERVERS: usize = 64;
/// The greatest weight of a server.
pub(crate) const MOST_WEIGHT: u32 = 100;
/// The most tries after the first.
pub(crate) const MOST_RETRIES: u32 = 5;

/// The longest time that counts: no clock overflows by it.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// An upstream as configured. Two that are equal may share their state over a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The name, or the address where the route names one.
    pub(crate) name: String,
    pub(crate) servers: Vec<Address>,
    pub(crate) protocol: Protocol,
    /// `None`: no server is spoken to over TLS.
    pub(crate) tls: Option<Tls>,
    pub(crate) times: Times,
    pub(crate) most: Most,
    pub(crate) check: Option<Check>,
    pub(crate) ejection: Ejection,
}

/// Where one server is, and its share of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) tls: bool,
    pub(crate) authority: Authority,
    pub(crate) weight: u32,
}

/// The version of HTTP that is spoken to the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Protocol {
    /// As agreed on in the TLS handshake (ALPN); HTTP/1.1 where there is none.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only; with prior knowledge where there is no TLS.
    Http2,
}

/// How long may what take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// To connect, TLS handshake included. Beyond: another server, then `upstream_unavailable`.
    pub(crate) connect: Duration,
    /// To answer with a head, after the body was taken. Beyond: `upstream_timeout`.
    pub(crate) head: Duration,
    /// An unused connection is kept so long.
    pub(crate) idle: Duration,
    /// A pause within an answer. Beyond: the answer breaks off.
    pub(crate) answer_idle: Duration,
    /// A pause of both sides of a tunnel. Beyond: it is closed.
    pub(crate) tunnel_idle: Duration,
}

/// How many at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Most {
    /// Requests at one time to one server, tunnels among them. Beyond: another server, then `overloaded`.
    pub(crate) requests: usize,
    /// Unused connections to one server, for each worker.
    pub(crate) idle: usize,
    /// Open tunnels to all servers. Beyond: `overloaded`.
    pub(crate) tunnels: usize,
    /// Bytes of an answer's head. Beyond: `upstream_unavailable`.
    pub(crate) head_bytes: usize,
    /// Tries after the first, each only if no byte of the request went.
    pub(crate) retries: u32,
}

/// How servers are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) path: String,
    /// The statuses of a server that is well; 200 to 299 when empty.
    pub(crate) statuses: Vec<u16>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// So many good answers in a row take a server in again.
    pub(crate) rise: u32,
    /// So many bad ones in a row take it out.
    pub(crate) fall: u32,
}

/// When a server that fails is left out, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ejection {
    /// So many failures in a row.
    pub(crate) after: u32,
    /// The first time; each further one in a row takes twice as long.
    pub(crate) time: Duration,
    /// The longest.
    pub(crate) most: Duration,
    /// Percent of the servers that may be out at one time.
    pub(crate) share: u32,
    /// Whether every 5xx is a failure, not only 502, 503 and 504.
    pub(crate) server_errors: bool,
}

impl Default for Ejection {
    fn default() -> Self {
        Self { after: 5, time: Duration::from_secs(30), most: Duration::from_secs(300), share: 50, server_errors: false }
    }
}

impl Definition {
    /// These servers, with the gateway's own limits and nothing else.
    pub(crate) fn new(name: String, servers: Vec<Address>, tls: Option<Tls>, limits: &Limits) -> Self {
        Self {
            name,
            servers,
            tls,
            protocol: Protocol::default(),
            times: Times {
                connect: limits.upstream_connect,
                head: limits.upstream_head,
                idle: limits.upstream_idle,
                answer_idle: limits.upstream_answer_idle,
                tunnel_idle: limits.upstream_answer_idle,
            }
            .bounded(),
            most: Most { requests: 1024, idle: 256, tunnels: 1024, head_bytes: 64 * 1024, retries: 1 },
            check: None,
            ejection: Ejection::default(),
        }
    }
}

impl Times {
    /// The same, each at most 30 days.
    pub(crate) fn bounded(self) -> Self {
        Self {
            connect: self.connect.min(LONGEST),
            head: self.head.min(LONGEST),
            idle: self.idle.min(LONGEST),
            answer_idle: self.answer_idle.min(LONGEST),
            tunnel_idle: self.tunnel_idle.min(LONGEST),
        }
    }
}

impl Address {
    /// Reads `http://host:port` or `https://host:port`, with or without a slash at the end.
    pub(crate) fn parse(url: &str, weight: u32) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let authority = (!authority.contains('@')).then(|| authority.parse::<Authority>().ok()).flatten()?;
        Some(Self { tls, authority, weight })
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        host.parse::<IpAddr>().map_or(host == "localhost", |address| address.is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_the_loopback() {
        let loopback = |url: &str| Address::parse(url, 1).unwrap().is_loopback();
        assert!(["http://127.0.0.1:80", "http://[::1]:80", "http://localhost"].into_iter().all(loopback));
        assert!(!["http://10.0.0.1", "http://[::2]", "http://localhost.example.com", "http://0.0.0.0"].into_iter().any(loopback));
    }

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        assert_eq!(Address::parse("http://h:80/", 1).unwrap().to_string(), "http://h:80");
        assert_eq!(Address::parse("https://[::1]:443", 1).unwrap().to_string(), "https://[::1]:443");
        for text in ["h:80", "ftp://h", "http://", "http://u@h", "http://h/a", "http://h?a", "https:/h"] {
            assert!(Address::parse(text, 1).is_none(), "{text}");
        }
    }
}
