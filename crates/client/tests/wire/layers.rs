//! Signed is sent, through everything that signs: the client, a middleware, a tower layer, a request signed alone, the blocking facade.

use bytes::Bytes;
use countersign_client::{ClientError, SigningClient};
use countersign_protocol::Request;
use http::Method;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::support::{Recorder, client, header, signer, verify};

/// Targets that some part of an HTTP stack writes in another way.
const ODD: [&str; 22] = [
    "/",
    "/?",
    "/a%2Fb//c",
    "/a b",
    "/a%20b?x=+&y=%20&z",
    "/\"quoted\"",
    "/'quoted'?q='a'",
    "/?q=\"a\"",
    "/a/../b",
    "/a/./b",
    "/%2e%2e/x",
    "/a/..",
    "/\u{fc}",
    "/?\u{4f60}=\u{597d}",
    "/%E4%BD%A0?q=%e4",
    "/a\\b",
    "/{a}|^`",
    "/?a={b}|^`",
    "/a;b=c,d?e=f;g",
    "/?a=b&a=c&=&&",
    "/%zz",
    "/?a=?b/c:@",
];
const IDS: [&str; 5] = ["hmac-sha256", "aws-sigv4", "aws-sigv4-presigned", "qlm-open", "x-ca-labelled-2"];

fn hyper_client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// What arrived, which must verify; nothing where it was refused here.
fn arrived(server: &Recorder, id: &str, case: &str, is_sent: bool) -> Option<Request> {
    let mut seen = server.taken();
    assert_eq!(seen.len(), usize::from(is_sent), "{id} {case}");
    let request = seen.pop()?;
    verify(id, &request).unwrap_or_else(|e| panic!("{id} {case} arrived as {}: {e}", request.target.escape_ascii()));
    Some(request)
}

#[tokio::test]
async fn odd_targets_are_sent_exactly_as_signed_or_refused() {
    let server = Recorder::ok().await;
    for id in IDS {
        let mut kept = 0;
        for target in ODD {
            let result = client(id).request(Method::POST, server.url(target)).body("a body").send().await;
            match &result {
                Ok(_) => kept += 1,
                Err(e) => assert!(matches!(e, ClientError::UrlChanged { .. } | ClientError::Sign(_)), "{id} {target}: {e}"),
            }
            if let Some(request) = arrived(&server, id, target, result.is_ok()) {
                assert!(request.target.starts_with(target.as_bytes()), "{target}");
            }
        }
        assert!(kept >= 8, "{id}: {kept} of {}", ODD.len());
    }
}

#[tokio::test]
async fn a_tower_client_sends_what_the_layer_signed() {
    use countersign_client::SigningLayer;
    use tower::{ServiceBuilder, ServiceExt};

    let server = Recorder::ok().await;
    for id in IDS {
        let service = ServiceBuilder::new().layer(SigningLayer::new(signer(id))).service(hyper_client());
        let mut kept = 0;
        for target in ODD {
            let Ok(request) = http::Request::post(server.url(target)).header("x-extra", "a  b").body(Full::from("a body")) else {
                continue;
            };
            let result = service.clone().oneshot(request).await;
            kept += usize::from(result.is_ok());
            if let Some(request) = arrived(&server, id, target, result.is_ok()) {
                assert!(request.target.starts_with(target.as_bytes()), "{target}");
                assert_eq!(request.body, b"a body");
            }
        }
        assert!(kept >= 8, "{id}: {kept} of {}", ODD.len());
    }
}

#[tokio::test]
async fn a_layer_keeps_no_more_than_it_may() {
    use countersign_client::SigningLayer;
    use tower::{Layer, ServiceExt};

    let server = Recorder::ok().await;
    let send = |most: usize, id: &'static str| {
        let service = SigningLayer::new(signer(id)).with_most(most).layer(hyper_client());
        service.oneshot(http::Request::post(server.url("/")).body(Full::from("a body")).unwrap())
    };
    let error = send(5, "hmac-sha256").await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(ClientError::TooLarge { most: 5 })), "{error}");
    assert_eq!(server.taken().len(), 0);
    assert!(send(6, "hmac-sha256").await.is_ok());
    assert!(send(0, "aws-sigv4-s3-presigned").await.is_ok(), "what is not signed is not kept");
}

#[tokio::test]
async fn a_request_that_was_signed_alone_is_sent_by_any_client() {
    let server = Recorder::ok().await;
    for id in IDS {
        for target in ODD {
            let Ok(request) = http::Request::put(server.url(target)).body(b"a body".to_vec()) else { continue };
            let Ok(signed) = signer(id).sign_request(request) else { continue };
            let result = hyper_client().request(signed.map(Full::from)).await;
            arrived(&server, id, target, result.is_ok());
        }
    }
}

#[test]
fn a_request_signed_alone_needs_to_know_where_it_goes() {
    let request = |uri: &str| http::Request::get(uri).body(Vec::new()).unwrap();
    let relative = request("/a?b");
    assert!(matches!(signer("hmac-sha256").sign_request(relative.clone()), Err(ClientError::Url { .. })));
    let (mut parts, _) = relative.into_parts();
    parts.headers.insert("host", "h".parse().unwrap());
    assert_eq!(signer("hmac-sha256").sign_parts(&mut parts, b"").unwrap(), None);
    assert_eq!((parts.uri.to_string().as_str(), parts.headers.contains_key("authorization")), ("/a?b", true));
    // Nobody said that it goes over TLS.
    assert!(matches!(signer("api-key").sign_parts(&mut parts, b""), Err(ClientError::InsecureTransport)));
    assert!(matches!(signer("api-key").sign_request(request("http://h/")), Err(ClientError::InsecureTransport)));
    assert!(signer("api-key").sign_request(request("https://h/")).is_ok());
    assert!(matches!(signer("hmac-sha256").sign_request(request("https://u:p@h/")), Err(ClientError::Url { .. })));
}

#[test]
fn a_signature_inside_the_body_changes_it() {
    let body = br#"{"a": 1, "key_id": "", "timestamp": "", "nonce": "", "signature": ""}"#.to_vec();
    let request = http::Request::post("http://h/a").header("content-type", "application/json").header("content-length", body.len());
    let signed = signer("hmac-sha256-body").sign_request(request.body(body.clone()).unwrap()).unwrap();
    assert_ne!(*signed.body(), body);
    assert_eq!(signed.headers()["content-length"], signed.body().len().to_string().as_str());
}

#[cfg(feature = "middleware")]
mod middleware {
    use countersign_client::SigningMiddleware;

    use super::*;

    #[tokio::test]
    async fn a_middleware_signs_what_reqwest_sends() {
        let server = Recorder::ok().await;
        for id in IDS {
            let client = SigningMiddleware::new(signer(id)).into_client(reqwest::Client::builder()).unwrap();
            let mut kept = 0;
            for target in ODD {
                // The URL is normalised before the middleware sees it; what it then sees is signed and sent.
                let result = client.post(server.url(target)).header("X-Extra", "a  b").body("a body").send().await;
                kept += usize::from(result.is_ok());
                if let Some(request) = arrived(&server, id, target, result.is_ok()) {
                    assert_eq!(request.body, b"a body");
                }
            }
            assert!(kept >= 16, "{id}: {kept} of {}", ODD.len());
        }
    }

    #[tokio::test]
    async fn a_client_that_followed_a_redirect_is_an_error() {
        let server = Recorder::answering(|number, _| {
            if number == 0 {
                crate::support::answer("307 Temporary Redirect", "Location: /b\r\n", "")
            } else {
                crate::support::OK.to_owned()
            }
        })
        .await;
        let chain = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(SigningMiddleware::new(signer("hmac-sha256")));
        let error = chain.build().get(server.url("/a")).send().await.unwrap_err();
        assert!(error.to_string().contains("without redirects"), "{error}");
    }

    #[tokio::test]
    async fn a_stream_of_others_passes_only_unsigned() {
        let server = Recorder::ok().await;
        let send = |id: &str| {
            let client = SigningMiddleware::new(signer(id)).into_client(reqwest::Client::builder()).unwrap();
            client.put(server.url("/")).body(reqwest::Body::wrap(Full::new(Bytes::from("a body")))).send()
        };
        assert!(send("hmac-sha256").await.unwrap_err().to_string().contains("a closure that opens it again"));
        assert_eq!(server.taken().len(), 0);
        send("aws-sigv4-s3-presigned").await.unwrap();
        assert_eq!(server.taken()[0].body, b"a body");
    }
}

#[cfg(feature = "blocking")]
mod blocking {
    use countersign_client::blocking;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_blocking_client_waits_for_the_same() {
        let server = Recorder::ok().await;
        let facade = blocking::SigningClient::new(client("hmac-sha256")).unwrap();
        let request = facade.request(Method::POST, server.url("/a?b")).header("X-Extra", "1").body("a body");
        // Inside of async code it would stop what runs it.
        assert!(matches!(request.send(), Err(ClientError::Blocking { .. })));
        let sender = std::thread::spawn(move || request.send_ok());
        let answer = tokio::task::spawn_blocking(move || sender.join()).await.unwrap().unwrap().unwrap();
        assert_eq!((answer.status.as_u16(), answer.text()), (200, Some("")));
        let request = arrived(&server, "hmac-sha256", "/a?b", true).unwrap();
        assert_eq!((&request.body[..], header(&request, "x-extra")), (&b"a body"[..], Some("1")));
        // The facade may be dropped anywhere.
        drop(facade);
    }
}

#[test]
fn debug_of_everything_shows_no_secret() {
    let request = http::Request::get("https://h/").body(Vec::new()).unwrap();
    let signed = signer("api-key").sign_request(request).unwrap();
    assert!(!format!("{signed:?}").contains("0123456789abcdef"));
    let shown =
        format!("{:?} {:?}", signer("hmac-sha256"), SigningClient::from_signer(reqwest::Client::builder(), signer("x-ca")).unwrap());
    assert!(shown.contains("key-1") && !shown.contains("0123456789abcdef"), "{shown}");
}
