//! Who called, and how the gateway was addressed, where a trusted proxy stands in front.
//!
//! Only what trusted proxies wrote is believed: the chain of hops is walked from the near end, and the first hop that is
//! not trusted is the client.

mod legacy;
mod proxy_header;
mod standard;

use std::io;
use std::net::{IpAddr, SocketAddr};

use countersign_protocol::{Refusal, Scheme};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::head::{Head, malformed};

/// Hops that one request may tell of.
const MOST_HOPS: usize = 32;

/// The ranges of addresses of trusted proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    ranges: Vec<IpNet>,
    /// Whether their connections begin with a PROXY header.
    headers: bool,
}

/// What a request tells of its way, as far as it can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The address of the client.
    pub(crate) client: IpAddr,
    /// Whether the headers that tell of the way come from a trusted proxy.
    pub(crate) trusted: bool,
    /// The scheme that the client used.
    pub(crate) scheme: Option<Scheme>,
    /// The authority that the client addressed.
    pub(crate) host: Option<String>,
    /// The port that the client addressed, where it is told apart from the authority.
    pub(crate) port: Option<u16>,
    /// What a proxy took off the client's path.
    pub(crate) prefix: Option<String>,
}

impl Proxies {
    /// Proxies in these ranges.
    #[must_use]
    pub const fn new(ranges: Vec<IpNet>) -> Self {
        Self { ranges, headers: false }
    }

    /// The same, whose connections begin with a PROXY header.
    #[must_use]
    pub const fn with_proxy_headers(mut self, headers: bool) -> Self {
        self.headers = headers;
        self
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }

    /// Who made a connection: the peer, or whom a trusted proxy names in the header with which the connection begins; `None`
    /// where that names nobody. Not a byte beyond that header is read, and none of anyone else's connection.
    ///
    /// # Errors
    /// A trusted proxy's connection does not begin with a whole header.
    pub(crate) async fn source(&self, stream: &mut (impl AsyncRead + Unpin), peer: SocketAddr) -> io::Result<Option<SocketAddr>> {
        if !self.headers || !self.trusts(peer.ip().to_canonical()) {
            return Ok(Some(peer));
        }
        let fault = || io::Error::new(io::ErrorKind::InvalidData, "no PROXY header of a trusted proxy");
        let mut reader = proxy_header::Reader::default();
        loop {
            match reader.next() {
                proxy_header::Next::Read(count) => {
                    let room = reader.room(count);
                    stream.read_exact(room).await?;
                }
                proxy_header::Next::Source(told) => return Ok(told),
                proxy_header::Next::Malformed => return Err(fault()),
            }
        }
    }

    /// Where a request comes from.
    ///
    /// # Errors
    /// `malformed_request`: a trusted proxy sent headers that cannot be read, or whose two kinds tell different things.
    pub(crate) fn origin(&self, head: &Head, peer: IpAddr) -> Result<Origin, Refusal> {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Ok(Origin::direct(peer));
        }
        let standard = standard::read(head)?.map(|hops| self.walk(&hops, peer));
        let legacy = legacy::read(head)?.map(|told| told.origin(self, peer));
        let direct = Origin { trusted: true, ..Origin::direct(peer) };
        match (standard, legacy) {
            (Some(one), Some(other)) => one.and(other),
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) => Ok(direct),
        }
    }

    /// Walks the hops from the near end to the first that is not trusted, or that hides its address.
    fn walk(&self, hops: &[standard::Hop], peer: IpAddr) -> Origin {
        let mut origin = Origin { trusted: true, ..Origin::direct(peer) };
        for hop in hops.iter().rev() {
            (origin.scheme, origin.host) = (hop.scheme, hop.host.clone());
            let Some(address) = hop.client else { break };
            origin.client = address;
            if !self.trusts(address) {
                break;
            }
        }
        origin
    }
}

impl Origin {
    /// Of a peer that nobody stands in front of.
    pub(crate) const fn direct(peer: IpAddr) -> Self {
        Self { client: peer, trusted: false, scheme: None, host: None, port: None, prefix: None }
    }

    /// Both kinds of headers together, which may not differ.
    fn and(self, legacy: Self) -> Result<Self, Refusal> {
        let differ = |what| Err(malformed(format!("Forwarded and X-Forwarded headers name different {what}")));
        if self.client != legacy.client {
            return differ("clients");
        }
        if self.scheme.zip(legacy.scheme).is_some_and(|(one, other)| one != other) {
            return differ("schemes");
        }
        if self.host.as_ref().zip(legacy.host.as_ref()).is_some_and(|(one, other)| !one.eq_ignore_ascii_case(other)) {
            return differ("hosts");
        }
        Ok(Self { scheme: self.scheme.or(legacy.scheme), host: self.host.or(legacy.host), ..legacy })
    }

    /// The authority that the client addressed, with its port unless that is the scheme's own.
    ///
    /// # Errors
    /// `malformed_request`: the authority has another port than the one that is told beside it.
    pub(crate) fn authority(&self, wire_host: &[u8], scheme: Scheme) -> Result<Option<String>, Refusal> {
        let Some(port) = self.port else { return Ok(self.host.clone()) };
        let host = self.host.clone().or_else(|| std::str::from_utf8(wire_host).ok().map(str::to_owned)).unwrap_or_default();
        let own = match scheme {
            Scheme::Https => 443,
            _ => 80,
        };
        match host.parse::<http::uri::Authority>().ok().and_then(|authority| authority.port_u16()) {
            Some(named) if named != port => Err(malformed("X-Forwarded-Port differs from the port of the host")),
            None if port != own => Ok(Some(format!("{host}:{port}"))),
            _ => Ok(Some(host)),
        }
    }
}

/// Whether a header, in plain spelling, tells of the way of a request.
pub(crate) fn is_of_the_way(plain_name: &str) -> bool {
    plain_name == "forwarded" || plain_name == "x-forwarded" || plain_name == "x-real-ip" || plain_name.starts_with("x-forwarded-")
}

fn scheme(text: &str) -> Result<Scheme, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        _ => Err(malformed("a forwarded scheme other than http and https")),
    }
}

/// The address of a node, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn node_address(text: &str) -> Option<IpAddr> {
    let port = |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok();
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let fits = after.is_empty() || after.strip_prefix(':').is_some_and(port);
        return fits.then(|| address.parse().ok().map(|v6| IpAddr::V6(v6).to_canonical()))?;
    }
    let (address, after) = text.split_once(':').map_or((text, None), |(address, after)| (address, Some(after)));
    after.is_none_or(port).then(|| address.parse().ok().map(IpAddr::V4))?
}

#[cfg(test)]
mod tests;
