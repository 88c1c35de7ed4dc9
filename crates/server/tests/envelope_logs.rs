//! What the log tells of encrypted bodies at its most talkative: why one was refused, and never a plain body or a key.
#![expect(clippy::unwrap_used, reason = "a test ends where its setup fails")]

#[path = "gateway/fixture.rs"]
#[expect(dead_code, reason = "shared with the gateway's tests, which use all of it")]
mod fixture;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use countersign_envelope::{Fields, PublicKey, Scheme, Sealer};
use countersign_testbed::Told;

use fixture::{Fixture, Setup, house};

const PRIVATE: &str = include_str!("../../envelope/tests/keys/rsa2048.pem");
const PUBLIC: &str = include_str!("../../envelope/tests/keys/rsa2048.pub.pem");

#[tokio::test]
async fn no_plain_body_and_no_key_is_logged_and_faults_are_told() {
    let log = Told::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    fs::write(&file, PRIVATE).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let table = format!("[route.envelope]\nprivate_key = [\"{}\"]\nanswer = \"encrypted\"", file.display());
    let gateway = Fixture::start(&house(&table), Setup::default()).await;
    let sealer = Sealer::new(Scheme::OaepGcm, PublicKey::from_pem(PUBLIC).unwrap(), Fields::default()).unwrap();
    let sealed = sealer.seal(b"{\"canary\":\"of-a-plain-body\"}").unwrap();
    let send = async |body: Vec<u8>| gateway.send(&gateway.sign("house", gateway.request("POST", "/").with_body(body))).await;
    let answer = send(sealed.body.clone()).await;
    assert_eq!(answer.status, 200);
    assert!(gateway.upstream.only().contains("of-a-plain-body"));
    let short = format!("{{\"content\":\"AAAA\",\"encryptKey\":\"{}=\"}}", "A".repeat(171));
    send(short.into_bytes()).await.refuses(400, "envelope_invalid");
    send(b"{\"canary\":\"of-a-plain-body\"}".to_vec()).await.refuses(400, "envelope_invalid");
    gateway.stop().await.unwrap();

    let log = String::from_utf8(log.bytes()).unwrap();
    for told in ["reason=\"envelope_invalid\"", "1024 bits; use a key of 2048 bits or more", "an unknown member", "app=\"shop\""] {
        assert!(log.contains(told), "{told} is not in the log");
    }
    let kept = sealed.answer_key.unwrap().to_text();
    let private = PRIVATE.lines().nth(2).unwrap();
    let content = std::str::from_utf8(&sealed.body[20..80]).unwrap();
    for secret in ["of-a-plain-body", private, kept.split(' ').nth(1).unwrap(), content] {
        assert!(!log.contains(secret), "a secret is in the log: {}", log.lines().find(|line| line.contains(secret)).unwrap_or_default());
    }
}
