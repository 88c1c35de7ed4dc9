//! Another reader of HTTP/1 messages: heads by a library that the gateway does not read them with, and framing from the standard.

use countersign_server::testing::ReadHead;

/// A message as another reader takes it.
pub(super) struct Witnessed<'b> {
    pub(super) head: ReadHead,
    pub(super) body: Body<'b>,
}

/// A body without its framing.
#[derive(Debug)]
pub(super) enum Body<'b> {
    /// All of it, and the bytes behind it.
    Whole(Vec<u8>, &'b [u8]),
    Open,
    Broken,
}

const MOST_HEADERS: usize = 128;

impl<'b> Witnessed<'b> {
    /// The message that stands first in these bytes.
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, String> {
        let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
        let mut lines = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut lines);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Err("another reader waits for more of this head".to_owned()),
            Err(error) => return Err(format!("another reader refuses this head ({error})")),
        };
        let headers = request.headers.iter().map(|line| (line.name.to_owned(), line.value.to_vec()));
        let head = ReadHead {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().as_bytes().to_vec(),
            version: if request.version == Some(1) { "HTTP/1.1" } else { "HTTP/1.0" },
            headers: headers.collect(),
        };
        let body = Body::behind(&head, &bytes[length..])?;
        Ok(Self { head, body })
    }
}

impl<'b> Body<'b> {
    /// RFC 9112, section 6.3.
    fn behind(head: &ReadHead, bytes: &'b [u8]) -> Result<Self, String> {
        let values = |name: &str| -> Vec<&[u8]> {
            head.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice()).collect()
        };
        match (&values("transfer-encoding")[..], &values("content-length")[..]) {
            ([], []) => Ok(Self::Whole(Vec::new(), bytes)),
            ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Self::chunked(bytes)),
            ([], [length]) => {
                let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok()).ok_or("a length that is no number")?;
                Ok(bytes.split_at_checked(length).map_or(Self::Open, |(body, behind)| Self::Whole(body.to_vec(), behind)))
            }
            _ => Err("framing that can be read in two ways".to_owned()),
        }
    }

    fn chunked(mut bytes: &'b [u8]) -> Self {
        let mut body = Vec::new();
        loop {
            let (line, size) = match httparse::parse_chunk_size(bytes) {
                Ok(httparse::Status::Complete(found)) => found,
                Ok(httparse::Status::Partial) => return Self::Open,
                Err(_) => return Self::Broken,
            };
            bytes = &bytes[line..];
            if size == 0 {
                break;
            }
            let Some((chunk, behind)) = usize::try_from(size).ok().and_then(|size| bytes.split_at_checked(size)) else { return Self::Open };
            body.extend_from_slice(chunk);
            match behind.strip_prefix(b"\r\n") {
                Some(behind) => bytes = behind,
                None if behind.len() < 2 && b"\r\n".starts_with(behind) => return Self::Open,
                None => return Self::Broken,
            }
        }
        Self::after_trailers(body, bytes)
    }

    /// Lines up to an empty one.
    fn after_trailers(body: Vec<u8>, mut bytes: &'b [u8]) -> Self {
        while let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") {
            bytes = &bytes[end + 2..];
            if end == 0 {
                return Self::Whole(body, bytes);
            }
        }
        Self::Open
    }
}
