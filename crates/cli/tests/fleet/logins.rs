//! What callers without a key may cost, how the session API is addressed behind a proxy, and a reload that would change it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_protocol::Request;
use countersign_testbed::Answer;
use serde_json::{Value, json};

use crate::load::code;
use crate::sessions::{CONFIG, Home, PASSWORD, get, granted, post, run, send, signed, token};
use crate::site::private;

/// What the proxy in front tells is believed; `FURTHER` stands in the table of sessions.
const BEHIND: &str = r#"
listen = ["127.0.0.1:0"]
workers = 1
trusted_proxies = ["127.0.0.0/8"]

[audit]

[session]
issuer = "https://issuer.example.com"
dialects = ["hmac-sha256"]
FURTHER

[session.plain]
apps = ["web"]
deliver = "cookie"

[session.throttle]
per_address = 4

[[route]]
prefix = "/own"
upstream = "echo"
dialects = ["hmac-sha256"]
session = "required"
"#;

fn home(further: &str) -> Home {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let home = Home::with(folder, &BEHIND.replace("FURTHER", further), vec!["--data".to_owned(), data]);
    let secret = private(home.folder.path(), "secret", "the secret of web");
    run(&home.stores, &["app", "add", "web", "--dialect", "hmac-sha256", "--key-id", "web", "--secret-file", secret.to_str().unwrap()]);
    home
}

/// As it comes to another host, with these words of the proxy.
fn proxied(home: &Home, mut request: Request, told: &[(&str, &str)]) -> Answer {
    request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
    let of_proxy = [("Host", "internal:8080"), ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https")];
    for (name, value) in of_proxy.iter().chain(told) {
        request.headers.push(((*name).to_owned(), value.as_bytes().to_vec()));
    }
    send(home.gateway.address(), &request)
}

fn records(home: &Home) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let output = command.args(["--json", "audit"]).args(&home.stores).args(["list", "--app", "web"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
}

#[test]
fn who_has_no_key_is_counted_before_anything_is_written() {
    let home = home("");
    let login = |password: &str, from: &str| {
        let body = json!({ "username": "ada", "password": password, "app": "web" });
        let request = post("/session/login", &body).with_header("Origin", "https://issuer.example.com");
        proxied(&home, request, &[("X-Forwarded-For", from)])
    };
    let before = records(&home).len();
    assert_eq!(code(&login("wrong horse battery", "192.0.2.9")), "invalid_credentials");
    let refused: Vec<_> = records(&home).drain(before..).map(|record| record["action"].clone()).collect();
    assert_eq!(refused, ["refuse a login"], "and none says that it was admitted");
    // A password that nobody can have is counted too.
    for _ in 0..4 {
        assert_eq!(code(&login("", "192.0.2.10")), "invalid_credentials");
    }
    let written = records(&home).len();
    for _ in 0..20 {
        let answer = login("", "192.0.2.10");
        assert_eq!(code(&answer), "rate_limited");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((30..=60).contains(&wait), "until the minute is over: {wait}");
    }
    assert_eq!(records(&home).len(), written, "what is too many writes nothing");
    assert_eq!(login(PASSWORD, "192.0.2.11").status, 200);
    let last: Vec<_> = records(&home).drain(written..).map(|record| (record["kind"].clone(), record["action"].clone())).collect();
    assert_eq!(last, [(json!("admitted"), Value::Null), (json!("change"), json!("log in"))]);
}

#[test]
fn a_login_is_signed_for_the_host_that_the_proxy_tells() {
    let home = home("authority = \"forwarded\"");
    let body = json!({ "username": "ada", "password": PASSWORD });
    let login = || signed(post("/session/login", &body), &home.shop);
    let told = ("X-Forwarded-Host", "api.example.com");
    granted(&proxied(&home, login(), &[told]));
    assert_eq!(code(&proxied(&home, login(), &[])), "signature_mismatch");
    assert_eq!(code(&proxied(&home, login(), &[("X-Forwarded-Host", "evil.example")])), "signature_mismatch");
    // A proxy that takes a prefix off says so.
    let mut below = signed(post("/api/session/login", &body), &home.shop);
    below.target = b"/session/login".to_vec();
    granted(&proxied(&home, below, &[told, ("X-Forwarded-Prefix", "/api")]));

    // A page of the gateway's own, by the name that the browser knows.
    let page = |origin: &str| {
        let request = post("/session/login", &json!({ "username": "ada", "password": PASSWORD, "app": "web" }));
        code(&proxied(&home, request.with_header("Origin", origin), &[told]))
    };
    assert_eq!(page("https://internal:8080"), "cross_site_request");
    assert_eq!(page("https://api.example.com"), "");
}

#[test]
fn a_fixed_authority_is_the_one_that_logins_are_signed_for() {
    let home = home("authority = { scheme = \"https\", host = \"api.example.com\" }");
    let login = signed(post("/session/login", &json!({ "username": "ada", "password": PASSWORD })), &home.shop);
    granted(&proxied(&home, login, &[("X-Forwarded-Host", "evil.example")]));
}

#[test]
fn a_reload_that_changes_the_sessions_leaves_routes_with_users_as_they_are() {
    let home = Home::new();
    let login = home.login(&json!({}));
    let own = |path: &str| home.get(path, Some(token(&login)), &home.shop).0;
    assert_eq!((own("/own"), own("/new")), (200, 404));
    let route = "[[route]]\nprefix = \"/new\"\nupstream = \"echo\"\ndialects = [\"hmac-sha256\"]\nsession = \"required\"\n";
    let changed = CONFIG.replace("[session]\n", "[session]\nheader = \"X-Other\"\n") + route;
    fs::write(home.folder.path().join("gateway.toml"), changed).unwrap();
    let begun = Instant::now();
    while own("/new") == 404 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is not read");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!((own("/own"), own("/new"), own("/session/whoami")), (200, 200, 200), "the header is that of the start");
    assert_eq!(home.call(get("/own"), &home.shop).status, 401);
}
