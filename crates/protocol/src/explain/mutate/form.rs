//! The fields of a form written anew, as a library would after reading them.

use super::message::replace;
use crate::encoding::{self, Decoding};

/// Whether a body is a form: fields, and nothing that its encoding does not know.
pub(super) fn is_one(body: &[u8]) -> bool {
    body.contains(&b'=') && body.iter().all(|b| b.is_ascii_graphic() && !b"{}<>\"".contains(b))
}

/// Every name and value decoded and encoded again: a blank as `blank`, everything else escaped but letters, digits and `kept`.
pub(super) fn anew(body: &[u8], blank: &[u8], kept: &[u8]) -> Option<Vec<u8>> {
    is_one(body).then_some(())?;
    let spelled = |text: &[u8]| {
        let mut out = Vec::with_capacity(text.len());
        for byte in encoding::decode(text, Decoding::Form) {
            match byte {
                b' ' => out.extend_from_slice(blank),
                _ if byte.is_ascii_alphanumeric() || kept.contains(&byte) => out.push(byte),
                _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            }
        }
        out
    };
    let fields = body.split(|b| *b == b'&').map(|field| {
        let parts: Vec<Vec<u8>> = field.splitn(2, |b| *b == b'=').map(spelled).collect();
        parts.join(&b'=')
    });
    Some(fields.collect::<Vec<_>>().join(&b'&'))
}

/// The fields in the order of their texts.
pub(super) fn sorted(body: &[u8]) -> Option<Vec<u8>> {
    is_one(body).then_some(())?;
    let mut fields: Vec<&[u8]> = body.split(|b| *b == b'&').collect();
    fields.sort_unstable();
    Some(fields.join(&b'&'))
}

/// One text in the place of another, everywhere.
pub(super) fn replaced(body: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    is_one(body).then(|| replace(body, from, to))
}
