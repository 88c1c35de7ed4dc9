//! Bodies that go by: the upstream sees them early, and never the end of one whose digest does not hold.

use std::time::Duration;

use countersign_protocol::Request;
use tokio::io::AsyncWriteExt;

use crate::fixture::{Client, Fixture, Setup, find, raw};
use crate::servers::{OK, Raw, named, until};

const STREAMED: &str = "body = \"streamed\"";
const UNSIGNED: &str = "body = \"unsigned\"";

async fn gateway(server: &Raw, route: &str) -> Fixture {
    Fixture::start(&named(&[server.address], "", route), Setup::default()).await
}

/// A server that answers when these bytes have come.
async fn answers_after(wanted: &'static [u8]) -> Raw {
    Raw::start(move |mut peer| async move {
        if peer.until(wanted).await {
            drop(peer.stream.write_all(OK).await);
        }
        while peer.read().await {}
    })
    .await
}

fn chunked(request: &Request, pieces: &[&[u8]]) -> Vec<u8> {
    let mut head = request.clone();
    head.body.clear();
    head.headers.push(("Transfer-Encoding".to_owned(), b"chunked".to_vec()));
    let mut bytes = raw(&head);
    for piece in pieces {
        bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        bytes.extend([piece, &b"\r\n"[..]].concat());
    }
    bytes.extend(b"0\r\nX-Trailer: dropped\r\n\r\n");
    bytes
}

#[tokio::test]
async fn a_streamed_body_goes_up_before_its_end_and_its_last_piece_when_it_held() {
    let server = answers_after(b"first second third").await;
    let gateway = gateway(&server, STREAMED).await;
    let request = gateway.sign("house", gateway.request("POST", "/").with_body("first second third"));
    let bytes = raw(&request);
    let mut client = Client::connect(gateway.address).await;
    let (begin, end) = bytes.split_at(bytes.len() - 5);
    client.write(&begin[..begin.len() - 7]).await;
    until("the head is there", || find(&server.seen(0), b"\r\n\r\n").is_some()).await;
    assert!(!String::from_utf8_lossy(&server.seen(0)).contains("first"));
    client.write(&begin[begin.len() - 7..]).await;
    until("the piece before is there", || server.seen(0).ends_with(b"first ")).await;
    client.write(end).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    let seen = String::from_utf8(server.seen(0)).unwrap();
    assert!(seen.contains("\r\nx-countersign-body: pending\r\n") && seen.contains("\r\ncontent-length: 18\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\nfirst second third"), "{seen}");
    // It was used up before its body was read.
    gateway.send(&request).await.refuses(409, "replayed");
}

#[tokio::test]
async fn a_body_whose_digest_does_not_hold_is_never_complete_upstream() {
    let server = Raw::silent().await;
    let gateway = gateway(&server, STREAMED).await;
    let signed = || gateway.sign("house", gateway.request("POST", "/").with_body("hello world"));
    let other = |body: &str| Request { body: body.as_bytes().to_vec(), ..signed() };
    let mut cases = vec![raw(&other("hello w0rld")), raw(&other("h")), raw(&other("hello world and more"))];
    cases.extend([&["hello ", "w0rld"][..], &["hello"], &["hello ", "world", "!"], &["h", "e"], &[]].map(|pieces| {
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        chunked(&signed(), &pieces)
    }));
    for (n, bytes) in cases.iter().enumerate() {
        let answer = gateway.exchange(bytes).await;
        answer.refuses(400, "body_digest_mismatch");
        // The server's connection was cut off without the end of the body.
        until("the connection is cut off", || server.ended() > n).await;
        let seen = String::from_utf8(server.seen(n)).unwrap();
        let body = seen.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        assert!(!seen.contains("\r\n0\r\n\r\n"), "{n}: {seen}");
        let announced =
            seen.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")).map(|text| text.parse::<usize>().unwrap());
        assert!(announced.is_none_or(|length| body.len() < length), "{n}: {seen}");
    }
    assert_eq!(server.connections(), cases.len());
    let status = gateway.upstreams.get("orders").unwrap().status();
    assert_eq!(status[0].failures, 0, "a peer's fault is none of the server's");
}

#[tokio::test]
async fn a_chunked_body_goes_up_whole_without_its_trailers() {
    let server = answers_after(b"0\r\n\r\n").await;
    let gateway = gateway(&server, STREAMED).await;
    let request = gateway.sign("house", gateway.request("POST", "/").with_body("hello world"));
    assert_eq!(gateway.exchange(&chunked(&request, &[b"hello ", b"wor", b"ld"])).await.status, 200);
    let seen = String::from_utf8(server.seen(0)).unwrap();
    assert!(!seen.to_ascii_lowercase().contains("trailer"), "{seen}");
    assert!(seen.ends_with("\r\n0\r\n\r\n") && seen.contains("transfer-encoding: chunked"), "{seen}");
}

#[tokio::test]
async fn a_body_is_counted_and_timed_while_it_goes_by() {
    let server = Raw::silent().await;
    let route = format!("{STREAMED}\nbody_limit = 1000\n[limits]\nbody_idle = \"100ms\"");
    let gateway = gateway(&server, &route).await;
    let signed = |size: usize| gateway.sign("house", gateway.request("POST", "/").with_body("x".repeat(size)));
    // Announced: nothing goes up, and nothing is used up.
    let large = signed(1001);
    gateway.send(&large).await.refuses(413, "body_too_large");
    gateway.send(&large).await.refuses(413, "body_too_large");
    assert_eq!(server.connections(), 0);
    let pieces = vec![&[b'x'; 100][..]; 11];
    gateway.exchange(&chunked(&signed(1100), &pieces)).await.refuses(413, "body_too_large");
    let bytes = raw(&signed(900));
    gateway.exchange(&bytes[..bytes.len() - 1]).await.refuses(400, "malformed_request");
    for seen in server.all() {
        assert!(!seen.ends_with(b"\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&seen));
    }
}

#[tokio::test]
async fn a_server_that_takes_nothing_more_times_out() {
    let server = Raw::start(|mut peer| async move {
        peer.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    let gateway = Fixture::start(&named(&[server.address], "head = \"150ms\"", STREAMED), Setup::default()).await;
    let request = gateway.sign("house", gateway.request("POST", "/").with_body(vec![b'x'; 16 << 20]));
    let mut client = Client::connect(gateway.address).await;
    let bytes = raw(&request);
    // The gateway stops reading when the server does, so the peer cannot send all.
    let given_up = until("it is given up", || gateway.upstreams.get("orders").unwrap().status()[0].failures == 1);
    let (sent, ()) = tokio::join!(client.could_write(&bytes), given_up);
    assert!(!sent, "16 MiB were buffered");
}

#[tokio::test]
async fn a_server_that_answers_early_and_reads_no_more_holds_nothing() {
    let server = Raw::start(|mut peer| async move {
        peer.head().await;
        drop(peer.stream.write_all(OK).await);
        // The socket is open, and nobody reads from it.
        std::future::pending::<()>().await;
    })
    .await;
    let gateway = gateway(&server, STREAMED).await;
    let bytes = raw(&gateway.sign("house", gateway.request("POST", "/").with_body(vec![b'x'; 16 << 20])));
    let (mut client, upstream) = (Client::connect(gateway.address).await, gateway.upstreams.get("orders").unwrap());
    let sent = tokio::time::timeout(Duration::from_secs(10), client.could_write(&bytes)).await;
    assert_eq!(sent, Ok(false), "the peer is held");
    until("the place is free", || upstream.status()[0].in_flight == 0).await;
}

#[tokio::test]
async fn a_body_that_nobody_took_goes_to_another_server() {
    let gone = std::net::SocketAddr::from(([127, 0, 0, 1], countersign_testbed::free_port()));
    let server = Raw::start(|mut peer| async move {
        if peer.until(b"hello").await {
            drop(peer.stream.write_all(OK).await);
        }
    })
    .await;
    let gateway = Fixture::start(&named(&[gone, server.address], "", STREAMED), Setup::default()).await;
    for n in 1..4 {
        let request = gateway.sign("house", gateway.request("POST", "/").with_body("hello"));
        assert_eq!(gateway.send(&request).await.status, 200, "{n}");
    }
    assert!(gateway.upstreams.get("orders").unwrap().status()[0].failures > 0);
    assert!(server.all().iter().all(|seen| seen.ends_with(b"\r\n\r\nhello")), "{:?}", server.all());
}

#[tokio::test]
async fn a_slow_peer_is_no_fault_of_the_server() {
    let server = answers_after(b"hello").await;
    let gateway = Fixture::start(&named(&[server.address], "head = \"400ms\"", STREAMED), Setup::default()).await;
    let bytes = raw(&gateway.sign("house", gateway.request("POST", "/").with_body("hello")));
    let mut client = Client::connect(gateway.address).await;
    client.write(&bytes[..bytes.len() - 1]).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    client.write(&bytes[bytes.len() - 1..]).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_caller_that_waits_is_told_to_continue_in_every_mode() {
    for route in ["", STREAMED, UNSIGNED] {
        let server = answers_after(b"hello").await;
        let gateway = gateway(&server, route).await;
        let signed = || gateway.sign("house", gateway.request("PUT", "/").with_header("Expect", "100-continue").with_body("hello"));
        let bytes = raw(&signed());
        let mut client = Client::connect(gateway.address).await;
        client.write(&bytes[..bytes.len() - 5]).await;
        assert_eq!(client.answer().await.unwrap().status, 100, "{route}");
        client.write(b"hello").await;
        assert_eq!(client.answer().await.unwrap().status, 200, "{route}");
        let mut forged = signed();
        forged.target = b"/other".to_vec();
        let bytes = raw(&forged);
        client.write(&bytes[..bytes.len() - 5]).await;
        client.answer().await.unwrap().refuses(401, "signature_mismatch");
    }
}

#[tokio::test]
async fn an_unsigned_body_is_passed_on_and_said_to_be_unchecked() {
    let server = answers_after(b"something else").await;
    let gateway = gateway(&server, UNSIGNED).await;
    let request = gateway.sign("house", gateway.request("POST", "/").with_body("hello"));
    let other = Request { body: b"something else".to_vec(), ..request };
    assert_eq!(gateway.send(&other).await.status, 200);
    let seen = String::from_utf8(server.seen(0)).unwrap();
    assert!(seen.contains("\r\nx-countersign-body: unchecked\r\n") && seen.ends_with("\r\n\r\nsomething else"), "{seen}");
    let covers = seen.split("\r\n").find_map(|line| line.strip_prefix("x-countersign-covers: ")).unwrap();
    assert!(!covers.split(',').any(|part| part == "body"), "{covers}");
    let mut forged = gateway.sign("house", gateway.request("POST", "/").with_body("hello"));
    forged.method = "PUT".to_owned();
    gateway.send(&forged).await.refuses(401, "signature_mismatch");
}

#[tokio::test]
async fn a_body_that_was_read_is_said_to_be_intact() {
    for route in ["", STREAMED, UNSIGNED] {
        let server = Raw::answering().await;
        let gateway = gateway(&server, route).await;
        assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
        assert!(String::from_utf8(server.seen(0)).unwrap().contains("\r\nx-countersign-body: intact\r\n"), "{route}");
    }
}

#[tokio::test]
async fn a_megabyte_arrives_whole_in_every_mode() {
    let body: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for route in ["", STREAMED, UNSIGNED] {
        let upstream = Raw::start(|mut peer| async move {
            peer.head().await;
            let length = |bytes: &[u8]| find(bytes, b"\r\n\r\n").map_or(0, |end| bytes.len() - end - 4);
            while length(&peer.so_far()) < 1_000_000 && peer.read().await {}
            drop(peer.stream.write_all(OK).await);
        })
        .await;
        let gateway = gateway(&upstream, route).await;
        let request = gateway.sign("house", gateway.request("POST", "/").with_body(body.clone()));
        assert_eq!(gateway.send(&request).await.status, 200, "{route}");
        assert!(upstream.seen(0).ends_with(&body), "{route}");
    }
}
