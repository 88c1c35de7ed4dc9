//! WebSocket connections: a handshake is verified as any request; then bytes go both ways.

use std::time::Duration;

use countersign_protocol::Request;
use tokio::io::AsyncWriteExt;

use crate::fixture::{Client, Fixture, Setup, find, raw};
use crate::servers::{Raw, named, until};

const ROUTE: &str = "body = \"unsigned\"\nupgrade = true";

/// A server that agrees to every handshake and then sends back what it gets, in capitals.
async fn shouting() -> Raw {
    Raw::start(|mut peer| async move {
        if !peer.head().await {
            return;
        }
        let accept = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";
        drop(peer.stream.write_all(accept.as_bytes()).await);
        let mut told = 0;
        loop {
            let seen = peer.so_far();
            let begin = find(&seen, b"\r\n\r\n").unwrap_or(0) + 4;
            if peer.stream.write_all(&seen[begin + told..].to_ascii_uppercase()).await.is_err() {
                return;
            }
            told = seen.len() - begin;
            if !peer.read().await {
                return;
            }
        }
    })
    .await
}

fn handshake(gateway: &Fixture) -> Request {
    let request = gateway
        .request("GET", "/chat?room=1")
        .with_header("Connection", "keep-alive, Upgrade")
        .with_header("Upgrade", "websocket")
        .with_header("Sec-WebSocket-Version", "13")
        .with_header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    gateway.sign("house", request)
}

async fn opened(gateway: &Fixture) -> Client {
    let mut client = Client::connect(gateway.address).await;
    // What a peer sends before it was answered belongs to the tunnel: it is no request.
    client.write(&[raw(&handshake(gateway)), b"early ".to_vec()].concat()).await;
    let head = String::from_utf8(client.read_until(b"\r\n\r\n").await).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for line in ["upgrade: websocket", "connection: upgrade", "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="] {
        assert!(head.contains(line), "{line} in {head}");
    }
    client.read_until(b"helloEARLY ").await;
    client
}

#[tokio::test]
async fn bytes_go_both_ways_after_a_verified_handshake() {
    let server = shouting().await;
    let gateway = Fixture::start(&named(&[server.address], "", ROUTE), Setup::default()).await;
    let mut client = opened(&gateway).await;
    let seen = String::from_utf8(server.seen(0)).unwrap().to_ascii_lowercase();
    assert!(seen.starts_with("get /chat?room=1 http/1.1\r\n"), "{seen}");
    for line in [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-key: dghlihnhbxbszsbub25jzq==",
        "x-countersign-app: shop",
        "x-countersign-body: unchecked",
    ] {
        assert_eq!(seen.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line} in {seen}");
    }
    for n in 0..100 {
        client.write(format!("frame {n}\r\n\r\nGET / HTTP/1.1\r\n").as_bytes()).await;
        client.read_until(format!("FRAME {n}\r\n\r\nGET / HTTP/1.1\r\n").as_bytes()).await;
    }
    let upstream = gateway.upstreams.get("orders").unwrap();
    assert_eq!((upstream.tunnels(), upstream.status()[0].in_flight), (1, 1));
    drop(client);
    until("the tunnel is closed on both sides", || server.ended() == 1 && upstream.tunnels() == 0 && upstream.status()[0].in_flight == 0)
        .await;
}

#[tokio::test]
async fn a_dialect_that_signs_the_body_can_open_a_tunnel_and_send_no_body() {
    const WHOLE: &str = r#"
countersign: 1
dialect: whole
title: The body as text
string_to_sign: |-
  {method}
  {target}
  {time}
  {nonce}
  {body}
algorithm: hmac-sha256
carry:
  header: { X-Whole-Key: "{key_id}", X-Whole-Time: "{time}", X-Whole-Nonce: "{nonce}", X-Whole-Signature: "{signature}" }
time: { format: unix, window: 5m }
"#;
    let server = shouting().await;
    let mut setup = Setup { terms: countersign_core::app::Terms::new(["whole"]), ..Setup::default() };
    setup.dialects.add_yaml("whole", WHOLE).unwrap();
    let gateway = Fixture::start(&named(&[server.address], "", ROUTE).replace("\"house\"", "\"whole\""), setup).await;
    let mut client = Client::connect(gateway.address).await;
    let request = gateway.request("GET", "/").with_header("Connection", "Upgrade").with_header("Upgrade", "websocket");
    client.write(&raw(&gateway.sign("whole", request))).await;
    assert!(client.read_until(b"\r\n\r\n").await.starts_with(b"HTTP/1.1 101 "));
    let with_body = gateway.sign("whole", gateway.request("POST", "/").with_body("hello"));
    gateway.send(&with_body).await.refuses(413, "body_too_large");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_handshake_whose_signature_does_not_hold_opens_nothing() {
    let server = shouting().await;
    let gateway = Fixture::start(&named(&[server.address], "", ROUTE), Setup::default()).await;
    let mut forged = handshake(&gateway);
    forged.target = b"/chat?room=2".to_vec();
    gateway.send(&forged).await.refuses(401, "signature_mismatch");
    let honest = handshake(&gateway);
    let mut client = Client::connect(gateway.address).await;
    client.write(&raw(&honest)).await;
    client.read_until(b"\r\n\r\n").await;
    gateway.send(&honest).await.refuses(409, "replayed");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_refused_handshake_leaves_the_connection_for_the_next_request() {
    let server = shouting().await;
    let gateway = Fixture::start(&named(&[server.address], "", ROUTE), Setup::default()).await;
    let mut forged = handshake(&gateway);
    forged.target = b"/".to_vec();
    let mut client = Client::connect(gateway.address).await;
    client.write(&[raw(&forged), raw(&handshake(&gateway))].concat()).await;
    client.answer().await.unwrap().refuses(401, "signature_mismatch");
    assert!(client.read_until(b"\r\n\r\n").await.starts_with(b"HTTP/1.1 101 "));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_handshake_behind_another_request_waits_for_its_own_answer() {
    let server = shouting().await;
    let slow = Raw::start(|mut peer| async move {
        peer.head().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        // A body that looks like the answer to the handshake decides nothing.
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\nHTTP/1.1 101 Fake\r\n0\r\n\r\n";
        drop(peer.stream.write_all(answer).await);
        while peer.read().await {}
    })
    .await;
    let further = format!("[[route]]\nprefix = \"/slow\"\nupstream = \"http://{}\"\ndialects = [\"house\"]", slow.address);
    let config = named(&[server.address], "", &format!("{ROUTE}\n{further}"));
    let gateway = Fixture::start(&config, Setup::default()).await;
    let before = raw(&gateway.sign("house", gateway.request("GET", "/slow")));
    let mut forged = handshake(&gateway);
    forged.target = b"/".to_vec();
    let mut client = Client::connect(gateway.address).await;
    client.write(&[before, raw(&forged), raw(&handshake(&gateway)), b"early ".to_vec()].concat()).await;
    assert!(client.read_until(b"0\r\n\r\n").await.starts_with(b"HTTP/1.1 200 "));
    client.answer().await.unwrap().refuses(401, "signature_mismatch");
    assert!(client.read_until(b"\r\n\r\n").await.starts_with(b"HTTP/1.1 101 Switching"));
    client.read_until(b"helloEARLY ").await;
    client.write(b"GET / HTTP/1.1\r\n\r\n").await;
    client.read_until(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!((server.connections(), slow.connections()), (1, 1));
}

#[tokio::test]
async fn elsewhere_an_upgrade_is_taken_off() {
    for (route, upgrade) in [("", "websocket"), ("body = \"unsigned\"", "websocket"), (ROUTE, "h2c"), (ROUTE, "websocket, h2c")] {
        let server = Raw::answering().await;
        let gateway = Fixture::start(&named(&[server.address], "", route), Setup::default()).await;
        let request = gateway.request("GET", "/").with_header("Connection", "upgrade").with_header("Upgrade", upgrade);
        let request = gateway.sign("house", request);
        let mut client = Client::connect(gateway.address).await;
        client.write(&raw(&request)).await;
        assert_eq!(client.answer().await.unwrap().status, 200, "{route} {upgrade}");
        assert!(!String::from_utf8(server.seen(0)).unwrap().to_ascii_lowercase().contains("upgrade"), "{route} {upgrade}");
        client.write(&raw(&gateway.sign("house", gateway.request("GET", "/next")))).await;
        assert_eq!(client.answer().await.unwrap().status, 200, "{route} {upgrade}");
    }
}

#[tokio::test]
async fn open_tunnels_are_bounded_and_silent_ones_are_closed() {
    let server = shouting().await;
    let gateway = Fixture::start(&named(&[server.address], "tunnels = 1\ntunnel_idle = \"800ms\"", ROUTE), Setup::default()).await;
    let mut first = opened(&gateway).await;
    let second = handshake(&gateway);
    gateway.send(&second).await.refuses(503, "overloaded");
    for _ in 0..5 {
        // One that is used is not closed, however long it lasts.
        tokio::time::sleep(Duration::from_millis(200)).await;
        first.write(b"x").await;
        first.read_until(b"X").await;
    }
    assert!(first.is_closed().await);
    until("it is closed on the other side", || server.ended() == 1).await;
    // Nothing of the second went, so it may come again.
    let mut client = Client::connect(gateway.address).await;
    client.write(&raw(&second)).await;
    assert!(client.read_until(b"\r\n\r\n").await.starts_with(b"HTTP/1.1 101 "));
}

#[tokio::test]
async fn a_stop_waits_for_tunnels_until_the_drain_limit() {
    let server = shouting().await;
    let config = named(&[server.address], "", &format!("{ROUTE}\n[limits]\ndrain = \"300ms\""));
    let gateway = Fixture::start(&config, Setup::default()).await;
    let mut client = opened(&gateway).await;
    let begun = std::time::Instant::now();
    let stopping = tokio::spawn(gateway.stop());
    client.write(b"still here").await;
    client.read_until(b"STILL HERE").await;
    stopping.await.unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_captured_handshake_opens_one_tunnel_where_safe_methods_may_repeat() {
    const TIMED: &str = r#"
countersign: 1
dialect: timed
title: A time and no nonce
string_to_sign: |-
  {method}
  {target}
  {time}
algorithm: hmac-sha256
carry:
  header: { X-Timed-Key: "{key_id}", X-Timed-Time: "{time}", X-Timed-Signature: "{signature}" }
time: { format: unix, window: 5m }
waive: [body]
"#;
    let server = shouting().await;
    let mut setup = Setup { terms: countersign_core::app::Terms::new(["timed"]), ..Setup::default() };
    setup.dialects.add_yaml("timed", TIMED).unwrap();
    let gateway = Fixture::start(&named(&[server.address], "", ROUTE).replace("\"house\"", "\"timed\""), setup).await;
    let request = gateway.request("GET", "/").with_header("Connection", "Upgrade").with_header("Upgrade", "websocket");
    let handshake = gateway.sign("timed", request);
    let mut first = Client::connect(gateway.address).await;
    first.write(&raw(&handshake)).await;
    assert!(first.read_until(b"\r\n\r\n").await.starts_with(b"HTTP/1.1 101 "));
    for _ in 0..2 {
        gateway.send(&handshake).await.refuses(409, "replayed");
    }
    assert_eq!(server.connections(), 1);
}
