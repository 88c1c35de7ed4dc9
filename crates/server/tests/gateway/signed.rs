//! Answers that the gateway signs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use countersign_core::clock::{Clock, SystemClock};
use countersign_protocol::{Credential, Dialects, Inputs, Policy, Reason, Response};
use countersign_server::config::Config;

use crate::fixture::{Answer, Fixture, Setup, house};

const ANSWER: &str = r#"
countersign: 1
dialect: answer
title: Answers
message: response
inputs: [realm]
string_to_sign: "{status}\n{realm}\n{time}\n{nonce}\n{body | sha256 | hex}"
algorithm: hmac-sha256
signature: hex
carry:
  header:
    X-Answer-Key: "{key_id}"
    X-Answer-Time: "{time}"
    X-Answer-Nonce: "{nonce}"
    X-Answer-Signature: "{signature}"
time: { format: unix, window: 5m }
"#;

fn setup() -> Setup {
    let mut setup = Setup::default();
    setup.dialects.add_yaml("answer", ANSWER).unwrap();
    setup
}

/// A secret in a file for its owner only, and the route's line that names it.
fn option(folder: &Path, more: &str) -> String {
    let file = folder.join("answers.secret");
    std::fs::write(&file, "the gateway's own secret\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.display();
    format!(
        "sign_response = {{ dialect = \"answer\", key_id = \"gateway-1\", secret_file = \"{file}\", inputs = {{ realm = \"shop\" }}{more} }}"
    )
}

fn verify(dialects: &Dialects, answer: &Answer) -> Result<(), Reason> {
    let headers = answer.headers.iter().map(|(name, value)| (name.clone(), value.as_bytes().to_vec())).collect();
    let answer = Response { status: answer.status, headers, body: answer.body.clone() };
    let key = Credential::hmac("gateway-1", "the gateway's own secret");
    let dialect = dialects.get("answer").unwrap();
    let inputs = Inputs::new().with("realm", "shop");
    dialect.verify(&answer, &inputs, &[&key], SystemClock.now(), &Policy::default()).map(drop).map_err(|refusal| refusal.reason())
}

#[tokio::test]
async fn the_answer_of_an_upstream_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Fixture::start(&house(&option(folder.path(), "")), setup()).await;
    let mut answer = gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
    assert_eq!((answer.header("x-upstream"), answer.header("x-answer-key")), (Some("yes"), Some("gateway-1")));
    assert_eq!(verify(&gateway.dialects, &answer), Ok(()));
    answer.body = b"OK".to_vec();
    assert_eq!(verify(&gateway.dialects, &answer), Err(Reason::SignatureMismatch));
    // The caller's own signature is refused as ever.
    gateway.send(&gateway.request("GET", "/")).await.refuses(401, "missing_signature");
}

#[tokio::test]
async fn an_answer_that_is_too_large_to_sign_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Fixture::start(&house(&option(folder.path(), ", limit = 1")), setup()).await;
    let answer = gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await;
    answer.refuses(502, "upstream_unavailable");
}

#[test]
fn a_signer_that_cannot_sign_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let good = option(folder.path(), "");
    let compile = |option: &str| {
        let config = Config::parse("gateway.toml", &house(option).replace("UPSTREAM", "127.0.0.1:9000")).unwrap();
        config.compile(&setup().dialects).map(drop)
    };
    assert_eq!(compile(&good), Ok(()));
    let cases = [
        ("\"answer\"", "\"anser\"", "no dialect `anser`"),
        ("\"answer\"", "\"house\"", "house signs requests"),
        ("answers.secret", "nothing.secret", "nothing.secret"),
        ("realm = ", "reallm = ", "realm"),
    ];
    for (old, new, told) in cases {
        let error = compile(&good.replace(old, new)).unwrap_err();
        assert_eq!(error.line(), Some(7), "{error}");
        assert!(error.fault().contains(told), "{error}");
    }
    let file = folder.path().join("answers.secret");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(compile(&good).unwrap_err().fault().contains("by others"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, "\n").unwrap();
    assert!(compile(&good).unwrap_err().fault().contains("empty"));
    assert!(!format!("{:?}", compile(&good)).contains("own secret"));
}
