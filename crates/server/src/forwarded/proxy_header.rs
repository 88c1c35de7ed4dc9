//! The header with which a proxy of the fourth layer begins a connection: the PROXY protocol, versions 1 and 2, as HAProxy's
//! `proxy-protocol.txt` describes it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Section 2.1: the longest line of version 1, with its CRLF.
const MOST_LINE: usize = 107;
/// Bytes of version 2 after its first 16: addresses and extensions.
const MOST_BLOCK: usize = 2048;
const FIXED: usize = 16;

/// Reads a header in steps, and never a byte too many.
#[derive(Debug, Default)]
pub(super) struct Reader(Vec<u8>);

/// What a reader needs, or has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// So many bytes more.
    Read(usize),
    /// Who made the connection; `None` where the proxy speaks for itself or does not tell.
    Source(Option<SocketAddr>),
    Malformed,
}

impl Reader {
    /// Room for so many bytes more, to be filled.
    pub(super) fn room(&mut self, count: usize) -> &mut [u8] {
        let filled = self.0.len();
        self.0.resize(filled + count, 0);
        &mut self.0[filled..]
    }

    pub(super) fn next(&self) -> Next {
        let read = self.0.as_slice();
        if read.len() < SIGNATURE.len() {
            return Next::Read(SIGNATURE.len() - read.len());
        }
        if read.starts_with(SIGNATURE) {
            return version2(read);
        }
        match read {
            _ if !read.starts_with(b"PROXY ") => Next::Malformed,
            _ if read.ends_with(b"\r\n") => line(&read[..read.len() - 2]).map_or(Next::Malformed, Next::Source),
            // An LF elsewhere would end the line for other readers.
            _ if read.len() >= MOST_LINE || read.ends_with(b"\n") => Next::Malformed,
            _ => Next::Read(1),
        }
    }
}

/// Section 2.1: `PROXY TCP4 192.0.2.1 192.0.2.2 4711 443`. The outer absence is a fault.
fn line(line: &[u8]) -> Option<Option<SocketAddr>> {
    let text = std::str::from_utf8(line).ok()?;
    let words: Vec<&str> = text.split(' ').collect();
    let port = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok())?;
    let source = match words[..] {
        ["PROXY", "UNKNOWN", ..] => return Some(None),
        ["PROXY", family @ ("TCP4" | "TCP6"), source, destination, from, to] => {
            let address = |text: &str| text.parse::<IpAddr>().ok().filter(|address| address.is_ipv4() == (family == "TCP4"));
            address(destination)?;
            port(to)?;
            SocketAddr::new(address(source)?, port(from)?)
        }
        _ => return None,
    };
    Some(Some(source))
}

/// Section 2.2.
fn version2(read: &[u8]) -> Next {
    if read.len() < FIXED {
        return Next::Read(FIXED - read.len());
    }
    let block = usize::from(u16::from_be_bytes([read[14], read[15]]));
    if block > MOST_BLOCK {
        return Next::Malformed;
    }
    if read.len() < FIXED + block {
        return Next::Read(FIXED + block - read.len());
    }
    match (read[12], read[13]) {
        // LOCAL: a health check of the proxy itself.
        (0x20, _) => Next::Source(None),
        (0x21, 0x11) => address4(&read[FIXED..]).map_or(Next::Malformed, |source| Next::Source(Some(source))),
        (0x21, 0x21) => address6(&read[FIXED..]).map_or(Next::Malformed, |source| Next::Source(Some(source))),
        // Another family than TCP over IP: nothing that could be a client's address.
        (0x21, _) => Next::Source(None),
        _ => Next::Malformed,
    }
}

fn address4(block: &[u8]) -> Option<SocketAddr> {
    let [a, b, c, d, _, _, _, _, high, low, _, _] = *block.first_chunk()?;
    Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), u16::from_be_bytes([high, low])))
}

fn address6(block: &[u8]) -> Option<SocketAddr> {
    let block: &[u8; 36] = block.first_chunk()?;
    let source: [u8; 16] = *block.first_chunk()?;
    Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(source)), u16::from_be_bytes([block[32], block[33]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of these bytes, and how many of them were read.
    fn read(bytes: &[u8]) -> (Next, usize) {
        let mut reader = Reader::default();
        let mut at = 0;
        loop {
            match reader.next() {
                Next::Read(count) if at + count <= bytes.len() => {
                    reader.room(count).copy_from_slice(&bytes[at..at + count]);
                    at += count;
                }
                next => return (next, at),
            }
        }
    }

    fn source(text: &str) -> Next {
        Next::Source(Some(text.parse().unwrap()))
    }

    fn version2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, block].concat()
    }

    #[test]
    fn the_source_is_told_and_nothing_beyond_is_read() {
        for (line, expected) in [
            ("PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n", source("192.0.2.1:4711")),
            ("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", source("[2001:db8::7]:4711")),
            ("PROXY UNKNOWN\r\n", Next::Source(None)),
            ("PROXY UNKNOWN 1 2 3 4\r\n", Next::Source(None)),
        ] {
            assert_eq!(read(format!("{line}GET / HTTP/1.1\r\n").as_bytes()), (expected, line.len()), "{line}");
        }
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x67, 1, 187];
        let six = [&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets()[..], &[0; 16], &[0x12, 0x67, 1, 187], b"extension"].concat();
        for (bytes, expected) in [
            (version2(0x21, 0x11, &four), source("192.0.2.1:4711")),
            (version2(0x21, 0x21, &six), source("[2001:db8::7]:4711")),
            (version2(0x20, 0x00, &[]), Next::Source(None)),
            (version2(0x21, 0x31, &[0; 216]), Next::Source(None)),
        ] {
            assert_eq!(read(&[&bytes, &b"more"[..]].concat()), (expected, bytes.len()));
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let lines = [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443 5\r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 4711 443\r\n",
            "PROXY TCP4 2001:db8::7 2001:db8::1 4711 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +4711 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 70000\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\nGET",
            "PROXY TCP5 192.0.2.1 192.0.2.2 4711 443\r\n",
            "proxy TCP4 192.0.2.1 192.0.2.2 4711 443\r\n",
        ];
        for line in lines {
            assert_eq!(read(line.as_bytes()).0, Next::Malformed, "{line}");
        }
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
        assert_eq!(read(endless.as_bytes()), (Next::Malformed, MOST_LINE));
        for bytes in
            [version2(0x21, 0x11, &[1; 11]), version2(0x21, 0x21, &[1; 35]), version2(0x11, 0x11, &[1; 12]), version2(0x22, 0x11, &[1; 12])]
        {
            assert_eq!(read(&bytes).0, Next::Malformed, "{bytes:?}");
        }
        assert_eq!(read(&version2(0x21, 0x11, &vec![0; MOST_BLOCK + 1])).0, Next::Malformed);
    }
}
