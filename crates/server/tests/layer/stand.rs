//! A layer with its stores, and what is needed to call it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use axum::body::Body;
use countersign_core::admission::{Admission, RouteRules};
use countersign_core::app::{App, NewCredential, Terms};
use countersign_core::replay::{Epoch, MemoryGuard, ReplayLimits};
use countersign_core::store::{CredentialStore, MemoryStore};
use countersign_protocol::{Credential, Dialects, KeyMaterial, Request, Scheme, Secret, SignOptions};
use countersign_server::layer::SignatureLayer;

use crate::fixture::{HOUSE, KEY, NOW, SECRET, at};

pub(crate) const HOST: &str = "api.example.com";

/// A dialect of events.
const EVENT: &str = r#"
countersign: 1
dialect: event
title: Events
string_to_sign: "{nonce}\n{time}\n{body}"
algorithm: hmac-sha256
signature: hex
carry:
  header:
    X-Event-Key: "{key_id}"
    X-Event-Id: "{nonce}"
    X-Event-Time: "{time}"
    X-Event-Signature: "{signature}"
time: { format: unix, window: 5m }
replay: event
event: "{nonce}"
"#;

/// A dialect of responses.
const ANSWER: &str = r#"
countersign: 1
dialect: answer
title: Answers
message: response
string_to_sign: |-
  {status}
  {time}
  {nonce}
  {body | sha256 | hex}
algorithm: hmac-sha256
signature: hex
carry:
  header:
    X-Answer-Key: "{key_id}"
    X-Answer-Time: "{time}"
    X-Answer-Nonce: "{nonce}"
    X-Answer-Signature: "{signature}"
time: { format: unix, window: 5m }
"#;

pub(crate) struct Stand {
    pub(crate) admission: Admission,
    pub(crate) dialects: Dialects,
}

impl Stand {
    pub(crate) async fn new() -> Self {
        let mut dialects = Dialects::builtin().unwrap();
        dialects.add_yaml("house", HOUSE).unwrap();
        dialects.add_yaml("event", EVENT).unwrap();
        dialects.add_yaml("answer", ANSWER).unwrap();
        let store = MemoryStore::new().unwrap();
        let mut app = App::new("shop", at(0));
        app.scopes.push("read".to_owned());
        store.add_app(app).await.unwrap();
        let terms = Terms::new(["house", "hmac-sha256-body", "event", "hmac-sha256"]);
        let credential = NewCredential::new(KEY, KeyMaterial::Hmac(SECRET.into()), terms);
        store.add_credential("shop", credential, at(0)).await.unwrap();
        let guard = MemoryGuard::new(ReplayLimits::default(), Epoch::begin(at(0), false));
        let admission = Admission::new(Arc::new(store), Arc::new(guard), Arc::new(move || at(NOW)), &Secret::from("replay"));
        Self { admission, dialects }
    }

    pub(crate) fn rules(&self, dialect: &str) -> RouteRules {
        RouteRules::new(vec![self.dialects.get(dialect).unwrap().clone()])
    }

    pub(crate) fn layer(&self) -> SignatureLayer {
        SignatureLayer::new(self.admission.clone(), self.rules("house"))
    }

    /// Signs a request to [`HOST`] with a new nonce.
    pub(crate) fn sign(&self, dialect: &str, method: &str, target: &str, body: &str) -> Request {
        let mut request = Request::new(method, target).with_header("Host", HOST).with_body(body);
        request.scheme = Scheme::Http;
        self.sign_request(dialect, request)
    }

    pub(crate) fn sign_request(&self, dialect: &str, request: Request) -> Request {
        static NONCES: AtomicU32 = AtomicU32::new(0);
        let options = SignOptions::new(at(NOW)).with_nonce(format!("nonce-{}", NONCES.fetch_add(1, Ordering::SeqCst)));
        let signed = self.dialects.get(dialect).unwrap().sign(request, &Credential::hmac(KEY, SECRET), &options).unwrap();
        signed.into_message().into_request().unwrap()
    }
}

/// The request as a server would hand it on.
pub(crate) fn as_http(request: &Request) -> http::Request<Body> {
    let target = std::str::from_utf8(&request.target).unwrap();
    let built = http::Request::builder().method(request.method.as_str()).uri(target);
    let built = request.headers.iter().fold(built, |built, (name, value)| built.header(name, &value[..]));
    built.body(Body::from(request.body.clone())).unwrap()
}

/// How often a handler ran.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Status and problem code of an answer.
pub(crate) async fn told<B>(answer: http::Response<B>) -> (u16, String)
where
    B: axum::body::HttpBody<Data = bytes::Bytes, Error: std::fmt::Debug>,
{
    let status = answer.status().as_u16();
    let body = text(answer).await;
    let code = serde_json::from_str::<serde_json::Value>(&body).ok().and_then(|body| Some(body["code"].as_str()?.to_owned()));
    (status, code.unwrap_or(body))
}

pub(crate) async fn text<B>(answer: http::Response<B>) -> String
where
    B: axum::body::HttpBody<Data = bytes::Bytes, Error: std::fmt::Debug>,
{
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}
