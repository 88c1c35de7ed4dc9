//! The layer around a plain service of hyper, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use countersign_server::layer::{Caller, RequestBody};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, service_fn};

use crate::fixture::{Client, raw};
use crate::stand::{HOST, Stand};

async fn hello(request: http::Request<RequestBody>) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let app = request.extensions().get::<Caller>().unwrap().app().name.clone();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(http::Response::new(Full::from([app.as_bytes(), b" sent ", &body].concat())))
}

async fn serve(stand: &Stand) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, service) = (listener.local_addr().unwrap(), stand.layer().layer(service_fn(hello)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move { builder.serve_connection(TokioIo::new(stream), service).await.map_err(drop) });
        }
    });
    address
}

#[tokio::test]
async fn it_serves_http1() {
    let stand = Stand::new().await;
    let mut client = Client::connect(serve(&stand).await).await;
    let signed = stand.sign("house", "POST", "/a?b", "hello");
    client.write(&raw(&signed)).await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"shop sent hello"[..]));
    client.write(&raw(&signed)).await;
    client.answer().await.unwrap().refuses(409, "replayed");
}

#[tokio::test]
async fn it_serves_http2() {
    let stand = Stand::new().await;
    let address = serve(&stand).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut send = async |host: &str, body: &'static str| {
        let signed = stand.sign("house", "POST", "/a?b", "hello");
        let built = http::Request::post(format!("http://{host}/a?b"));
        let lines = signed.headers.iter().filter(|(name, _)| name != "Host");
        let built = lines.fold(built, |built, (name, value)| built.header(name, &value[..]));
        let answer: http::Response<Incoming> = sender.send_request(built.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes())
    };
    assert_eq!(send(HOST, "hello").await, (200, Bytes::from("shop sent hello")));
    assert_eq!(send(HOST, "other").await.0, 400);
    assert_eq!(send("other.example.com", "hello").await.0, 401);
}
