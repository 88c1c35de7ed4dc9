//! Users of a page: the module that the gateway serves to browsers, in a real one, on pages of other origins.

use std::process::Command;
use std::time::Duration;

use countersign_testbed::{Connection, Serving};
use serde_json::{Value, json};

use crate::chromium::{Chromium, site};
use crate::gateway::{countersign, private_file};

const CONFIG: &str = r#"
listen = ["127.0.0.1:0"]
workers = 1

[session]
issuer = "https://api.example.com"
dialects = ["signed-sha256"]
public_apps = ["web"]
origins = ["ORIGIN"]
access = "1m"

[[route]]
prefix = "/own"
methods = ["GET", "POST", "PUT"]
upstream = "echo"
dialects = ["signed-sha256"]
session = "required"

[[route]]
prefix = "/apps"
upstream = "echo"
dialects = ["signed-sha256"]
"#;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A gateway with a public app and a user, a page of a listed origin, and a browser on it.
struct Stand {
    browser: Chromium,
    gateway: Serving,
    folder: tempfile::TempDir,
    page: String,
}

impl Stand {
    fn new() -> Self {
        let (folder, page) = (tempfile::tempdir().unwrap(), site());
        let config = private_file(folder.path(), "gateway.toml", CONFIG.replace("ORIGIN", &page));
        let data = folder.path().join("data");
        let secret = private_file(folder.path(), "secret", "a secret that nobody has");
        let password = private_file(folder.path(), "password", PASSWORD);
        let [data, config, secret, password] = [&data, &config, &secret, &password].map(|path| path.to_str().unwrap());
        ok(countersign().args([
            "app",
            "--data",
            data,
            "add",
            "web",
            "--dialect",
            "signed-sha256",
            "--key-id",
            "web",
            "--secret-file",
            secret,
        ]));
        ok(countersign().args(["user", "--data", data, "add", "ada", "--scope", "orders", "--password-file", password]));
        let gateway = Serving::start(std::path::Path::new(env!("CARGO_BIN_EXE_countersign")), &["--data", data, "--config", config], []);
        let browser = Chromium::start();
        browser.open(&page);
        Self { browser, gateway, folder, page }
    }

    fn base(&self) -> String {
        format!("http://{}", self.gateway.address())
    }

    /// Opens the module in the page, as `api`.
    fn open(&self, store: &str) -> Value {
        self.run(&format!(
            "const {{ Countersign }} = await import(base + '/session/countersign.js'); window.Countersign = Countersign; \
             window.api = await Countersign.open({{ base, app: 'web', store: '{store}' }}); return api.user;"
        ))
    }

    fn login(&self) -> Value {
        self.run(&format!("return api.login({{ username: 'ada', password: '{PASSWORD}' }});"))
    }

    /// Runs this in the page, where `base` is the gateway and `calls` tells how often a path was asked for.
    fn run(&self, body: &str) -> Value {
        self.browser.run(&format!(
            "const base = '{}'; if (!window.asked) {{ window.asked = []; const send = window.fetch; \
             window.fetch = (input, init) => {{ asked.push(new URL(input, base).pathname); return send(input, init); }}; }} \
             const calls = (path) => asked.filter((one) => one === path).length; {body}",
            self.base()
        ))
    }

    /// Ends every key that signs access tokens now.
    fn revoke_signing_keys(&self) {
        let data = self.folder.path().join("data");
        let key = |arguments: &[&str]| ok(countersign().args(["session", "--data", data.to_str().unwrap(), "key"]).args(arguments));
        let keys: Value = serde_json::from_str(&key(&["list", "--json"])).unwrap();
        for active in keys.as_array().unwrap().iter().filter(|key| key["state"] == "active") {
            key(&["revoke", active["kid"].as_str().unwrap()]);
        }
        // Every gateway knows it within a second.
        std::thread::sleep(Duration::from_millis(1_100));
    }
}

pub(crate) fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What the echo was told in this header.
pub(crate) fn header(echoed: &Value, name: &str) -> Option<String> {
    let lines = echoed["headers"].as_array().unwrap_or_else(|| panic!("{echoed}")).iter();
    lines.filter(|line| line[0] == name).map(|line| line[1].as_str().unwrap().to_owned()).next()
}

/// Ten requests at one time: how they ended, and how many refreshes that took.
pub(crate) const TEN: &str = "const before = calls('/session/refresh'); \
                   const ended = await Promise.all(Array.from({ length: 10 }, (_, i) => api.fetch(`/own/${i}`).then((answer) => answer.status))); \
                   return { ended, refreshes: calls('/session/refresh') - before };";

pub(crate) fn ten_with_one_refresh() -> Value {
    json!({ "ended": vec![200; 10], "refreshes": 1 })
}

#[test]
fn a_page_logs_in_calls_and_logs_out() {
    let stand = Stand::new();
    assert_eq!(stand.open("memory"), Value::Null, "nobody is logged in");
    assert_eq!(stand.run("return api.fetch('/own');"), json!({ "threw": "login_required" }));
    let wrong = stand.run("return api.login({ username: 'ada', password: 'wrong' });");
    assert_eq!(wrong, json!({ "threw": "invalid_credentials" }));
    let user = stand.login();
    assert_eq!((user["name"].as_str(), user["scope"].as_str()), (Some("ada"), Some("orders")), "{user}");

    let echoed = stand.run("return (await api.fetch('/own/a%2Fb/\u{4f60}?b=2&a=\u{4f60}&empty=&a=1%20%2B&q=1+2&id-type=1&id=2')).json();");
    assert_eq!(echoed["target"], "/own/a%2Fb/%E4%BD%A0?b=2&a=%E4%BD%A0&empty=&a=1%20%2B&q=1+2&id-type=1&id=2", "as the browser sends it");
    assert_eq!((header(&echoed, "x-countersign-user-name").as_deref(), header(&echoed, "x-access-token")), (Some("ada"), None));
    assert_eq!(header(&echoed, "x-countersign-app").as_deref(), Some("web"));

    let bodies = [
        (
            "'{\"a\":\"\u{4f60}\u{597d}\"}', headers: { 'Content-Type': 'application/json' }",
            "{\"a\":\"\u{4f60}\u{597d}\"}",
            "application/json",
        ),
        ("'text'", "text", "text/plain;charset=UTF-8"),
        ("new URLSearchParams({ a: '1 +', b: '\u{4f60}' })", "a=1+%2B&b=%E4%BD%A0", "application/x-www-form-urlencoded;charset=UTF-8"),
        ("new Blob(['{}'], { type: 'application/json' })", "{}", "application/json"),
        ("new TextEncoder().encode('xbytesx').subarray(1, 6)", "bytes", ""),
    ];
    for (body, arrived, kind) in bodies {
        let echoed = stand.run(&format!("return (await api.fetch('/own?x=1', {{ method: 'post', body: {body} }})).json();"));
        assert_eq!((echoed["method"].as_str(), echoed["body"].as_str()), (Some("POST"), Some(arrived)), "{echoed}");
        assert_eq!(header(&echoed, "content-type").unwrap_or_default(), kind);
        let covers = header(&echoed, "x-countersign-covers").unwrap();
        for part in ["host", "x-access-token", "body", "query"].into_iter().chain(Some("content-type").filter(|_| !kind.is_empty())) {
            assert!(covers.contains(part), "{part} is signed: {covers}");
        }
    }

    // What the browser would send in another way, or cannot be signed, is not sent.
    let refused = [
        "'/own', { method: 'POST', body: new FormData() }",
        "'/own', { method: 'POST', body: new ReadableStream() }",
        "'/own/../apps'",
        "'/own/%2e%2e/apps'",
        "'/own\\\\apps'",
        "'/o\\nwn'",
        "'own'",
        "'//evil.example.com/own'",
        "'https://evil.example.com/own'",
        "'/own?a=%'",
        "new Request(base + '/own')",
        "'/own', { redirect: 'follow' }",
        "'/own', { mode: 'no-cors' }",
        "'/own', { headers: { Authorization: 'Bearer x' } }",
        "'/own', { headers: { 'X-Access-Token': 'x' } }",
    ];
    for arguments in refused {
        assert_eq!(stand.run(&format!("return api.fetch({arguments});")), json!({ "threw": "invalid_argument" }), "{arguments}");
    }

    let kept = stand.run("return [Object.values(sessionStorage).join(), Object.values(localStorage).join(), document.cookie, JSON.stringify(api), (await indexedDB.databases()).length];");
    assert_eq!(kept, json!(["", "", "", "{}", 0]), "the store memory keeps nothing");
    assert_eq!(stand.run("await api.logout(); return api.user;"), Value::Null);
    assert_eq!(stand.run("return api.fetch('/own');"), json!({ "threw": "login_required" }));
}

#[test]
fn a_reload_keeps_the_session_and_the_key_stays_in_the_browser() {
    let stand = Stand::new();
    stand.open("session");
    let user = stand.login();
    assert_eq!(stand.run("return (await api.fetch('/own')).status;"), 200);
    stand.browser.reload();
    assert_eq!(stand.open("session"), user, "the session goes on");
    assert_eq!(stand.run("return (await api.fetch('/own')).status;"), 200);

    let taken = stand.run(
        "const database = await new Promise((ok) => { const opening = indexedDB.open('countersign'); opening.onsuccess = () => ok(opening.result); }); \
         const kept = await new Promise((ok) => { const all = database.transaction('keys').objectStore('keys').getAll(); all.onsuccess = () => ok(all.result); }); \
         database.close(); const key = kept[0].key; \
         const tried = await Promise.all(['pkcs8', 'jwk', 'raw'].map((form) => crypto.subtle.exportKey(form, key).then(() => 'taken', (error) => error.name))); \
         return [kept.length, key.type, key.extractable, key.usages.join(), tried.includes('taken')];",
    );
    assert_eq!(taken, json!([1, "private", false, "sign", false]));

    // What lies in sessionStorage opens nothing without the key.
    let stolen = stand.run(
        "const { access, refresh } = JSON.parse(Object.values(sessionStorage)[0]); \
         const body = JSON.stringify({ refresh_token: refresh }); const headers = { 'X-Access-Token': access, 'Content-Type': 'application/json' }; \
         return [(await fetch(base + '/own', { headers })).status, (await fetch(base + '/session/refresh', { method: 'POST', body, headers })).status];",
    );
    assert_eq!(stolen, json!([401, 401]));

    stand.run("await api.logout();");
    let left = stand.run(
        "const database = await new Promise((ok) => { const opening = indexedDB.open('countersign'); opening.onsuccess = () => ok(opening.result); }); \
         const count = await new Promise((ok) => { const all = database.transaction('keys').objectStore('keys').count(); all.onsuccess = () => ok(all.result); }); \
         return [sessionStorage.length, count];",
    );
    assert_eq!(left, json!([0, 0]));
    stand.browser.reload();
    assert_eq!(stand.open("session"), Value::Null);
}

#[test]
fn of_many_requests_with_a_token_that_is_over_one_refreshes() {
    let stand = Stand::new();
    stand.open("memory");
    stand.login();
    // By the page's own clock.
    let over =
        stand.run(&format!("const real = Date.now; Date.now = () => real() + 61_000; try {{ {TEN} }} finally {{ Date.now = real; }}"));
    assert_eq!(over, ten_with_one_refresh());
    // By the gateway's word.
    stand.revoke_signing_keys();
    assert_eq!(stand.run(TEN), ten_with_one_refresh());
    assert_eq!(stand.run(TEN)["refreshes"], 0);

    // A session that was ended elsewhere is over here.
    let data = stand.folder.path().join("data");
    ok(countersign().args(["user", "--data", data.to_str().unwrap(), "disable", "ada"]));
    let ended = stand.run("const before = api.user.name; const { status } = await api.fetch('/own'); return [before, status, api.user];");
    assert_eq!(ended, json!(["ada", 401, null]));
}

#[test]
fn a_page_whose_clock_is_wrong_learns_the_servers() {
    let stand = Stand::new();
    stand.open("memory");
    // Without Ed25519, the other kind of key signs.
    let told = stand.run(&format!(
        "const real = Date.now; Date.now = () => real() + 3_600_000; \
         const make = crypto.subtle.generateKey; const made = []; \
         crypto.subtle.generateKey = function (kind, ...rest) {{ if (kind === 'Ed25519') return Promise.reject(new DOMException('', 'NotSupportedError')); \
         made.push(kind.namedCurve); return make.call(this, kind, ...rest); }}; \
         await api.login({{ username: 'ada', password: '{PASSWORD}' }}); const ended = []; \
         for (let i = 0; i < 3; i++) ended.push((await api.fetch('/own')).status); \
         return [made.join(), calls('/session/login'), calls('/own'), ended];"
    ));
    assert_eq!(told, json!(["P-256", 2, 3, [200, 200, 200]]), "learned once, and kept");
}

#[test]
fn a_page_that_is_not_listed_reads_nothing() {
    let stand = Stand::new();
    let other = site();
    stand.browser.open(&other);
    let fails = |body: &str| {
        let told = stand.run(body);
        told["threw"].as_str().is_some_and(|text| text.starts_with("TypeError"))
    };
    assert!(fails("await import(base + '/session/countersign.js');"));
    assert!(fails("await fetch(base + '/session/countersign.js');"));
    assert!(fails("await fetch(base + '/own');"));
    assert!(fails(
        "await fetch(base + '/session/login', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });"
    ));

    let address = stand.gateway.address();
    let ask = |method: &str, path: &str, origin: &str| {
        let announced = "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization";
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\n{announced}\r\n\r\n");
        let answer = Connection::open(address).unwrap().exchange(request.as_bytes()).unwrap();
        (
            answer.status,
            answer.header("access-control-allow-origin").map(str::to_owned),
            answer.header("access-control-allow-credentials").is_some(),
        )
    };
    let listed = Some(stand.page.clone());
    for path in ["/own", "/own/a", "/session/login", "/session"] {
        let (status, origin, _) = ask("OPTIONS", path, &other);
        assert!(status >= 400 && origin.is_none(), "{path}: {status} {origin:?}");
        assert_eq!(ask("OPTIONS", path, &stand.page), (204, listed.clone(), false), "{path}");
        assert_eq!(ask("GET", path, &stand.page), (401, listed.clone(), false), "a page may read why");
        assert_eq!(ask("GET", path, "null"), (401, None, false));
    }
    // Routes without users, and paths of no route, are not for pages.
    assert_eq!((ask("OPTIONS", "/apps", &stand.page).0, ask("OPTIONS", "/nowhere", &stand.page).0), (401, 404));
    assert_eq!(ask("GET", "/session/countersign.js", &other), (200, None, false), "for anyone, but for no script of another page");

    // A page of the gateway's own origin needs no permission.
    stand.browser.open(&format!("{}/session/countersign.js", stand.base()));
    stand.open("memory");
    assert_eq!(stand.login()["name"], "ada");
    assert_eq!(stand.run("return (await api.fetch(base + '/own?a=1')).status;"), 200);
}
