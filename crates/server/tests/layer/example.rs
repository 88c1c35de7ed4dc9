//! The example, as a program: it serves what is signed, and nothing else.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::app::{App, NewCredential, Terms};
use countersign_core::clock::{Clock, SystemClock};
use countersign_protocol::{Credential, Dialects, KeyMaterial, Request, Scheme, SignOptions};
use countersign_server::store::Stores;
use countersign_testbed::{free_port, wait_until};

use crate::fixture::{Client, KEY, SECRET, raw};

/// The program beside this one, killed with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn example() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let built = own.parent().and_then(std::path::Path::parent).unwrap().join("examples/axum");
    assert!(built.is_file(), "the example is not built: cargo build -p countersign-server --example axum");
    built
}

#[tokio::test]
async fn the_example_admits_what_is_signed_and_refuses_what_was_changed() {
    let data = tempfile::tempdir().unwrap();
    let dialects = Dialects::builtin().unwrap();
    let admission = Stores::within(data.path()).open(&dialects, Arc::new(SystemClock)).await.unwrap();
    admission.store().add_app(App::new("shop", SystemClock.now())).await.unwrap();
    let credential = NewCredential::new(KEY, KeyMaterial::Hmac(SECRET.into()), Terms::new(["hmac-sha256"]));
    admission.store().add_credential("shop", credential, SystemClock.now()).await.unwrap();
    drop(admission);
    let address = format!("127.0.0.1:{}", free_port());
    let _program = Program(Command::new(example()).arg(&address).arg(data.path()).spawn().unwrap());
    assert!(wait_until(Duration::from_secs(20), || std::net::TcpStream::connect(&address).is_ok()), "the example does not listen");
    let mut request = Request::new("GET", "/hello").with_header("Host", address.as_str());
    request.scheme = Scheme::Http;
    let options = SignOptions::new(SystemClock.now()).with_nonce("nonce-1");
    let signed = dialects.get("hmac-sha256").unwrap().sign(request, &Credential::hmac(KEY, SECRET), &options).unwrap();
    let signed = raw(&signed.into_message().into_request().unwrap());
    let mut client = Client::connect(address.parse().unwrap()).await;
    let mut send = async |bytes: &[u8]| {
        client.write(bytes).await;
        client.answer().await.unwrap()
    };
    let tampered = String::from_utf8(signed.clone()).unwrap().replacen("/hello", "/hello?admin", 1);
    send(tampered.as_bytes()).await.refuses(401, "signature_mismatch");
    let admitted = send(&signed).await;
    assert_eq!((admitted.status, &admitted.body[..]), (200, &b"hello shop\n"[..]));
    send(&signed).await.refuses(409, "replayed");
}
