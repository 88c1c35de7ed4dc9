//! Who may use the admin listener.

use countersign_protocol::Dialects;
use countersign_server::config::Config;
use serde_json::json;

use crate::fixture::{Fixture, Setup, house};
use crate::support::{Operated, TOKEN, exchange, problem, token_file, value};

/// Everything that only an operator may.
const OPERATED: [(&str, &str); 14] = [
    ("GET", "/apps"),
    ("POST", "/apps"),
    ("GET", "/apps/shop"),
    ("PATCH", "/apps/shop"),
    ("DELETE", "/apps/shop"),
    ("GET", "/apps/shop/credentials"),
    ("POST", "/apps/shop/credentials"),
    ("PATCH", "/apps/shop/credentials/key-1"),
    ("DELETE", "/apps/shop/credentials/key-1"),
    ("POST", "/apps/shop/credentials/key-1/rotate"),
    ("GET", "/refusals"),
    ("GET", "/config"),
    ("GET", "/openapi.json"),
    ("GET", "/nothing"),
];

#[tokio::test]
async fn without_the_token_nothing_is_operated() {
    let operated = Operated::house().await;
    let named = format!("Host: {}\r\n", operated.admin);
    for (method, path) in OPERATED {
        let answer = operated.send(method, path, &named, None).await;
        problem(&answer, 401, "unauthorized");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    for wrong in ["Bearer ", "Basic abc", "Bearer x", &format!("Bearer {TOKEN}x"), &format!("Bearer {}", &TOKEN[1..])] {
        let lines = format!("{named}Authorization: {wrong}\r\n");
        problem(&operated.send("GET", "/apps", &lines, None).await, 401, "unauthorized");
    }
    let twice = format!("{named}Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n");
    problem(&operated.send("GET", "/apps", &twice, None).await, 401, "unauthorized");
    assert_eq!(operated.gateway.store_statuses().await, ["active", "active"]);
}

#[tokio::test]
async fn life_and_readiness_are_open_and_metrics_as_configured() {
    let operated = Operated::house().await;
    let named = format!("Host: {}\r\n", operated.admin);
    for path in ["/livez", "/readyz"] {
        assert_eq!(operated.send("GET", path, "Host: any.example\r\n", None).await.status, 200);
    }
    problem(&operated.send("GET", "/metrics", &named, None).await, 401, "unauthorized");
    assert_eq!(operated.ask("GET", "/metrics", None).await.status, 200);
    let open = Operated::start(&house(""), "metrics_open = true", Setup::default()).await;
    let named = format!("Host: {}\r\n", open.admin);
    let answer = open.send("GET", "/metrics", &named, None).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    problem(&open.send("GET", "/metrics", "Host: evil.example\r\n", None).await, 421, "unknown_host");
    problem(&open.send("GET", "/apps", &named, None).await, 401, "unauthorized");
}

#[tokio::test]
async fn a_listener_without_a_token_has_nothing_to_operate() {
    let gateway = Fixture::start(&format!("admin = \"127.0.0.1:0\"\n{}", house("")), Setup::default()).await;
    let admin = gateway.admin.unwrap();
    for (method, path) in OPERATED {
        let bytes = format!("{method} {path} HTTP/1.1\r\nHost: {admin}\r\nAuthorization: Bearer \r\n\r\n");
        problem(&exchange(admin, &bytes).await, 403, "no_token");
    }
    assert_eq!(exchange(admin, &format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n")).await.status, 200);
}

#[tokio::test]
async fn a_name_that_is_not_configured_leads_nowhere() {
    let operated = Operated::start(&house(""), "hosts = [\"admin.example.com\"]", Setup::default()).await;
    let authorized = format!("Authorization: Bearer {TOKEN}\r\n");
    for host in ["admin.example.com", "ADMIN.example.com:9000", "localhost:1", "127.0.0.1", "[::1]:9"] {
        let answer = operated.send("GET", "/apps", &format!("Host: {host}\r\n{authorized}"), None).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    for lines in ["Host: evil.example\r\n", "Host: evil.admin.example.com\r\n", "Host: 127.0.0.1\r\nHost: evil.example\r\n", ""] {
        let answer = operated.send("GET", "/apps", &format!("{lines}{authorized}"), None).await;
        problem(&answer, 421, "unknown_host");
    }
}

#[tokio::test]
async fn nothing_is_shared_across_origins() {
    let operated = Operated::house().await;
    let lines = format!("Host: {}\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n", operated.admin);
    let answer = operated.send("OPTIONS", "/apps", &lines, None).await;
    problem(&answer, 401, "unauthorized");
    let lines = format!("{lines}Authorization: Bearer {TOKEN}\r\n");
    for (method, status) in [("OPTIONS", 405), ("GET", 200)] {
        let answer = operated.send(method, "/apps", &lines, None).await;
        assert_eq!(answer.status, status);
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-")), "{:?}", answer.headers);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn guessing_tokens_is_bounded() {
    let operated = Operated::house().await;
    let lines = format!("Host: {}\r\nAuthorization: Bearer guess\r\n", operated.admin);
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(operated.send("GET", "/apps", &lines, None).await.status);
    }
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert!((10..20).contains(&looked_at), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
    // Not even the right one is looked at for a moment: what is refused tells nothing.
    problem(&operated.ask("GET", "/apps", None).await, 429, "too_many_wrong_tokens");
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let metrics = operated.metrics().await;
    assert!((value(&metrics, "countersign_admin_wrong_tokens_total", &[]) - looked_at as f64).abs() < 0.5, "{looked_at}");
}

#[tokio::test]
async fn only_json_of_a_bounded_size_is_read() {
    let operated = Operated::house().await;
    let lines = format!("Host: {}\r\nAuthorization: Bearer {TOKEN}\r\n", operated.admin);
    let form = format!("{lines}Content-Type: text/plain\r\nContent-Length: 14\r\n");
    let answer = exchange(operated.admin, &format!("POST /apps HTTP/1.1\r\n{form}\r\n{{\"name\":\"evil\"}}")).await;
    problem(&answer, 415, "not_json");
    let large = json!({ "name": "x".repeat(70_000) });
    problem(&operated.ask("POST", "/apps", Some(&large)).await, 413, "body_too_large");
    for body in [json!({}), json!({ "name": 1 }), json!({ "name": "a", "colour": "red" }), json!([])] {
        problem(&operated.ask("POST", "/apps", Some(&body)).await, 400, "invalid");
    }
    // What does not fit is not repeated in the answer: it could be a key.
    let answer = operated.ask("POST", "/apps", Some(&json!({ "name": { "secret": "canary-of-a-key" } }))).await;
    assert!(!String::from_utf8(answer.body).unwrap().contains("canary-of-a-key"));
    problem(&operated.ask("PUT", "/apps", None).await, 405, "method_not_allowed");
    problem(&operated.ask("GET", "/nothing", None).await, 404, "not_found");
    problem(&operated.ask("GET", "/apps?limit=0", None).await, 400, "invalid");
    problem(&operated.ask("GET", "/apps?page=1", None).await, 400, "invalid");
}

#[test]
fn a_listener_that_others_reach_needs_a_token_and_the_token_a_file_of_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let good = token_file(&folder, TOKEN, 0o600).display().to_string();
    let refused = |admin: &str| {
        let config = Config::parse("gateway.toml", &format!("{}{admin}", house("").replace("UPSTREAM", "127.0.0.1:1")));
        let mut dialects = Dialects::builtin().unwrap();
        dialects.add_yaml("house", crate::fixture::HOUSE).unwrap();
        config.and_then(|config| config.compile(&dialects)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let table = |listen: &str, file: &str| format!("[admin]\nlisten = \"{listen}\"\ntoken_file = \"{file}\"\n");
    assert_eq!(refused(&table("0.0.0.0:9090", &good)), "");
    assert_eq!(refused("[admin]\nlisten = \"127.0.0.1:9090\"\n"), "");
    assert!(refused("[admin]\nlisten = \"0.0.0.0:9090\"\n").contains("gateway.toml:8: the admin listener at 0.0.0.0:9090"));
    assert!(refused("[admin]\nlisten = \"[::]:9090\"\n").contains("has no token"));
    let told = refused("[admin]\nlisten = \"127.0.0.1:1\"\ntokenfile = \"a\"\n");
    assert!(told.starts_with("gateway.toml:10: unknown field `tokenfile`"), "{told}");
    assert!(refused("[admin]\nlisten = \"here\"\n").contains("`here` is no socket address"));
    assert!(refused(&table("127.0.0.1:1", "/nowhere/token")).contains("openssl rand -hex 32"));
    assert!(refused("[admin]\nlisten = \"127.0.0.1:1\"\nhosts = [\"a:1\"]\n").contains("`a:1` is no host"));
    assert!(refused("[admin]\nlisten = \"127.0.0.1:1\"\nrefusals = 1000000\n").contains("refusals is out of range"));
    token_file(&folder, "short", 0o600);
    assert!(refused(&table("127.0.0.1:1", &good)).contains("too short"));
    token_file(&folder, TOKEN, 0o640);
    let told = refused(&table("127.0.0.1:1", &good));
    assert!(told.contains("others may read it") && !told.contains(TOKEN), "{told}");
}
