//! Other bodies that are read as the old one is, with or without the digests that other places carry of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{Dialect, DigestAlgorithm, Place, Request};

use super::edit::ADDED;
use crate::check::sign::hex;

/// A request, and another body for it.
pub(super) struct Bodies<'a> {
    request: &'a Request,
    changed: Vec<u8>,
    digests: Vec<(String, String)>,
}

impl<'a> Bodies<'a> {
    pub(super) fn of(dialect: &Dialect, request: &'a Request) -> Self {
        let changed = changed(dialect, &request.body);
        let both = |spell: fn(&[u8]) -> String, a: DigestAlgorithm| (spell(&a.digest(&request.body)), spell(&a.digest(&changed)));
        let digests = DigestAlgorithm::ALL.iter().flat_map(|a| [both(hex, *a), both(|bytes| STANDARD.encode(bytes), *a)]);
        let digests = digests.filter(|(old, _)| stands_in(request, old)).collect();
        Self { request, changed, digests }
    }

    /// Whether a header carries a digest of the old body.
    pub(super) fn has_digest(&self) -> bool {
        !self.digests.is_empty()
    }

    /// The request with the other body and nothing else changed.
    pub(super) fn changed(&self) -> Request {
        Request { body: self.changed.clone(), ..self.request.clone() }
    }

    /// The request with the other body and its digests.
    pub(super) fn changed_with_digest(&self) -> Request {
        let mut request = self.changed();
        for (_, value) in &mut request.headers {
            for (old, new) in &self.digests {
                if let Ok(text) = std::str::from_utf8(value) {
                    *value = text.replace(old, new).into_bytes();
                }
            }
        }
        request
    }
}

fn stands_in(request: &Request, digest: &str) -> bool {
    let is_in = |value: &[u8]| std::str::from_utf8(value).is_ok_and(|text| text.contains(digest));
    request.headers.iter().any(|(_, value)| is_in(value))
}

/// A body from which the dialect reads a claim keeps its shape: a further member or field.
fn changed(dialect: &Dialect, body: &[u8]) -> Vec<u8> {
    let carries = dialect.carriers().any(|c| matches!(c.place, Place::Form | Place::Params | Place::Json | Place::Body));
    if !carries || body.is_empty() {
        return [body, b"x"].concat();
    }
    match body.iter().position(|b| *b == b'{') {
        Some(at) if body.trim_ascii_start().starts_with(b"{") => {
            let comma: &[u8] = if body[at + 1..].trim_ascii_start().starts_with(b"}") { b"" } else { b"," };
            [&body[..=at], b"\"unheard_of\":\"1\"", comma, &body[at + 1..]].concat()
        }
        _ => [body, b"&", ADDED].concat(),
    }
}
