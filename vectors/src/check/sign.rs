//! Signs a vector's message and compares every stage, the signature and the placed message with the known ones.

use countersign_protocol::{Credential, Dialect, DigestAlgorithm, KeyMaterial, Request};

use super::{Kind, Outcome, difference, shown};
use crate::case::{Case, StageBytes};
use crate::message::Sample;

/// What a signer gave, ours or another's.
#[derive(Debug, Clone)]
pub struct Given<M = Request> {
    /// The stages by name.
    pub stages: Vec<(String, Vec<u8>)>,
    /// The signature's text.
    pub signature: String,
    /// The message with everything in its place.
    pub placed: M,
}

/// Signs; nothing for a vector that is only verified.
#[must_use]
pub fn sign<M: Sample>(dialect: &Dialect, case: &Case<M>) -> Vec<Outcome> {
    let Some(signing) = case.signing.as_ref().filter(|signing| signing.skip.is_none()) else {
        return Vec::new();
    };
    match dialect.sign(signing.message.clone(), &signing.credential, &signing.options) {
        Ok(signed) => {
            let stages = signed.stages().iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
            let signature = signed.signature().to_owned();
            match M::of(signed.into_message()) {
                Some(placed) => given(case, &Given { stages, signature, placed }),
                None => vec![Outcome::new(Kind::Sign, "sign", Err(format!("no {} where one was signed", M::KIND)))],
            }
        }
        Err(error) => vec![Outcome::new(Kind::Sign, "sign", Err(error.to_string()))],
    }
}

/// Compares what a signer gave with what a vector knows; nothing for a vector that is only verified.
#[must_use]
pub fn given<M: Sample>(case: &Case<M>, given: &Given<M>) -> Vec<Outcome> {
    let Some(signing) = case.signing.as_ref().filter(|signing| signing.skip.is_none()) else {
        return Vec::new();
    };
    let got = |name: &str| given.stages.iter().find(|(n, _)| n == name).map(|(_, bytes)| &bytes[..]);
    let mut outcomes = stages("sign", got, &signing.stages, &signing.credential);
    if let Some(signature) = &signing.signature {
        outcomes.push(Outcome::new(Kind::Sign, "sign: signature", same_signature(signature, &given.signature)));
    }
    outcomes.push(Outcome::new(Kind::Sign, "sign: placed", same_message(&case.placed, &given.placed)));
    outcomes
}

/// Compares the known stages with those that came out.
pub(super) fn stages<'g>(
    side: &str,
    got: impl Fn(&str) -> Option<&'g [u8]>,
    known: &[(String, StageBytes)],
    credential: &Credential,
) -> Vec<Outcome> {
    let compare = |(name, expected): &(String, StageBytes)| {
        let result = match got(name) {
            Some(bytes) => same_stage(expected, bytes, credential),
            None => Err("no stage of this name".to_owned()),
        };
        Outcome::new(Kind::Stage, format!("{side}: {name}"), result)
    };
    known.iter().map(compare).collect()
}

/// A stage with the credential's secret in the place of its mask; vectors hold secrets that are none.
fn unmasked(stage: &[u8], credential: &Credential) -> Vec<u8> {
    let secret = match credential.material() {
        KeyMaterial::Hmac(secret) => secret.expose(),
        _ => b"",
    };
    let mut out = Vec::with_capacity(stage.len());
    let mut rest = stage;
    while let Some(at) = rest.windows(MASK.len()).position(|w| w == MASK) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(secret);
        rest = &rest[at + MASK.len()..];
    }
    [&out, rest].concat()
}

/// What stands for a secret in a stage.
const MASK: &[u8] = b"***";

/// Whether a stage is the known one. The mask of a secret stands for the credential's.
///
/// # Errors
/// What differs.
pub fn same_stage(expected: &StageBytes, got: &[u8], credential: &Credential) -> Result<(), String> {
    let got = unmasked(got, credential);
    match expected {
        StageBytes::Whole(bytes) if *bytes == got => Ok(()),
        StageBytes::Whole(bytes) => Err(difference(bytes, &got)),
        StageBytes::Sha256(expected) => {
            let digest = hex(&DigestAlgorithm::Sha256.digest(&got));
            if digest == *expected { Ok(()) } else { Err(format!("SHA-256 {expected} expected, got {digest} of {}", shown(&got))) }
        }
    }
}

/// Whether the text of a signature is the known one.
///
/// # Errors
/// What differs.
pub fn same_signature(expected: &str, got: &str) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(difference(expected.as_bytes(), got.as_bytes())) }
}

/// Whether two messages are one on the wire. The order of headers of different names, the case of names, and blanks
/// behind a comma and a comma behind the last name of a list are free.
///
/// # Errors
/// What differs.
pub fn same_message<M: Sample>(expected: &M, got: &M) -> Result<(), String> {
    for ((name, expected), (_, got)) in expected.start().iter().zip(got.start()) {
        same(name, expected, &got)?;
    }
    same("body", expected.bytes(), got.bytes())?;
    same("headers", &header_text(expected.headers()), &header_text(got.headers()))
}

fn same(what: &str, expected: &[u8], got: &[u8]) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("{what} {}", difference(expected, got))) }
}

fn header_text(headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut lines: Vec<(String, Vec<u8>)> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), without_blanks_behind_commas(value))).collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines.iter().flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\n"].concat()).collect()
}

fn without_blanks_behind_commas(value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    for byte in value {
        if *byte != b' ' || out.last() != Some(&b',') {
            out.push(*byte);
        }
    }
    // Readers of a list of names tolerate a comma behind the last one, and one client of this field writes it.
    out.truncate(out.trim_ascii_end().len());
    out.strip_suffix(b",").map(<[u8]>::to_vec).unwrap_or(out)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_protocol::Response;

    fn request() -> Request {
        Request::new("GET", "/").with_header("B", "1").with_header("A", "x, y").with_header("b", "2")
    }

    #[test]
    fn order_among_lines_of_one_name_matters() {
        let other_names_moved = Request::new("GET", "/").with_header("a", "x,y").with_header("b", "1").with_header("B", "2");
        assert_eq!(same_message(&request(), &other_names_moved), Ok(()));
        let same_name_moved = Request::new("GET", "/").with_header("A", "x, y").with_header("b", "2").with_header("B", "1");
        assert!(same_message(&request(), &same_name_moved).is_err());
    }

    #[test]
    fn every_difference_is_seen() {
        assert!(same_message(&request(), &request().with_header("C", "")).is_err());
        assert!(same_message(&request(), &request().with_body("x")).is_err());
        assert!(same_message(&request(), &Request { target: b"/a".to_vec(), ..request() }).is_err());
        assert!(same_message(&request(), &Request { method: "get".to_owned(), ..request() }).is_err());
    }

    #[test]
    fn responses_are_compared_too() {
        let answer = |status, body: &[u8]| Response { status, headers: vec![("A".to_owned(), b"1".to_vec())], body: body.to_vec() };
        assert_eq!(same_message(&answer(200, b"x"), &answer(200, b"x")), Ok(()));
        assert!(same_message(&answer(200, b"x"), &answer(201, b"x")).is_err());
        assert!(same_message(&answer(200, b"x"), &answer(200, b"y")).is_err());
        assert!(same_message(&answer(200, b"x"), &Response { headers: Vec::new(), ..answer(200, b"x") }).is_err());
    }

    #[test]
    fn a_mask_stands_for_the_secret() {
        let key = Credential::hmac("k", "s3");
        assert_eq!(unmasked(b"a:***\nb:***", &key), b"a:s3\nb:s3");
        assert_eq!(unmasked(b"a:**", &key), b"a:**");
    }

    #[test]
    fn a_stage_is_compared_whole_or_by_digest() {
        let key = Credential::hmac("k", "s3");
        assert!(same_stage(&StageBytes::Whole(b"abc".to_vec()), b"abd", &key).is_err());
        assert_eq!(same_stage(&StageBytes::Whole(b"as3".to_vec()), b"a***", &key), Ok(()));
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        assert_eq!(same_stage(&StageBytes::Sha256(digest.clone()), b"abc", &key), Ok(()));
        assert!(same_stage(&StageBytes::Sha256(digest), b"abd", &key).is_err());
    }
}
