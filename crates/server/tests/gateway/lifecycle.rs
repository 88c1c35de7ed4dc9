//! Starting, stopping, and connections that do nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{Client, Fixture, Setup, house, raw};

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_accepts_nothing_more() {
    let gateway = Fixture::house().await;
    let slow = raw(&gateway.sign("house", gateway.request("GET", "/slow")));
    let mut busy = Client::connect(gateway.address).await;
    let mut idle = Client::connect(gateway.address).await;
    idle.write(&raw(&gateway.sign("house", gateway.request("GET", "/")))).await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    busy.write(&slow).await;
    gateway.upstream.wait_for(2).await;
    let address = gateway.address;
    let stopping = tokio::spawn(gateway.stop());
    assert_eq!(busy.answer().await.unwrap().status, 200);
    assert!(idle.is_closed().await);
    stopping.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_drain_time_ends_a_request_that_does_not() {
    let gateway = Fixture::start(&house("[limits]\ndrain = \"50ms\""), Setup::default()).await;
    let mut half = Client::connect(gateway.address).await;
    let signed = gateway.sign("house", gateway.request("POST", "/").with_body("hello"));
    let bytes = raw(&signed);
    half.write(&bytes[..bytes.len() - 1]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::time::timeout(Duration::from_secs(5), gateway.stop()).await.unwrap().unwrap();
    assert!(half.is_closed().await);
}

#[tokio::test]
async fn the_admin_listener_tells_life_and_readiness() {
    let gateway = Fixture::start(&format!("admin = \"127.0.0.1:0\"\n{}", house("")), Setup::default()).await;
    let admin = gateway.admin.unwrap();
    for path in ["/livez", "/readyz"] {
        let mut client = Client::connect(admin).await;
        client.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]), "{path}");
    }
    assert_eq!(gateway.exchange(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.status, 401);
}

#[tokio::test]
async fn a_slow_head_and_a_paused_body_are_not_waited_for() {
    let gateway = Fixture::start(&house("[limits]\nhead_time = \"100ms\"\nbody_idle = \"100ms\""), Setup::default()).await;
    let mut slow = Client::connect(gateway.address).await;
    slow.write(b"GET / HTTP/1.1\r\nHost:").await;
    assert!(slow.is_closed().await);
    let mut silent = Client::connect(gateway.address).await;
    assert!(silent.is_closed().await);
    let mut paused = Client::connect(gateway.address).await;
    let bytes = raw(&gateway.sign("house", gateway.request("POST", "/").with_body("hello")));
    paused.write(&bytes[..bytes.len() - 1]).await;
    paused.answer().await.unwrap().refuses(400, "malformed_request");
    assert!(paused.is_closed().await);
    assert!(gateway.upstream.requests().is_empty());
}

#[tokio::test]
async fn several_workers_share_one_address() {
    let gateway = Fixture::start(&house("").replace("workers = 1", "workers = 3"), Setup::default()).await;
    let request = gateway.sign("house", gateway.request("GET", "/"));
    assert_eq!(gateway.send(&request).await.status, 200);
    for _ in 0..10 {
        // Whichever worker takes it: they share one guard.
        gateway.send(&request).await.refuses(409, "replayed");
    }
}

#[tokio::test]
async fn fewer_connections_than_workers_are_served_whichever_worker_takes_them() {
    let config = house("[limits]\nconnections = 1").replace("workers = 1", "workers = 4");
    let gateway = Fixture::start(&config, Setup::default()).await;
    for _ in 0..20 {
        assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    }
    // And no more than one at a time.
    let mut first = Client::connect(gateway.address).await;
    first.write(&raw(&gateway.sign("house", gateway.request("GET", "/")))).await;
    assert_eq!(first.answer().await.unwrap().status, 200);
    let mut second = Client::connect(gateway.address).await;
    second.write(&raw(&gateway.sign("house", gateway.request("GET", "/")))).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), second.answer()).await.is_err());
    drop(first);
    assert_eq!(second.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn an_idle_connection_of_http2_is_closed_and_no_stream_is_cut() {
    let gateway = Fixture::start(&house("[limits]\nhead_time = \"200ms\""), Setup::default()).await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let begun = Instant::now();
    // The upstream takes longer for its answer than a connection may be idle.
    for _ in 0..2 {
        let signed = gateway.sign("house", gateway.request("GET", "/slow"));
        let mut request = http::Request::builder().uri(format!("http://{}/slow", gateway.address));
        for (name, value) in signed.headers.iter().filter(|(name, _)| name != "Host") {
            request = request.header(name, value.as_slice());
        }
        let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
    }
    // Told by GOAWAY, so that the end is no error.
    tokio::time::timeout(Duration::from_secs(10), connection).await.expect("closed in time").unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(2 * 700 + 200), "closed too early");
}

#[tokio::test]
async fn a_head_of_http2_that_does_not_end_is_not_waited_for() {
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    // HEADERS of stream 1 with END_STREAM and without END_HEADERS: `:method: GET`, `:scheme: http`.
    const BEGUN: &[u8] = b"\0\0\x02\x01\x01\0\0\0\x01\x82\x86";
    let gateway = Fixture::start(&house("[limits]\nhead_time = \"200ms\""), Setup::default()).await;
    for sent in [&b""[..], SETTINGS, &[SETTINGS, BEGUN].concat()] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let begun = Instant::now();
        stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", sent].concat()).await.unwrap();
        let mut rest = Vec::new();
        let _reset_or_end = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.expect("closed in time");
        assert!(begun.elapsed() >= Duration::from_millis(200), "closed too early");
    }
}
