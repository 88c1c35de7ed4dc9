//! Encrypted bodies through the gateway: verified as they were sent, opened for the upstream, answered in secret.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use countersign_client::{ClientError, Envelope, SigningClient};
use countersign_core::store::CredentialStore;
use countersign_envelope::{AnswerKey, Fields, PublicKey, Scheme, Sealed, Sealer};
use countersign_protocol::{Dialects, Request, SignOptions};
use countersign_server::config::{Config, ConfigError};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

#[tokio::test]
async fn an_answer_is_read_by_the_sender_only() {
    let gateway = gateway("answer = \"encrypted\"").await;
    let open = |key: &AnswerKey, answer: &Answer| {
        let media_type = answer.header("x-countersign-envelope-type").unwrap();
        key.open(answer.status, media_type, &answer.body, &Fields::default(), 100)
    };
    let mut kept = Vec::new();
    for path in ["/pay", "/fails"] {
        let Sealed { body, answer_key, .. } = sealed(PLAIN);
        let mut request = post(&gateway, body).with_header("Accept-Encoding", "gzip");
        request.target = path.into();
        let answer = gateway.send(&gateway.sign("house", request)).await;
        assert_eq!((answer.header("x-encrypted-body"), answer.header("content-type")), (Some("true"), Some("application/json")));
        assert_eq!((answer.header("cache-control"), answer.header("x-upstream")), (Some("no-store"), Some("yes")));
        assert_eq!(open(answer_key.as_ref().unwrap(), &answer).unwrap(), b"ok");
        kept.push((answer_key.unwrap(), answer));
    }
    assert_eq!((kept[0].1.status, kept[1].1.status), (200, 500));
    assert!(open(&kept[0].0, &kept[1].1).is_err() && open(&kept[1].0, &kept[0].1).is_err());
    assert!(gateway.upstream.requests().iter().all(|request| !request.contains("gzip")));
    // Nothing that could only be answered in plain passes.
    gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.refuses(400, "envelope_invalid");
    assert_eq!(gateway.upstream.requests().len(), 2);
}

/// An upstream that gives this answer to one request, however long it is.
async fn upstream(answer: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 65_536];
        assert_ne!(stream.read(&mut read).await.unwrap(), 0);
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    address
}

/// The answer of a gateway that encrypts answers, in front of an upstream that gives this one; and what opens it.
async fn answered(method: &str, answer: &'static str) -> (Answer, AnswerKey) {
    let keys = Keys::new();
    let config = house(&keys.table("answer = \"encrypted\"")).replace("UPSTREAM", &upstream(answer).await);
    let gateway = Fixture::start(&config, Setup::default()).await;
    let Sealed { body, answer_key, .. } = sealed(PLAIN);
    let mut request = post(&gateway, body);
    request.method = method.to_owned();
    (gateway.send(&gateway.sign("house", request)).await, answer_key.unwrap())
}

#[tokio::test]
async fn every_answer_that_can_have_a_body_is_encrypted_whole() {
    let chunked = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain; charset=utf-8\r\nContent-MD5: a\r\n\
                   Digest: b\r\nX-Encrypted-Body: false\r\nX-Countersign-Envelope-Type: forged/type\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for (answer, plain) in [(chunked, &b"abcde"[..]), ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"")] {
        let (answer, key) = answered("POST", answer).await;
        let media_type = answer.header("x-countersign-envelope-type").unwrap();
        assert!(["text/plain; charset=utf-8", ""].contains(&media_type));
        assert_eq!(key.open(answer.status, media_type, &answer.body, &Fields::default(), 5).unwrap(), plain);
        assert_eq!((answer.header("x-encrypted-body"), answer.header("transfer-encoding")), (Some("true"), None));
        assert_eq!((answer.header("content-md5"), answer.header("digest")), (None, None));
    }
}

#[tokio::test]
async fn an_answer_without_a_body_is_not_marked() {
    let forged = "HTTP/1.1 204 No Content\r\nX-Encrypted-Body: true\r\nX-Countersign-Envelope-Type: a/b\r\n\r\n";
    for (method, answer, status) in [("POST", forged, 204), ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200)] {
        let (answer, _) = answered(method, answer).await;
        assert_eq!((answer.status, answer.body.len()), (status, 0));
        assert_eq!((answer.header("x-encrypted-body"), answer.header("x-countersign-envelope-type")), (None, None));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_encrypted_is_not_passed_on() {
    let coded = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok";
    let no_text = "HTTP/1.1 200 OK\r\nContent-Type: \u{e9}/a\r\nContent-Length: 2\r\n\r\nok";
    let broken = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok";
    for answer in [coded, no_text, broken] {
        answered("POST", answer).await.0.refuses(502, "upstream_unavailable");
    }
}

#[tokio::test]
async fn a_plain_request_has_a_plain_answer_where_envelopes_are_optional() {
    let gateway = gateway("required = false\nanswer = \"encrypted\"").await;
    let answer = send(&gateway, PLAIN).await;
    assert_eq!((answer.status, answer.body.as_slice(), answer.header("x-encrypted-body")), (200, &b"ok"[..], None));
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_passed_on() {
    let gateway = gateway("answer = \"encrypted\"\nmax_answer = 1").await;
    send(&gateway, sealed(PLAIN).body).await.refuses(502, "upstream_unavailable");
    gateway.upstream.only();
}

fn client(gateway: &Fixture, dialect: &str, envelope: Envelope) -> SigningClient {
    let credential = countersign_protocol::Credential::hmac(crate::fixture::KEY, crate::fixture::SECRET);
    let now = gateway.now();
    let client = SigningClient::new(reqwest::Client::builder(), gateway.dialects.get(dialect).unwrap().clone(), credential).unwrap();
    client.with_clock(move || now).with_envelope(envelope)
}

#[tokio::test]
async fn the_client_encrypts_and_decrypts() {
    let gateway = gateway("required = false\nanswer = \"encrypted\"").await;
    let envelope = || Envelope::new(sealer(Scheme::OaepGcm)).expecting_encrypted_answers();
    let client = client(&gateway, "house", envelope());
    let url = |path: &str| format!("http://{}{path}", gateway.address);
    let request = client.request(http::Method::POST, url("/pay")).header("Content-Type", "text/plain").body(PLAIN);
    for _ in 0..2 {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!((answer.headers().get("x-encrypted-body"), answer.headers().get("x-countersign-envelope-type")), (None, None));
        assert_eq!((&answer.headers()["content-length"], answer.headers().get("content-type")), (&"2".parse().unwrap(), None));
        assert_eq!(answer.url().as_str(), url("/pay"));
        assert_eq!(answer.text().await.unwrap(), "ok");
    }
    assert!(gateway.upstream.requests().iter().all(|request| request.ends_with(PLAIN) && request.contains("envelope: opened")));
    assert_eq!(client.request(http::Method::POST, url("/fails")).body(PLAIN).send().await.unwrap().text().await.unwrap(), "ok");
    // Nothing is encrypted where there is no body, and then the answer is plain.
    assert_eq!(client.request(http::Method::GET, url("/")).send().await.unwrap().status(), 200);
    let short = self::client(&gateway, "house", envelope().with_max_answer(1));
    let refused = short.request(http::Method::POST, url("/pay")).body(PLAIN).send().await.unwrap_err();
    assert!(matches!(refused, ClientError::Answer(_)), "{refused}");
    // A refusal of the gateway's is not encrypted, and is shown.
    let other = Envelope::new(Sealer::new(Scheme::OaepGcm, public("rsa2048-other.pub.pem"), Fields::default()).unwrap());
    let other = self::client(&gateway, "house", other.expecting_encrypted_answers());
    assert_eq!(other.request(http::Method::POST, url("/pay")).body(PLAIN).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn the_client_refuses_a_plain_answer_where_it_expects_another() {
    let keys = Keys::new();
    let config = house(&keys.table("mark = \"X-Enc-Encrypted\"")).replace("[\"house\"]", "[\"x-ca-labelled\"]");
    let gateway = Fixture::start(&config, Setup::default()).await;
    let envelope = || Envelope::new(sealer(Scheme::OaepGcm)).with_mark("X-Enc-Encrypted");
    let send = async |envelope: Envelope| {
        let client = client(&gateway, "x-ca-labelled", envelope);
        client.request(http::Method::POST, format!("http://{}/pay", gateway.address)).body(PLAIN).send().await
    };
    assert_eq!(send(envelope()).await.unwrap().text().await.unwrap(), "ok");
    let refused = send(envelope().expecting_encrypted_answers()).await.unwrap_err();
    assert!(matches!(refused, ClientError::PlainAnswer), "{refused}");
}

fn refused(keys: &Keys, table: &str) -> ConfigError {
    let mut dialects = Dialects::builtin().unwrap();
    dialects.add_yaml("house", crate::fixture::HOUSE).unwrap();
    let text = house(table).replace("UPSTREAM", "127.0.0.1:1").replace("KEYS", &keys.0.path().display().to_string());
    Config::parse("gateway.toml", &text).and_then(|config| config.compile(&dialects)).err().unwrap_or_else(|| panic!("accepted: {table}"))
}

#[test]
fn an_envelope_that_makes_no_sense_is_refused_with_its_line() {
    let keys = Keys::new();
    fs::write(keys.0.path().join("open.pem"), "").unwrap();
    let usual = "private_key = [\"KEYS/rsa2048.pem\"]";
    for (lines, line, word) in [
        ("private_key = [\"KEYS/rsa1024.pem\"]", 8, "1024 bits is too short; use 2048 bits or more"),
        ("private_key = [\"KEYS/none.pem\"]", 8, "No such file"),
        ("private_key = [\"KEYS/open.pem\"]", 8, "chmod 600"),
        ("private_key = []", 7, "no key"),
        ("private_key = [{ id = \"a\", file = \"KEYS/rsa2048.pem\" }, { id = \"a\", file = \"KEYS/rsa2048.pem\" }]", 7, "same id"),
        (&format!("{usual}\nscheme = \"rsa-oaep\""), 9, "rsa-oaep-sha256+a256gcm"),
        (&format!("{usual}\nscheme = \"rsa-pkcs1+a128cbc\""), 9, "legacy = true"),
        (&format!("{usual}\nscheme = \"rsa-pkcs1+a128cbc\"\nlegacy = true\nanswer = \"encrypted\""), 11, "legacy scheme"),
        (&format!("{usual}\nanswer = \"both\""), 9, "plain or encrypted"),
        (&format!("{usual}\ninput = \"encrypted\""), 9, "no dialect of this route has the input"),
        (&format!("{usual}\nmark = \"a b\""), 9, "no name of a header"),
        (&format!("{usual}\ncontent_type = \"a\""), 9, "media type"),
        (&format!("{usual}\nfields = {{ key = \"content\" }}"), 7, "three different names"),
        (&format!("{usual}\nmax_plain = 0"), 9, "nonzero"),
        (&format!("{usual}\nmax = 1"), 9, "unknown field"),
    ] {
        let error = refused(&keys, &format!("[route.envelope]\n{lines}"));
        assert!(error.to_string().contains(word), "{lines}: {error}");
        assert_eq!(error.line(), Some(line), "{lines}: {error}");
    }
    let table = format!("[route.envelope]\n{usual}").replace("KEYS", &keys.0.path().display().to_string());
    let text = house(&table).replace("[\"house\"]", "[\"hmac-sha256-body\"]").replace("UPSTREAM", "127.0.0.1:1");
    let in_body = Config::parse("gateway.toml", &text).unwrap().compile(&Dialects::builtin().unwrap()).unwrap_err();
    assert!(in_body.to_string().contains("carries its signature in the body"), "{in_body}");
    let kept = refused(&keys, &format!("keep_credentials = true\n[route.envelope]\n{usual}"));
    assert!(kept.to_string().contains("keep_credentials"), "{kept}");
}
