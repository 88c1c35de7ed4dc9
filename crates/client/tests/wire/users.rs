//! The access token of a user inside signed requests, through everything that signs.

use std::path::Path;

use bytes::Bytes;
use countersign_client::{ClientError, Keeping, Session, SessionError, Signer, SigningClient};
use countersign_protocol::{Intact, Part, Request};
use http::Method;
use http_body_util::Full;

use crate::support::{NOW, Recorder, answer, client, credential, dialect, header, now, problem, verify};

const TOKEN: &str = "an.access.token";

fn stored(server: &str, key: &str) -> String {
    format!(r#"{{"countersign_session": 1, "server": "{server}/session", "granted_at": {NOW}000, "grant": {}}}"#, grant(TOKEN, key))
}

fn grant(token: &str, key: &str) -> String {
    format!(
        r#"{{"access_token": "{token}", "token_type": "Signed", "header": "x-access-token", "expires_in": 600, "expires_at": {NOW},
            "refresh_token": "rt1_a", "session_id": "s", "session_expires_at": {NOW}, "user": {{"id": "u", "name": "ada"}}, "scope": "", {key}}}"#
    )
}

const APP: &str = r#""binding": "app""#;
const OWN: &str = r#""binding": "session", "session_key": {"key_id": "sk_s", "secret": "the key of the session"}"#;

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// The session of a file.
async fn session_of(text: &str, client: &SigningClient, url: &str) -> Result<Session, SessionError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ada.json");
    private(&file, text);
    // The file is read again at a refresh only.
    Session::resume(client, url, Keeping::default().with_file(file)).await
}

async fn app_session(url: &str) -> Session {
    session_of(&stored(url, APP), &client("hmac-sha256"), url).await.unwrap()
}

fn covers_token(request: &Request) -> Intact {
    assert_eq!(header(request, "x-access-token"), Some(TOKEN));
    let intact = verify("hmac-sha256", request).unwrap();
    assert!(intact.verified().covers().contains(&Part::Header("x-access-token".to_owned())));
    intact
}

fn arrived(server: &Recorder) -> Request {
    let mut seen = server.taken();
    assert_eq!(seen.len(), 1);
    seen.remove(0)
}

#[tokio::test]
async fn the_token_rides_among_the_signed_headers_through_everything_that_signs() {
    let server = Recorder::ok().await;
    let session = app_session(&server.url("")).await;
    session.request(Method::GET, server.url("/a")).send_ok().await.unwrap();
    covers_token(&arrived(&server));

    let layer = countersign_client::SigningLayer::new(session.signer());
    let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = http::Request::post(server.url("/a")).body(Full::from("a body")).unwrap();
    tower::ServiceExt::oneshot(tower::Layer::layer(&layer, http), request).await.unwrap();
    covers_token(&arrived(&server));

    let signed = session.signer().sign_request(http::Request::get(server.url("/a")).body(Vec::new()).unwrap()).unwrap();
    assert!(!format!("{signed:?}").contains(TOKEN), "marked, so that logs leave it out");

    #[cfg(feature = "middleware")]
    {
        let middleware = countersign_client::SigningMiddleware::new(session.signer());
        let client = middleware.into_client(reqwest::Client::builder()).unwrap();
        client.get(server.url("/a")).send().await.unwrap();
        covers_token(&arrived(&server));
    }
}

#[tokio::test]
async fn the_key_of_a_session_signs_in_place_of_the_apps() {
    let server = Recorder::ok().await;
    let session = session_of(&stored(&server.url(""), OWN), &client("hmac-sha256"), &server.url("")).await.unwrap();
    session.request(Method::GET, server.url("/a")).send_ok().await.unwrap();
    let request = arrived(&server);
    let line = header(&request, "authorization").unwrap();
    assert!(line.contains("Credential=sk_s,"), "{line}");
    assert!(verify("hmac-sha256", &request).is_err(), "the app's key did not sign");
    assert!(!format!("{session:?} {:?} {:?}", session.signer(), session.client()).contains("the key of"));
}

#[tokio::test]
async fn a_token_that_nobody_could_hold_fast_is_not_sent() {
    let server = Recorder::ok().await;
    let url = server.url("");
    // A dialect whose signature does not reach the header.
    let unable = Signer::new(dialect("api-key"), credential()).with_clock(now).allow_plain_http();
    let unable = SigningClient::from_signer(reqwest::Client::builder(), unable).unwrap();
    let session = session_of(&stored(&url, APP), &unable, &url).await.unwrap();
    let error = session.request(Method::GET, server.url("/a")).send().await.unwrap_err();
    assert!(matches!(error, ClientError::Token { .. }) && !error.to_string().contains(TOKEN), "{error}");
    // Another server, by name, by port, by scheme.
    let session = app_session(&url).await;
    for elsewhere in ["http://localhost/a", "http://127.0.0.1:1/a", &server.url("/a").replace("http:", "https:")] {
        let error = session.request(Method::GET, elsewhere).send().await.unwrap_err();
        assert!(matches!(error, ClientError::Token { .. }), "{elsewhere}: {error}");
    }
    // One of the caller's own beside it.
    let doubled = session.request(Method::GET, server.url("/a")).header("X-Access-Token", "another");
    assert!(matches!(doubled.send().await, Err(ClientError::Token { .. })));
    assert!(server.taken().is_empty());
}

#[tokio::test]
async fn a_refusal_is_followed_by_one_refresh_and_one_more_attempt() {
    // A server that refuses every token.
    let server = Recorder::answering(|_, request| {
        if request.target == b"/session/refresh" {
            answer("200 OK", "Content-Type: application/json\r\n", &grant("another.access.token", APP))
        } else {
            problem("401 Unauthorized", "", "token_expired")
        }
    })
    .await;
    let url = server.url("");
    let (folder, client) = (tempfile::tempdir().unwrap(), client("hmac-sha256"));
    let file = folder.path().join("ada.json");
    private(&file, &stored(&url, APP));
    let session = Session::resume(&client, &url, Keeping::default().with_file(&file)).await.unwrap();
    let answer = session.request(Method::POST, server.url("/a")).body("a body").send().await.unwrap();
    assert_eq!(answer.status(), 401, "handed back");
    let seen = server.taken();
    let targets: Vec<&[u8]> = seen.iter().map(|request| &request.target[..]).collect();
    assert_eq!(targets, [b"/a".as_slice(), b"/session/refresh", b"/a"]);
    assert_eq!(header(&seen[1], "x-access-token"), None);
    assert_eq!((header(&seen[2], "x-access-token"), &seen[2].body[..]), (Some("another.access.token"), &b"a body"[..]));
    assert_ne!(header(&seen[0], "authorization"), header(&seen[2], "authorization"), "signed anew");
    // On disk before it was used, and for nobody else.
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.contains("another.access.token") && kept.contains("rt1_a"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the file and its lock");
}

#[tokio::test]
async fn new_tokens_that_cannot_be_written_are_not_used() {
    let server = Recorder::answering(|_, request| {
        if request.target == b"/session/refresh" {
            answer("200 OK", "Content-Type: application/json\r\n", &grant("another.access.token", APP))
        } else {
            crate::support::OK.to_owned()
        }
    })
    .await;
    let url = server.url("");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ada.json");
    private(&file, &stored(&url, APP));
    let session = Session::resume(&client("hmac-sha256"), &url, Keeping::default().with_file(&file)).await.unwrap();
    // A folder in the draft's place: nothing can be written there.
    std::fs::create_dir(folder.path().join("ada.json.new")).unwrap();
    let error = session.refresh().await.unwrap_err();
    assert!(matches!(error, SessionError::File { .. }) && !error.must_log_in(), "{error}");
    server.taken();
    session.request(Method::GET, server.url("/a")).send_ok().await.unwrap();
    assert_eq!(header(&arrived(&server), "x-access-token"), Some(TOKEN), "the old ones are");
}

#[tokio::test]
async fn a_login_that_could_not_be_kept_or_would_be_seen_is_not_begun() {
    let server = Recorder::ok().await;
    let login = || countersign_client::Login::new("ada", "a password");
    let keeping = Keeping::default().with_file("/no/such/folder/ada.json");
    let error = Session::login(&client("hmac-sha256"), &server.url(""), login(), keeping).await.unwrap_err();
    assert!(matches!(error, SessionError::File { .. }), "{error}");
    for url in ["http://api.example.com", "http://10.0.0.1:8080"] {
        let error = Session::login(&client("hmac-sha256"), url, login(), Keeping::default()).await.unwrap_err();
        assert!(error.to_string().contains("use an https URL"), "{error}");
    }
    // An answer that gives no session.
    let error = Session::login(&client("hmac-sha256"), &server.url(""), login(), Keeping::default()).await.unwrap_err();
    assert!(matches!(error, SessionError::Answer { .. }), "{error}");
    assert_eq!(server.taken().len(), 1);
}

#[cfg(feature = "blocking")]
#[test]
fn the_blocking_client_waits_for_sessions_too() {
    use countersign_client::blocking;

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let login = answer("200 OK", "Content-Type: application/json\r\n", &grant(TOKEN, APP));
    let server = runtime.block_on(Recorder::answering(move |_, _| login.clone()));
    let facade = blocking::SigningClient::new(client("hmac-sha256")).unwrap();
    let (client, url) = (client("hmac-sha256"), server.url(""));
    let login = Session::login(&client, &url, countersign_client::Login::new("ada", "a password"), Keeping::default());
    let session = facade.wait(login).unwrap().unwrap();
    facade.of(session.client()).request(Method::GET, server.url("/a")).send_ok().unwrap();
    assert_eq!(header(&server.taken()[1], "x-access-token"), Some(TOKEN));
}
