//! Reads a raw HTTP/1.1 message, with LF or CRLF at the ends of lines. The bytes stay bytes.

use countersign_protocol::{Message, Request, Response};

/// The most lines of a head that are read.
const LINES: usize = 1_000;

/// Reads a request or a response.
pub(crate) fn parse(bytes: &[u8]) -> Result<Message, String> {
    let (lines, rest) = head(bytes)?;
    let Some((first, lines)) = lines.split_first() else {
        return Err("the message is empty; expected 'GET /path HTTP/1.1', or a curl command line".to_owned());
    };
    let headers = lines.iter().map(|line| header_line(line)).collect::<Result<Vec<_>, _>>()?;
    if let Some((name, _)) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding")) {
        return Err(format!("{name}: a body in chunks is not read; write the body itself and leave the header out"));
    }
    let body = body(&headers, rest)?;
    if first.starts_with(b"HTTP/") {
        return Ok(Message::Response(Response { status: status(first)?, headers, body }));
    }
    let (method, target, version) = request_line(first)?;
    let mut request = Request::new(method, target).with_body(body);
    request.version = version;
    request.headers = headers;
    Ok(Message::Request(request))
}

/// The lines before the first empty one, without their ends, and what follows it.
fn head(bytes: &[u8]) -> Result<(Vec<&[u8]>, &[u8]), String> {
    let (mut lines, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        if lines.len() == LINES {
            return Err(format!("more than {LINES} header lines"));
        }
        lines.push(line);
    }
    Ok((lines, rest))
}

fn request_line(line: &[u8]) -> Result<(String, Vec<u8>, String), String> {
    let shown = String::from_utf8_lossy(line);
    let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let [method, target, version] = words[..] else {
        return Err(format!("'{shown}' is no request line; expected 'GET /path HTTP/1.1' with one blank on each side of the target"));
    };
    if !is_token(method) {
        return Err(format!("'{shown}': the method is no HTTP token"));
    }
    let origin_form = target.starts_with(b"/") || target == b"*";
    if !origin_form || target.iter().any(|b| *b <= b' ' || *b == 0x7f || *b == b'#') {
        return Err(format!(
            "'{shown}': the target must be a path that starts with '/', with its query, and hold no blank, control character or '#'"
        ));
    }
    let version = match version {
        b"HTTP/1.1" | b"HTTP/1.0" | b"HTTP/2" | b"HTTP/2.0" => String::from_utf8_lossy(version).into_owned(),
        _ => return Err(format!("'{shown}' does not end in HTTP/1.1")),
    };
    Ok((String::from_utf8_lossy(method).into_owned(), target.to_vec(), version))
}

fn status(line: &[u8]) -> Result<u16, String> {
    let word = line.split(|b| *b == b' ').nth(1).and_then(|w| std::str::from_utf8(w).ok());
    let code = word.filter(|w| w.len() == 3).and_then(|w| w.parse().ok()).filter(|code| (100..600).contains(code));
    code.ok_or_else(|| format!("'{}' is no status line; expected 'HTTP/1.1 200 OK'", String::from_utf8_lossy(line)))
}

/// Reads `Name: value`; the blanks around the value are no part of it (RFC 9110, section 5.5).
pub(crate) fn header_line(line: &[u8]) -> Result<(String, Vec<u8>), String> {
    let shown = String::from_utf8_lossy(line);
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(format!("'{shown}' continues the header line above it; write that header on one line"));
    }
    let at = line.iter().position(|b| *b == b':').ok_or_else(|| format!("'{shown}' is no header line; expected 'Name: value'"))?;
    let (name, value) = (&line[..at], line[at + 1..].trim_ascii());
    if !is_token(name) {
        return Err(format!("'{shown}': the header's name is no HTTP token; there is no blank before ':'"));
    }
    if value.iter().any(|b| matches!(b, 0..=8 | 10..=31 | 127)) {
        return Err(format!("'{}': the value holds a control character", String::from_utf8_lossy(name)));
    }
    Ok((String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

/// Whether these bytes are a token of RFC 9110, section 5.6.2: a method or a header's name.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// The body: as many bytes as `Content-Length` says, or all that is left.
fn body(headers: &[(String, Vec<u8>)], rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut lengths = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
    let Some(length) = lengths.next() else {
        return Ok(rest.to_vec());
    };
    if lengths.any(|other| other != length) {
        return Err("two Content-Length headers that differ".to_owned());
    }
    let digits = std::str::from_utf8(length).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    let length: usize = digits.and_then(|t| t.parse().ok()).ok_or("Content-Length is no number")?;
    match rest.split_at_checked(length) {
        // An editor's newline at the end of the file is no part of the body.
        Some((body, b"" | b"\n" | b"\r\n")) => Ok(body.to_vec()),
        Some((_, more)) => {
            Err(format!("{} bytes follow the {length} bytes that Content-Length announces; correct or remove it", more.len()))
        }
        None => Err(format!("Content-Length says {length}, but {} bytes follow the head; correct or remove it", rest.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &[u8]) -> Request {
        parse(text).unwrap().into_request().unwrap()
    }

    #[test]
    fn both_line_ends_and_every_byte_are_kept() {
        let read = request(b"POST /a/../%2F?x=+&x HTTP/1.1\r\nHost: h\nX-A:  caf\xe9 \t\r\nx-a:\r\n\r\n\x00\xff\r\n");
        assert_eq!((read.method.as_str(), &read.target[..]), ("POST", &b"/a/../%2F?x=+&x"[..]));
        assert_eq!(read.headers[1], ("X-A".to_owned(), b"caf\xe9".to_vec()));
        assert_eq!(read.headers[2], ("x-a".to_owned(), Vec::new()));
        assert_eq!(read.body, b"\x00\xff\r\n");
    }

    #[test]
    fn content_length_bounds_the_body() {
        assert_eq!(request(b"PUT / HTTP/1.1\nContent-Length: 2\n\nab\n").body, b"ab");
        for bad in ["3\n\nab", "1\n\nab", "+2\n\nab", "2, 2\n\nab", "2\nContent-Length: 3\n\nab"] {
            assert!(parse(format!("PUT / HTTP/1.1\nContent-Length: {bad}").as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for bad in [
            "",
            "GET /",
            "GET  / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET http://h/ HTTP/1.1",
            "GET /#f HTTP/1.1",
            "G(T / HTTP/1.1",
            "GET / HTTP/1.1\nA: b\n c",
            "GET / HTTP/1.1\nA : b",
            "GET / HTTP/1.1\nA",
            "GET / HTTP/1.1\nA: \x01",
            "GET / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n",
            "HTTP/1.1 abc",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_response_is_one() {
        assert!(matches!(parse(b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"), Ok(Message::Response(r)) if r.status == 204));
    }
}
