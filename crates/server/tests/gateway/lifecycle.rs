//! Starting, stopping, and connections that do nothing.

use std::time::Duration;

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
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
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
