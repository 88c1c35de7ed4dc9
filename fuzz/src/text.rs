//! Messages as plain text, so that a mutation of a byte is a small change of a message and a seed can be read.
//!
//! ```text
//! POST https /path?query        or a status code
//! Name: value
//!
//! the body
//! ```

use countersign_protocol::{Message, Request, Response, Scheme};

/// The message of any bytes.
pub(crate) fn message(text: &[u8]) -> Message {
    let (line, mut rest) = line(text);
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let (header, behind) = self::line(rest);
        rest = behind;
        if header.is_empty() {
            break;
        }
        let (name, value) = halves(header, b':');
        headers.push((lossy(name), value.strip_prefix(b" ").unwrap_or(value).to_vec()));
    }
    let body = rest.to_vec();
    let (method, rest) = halves(line, b' ');
    if let Some(status) = std::str::from_utf8(method).ok().and_then(|text| text.parse().ok()) {
        return Message::Response(Response { status, headers, body });
    }
    let (scheme, target) = halves(rest, b' ');
    let scheme = if scheme == b"http" { Scheme::Http } else { Scheme::Https };
    Message::Request(Request { method: lossy(method), scheme, target: target.to_vec(), version: "HTTP/1.1".to_owned(), headers, body })
}

/// The text of a request; `None` where a value holds a line feed.
#[must_use]
pub(crate) fn written(request: &Request) -> Option<Vec<u8>> {
    let mut text = format!("{} {} ", request.method, request.scheme.as_str()).into_bytes();
    text.extend_from_slice(&request.target);
    text.push(b'\n');
    for (name, value) in &request.headers {
        text.extend([name.as_bytes(), b": ", value, b"\n"].concat());
    }
    text.push(b'\n');
    text.extend_from_slice(&request.body);
    (message(&text) == Message::Request(request.clone())).then_some(text)
}

/// The first line, and what follows it.
pub(crate) fn line(text: &[u8]) -> (&[u8], &[u8]) {
    halves(text, b'\n')
}

fn halves(text: &[u8], mark: u8) -> (&[u8], &[u8]) {
    let at = text.iter().position(|b| *b == mark).unwrap_or(text.len());
    (&text[..at], text.get(at + 1..).unwrap_or_default())
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
