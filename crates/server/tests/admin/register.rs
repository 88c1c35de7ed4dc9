//! Callers that register themselves: pending until approved, bounded, and told nothing about others.

use countersign_protocol::Credential;
use serde_json::{Value, json};

use crate::fixture::{Answer, Setup, house};
use crate::support::{Operated, problem, value};

const REGISTER: &str = "[register]\npath = \"/register\"\ndialects = [\"house\"]\n";

async fn start(further: &str) -> Operated {
    Operated::start(&format!("{}{REGISTER}{further}\n", house("")), "", Setup::default()).await
}

async fn register(operated: &Operated, body: &Value) -> Answer {
    let body = body.to_string();
    let head = "POST /register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json";
    operated.gateway.exchange(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await
}

fn asked(name: &str) -> Value {
    json!({ "name": name, "dialects": ["house"] })
}

#[tokio::test]
async fn an_app_registers_waits_and_calls_when_it_is_approved() {
    let operated = start("").await;
    let answer = register(&operated, &asked("billing")).await;
    assert_eq!((answer.status, answer.header("cache-control")), (202, Some("no-store")));
    let given = answer.json();
    let (app, key_id, secret) = (given["app"].as_str().unwrap(), given["key_id"].as_str().unwrap(), given["secret"].as_str().unwrap());
    assert!(app.starts_with("billing-") && given["status"] == "pending");
    let gateway = &operated.gateway;
    let call = || async {
        let signed = gateway.sign_as("house", gateway.request("GET", "/"), &Credential::hmac(key_id, secret), &gateway.options());
        gateway.send(&signed).await
    };
    call().await.refuses(401, "key_disabled");
    let waiting = operated.get(&format!("/apps/{app}")).await;
    assert_eq!((waiting["status"].as_str(), waiting["labels"]["registered-from"].as_str()), (Some("pending"), Some("127.0.0.1")));
    assert_eq!(operated.ask("PATCH", &format!("/apps/{app}"), Some(&json!({ "status": "active" }))).await.status, 200);
    assert_eq!(call().await.status, 200);
    assert!(!operated.get(&format!("/apps/{app}/credentials")).await.to_string().contains(secret));
    assert_eq!(value(&operated.metrics().await, "countersign_registrations_total", &[]), 1.0);
}

#[tokio::test]
async fn a_name_that_exists_is_answered_like_any_other() {
    let operated = start("").await;
    let shape = |answer: &Answer| -> (u16, Vec<String>) { (answer.status, answer.json().as_object().unwrap().keys().cloned().collect()) };
    let (taken, free) = (register(&operated, &asked("shop")).await, register(&operated, &asked("nobody")).await);
    assert_eq!(shape(&taken), shape(&free));
    assert_ne!(taken.json()["app"], "shop");
    assert_eq!(operated.gateway.store_statuses().await, ["active", "active"]);
}

#[tokio::test]
async fn a_public_key_needs_no_secret() {
    let operated = start("").await;
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let mut body = asked("billing");
    body["public_key"] = pem.into();
    let given = register(&operated, &body).await;
    assert_eq!((given.status, given.json().get("secret")), (202, None));
    problem(&register(&operated, &body).await, 409, "conflict");
    // The app that got no credential does not wait for approval.
    let apps = operated.get("/apps").await;
    let pending = apps["apps"].as_array().unwrap().iter().filter(|app| app["status"] == "pending").count();
    assert_eq!(pending, 1);
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let operated = start("").await;
    for body in [
        json!({ "name": "", "dialects": ["house"] }),
        json!({ "name": "a/b", "dialects": ["house"] }),
        json!({ "name": "a".repeat(41), "dialects": ["house"] }),
        json!({ "name": "a", "dialects": [] }),
        json!({ "name": "a", "dialects": ["hmac-sha256"] }),
        json!({ "name": "a", "dialects": ["house"], "public_key": "no key" }),
        json!({ "name": "a", "dialects": ["house"], "scopes": ["admin"] }),
        json!({ "name": "a", "dialects": ["house"], "status": "active" }),
    ] {
        problem(&register(&operated, &body).await, 400, "invalid");
    }
    problem(&operated.gateway.exchange(b"GET /register HTTP/1.1\r\nHost: a\r\n\r\n").await, 405, "method_not_allowed");
    problem(&operated.gateway.exchange(b"POST /register HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}").await, 415, "not_json");
    register(&operated, &asked(&"a".repeat(20_000))).await.refuses(413, "body_too_large");
    // Below the path there is the route, as ever.
    operated.gateway.exchange(b"GET /register/x HTTP/1.1\r\nHost: a\r\n\r\n").await.refuses(401, "missing_signature");
    assert_eq!(operated.get("/apps").await["apps"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn registrations_are_bounded_in_all_and_for_one_address() {
    let all = start("most_pending = 2\ndaily_per_address = 100").await;
    let mut names = Vec::new();
    for _ in 0..2 {
        names.push(register(&all, &asked("a")).await.json()["app"].as_str().unwrap().to_owned());
    }
    problem(&register(&all, &asked("a")).await, 429, "too_many_registrations");
    all.ask("PATCH", &format!("/apps/{}", names[0]), Some(&json!({ "status": "active" }))).await;
    assert_eq!(register(&all, &asked("a")).await.status, 202);
    let each = start("daily_per_address = 3").await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(register(&each, &asked("a")).await.status);
    }
    assert_eq!(statuses, [202, 202, 202, 429, 429]);
}

#[tokio::test]
async fn it_is_off_unless_it_is_configured() {
    let operated = Operated::house().await;
    register(&operated, &asked("a")).await.refuses(401, "missing_signature");
}

#[test]
fn a_configuration_that_would_show_secrets_is_refused() {
    let refused = |register: &str, listen: &str| {
        let text = house("").replace("UPSTREAM", "127.0.0.1:1").replace("127.0.0.1:0", listen) + register;
        let mut dialects = countersign_protocol::Dialects::builtin().unwrap();
        dialects.add_yaml("house", crate::fixture::HOUSE).unwrap();
        let config = countersign_server::config::Config::parse("gateway.toml", &text);
        config.and_then(|config| config.compile(&dialects)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(refused(REGISTER, "0.0.0.0:80").contains("gateway.toml:8: the listener 0.0.0.0:80 would show new secrets"));
    assert_eq!(refused(&format!("{REGISTER}behind_tls = true\n"), "0.0.0.0:80"), "");
    let local = |register: &str| refused(register, "127.0.0.1:0");
    assert!(local(&REGISTER.replace("/register", "register")).contains("is no path"));
    assert!(local(&REGISTER.replace("/register", "/")).contains("is no path"));
    assert!(local(&REGISTER.replace("house", "nowhere")).contains("no dialect `nowhere`"));
    assert!(local(&REGISTER.replace("house", "aws-sigv1")).contains("is unsafe"));
    assert!(local(&REGISTER.replace("\"house\"", "")).contains("no dialect"));
}

#[tokio::test]
async fn a_caller_is_not_told_what_is_wrong_with_the_store() {
    use countersign_core::clock::SystemClock;
    let folder = tempfile::tempdir().unwrap();
    let mut dialects = countersign_protocol::Dialects::builtin().unwrap();
    dialects.add_yaml("house", crate::fixture::HOUSE).unwrap();
    let stores = countersign_server::store::Stores::within(folder.path());
    let admission = stores.open(&dialects, std::sync::Arc::new(SystemClock)).await.unwrap();
    let text = house("").replace("UPSTREAM", "127.0.0.1:1") + REGISTER;
    let settings = countersign_server::config::Config::parse("gateway.toml", &text).unwrap().compile(&dialects).unwrap();
    let gateway = countersign_server::Gateway::bind(settings, &dialects, admission).unwrap();
    let address = gateway.addresses()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let ran = tokio::spawn(gateway.run(async move { drop(stopped.await) }));
    rusqlite::Connection::open(&stores.files.store).unwrap().execute_batch("DROP TABLE credential; DROP TABLE app").unwrap();
    let body = asked("billing").to_string();
    let head = "POST /register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json";
    let answer = crate::support::exchange(address, &format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    let detail = problem(&answer, 503, "store_unavailable");
    assert!(!detail.contains("table"), "{detail}");
    drop(stop);
    ran.await.unwrap().unwrap();
}
