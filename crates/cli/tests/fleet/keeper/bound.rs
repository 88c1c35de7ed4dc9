//! A whole session in each binding.

use countersign_client::{Bind, Keeping, Login, Session, SessionError, SigningClient};
use countersign_protocol::{Credential, Dialect, KeyPair};
use http::Method;

use super::{Hand, ada, client, status, token_file};
use crate::sessions::{CONFIG, Home, OWN, PASSWORD, openssl, run, serve};
use crate::site::private;

/// Calls, refreshes, goes on in another process, logs out.
async fn whole(session: &Session, url: &str, hand: &Hand, resume: impl AsyncFn() -> Result<Session, SessionError>) {
    let who = session.whoami().await.unwrap();
    assert_eq!((who.user.name.as_str(), who.session_id), ("ada", session.session_id()));
    assert_eq!((session.user().name.as_str(), session.user().id), ("ada", who.user.id));
    assert_eq!(status(session, url, "/own").await.unwrap(), 200);
    for _ in 0..3 {
        session.refresh().await.unwrap();
        assert_eq!(status(session, url, "/own").await.unwrap(), 200);
    }
    let resumed = resume().await.unwrap();
    hand.over();
    assert_eq!(status(&resumed, url, "/own").await.unwrap(), 200);
    assert_eq!(status(session, url, "/own").await.unwrap(), 200, "takes what the other has refreshed");
    assert!(!format!("{session:?} {:?}", session.client()).contains("rt1_"));
    session.logout().await.unwrap();
    session.logout().await.unwrap();
    let error = status(&resumed, url, "/own").await.unwrap_err();
    assert!(error.to_string().contains("session_revoked"), "{error}");
}

#[tokio::test]
async fn a_session_of_an_app_or_with_its_own_key_is_kept_from_login_to_logout() {
    let home = Home::new();
    let url = format!("http://{}", home.gateway.address());
    let client = client(&home);
    for bind in [Bind::App, Bind::Session] {
        let hand = Hand::default();
        let keeping = || hand.keeping().with_file(token_file(&home));
        let session = Session::login(&client, &url, ada().bind(bind.clone()), keeping()).await.unwrap();
        assert_eq!(session.scope(), "orders");
        whole(&session, &url, &hand, async || Session::resume(&client, &url, keeping()).await).await;
    }
    let less = Session::login(&client, &url, ada().scope("nothing"), Keeping::default()).await.unwrap();
    assert_eq!(less.scope(), "");
}

#[tokio::test]
async fn a_session_of_a_public_app_is_signed_with_a_key_that_never_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let yaml = OWN.replace("dialect: hmac-sha256", "dialect: own").replace("algorithm: hmac-sha256", "algorithm: [ed25519, hmac-sha256]");
    let yaml = yaml.replace("HMAC-SHA256", "OWN");
    std::fs::create_dir(folder.path().join("dialects")).unwrap();
    private(folder.path(), "dialects/own.yaml", &yaml);
    openssl(&["genpkey", "-algorithm", "ED25519", "-out", &name("key.pem")]);
    let key = KeyPair::from_private_pem(&std::fs::read_to_string(name("key.pem")).unwrap()).unwrap();

    let config = CONFIG.replace("\"hmac-sha256\"", "\"own\"").replace("audience = \"api\"", "public_apps = [\"web\"]");
    let config = config.replace("workers = 1", &format!("workers = 1\ndialects = [\"{}\"]", name("dialects")));
    let data = ["--data".to_owned(), name("data")];
    let secret = private(folder.path(), "secret", "a secret that nobody has");
    let both = [&data[..], &["--dialects".to_owned(), name("dialects")]].concat();
    run(&both, &["app", "add", "web", "--dialect", "own", "--key-id", "web", "--secret-file", secret.to_str().unwrap()]);
    let password = private(folder.path(), "password", PASSWORD);
    run(&data, &["user", "add", "ada", "--password-file", password.to_str().unwrap()]);
    let gateway = serve(&private(folder.path(), "gateway.toml", &config), &data);

    let url = format!("http://{}", gateway.address());
    let dialect = Dialect::from_yaml(&yaml).unwrap();
    let client = SigningClient::new(reqwest::Client::builder(), dialect, Credential::hmac("nobody", "no secret")).unwrap();
    let (hand, file) = (Hand::default(), folder.path().join("ada.json"));
    let keeping = || hand.keeping().with_file(&file);
    let login = Login::new("ada", PASSWORD).bind(Bind::Client(key.clone())).of_public_app("web");
    let session = Session::login(&client, &url, login, keeping()).await.unwrap();
    let without = Session::resume(&client, &url, keeping()).await.unwrap_err();
    assert!(matches!(without, SessionError::Key { .. }), "the key is in no file: {without}");
    whole(&session, &url, &hand, async || Session::resume(&client, &url, keeping().with_key(key.clone())).await).await;
    let plain = client.request(Method::GET, format!("{url}/own")).send().await.unwrap();
    assert_eq!(plain.status(), 401);
}
