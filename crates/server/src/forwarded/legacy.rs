//! The `X-Forwarded-*` headers, which no standard describes, read strictly.

use std::net::IpAddr;

use countersign_protocol::{Refusal, Scheme};

use super::{MOST_HOPS, Origin, Proxies, node_address, scheme};
use crate::head::{Head, is_authority, malformed};
use crate::route::is_plain_path;

/// Bytes of a prefix.
const MOST_PREFIX: usize = 1024;

/// What the headers list, the farthest hop first.
#[derive(Debug)]
pub(super) struct Told {
    clients: Vec<IpAddr>,
    schemes: Vec<Scheme>,
    hosts: Vec<String>,
    ports: Vec<u16>,
    prefixes: Vec<String>,
}

/// What they tell; `None` without any of them.
pub(super) fn read(head: &Head) -> Result<Option<Told>, Refusal> {
    let told = Told {
        clients: list(head, "x-forwarded-for", |text| {
            let bare = text.parse().ok().map(|v6: std::net::Ipv6Addr| IpAddr::V6(v6).to_canonical());
            bare.or_else(|| node_address(text)).ok_or_else(|| malformed("X-Forwarded-For has an element that is no address"))
        })?,
        schemes: list(head, "x-forwarded-proto", scheme)?,
        hosts: list(head, "x-forwarded-host", |text| {
            if is_authority(text.as_bytes()) { Ok(text.to_owned()) } else { Err(malformed("a forwarded host is no authority")) }
        })?,
        ports: list(head, "x-forwarded-port", |text| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let port = text.parse().ok().filter(|port| digits && *port != 0);
            port.ok_or_else(|| malformed("X-Forwarded-Port is no port"))
        })?,
        prefixes: list(head, "x-forwarded-prefix", prefix)?,
    };
    let Told { clients, schemes, hosts, ports, prefixes } = &told;
    let counts = [clients.len(), schemes.len(), hosts.len(), ports.len(), prefixes.len()];
    Ok(counts.iter().any(|count| *count > 0).then_some(told))
}

/// The elements of every line under this name. An empty one is refused.
fn list<T>(head: &Head, name: &str, read: impl Fn(&str) -> Result<T, Refusal>) -> Result<Vec<T>, Refusal> {
    let mut elements = Vec::new();
    for element in head.values(name).flat_map(|line| line.split(|b| *b == b',')) {
        if elements.len() == MOST_HOPS {
            return Err(malformed("too many forwarded hops"));
        }
        let text = std::str::from_utf8(element.trim_ascii()).map_err(|_| malformed("a forwarded header is no ASCII"))?;
        elements.push(read(text)?);
    }
    Ok(elements)
}

/// A plain path; a slash at its end is not part of it.
fn prefix(text: &str) -> Result<String, Refusal> {
    let plain = text.len() <= MOST_PREFIX && is_plain_path(text);
    if plain { Ok(text.trim_end_matches('/').to_owned()) } else { Err(malformed("X-Forwarded-Prefix is no plain path")) }
}

impl Told {
    /// Walks the clients from the near end to the first that is not trusted. Of everything else the last element counts:
    /// it is the trusted peer's own word, and what stands before it may be the client's.
    pub(super) fn origin(&self, proxies: &Proxies, peer: IpAddr) -> Origin {
        let beyond = self.clients.iter().rev().find(|hop| !proxies.trusts(**hop));
        Origin {
            client: beyond.or(self.clients.first()).copied().unwrap_or(peer),
            trusted: true,
            scheme: self.schemes.last().copied(),
            host: self.hosts.last().cloned(),
            port: self.ports.last().copied(),
            prefix: self.prefixes.last().filter(|prefix| !prefix.is_empty()).cloned(),
        }
    }
}
