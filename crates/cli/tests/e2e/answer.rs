//! An answer of the gateway, as it stood on the wire.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::gateway::APP;
use crate::program::remaining;

/// A final answer: interim ones are skipped.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    media_type: String,
    pub(crate) body: Value,
}

/// What the echo behind the gateway must have seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) body: &'a str,
}

impl Answer {
    /// Sends these very bytes over a connection of their own, and reads the answer.
    pub(crate) fn to(gateway: SocketAddr, request: &[u8]) -> Self {
        let mut stream = TcpStream::connect(gateway).unwrap();
        stream.set_read_timeout(Some(remaining())).unwrap();
        stream.write_all(request).unwrap();
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            let count = stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "closed before the answer ended: {}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&buffer[..count]);
            if let Some(answer) = Self::read(&bytes) {
                return answer;
            }
        }
    }

    /// Reads an answer; `None` while it is incomplete.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let (head, rest) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end + 4..]);
        let status: u16 = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no answer: {head}"));
        if status < 200 {
            return Self::read(rest);
        }
        let header = |wanted: &str| {
            let pair = head.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            pair.map_or("", |(_, value)| value.trim())
        };
        let length: usize = header("content-length").parse().unwrap_or_else(|_| panic!("an answer without a length: {head}"));
        let body = rest.get(..length)?;
        let body = serde_json::from_slice(body).unwrap_or_else(|e| panic!("{e}: {head}\n{}", String::from_utf8_lossy(body)));
        Some(Self { status, media_type: header("content-type").to_owned(), body })
    }

    /// Asserts that the echo answered, that it saw this request and who sent it, and that no credential came with it.
    #[track_caller]
    pub(crate) fn assert_accepted(&self, seen: Seen<'_>, key_id: &str, dialect: &str) {
        assert_eq!(self.status, 200, "{self:?}");
        let text = |name: &str| self.body[name].as_str().unwrap_or_else(|| panic!("{name}: {self:?}"));
        assert_eq!((text("method"), text("target"), text("body")), (seen.method, seen.target, seen.body), "{self:?}");
        let identity = |name: &str| self.upstream_header(&format!("x-countersign-{name}"));
        assert_eq!((identity("app"), identity("key-id"), identity("dialect")), (Some(APP), Some(key_id), Some(dialect)), "{self:?}");
        assert!(identity("covers").is_some_and(|covers| !covers.is_empty()), "{self:?}");
        assert_eq!(self.upstream_header("authorization"), None, "{self:?}");
    }

    /// Asserts a refusal with this code, as a problem document, and nothing of the echo.
    #[track_caller]
    pub(crate) fn assert_refused(&self, code: &str) {
        assert_eq!(self.body["code"], code, "{self:?}");
        assert_eq!(
            (self.media_type.as_str(), self.body["status"].as_u64()),
            ("application/problem+json", Some(u64::from(self.status))),
            "{self:?}"
        );
        assert!(self.status >= 400 && self.body.get("target").is_none(), "{self:?}");
    }

    /// Asserts that an event was taken for one that was delivered before: a success, and nothing of the echo.
    #[track_caller]
    pub(crate) fn assert_duplicate(&self) {
        assert_eq!((self.status, &self.body), (200, &serde_json::json!({ "status": "duplicate" })));
    }

    /// A header that the echo saw.
    fn upstream_header(&self, name: &str) -> Option<&str> {
        let headers = self.body["headers"].as_array().unwrap();
        headers.iter().find(|header| header[0] == name).and_then(|header| header[1].as_str())
    }
}
