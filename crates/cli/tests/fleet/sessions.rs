//! Users: logging in through the gateway, calling with a token that rides inside signed requests, refreshing, logging out.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_protocol::{Credential, Dialect, Dialects, KeyMaterial, KeyPair, Request, SignOptions, Timestamp};
use countersign_testbed::{Answer, Connection, Postgres, Redis, Serving};
use serde_json::{Value, json};

use crate::load::code;
use crate::site::private;

pub(crate) const CONFIG: &str = r#"
listen = ["127.0.0.1:0"]
workers = 1

[session]
issuer = "https://api.example.com"
audience = "api"
dialects = ["hmac-sha256"]

[[route]]
prefix = "/open"
upstream = "echo"
dialects = ["hmac-sha256"]

[[route]]
prefix = "/maybe"
upstream = "echo"
dialects = ["hmac-sha256"]
session = "optional"

[[route]]
prefix = "/own"
upstream = "echo"
dialects = ["hmac-sha256"]
session = "required"

[[route]]
prefix = "/admin"
upstream = "echo"
dialects = ["hmac-sha256"]
session = "required"
user_scopes = ["admin"]

[[route]]
prefix = "/fresh"
upstream = "echo"
dialects = ["hmac-sha256"]
session = "required"
login_within = "1s"
"#;

/// Plain callers, as over TLS.
const BEARER: &str =
    "[[route]]\nprefix = \"/plain\"\nupstream = \"echo\"\ndialects = [\"hmac-sha256\"]\nsession = \"required\"\nbearer = true\n";

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A gateway with an app `shop` and a user `ada`, who has the scope `orders`.
pub(crate) struct Home {
    pub(crate) gateway: Serving,
    pub(crate) shop: Credential,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) stores: Vec<String>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").to_str().unwrap().to_owned();
        Self::with(folder, CONFIG, vec!["--data".to_owned(), data])
    }

    pub(crate) fn with(folder: tempfile::TempDir, config: &str, stores: Vec<String>) -> Self {
        let config = private(folder.path(), "gateway.toml", config);
        let run = |arguments: &[&str]| run(&stores, arguments);
        let secret = private(folder.path(), "secret", "the secret of the shop");
        run(&["app", "add", "shop", "--dialect", "hmac-sha256", "--key-id", "shop", "--secret-file", secret.to_str().unwrap()]);
        let password = private(folder.path(), "password", PASSWORD);
        run(&["user", "add", "ada", "--scope", "orders", "--password-file", password.to_str().unwrap()]);
        let gateway = serve(&config, &stores);
        Self { gateway, shop: Credential::hmac("shop", "the secret of the shop"), folder, stores }
    }

    pub(crate) fn call(&self, request: Request, key: &Credential) -> Answer {
        send(self.gateway.address(), &signed(request, key))
    }

    pub(crate) fn session(&self, path: &str, body: &Value, key: &Credential, token: Option<&str>) -> Answer {
        self.call(with_token(post(&format!("/session{path}"), body), token), key)
    }

    pub(crate) fn login(&self, extra: &Value) -> Value {
        let mut body = json!({ "username": "ada", "password": PASSWORD });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        granted(&self.session("/login", &body, &self.shop, None))
    }

    fn refresh(&self, login: &Value, key: &Credential) -> Answer {
        self.session("/refresh", &json!({ "refresh_token": login["refresh_token"] }), key, None)
    }

    pub(crate) fn get(&self, path: &str, token: Option<&str>, key: &Credential) -> (u16, String) {
        let answer = self.call(with_token(get(path), token), key);
        (answer.status, code(&answer))
    }
}

pub(crate) fn run(stores: &[String], arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let output = command.arg(arguments[0]).args(stores).args(&arguments[1..]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn serve(config: &Path, stores: &[String]) -> Serving {
    let config = config.to_str().unwrap();
    let mut arguments: Vec<&str> = stores.iter().map(String::as_str).collect();
    if !arguments.contains(&"--config") {
        arguments.extend(["--config", config]);
    }
    Serving::start(Path::new(env!("CARGO_BIN_EXE_countersign")), &arguments, [])
}

pub(crate) fn granted(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    serde_json::from_slice(&answer.body).unwrap()
}

pub(crate) fn token(login: &Value) -> &str {
    login["access_token"].as_str().unwrap()
}

fn session_key(login: &Value) -> Credential {
    let key = &login["session_key"];
    Credential::hmac(key["key_id"].as_str().unwrap(), key["secret"].as_str().unwrap())
}

pub(crate) fn get(path: &str) -> Request {
    Request::new("GET", path).with_header("Host", "api.example.com")
}

pub(crate) fn post(path: &str, body: &Value) -> Request {
    let request = Request::new("POST", path).with_header("Host", "api.example.com").with_header("Content-Type", "application/json");
    request.with_body(body.to_string())
}

fn form(path: &str, body: &str) -> Request {
    let kind = "application/x-www-form-urlencoded";
    Request::new("POST", path).with_header("Host", "api.example.com").with_header("Content-Type", kind).with_body(body)
}

pub(crate) fn with_token(request: Request, token: Option<&str>) -> Request {
    match token {
        Some(token) => request.with_header("X-Access-Token", token),
        None => request,
    }
}

pub(crate) fn signed(request: Request, key: &Credential) -> Request {
    signed_in(Dialects::builtin().unwrap().get("hmac-sha256").unwrap(), request, key)
}

fn signed_in(dialect: &Dialect, request: Request, key: &Credential) -> Request {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let at = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap()).unwrap();
    let options = SignOptions::new(at).with_nonce(format!("{:x}", now.as_nanos()));
    dialect.sign(request, key, &options).unwrap().into_message().into_request().unwrap()
}

pub(crate) fn send(address: SocketAddr, request: &Request) -> Answer {
    let mut bytes = [request.method.as_bytes(), b" ", &request.target, b" HTTP/1.1\r\n"].concat();
    for (name, value) in &request.headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend(format!("Content-Length: {}\r\n\r\n", request.body.len()).into_bytes());
    bytes.extend(&request.body);
    Connection::open(address).unwrap().exchange(&bytes).unwrap()
}

/// What the echo upstream was told in this header.
pub(crate) fn told(answer: &Answer, name: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let lines = body["headers"].as_array().unwrap().iter();
    lines.filter(|line| line[0] == name).map(|line| line[1].as_str().unwrap().to_owned()).next()
}

#[test]
fn a_user_logs_in_calls_refreshes_and_logs_out() {
    let home = Home::new();
    let login = home.login(&json!({}));
    assert_eq!(
        (login["token_type"].as_str(), login["scope"].as_str(), login["binding"].as_str()),
        (Some("Signed"), Some("orders"), Some("app"))
    );
    assert!((570..=600).contains(&login["expires_in"].as_i64().unwrap()));

    let answer = home.call(with_token(get("/own"), Some(token(&login))), &home.shop);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = |name: &str| told(&answer, name);
    assert_eq!(told("x-countersign-user-name").as_deref(), Some("ada"));
    assert_eq!(told("x-countersign-user-scopes").as_deref(), Some("orders"));
    assert_eq!(told("x-countersign-session").as_deref(), login["session_id"].as_str());
    assert_eq!(told("x-countersign-user").as_deref(), login["user"]["id"].as_str());
    assert_eq!(told("x-access-token"), None, "the upstream has no use for it");

    let who = granted(&home.call(with_token(get("/session/whoami"), Some(token(&login))), &home.shop));
    assert_eq!((who["user"]["name"].as_str(), who["session_id"].as_str()), (Some("ada"), login["session_id"].as_str()));

    let next = granted(&home.refresh(&login, &home.shop));
    assert_ne!(next["refresh_token"], login["refresh_token"]);
    let again = granted(&home.refresh(&login, &home.shop));
    assert_eq!(again["refresh_token"], next["refresh_token"], "an answer that was lost is given again");
    for login in [&login, &next] {
        assert_eq!(home.get("/own", Some(token(login)), &home.shop).0, 200, "a refresh ends no token");
    }

    assert_eq!(home.session("/logout", &json!({}), &home.shop, Some(token(&next))).status, 204);
    assert_eq!(home.session("/logout", &json!({}), &home.shop, Some(token(&next))).status, 204, "as often as one likes");
    for login in [&login, &next] {
        assert_eq!(home.get("/own", Some(token(login)), &home.shop), (401, "session_revoked".to_owned()));
        assert_eq!(code(&home.refresh(login, &home.shop)), "invalid_grant");
    }
}

#[test]
fn what_is_wrong_with_a_login_is_not_told() {
    let home = Home::new();
    let attempts = [
        json!({ "username": "ada", "password": "wrong horse battery" }),
        json!({ "username": "nobody", "password": "wrong horse battery" }),
        json!({ "username": "ada", "password": "" }),
    ];
    let shown: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            let answer = home.session("/login", attempt, &home.shop, None);
            let names: Vec<_> =
                answer.head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect();
            let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
            body.as_object_mut().unwrap().retain(|name, _| name != "instance");
            (answer.status, names, body.to_string())
        })
        .collect();
    assert_eq!((shown[0].0, shown[0].2.contains("invalid_credentials")), (401, true), "{shown:?}");
    assert!(shown.iter().all(|one| *one == shown[0]), "{shown:?}");
    let secret = json!({ "username": "ada", "password": 7, "extra": "the password" });
    let answer = home.session("/login", &secret, &home.shop, None);
    assert_eq!((answer.status, code(&answer).as_str()), (400, "invalid_request"));
    assert!(!home.gateway.said().contains("horse"), "{}", home.gateway.said());
}

#[test]
fn a_token_that_the_signature_does_not_cover_is_refused() {
    let home = Home::new();
    let (one, other) = (home.login(&json!({})), home.login(&json!({})));
    // Added after signing: a proxy could give a request any user.
    for path in ["/own", "/maybe"] {
        let mut request = signed(get(path), &home.shop);
        request.headers.push(("X-Access-Token".to_owned(), token(&one).as_bytes().to_vec()));
        assert_eq!(code(&send(home.gateway.address(), &request)), "token_not_signed");
    }
    // Exchanged, taken off, doubled.
    for path in ["/own", "/maybe"] {
        let request = signed(with_token(get(path), Some(token(&one))), &home.shop);
        let is_token = |name: &str| name.eq_ignore_ascii_case("x-access-token");
        let mut exchanged = request.clone();
        exchanged.headers.iter_mut().filter(|(name, _)| is_token(name)).for_each(|(_, value)| *value = token(&other).as_bytes().to_vec());
        assert_eq!(code(&send(home.gateway.address(), &exchanged)), "signature_mismatch", "{path}");
        let mut stripped = request.clone();
        stripped.headers.retain(|(name, _)| !is_token(name));
        let refused = code(&send(home.gateway.address(), &stripped));
        assert!(["signature_mismatch", "malformed_claim"].contains(&refused.as_str()), "{path}: {refused}");
        let mut doubled = request;
        doubled.headers.push(("x-access-token".to_owned(), token(&other).as_bytes().to_vec()));
        let answer = send(home.gateway.address(), &doubled);
        assert!(answer.status >= 400, "{path}: {}", answer.text());
    }
}

#[test]
fn a_route_says_whether_it_needs_a_user() {
    let home = Home::new();
    let login = home.login(&json!({}));
    let good = Some(token(&login));
    let refused = |code: &str| (401, code.to_owned());
    assert_eq!(home.get("/own", None, &home.shop), refused("token_missing"));
    assert_eq!(home.get("/maybe", None, &home.shop).0, 200);
    assert_eq!(home.get("/maybe", Some("broken"), &home.shop), refused("token_malformed"), "a broken token is not nobody");
    assert_eq!(home.get("/open", Some("whatever"), &home.shop).0, 200, "a header like others");
    assert_eq!(home.get("/admin", good, &home.shop), (403, "insufficient_scope".to_owned()));
    // Within a second of its login, which a machine that does much else may miss.
    let is_fresh = || home.get("/fresh", Some(token(&home.login(&json!({})))), &home.shop).0 == 200;
    assert!((0..5).any(|_| is_fresh()));
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(home.get("/fresh", good, &home.shop), refused("insufficient_user_authentication"));
    let answer = home.call(get("/maybe"), &home.shop);
    assert_eq!(told(&answer, "x-countersign-user"), None);
}

#[test]
fn the_key_of_a_session_signs_with_its_token_only() {
    let home = Home::new();
    let (one, other) = (home.login(&json!({ "bind": "session" })), home.login(&json!({ "bind": "session" })));
    let (key, others) = (session_key(&one), session_key(&other));
    assert_eq!(home.get("/own", Some(token(&one)), &key).0, 200);
    for signer in [&home.shop, &others] {
        assert_eq!(home.get("/own", Some(token(&one)), signer), (401, "token_binding_mismatch".to_owned()));
    }
    for path in ["/open", "/maybe", "/own"] {
        assert_eq!(home.get(path, None, &key), (401, "token_missing".to_owned()), "{path}");
    }
    assert_eq!(code(&home.refresh(&one, &home.shop)), "invalid_grant");
    assert_eq!(granted(&home.refresh(&one, &key))["session_id"], one["session_id"]);
    assert_eq!(home.session("/logout", &json!({}), &key, Some(token(&one))).status, 204);
    assert_eq!(home.get("/own", Some(token(&one)), &key), (401, "session_revoked".to_owned()));
}

#[test]
fn sessions_are_listed_and_ended_one_by_one_and_everywhere() {
    let home = Home::new();
    let (one, other) = (home.login(&json!({})), home.login(&json!({})));
    let listed = granted(&home.call(with_token(get("/session"), Some(token(&one))), &home.shop));
    let rows = listed["sessions"].as_array().unwrap();
    let current = rows.iter().filter(|row| row["current"] == true).map(|row| &row["session_id"]).collect::<Vec<_>>();
    assert_eq!((rows.len(), current), (2, vec![&one["session_id"]]));
    let delete = |id: &str| {
        let request = Request::new("DELETE", format!("/session/{id}")).with_header("Host", "api.example.com");
        home.call(with_token(request, Some(token(&one))), &home.shop).status
    };
    assert_eq!(delete("AAAAAAAAAAAAAAAAAAAAAA"), 404);
    assert_eq!(delete(other["session_id"].as_str().unwrap()), 204);
    assert_eq!(home.get("/own", Some(token(&other)), &home.shop).1, "session_revoked");
    let third = home.login(&json!({}));
    assert_eq!(home.session("/logout-all", &json!({}), &home.shop, Some(token(&one))).status, 204);
    for login in [&one, &third] {
        assert_eq!(home.get("/own", Some(token(login)), &home.shop).1, "session_revoked");
        assert_eq!(code(&home.refresh(login, &home.shop)), "invalid_grant");
    }
    assert_eq!(home.get("/own", Some(token(&home.login(&json!({})))), &home.shop).0, 200);
}

#[test]
fn a_token_is_introspected_and_revoked_by_its_app() {
    let home = Home::new();
    let secret = private(home.folder.path(), "secret", "the secret of the other");
    run(&home.stores, &["app", "add", "other", "--dialect", "hmac-sha256", "--key-id", "other", "--secret-file", secret.to_str().unwrap()]);
    let other = Credential::hmac("other", "the secret of the other");
    let login = home.login(&json!({}));
    let ask = |path: &str, token: &str, key: &Credential| {
        let answer = home.call(form(&format!("/session{path}"), &format!("token={token}&token_type_hint=access_token")), key);
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice::<Value>(&answer.body).unwrap()
    };
    let found = ask("/introspect", token(&login), &home.shop);
    assert_eq!(
        (found["active"].as_bool(), found["username"].as_str(), found["client_id"].as_str()),
        (Some(true), Some("ada"), Some("shop"))
    );
    assert_eq!(ask("/introspect", token(&login), &other), json!({ "active": false }), "another app learns nothing");
    assert_eq!(ask("/introspect", "garbage", &home.shop), json!({ "active": false }));
    ask("/revoke", token(&login), &other);
    assert_eq!(home.get("/own", Some(token(&login)), &home.shop).0, 200, "another app ends nothing");
    ask("/revoke", login["refresh_token"].as_str().unwrap(), &home.shop);
    assert_eq!(home.get("/own", Some(token(&login)), &home.shop).1, "session_revoked");
}

#[test]
fn the_public_keys_are_there_for_everyone() {
    let home = Home::new();
    let answer = send(home.gateway.address(), &get("/.well-known/jwks.json"));
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("public, max-age=300")));
    let keys: Value = serde_json::from_slice(&answer.body).unwrap();
    let key = &keys["keys"][0];
    assert_eq!((key["kty"].as_str(), key["crv"].as_str(), key["d"].is_null()), (Some("OKP"), Some("Ed25519"), true));
}

#[test]
fn a_switched_off_user_is_out_at_once() {
    let home = Home::new();
    let login = home.login(&json!({}));
    run(&home.stores, &["user", "disable", "ada"]);
    assert_eq!(home.get("/own", Some(token(&login)), &home.shop).1, "session_revoked");
    assert_eq!(code(&home.session("/login", &json!({ "username": "ada", "password": PASSWORD }), &home.shop, None)), "invalid_credentials");
}

/// How long after a logout a token is still taken, by the gateway that was told and by another one: not longer than the next request.
#[test]
fn a_logout_through_one_gateway_is_seen_by_the_other() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let folder = tempfile::tempdir().unwrap();
    let stores = format!(
        "master_key = \"{}\"\n[store]\npostgres = \"{}\"\nredis = \"{}\"\n",
        folder.path().join("master.key").display(),
        postgres.url(),
        redis.url()
    );
    let config = CONFIG.replace("\n[session]", &format!("\n{stores}\n[session]"));
    let file: PathBuf = folder.path().join("gateway.toml");
    let home = Home::with(folder, &config, vec!["--config".to_owned(), file.to_str().unwrap().to_owned()]);
    let other = serve(&file, &home.stores);
    for (name, address) in [("one gateway", home.gateway.address()), ("two gateways", other.address())] {
        let mut latest = Duration::ZERO;
        for _ in 0..10 {
            let login = home.login(&json!({}));
            let there = || code(&send(address, &signed(with_token(get("/own"), Some(token(&login))), &home.shop)));
            assert_eq!(there(), "");
            let begun = Instant::now();
            assert_eq!(home.session("/logout", &json!({}), &home.shop, Some(token(&login))).status, 204);
            assert_eq!(there(), "session_revoked", "the first request after the answer");
            latest = latest.max(begun.elapsed());
        }
        println!("{name}: a logout and the refusal of the next request together took at most {latest:?} of 10");
    }
}

/// The shipped dialect, signed with Ed25519.
pub(crate) const OWN: &str = include_str!("../../../protocol/dialects/hmac-sha256.yaml");

pub(crate) fn openssl(arguments: &[&str]) {
    assert!(Command::new("openssl").args(arguments).output().unwrap().status.success(), "{arguments:?}");
}

/// An app without a secret: its users sign the login, and everything after it, with a key that never leaves them.
#[test]
fn a_user_of_a_public_app_signs_with_a_key_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let yaml = OWN.replace("dialect: hmac-sha256", "dialect: own").replace("algorithm: hmac-sha256", "algorithm: [ed25519, hmac-sha256]");
    let yaml = yaml.replace("HMAC-SHA256", "OWN");
    std::fs::create_dir(folder.path().join("dialects")).unwrap();
    private(folder.path(), "dialects/own.yaml", &yaml);
    let dialect = Dialect::from_yaml(&yaml).unwrap();
    openssl(&["genpkey", "-algorithm", "ED25519", "-out", &name("key.pem")]);
    openssl(&["pkey", "-in", &name("key.pem"), "-pubout", "-out", &name("public.pem")]);
    let pair = KeyPair::from_private_pem(&std::fs::read_to_string(name("key.pem")).unwrap()).unwrap();
    let public = std::fs::read_to_string(name("public.pem")).unwrap();

    let config = CONFIG.replace("\"hmac-sha256\"", "\"own\"").replace("audience = \"api\"", "public_apps = [\"web\"]");
    let config = config.replace("workers = 1", &format!("workers = 1\ndialects = [\"{}\"]", name("dialects")));
    let data = ["--data".to_owned(), name("data")];
    let register = |arguments: &[&str]| run(&[&data[..], &["--dialects".to_owned(), name("dialects")]].concat(), arguments);
    let secret = private(folder.path(), "secret", "a secret that nobody has");
    register(&["app", "add", "web", "--dialect", "own", "--key-id", "web", "--secret-file", secret.to_str().unwrap()]);
    let secret = private(folder.path(), "secret", "another secret that nobody has");
    register(&["app", "add", "other", "--dialect", "own", "--key-id", "other", "--secret-file", secret.to_str().unwrap()]);
    let password = private(folder.path(), "password", PASSWORD);
    run(&data, &["user", "add", "ada", "--password-file", password.to_str().unwrap()]);
    let file = private(folder.path(), "gateway.toml", &config);
    let gateway = serve(&file, &data);
    let key = |key_id: &str| Credential::new(key_id, KeyMaterial::Pair(pair.clone()));
    let send = |request: Request, key: &Credential| send(gateway.address(), &signed_in(&dialect, request, key));

    let body = |app: &str, bind: &str| json!({ "username": "ada", "password": PASSWORD, "app": app, "bind": bind, "public_key": public });
    let login = granted(&send(post("/session/login", &body("web", "client")), &key("self:web")));
    let key_id = login["key_id"].as_str().unwrap();
    assert_eq!(key_id, format!("ck_{}", login["session_id"].as_str().unwrap()));
    let own = |request: Request| send(with_token(request, Some(token(&login))), &key(key_id));
    let answer = own(get("/own"));
    assert_eq!((answer.status, told(&answer, "x-countersign-app").as_deref()), (200, Some("web")), "{}", answer.text());
    let next = granted(&send(post("/session/refresh", &json!({ "refresh_token": login["refresh_token"] })), &key(key_id)));
    assert_eq!(next["session_id"], login["session_id"]);

    // Another app, a key that is not the one in the body, a binding that proves nothing.
    assert_eq!(code(&send(post("/session/login", &body("other", "client")), &key("self:other"))), "signature_mismatch");
    assert_eq!(code(&send(post("/session/login", &body("web", "client")), &Credential::hmac("self:web", "guess"))), "signature_mismatch");
    let app_bound = json!({ "username": "ada", "password": PASSWORD, "app": "web", "public_key": public });
    assert_eq!(code(&send(post("/session/login", &app_bound), &key("self:web"))), "invalid_request");
    // The key works for its session only, and the app's name opens nothing but the login.
    assert_eq!(code(&send(with_token(get("/own"), Some(token(&login))), &key("self:web"))), "signature_mismatch");
    assert_eq!(own(post("/session/logout", &json!({}))).status, 204);
    assert_eq!(code(&own(get("/own"))), "session_revoked");
}

/// The middle of so many requests' times.
fn pace(home: &Home, count: usize) -> Duration {
    let mut connection = Connection::open(home.gateway.address()).unwrap();
    let mut times: Vec<_> = (0..count)
        .map(|_| {
            let request = signed(get("/open"), &home.shop);
            let mut bytes = b"GET /open HTTP/1.1\r\n".to_vec();
            for (name, value) in &request.headers {
                bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
            bytes.extend(b"\r\n");
            let begun = Instant::now();
            assert_eq!(connection.exchange(&bytes).unwrap().status, 200);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[count / 2]
}

/// Hashes are bounded: what is beyond is shed at once, and requests that need none go on.
#[test]
fn a_flood_of_logins_is_shed_and_signed_requests_keep_their_pace() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let config = CONFIG.replace("audience = \"api\"", "throttle_by_address = false");
    let home = Home::with(folder, &config, vec!["--data".to_owned(), data]);
    let calm = pace(&home, 200);
    let attempt = json!({ "username": "nobody", "password": "wrong horse battery" });
    let (codes, flooded) = std::thread::scope(|scope| {
        let (address, shop, attempt) = (home.gateway.address(), &home.shop, &attempt);
        let login = move || code(&send(address, &signed(post("/session/login", attempt), shop)));
        let flood: Vec<_> = (0..90).map(|_| scope.spawn(login)).collect();
        let flooded = pace(&home, 100);
        (flood.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>(), flooded)
    });
    let count = |code: &str| codes.iter().filter(|own| *own == code).count();
    assert!(count("overloaded") > 0 && count("invalid_credentials") > 0, "{codes:?}");
    assert_eq!(count("overloaded") + count("invalid_credentials") + count("rate_limited"), codes.len(), "{codes:?}");
    let ratio = flooded.as_secs_f64() / calm.as_secs_f64();
    println!(
        "a signed request: {calm:?} in the calm, {flooded:?} in the flood, ratio {ratio:.1}; shed {} of {}",
        count("overloaded"),
        codes.len()
    );
    // Both cores hash, and the machine runs other tests: what matters is that nobody waits for a hash, let alone for a queue of them.
    assert!(flooded < Duration::from_millis(500), "{flooded:?}");
}

#[test]
fn a_route_may_take_a_token_without_a_signature() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let config = format!("{CONFIG}\n{BEARER}loopback_is_tls = true\n\n{}", BEARER.replace("/plain", "/cleartext"));
    let home = Home::with(folder, &config, vec!["--data".to_owned(), data]);
    let (login, bound) = (home.login(&json!({})), home.login(&json!({ "bind": "session" })));
    let bearer = |path: &str, token: &str| send(home.gateway.address(), &get(path).with_header("Authorization", format!("Bearer {token}")));
    let answer = bearer("/plain", token(&login));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = |name: &str| told(&answer, name);
    assert_eq!((told("x-countersign-user-name").as_deref(), told("x-countersign-app").as_deref()), (Some("ada"), Some("shop")));
    assert_eq!((told("x-countersign-dialect").as_deref(), told("x-countersign-covers").as_deref()), (Some("bearer"), Some("")));
    assert_eq!(told("authorization"), None, "the upstream has no use for it");
    assert_eq!(home.get("/plain", Some(token(&login)), &home.shop).0, 200, "a signed one is as good");
    for (path, token, wanted) in [
        ("/plain", token(&bound), "token_binding_mismatch"),
        ("/plain", "broken", "token_malformed"),
        ("/own", token(&login), "missing_signature"),
        ("/cleartext", token(&login), "insecure_transport"),
    ] {
        assert_eq!(code(&bearer(path, token)), wanted, "{path}");
    }
    let mut signed_too = signed(get("/plain"), &home.shop);
    signed_too.headers.push(("Authorization".to_owned(), format!("Bearer {}", token(&login)).into_bytes()));
    assert!(send(home.gateway.address(), &signed_too).status >= 400, "one or the other");
    run(&home.stores, &["app", "disable", "shop"]);
    assert_eq!(code(&bearer("/plain", token(&login))), "key_disabled");
}
