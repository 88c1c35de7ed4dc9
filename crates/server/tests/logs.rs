//! What the log tells at its most talkative: the exact reasons and the callers, and never a secret.
#![expect(clippy::unwrap_used, reason = "a test ends where its setup fails")]

#[path = "gateway/fixture.rs"]
#[expect(dead_code, reason = "shared with the gateway's tests, which use all of it")]
mod fixture;

use std::io::Write;
use std::sync::{Arc, Mutex};

use countersign_core::app::{NewCredential, Terms};
use countersign_core::store::CredentialStore;
use countersign_protocol::{Credential, KeyMaterial};
use tracing_subscriber::fmt::MakeWriter;

use fixture::{Fixture, SECRET, Setup, at, house};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn secrets_are_redacted_and_exact_reasons_are_told() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let config = house("loopback_is_tls = true").replace("[\"house\"]", "[\"house\", \"api-key\"]");
    let shadow = "[[route]]\nprefix = \"/shadow\"\nupstream = \"echo\"\ndialects = [\"house\"]\nmode = \"shadow\"\n";
    let gateway = Fixture::start(&(config + shadow), Setup { terms: Terms::new(["house"]), ..Setup::default() }).await;
    let api_key = "canary-of-an-api-key-0123456789";
    let stored = NewCredential::new("reader", KeyMaterial::Hmac(api_key.into()), Terms::new(["api-key"]));
    gateway.store.add_credential("shop", stored, at(0)).await.unwrap();

    let plain = gateway.request("GET", &format!("/?api_key={api_key}&plain=canary-that-is-no-secret"));
    assert_eq!(gateway.send(&plain.clone().with_header("X-Api-Key", api_key)).await.status, 200);
    // Spelt otherwise, and beside another protocol, which does not take it.
    assert_eq!(gateway.send(&gateway.request("GET", &format!("/?api%5Fkey={api_key}"))).await.status, 200);
    gateway.send(&gateway.request("GET", &format!("/?Signature={api_key}"))).await.refuses(401, "missing_signature");
    assert!(gateway.upstream.requests().iter().all(|request| !request.contains(api_key)));
    let unknown = gateway.sign_as("house", gateway.request("GET", "/"), &Credential::hmac("nobody", SECRET), &gateway.options());
    gateway.send(&unknown).await.refuses(401, "signature_mismatch");
    let known = gateway.sign("house", gateway.request("GET", "/"));
    let signature = known.headers.iter().find(|(name, _)| name == "X-House-Signature").unwrap().1.clone();
    assert_eq!(gateway.send(&known).await.status, 200);
    let shadowed = gateway.sign_as("house", gateway.request("GET", "/shadow"), &Credential::hmac("nobody", SECRET), &gateway.options());
    assert_eq!(gateway.send(&shadowed).await.status, 200);
    gateway.stop().await.unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for told in [
        "canary-that-is-no-secret",
        "reason=\"unknown_key\"",
        "reason=\"missing_signature\"",
        "status=200 reason=\"\" would_refuse=\"unknown_key\"",
        "client=127.0.0.1",
        "key_id=\"nobody\"",
        "app=\"shop\"",
        "api_key=***",
    ] {
        assert!(log.contains(told), "{told} is not in the log");
    }
    for secret in [api_key, SECRET, std::str::from_utf8(&signature).unwrap()] {
        assert!(!log.contains(secret), "a secret is in the log: {}", log.lines().find(|line| line.contains(secret)).unwrap_or_default());
    }
}
