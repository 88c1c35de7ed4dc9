//! The filters: each takes bytes and gives bytes.

use crate::dialect::plan::Filter;
use crate::encoding::{self, Decoding};
use crate::message::trim;
use crate::reason::{Reason, Refusal};

/// Applies one filter. `hmac`, `unless` and time formats need more than the bytes, and are the renderer's.
pub(crate) fn apply(filter: &Filter, value: &[u8]) -> Result<Vec<u8>, Refusal> {
    let undecodable = |what: &'static str| Refusal::new(Reason::Internal, what);
    Ok(match filter {
        Filter::Lower => value.to_ascii_lowercase(),
        Filter::Upper => value.to_ascii_uppercase(),
        Filter::Trim => trim(value).to_vec(),
        Filter::Squeeze => encoding::squeeze(value),
        Filter::Percent => percent(value, b""),
        Filter::PercentPath => percent(value, b"/"),
        Filter::Decode => encoding::decode(value, Decoding::Percent),
        Filter::Normalize => encoding::normalize_path(value),
        Filter::ClosingSlash if value.ends_with(b"/") => value.to_vec(),
        Filter::ClosingSlash => [value, b"/"].concat(),
        Filter::Digest(algorithm) => algorithm.digest(value),
        Filter::Hex => encoding::hex(value),
        Filter::Base64 => encoding::base64(value),
        Filter::Base64Url => encoding::base64url(value),
        Filter::FromHex => encoding::from_hex(value).ok_or_else(|| undecodable("a value that should be hexadecimal is not"))?,
        Filter::FromBase64 => encoding::from_loose_base64(value).ok_or_else(|| undecodable("a value that should be base64 is not"))?,
        Filter::Without(prefix) => value.strip_prefix(&prefix[..]).unwrap_or(value).to_vec(),
        Filter::Drop(text) if value == text => Vec::new(),
        Filter::MediaType => trim(value.split(|b| *b == b';').next().unwrap_or_default()).to_ascii_lowercase(),
        Filter::First(count) => value[..value.len().min(*count)].to_vec(),
        Filter::Drop(_) | Filter::Hmac | Filter::UnlessHeader(_) | Filter::Time(_) => value.to_vec(),
    })
}

/// Applies filters in turn.
pub(crate) fn apply_all(filters: &[Filter], value: &[u8]) -> Result<Vec<u8>, Refusal> {
    filters.iter().try_fold(value.to_vec(), |value, filter| apply(filter, &value))
}

fn percent(value: &[u8], also: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 16);
    encoding::percent(value, also, &mut out);
    out
}
