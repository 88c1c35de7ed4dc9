//! What the log tells of requests that the gateway signs itself, at its most talkative: where they went, and never the secret.
#![expect(clippy::unwrap_used, reason = "a test ends where its setup fails")]

#[path = "gateway/fixture.rs"]
#[expect(dead_code, reason = "shared with the gateway's tests, which use all of it")]
mod fixture;

use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use countersign_testbed::Told;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};

use fixture::{Fixture, Setup};

/// A server that notes the keys that it gets, in HTTP/1.1 or HTTP/2.
async fn server(keys: Arc<Mutex<Vec<String>>>) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let keys = Arc::clone(&keys);
            let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                keys.lock().unwrap().push(request.headers()["x-api-key"].to_str().unwrap().to_owned());
                std::future::ready(Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::new()))))
            });
            // Outside of the test's own subscriber nothing of the server is of interest.
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move { drop(builder.serve_connection(TokioIo::new(stream), service).await) });
        }
    });
    address
}

#[tokio::test]
async fn the_gateways_own_secret_is_in_no_line() {
    let log = Told::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let canary = "canary-of-the-gateways-own-secret";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.secret");
    std::fs::write(&file, canary).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let keys = Arc::new(Mutex::new(Vec::new()));
    let address = server(Arc::clone(&keys)).await;
    for protocol in ["http1", "http2"] {
        let config = format!(
            "listen = [\"127.0.0.1:0\"]\nworkers = 1\n[[upstream]]\nname = \"orders\"\nservers = [{{ url = \"http://{address}\" }}]\n\
             protocol = \"{protocol}\"\n[[route]]\nprefix = \"/\"\nupstream = \"orders\"\ndialects = [\"house\"]\nbody = \"streamed\"\n\
             identity = {{ sign_with = \"api-key\", key_id = \"gateway\", secret_file = {file:?} }}\n"
        );
        let gateway = Fixture::start(&config, Setup::default()).await;
        let request = gateway.request("POST", "/canary-that-is-no-secret").with_header("X-Api-Key", "the peer's").with_body("hello");
        assert_eq!(gateway.send(&gateway.sign("house", request)).await.status, 200, "{protocol}");
        gateway.stop().await.unwrap();
    }
    assert_eq!(*keys.lock().unwrap(), [canary, canary]);
    let log = String::from_utf8(log.bytes()).unwrap();
    assert!(log.contains("canary-that-is-no-secret"));
    assert!(!log.contains(canary), "{}", log.lines().find(|line| line.contains(canary)).unwrap_or_default());
}
