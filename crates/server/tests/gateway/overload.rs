//! More requests than are served at one time: they wait for a bounded time, in a bounded number, and then are told to retry.

use std::time::Duration;

use crate::fixture::{Client, Fixture, Setup, house, raw};

async fn busy(gateway: &Fixture) -> Client {
    let mut client = Client::connect(gateway.address).await;
    client.write(&raw(&gateway.sign("house", gateway.request("GET", "/slow")))).await;
    gateway.upstream.wait_for(1).await;
    client
}

#[tokio::test]
async fn one_waits_the_next_is_refused_and_both_pass_later() {
    let gateway = Fixture::start(&house("[limits]\nrequests = 1\nqueue = 1\nqueue_time = \"20s\""), Setup::default()).await;
    let mut running = busy(&gateway).await;
    let mut waiting = Client::connect(gateway.address).await;
    let whole = raw(&gateway.sign("house", gateway.request("POST", "/").with_body("hello")));
    // Its body is not there yet: it waits all the same, and holds its place in the queue.
    let (head, body) = whole.split_at(whole.len() - 5);
    waiting.write(head).await;
    let refused = loop {
        let answer = gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await;
        if answer.status != 200 {
            break answer;
        }
        // It came before the one that waits.
        running = busy(&gateway).await;
    };
    refused.refuses(503, "overloaded");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(running.answer().await.unwrap().status, 200);
    waiting.write(body).await;
    assert_eq!(waiting.answer().await.unwrap().status, 200);
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
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
