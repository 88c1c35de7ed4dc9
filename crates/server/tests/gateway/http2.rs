//! HTTP/2 with prior knowledge, on the same port.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::fixture::Fixture;

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
