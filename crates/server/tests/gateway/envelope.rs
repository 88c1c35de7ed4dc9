//! Encrypted bodies through the gateway: verified as they were sent, opened for the upstream.

mod answers;
mod config;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use countersign_core::store::CredentialStore;
use countersign_envelope::{Fields, PublicKey, Scheme, Sealed, Sealer};
use countersign_protocol::{Request, SignOptions};
use tempfile::TempDir;

use crate::fixture::{Answer, Fixture, Setup, house};

const PLAIN: &str = "{\"amount\":12.5}";
const MARK: &str = "X-Encrypted-Body";

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../envelope/tests/keys").join(name)
}

fn public(name: &str) -> PublicKey {
    PublicKey::from_pem(&fs::read_to_string(key_file(name)).unwrap()).unwrap()
}

fn sealer(scheme: Scheme) -> Sealer {
    Sealer::allowing_legacy(scheme, public("rsa2048.pub.pem"), Fields::default()).unwrap()
}

fn sealed(plain: &str) -> Sealed {
    sealer(Scheme::OaepGcm).seal(plain.as_bytes()).unwrap()
}

/// A folder with private keys that only their owner can read.
struct Keys(TempDir);

impl Keys {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["rsa1024.pem", "rsa2048.pem", "rsa2048-other.pem"] {
            fs::copy(key_file(name), folder.path().join(name)).unwrap();
            fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o600)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// The table of an envelope with the usual key, and these further lines.
    fn table(&self, further: &str) -> String {
        format!("[route.envelope]\nprivate_key = [\"{}\"]\n{further}\n", self.path("rsa2048.pem"))
    }
}

async fn gateway(further: &str) -> Fixture {
    let keys = Keys::new();
    Fixture::start(&house(&keys.table(further)), Setup::default()).await
}

/// An unsigned request with this body.
fn post(gateway: &Fixture, body: impl Into<Vec<u8>>) -> Request {
    gateway.request("POST", "/pay").with_header("Content-Type", "application/json").with_body(body)
}

/// Signed with the mark among the signed headers.
fn sign_marked(gateway: &Fixture, request: Request, value: &str) -> Request {
    let options = SignOptions { also: vec![MARK.to_owned()], ..gateway.options() };
    let credential = countersign_protocol::Credential::hmac(crate::fixture::KEY, crate::fixture::SECRET);
    gateway.sign_as("house", request.with_header(MARK, value), &credential, &options)
}

async fn send(gateway: &Fixture, body: impl Into<Vec<u8>>) -> Answer {
    gateway.send(&gateway.sign("house", post(gateway, body))).await
}

#[tokio::test]
async fn the_upstream_gets_exactly_the_plain_body() {
    let gateway = gateway("").await;
    let envelope = sealed(PLAIN);
    let request = post(&gateway, envelope.body)
        .with_header("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")
        .with_header("Digest", "sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
        .with_header("Repr_Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")
        .with_header("X-Countersign-Envelope", "forged")
        .with_header("x_encrypted_body", "true")
        .with_header("X-Other", "stays");
    let answer = gateway.send(&sign_marked(&gateway, request, "true")).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]));
    assert_eq!(answer.header("x-encrypted-body"), None);
    let seen = gateway.upstream.only();
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, PLAIN);
    let head = head.to_ascii_lowercase();
    assert!(head.contains(&format!("\r\ncontent-length: {}", PLAIN.len())), "{head}");
    assert_eq!(head.matches("content-type: application/json").count(), 1, "{head}");
    assert_eq!(head.matches("x-countersign-envelope: opened").count(), 1, "{head}");
    assert!(head.contains("x-other: stays"));
    for gone in ["md5", "digest: sha-256", "repr", "forged", "x-encrypted-body: ", "x_encrypted_body", "encryptkey"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
}

#[tokio::test]
async fn a_required_envelope_needs_no_mark() {
    let gateway = gateway("content_type = \"text/plain\"").await;
    assert_eq!(send(&gateway, sealed("a").body).await.status, 200);
    assert!(gateway.upstream.only().contains("content-type: text/plain\r\n"));
    send(&gateway, PLAIN).await.refuses(400, "envelope_invalid");
    gateway.send(&sign_marked(&gateway, post(&gateway, PLAIN), "false")).await.refuses(400, "envelope_invalid");
    gateway.send(&sign_marked(&gateway, post(&gateway, sealed("a").body), "false")).await.refuses(400, "envelope_invalid");
    gateway.upstream.only();
    // There is nothing to encrypt in a request without a body.
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    assert!(!gateway.upstream.requests()[1].contains("x-countersign-envelope"));
}

#[tokio::test]
async fn an_optional_envelope_follows_its_signed_mark() {
    let gateway = gateway("required = false").await;
    assert_eq!(gateway.send(&sign_marked(&gateway, post(&gateway, sealed(PLAIN).body), "true")).await.status, 200);
    assert_eq!(gateway.send(&sign_marked(&gateway, post(&gateway, PLAIN), "false")).await.status, 200);
    assert_eq!(send(&gateway, PLAIN).await.status, 200);
    let seen = gateway.upstream.requests();
    assert!(
        seen.iter().all(|request| request.ends_with(PLAIN) && !request.to_ascii_lowercase().contains("x-encrypted-body: ")),
        "{seen:?}"
    );
    assert_eq!(seen.iter().filter(|request| request.contains("x-countersign-envelope: opened")).count(), 1);

    gateway.send(&sign_marked(&gateway, post(&gateway, PLAIN), "true")).await.refuses(400, "envelope_invalid");
    gateway.send(&sign_marked(&gateway, post(&gateway, sealed(PLAIN).body), "yes")).await.refuses(400, "malformed_request");
    // Whoever is on the way could add the mark, or take it away.
    let unsigned = gateway.sign("house", post(&gateway, sealed(PLAIN).body)).with_header(MARK, "true");
    gateway.send(&unsigned).await.refuses(403, "required_part_unsigned");
    let mut without = sign_marked(&gateway, post(&gateway, sealed(PLAIN).body), "true");
    without.headers.retain(|(name, _)| name != MARK);
    assert_eq!(gateway.send(&without).await.status / 100, 4);
    assert_eq!(gateway.upstream.requests().len(), 3);
}

/// Envelopes that the holder of a key signed, and that do not open.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let right = String::from_utf8(sealed(PLAIN).body).unwrap();
    let start = right.find("content\":\"").unwrap() + 20;
    let changed = |at: usize| {
        let mut bytes = right.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        bytes
    };
    let other = Sealer::new(Scheme::OaepGcm, public("rsa2048-other.pub.pem"), Fields::default()).unwrap();
    let short = "A".repeat(171) + "=";
    vec![
        ("changed ciphertext", changed(start)),
        ("changed wrapped key", changed(right.find("encryptKey\":\"").unwrap() + 30)),
        ("another recipient", other.seal(PLAIN.as_bytes()).unwrap().body),
        ("another scheme", sealer(Scheme::Pkcs1Aes256Cbc).seal(PLAIN.as_bytes()).unwrap().body),
        ("a wrapped key of 1024 bits", format!("{{\"content\":\"AAAA\",\"encryptKey\":\"{}\"}}", short).into_bytes()),
        ("a member twice", right.replacen('{', "{\"content\":\"AAAA\",", 1).into_bytes()),
        ("trailing bytes", format!("{right}x").into_bytes()),
        ("an unknown member", right.replacen('{', "{\"more\":\"\",", 1).into_bytes()),
        ("no JSON", b"\x00\xff".to_vec()),
    ]
}

#[tokio::test]
async fn every_envelope_that_does_not_open_has_one_answer() {
    let gateway = gateway("").await;
    let mut answers = Vec::new();
    for (fault, body) in broken() {
        let answer = send(&gateway, body).await;
        let mut shown = answer.refuses(400, "envelope_invalid");
        shown["instance"].take();
        answers.push((fault, shown));
    }
    assert!(answers.iter().all(|(_, shown)| *shown == answers[0].1), "{answers:?}");
    assert!(answers[0].1["detail"].as_str().unwrap().contains("2048 bits"));
    assert!(gateway.upstream.requests().is_empty());
}

#[tokio::test]
async fn legacy_failures_look_alike() {
    let gateway = gateway("scheme = \"rsa-pkcs1+a256cbc\"\nlegacy = true").await;
    let body = sealer(Scheme::Pkcs1Aes256Cbc).seal(PLAIN.as_bytes()).unwrap().body;
    assert_eq!(send(&gateway, body).await.status, 200);
    assert!(gateway.upstream.only().ends_with(&format!("\r\n\r\n{PLAIN}")));
    let (key, wrapped) = ("\"encryptKey\":\"", sealer(Scheme::Pkcs1Aes256Cbc).seal(b"1").unwrap().body);
    let wrapped = String::from_utf8(wrapped).unwrap();
    let wrapped = &wrapped[wrapped.find(key).unwrap()..];
    let mut answers = Vec::new();
    for body in [
        format!("{{\"content\":\"{}\",{wrapped}", "A".repeat(64)),
        format!("{{\"content\":\"{}==\",{wrapped}", "A".repeat(62)),
        format!("{{\"content\":\"\",{wrapped}"),
        format!("{{\"content\":\"{}\",{key}{}AA==\"}}", "A".repeat(64), "A".repeat(340)),
        "{}".to_owned(),
    ] {
        let answer = send(&gateway, body).await;
        let mut shown = answer.refuses(400, "envelope_invalid");
        shown["instance"].take();
        answers.push(shown);
    }
    assert!(answers.iter().all(|shown| *shown == answers[0]), "{answers:?}");
    gateway.upstream.only();
}

#[tokio::test]
async fn an_envelope_is_accepted_once_and_only_as_it_was_signed() {
    let gateway = gateway("").await;
    let request = gateway.sign("house", post(&gateway, sealed(PLAIN).body));
    assert_eq!(gateway.send(&request).await.status, 200);
    gateway.send(&request).await.refuses(409, "replayed");
    // Another envelope of the same plain body is another body.
    let mut exchanged = gateway.sign("house", post(&gateway, sealed(PLAIN).body));
    exchanged.body = sealed(PLAIN).body;
    gateway.send(&exchanged).await.refuses(400, "body_digest_mismatch");
    // One that was not opened is used up all the same.
    let broken = gateway.sign("house", post(&gateway, "{}"));
    gateway.send(&broken).await.refuses(400, "envelope_invalid");
    gateway.send(&broken).await.refuses(409, "replayed");
    gateway.upstream.only();
}

#[tokio::test]
async fn an_envelope_that_nobody_signed_is_not_opened() {
    let mut setup = Setup::default();
    let bare = crate::fixture::HOUSE.replace("dialect: house", "dialect: bare").replace("  {body_digest}\n", "");
    let bare = bare.replace("body_digest: \"{body | sha256 | hex}\"\n", "").replace("    X-House-Digest: \"{body_digest}\"\n", "");
    setup.dialects.add_yaml("bare", &bare).unwrap();
    setup.terms = countersign_core::app::Terms::new(["bare"]);
    let keys = Keys::new();
    let config = house(&format!("waive = [\"body\"]\n{}", keys.table(""))).replace("[\"house\"]", "[\"bare\"]");
    let gateway = Fixture::start(&config, setup).await;
    let mut request = gateway.sign("bare", post(&gateway, PLAIN));
    request.body = sealed("another body").body;
    gateway.send(&request).await.refuses(403, "required_part_unsigned");
    assert!(gateway.upstream.requests().is_empty());
}

#[tokio::test]
async fn an_event_that_was_not_opened_may_come_again() {
    let keys = Keys::new();
    let lines = format!("keys = [\"hook\"]\n{}", keys.table("content_type = \"application/json\""));
    let gateway = Fixture::start(&house(&lines).replace("[\"house\"]", "[\"standard-webhooks\"]"), Setup::default()).await;
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let terms = countersign_core::app::Terms::new(["standard-webhooks"]);
    let hook = countersign_core::app::NewCredential::new("hook", countersign_protocol::KeyMaterial::Hmac(secret.into()), terms);
    gateway.store.add_credential("shop", hook, crate::fixture::at(0)).await.unwrap();
    let credential = countersign_protocol::Credential::hmac("hook", secret);
    let event = |body: Vec<u8>| gateway.sign_as("standard-webhooks", post(&gateway, body), &credential, &gateway.options());
    let broken = event(b"{}".to_vec());
    for _ in 0..2 {
        gateway.send(&broken).await.refuses(400, "envelope_invalid");
    }
    let right = event(sealed(PLAIN).body);
    for _ in 0..2 {
        assert_eq!(gateway.send(&right).await.status, 200);
    }
    assert!(gateway.upstream.only().ends_with(PLAIN));
}

#[tokio::test]
async fn http2_requests_without_a_body_pass_where_envelopes_are_required() {
    let gateway = gateway("").await;
    let send =
        async |method, body| crate::http2::exchange(&gateway, crate::http2::built(&gateway, method, body, |builder| builder)).await.0;
    assert_eq!((send("GET", "").await, send("POST", PLAIN).await), (200, 400));
    let sealed = String::from_utf8(sealed(PLAIN).body).unwrap();
    assert_eq!(send("POST", &sealed).await, 200);
    assert!(gateway.upstream.requests().len() == 2 && gateway.upstream.requests()[1].ends_with(PLAIN));
}

#[tokio::test]
async fn plain_bodies_are_bounded() {
    let gateway = gateway("max_plain = 16").await;
    assert_eq!(send(&gateway, sealed(&"a".repeat(16)).body).await.status, 200);
    send(&gateway, sealed(&"a".repeat(17)).body).await.refuses(413, "body_too_large");
    send(&gateway, sealed(&"a".repeat(100_000)).body).await.refuses(413, "body_too_large");
    gateway.upstream.only();
}

#[tokio::test]
async fn keys_are_named_by_member_or_header() {
    let keys = Keys::new();
    let table = format!(
        "[route.envelope]\nprivate_key = [{{ id = \"old\", file = \"{}\" }}, {{ id = \"new\", file = \"{}\" }}]\n\
         fields = {{ content = \"data\", key = \"dataKey\", key_id = \"kid\" }}\nkey_id_header = \"X-Key-Of-Body\"\n",
        keys.path("rsa2048.pem"),
        keys.path("rsa2048-other.pem")
    );
    let gateway = Fixture::start(&house(&table), Setup::default()).await;
    let fields = Fields { content: "data".to_owned(), key: "dataKey".to_owned(), key_id: Some("kid".to_owned()) };
    let sealer = || Sealer::new(Scheme::OaepGcm, public("rsa2048-other.pub.pem"), fields.clone()).unwrap();
    let body = |sealer: Sealer| sealer.seal(PLAIN.as_bytes()).unwrap().body;
    let by_header = |id: &str| gateway.sign("house", post(&gateway, body(sealer())).with_header("X-Key-Of-Body", id));
    assert_eq!(send(&gateway, body(sealer())).await.status, 200, "every key is tried");
    assert_eq!(send(&gateway, body(sealer().with_key_id("new").unwrap())).await.status, 200);
    assert_eq!(gateway.send(&by_header("new")).await.status, 200);
    send(&gateway, body(sealer().with_key_id("old").unwrap())).await.refuses(400, "envelope_invalid");
    send(&gateway, body(sealer().with_key_id("gone").unwrap())).await.refuses(400, "envelope_invalid");
    gateway.send(&by_header("old")).await.refuses(400, "envelope_invalid");
    gateway.send(&by_header("gone")).await.refuses(400, "envelope_invalid");
    let seen = gateway.upstream.requests();
    assert!(seen.len() == 3 && seen.iter().all(|request| !request.contains("x-key-of-body: ") && request.ends_with(PLAIN)), "{seen:?}");
}

#[tokio::test]
async fn the_input_says_that_the_body_is_encrypted() {
    let keys = Keys::new();
    let table = keys.table("input = \"encrypted\"\nmark = \"X-Enc-Encrypted\"");
    let config = house(&table).replace("[\"house\"]", "[\"x-ca-labelled\"]");
    let gateway = Fixture::start(&config, Setup::default()).await;
    let credential = countersign_protocol::Credential::hmac(crate::fixture::KEY, crate::fixture::SECRET);
    // The header is signed and not sent.
    let options = gateway.options().with_input("encrypted", "true");
    let request = gateway.sign_as("x-ca-labelled", post(&gateway, sealed(PLAIN).body), &credential, &options);
    assert!(!request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-enc-encrypted")));
    assert_eq!(gateway.send(&request).await.status, 200);
    // It is signed and sent.
    let sent = post(&gateway, sealed(PLAIN).body).with_header("X-Enc-Encrypted", "true");
    assert_eq!(gateway.send(&gateway.sign("x-ca-labelled", sent)).await.status, 200);
    // It is neither.
    let neither = gateway.sign("x-ca-labelled", post(&gateway, sealed(PLAIN).body));
    gateway.send(&neither).await.refuses(401, "signature_mismatch");
    let seen = gateway.upstream.requests();
    assert!(
        seen.len() == 2
            && seen.iter().all(|request| request.ends_with(PLAIN) && !request.to_ascii_lowercase().contains("x-enc-encrypted: ")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_request_without_a_body_does_not_get_the_input() {
    let keys = Keys::new();
    let config = house(&keys.table("input = \"encrypted\"\nmark = \"X-Enc-Encrypted\"")).replace("[\"house\"]", "[\"x-ca-labelled\"]");
    let gateway = Fixture::start(&config, Setup::default()).await;
    assert_eq!(gateway.send(&gateway.sign("x-ca-labelled", gateway.request("GET", "/a"))).await.status, 200);
}
