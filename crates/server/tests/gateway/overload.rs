//! More requests than are served at one time: they wait for a bounded time, in a bounded number, and then are told to retry.

use std::time::Duration;

use crate::fixture::{Client, Fixture, Setup, house, raw};

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
