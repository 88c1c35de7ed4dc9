//! What the layer logs: the exact reasons, and never a secret.

use axum::Router;
use axum::routing::get;
use countersign_protocol::{Credential, SignOptions};
use countersign_server::layer::Caller;
use countersign_testbed::Told;
use tower::ServiceExt;

use crate::fixture::{KEY, NOW, SECRET, at};
use crate::stand::{HOST, Stand, as_http};

#[tokio::test]
async fn reasons_are_told_and_secrets_are_not() {
    let log = Told::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(log.clone()).finish();
    let _here = tracing::subscriber::set_default(subscriber);
    let stand = Stand::new().await;
    let app = Router::new().route("/path", get(async |caller: Caller| caller.app().name.clone()));
    let behind = app.clone().layer(stand.layer());
    let send = |request| behind.clone().oneshot(request);
    let shown = || http::Request::get("/path?api_key=canary-in-the-query").header("host", HOST).header("x-api-key", "canary-in-a-header");
    assert_eq!(send(shown().body(axum::body::Body::empty()).unwrap()).await.unwrap().status(), 401);
    let signed = stand.sign("house", "GET", "/path", "");
    let signature = signed.headers.iter().find(|(name, _)| name == "X-House-Signature").unwrap().1.clone();
    assert_eq!(send(as_http(&signed)).await.unwrap().status(), 200);
    assert_eq!(send(as_http(&signed)).await.unwrap().status(), 409);
    let mut unknown = signed.clone();
    unknown.headers.retain(|(name, _)| !name.starts_with("X-House"));
    let options = SignOptions::new(at(NOW)).with_nonce("nonce");
    let unknown = stand.dialects.get("house").unwrap().sign(unknown, &Credential::hmac("nobody", SECRET), &options).unwrap();
    assert_eq!(send(as_http(&unknown.into_message().into_request().unwrap())).await.unwrap().status(), 401);
    assert_eq!(app.oneshot(as_http(&signed)).await.unwrap().status(), 500);

    let log = String::from_utf8(log.bytes()).unwrap();
    let key = format!("key_id=\"{KEY}\"");
    let told = [
        "path=\"/path\"",
        "missing_signature",
        "reason=\"replayed\"",
        "reason=\"unknown_key\"",
        "app=\"shop\"",
        &key,
        "no SignatureLayer is around it",
    ];
    for told in told {
        assert!(log.contains(told), "{told} is not in the log: {log}");
    }
    for secret in ["canary-in-the-query", "canary-in-a-header", SECRET, std::str::from_utf8(&signature).unwrap()] {
        assert!(!log.contains(secret), "a secret is in the log: {log}");
    }
}
