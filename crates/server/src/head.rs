//! The head of one request: the raw target and the header lines as they were on the wire.
//!
//! A head exists only if it is the only way to read its bytes: whatever two readers could take for two different
//! requests is refused here, before anything else looks at it.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use countersign_protocol::{HeaderLine, Reason, Refusal};
use http::uri::PathAndQuery;

use crate::limits::Limits;

/// A well-formed request head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    pub(crate) version: &'static str,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) framing: Framing,
}

/// How long the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Until the last chunk.
    Chunked,
    /// Until the stream ends (HTTP/2).
    Stream,
}

impl Head {
    /// Reads the head of an HTTP/1 request: everything before the empty line.
    pub(crate) fn from_http1(block: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        let mut lines = split_lines(block)?.into_iter();
        let (method, target, version) = request_line(lines.next().unwrap_or_default())?;
        let headers = lines.map(header_line).collect::<Result<Vec<_>, _>>()?;
        let mut head = Self { method, target, version, headers, framing: Framing::Length(0) };
        head.framing = head.framing()?;
        head.check(limits)?;
        Ok(head)
    }

    /// Takes the head of an HTTP/2 request. `:authority` becomes the Host line; two that differ are refused. The crumbs of a cookie become one
    /// line again. A fragment is gone from the target before it can be seen here.
    pub(crate) fn from_http2(parts: &http::request::Parts, limits: &Limits) -> Result<Self, Refusal> {
        let mut head = Self::from_parts(parts);
        // RFC 9113, section 8.2.1.
        if head.headers.iter().any(|(_, value)| value.trim_ascii() != value) {
            return Err(malformed("a blank at an end of a header value"));
        }
        head.join_cookies();
        if let Some(authority) = parts.uri.authority() {
            let authority = authority.as_str().as_bytes();
            if parts.headers.get_all(http::header::HOST).iter().any(|host| host.as_bytes() != authority) {
                return Err(malformed("Host differs from :authority"));
            }
            head.headers.retain(|(name, _)| name != "host");
            head.headers.insert(0, ("host".to_owned(), authority.to_vec()));
        }
        head.check_size(limits)?;
        head.check(limits)?;
        Ok(head)
    }

    /// Takes the head of a request that a server has read already. What that server joined or dropped cannot be seen here: names are in lower
    /// case, lines of one name stand together, and a fragment is gone from the target, for the service behind as well.
    pub(crate) fn from_request(parts: &http::request::Parts, limits: &Limits) -> Result<Self, Refusal> {
        let version = match parts.version {
            http::Version::HTTP_2 | http::Version::HTTP_3 => return Self::from_http2(parts, limits),
            http::Version::HTTP_11 => "HTTP/1.1",
            http::Version::HTTP_10 => "HTTP/1.0",
            _ => return Err(malformed("a version other than HTTP/1.1, HTTP/1.0 or HTTP/2")),
        };
        if parts.uri.authority().is_some() {
            return Err(malformed("the target is not in origin form"));
        }
        let mut head = Self { version, framing: Framing::Length(0), ..Self::from_parts(parts) };
        head.framing = head.framing()?;
        head.check_size(limits)?;
        head.check(limits)?;
        Ok(head)
    }

    /// The head of another request than the one on this wire, as a proxy tells it: the same holds of it.
    pub(crate) fn told(
        method: &[u8],
        target: &[u8],
        version: &'static str,
        headers: Vec<(String, Vec<u8>)>,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        if !is_token(method) || method.len() > 32 {
            return Err(malformed("the method is no token"));
        }
        let method = String::from_utf8_lossy(method).into_owned();
        let head = Self { method, target: target.to_vec(), version, headers, framing: Framing::Length(0) };
        head.check(limits)?;
        Ok(head)
    }

    fn from_parts(parts: &http::request::Parts) -> Self {
        let target = parts.uri.path_and_query().map_or(&b""[..], |target| target.as_str().as_bytes()).to_vec();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
        Self { method: parts.method.as_str().to_owned(), target, version: "HTTP/2.0", headers, framing: Framing::Stream }
    }

    /// RFC 9113, section 8.2.3: one line, before anything looks at it that knows HTTP/1 only.
    fn join_cookies(&mut self) {
        let crumbs: Vec<_> = self.values("cookie").collect();
        if crumbs.len() > 1 {
            let mut line = Some(crumbs.join(&b"; "[..]));
            self.headers.retain_mut(|(name, value)| name != "cookie" || line.take().map(|line| *value = line).is_some());
        }
    }

    /// Every value under this name.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// The Host header: every head has exactly one.
    pub(crate) fn host(&self) -> &[u8] {
        self.values("host").next().unwrap_or_default()
    }

    /// The raw path.
    pub(crate) fn path(&self) -> &[u8] {
        self.target.split(|b| *b == b'?').next().unwrap_or_default()
    }

    /// The header lines, borrowed, for a `RequestView`.
    pub(crate) fn lines(&self) -> Vec<HeaderLine<'_>> {
        self.headers.iter().map(|(name, value)| HeaderLine { name, value }).collect()
    }

    /// Puts another authority in the place of the Host line's: the one that the outer peer used.
    pub(crate) fn set_host(&mut self, host: &str) {
        for (name, value) in &mut self.headers {
            if name.eq_ignore_ascii_case("host") {
                *value = host.as_bytes().to_vec();
            }
        }
    }

    /// Whether a `Connection` line holds this token.
    pub(crate) fn connection_says(&self, wanted: &str) -> bool {
        self.values("connection").flat_map(tokens).any(|token| token.eq_ignore_ascii_case(wanted.as_bytes()))
    }

    /// Whether the peer asks for a WebSocket connection (RFC 6455, section 4.1), and for nothing else.
    pub(crate) fn asks_for_websocket(&self) -> bool {
        let mut upgrades = self.values("upgrade");
        let only = upgrades.next().is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) && upgrades.next().is_none();
        let plain = self.method == "GET" && self.version == "HTTP/1.1" && self.framing == Framing::Length(0);
        only && plain && self.connection_says("upgrade") && !self.connection_says("close")
    }

    /// Whether the peer takes trailers (RFC 9110, section 10.1.4).
    pub(crate) fn takes_trailers(&self) -> bool {
        self.values("te").flat_map(tokens).any(|token| token.eq_ignore_ascii_case(b"trailers"))
    }

    /// Whether the peer waits for `100 Continue`.
    pub(crate) fn expects_continue(&self) -> bool {
        self.values("expect").next().is_some()
    }

    fn framing(&self) -> Result<Framing, Refusal> {
        let lengths: Vec<_> = self.values("content-length").collect();
        let codings: Vec<_> = self.values("transfer-encoding").collect();
        match (&lengths[..], &codings[..]) {
            ([], []) => Ok(Framing::Length(0)),
            ([length], []) => decimal(length).map(Framing::Length).ok_or_else(|| malformed("Content-Length is no number")),
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && self.version == "HTTP/1.1" => Ok(Framing::Chunked),
            ([], [_]) => Err(malformed("Transfer-Encoding other than chunked")),
            ([], _) => Err(malformed("several Transfer-Encoding lines")),
            (_, []) => Err(malformed("several Content-Length lines")),
            // RFC 9112, section 6.1: a sender must not send both; it is how requests are smuggled.
            _ => Err(malformed("Content-Length beside Transfer-Encoding")),
        }
    }

    /// As far as it counts where the raw block is gone: each line with its separators.
    fn check_size(&self, limits: &Limits) -> Result<(), Refusal> {
        let bytes: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        if bytes > limits.head_bytes { Err(too_large("head")) } else { Ok(()) }
    }

    /// What holds for both versions of HTTP.
    fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        if self.headers.len() > limits.header_lines {
            return Err(too_large("header lines"));
        }
        self.check_target(limits)?;
        if matches!(self.method.as_str(), "CONNECT" | "PRI") {
            return Err(malformed("a method that is not proxied"));
        }
        let mut hosts = self.values("host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if is_authority(host) => {}
            (Some(_), None) => return Err(malformed("Host is no authority")),
            (None, _) => return Err(malformed("no Host")),
            (Some(_), Some(_)) => return Err(malformed("several Host lines")),
        }
        if self.values("expect").any(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
            return Err(malformed("Expect other than 100-continue"));
        }
        // A named header is removed on the way, so `Connection: X-App` could take away a signed or an identity header.
        let known = ["close", "keep-alive", "te", "upgrade", "http2-settings"];
        let strange = |token: &[u8]| !known.iter().any(|k| token.eq_ignore_ascii_case(k.as_bytes()));
        if self.values("connection").flat_map(tokens).any(strange) {
            return Err(malformed("Connection names a header"));
        }
        Ok(())
    }

    fn check_target(&self, limits: &Limits) -> Result<(), Refusal> {
        if self.target.len() > limits.target_bytes {
            return Err(too_large("target"));
        }
        if self.target.first() != Some(&b'/') {
            return Err(malformed("the target is not in origin form"));
        }
        if let Some(byte) = self.target.iter().find(|b| !(0x21..=0x7e).contains(*b) || **b == b'#') {
            return Err(malformed(format!("byte 0x{byte:02x} in the target")));
        }
        // A second `?` is part of the query.
        let query = self.target.splitn(2, |b| *b == b'?').nth(1).unwrap_or_default();
        if query.split(|b| *b == b'&').count() > limits.parameters {
            return Err(too_large("parameters"));
        }
        // What is forwarded is what was verified: a target that the upstream client could not write as it is ends here.
        match PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(&self.target)) {
            Ok(target) if target.as_str().as_bytes() == self.target => Ok(()),
            _ => Err(malformed("a character that no target may hold")),
        }
    }
}

/// The lines of a block. A CR or LF that is not part of a CRLF is refused.
fn split_lines(block: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    let lines: Vec<&[u8]> = block.split(|b| *b == b'\n').collect();
    let last = lines.len() - 1;
    let stripped = lines.into_iter().enumerate().map(|(i, line)| if i == last { Some(line) } else { line.strip_suffix(b"\r") });
    let lines = stripped.collect::<Option<Vec<_>>>().ok_or_else(|| malformed("a line ends in a bare LF"))?;
    match lines.iter().any(|line| line.contains(&b'\r')) {
        true => Err(malformed("a bare CR")),
        false => Ok(lines),
    }
}

fn request_line(line: &[u8]) -> Result<(String, Vec<u8>, &'static str), Refusal> {
    let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let [method, target, version] = words[..] else { return Err(malformed("the request line is not three words")) };
    if !is_token(method) || method.len() > 32 {
        return Err(malformed("the method is no token"));
    }
    let version = match version {
        b"HTTP/1.1" => "HTTP/1.1",
        b"HTTP/1.0" => "HTTP/1.0",
        _ => return Err(malformed("a version other than HTTP/1.1, HTTP/1.0 or HTTP/2")),
    };
    Ok((String::from_utf8_lossy(method).into_owned(), target.to_vec(), version))
}

fn header_line(line: &[u8]) -> Result<(String, Vec<u8>), Refusal> {
    if line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
        return Err(malformed("a folded header line"));
    }
    let colon = line.iter().position(|b| *b == b':').ok_or_else(|| malformed("a header line without a colon"))?;
    let (name, value) = (&line[..colon], without_blanks(&line[colon + 1..]));
    if !is_token(name) {
        return Err(malformed("a header name is no token"));
    }
    if value.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
        return Err(malformed("a control character in a header value"));
    }
    Ok((String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

/// Without SP and HTAB at either end, and nothing else (RFC 9110, section 5.6.3): other readers do not take a form feed for a blank.
fn without_blanks(value: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !is_blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !is_blank(b)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// The elements of a comma-separated list, without blanks and empty ones.
pub(crate) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// RFC 9110, section 5.6.2.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// Host and optional port, without user information or anything that two readers could split differently.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~[]:".contains(b);
    let port = text.rsplit(|b| *b == b':').next().filter(|port| port.len() < text.len() && !port.ends_with(b"]")).unwrap_or_default();
    let fits = !text.is_empty() && text.len() <= 255 && text.iter().all(plain) && port.iter().all(u8::is_ascii_digit);
    fits && http::uri::Authority::try_from(text).is_ok()
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if digits { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

pub(crate) fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Reason::MalformedRequest, detail)
}

fn too_large(what: &'static str) -> Refusal {
    Refusal::new(Reason::HeadTooLarge, what)
}
