//! The encodings in which protocols write bytes: strict when read, canonical when written.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

const LOWER_HEX: &[u8; 16] = b"0123456789abcdef";
const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|b| [LOWER_HEX[usize::from(b >> 4)], LOWER_HEX[usize::from(b & 15)]]).collect()
}

/// Reads hexadecimal of either case.
pub(crate) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

/// Reads lower-case hexadecimal only, so that one value has one text.
pub(crate) fn from_lower_hex(text: &[u8]) -> Option<Vec<u8>> {
    (!text.iter().any(u8::is_ascii_uppercase)).then(|| from_hex(text)).flatten()
}

const fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    STANDARD.encode(bytes).into_bytes()
}

/// URL-safe base64 with padding (RFC 4648, section 5).
pub(crate) fn base64url(bytes: &[u8]) -> Vec<u8> {
    URL_SAFE.encode(bytes).into_bytes()
}

/// Reads padded base64 without trailing bits, so that one value has one text.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Reads URL-safe base64, padded or not, without trailing bits.
pub(crate) fn from_base64url(text: &[u8]) -> Option<Vec<u8>> {
    if text.ends_with(b"=") { URL_SAFE.decode(text).ok() } else { URL_SAFE_NO_PAD.decode(text).ok() }
}

/// Reads base64 whose padding may be missing: secrets are often written so.
pub(crate) fn from_loose_base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|b| *b != b'=').map_or(0, |i| i + 1);
    STANDARD_NO_PAD.decode(&text[..end]).ok()
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, section 2.3, and those in `also`.
pub(crate) fn percent(bytes: &[u8], also: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also.contains(byte) {
            out.push(*byte);
        } else {
            out.extend([b'%', UPPER_HEX[usize::from(byte >> 4)], UPPER_HEX[usize::from(byte & 15)]]);
        }
    }
}

/// How the text of a parameter is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoding {
    /// Percent triplets only: a `+` is a plus.
    Percent,
    /// Percent triplets, and `+` is a blank (HTML forms).
    Form,
    /// Nothing is decoded.
    None,
}

/// Decodes; a `%` that begins no triplet stays as it is, as the URL standard says.
pub(crate) fn decode(text: &[u8], how: Decoding) -> Vec<u8> {
    if how == Decoding::None {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let triplet = match tail {
            [high, low, ..] if *first == b'%' => nibble(*high).zip(nibble(*low)),
            _ => None,
        };
        if let Some((high, low)) = triplet {
            out.push(high << 4 | low);
            rest = &tail[2..];
        } else {
            out.push(if *first == b'+' && how == Decoding::Form { b' ' } else { *first });
            rest = tail;
        }
    }
    out
}

/// Whether every `%` begins a triplet of hexadecimal digits.
pub(crate) fn is_well_encoded(text: &[u8]) -> bool {
    text.iter()
        .enumerate()
        .filter(|(_, b)| **b == b'%')
        .all(|(i, _)| matches!(text.get(i + 1..i + 3), Some([high, low]) if nibble(*high).is_some() && nibble(*low).is_some()))
}

/// Removes dot segments and doubled slashes; a closing slash stays.
pub(crate) fn normalize_path(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|b| *b == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let closes = [&b"/"[..], b"/.", b"/.."].iter().any(|end| path.ends_with(end));
    let mut out = Vec::with_capacity(path.len());
    for segment in &kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if kept.is_empty() || closes {
        out.push(b'/');
    }
    out
}

/// Removes outer blanks and makes each inner run of blanks one space.
pub(crate) fn squeeze(value: &[u8]) -> Vec<u8> {
    let words = value.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_text() {
        assert_eq!(from_base64(b"YQ=="), Some(b"a".to_vec()));
        for bad in ["YQ", "YQ=", "YR==", "YQ==\n", "Y Q==", "-_=="] {
            assert_eq!(from_base64(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(from_lower_hex(b"0a"), Some(vec![10]));
        for bad in ["0A", "0", "0g", " a"] {
            assert_eq!(from_lower_hex(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(from_loose_base64(b"YQ"), Some(b"a".to_vec()));
    }

    #[test]
    fn percent_encoding_is_that_of_rfc_3986() {
        let mut out = Vec::new();
        percent("a-._~ +/%ü".as_bytes(), b"/", &mut out);
        assert_eq!(out, b"a-._~%20%2B/%25%C3%BC");
        assert_eq!(decode(b"a+b%2F%2f%zz%", Decoding::Percent), b"a+b//%zz%");
        assert_eq!(decode(b"a+b%2B", Decoding::Form), b"a b+");
        assert!(is_well_encoded(b"%2F%e4a") && !is_well_encoded(b"%2") && !is_well_encoded(b"%zz"));
    }

    #[test]
    fn paths_are_normalised_as_aws_does() {
        let shown = |p: &str| String::from_utf8(normalize_path(p.as_bytes())).unwrap();
        for (raw, want) in [
            ("/", "/"),
            ("//", "/"),
            ("/a/./b/../c", "/a/c"),
            ("/a//b/", "/a/b/"),
            ("/..", "/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("", "/"),
        ] {
            assert_eq!(shown(raw), want, "{raw}");
        }
    }

    #[test]
    fn runs_of_blanks_become_one() {
        assert_eq!(squeeze(b"  a \t b\tc "), b"a b c");
    }
}
