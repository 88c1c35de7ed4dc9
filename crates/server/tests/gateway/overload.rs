//! More requests than are served at one time: they wait for a bounded time, in a bounded number, and then are told to retry.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{Client, Fixture, Setup, house, raw};
use crate::http2::built;

/// A connection whose request has the only place.
async fn busy(gateway: &Fixture) -> Client {
    let before = gateway.upstream.requests().len();
    let mut client = Client::connect(gateway.address).await;
    client.write(&raw(&gateway.sign("house", gateway.request("GET", "/slow")))).await;
    gateway.upstream.wait_for(before + 1).await;
    client
}

#[tokio::test]
async fn one_waits_and_passes_and_the_others_are_refused() {
    let gateway = Fixture::start(&house("[limits]\nrequests = 1\nqueue = 1\nqueue_time = \"20s\""), Setup::default()).await;
    // All three come while the slow one runs, unless the machine stands still meanwhile: then once more.
    for _ in 0..5 {
        let mut running = busy(&gateway).await;
        let send = async || gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await;
        let (one, two, three) = tokio::join!(send(), send(), send());
        assert_eq!(running.answer().await.unwrap().status, 200);
        let (passed, refused): (Vec<_>, Vec<_>) = [one, two, three].into_iter().partition(|answer| answer.status == 200);
        for answer in &refused {
            answer.refuses(503, "overloaded");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        if passed.len() == 1 {
            assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
            return;
        }
    }
    panic!("one of three never waited alone");
}

#[tokio::test]
async fn one_that_waits_need_not_have_sent_its_body() {
    let gateway = Fixture::start(&house("[limits]\nrequests = 1\nqueue_time = \"20s\""), Setup::default()).await;
    let mut running = busy(&gateway).await;
    let mut waiting = Client::connect(gateway.address).await;
    let whole = raw(&gateway.sign("house", gateway.request("POST", "/").with_body("hello")));
    let (head, body) = whole.split_at(whole.len() - 5);
    waiting.write(head).await;
    assert_eq!(running.answer().await.unwrap().status, 200);
    waiting.write(body).await;
    assert_eq!(waiting.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn nobody_waits_longer_than_the_queue_time() {
    let gateway = Fixture::start(&house("[limits]\nrequests = 1\nqueue_time = \"50ms\""), Setup::default()).await;
    let mut running = busy(&gateway).await;
    let begun = std::time::Instant::now();
    gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.refuses(503, "overloaded");
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert_eq!(running.answer().await.unwrap().status, 200);
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
}

#[tokio::test]
async fn a_refused_request_uses_up_no_nonce() {
    let gateway = Fixture::start(&house("[limits]\nrequests = 1\nqueue = 0"), Setup::default()).await;
    let mut running = busy(&gateway).await;
    let request = gateway.sign("house", gateway.request("GET", "/"));
    gateway.send(&request).await.refuses(503, "overloaded");
    assert_eq!(running.answer().await.unwrap().status, 200);
    assert_eq!(gateway.send(&request).await.status, 200);
}

#[tokio::test]
async fn all_bodies_together_have_a_bound() {
    let gateway = Fixture::start(&house("[limits]\nbodies_bytes = 1000"), Setup::default()).await;
    let post = |target: &str, length: usize| gateway.sign("house", gateway.request("POST", target).with_body("a".repeat(length)));
    let mut first = Client::connect(gateway.address).await;
    first.write(&raw(&post("/slow", 900))).await;
    gateway.upstream.wait_for(1).await;
    let second = post("/", 200);
    gateway.send(&second).await.refuses(503, "overloaded");
    assert_eq!(gateway.send(&post("/", 100)).await.status, 200, "what fits beside it is served");
    assert_eq!(first.answer().await.unwrap().status, 200);
    assert_eq!(gateway.send(&second).await.status, 200, "the room is given back, and the refused request used no nonce up");
    gateway.send(&post("/", 1001)).await.refuses(503, "overloaded");
}

/// An upstream whose answers have no end for practical purposes.
async fn endless() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40);
                let mut request = [0; 4096];
                let begun = stream.read(&mut request).await.is_ok() && stream.write_all(head.as_bytes()).await.is_ok();
                while begun && stream.write_all(&[b'a'; 65_536]).await.is_ok() {}
            });
        }
    });
    address
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_keeps_no_place() {
    let route = format!("[[route]]\nprefix = \"/endless\"\nupstream = \"http://{}\"\ndialects = [\"house\"]", endless().await);
    let limits = "[limits]\nrequests = 1\nqueue_time = \"20s\"\nanswer_idle = \"300ms\"";
    let gateway = Fixture::start(&house(&format!("{limits}\n\n{route}")), Setup::default()).await;
    let mut idle = Client::connect(gateway.address).await;
    idle.write(&raw(&gateway.sign("house", gateway.request("GET", "/endless")))).await;
    idle.read_until(b"\r\n\r\n").await;
    // Nothing more is read. The place is free again once the gateway has had enough of it.
    let begun = std::time::Instant::now();
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(300), "it was not the idle one that had the place");
}

#[tokio::test]
async fn a_stream_of_http2_that_gives_no_window_keeps_no_place() {
    let route = format!("[[route]]\nprefix = \"/endless\"\nupstream = \"http://{}\"\ndialects = [\"house\"]", endless().await);
    let limits = "[limits]\nrequests = 1\nqueue_time = \"20s\"\nanswer_idle = \"300ms\"";
    let gateway = Fixture::start(&house(&format!("{limits}\n\n{route}")), Setup::default()).await;
    // One caller gives no window at all, the other takes a little and then nothing.
    for window in [0, 70_000] {
        let stream = TcpStream::connect(gateway.address).await.unwrap();
        let mut http2 = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        http2.initial_stream_window_size(window);
        let (mut sender, connection) = http2.handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let begun = std::time::Instant::now();
        let answer = sender.send_request(asked(&gateway, "/endless")).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
        assert!(begun.elapsed() >= Duration::from_millis(300), "it was not the idle one that had the place");
        // The connection lives on, and so do its other streams; the one that took nothing is reset.
        if window > 0 {
            assert!(answer.into_body().collect().await.is_err(), "an answer that was let go ended as if it were whole");
        }
        assert!(!connection.is_finished());
        assert_eq!(sender.send_request(asked(&gateway, "/")).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_whole_answer_is_given_to_http2_as_it_is_taken() {
    let config = house("[limits]\nanswer_idle = \"300ms\"").replace("http://UPSTREAM", "echo");
    let gateway = Fixture::start(&config, Setup::default()).await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let mut http2 = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    http2.initial_stream_window_size(100);
    let (mut sender, connection) = http2.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let long = "a".repeat(60_000);
    let answer = sender.send_request(built(&gateway, "POST", &long, |builder| builder)).await.unwrap();
    assert!(answer.into_body().collect().await.unwrap().to_bytes().len() > 60_000, "it gets all who takes all");
    let answer = sender.send_request(built(&gateway, "POST", &long, |builder| builder)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert!(answer.into_body().collect().await.is_err(), "nothing was taken of it for longer than is waited");
}

fn asked(gateway: &Fixture, target: &str) -> http::Request<Empty<Bytes>> {
    let signed = gateway.sign("house", gateway.request("GET", target));
    let mut builder = http::Request::builder().uri(format!("http://{}{target}", gateway.address));
    for (name, value) in signed.headers.iter().filter(|(name, _)| name != "Host") {
        builder = builder.header(name, value.as_slice());
    }
    builder.body(Empty::new()).unwrap()
}
