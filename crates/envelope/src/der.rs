//! As much of DER as finds an RSA modulus, and the public key inside a certificate.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// The optional version of a certificate (RFC 5280, section 4.1).
const VERSION: u8 = 0xa0;

/// The bits of the modulus in a SubjectPublicKeyInfo (RFC 5280, section 4.1; RFC 8017, appendix A.1.1).
pub(crate) fn public_bits(spki: &[u8]) -> Option<usize> {
    let (info, _) = take(spki, SEQUENCE)?;
    let (_, rest) = take(info, SEQUENCE)?;
    let (bits, _) = take(rest, BIT_STRING)?;
    // The first byte counts the unused bits of the last.
    let (key, _) = take(bits.strip_prefix(&[0])?, SEQUENCE)?;
    modulus_bits(key)
}

/// The bits of the modulus in a PKCS#8 document (RFC 5208, section 5; RFC 8017, appendix A.1.2).
pub(crate) fn private_bits(pkcs8: &[u8]) -> Option<usize> {
    let (info, _) = take(pkcs8, SEQUENCE)?;
    let (_, rest) = take(info, INTEGER)?;
    let (_, rest) = take(rest, SEQUENCE)?;
    let (document, _) = take(rest, OCTET_STRING)?;
    let (key, _) = take(document, SEQUENCE)?;
    let (_, rest) = take(key, INTEGER)?;
    modulus_bits(rest)
}

/// The SubjectPublicKeyInfo of a certificate, with its head (RFC 5280, section 4.1).
pub(crate) fn certified_key(certificate: &[u8]) -> Option<&[u8]> {
    let (outer, _) = take(certificate, SEQUENCE)?;
    let (mut rest, _) = take(outer, SEQUENCE)?;
    if let Some((_, after)) = take(rest, VERSION) {
        rest = after;
    }
    // Serial number, signature algorithm, issuer, validity, subject.
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        rest = take(rest, tag)?.1;
    }
    let (_, after) = take(rest, SEQUENCE)?;
    rest.get(..rest.len() - after.len())
}

fn modulus_bits(key: &[u8]) -> Option<usize> {
    let (modulus, _) = take(key, INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    Some((modulus.len() - zeros) * 8 - usize::try_from(first.leading_zeros()).ok()?)
}

/// The content of one element with this tag, and what follows it.
fn take(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    if head[0] != tag {
        return None;
    }
    let (length, rest) = match head[1] {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_bytes_is_no_element() {
        for bytes in
            [&b""[..], b"\x30", b"\x30\x01", b"\x30\x81", b"\x30\x82\xff\xff\x00", b"\x30\x80\x00\x00", b"\x30\x85\x01\x01\x01\x01\x01"]
        {
            assert_eq!(take(bytes, SEQUENCE), None, "{bytes:?}");
        }
        assert_eq!(take(b"\x30\x01\x05\x06", SEQUENCE), Some((&b"\x05"[..], &b"\x06"[..])));
        assert_eq!(take(b"\x30\x81\x01\x05", SEQUENCE), Some((&b"\x05"[..], &b""[..])));
    }

    #[test]
    fn bits_are_counted_without_leading_zeros() {
        assert_eq!(modulus_bits(b"\x02\x02\x00\x80"), Some(8));
        assert_eq!(modulus_bits(b"\x02\x02\x01\x00"), Some(9));
        assert_eq!(modulus_bits(b"\x02\x01\x00"), None);
    }
}
