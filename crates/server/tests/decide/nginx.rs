//! Behind Debian's nginx, with the configuration of the document.

use bytes::Bytes;
use countersign_testbed::Nginx;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::checks;
use crate::fixture::raw;
use crate::front::{Front, HOST, decider, documented, request, values};

const PASS: [&str; 8] = ["/", "/?", "/a%2Fb", "/a//b", "/a/../b", "/?q=+%20%2b&z&=&&", "/%e4%bd%a0?%ff", "/a'(b)*;c=d:@!$,~"];
const ODD: [&str; 6] = ["//", "/a/%2e%2e/b", "/{a}|b?c={d}", "/a?b?c/d", "/a?\"b\"", "/a/./b/."];

async fn nginx(further: &str) -> Front<Nginx> {
    let decider = decider("\"nginx\"", further).await;
    let proxy = Nginx::start(&documented("nginx", decider.address, decider.upstream.address));
    Front { address: proxy.address(), decider, proxy }
}

#[tokio::test]
async fn a_signed_request_passes_with_our_identity() {
    checks::accepted_with_identity(&nginx("").await).await;
}

#[tokio::test]
async fn a_tampered_request_is_refused() {
    checks::tampered_is_refused(&nginx("").await).await;
}

#[tokio::test]
async fn a_replay_is_refused_in_a_status_that_nginx_knows() {
    checks::replay_is_refused(&nginx("").await, 403).await;
}

#[tokio::test]
async fn spoofed_names_have_no_effect() {
    checks::spoofed_names_have_no_effect(&nginx("").await).await;
}

#[tokio::test]
async fn odd_targets_pass_as_signed_or_are_refused() {
    checks::odd_targets_pass_as_signed_or_are_refused(&nginx("").await, &PASS, &ODD).await;
}

#[tokio::test]
async fn targets_that_are_none_are_refused() {
    let front = nginx("").await;
    for target in ["/a b", "/../..", "/%", "/%zz", "/a#b", "/\u{e9}", "http://api.example.com:8443/x", "*"] {
        checks::a_raw_target_is_refused(&front, target).await;
    }
}

#[tokio::test]
async fn a_body_that_nobody_sees_is_refused() {
    let front = nginx("").await;
    let signed = front.sign(request("POST", "/").with_body("hello"));
    let answer = front.send(&signed).await;
    assert_eq!((answer.status, answer.header("x-countersign-reason")), (403, Some("body_too_large")));
    // Nor one that its caller did not sign.
    let mut injected = front.sign(request("POST", "/"));
    injected.body = b"injected".to_vec();
    let answer = front.send(&injected).await;
    assert_eq!((answer.status, answer.header("x-countersign-reason")), (403, Some("body_too_large")));
    let chunked = String::from_utf8(raw(&front.sign(request("POST", "/")))).unwrap();
    let chunked = chunked.replacen("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 1);
    assert_eq!(front.exchange(chunked.as_bytes()).await.status, 403);
    assert_eq!(front.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_body_that_is_declared_unchecked_passes_and_is_told_as_such() {
    let front = nginx("decide_body = \"unchecked\"").await;
    let mut signed = front.sign(request("POST", "/").with_body("hello"));
    signed.body = b"HELLO".to_vec();
    assert_eq!(front.send(&signed).await.status, 200);
    let seen = front.decider.upstream.only();
    assert!(seen.ends_with("\r\n\r\nHELLO"), "{seen}");
    assert_eq!(values(&seen, "x-countersign-body"), ["unchecked"]);
    assert!(!values(&seen, "x-countersign-covers")[0].split(',').any(|part| part == "body"));
}

#[tokio::test]
async fn the_question_cannot_be_asked_from_outside() {
    let front = nginx("").await;
    let answer = front.send(&front.sign(request("GET", "/_countersign"))).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(front.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_decider_nothing_passes() {
    let front = nginx("").await;
    let signed = front.sign(request("GET", "/"));
    let upstream = front.decider.upstream.address;
    let Front { address, decider, proxy } = front;
    assert_ne!(upstream, address);
    decider.stop().await.unwrap();
    let mut client = crate::fixture::Client::connect(address).await;
    client.write(&raw(&signed)).await;
    assert_eq!(client.answer().await.unwrap().status, 500);
    assert!(proxy.log().contains("auth request unexpected status"), "{}", proxy.log());
}

#[tokio::test]
async fn a_configuration_that_tells_too_little_lets_nothing_pass() {
    let decider = decider("\"nginx\"", "").await;
    for line in ["X-Original-Method $request_method", "X-Original-URI $request_uri", "X-Forwarded-Proto $scheme"] {
        let config = documented("nginx", decider.address, decider.upstream.address);
        let without = config.replace(&format!("proxy_set_header {line};"), "");
        assert_ne!(config, without);
        let proxy = Nginx::start(&without);
        let mut client = crate::fixture::Client::connect(proxy.address()).await;
        client.write(&raw(&decider.sign("house", request("GET", "/")))).await;
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("x-countersign-reason")), (403, Some("malformed_request")), "{line}");
    }
    assert_eq!(decider.upstream.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn over_http2_the_authority_is_the_host() {
    let decider = decider("\"nginx\"", "").await;
    let config = documented("nginx", decider.address, decider.upstream.address).replace("listen LISTEN;", "listen LISTEN http2;");
    let proxy = Nginx::start(&config);
    let stream = tokio::net::TcpStream::connect(proxy.address()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut send = async |host: &str, body: &'static str| {
        let signed = decider.sign("house", request("POST", "/a%2F//b?c"));
        let built = http::Request::post(format!("http://{host}/a%2F//b?c"));
        let lines = signed.headers.iter().filter(|(name, _)| name != "Host");
        let built = lines.fold(built, |built, (name, value)| built.header(name, &value[..]));
        sender.send_request(built.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap().status().as_u16()
    };
    assert_eq!(send(HOST, "").await, 200);
    assert_eq!(send("other.example.com", "").await, 401);
    assert_eq!(send(HOST, "injected").await, 403);
    let seen = decider.upstream.only();
    assert!(seen.starts_with("POST /a%2F//b?c HTTP/1."), "{seen}");
    assert_eq!(values(&seen, "host"), [HOST]);
}
