//! Which server gets a request: weights, health checks, ejection, limits; and what is tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_testbed::free_port;
use tokio::io::AsyncWriteExt;

use crate::fixture::{Fixture, Recorder, Setup, raw};
use crate::servers::{OK, Raw, named, until, written};

async fn gateway(config: &str) -> Fixture {
    Fixture::start(config, Setup::default()).await
}

async fn get(gateway: &Fixture, target: &str) -> u16 {
    gateway.send(&gateway.sign("house", gateway.request("GET", target))).await.status
}

#[tokio::test]
async fn requests_are_spread_by_weight() {
    let (a, b, c) = (Recorder::start().await, Recorder::start().await, Recorder::start().await);
    let servers = format!(
        "{{ url = \"http://{}\", weight = 5 }}, {{ url = \"http://{}\" }}, {{ url = \"http://{}/\", weight = 2 }}",
        a.address, b.address, c.address
    );
    let gateway = gateway(&written(&servers, "", "")).await;
    for n in 0..16 {
        assert_eq!(get(&gateway, &format!("/{n}")).await, 200);
    }
    assert_eq!([&a, &b, &c].map(|server| server.requests().len()), [10, 2, 4]);
    let status = gateway.upstreams.get("orders").unwrap().status();
    assert_eq!(status.iter().map(|server| server.requests).collect::<Vec<_>>(), [10, 2, 4]);
    assert!(status.iter().all(|server| server.healthy && !server.ejected && server.failures == 0 && server.in_flight == 0));
    assert!(gateway.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_server_that_fails_its_checks_gets_nothing_until_it_is_well_again() {
    let well = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&well);
    let checked = Raw::start(move |mut peer| {
        let asked = Arc::clone(&asked);
        async move {
            while peer.head().await {
                let answer: &[u8] = if asked.load(Ordering::SeqCst) { OK } else { b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" };
                if peer.stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let other = Raw::answering().await;
    let check = "check = { path = \"/healthz?deep\", interval = \"10ms\", timeout = \"5s\", rise = 2, fall = 2 }";
    let gateway = gateway(&named(&[checked.address, other.address], check, "")).await;
    let healthy = || gateway.upstreams.get("orders").unwrap().status()[0].healthy;
    well.store(false, Ordering::SeqCst);
    until("the server is out", || !healthy()).await;
    for _ in 0..4 {
        assert_eq!(get(&gateway, "/mine").await, 200);
    }
    assert!(checked.all().iter().all(|bytes| bytes.starts_with(b"GET /healthz?deep HTTP/1.1\r\n")));
    well.store(true, Ordering::SeqCst);
    until("the server is in again", healthy).await;
    for _ in 0..2 {
        assert_eq!(get(&gateway, "/again").await, 200);
    }
    assert!(checked.all().iter().any(|bytes| bytes.starts_with(b"GET /again ")));
}

#[tokio::test]
async fn a_server_that_is_gone_is_passed_over_left_out_and_comes_back() {
    let (gone, other) = (std::net::SocketAddr::from(([127, 0, 0, 1], free_port())), Raw::answering().await);
    let eject = "eject = { after = 2, time = \"1500ms\", most = \"3s\" }";
    let gateway = gateway(&named(&[gone, other.address], eject, "")).await;
    let server = || gateway.upstreams.get("orders").unwrap().status().remove(0);
    // Nothing of a request went to a server that nobody listens on, so the other one gets it.
    for _ in 0..4 {
        assert_eq!(get(&gateway, "/").await, 200);
    }
    assert!(server().ejected);
    assert_eq!(server().failures, 2);
    for _ in 0..4 {
        assert_eq!(get(&gateway, "/").await, 200);
    }
    assert_eq!(server().failures, 2);
    let back = Raw::at(gone, |mut peer| async move { while peer.head().await && peer.stream.write_all(OK).await.is_ok() {} }).await;
    until("the server is tried again", || !server().ejected).await;
    for _ in 0..2 {
        assert_eq!(get(&gateway, "/").await, 200);
    }
    assert_eq!((back.requests(), server().failures), (1, 2));
}

#[tokio::test]
async fn gateway_errors_count_against_a_server_and_other_answers_do_not() {
    for (status, more, out) in [(503, "", true), (500, "", false), (500, ", server_errors = true", true), (404, "", false)] {
        let failing = Raw::start(move |mut peer| async move {
            while peer.head().await {
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                if peer.stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        })
        .await;
        let other = Raw::answering().await;
        let eject = format!("eject = {{ after = 3, share = 50{more} }}");
        let gateway = gateway(&named(&[failing.address, other.address], &eject, "")).await;
        for _ in 0..8 {
            get(&gateway, "/").await;
        }
        assert_eq!(gateway.upstreams.get("orders").unwrap().status()[0].ejected, out, "{status}{more}");
        assert_eq!(failing.requests(), if out { 3 } else { 4 }, "{status}{more}");
    }
}

#[tokio::test]
async fn nothing_is_tried_again_once_a_byte_went() {
    let greedy = Raw::start(|mut peer| async move {
        let mut one = [0; 1];
        drop(tokio::io::AsyncReadExt::read(&mut peer.stream, &mut one).await);
    })
    .await;
    let other = Raw::answering().await;
    let gateway = gateway(&named(&[greedy.address, other.address], "retries = 5", "")).await;
    let request = gateway.sign("house", gateway.request("POST", "/").with_body("hello"));
    gateway.send(&request).await.refuses(502, "upstream_unavailable");
    assert_eq!((greedy.connections(), other.connections()), (1, 0));
    // It may have been acted on, so it is used up.
    gateway.send(&request).await.refuses(409, "replayed");
}

#[tokio::test]
async fn a_request_that_reached_nobody_may_come_again() {
    let port = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let gateway = gateway(&named(&[port], "", "")).await;
    let request = gateway.sign("house", gateway.request("POST", "/").with_body("hello"));
    gateway.send(&request).await.refuses(502, "upstream_unavailable");
    let back = Raw::at(port, |mut peer| async move { while peer.head().await && peer.stream.write_all(OK).await.is_ok() {} }).await;
    assert_eq!(gateway.send(&request).await.status, 200);
    gateway.send(&request).await.refuses(409, "replayed");
    assert_eq!(back.requests(), 1);
}

#[tokio::test]
async fn connections_are_kept_and_one_that_was_closed_is_replaced() {
    let server = Raw::start(|mut peer| async move {
        for _ in 0..3 {
            if !peer.head().await || peer.stream.write_all(OK).await.is_err() {
                return;
            }
        }
    })
    .await;
    let gateway = gateway(&named(&[server.address], "", "")).await;
    for n in 0..12 {
        assert_eq!(get(&gateway, &format!("/{n}")).await, 200, "{n}");
    }
    assert_eq!(server.connections(), 4);
    assert_eq!(server.requests(), 12);
}

#[tokio::test]
async fn a_connection_is_not_kept_longer_than_it_may_be_unused() {
    let server = Raw::answering().await;
    let gateway = gateway(&named(&[server.address], "idle = \"20ms\"", "")).await;
    assert_eq!(get(&gateway, "/").await, 200);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(get(&gateway, "/").await, 200);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_server_with_all_the_requests_it_may_have_gets_no_more() {
    let server = Raw::silent().await;
    let gateway = gateway(&named(&[server.address], "requests = 1\nhead = \"400ms\"", "")).await;
    let first = raw(&gateway.sign("house", gateway.request("GET", "/first")));
    let mut busy = crate::fixture::Client::connect(gateway.address).await;
    busy.write(&first).await;
    until("the server has a request", || server.requests() == 1).await;
    let second = gateway.sign("house", gateway.request("GET", "/second"));
    gateway.send(&second).await.refuses(503, "overloaded");
    busy.answer().await.unwrap().refuses(504, "upstream_timeout");
    // The one that was turned away reached nobody: it may come again.
    gateway.send(&second).await.refuses(504, "upstream_timeout");
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn the_head_of_an_answer_has_its_limit() {
    let server = Raw::start(|mut peer| async move {
        peer.head().await;
        let answer = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(20_000));
        drop(peer.stream.write_all(answer.as_bytes()).await);
        while peer.read().await {}
    })
    .await;
    let strict = gateway(&named(&[server.address], "head_bytes = 8192", "")).await;
    let request = strict.sign("house", strict.request("GET", "/"));
    strict.send(&request).await.refuses(502, "upstream_unavailable");
    let lax = gateway(&named(&[server.address], "", "")).await;
    assert_eq!(get(&lax, "/").await, 200);
}

#[tokio::test]
async fn a_server_that_switches_protocols_unasked_is_not_believed() {
    let server = Raw::start(|mut peer| async move {
        peer.head().await;
        drop(peer.stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n").await);
        while peer.read().await {}
    })
    .await;
    let gateway = gateway(&named(&[server.address], "", "")).await;
    gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.refuses(502, "upstream_unavailable");
}
