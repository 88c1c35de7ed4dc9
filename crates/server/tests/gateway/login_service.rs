//! Logins that a real HTTP service decides, or fails to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use countersign_core::error::StoreError;
use countersign_core::master_key::MasterKey;
use countersign_core::session::authenticate::{Attempt, Authenticator, Outcome};
use countersign_core::session::throttle::{Throttle, ThrottleLimits};
use countersign_core::session::user::{NewUser, User, UserStatus, UserStore};
use countersign_core::store::SqliteStore;
use countersign_protocol::Secret;
use countersign_server::session::callback::{CallbackAuthenticator, CallbackFault, CallbackOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::fixture::at;
use crate::pki::Pki;

const PASSWORD: &str = "correct \"horse\" \u{1f40e}";

/// A body that never ends.
struct Unending;

impl hyper::body::Body for Unending {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

/// A login service: how it answers, and what it was asked.
#[derive(Clone)]
struct Service {
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

impl Service {
    async fn start() -> (Self, SocketAddr) {
        let service = Self { answer: Arc::new(Mutex::new((500, String::new()))), asked: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, service.router()).into_future());
        (service, address)
    }

    fn router(&self) -> Router {
        let answer = async |State(service): State<Self>, headers: HeaderMap, body: Body| {
            let body = to_bytes(body, 1 << 20).await.unwrap();
            service.asked.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
            let (status, text) = service.answer.lock().unwrap().clone();
            if status == 1 {
                // The head comes, and the body never ends.
                return Response::new(Body::new(Unending));
            }
            Response::builder().status(status).header("location", "http://127.0.0.1:1/").body(Body::from(text)).unwrap()
        };
        Router::new().route("/check", axum::routing::post(answer)).with_state(self.clone())
    }

    fn answers(&self, status: u16, body: &impl ToString) {
        *self.answer.lock().unwrap() = (status, body.to_string());
    }

    fn asked(&self) -> Vec<(HeaderMap, Value)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// What an authenticator stands on.
struct Site {
    store: Arc<SqliteStore>,
    throttle: Arc<Throttle>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(MasterKey::ephemeral().unwrap());
        let store = Arc::new(SqliteStore::open(&folder.path().join("store.db"), key).unwrap());
        let mut limits = ThrottleLimits::default();
        (limits.per_address, limits.per_gateway) = (None, 1_000);
        let throttle = Arc::new(Throttle::new(Arc::clone(&store) as _, limits));
        Self { store, throttle }
    }

    fn logins(&self, options: &CallbackOptions) -> Result<CallbackAuthenticator, CallbackFault> {
        CallbackAuthenticator::new(options, Arc::clone(&self.store) as _, Arc::clone(&self.throttle))
    }
}

fn options(address: SocketAddr) -> CallbackOptions {
    let mut options = CallbackOptions::new(format!("http://{address}/check"));
    options.time = Duration::from_millis(500);
    options
}

async fn login(logins: &CallbackAuthenticator, username: &str, password: &str) -> Result<Outcome, StoreError> {
    let password = Secret::from(password);
    let address = "192.0.2.1".parse().unwrap();
    let attempt = Attempt { username, password: &password, totp: Some("123456"), app: "web", address, is_counted: false, now: at(0) };
    timeout(Duration::from_secs(20), logins.authenticate(attempt)).await.unwrap()
}

async fn admitted(logins: &CallbackAuthenticator, username: &str) -> User {
    match login(logins, username, PASSWORD).await.unwrap() {
        Outcome::Authenticated(who) => {
            assert_eq!((who.external, who.methods.as_slice()), (true, &["pwd"][..]));
            who.user
        }
        other => panic!("{other:?}"),
    }
}

async fn reason(logins: &CallbackAuthenticator, username: &str, password: &str) -> &'static str {
    match login(logins, username, password).await.unwrap() {
        Outcome::Rejected(rejected) => rejected.reason().as_str(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_service_says_who_it_is() {
    let (service, address) = Service::start().await;
    let site = Site::new();
    let mut options = options(address);
    options.header = Some(("X-Gateway".to_owned(), "canary-token".into()));
    assert!(!format!("{options:?}").contains("canary"));
    let logins = site.logins(&options).unwrap();
    assert!(!format!("{logins:?}").contains("canary"));
    service.answers(200, &json!({ "subject": "s-1", "username": "ann", "scopes": ["read"], "roles": ["clerk"], "more": 1 }));
    let user = admitted(&logins, "Ann O'Neil").await;
    assert_eq!((user.name.as_str(), user.external.as_deref(), user.has_password), ("ann", Some("s-1"), false));
    assert_eq!((user.scopes, user.roles), (vec!["read".to_owned()], vec!["clerk".to_owned()]));
    let asked = service.asked();
    assert_eq!(asked[0].1, json!({ "username": "Ann O'Neil", "password": PASSWORD, "totp": "123456", "app": "web" }));
    assert_eq!(
        (&asked[0].0["x-gateway"], &asked[0].0["content-type"]),
        (&"canary-token".parse().unwrap(), &"application/json".parse().unwrap())
    );
    service.answers(200, &json!({ "subject": "s-1", "username": "ann", "scopes": [] }));
    let again = admitted(&logins, "ann").await;
    assert_eq!((again.id, again.scopes, again.roles), (user.id, Vec::<String>::new(), vec!["clerk".to_owned()]));
}

#[tokio::test]
async fn whom_the_service_or_an_operator_refuses_is_refused() {
    let (service, address) = Service::start().await;
    let site = Site::new();
    let logins = site.logins(&options(address)).unwrap();
    for status in [401, 403] {
        service.answers(status, &json!({ "subject": "s-1", "username": "ann" }));
        assert_eq!(reason(&logins, "ann", PASSWORD).await, "external", "{status}");
    }
    service.answers(200, &json!({ "subject": "s-1", "username": "ann" }));
    let user = admitted(&logins, "ann").await;
    site.store.set_user_status(user.id, UserStatus::Disabled).await.unwrap();
    assert_eq!(reason(&logins, "ann", PASSWORD).await, "disabled");
    site.store.add_user(NewUser::new("local", None), at(0)).await.unwrap();
    service.answers(200, &json!({ "subject": "s-2", "username": "local" }));
    assert_eq!(reason(&logins, "local", PASSWORD).await, "name_taken");
    service.asked();
    for (username, password, expected) in [
        ("ann", "", "password_size"),
        ("ann", &*"x".repeat(1_025), "password_size"),
        ("", PASSWORD, "unknown_user"),
        ("a\nb", PASSWORD, "unknown_user"),
    ] {
        assert_eq!(reason(&logins, username, password).await, expected);
    }
    assert!(service.asked().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn what_the_service_does_not_clearly_say_is_no_login() {
    let (service, address) = Service::start().await;
    let site = Site::new();
    let mut options = options(address);
    options.answer_bytes = 1_000;
    let logins = site.logins(&options).unwrap();
    let good = json!({ "subject": "s", "username": "ann" });
    let long = json!({ "subject": "s", "username": "ann", "display_name": "x".repeat(1_000) });
    for (status, body) in [
        (500, good.to_string()),
        (503, good.to_string()),
        (404, good.to_string()),
        (400, good.to_string()),
        (201, good.to_string()),
        (204, String::new()),
        (302, good.to_string()),
        (307, good.to_string()),
        (200, String::new()),
        (200, "true".to_owned()),
        (200, "[]".to_owned()),
        (200, json!({ "username": "ann" }).to_string()),
        (200, json!({ "subject": "s" }).to_string()),
        (200, json!({ "subject": 1, "username": "ann" }).to_string()),
        (200, json!({ "subject": "", "username": "ann" }).to_string()),
        (200, json!({ "subject": "s", "username": "an n" }).to_string()),
        (200, json!({ "subject": "s", "username": "ann", "scopes": "admin" }).to_string()),
        (200, json!({ "subject": "s", "username": "ann", "scopes": ["a b"] }).to_string()),
        (200, r#"{"subject":"s","subject":"t","username":"ann"}"#.to_owned()),
        (200, format!("{good}{good}")),
        (200, long.to_string()),
        (1, String::new()),
    ] {
        service.answers(status, &body);
        let begun = Instant::now();
        // Each with a name of its own, so that none has to wait.
        let told = login(&logins, &format!("u{status}-{}", body.len()), PASSWORD).await;
        let Err(StoreError::Unavailable(why)) = told else { panic!("{status} {body}: {told:?}") };
        assert!(why.starts_with("the login service") && !why.contains("horse"), "{why}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    assert!(site.store.has_no_user().await.unwrap());
    let nobody = site.logins(&self::options(SocketAddr::from(([127, 0, 0, 1], countersign_testbed::free_port())))).unwrap();
    assert!(matches!(login(&nobody, "ann", PASSWORD).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn guesses_at_an_external_user_wait_too() {
    let (service, address) = Service::start().await;
    let site = Site::new();
    let logins = site.logins(&options(address)).unwrap();
    service.answers(401, &"");
    for _ in 0..3 {
        assert_eq!(reason(&logins, "ann", PASSWORD).await, "external");
    }
    service.answers(200, &json!({ "subject": "s", "username": "ann" }));
    assert_eq!(reason(&logins, "ann", PASSWORD).await, "throttled");
    assert_eq!(service.asked().len(), 3);
    let mut narrow = options(address);
    narrow.at_once = 0;
    assert_eq!(login(&site.logins(&narrow).unwrap(), "bob", PASSWORD).await, Ok(Outcome::Busy));
}

#[tokio::test]
async fn passwords_go_over_tls_to_whom_is_trusted_only() {
    let site = Site::new();
    for url in ["http://192.0.2.1/check", "http://login.internal/check", "http://localhost.example.com/"] {
        assert_eq!(site.logins(&CallbackOptions::new(url)).unwrap_err(), CallbackFault::Cleartext, "{url}");
    }
    for url in ["", "/check", "ftp://h/", "https://u:p@h/", "https://"] {
        assert_eq!(site.logins(&CallbackOptions::new(url)).unwrap_err(), CallbackFault::Url, "{url}");
    }
    let (pki, stranger) = (Pki::new(), Pki::new());
    let issued = pki.issue("login", &["localhost"]);
    let (service, _) = Service::start().await;
    service.answers(200, &json!({ "subject": "s", "username": "ann" }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![issued.certificate_der()], issued.key_der()).unwrap();
    let (acceptor, router) = (tokio_rustls::TlsAcceptor::from(Arc::new(config)), service.router());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let served = hyper_util::service::TowerToHyperService::new(router);
                let connection = hyper::server::conn::http1::Builder::new();
                drop(connection.serve_connection(hyper_util::rt::TokioIo::new(stream), served).await);
            });
        }
    });
    let trusting = |pki: &Pki, host: &str| {
        let mut options = CallbackOptions::new(format!("https://{host}:{port}/check"));
        options.anchors = Some(std::fs::read(pki.root()).unwrap());
        site.logins(&options).unwrap()
    };
    for logins in [trusting(&stranger, "localhost"), trusting(&pki, "127.0.0.1")] {
        assert!(matches!(login(&logins, "eve", PASSWORD).await, Err(StoreError::Unavailable(_))));
    }
    assert!(service.asked().is_empty(), "no password was sent");
    assert_eq!(admitted(&trusting(&pki, "localhost"), "ann").await.name, "ann");
}
