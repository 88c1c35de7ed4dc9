//! What can be told of dialects by trying: sample requests are signed, and looked at.

use countersign_protocol::{Credential, Dialect, Inputs, Part, Policy, Request, SignError, SignOptions, Timestamp, lint};

/// Why a route cannot accept both; `None` when no sample shows it.
pub(super) fn overlap(a: &Dialect, b: &Dialect) -> Option<String> {
    if a.id() == b.id() {
        return Some("they are the same".to_owned());
    }
    lint::overlap(a, b).map(|found| format!("what {} carries is there in a request of {} too", found.reader.id(), found.signer.id()))
}

/// Whether a request in this dialect may leave the host unsigned.
pub(super) fn leaves_host(dialect: &Dialect) -> bool {
    let policy = Policy { allow_unsafe: true, allow_cleartext: true, allow_ambiguous: true, waive: vec![Part::Body], ..Policy::default() };
    let verified = |request: &Request| dialect.verify(request, &Inputs::new(), &[&credential()], AT, &policy).ok();
    samples(dialect).iter().filter_map(verified).any(|intact| !intact.verified().covers().contains(&Part::Host))
}

/// Why nothing can be signed in this dialect with this credential and these inputs.
///
/// # Errors
/// What is missing, or does not fit.
pub(super) fn can_sign(dialect: &Dialect, credential: &Credential, inputs: &Inputs) -> Result<(), SignError> {
    let request = Request::new("POST", "/sample").with_header("Host", "sample.example").with_header("Content-Type", "application/json");
    let request = request.with_body("{}");
    let options = SignOptions { inputs: inputs.clone(), ..SignOptions::new(AT).with_nonce(NONCE) };
    dialect.sign(request, credential, &options).map(drop)
}

/// Base64 as text, so that dialects which decode their secret can use it too.
fn credential() -> Credential {
    Credential::hmac("sample", "c2FtcGxlLXNlY3JldC1vZi0zMi1ieXRlcy1sZW5ndGg=")
}

const NONCE: &str = "b5f1c2d3e4f5061728394a5b6c7d8e9f";

/// When the samples are signed: 2026-01-01T00:00:00Z.
const AT: Timestamp = match Timestamp::from_seconds(1_767_225_600) {
    Some(at) => at,
    None => unreachable!(),
};

/// Requests of different shapes, signed in this dialect as far as it can sign them.
fn samples(dialect: &Dialect) -> Vec<Request> {
    let plain = || Request::new("POST", "/sample?a=b").with_header("Host", "sample.example");
    let shapes = [
        Request::new("GET", "/sample?a=b").with_header("Host", "sample.example"),
        plain().with_header("Content-Type", "application/json").with_body("{\"a\":\"b\"}"),
        plain().with_header("Content-Type", "application/x-www-form-urlencoded").with_body("a=b"),
    ];
    let mut options = SignOptions::new(AT).with_nonce(NONCE);
    for input in dialect.inputs().iter().filter(|input| !input.optional) {
        options = options.with_input(&input.name, "sample");
    }
    let signed = shapes.into_iter().filter_map(|request| dialect.sign(request, &credential(), &options).ok());
    signed.filter_map(|signed| signed.into_message().into_request()).collect()
}
