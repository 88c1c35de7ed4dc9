//! Writes a message as raw HTTP/1.1, lines ended by CRLF.

use countersign_protocol::Message;

/// The bytes of the message. Nothing is added: a body without `Content-Length` runs to the end.
pub(crate) fn write(message: &Message) -> Vec<u8> {
    let mut out = match message {
        Message::Request(request) => [request.method.as_bytes(), b" ", &request.target, b" ", request.version.as_bytes()].concat(),
        Message::Response(response) => format!("HTTP/1.1 {}", response.status).into_bytes(),
    };
    out.extend_from_slice(b"\r\n");
    for (name, value) in message.headers() {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(message.body_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [&b"POST /a?b HTTP/1.1\r\nHost: h\r\nX: \xe9\r\n\r\n\x00\xffbody"[..], b"HTTP/1.1 204\r\nA: b\r\n\r\n"] {
            assert_eq!(write(&crate::input::http::parse(text).unwrap()), text);
        }
    }
}
