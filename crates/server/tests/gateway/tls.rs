//! TLS listeners: names, versions of HTTP, clients' certificates, and certificates that are replaced.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_core::app::{NewCredential, Terms};
use countersign_core::store::CredentialStore;
use countersign_protocol::{KeyMaterial, Request, Scheme};
use countersign_server::config::Config;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::fixture::{Client, Fixture, Setup, at, house, raw};
use crate::pki::{Issued, Pki};

/// A gateway that speaks TLS only, with these certificates and further lines in its `[[tls]]`.
fn config(certificates: &[&Issued], tls: &str, route: &str) -> String {
    let certificates = certificates.iter().map(|issued| issued.toml()).collect::<Vec<_>>().join(", ");
    let tls = format!("[[tls]]\nlisten = [\"127.0.0.1:0\"]\ncertificates = [{certificates}]\n{tls}\n");
    house(route).replace("listen = [\"127.0.0.1:0\"]\n", "") + &tls
}

fn request(method: &str, target: &str) -> Request {
    let mut request = Request::new(method, target).with_header("Host", "api.example.com");
    request.scheme = Scheme::Https;
    request
}

/// Sends one signed request over HTTP/1.1; the status, or nothing when the gateway would not talk.
async fn status(gateway: &Fixture, pki: &Pki, client: Option<&Issued>) -> Option<u16> {
    let stream = pki.connect(gateway.address, "api.example.com", client, &["http/1.1"]).await.ok()?;
    let mut client = Client::over(stream);
    client.write(&raw(&gateway.sign("house", request("POST", "/a").with_body("hello")))).await;
    client.answer().await.map(|answer| answer.status)
}

fn line<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn requests_pass_over_both_versions_of_http() {
    let pki = Pki::new();
    let gateway = Fixture::start(&config(&[&pki.issue("api", &["api.example.com"])], "", ""), Setup::default()).await;
    let mut client = Client::over(pki.connect(gateway.address, "api.example.com", None, &["http/1.1"]).await.unwrap());
    for _ in 0..2 {
        client.write(&raw(&gateway.sign("house", request("POST", "/a").with_body("hello")))).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    let stream = pki.connect(gateway.address, "api.example.com", None, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let signed = gateway.sign("house", request("GET", "/b?c"));
    let mut builder = http::Request::builder().method("GET").uri("https://api.example.com/b?c");
    for (name, value) in signed.headers.iter().filter(|(name, _)| name != "Host") {
        builder = builder.header(name, value.as_slice());
    }
    let answer = sender.send_request(builder.body(Full::new(Bytes::new())).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().as_ref(), b"ok");
    assert_eq!(gateway.upstream.requests().len(), 3);
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_early_data_is_not_taken() {
    let pki = Pki::new();
    let gateway = Fixture::start(&config(&[&pki.issue("api", &["api.example.com"])], "", ""), Setup::default()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = pki.connect_with(&[version], gateway.address, "api.example.com", None, &["http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        assert!(!stream.get_ref().1.is_early_data_accepted());
        let mut client = Client::over(stream);
        client.write(&raw(&gateway.sign("house", request("GET", "/")))).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
}

#[test]
fn settings_show_no_private_key() {
    let pki = Pki::new();
    let api = pki.issue("api", &["api.example.com"]);
    let text = config(&[&api], "", "").replace("UPSTREAM", "127.0.0.1:9000");
    let settings = Config::parse("gateway.toml", &text).unwrap().compile(&Setup::default().dialects).unwrap();
    let shown = format!("{settings:?}");
    let key = std::fs::read_to_string(&api.key).unwrap();
    let der = format!("{:?}", api.key_der().secret_der());
    assert!(shown.contains("TlsListener") && !shown.contains(key.lines().nth(1).unwrap()) && !shown.contains(der.trim_matches(['[', ']'])));
}

#[tokio::test]
async fn the_strict_reader_stands_behind_tls_too() {
    let pki = Pki::new();
    let gateway = Fixture::start(&config(&[&pki.issue("api", &["api.example.com"])], "", ""), Setup::default()).await;
    for hostile in ["Transfer-Encoding: chunked", "Host: other", "X-A: b\n c", "Connection: X-House-Nonce"] {
        let mut client = Client::over(pki.connect(gateway.address, "api.example.com", None, &["http/1.1"]).await.unwrap());
        let text = String::from_utf8(raw(&gateway.sign("house", request("POST", "/").with_body("hello")))).unwrap();
        client.write(text.replacen("\r\n", &format!("\r\n{hostile}\r\n"), 1).as_bytes()).await;
        client.answer().await.unwrap().refuses(400, "malformed_request");
        assert!(client.is_closed().await);
    }
    assert!(gateway.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_dialect_that_shows_its_secret_passes_over_tls_only() {
    let pki = Pki::new();
    let both = config(&[&pki.issue("api", &["api.example.com"])], "", "")
        .replace("workers", "listen = [\"127.0.0.1:0\"]\nworkers")
        .replace("\"house\"", "\"api-key\"");
    let gateway = Fixture::start(&both, Setup::default()).await;
    let key = "an-api-key-of-some-length-0123456789";
    let stored = NewCredential::new("reader", KeyMaterial::Hmac(key.into()), Terms::new(["api-key"]));
    gateway.store.add_credential("shop", stored, at(0)).await.unwrap();
    let request = request("GET", "/").with_header("X-Api-Key", key);
    gateway.send(&request).await.refuses(403, "insecure_transport");
    let mut client = Client::over(pki.connect(gateway.tls[0], "api.example.com", None, &["http/1.1"]).await.unwrap());
    client.write(&raw(&request)).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn the_certificate_is_the_one_of_the_name() {
    let pki = Pki::new();
    let (one, many, last) =
        (pki.issue("one", &["one.example.com"]), pki.issue("many", &["*.many.example.com"]), pki.issue("last", &["last.example.com"]));
    let gateway = Fixture::start(&config(&[&one, &many, &last], "", ""), Setup::default()).await;
    for (name, issued) in [("one.example.com", &one), ("a.many.example.com", &many), ("last.example.com", &last)] {
        let stream = pki.connect(gateway.address, name, None, &[]).await.unwrap();
        assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], issued.certificate_der(), "{name}");
    }
    // The first one answers, and the client sees that it is not meant.
    let error = pki.connect(gateway.address, "other.example.com", None, &[]).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_required_client_certificate_is_required() {
    let (pki, others) = (Pki::new(), Pki::new());
    let ca = format!("client_ca = {:?}", pki.root());
    let gateway = Fixture::start(&config(&[&pki.issue("api", &["api.example.com"])], &ca, ""), Setup::default()).await;
    let mine = pki.issue("client", &["client"]);
    assert_eq!(status(&gateway, &pki, Some(&mine)).await, Some(200));
    assert_eq!(line(&gateway.upstream.only(), "x-countersign-client-certificate"), Some(mine.fingerprint().as_str()));
    assert_eq!(status(&gateway, &pki, None).await, None);
    assert_eq!(status(&gateway, &pki, Some(&others.issue("client", &["client"]))).await, None);
    assert_eq!(gateway.upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_route_may_need_a_certificate_that_its_listener_does_not() {
    let pki = Pki::new();
    let (mine, other) = (pki.issue("mine", &["client"]), pki.issue("other", &["client"]));
    let tls = format!("client_ca = {:?}\nclient_certificate = \"optional\"", pki.root());
    let api = pki.issue("api", &["api.example.com"]);
    for (route, statuses) in [
        ("", [200, 200, 200]),
        ("require_client_certificate = true", [200, 200, 403]),
        (&format!("client_certificates = [\"{}\"]", mine.fingerprint()), [200, 403, 403]),
    ] {
        let gateway = Fixture::start(&config(&[&api], &tls, route), Setup::default()).await;
        let seen =
            [status(&gateway, &pki, Some(&mine)).await, status(&gateway, &pki, Some(&other)).await, status(&gateway, &pki, None).await];
        assert_eq!(seen, statuses.map(Some), "{route}");
    }
}

#[tokio::test]
async fn a_header_makes_no_client_certificate() {
    let pki = Pki::new();
    let gateway = Fixture::start(&config(&[&pki.issue("api", &["api.example.com"])], "", ""), Setup::default()).await;
    let mut client = Client::over(pki.connect(gateway.address, "api.example.com", None, &[]).await.unwrap());
    client.write(&raw(&gateway.sign("house", request("GET", "/").with_header("X-Countersign-Client-Certificate", "00")))).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(line(&gateway.upstream.only().to_ascii_lowercase(), "x-countersign-client-certificate"), None);
}

#[tokio::test]
async fn a_new_certificate_serves_new_connections_and_a_bad_one_none() {
    let pki = Pki::new();
    let api = pki.issue("api", &["api.example.com"]);
    let text = config(&[&api], "", "");
    let gateway = Fixture::start(&text, Setup::default()).await;
    let source = gateway.source(&text);
    source.load().unwrap();
    let watching = tokio::spawn(gateway.reloader.clone().watch(source, Arc::default()));
    let first = api.certificate_der();
    let mut kept = Client::over(pki.connect(gateway.address, "api.example.com", None, &["http/1.1"]).await.unwrap());
    let shown = async || {
        let stream = pki.connect(gateway.address, "api.example.com", None, &[]).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    assert_eq!(shown().await, first);
    let wait = async |holds: &dyn Fn() -> bool| {
        for _ in 0..2_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it did not come to hold");
    };
    // The same files, another pair.
    let second = pki.issue("api", &["api.example.com"]).certificate_der();
    wait(&|| gateway.reloader.state().generation >= 2).await;
    assert_eq!(shown().await, second);
    // A key that belongs to another certificate.
    std::fs::copy(pki.issue("other", &["other"]).key, &api.key).unwrap();
    wait(&|| gateway.reloader.state().refused.is_some()).await;
    let fault = gateway.reloader.state().refused.as_ref().unwrap().faults[0].to_string();
    assert!(fault.contains("does not go with"), "{fault}");
    assert_eq!(shown().await, second);
    // The connection of before goes on.
    kept.write(&raw(&gateway.sign("house", request("GET", "/")))).await;
    assert_eq!(kept.answer().await.unwrap().status, 200);
    watching.abort();
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_not_waited_for() {
    let pki = Pki::new();
    let text = config(&[&pki.issue("api", &["api.example.com"])], "[limits]\nhandshake_time = \"100ms\"", "");
    let gateway = Fixture::start(&text, Setup::default()).await;
    let mut silent = Client::connect(gateway.address).await;
    assert!(silent.is_closed().await);
    let mut plain = Client::connect(gateway.address).await;
    plain.write(b"GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n").await;
    assert!(plain.answer().await.is_none());
    assert_eq!(status(&gateway, &pki, None).await, Some(200));
}

#[tokio::test]
async fn the_metrics_tell_when_a_certificate_ends() {
    let pki = Pki::new();
    let text = config(&[&pki.issue("api", &["api.example.com"])], "", "");
    let gateway = Fixture::start(&format!("admin = \"127.0.0.1:0\"\n{text}"), Setup::default()).await;
    let admin = gateway.admin.unwrap();
    let mut client = Client::connect(admin).await;
    client.write(format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n").as_bytes()).await;
    let metrics = String::from_utf8(client.answer().await.unwrap().body).unwrap();
    let end = metrics.lines().find_map(|line| line.strip_prefix("countersign_certificate_end_seconds{certificate=\"api.example.com\"} "));
    assert!(end.unwrap().parse::<i64>().unwrap() > 1_700_000_000, "{end:?}");
}
