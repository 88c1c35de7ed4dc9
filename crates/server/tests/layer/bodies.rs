//! Bodies: bounded before they are buffered, read as late as the dialect permits, handed on as they were verified.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_protocol::Request;
use countersign_server::layer::{RequestBody, SignatureLayer};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Frame};
use tower::{Layer, ServiceExt, service_fn};

use crate::stand::{Count, Stand, as_http, told};

/// A body that counts what was taken of it, and has no end.
struct Endless(Count);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.add();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1_000])))))
    }
}

async fn echo(request: http::Request<RequestBody>) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Ok(http::Response::new(Full::new(body)))
}

fn endless(request: &Request, taken: &Count) -> http::Request<Endless> {
    as_http(request).map(|_| Endless(taken.clone()))
}

#[tokio::test]
async fn the_handler_gets_the_bytes_that_were_verified() {
    let stand = Stand::new().await;
    let service = stand.layer().layer(service_fn(echo));
    let signed = stand.sign("house", "POST", "/a?b=c", "hello");
    assert_eq!(told(service.clone().oneshot(as_http(&signed)).await.unwrap()).await, (200, "hello".to_owned()));
    let mut other = stand.sign("house", "POST", "/a?b=c", "hello");
    other.body = b"hellO".to_vec();
    assert_eq!(told(service.clone().oneshot(as_http(&other)).await.unwrap()).await, (400, "body_digest_mismatch".to_owned()));
    // A body that differs does not use up the nonce.
    other.body = b"hello".to_vec();
    assert_eq!(told(service.oneshot(as_http(&other)).await.unwrap()).await, (200, "hello".to_owned()));
}

#[tokio::test]
async fn a_caller_without_a_valid_signature_uploads_nothing() {
    let stand = Stand::new().await;
    let service = stand.layer().layer(service_fn(echo));
    let taken = Count::default();
    let mut forged = stand.sign("house", "POST", "/", "hello");
    forged.target = b"/other".to_vec();
    assert_eq!(told(service.clone().oneshot(endless(&forged, &taken)).await.unwrap()).await, (401, "signature_mismatch".to_owned()));
    let unsigned = Request::new("POST", "/").with_header("Host", "h");
    assert_eq!(told(service.oneshot(endless(&unsigned, &taken)).await.unwrap()).await, (401, "missing_signature".to_owned()));
    assert_eq!(taken.get(), 0);
}

#[tokio::test]
async fn the_limit_holds_before_anything_is_buffered() {
    let stand = Stand::new().await;
    let mut rules = stand.rules("house");
    rules.body_limit = 10_000;
    let service = SignatureLayer::new(stand.admission.clone(), rules).layer(service_fn(echo));
    let taken = Count::default();
    let signed = stand.sign("house", "POST", "/", "hello");
    assert_eq!(told(service.clone().oneshot(endless(&signed, &taken)).await.unwrap()).await, (413, "body_too_large".to_owned()));
    assert!(taken.get() <= 11, "{} pieces", taken.get());
    // An announced length is enough.
    let long = stand.sign("house", "POST", "/", &"x".repeat(10_001));
    assert_eq!(told(service.oneshot(as_http(&long)).await.unwrap()).await, (413, "body_too_large".to_owned()));
}

#[tokio::test]
async fn the_limit_of_another_layer_is_told_as_one_wherever_it_stands() {
    let stand = Stand::new().await;
    let service = stand.layer().layer(service_fn(echo));
    let signed = stand.sign("house", "POST", "/", "hello");
    let limited = as_http(&signed).map(|body| Limited::new(body, 3));
    assert_eq!(told(service.oneshot(limited).await.unwrap()).await, (413, "body_too_large".to_owned()));
}

#[tokio::test]
async fn a_body_that_carries_the_claim_is_read_first_and_bounded_too() {
    let stand = Stand::new().await;
    let mut rules = stand.rules("hmac-sha256-body");
    rules.body_limit = 1_000;
    let service = SignatureLayer::new(stand.admission.clone(), rules).layer(service_fn(echo));
    let json = Request::new("POST", "/").with_header("Host", "h").with_header("Content-Type", "application/json").with_body("{\"a\":1}");
    let signed = stand.sign_request("hmac-sha256-body", json);
    let (status, body) = told(service.clone().oneshot(as_http(&signed)).await.unwrap()).await;
    assert_eq!((status, body.as_bytes()), (200, &signed.body[..]));
    let taken = Count::default();
    assert_eq!(told(service.oneshot(endless(&signed, &taken)).await.unwrap()).await, (413, "body_too_large".to_owned()));
    assert!(taken.get() <= 2);
}

#[tokio::test]
async fn an_anonymous_body_is_not_read_and_bounded_all_the_same() {
    let stand = Stand::new().await;
    let mut rules = stand.rules("house");
    rules.body_limit = 10_000;
    let layer = SignatureLayer::new(stand.admission.clone(), rules).optional();
    let taken = Count::default();
    let unsigned = Request::new("POST", "/").with_header("Host", "h");
    let ignores =
        layer.layer(service_fn(async |_: http::Request<RequestBody>| Ok::<_, Infallible>(http::Response::new(Full::from("ignored")))));
    assert_eq!(told(ignores.oneshot(endless(&unsigned, &taken)).await.unwrap()).await, (200, "ignored".to_owned()));
    assert_eq!(taken.get(), 0);
    let reads = layer.layer(service_fn(async |request: http::Request<RequestBody>| {
        let read = request.into_body().collect().await;
        Ok::<_, Infallible>(http::Response::new(Full::from(if read.is_ok() { "all" } else { "too much" })))
    }));
    assert_eq!(told(reads.oneshot(endless(&unsigned, &taken)).await.unwrap()).await, (200, "too much".to_owned()));
    assert!(taken.get() <= 11);
}
