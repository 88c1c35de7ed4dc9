//! What the log tells at its most talkative: the exact reasons and the callers, and never a secret.
#![expect(clippy::unwrap_used, reason = "a test ends where its setup fails")]

#[path = "gateway/fixture.rs"]
#[expect(dead_code, reason = "shared with the gateway's tests, which use all of it")]
mod fixture;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use countersign_core::app::{App, NewCredential, Terms};
use countersign_core::clock::SystemClock;
use countersign_core::store::CredentialStore;
use countersign_protocol::{Credential, Dialects, KeyMaterial, Request};
use countersign_server::store::Stores;
use countersign_testbed::Told;

use fixture::{Client, Fixture, SECRET, Setup, at, find, house};

const TOKEN: &str = "canary-of-an-admin-token-0123456789abcdef";

/// What must not be in the log, and why it could be.
#[derive(Default)]
struct Planted(Vec<(&'static str, Vec<u8>)>);

impl Planted {
    fn plant(&mut self, what: &'static str, secret: impl Into<Vec<u8>>) {
        let secret = secret.into();
        assert!(secret.len() > 8, "{what}");
        self.0.push((what, secret));
    }

    fn assert_absent(&self, log: &[u8]) {
        for (what, secret) in &self.0 {
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            let base64 = base64::engine::general_purpose::STANDARD.encode(secret);
            for form in [secret.as_slice(), hex.as_bytes(), base64.trim_end_matches('=').as_bytes()] {
                let found = log.split(|b| *b == b'\n').find(|line| find(line, form).is_some());
                assert!(found.is_none(), "{what} is in the log: {}", String::from_utf8_lossy(found.unwrap_or_default()));
            }
        }
    }
}

#[tokio::test]
async fn secrets_are_redacted_and_exact_reasons_are_told() {
    let log = Told::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut planted = Planted::default();
    let gateway = start(folder.path(), &mut planted).await;
    call_with_api_keys(&gateway, &mut planted).await;
    call_with_signatures(&gateway, &mut planted).await;
    operate(&gateway, &mut planted).await;
    gateway.stop().await.unwrap();
    open_a_store(folder.path(), &mut planted).await;

    let log = log.bytes();
    for told in [
        "canary-that-is-no-secret",
        "reason=\"unknown_key\"",
        "reason=\"missing_signature\"",
        "status=200 reason=\"\" would_refuse=\"unknown_key\"",
        "client=127.0.0.1",
        "key_id=\"nobody\"",
        "app=\"shop\"",
        "api_key=***",
        "a wrong token",
        "a credential was added",
        "an app registered itself",
    ] {
        assert!(find(&log, told.as_bytes()).is_some(), "{told} is not in the log");
    }
    assert!(planted.0.len() > 10);
    planted.assert_absent(&log);
}

async fn start(folder: &Path, planted: &mut Planted) -> Fixture {
    let token = folder.join("token");
    std::fs::write(&token, TOKEN).unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    planted.plant("the admin token", TOKEN);
    planted.plant("the secret", SECRET);
    let tables = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"{}\"\n[register]\npath = \"/register\"\ndialects = [\"house\"]\n",
        token.display()
    );
    let shadow = "[[route]]\nprefix = \"/shadow\"\nupstream = \"echo\"\ndialects = [\"house\"]\nmode = \"shadow\"\n";
    let config = house("loopback_is_tls = true").replace("[\"house\"]", "[\"house\", \"api-key\"]") + &tables + shadow;
    Fixture::start(&config, Setup { terms: Terms::new(["house"]), ..Setup::default() }).await
}

/// In the query and in a header, known and unknown, spelt otherwise, and beside another protocol, which does not take it.
async fn call_with_api_keys(gateway: &Fixture, planted: &mut Planted) {
    let api_key = "canary-of-an-api-key-0123456789";
    planted.plant("the API key", api_key);
    let stored = NewCredential::new("reader", KeyMaterial::Hmac(api_key.into()), Terms::new(["api-key"]));
    gateway.store.add_credential("shop", stored, at(0)).await.unwrap();
    let plain = gateway.request("GET", &format!("/?api_key={api_key}&plain=canary-that-is-no-secret"));
    assert_eq!(gateway.send(&plain.clone().with_header("X-Api-Key", api_key)).await.status, 200);
    assert_eq!(gateway.send(&gateway.request("GET", &format!("/?api%5Fkey={api_key}"))).await.status, 200);
    gateway.send(&gateway.request("GET", &format!("/?Signature={api_key}"))).await.refuses(401, "missing_signature");
    gateway
        .send(&gateway.request("GET", "/").with_header("X-Api-Key", "canary-of-a-wrong-api-key"))
        .await
        .refuses(401, "signature_mismatch");
    planted.plant("a wrong API key in a header", "canary-of-a-wrong-api-key");
    assert!(gateway.upstream.requests().iter().all(|request| !request.contains(api_key)));
}

async fn call_with_signatures(gateway: &Fixture, planted: &mut Planted) {
    let unknown = gateway.sign_as("house", gateway.request("GET", "/"), &Credential::hmac("nobody", SECRET), &gateway.options());
    gateway.send(&unknown).await.refuses(401, "signature_mismatch");
    let with = |value: &'static str| gateway.request("POST", "/").with_header("Authorization", value).with_body("canary-of-a-body");
    planted.plant("a body", "canary-of-a-body");
    planted.plant("a foreign token", "canary-of-a-foreign-token");
    let known = gateway.sign("house", with("Bearer canary-of-a-foreign-token"));
    assert_eq!(gateway.send(&known).await.status, 200);
    let mut changed = gateway.sign("house", with("Bearer canary-of-a-foreign-token"));
    changed.body = b"canary-of-a-body!".to_vec();
    gateway.send(&changed).await.refuses(400, "body_digest_mismatch");
    let shadowed = gateway.sign_as("house", gateway.request("GET", "/shadow"), &Credential::hmac("nobody", SECRET), &gateway.options());
    assert_eq!(gateway.send(&shadowed).await.status, 200);
    for signed in [&unknown, &known, &changed, &shadowed] {
        planted.plant("a signature", signature(signed));
    }
}

fn signature(request: &Request) -> Vec<u8> {
    request.headers.iter().find(|(name, _)| name == "X-House-Signature").unwrap().1.clone()
}

/// Tokens, right and wrong, and the secrets that are made here.
async fn operate(gateway: &Fixture, planted: &mut Planted) {
    let admin = gateway.admin.unwrap();
    let body = "{\"dialects\":[\"house\"]}";
    for token in [TOKEN, "canary-of-a-wrong-token"] {
        let head = format!("POST /apps/shop/credentials HTTP/1.1\r\nHost: {admin}\r\nAuthorization: Bearer {token}");
        let mut client = Client::connect(admin).await;
        client.write(format!("{head}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
        let answer = client.answer().await.unwrap();
        if token == TOKEN {
            planted.plant("a secret that the API made", answer.json()["secret"].as_str().unwrap());
        }
    }
    planted.plant("a wrong token", "canary-of-a-wrong-token");
    let body = "{\"name\":\"billing\",\"dialects\":[\"house\"]}";
    let head = "POST /register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json";
    let answer = gateway.exchange(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    planted.plant("a secret of a registration", answer.json()["secret"].as_str().unwrap());
    planted.plant("a misplaced key", "canary-of-a-misplaced-key");
    let body = "{\"secret\":\"canary-of-a-misplaced-key\"}";
    gateway.exchange(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
}

/// The embedded store, with its master key.
async fn open_a_store(folder: &Path, planted: &mut Planted) {
    let stores = Stores::within(&folder.join("data"));
    let admission = stores.open(&Dialects::builtin().unwrap(), Arc::new(SystemClock)).await.unwrap();
    admission.store().add_app(App::new("shop", at(0))).await.unwrap();
    let stored = NewCredential::new("k", KeyMaterial::Hmac("canary-of-a-stored-secret".into()), Terms::new(["hmac-sha256"]));
    admission.store().add_credential("shop", stored, at(0)).await.unwrap();
    planted.plant("a stored secret", "canary-of-a-stored-secret");
    planted.plant("the master key", std::fs::read(&stores.files.master_key).unwrap());
}
