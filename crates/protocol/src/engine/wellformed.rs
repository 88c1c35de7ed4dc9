//! What every message must be before a dialect looks at it: the bytes of one HTTP message, readable in one way.

use super::read::is_token;
use super::scene::split_port;
use crate::encoding::is_well_encoded;
use crate::message::{MessageView, trim};
use crate::reason::{Reason, Refusal};

/// Refuses what is no well-formed head.
pub(crate) fn check(message: &dyn MessageView) -> Result<(), Refusal> {
    let refuse = |detail: &'static str| Err(Refusal::new(Reason::MalformedRequest, detail));
    if let Some(line) = message.request_line() {
        if !is_token(line.method) {
            return refuse("the method is no token");
        }
        let origin = line.target.first() == Some(&b'/') || line.target == b"*" && line.method == "OPTIONS";
        if !origin || line.target.iter().any(|b| *b <= b' ' || *b == 0x7f || *b == b'#') {
            return refuse("the request target is not in origin form, or holds a blank, a control or a fragment");
        }
        // Readers differ on what it stands for, so it is nothing that can be signed.
        if !is_well_encoded(line.target) {
            return refuse("the request target holds a % that begins no triplet; write %25 for a bare %");
        }
    }
    let mut hosts = 0;
    for header in message.lines() {
        if !is_token(header.name) {
            return refuse("a header's name is no token");
        }
        if header.value.iter().any(|b| matches!(b, 0..=8 | 10..=31 | 0x7f)) {
            return refuse("a header's value holds a control character");
        }
        if header.name.eq_ignore_ascii_case("host") {
            hosts += 1;
            if hosts > 1 || !is_authority(trim(header.value)) {
                return refuse("Host is there more than once, or is no host and port");
            }
        }
    }
    Ok(())
}

/// `host[:port]` of RFC 3986, section 3.2, without user information.
fn is_authority(text: &[u8]) -> bool {
    let (name, port) = split_port(text);
    let fine = |b: &u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%[]:".contains(b);
    name.iter().all(fine) && port.is_none_or(|p| p.iter().all(u8::is_ascii_digit))
}
