//! Heads: what a server has read already, as far as it can be seen, over requests and over real sockets.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use countersign_protocol::Scheme;
use http::{Version, header::HOST as HOST_LINE};
use tower::ServiceExt;

use crate::fixture::{Client, KEY, SECRET, raw};
use crate::stand::{HOST, Stand, as_http, told};

async fn repeat(request: Request) -> String {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1_000).await.unwrap();
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    format!("{} {target} {}", parts.method, String::from_utf8_lossy(&body))
}

fn app(stand: &Stand) -> Router {
    Router::new().fallback(repeat).layer(stand.layer())
}

fn add(request: &mut http::Request<Body>, name: &'static str, value: &'static str) {
    request.headers_mut().append(name, value.parse().unwrap());
}

/// A signed request, changed.
async fn changed(change: impl FnOnce(&mut http::Request<Body>)) -> (u16, String) {
    let stand = Stand::new().await;
    let mut request = as_http(&stand.sign("house", "POST", "/path?query", "hello"));
    change(&mut request);
    told(app(&stand).oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn a_tampered_part_is_refused() {
    let mismatch = (401, "signature_mismatch".to_owned());
    assert_eq!(changed(|_| ()).await, (200, "POST /path?query hello".to_owned()));
    assert_eq!(changed(|request| *request.method_mut() = http::Method::PUT).await, mismatch);
    assert_eq!(changed(|request| *request.uri_mut() = "/path?other".parse().unwrap()).await, mismatch);
    assert_eq!(changed(|request| *request.uri_mut() = "/path/?query".parse().unwrap()).await, mismatch);
    assert_eq!(changed(|request| *request.uri_mut() = "/%70ath?query".parse().unwrap()).await, mismatch);
    assert_eq!(changed(|request| drop(request.headers_mut().insert(HOST_LINE, "other".parse().unwrap()))).await, mismatch);
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let malformed = (400, "malformed_request".to_owned());
    let line = |name: &'static str, value: &'static str| changed(move |request| add(request, name, value));
    assert_eq!(line("host", HOST).await, malformed);
    assert_eq!(line("transfer-encoding", "gzip").await, malformed);
    assert_eq!(line("connection", "x-house-key").await, malformed);
    assert_eq!(line("expect", "something").await, malformed);
    let lengths = changed(|request| {
        add(request, "content-length", "5");
        add(request, "content-length", "6");
    });
    assert_eq!(lengths.await, malformed);
    assert_eq!(changed(|request| drop(request.headers_mut().remove(HOST_LINE))).await, malformed);
    assert_eq!(changed(|request| *request.uri_mut() = format!("http://{HOST}/path?query").parse().unwrap()).await, malformed);
    assert_eq!(changed(|request| *request.version_mut() = Version::HTTP_09).await, malformed);
    let many = changed(|request| {
        request.headers_mut().extend((0..100).map(|n| (http::HeaderName::try_from(format!("x-{n}")).unwrap(), "b".parse().unwrap())))
    });
    assert_eq!(many.await, (431, "head_too_large".to_owned()));
    let long = changed(|request| drop(request.headers_mut().insert("x-a", "b".repeat(33_000).parse().unwrap())));
    assert_eq!(long.await, (431, "head_too_large".to_owned()));
}

#[tokio::test]
async fn the_authority_of_http2_is_the_host() {
    let over = |authority: &'static str, host: Option<&'static str>| {
        changed(move |request| {
            *request.version_mut() = Version::HTTP_2;
            *request.uri_mut() = format!("http://{authority}/path?query").parse().unwrap();
            request.headers_mut().remove(HOST_LINE);
            request.headers_mut().extend(host.map(|host| (HOST_LINE, host.parse().unwrap())));
        })
    };
    assert_eq!(over(HOST, None).await.0, 200);
    assert_eq!(over(HOST, Some(HOST)).await.0, 200);
    assert_eq!(over("other", None).await.0, 401);
    assert_eq!(over(HOST, Some("other")).await, (400, "malformed_request".to_owned()));
}

#[tokio::test]
async fn the_outer_scheme_and_host_are_what_the_layer_is_told() {
    let stand = Stand::new().await;
    let app = Router::new().fallback(repeat).layer(stand.layer().with_host(HOST).with_scheme(Scheme::Https));
    let mut request = as_http(&stand.sign("house", "GET", "/", ""));
    request.headers_mut().insert(HOST_LINE, "127.0.0.1:3000".parse().unwrap());
    assert_eq!(told(app.clone().oneshot(request).await.unwrap()).await.0, 200);
    // A secret that is shown passes over TLS only.
    let open = countersign_server::layer::SignatureLayer::new(stand.admission.clone(), stand.rules("api-key"));
    let shown = || http::Request::get("/").header("host", HOST).header("x-api-key", SECRET).body(Body::empty()).unwrap();
    let refused = Router::new().fallback(repeat).layer(open.clone()).oneshot(shown()).await.unwrap();
    assert_eq!(told(refused).await, (403, "insecure_transport".to_owned()));
    let passed = Router::new().fallback(repeat).layer(open.with_scheme(Scheme::Https)).oneshot(shown()).await.unwrap();
    assert_ne!(told(passed).await.1, "insecure_transport");
}

#[tokio::test]
async fn a_prefix_that_a_proxy_took_off_is_put_back() {
    let stand = Stand::new().await;
    let app = Router::new().fallback(repeat).layer(stand.layer().with_path_prefix("/api"));
    let send = async |signed: &str, sent: &str| {
        let mut request = as_http(&stand.sign("house", "GET", signed, ""));
        *request.uri_mut() = sent.parse().unwrap();
        told(app.clone().oneshot(request).await.unwrap()).await
    };
    assert_eq!(send("/api/items?a", "/items?a").await, (200, "GET /items?a ".to_owned()));
    assert_eq!(send("/items?a", "/items?a").await.0, 401);
    assert_eq!(send("/api/items?a", "/api/items?a").await.0, 401);
}

async fn serve(stand: &Stand) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, app) = (listener.local_addr().unwrap(), app(stand));
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

#[tokio::test]
async fn over_sockets_a_hostile_request_is_refused_or_is_the_one_that_was_signed() {
    let stand = Stand::new().await;
    let address = serve(&stand).await;
    let kept = || String::from_utf8(raw(&stand.sign("house", "POST", "/path?query", "hello"))).unwrap();
    let text = || kept().replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let line = |extra: &str| text().replacen("\r\n", &format!("\r\n{extra}\r\n"), 1);
    let cases = [
        line("Transfer-Encoding: chunked"),
        line("Transfer-Encoding: identity"),
        line("Content-Length: 5"),
        line("Content-Length: 0"),
        text().replace("Content-Length: 5", "Content-Length: +5"),
        text().replace("Content-Length: 5", "Content-Length: 5, 5"),
        text().replace(&format!("Host: {HOST}\r\n"), ""),
        line(&format!("Host: {HOST}")),
        line("Host: other"),
        text().replace(HOST, &format!("user@{HOST}")),
        text().replacen(" /path", &format!(" http://{HOST}/path"), 1),
        text().replacen(" /path", " http://other/path", 1),
        text().replacen(" /path?query", " *", 1),
        text().replacen("query", "query#fragment", 1),
        text().replacen("path", "p\u{e4}th", 1),
        text().replacen("path", "pa th", 1),
        text().replacen("path", "path/../path", 1),
        text().replacen("path", "/path", 1),
        text().replacen("HTTP/1.1", "HTTP/1.0", 1),
        text().replacen("\r\n", "\n", 1),
        line("X-A: b\r\n c"),
        line("X-A: b\0c"),
        line("X-A : b"),
        kept().replacen("\r\n", "\r\nConnection: close, X-House-Key\r\n", 1),
        line(&format!("X-House-Key: {KEY}")),
        line("X_House_Key: other"),
        text().replace("hello", "hell") + "O",
    ];
    for case in cases {
        let mut client = Client::connect(address).await;
        client.write(case.as_bytes()).await;
        let Some(answer) = client.answer().await else { continue };
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status >= 400 || body == "POST /path?query hello", "{case:?}: {} {body}", answer.status);
        assert!(client.is_closed().await, "{case:?}");
    }
    let mut client = Client::connect(address).await;
    client.write((kept() + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    client.answer().await.unwrap().refuses(401, "missing_signature");
}
