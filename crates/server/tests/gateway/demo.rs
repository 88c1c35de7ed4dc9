//! The demo: every dialect is served, and what the printed lines say works.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::clock::{Clock, SystemClock};
use countersign_protocol::{Algorithm, Credential, Dialect, Dialects, ReplayMode, Request, Scheme, SignOptions};
use countersign_server::Gateway;
use countersign_server::demo::Demo;
use tokio::sync::oneshot;

use crate::fixture::{Client, HOUSE, raw};

fn dialects() -> Dialects {
    let mut dialects = Dialects::builtin().unwrap();
    dialects.add_yaml("house", HOUSE).unwrap();
    dialects
}

/// The words of a printed line.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => quoted = !quoted,
            '\\' if !quoted => word.extend(chars.next()),
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    words
}

/// Does what `countersign sign` would do with these words.
fn signed(line: &str, dialects: &Dialects) -> Request {
    let words = words(line);
    let all = |flag: &str| -> Vec<String> { words.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].clone()).collect() };
    let one = |flag: &str| all(flag).first().cloned().unwrap_or_default();
    let url = one("--url");
    let (authority, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut request = Request::new(one("--method"), format!("/{target}")).with_header("Host", authority).with_body(one("--data"));
    request.scheme = Scheme::Http;
    for header in all("--header") {
        let (name, value) = header.split_once(": ").unwrap();
        request = request.with_header(name, value);
    }
    let secret = std::fs::read_to_string(PathBuf::from(one("--secret-file"))).unwrap();
    let credential = Credential::hmac(one("--key-id"), secret.as_str());
    let nonce = countersign_core::random::generate_key_id().unwrap();
    let options = SignOptions::new(SystemClock.now()).with_nonce(nonce);
    let options = all("--set").iter().fold(options, |options, set| {
        let (name, value) = set.split_once('=').unwrap();
        options.with_input(name, value)
    });
    dialects.get(&one("--dialect")).unwrap().sign(request, &credential, &options).unwrap().into_message().into_request().unwrap()
}

/// Whether a shared secret signs in this dialect, or is shown in it.
fn is_shared(dialect: &Dialect) -> bool {
    dialect.carries_secret() || dialect.algorithms().iter().any(|a| matches!(a, Algorithm::Hmac(_) | Algorithm::Plain(_)))
}

/// Starts the demo, sends what it prints and tells the keys. Where the body names the event, the second time is a repeat.
async fn run(data: &Path, first: bool) -> Vec<String> {
    let dialects = dialects();
    let demo = Demo::prepare(data, "127.0.0.1:0".parse().unwrap(), &dialects, Arc::new(SystemClock)).await.unwrap();
    let left_out: Vec<&str> = demo.left_out.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(left_out, dialects.iter().filter(|d| !is_shared(d)).map(Dialect::id).collect::<Vec<_>>());
    assert_eq!(demo.recipes.len(), dialects.iter().filter(|d| is_shared(d)).count());
    let gateway = Gateway::bind(demo.settings, &dialects, demo.admission).unwrap();
    let address = gateway.addresses()[0];
    let (stop, stopped) = oneshot::channel::<()>();
    let ran = tokio::spawn(gateway.run(async move { drop(stopped.await) }));
    let mut keys = Vec::new();
    for recipe in &demo.recipes {
        let line = recipe.command(address);
        assert_eq!(recipe.is_unsafe, recipe.dialect == "aws-sigv1", "{}", recipe.dialect);
        let request = signed(&line, &dialects);
        let mut client = Client::connect(address).await;
        client.write(&raw(&request)).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, 200, "{line}: {}", String::from_utf8_lossy(&answer.body));
        let told = answer.json();
        keys.push(words(&line)[5].clone());
        let dialect = dialects.get(&recipe.dialect).unwrap();
        if !first && dialect.replay() == ReplayMode::Event && !dialect.carries_nonce() {
            assert_eq!(told["status"], "duplicate", "{line}");
            continue;
        }
        assert!(told["target"].as_str().unwrap().starts_with(&format!("/demo/{}/", recipe.dialect)), "{told}");
        assert!(told["headers"].as_array().unwrap().iter().any(|header| header[0] == "x-countersign-app" && header[1] == "demo"));
    }
    drop(stop);
    ran.await.unwrap().unwrap();
    keys
}

#[tokio::test]
async fn every_printed_line_works_and_a_second_start_keeps_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("it's new");
    let first = run(&data, true).await;
    // Where no nonce is signed, the same line in the same second makes the same request, which the guard remembers.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let second = run(&data, false).await;
    assert_eq!(first, second);
    for file in ["demo.secret", "demo-api-key.secret", "master.key", "countersign.db", "replay.db"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(data.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
    }
}
