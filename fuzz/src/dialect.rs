//! The target `dialect`: texts of operators and authors. Each is read, or refused with a place and a mend; what compiles can be used.

use countersign_protocol::{
    Credential, Dialect, Inputs, Message, MessageView, Part, Policy, Reason, Request, Response, SignOptions, Timestamp,
};
use countersign_server::config::Config;

use crate::text;

/// A dialect file; behind a first line that says so, a configuration or a file of vectors.
///
/// # Panics
/// When something does not hold.
pub fn dialect(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (kind, rest) = text.split_once('\n').unwrap_or((text, ""));
    match kind {
        "# configuration" => configuration(rest),
        "# vectors" => vectors(rest),
        _ => dialect_file(text),
    }
}

fn configuration(text: &str) {
    let config = Config::parse_leniently("countersign.toml", text);
    let lines = text.lines().count();
    for fault in config.faults() {
        assert!(!fault.fault().is_empty() && !fault.mend().is_empty(), "{fault:?}");
        assert!(fault.line().is_none_or(|line| (1..=lines.max(1)).contains(&line)), "{fault:?} of {lines} lines");
    }
}

fn vectors(text: &str) {
    let stem = text.lines().find_map(|line| line.strip_prefix("dialect: ")).unwrap_or_default();
    if let Err(error) = countersign_vectors::parse(stem, text) {
        assert!(!error.to_string().is_empty());
    }
}

fn dialect_file(text: &str) {
    let dialect = match Dialect::from_yaml(text) {
        Ok(dialect) => dialect,
        Err(error) => {
            assert!(!error.fault().is_empty() && !error.mend().is_empty(), "{error:?}");
            assert_eq!(Dialect::from_yaml(text).err(), Some(error), "read twice");
            return;
        }
    };
    let again = Dialect::from_yaml(text).expect("read before");
    assert_eq!(dialect.listing(), again.listing(), "read twice");
    let _ = (dialect.body_digests(), dialect.body_need(), dialect.diagnostics(b"a\nb"), dialect.overlaps(&again));
    for sample in SAMPLES {
        use_with(&dialect, text::message(sample));
    }
}

/// What it signs it verifies, or it says why it does not sign.
fn use_with(dialect: &Dialect, message: Message) {
    let inputs: Inputs = dialect.inputs().iter().map(|input| (input.name.clone(), "value")).collect();
    let key = dialect.secrets().iter().fold(Credential::hmac("key-1", SECRET), |key, name| key.with_part(name, SECRET));
    let now = Timestamp::from_seconds(1_767_323_045).expect("a time");
    let options = SignOptions { inputs: inputs.clone(), ..SignOptions::new(now).with_nonce("nonce-1") };
    let view: &dyn MessageView = match &message {
        Message::Request(request) => request,
        Message::Response(response) => response,
    };
    assert!(dialect.verify(view, &inputs, &[&key], now, &lenient()).is_err(), "an unsigned message is accepted");
    let signed = match dialect.sign(message, &key, &options) {
        Ok(signed) => signed.into_message(),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let view: &dyn MessageView = match &signed {
        Message::Request(request) => request,
        Message::Response(response) => response,
    };
    match dialect.verify(view, &inputs, &[&key], now, &lenient()) {
        Ok(_) => {}
        // A file may require what it does not sign of every request.
        Err(refusal) if refusal.reason() == Reason::RequiredPartUnsigned => {}
        Err(refusal) => panic!("what was signed is refused: {refusal:?}: {}", shown(&signed)),
    }
}

/// Readable as text, as hex and as base64, whatever a dialect takes it for.
const SECRET: &str = "00112233445566778899aabbccddeeff";

const SAMPLES: [&[u8]; 5] = [
    b"GET https /a/b?c=d&e=%20f\nHost: api.example.com\n\n",
    b"POST https /\nHost: api.example.com\nContent-Type: application/json\n\n{\"a\":{\"b\":1},\"c\":\"d\"}",
    b"POST https /x?c=d\nHost: api.example.com\nContent-Type: application/x-www-form-urlencoded\nX-A: 1\n\na=b&e=f",
    b"PUT http /\nHost: api.example.com\n\n",
    b"200\nContent-Type: application/json\n\n{\"a\":1}",
];

fn lenient() -> Policy {
    let waive = ["method", "path", "query", "body", "time", "nonce", "host", "status"].into_iter().filter_map(Part::parse);
    Policy { waive: waive.collect(), allow_unsafe: true, allow_cleartext: true, allow_ambiguous: true, ..Policy::default() }
}

fn shown(message: &Message) -> String {
    match message {
        Message::Request(Request { method, target, headers, body, .. }) => {
            format!("{method} {} {:?} {}", target.escape_ascii(), lines(headers), body.escape_ascii())
        }
        Message::Response(Response { status, headers, body }) => format!("{status} {:?} {}", lines(headers), body.escape_ascii()),
    }
}

fn lines(headers: &[(String, Vec<u8>)]) -> Vec<String> {
    headers.iter().map(|(name, value)| format!("{name}: {}", value.escape_ascii())).collect()
}
