//! The client's sessions through the gateway: kept by themselves, shared by processes, and over only when the server says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_client::{ClientError, ClockLearning, Keeping, Login, Session, SessionError, SigningClient};
use countersign_protocol::{Dialects, Timestamp};
use http::Method;

use crate::sessions::{CONFIG, Home, PASSWORD};
use wire::Wire;

mod bound;
#[path = "../../../client/examples/session.rs"]
#[expect(dead_code, reason = "its main is not run here")]
mod example;
mod rotations;
mod wire;

/// A clock that the test sets, for the life of tokens.
#[derive(Clone, Default)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    /// Lets the token that is held become over.
    pub(crate) fn over(&self) {
        self.0.fetch_add(1_000, Ordering::Relaxed);
    }

    /// Lets it become due.
    fn due(&self) {
        self.0.fetch_add(500, Ordering::Relaxed);
    }

    pub(crate) fn keeping(&self) -> Keeping {
        let seconds = Arc::clone(&self.0);
        Keeping::default().with_patience(Duration::from_secs(10)).with_elapsed(move || Duration::from_secs(seconds.load(Ordering::Relaxed)))
    }
}

pub(crate) fn client(home: &Home) -> SigningClient {
    let dialect = Dialects::builtin().unwrap().get("hmac-sha256").unwrap().clone();
    SigningClient::new(reqwest::Client::builder(), dialect, home.shop.clone()).unwrap()
}

pub(crate) fn ada() -> Login {
    Login::new("ada", PASSWORD)
}

async fn status(session: &Session, url: &str, path: &str) -> Result<u16, ClientError> {
    session.request(Method::GET, format!("{url}{path}")).send().await.map(|answer| answer.status().as_u16())
}

fn token_file(home: &Home) -> PathBuf {
    home.folder.path().join("ada.json")
}

/// Changes the file as another program would.
fn change(file: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut stored: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    change(&mut stored);
    std::fs::write(file, stored.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_calls_with_a_token_that_is_over_one_refreshes() {
    let home = Home::new();
    let (wire, hand) = (Wire::to(home.gateway.address()), Hand::default());
    let (url, file) = (wire.url(), token_file(&home));
    let session = Session::login(&client(&home), &url, ada(), hand.keeping().with_file(&file)).await.unwrap();
    hand.over();
    assert_eq!(all(&session, &url).await, [200; 64], "over by the clock");
    assert_eq!(wire.refreshes(), 1);
    // One that the server refuses, whatever the clock says: here its signature was changed.
    change(&file, |stored| {
        let token = stored["grant"]["access_token"].as_str().unwrap().rsplit_once('.').unwrap().0.to_owned();
        stored["grant"]["access_token"] = format!("{token}.{}", "A".repeat(86)).into();
    });
    let session = Session::resume(&client(&home), &url, hand.keeping().with_file(&file)).await.unwrap();
    assert_eq!(all(&session, &url).await, [200; 64], "refused by the server");
    assert_eq!(wire.refreshes(), 2);
    // One that is due is used while one of the callers refreshes.
    hand.due();
    assert_eq!(all(&session, &url).await, [200; 64], "due");
    assert_eq!(wire.refreshes(), 3);
}

async fn all(session: &Session, url: &str) -> Vec<u16> {
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let (session, url) = (session.clone(), url.to_owned());
            tokio::spawn(async move { status(&session, &url, "/own").await.unwrap() })
        })
        .collect();
    let mut told = Vec::new();
    for call in calls {
        told.push(call.await.unwrap());
    }
    told
}

#[tokio::test]
async fn an_answer_that_is_lost_or_torn_on_refresh_logs_nobody_out() {
    let home = Home::new();
    let (wire, hand) = (Wire::to(home.gateway.address()), Hand::default());
    let url = wire.url();
    let session = Session::login(&client(&home), &url, ada(), hand.keeping()).await.unwrap();
    for (lost, torn) in [(1, 0), (0, 1), (2, 0)] {
        hand.over();
        wire.lose(lost, torn);
        assert_eq!(status(&session, &url, "/own").await.unwrap(), 200, "{lost} {torn}");
    }
    // All of them: the error says so, and the session goes on afterwards.
    hand.over();
    wire.lose(100, 0);
    let error = session.refresh().await.unwrap_err();
    assert!(matches!(error, SessionError::Client(_)) && !error.must_log_in(), "{error}");
    wire.lose(0, 0);
    assert_eq!(status(&session, &url, "/own").await.unwrap(), 200);
}

#[tokio::test]
async fn a_server_that_cannot_answer_ends_no_session() {
    let home = Home::new();
    let (wire, hand) = (Wire::to(home.gateway.address()), Hand::default());
    let url = wire.url();
    let session = Session::login(&client(&home), &url, ada(), hand.keeping()).await.unwrap();
    wire.shed(2);
    hand.over();
    assert_eq!(status(&session, &url, "/own").await.unwrap(), 200, "tried again");
    wire.shed(1_000);
    hand.due();
    let asked = wire.refreshes();
    assert_eq!(status(&session, &url, "/own").await.unwrap(), 200, "the token still holds");
    assert_eq!(status(&session, &url, "/own").await.unwrap(), 200);
    assert!((1..=4).contains(&(wire.refreshes() - asked)), "bounded, and not asked again at once");
    hand.over();
    let asked = wire.refreshes();
    let error = status(&session, &url, "/own").await.unwrap_err();
    let ClientError::Session(error) = error else { panic!("{error}") };
    assert_eq!((error.code(), error.must_log_in()), (Some("store_unavailable"), false), "{error}");
    assert!((1..=4).contains(&(wire.refreshes() - asked)));
    wire.shed(0);
    assert_eq!(status(&session, &url, "/own").await.unwrap(), 200);
}

#[tokio::test]
async fn a_session_that_has_ended_tells_to_log_in() {
    let home = Home::new();
    let (url, hand) = (format!("http://{}", home.gateway.address()), Hand::default());
    let client = client(&home);
    let login = async |keeping| Session::login(&client, &url, ada(), keeping).await.unwrap();
    let (one, other, third) = (login(hand.keeping()).await, login(hand.keeping()).await, login(hand.keeping()).await);
    one.logout_all().await.unwrap();
    let code = |error: ClientError| match error {
        ClientError::Session(error) if error.must_log_in() => error.code().unwrap().to_owned(),
        other => panic!("{other}"),
    };
    assert_eq!(code(status(&one, &url, "/own").await.unwrap_err()), "logged_out");
    let error = status(&other, &url, "/own").await.unwrap_err();
    assert!(error.to_string().contains("session_revoked") && error.to_string().contains("log in again"), "{error}");
    assert_eq!(code(error), "session_revoked");
    assert_eq!(code(status(&other, &url, "/own").await.unwrap_err()), "session_revoked", "known from then on");
    hand.over();
    assert_eq!(code(status(&third, &url, "/own").await.unwrap_err()), "invalid_grant");
    third.logout().await.unwrap();

    let wrong = Login::new("ada", "wrong horse battery");
    let error = Session::login(&client, &url, wrong, Keeping::default()).await.unwrap_err();
    assert_eq!((error.code(), error.must_log_in()), (Some("invalid_credentials"), false));
    assert!(!format!("{error} {error:?}").contains("horse"));
}

#[tokio::test]
async fn a_token_goes_to_its_server_only() {
    let (home, other) = (Home::new(), Home::new());
    let [url, elsewhere] = [&home, &other].map(|home| format!("http://{}", home.gateway.address()));
    let session = Session::login(&client(&home), &url, ada(), Keeping::default().with_file(token_file(&home))).await.unwrap();
    let error = status(&session, &elsewhere, "/open").await.unwrap_err();
    assert!(matches!(error, ClientError::Token { .. }), "{error}");
    // A file is for one server too: its refresh token would be shown to the other.
    let error = Session::resume(&client(&home), &elsewhere, Keeping::default().with_file(token_file(&home))).await.unwrap_err();
    assert!(matches!(error, SessionError::File { .. }), "{error}");
    // A token that the caller adds beside.
    let doubled = session.request(Method::GET, format!("{url}/own")).header("X-Access-Token", "another").send().await;
    assert!(matches!(doubled, Err(ClientError::Token { .. })));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_an_error_and_no_logout() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let (url, hand, file) = (format!("http://{}", home.gateway.address()), Hand::default(), token_file(&home));
    let client = client(&home);
    let session = Session::login(&client, &url, ada(), hand.keeping().with_file(&file)).await.unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let whole = std::fs::read(&file).unwrap();
    let told = async |what: &str| {
        hand.over();
        let error = session.refresh().await.unwrap_err();
        assert!(matches!(error, SessionError::File { .. }), "{what}: {error}");
        assert!(!error.to_string().contains("rt1_"), "{error}");
    };
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    told("torn").await;
    std::fs::write(&file, "rt1_ is what another program wrote").unwrap();
    told("another program's").await;
    std::fs::remove_file(&file).unwrap();
    told("gone").await;
    // Another login with the same file: this session does not become that one.
    let other = Session::login(&client, &url, ada(), hand.keeping().with_file(&file)).await.unwrap();
    told("of another session").await;
    other.logout().await.unwrap();
    assert!(!file.exists());
    std::fs::write(&file, &whole).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    told("readable by others").await;
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(status(&session, &url, "/own").await.unwrap(), 200, "put back");
    session.logout().await.unwrap();
    assert!(!file.exists());
}

#[tokio::test]
async fn a_lock_that_another_process_keeps_is_waited_for_and_no_longer() {
    let home = Home::new();
    let (url, hand, file) = (format!("http://{}", home.gateway.address()), Hand::default(), token_file(&home));
    let keeping = hand.keeping().with_file(&file).with_patience(Duration::from_millis(300));
    let session = Session::login(&client(&home), &url, ada(), keeping).await.unwrap();
    let lock = std::fs::File::open(home.folder.path().join("ada.json.lock")).unwrap();
    lock.lock().unwrap();
    hand.due();
    assert_eq!(status(&session, &url, "/own").await.unwrap(), 200, "the token still holds");
    hand.over();
    let error = session.refresh().await.unwrap_err();
    assert!(matches!(error, SessionError::Busy { .. }), "{error}");
    lock.unlock().unwrap();
    assert_eq!(status(&session, &url, "/own").await.unwrap(), 200);
}

#[tokio::test]
async fn a_machine_whose_clock_is_hours_off_keeps_its_session() {
    let home = Home::new();
    let (url, file) = (format!("http://{}", home.gateway.address()), token_file(&home));
    for hours in [5_i64, -5] {
        let clock = move || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
            Timestamp::from_millis(i64::try_from(now).unwrap() + hours * 3_600_000).unwrap()
        };
        let wrong = client(&home).with_clock(clock).with_clock_learning(ClockLearning::default().allow_plain_http());
        let session = Session::login(&wrong, &url, ada(), Keeping::default().with_file(&file)).await.unwrap();
        assert!(session.expires_in() > Duration::from_secs(500), "{:?}", session.expires_in());
        assert_eq!(status(&session, &url, "/own").await.unwrap(), 200);
        // Set right between two processes: the age of the file's token is not to be told, and the session goes on.
        let resumed = Session::resume(&client(&home), &url, Keeping::default().with_file(&file)).await.unwrap();
        assert_eq!(status(&resumed, &url, "/own").await.unwrap(), 200);
        resumed.refresh().await.unwrap();
        session.refresh().await.unwrap();
        assert_eq!(status(&session, &url, "/own").await.unwrap(), 200);
    }
}

#[tokio::test]
async fn the_example_of_a_session_runs() {
    let home = Home::new();
    let (url, file) = (format!("http://{}", home.gateway.address()), token_file(&home));
    let run = async || example::run(&url, home.shop.clone().into(), ada(), &file).await;
    for _ in 0..2 {
        let got: serde_json::Value = serde_json::from_str(&run().await.unwrap()).unwrap();
        assert_eq!(got["target"], "/own/orders");
    }
    // A session that is there is gone on with; one that has ended is replaced.
    let session = Session::login(&client(&home), &url, ada(), Keeping::default().with_file(&file)).await.unwrap();
    run().await.unwrap();
    assert!(status(&session, &url, "/own").await.unwrap_err().to_string().contains("session_revoked"));
}

/// What a configuration says for tests that refresh often.
pub(crate) fn eager() -> String {
    CONFIG.replace("audience = \"api\"", "refresh_rate = { per_second = 100000, burst = 100000 }")
}
