//! Signed answers: of handlers, of refusals, and of too much.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign_protocol::{Credential, Inputs, Policy, Reason, Response, SignError};
use countersign_server::response::ResponseSigner;
use tower::ServiceExt;

use crate::fixture::{KEY, NOW, SECRET, at};
use crate::stand::{HOST, Stand, as_http};

fn signer(stand: &Stand, dialect: &str) -> Result<ResponseSigner, SignError> {
    let dialect = stand.dialects.get(dialect).unwrap().clone();
    ResponseSigner::new(dialect, Credential::hmac(KEY, SECRET), Inputs::new(), Arc::new(|| at(NOW)))
}

async fn read(answer: http::Response<axum::body::Body>) -> Response {
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, 100_000).await.unwrap().to_vec();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    Response { status: parts.status.as_u16(), headers, body }
}

fn verify(stand: &Stand, answer: &Response) -> Result<(), Reason> {
    let dialect = stand.dialects.get("answer").unwrap();
    let verified = dialect.verify(answer, &Inputs::new(), &[&Credential::hmac(KEY, SECRET)], at(NOW), &Policy::default());
    verified.map(drop).map_err(|refusal| refusal.reason())
}

fn app(stand: &Stand, signer: ResponseSigner) -> Router {
    let big = get(async || ([("content-type", "text/plain")], "x".repeat(1_001)));
    let app = Router::new().route("/", get(async || "hello")).route("/big", big);
    app.layer(stand.layer().sign_responses(signer))
}

#[tokio::test]
async fn answers_and_refusals_are_signed() {
    let stand = Stand::new().await;
    let app = app(&stand, signer(&stand, "answer").unwrap());
    let mut answer = read(app.clone().oneshot(as_http(&stand.sign("house", "GET", "/", ""))).await.unwrap()).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
    assert_eq!(verify(&stand, &answer), Ok(()));
    answer.body = b"hellO".to_vec();
    assert_eq!(verify(&stand, &answer), Err(Reason::SignatureMismatch));
    let unsigned = http::Request::get("/").header("host", HOST).body(axum::body::Body::empty()).unwrap();
    let mut refused = read(app.oneshot(unsigned).await.unwrap()).await;
    assert_eq!((refused.status, verify(&stand, &refused)), (401, Ok(())));
    refused.status = 200;
    assert_eq!(verify(&stand, &refused), Err(Reason::SignatureMismatch));
}

#[tokio::test]
async fn each_answer_has_a_nonce_of_its_own() {
    let stand = Stand::new().await;
    let app = app(&stand, signer(&stand, "answer").unwrap());
    let nonce = async || {
        let answer = app.clone().oneshot(as_http(&stand.sign("house", "GET", "/", ""))).await.unwrap();
        answer.headers()["x-answer-nonce"].clone()
    };
    assert_ne!(nonce().await, nonce().await);
}

#[tokio::test]
async fn what_is_too_large_to_sign_is_not_passed_on_unsigned() {
    let stand = Stand::new().await;
    let small = app(&stand, signer(&stand, "answer").unwrap().with_limit(1_000));
    let refused = read(small.oneshot(as_http(&stand.sign("house", "GET", "/big", ""))).await.unwrap()).await;
    assert_eq!((refused.status, verify(&stand, &refused)), (502, Ok(())));
    assert!(!refused.body.starts_with(b"x"));
    let large = app(&stand, signer(&stand, "answer").unwrap().with_limit(1_001));
    let passed = read(large.oneshot(as_http(&stand.sign("house", "GET", "/big", ""))).await.unwrap()).await;
    assert_eq!((passed.status, verify(&stand, &passed)), (200, Ok(())));
}

#[tokio::test]
async fn a_signer_that_could_never_sign_is_not_made() {
    let stand = Stand::new().await;
    assert_eq!(signer(&stand, "house").unwrap_err(), SignError::WrongMessage);
    let shown = format!("{:?}", signer(&stand, "answer").unwrap());
    assert!(shown.contains(KEY) && !shown.contains(SECRET), "{shown}");
}
