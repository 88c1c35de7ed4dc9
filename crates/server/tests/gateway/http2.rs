//! HTTP/2 with prior knowledge, on the same port.

use bytes::Bytes;
use countersign_core::app::Terms;
use countersign_protocol::Credential;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::fixture::{Fixture, SECRET, Setup, house};

pub(crate) async fn exchange(gateway: &Fixture, request: http::Request<Full<Bytes>>) -> (u16, Vec<u8>) {
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
}

pub(crate) fn built(
    gateway: &Fixture,
    method: &str,
    body: &str,
    change: impl FnOnce(http::request::Builder) -> http::request::Builder,
) -> http::Request<Full<Bytes>> {
    let signed = gateway.sign("house", gateway.request(method, "/a%2Fb?x=+").with_body(body));
    let mut builder = http::Request::builder().method(method).uri(format!("http://{}/a%2Fb?x=+", gateway.address));
    for (name, value) in signed.headers.iter().filter(|(name, _)| name != "Host") {
        builder = builder.header(name, value.as_slice());
    }
    change(builder).body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

#[tokio::test]
async fn a_signed_request_passes_and_goes_up_as_http1() {
    let gateway = Fixture::house().await;
    let (status, body) = exchange(&gateway, built(&gateway, "POST", "hello", |builder| builder)).await;
    assert_eq!((status, body.as_slice()), (200, &b"ok"[..]));
    let seen = gateway.upstream.only();
    assert!(seen.starts_with("POST /a%2Fb?x=+ HTTP/1.1\r\n") && seen.ends_with("\r\n\r\nhello"), "{seen}");
    assert!(seen.contains(&format!("host: {}\r\n", gateway.address)), "{seen}");
    assert_eq!(exchange(&gateway, built(&gateway, "GET", "", |builder| builder)).await.0, 200);
}

#[tokio::test]
async fn names_that_were_signed_in_capitals_travel_in_small_letters() {
    let setup = Setup { terms: Terms::new(["x-ca"]), ..Setup::default() };
    let gateway = Fixture::start(&house("").replace("\"house\"", "\"x-ca\""), setup).await;
    let mut options = gateway.options();
    let listed = ["X-Ca-Key", "X-Ca-Nonce", "X-Ca-Timestamp", "X-Device-Id"];
    options.headers = Some(listed.map(str::to_owned).to_vec());
    let request = gateway.request("GET", "/orders").with_header("X-Device-Id", "d1");
    let signed = gateway.sign_as("x-ca", request, &Credential::hmac("key-1", SECRET), &options);
    let list = signed.headers.iter().find(|(name, _)| name == "X-Ca-Signature-Headers").unwrap();
    assert_eq!(list.1, listed.join(",").as_bytes());
    let send = async |device: &str| {
        let mut builder = http::Request::builder().uri(format!("http://{}/orders", gateway.address));
        for (name, value) in signed.headers.iter().filter(|(name, _)| name != "Host" && name != "X-Device-Id") {
            builder = builder.header(name, value.as_slice());
        }
        exchange(&gateway, builder.header("x-device-id", device).body(Full::new(Bytes::new())).unwrap()).await.0
    };
    assert_eq!(send("d2").await, 401);
    assert_eq!(send("d1").await, 200);
}

#[tokio::test]
async fn a_host_that_differs_from_the_authority_is_refused() {
    let gateway = Fixture::house().await;
    let (status, body) = exchange(&gateway, built(&gateway, "GET", "", |builder| builder.header("host", "other"))).await;
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(&body).contains("malformed_request"));
    let same = gateway.address.to_string();
    assert_eq!(exchange(&gateway, built(&gateway, "GET", "", |builder| builder.header("host", same))).await.0, 200);
}

#[tokio::test]
async fn limits_and_refusals_are_the_same() {
    let gateway = Fixture::house().await;
    let (status, body) = exchange(&gateway, built(&gateway, "GET", "", |builder| builder.header("x-long", "a".repeat(33 * 1024)))).await;
    assert_eq!((status, String::from_utf8_lossy(&body).contains("head_too_large")), (431, true));
    let (status, body) = exchange(&gateway, built(&gateway, "GET", "", |builder| builder.method("PUT"))).await;
    assert_eq!((status, String::from_utf8_lossy(&body).contains("signature_mismatch")), (401, true));
    assert!(gateway.upstream.requests().is_empty());
}

#[tokio::test]
async fn crumbs_of_a_cookie_are_verified_and_go_up_as_one_line() {
    let setup = Setup { terms: Terms::new(["x-ca"]), ..Setup::default() };
    let gateway = Fixture::start(&house("").replace("\"house\"", "\"x-ca\""), setup).await;
    let mut options = gateway.options();
    options.headers = Some(["X-Ca-Key", "X-Ca-Nonce", "X-Ca-Timestamp", "Cookie"].map(str::to_owned).to_vec());
    let request = gateway.request("GET", "/orders").with_header("Cookie", "a=1; b=2; c=3");
    let signed = gateway.sign_as("x-ca", request, &Credential::hmac("key-1", SECRET), &options);
    let send = async |crumbs: &[&str]| {
        let mut builder = http::Request::builder().uri(format!("http://{}/orders", gateway.address));
        for (name, value) in signed.headers.iter().filter(|(name, _)| name != "Host" && name != "Cookie") {
            builder = builder.header(name, value.as_slice());
        }
        let builder = crumbs.iter().fold(builder, |builder, crumb| builder.header("cookie", *crumb));
        exchange(&gateway, builder.body(Full::new(Bytes::new())).unwrap()).await.0
    };
    assert_eq!(send(&["a=1", "b=2"]).await, 401);
    assert_eq!(send(&["a=1", "b=2", "c=3"]).await, 200);
    let seen = gateway.upstream.only();
    assert_eq!(seen.matches("\r\ncookie: ").count(), 1, "{seen}");
    assert!(seen.contains("\r\ncookie: a=1; b=2; c=3\r\n"), "{seen}");
}

#[tokio::test]
async fn a_value_with_a_blank_at_its_end_is_refused() {
    let gateway = Fixture::house().await;
    for value in [" a", "a\t"] {
        let (status, body) = exchange(&gateway, built(&gateway, "GET", "", |builder| builder.header("x-blank", value))).await;
        assert_eq!((status, String::from_utf8_lossy(&body).contains("malformed_request")), (400, true), "{value:?}");
    }
    assert!(gateway.upstream.requests().is_empty());
}
