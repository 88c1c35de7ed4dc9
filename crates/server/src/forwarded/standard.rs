//! The `Forwarded` header (RFC 7239), read strictly.

use std::net::IpAddr;

use countersign_protocol::{Refusal, Scheme};

use super::{MOST_HOPS, node_address, scheme};
use crate::head::{Head, is_authority, is_token, malformed};

/// One element: what one proxy tells of the hop before it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hop {
    /// `for`; absent where it is not told, `unknown`, or obfuscated.
    pub(super) client: Option<IpAddr>,
    /// `proto`.
    pub(super) scheme: Option<Scheme>,
    /// `host`.
    pub(super) host: Option<String>,
}

/// The elements of every `Forwarded` line, the farthest hop first; `None` without such a line.
pub(super) fn read(head: &Head) -> Result<Option<Vec<Hop>>, Refusal> {
    let mut hops = Vec::new();
    for line in head.values("forwarded") {
        let line = std::str::from_utf8(line).map_err(|_| malformed("Forwarded is no ASCII"))?;
        let mut rest = line;
        loop {
            let (hop, after) = element(rest)?;
            hops.push(hop);
            if hops.len() > MOST_HOPS {
                return Err(malformed("too many forwarded hops"));
            }
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
    }
    Ok((!hops.is_empty()).then_some(hops))
}

/// One element, and what follows it: nothing, or a comma.
fn element(text: &str) -> Result<(Hop, &str), Refusal> {
    let mut hop = Hop::default();
    let mut seen: Vec<String> = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t']);
    loop {
        let (name, after) = rest.split_once('=').ok_or_else(|| malformed("Forwarded has a word without a value"))?;
        if !is_token(name.as_bytes()) {
            return Err(malformed("Forwarded has a name that is no token"));
        }
        let name = name.to_ascii_lowercase();
        let (value, after) = value(after)?;
        hop.take(&name, value)?;
        if seen.contains(&name) {
            return Err(malformed("Forwarded tells one thing twice in one element"));
        }
        seen.push(name);
        let after = after.trim_start_matches([' ', '\t']);
        match after.as_bytes().first() {
            None | Some(b',') => return Ok((hop, after)),
            Some(b';') => rest = after[1..].trim_start_matches([' ', '\t']),
            Some(_) => return Err(malformed("Forwarded goes on after a value")),
        }
    }
}

/// A token or a quoted string (RFC 9110, section 5.6.4), and what follows it.
fn value(text: &str) -> Result<(String, &str), Refusal> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        let plain = is_token(token.as_bytes());
        return if plain { Ok((token.to_owned(), rest)) } else { Err(malformed("Forwarded has a value that needs quotes")) };
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => match chars.next() {
                Some((_, escaped)) if escaped.is_ascii() => value.push(escaped),
                _ => break,
            },
            _ if c.is_ascii() => value.push(c),
            _ => break,
        }
    }
    Err(malformed("Forwarded has a quoted value that does not end"))
}

impl Hop {
    fn take(&mut self, name: &str, value: String) -> Result<(), Refusal> {
        match name {
            "for" => self.client = node(&value)?,
            "by" => drop(node(&value)?),
            "proto" => self.scheme = Some(scheme(&value)?),
            "host" if is_authority(value.as_bytes()) => self.host = Some(value),
            "host" => return Err(malformed("a forwarded host is no authority")),
            // RFC 7239, section 5.5: extensions are allowed, and tell nothing here.
            _ => {}
        }
        Ok(())
    }
}

/// RFC 7239, section 6. An address that is hidden tells nothing.
fn node(text: &str) -> Result<Option<IpAddr>, Refusal> {
    let name = text.split(':').next().unwrap_or_default();
    let hidden = name.len() > 1 && name.starts_with('_') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if hidden || name.eq_ignore_ascii_case("unknown") {
        return Ok(None);
    }
    node_address(text).map(Some).ok_or_else(|| malformed("a forwarded node is no address"))
}
