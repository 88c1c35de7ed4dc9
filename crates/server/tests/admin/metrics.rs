//! The metrics agree with what was sent, and a peer cannot make them grow.

use countersign_protocol::Credential;

use crate::fixture::{Client, KEY, SECRET, Setup, house, raw};
use crate::support::{Operated, value};

const REQUESTS: &str = "countersign_requests_total";

#[tokio::test]
async fn what_is_counted_is_what_was_sent() {
    let config = format!(
        "{}[[route]]\nhost = \"other.example\"\nprefix = \"/v2\"\nupstream = \"http://127.0.0.1:1\"\ndialects = [\"house\"]\n",
        house("")
    );
    let operated = Operated::start(&config, "", Setup::default()).await;
    let gateway = &operated.gateway;
    for n in 0..7 {
        let request = gateway.request("POST", "/").with_body("x".repeat(n * 100));
        assert_eq!(gateway.send(&gateway.sign("house", request)).await.status, 200);
    }
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("POST", "/fails"))).await.status, 500);
    let repeated = gateway.sign("house", gateway.request("GET", "/"));
    assert_eq!(gateway.send(&repeated).await.status, 200);
    for _ in 0..3 {
        gateway.send(&repeated).await.refuses(409, "replayed");
    }
    for _ in 0..2 {
        gateway.send(&gateway.request("GET", "/")).await.refuses(401, "missing_signature");
    }
    let wrong = gateway.sign_as("house", gateway.request("GET", "/"), &Credential::hmac(KEY, "wrong"), &gateway.options());
    gateway.send(&wrong).await.refuses(401, "signature_mismatch");
    let mut elsewhere = gateway.request("GET", "/v2/a");
    elsewhere.headers[0].1 = b"other.example".to_vec();
    gateway.send(&gateway.sign("house", elsewhere)).await.refuses(502, "upstream_unavailable");
    gateway.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await.refuses(400, "malformed_request");

    let metrics = operated.metrics().await;
    let count = |labels: &[(&str, &str)]| value(&metrics, REQUESTS, labels);
    assert_eq!(count(&[("route", "/"), ("dialect", "house"), ("reason", "none"), ("class", "2xx")]), 8.0, "{metrics}");
    assert_eq!(count(&[("route", "/"), ("dialect", "house"), ("reason", "none"), ("class", "5xx")]), 1.0);
    assert_eq!(count(&[("dialect", "house"), ("reason", "replayed"), ("class", "4xx")]), 3.0);
    assert_eq!(count(&[("dialect", ""), ("reason", "missing_signature")]), 2.0);
    assert_eq!(count(&[("dialect", "house"), ("reason", "signature_mismatch")]), 1.0);
    assert_eq!(count(&[("route", "other.example/v2"), ("reason", "upstream_unavailable"), ("class", "5xx")]), 1.0);
    assert_eq!(count(&[("route", ""), ("reason", "malformed_request")]), 1.0);
    assert_eq!(count(&[]), 17.0);
    let value = |name: &str, labels: &[(&str, &str)]| value(&metrics, name, labels);
    assert_eq!(value("countersign_request_duration_seconds_count", &[]), 17.0);
    assert_eq!(value("countersign_admission_duration_seconds_count", &[("route", "/")]), 15.0);
    assert_eq!(value("countersign_request_body_bytes_count", &[("route", "/")]), 9.0);
    assert_eq!(value("countersign_request_body_bytes_sum", &[("route", "/")]), 2_100.0);
    let upstream = format!("http://{}", gateway.upstream.address);
    assert_eq!(value("countersign_upstream_duration_seconds_count", &[("upstream", &upstream)]), 9.0);
    assert_eq!(value("countersign_upstream_failures_total", &[("upstream", &upstream)]), 0.0);
    assert_eq!(value("countersign_upstream_failures_total", &[("upstream", "http://127.0.0.1:1")]), 1.0);
    assert_eq!(value("countersign_store_duration_seconds_count", &[("operation", "reserve")]), 13.0);
    // The one whose upstream took no connection was released.
    assert_eq!(value("countersign_replay_entries", &[]), 9.0);
    assert_eq!(value("countersign_replay_entries_limit", &[]), 10_000_000.0);
    assert_eq!(value("countersign_connections_total", &[]), 17.0);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_paths_and_methods_makes_no_series() {
    let operated = Operated::house().await;
    let gateway = &operated.gateway;
    let series = |metrics: &str| metrics.lines().filter(|line| !line.starts_with('#')).count();
    let one = |n: u32| {
        let request = gateway.request(if n.is_multiple_of(2) { "GET" } else { "PURGE" }, &format!("/{n}?a={n}"));
        gateway.sign_as("house", request, &Credential::hmac(format!("key-of-nobody-{n}"), SECRET), &gateway.options())
    };
    gateway.send(&one(0)).await.refuses(401, "signature_mismatch");
    let before = operated.metrics().await;
    let mut client = Client::connect(gateway.address).await;
    for n in 1..300 {
        client.write(&raw(&one(n))).await;
        client.answer().await.unwrap().refuses(401, "signature_mismatch");
    }
    let after = operated.metrics().await;
    assert_eq!(series(&before), series(&after));
    assert_eq!(value(&after, REQUESTS, &[("reason", "unknown_key"), ("dialect", "house")]), 300.0);
    assert!(!after.contains("key-of-nobody") && !after.contains("PURGE"));
}

#[tokio::test]
async fn a_caller_with_a_skewed_clock_is_found() {
    let operated = Operated::house().await;
    let gateway = &operated.gateway;
    for seconds in [0, 240] {
        let signed = gateway.sign("house", gateway.request("GET", "/"));
        gateway.advance(seconds);
        assert_eq!(gateway.send(&signed).await.status, 200);
    }
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    // Only those whose signature held are told.
    let forged = gateway.sign_as("house", gateway.request("GET", "/"), &Credential::hmac(KEY, "wrong"), &gateway.options());
    gateway.advance(290);
    gateway.send(&forged).await.refuses(401, "signature_mismatch");
    let metrics = operated.metrics().await;
    assert_eq!(value(&metrics, "countersign_clock_offset_seconds", &[("app", "shop")]), 0.0);
    assert_eq!(value(&metrics, "countersign_clock_offset_max_seconds", &[("app", "shop")]), -240.0);
}

#[tokio::test]
async fn what_is_in_flight_is_told_and_ends() {
    let operated = Operated::house().await;
    let gateway = &operated.gateway;
    let mut slow = Client::connect(gateway.address).await;
    slow.write(&raw(&gateway.sign("house", gateway.request("GET", "/slow")))).await;
    gateway.upstream.wait_for(1).await;
    let metrics = operated.metrics().await;
    let of = |name| value(&metrics, name, &[]);
    assert_eq!((of("countersign_requests_in_flight"), of("countersign_connections_open")), (1.0, 1.0));
    assert_eq!(of("countersign_upstream_requests_in_flight"), 1.0);
    assert_eq!(slow.answer().await.unwrap().status, 200);
    drop(slow);
    for _ in 0..2_000 {
        let metrics = operated.metrics().await;
        if value(&metrics, "countersign_connections_open", &[]) == 0.0 {
            assert_eq!(value(&metrics, "countersign_requests_in_flight", &[]), 0.0);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the connection did not end");
}
