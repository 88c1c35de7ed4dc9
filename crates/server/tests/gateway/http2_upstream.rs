//! HTTP/2 from end to end: calls in the manner of gRPC with trailers, streams, and bodies that are cut off.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::fixture::{Fixture, Setup};
use crate::servers::{named, until};

/// A body whose frames a test sends one by one.
struct Frames(mpsc::Receiver<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// A server that speaks HTTP/2 only: sends each piece back as it comes, then trailers; it keeps what it saw.
#[derive(Clone, Default)]
struct Calls {
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
    /// The bodies that came to their end, and how many were cut off.
    whole: Arc<Mutex<Vec<Vec<u8>>>>,
    cut_off: Arc<Mutex<usize>>,
    connections: Arc<Mutex<usize>>,
}

impl Calls {
    async fn start() -> (Self, SocketAddr) {
        let (calls, listener) = (Self::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (address, server) = (listener.local_addr().unwrap(), calls.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *server.connections.lock().unwrap() += 1;
                let server = server.clone();
                let service = hyper::service::service_fn(move |request| server.clone().call(request));
                tokio::spawn(
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        (calls, address)
    }

    async fn call(self, request: Request<Incoming>) -> Result<Response<Frames>, Infallible> {
        let (parts, mut body) = request.into_parts();
        self.heads.lock().unwrap().push(parts);
        let (sender, receiver) = mpsc::channel::<Frame<Bytes>>(16);
        tokio::spawn(async move {
            let mut whole = Vec::new();
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else {
                    *self.cut_off.lock().unwrap() += 1;
                    return;
                };
                assert!(!frame.is_trailers(), "trailers of a request are dropped");
                let piece = frame.into_data().unwrap();
                whole.extend_from_slice(&piece);
                drop(sender.send(Frame::data(piece)).await);
            }
            self.whole.lock().unwrap().push(whole);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            drop(sender.send(Frame::trailers(trailers)).await);
        });
        Ok(Response::builder().header("content-type", "application/grpc").body(Frames(receiver)).unwrap())
    }
}

/// A connection to the gateway in HTTP/2.
async fn connect(gateway: &Fixture) -> http2::SendRequest<Frames> {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A signed call whose signature is over this body, and the way to send another.
fn call(gateway: &Fixture, signed_body: &str) -> (Request<Frames>, mpsc::Sender<Frame<Bytes>>) {
    let signed = gateway.sign("house", gateway.request("POST", "/pkg.Orders/Get").with_body(signed_body));
    let mut builder = Request::builder().method("POST").uri(format!("http://{}/pkg.Orders/Get", gateway.address));
    for (name, value) in signed.headers.iter().filter(|(name, _)| name != "Host") {
        builder = builder.header(name, value.as_slice());
    }
    let (sender, receiver) = mpsc::channel(4);
    (builder.header("te", "trailers").header("content-type", "application/grpc").body(Frames(receiver)).unwrap(), sender)
}

fn piece(text: &str) -> Frame<Bytes> {
    Frame::data(Bytes::copy_from_slice(text.as_bytes()))
}

async fn gateway(server: SocketAddr, route: &str) -> Fixture {
    Fixture::start(&named(&[server], "protocol = \"http2\"", route), Setup::default()).await
}

#[tokio::test]
async fn a_unary_call_passes_with_its_trailers_in_every_mode() {
    for route in ["", "body = \"streamed\"", "body = \"unsigned\""] {
        let (calls, server) = Calls::start().await;
        let gateway = gateway(server, route).await;
        let mut sender = connect(&gateway).await;
        for _ in 0..3 {
            let (request, body) = call(&gateway, "one message");
            let answer = tokio::spawn(sender.send_request(request));
            for text in ["one ", "mess", "age"] {
                body.send(piece(text)).await.unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-unsigned", HeaderValue::from_static("dropped"));
            body.send(Frame::trailers(trailers)).await.unwrap();
            drop(body);
            let answer = answer.await.unwrap().unwrap();
            assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].as_bytes()), (200, &b"application/grpc"[..]));
            let collected = answer.into_body().collect().await.unwrap();
            assert_eq!(collected.trailers().unwrap()["grpc-status"], "0", "{route}");
            assert_eq!(collected.to_bytes(), "one message");
        }
        let heads = calls.heads.lock().unwrap();
        for head in &*heads {
            assert_eq!(head.uri.authority().unwrap().as_str(), gateway.address.to_string());
            assert_eq!(
                (head.uri.path(), head.headers["te"].as_bytes(), head.headers.get("host")),
                ("/pkg.Orders/Get", &b"trailers"[..], None)
            );
            assert_eq!(head.headers["x-countersign-app"], "shop");
        }
        // All went over one connection.
        assert_eq!((heads.len(), *calls.connections.lock().unwrap(), calls.whole.lock().unwrap().len()), (3, 1, 3));
    }
}

#[tokio::test]
async fn a_stream_goes_both_ways_where_nobody_looks_at_the_body() {
    let (_, server) = Calls::start().await;
    let gateway = gateway(server, "body = \"unsigned\"").await;
    let mut sender = connect(&gateway).await;
    let (request, body) = call(&gateway, "");
    let answer = tokio::spawn(sender.send_request(request));
    body.send(piece("0")).await.unwrap();
    let mut answer = answer.await.unwrap().unwrap();
    for n in 1..10 {
        // The next is sent only when the one before has come back.
        assert_eq!(answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), (n - 1).to_string());
        body.send(piece(&n.to_string())).await.unwrap();
    }
    drop(body);
    let rest = answer.into_body().collect().await.unwrap();
    assert_eq!(rest.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(rest.to_bytes(), "9");
}

#[tokio::test]
async fn a_body_whose_digest_does_not_hold_is_reset_before_its_end() {
    let (calls, server) = Calls::start().await;
    let gateway = gateway(server, "body = \"streamed\"").await;
    let mut sender = connect(&gateway).await;
    let (request, body) = call(&gateway, "one message");
    let answer = tokio::spawn(sender.send_request(request));
    body.send(piece("one ")).await.unwrap();
    body.send(piece("lie")).await.unwrap();
    until("the call is there", || !calls.heads.lock().unwrap().is_empty()).await;
    drop(body);
    until("the call is cut off", || *calls.cut_off.lock().unwrap() == 1).await;
    assert!(calls.whole.lock().unwrap().is_empty());
    // The server had begun to answer, so the answer breaks off too; before that the peer would be told why.
    match answer.await.unwrap() {
        Ok(begun) if begun.status() == 200 => assert!(begun.into_body().collect().await.is_err()),
        Ok(refused) => assert_eq!(refused.status(), 400),
        Err(error) => panic!("{error}"),
    }
    // Other calls on the connection go on.
    let (request, body) = call(&gateway, "one message");
    let answer = tokio::spawn(sender.send_request(request));
    body.send(piece("one message")).await.unwrap();
    drop(body);
    assert_eq!(answer.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes(), "one message");
    assert_eq!((*calls.connections.lock().unwrap(), gateway.upstreams.get("orders").unwrap().status()[0].failures), (1, 0));
}

#[tokio::test]
async fn a_burst_shares_one_connection() {
    let (calls, server) = Calls::start().await;
    let gateway = gateway(server, "").await;
    let mut sender = connect(&gateway).await;
    let mut answers = Vec::new();
    for _ in 0..40 {
        let (request, body) = call(&gateway, "one message");
        answers.push(tokio::spawn(sender.send_request(request)));
        body.send(piece("one message")).await.unwrap();
    }
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((*calls.connections.lock().unwrap(), calls.heads.lock().unwrap().len()), (1, 40));
}

#[tokio::test]
async fn a_server_that_does_not_speak_it_is_unavailable() {
    let server = crate::servers::Raw::answering().await;
    let gateway = Fixture::start(&named(&[server.address], "protocol = \"http2\"", ""), Setup::default()).await;
    let request = gateway.sign("house", gateway.request("GET", "/"));
    gateway.send(&request).await.refuses(502, "upstream_unavailable");
}
