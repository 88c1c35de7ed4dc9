//! Answers: each piece is passed on at once, and the kinds of answers without a body stay what they are.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::fixture::{Client, Fixture, Setup, raw};
use crate::servers::{Raw, named};

async fn ask(gateway: &Fixture, method: &str) -> Client {
    let mut client = Client::connect(gateway.address).await;
    client.write(&raw(&gateway.sign("house", gateway.request(method, "/")))).await;
    client
}

async fn answering(answer: &'static [u8]) -> Raw {
    Raw::start(move |mut peer| async move { while peer.head().await && peer.stream.write_all(answer).await.is_ok() {} }).await
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let go = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&go);
    let server = Raw::start(move |mut peer| {
        let told = Arc::clone(&told);
        async move {
            while peer.head().await {
                let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
                peer.stream.write_all(head).await.unwrap();
                for n in 0..5 {
                    told.acquire().await.unwrap().forget();
                    let event = format!("data: {n}\n\n");
                    peer.stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await.unwrap();
                }
                peer.stream.write_all(b"0\r\n\r\n").await.unwrap();
            }
        }
    })
    .await;
    let gateway = Fixture::start(&named(&[server.address], "", ""), Setup::default()).await;
    let mut client = ask(&gateway, "GET").await;
    let head = String::from_utf8(client.read_until(b"\r\n\r\n").await).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-type: text/event-stream"), "{head}");
    for n in 0..5 {
        // The next event is not sent before this one has come.
        go.add_permits(1);
        client.read_until(format!("data: {n}\n\n").as_bytes()).await;
    }
    client.read_until(b"\r\n0\r\n\r\n").await;
    // The connection to the server is whole, and is used again.
    drop(ask(&gateway, "GET").await.read_until(b"\r\n\r\n").await);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_pauses_for_too_long_breaks_off() {
    let server = Raw::start(|mut peer| async move {
        peer.head().await;
        drop(peer.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await);
        while peer.read().await {}
    })
    .await;
    let gateway = Fixture::start(&named(&[server.address], "answer_idle = \"100ms\"", ""), Setup::default()).await;
    let mut client = ask(&gateway, "GET").await;
    client.read_until(b"hello").await;
    assert!(client.is_closed().await);
    crate::servers::until("the server's connection is closed", || server.ended() == 1).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_made_whole() {
    let server = Raw::start(|mut peer| async move {
        peer.head().await;
        drop(peer.stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await);
    })
    .await;
    let gateway = Fixture::start(&named(&[server.address], "", ""), Setup::default()).await;
    let mut client = ask(&gateway, "GET").await;
    client.read_until(b"hello\r\n").await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn answers_without_a_body_keep_their_headers_and_the_connection() {
    let cases: [(&str, &'static [u8], &str); 4] = [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "content-length: 1234"),
        ("GET", b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", "x-a: b"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", "etag: \"a\""),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 0\r\n\r\n", "x-a: b"),
    ];
    for (method, answer, line) in cases {
        let server = answering(answer).await;
        let gateway = Fixture::start(&named(&[server.address], "", ""), Setup::default()).await;
        let mut client = Client::connect(gateway.address).await;
        for _ in 0..2 {
            client.write(&raw(&gateway.sign("house", gateway.request(method, "/")))).await;
            let head = String::from_utf8(client.read_until(b"\r\n\r\n").await).unwrap();
            assert!(head.starts_with("HTTP/1.1 ") && head.contains(line), "{method}: {head}");
        }
        assert_eq!((server.connections(), server.requests()), (1, 2), "{method} {line}");
    }
}
