//! Users of a page whose tokens are in cookies: the module in a real browser, over TLS, as browsers want it for such cookies.

use countersign_testbed::Serving;
use serde_json::{Value, json};

use crate::browser::{PASSWORD, TEN, header, ok, ten_with_one_refresh};
use crate::chromium::{Chromium, site};
use crate::gateway::{countersign, private_file};

const CONFIG: &str = r#"
workers = 1

[[tls]]
listen = ["127.0.0.1:0"]
certificates = [{ certificate = "FOLDER/cert.pem", key = "FOLDER/key.pem" }]

[session]
issuer = "https://api.example.com"
dialects = ["signed-sha256"]
access = "1m"

[session.plain]
apps = ["web"]
deliver = "cookie"

[[route]]
prefix = "/own"
upstream = "echo"
dialects = ["signed-sha256"]
session = "required"
cookie = true
"#;

/// A gateway that speaks TLS, with a plain app and a user, and a browser on a page of the gateway's own.
struct Stand {
    browser: Chromium,
    gateway: Serving,
    _folder: tempfile::TempDir,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"];
        let files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", &name("key.pem"), "-out", &name("cert.pem")];
        ok(std::process::Command::new("openssl").arg("req").args(made).args(files));
        let config = private_file(folder.path(), "gateway.toml", CONFIG.replace("FOLDER", folder.path().to_str().unwrap()));
        let secret = private_file(folder.path(), "secret", "a secret that nobody has");
        let password = private_file(folder.path(), "password", PASSWORD);
        let data = folder.path().join("data");
        let [data, config, secret, password] = [&data, &config, &secret, &password].map(|path| path.to_str().unwrap());
        let app = ["add", "web", "--dialect", "signed-sha256", "--key-id", "web", "--secret-file", secret];
        ok(countersign().args(["app", "--data", data]).args(app));
        ok(countersign().args(["user", "--data", data, "add", "ada", "--scope", "orders", "--password-file", password]));
        let gateway = Serving::start(std::path::Path::new(env!("CARGO_BIN_EXE_countersign")), &["--data", data, "--config", config], []);
        let stand = Self { browser: Chromium::start(), gateway, _folder: folder };
        stand.browser.open(&format!("{}/session/countersign.js", stand.base()));
        stand
    }

    fn base(&self) -> String {
        format!("https://{}", self.gateway.address())
    }

    /// Opens the module in the page, as `api`.
    fn open(&self) -> Value {
        self.run(
            "const { Countersign } = await import(base + '/session/countersign.js'); \
             window.api = await Countersign.open({ base, app: 'web', store: 'cookie' }); return api.user;",
        )
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
}

#[test]
fn a_page_whose_tokens_are_in_cookies_logs_in_calls_and_logs_out() {
    let stand = Stand::new();
    assert_eq!(stand.open(), Value::Null, "nobody is logged in");
    assert_eq!(stand.run("return api.fetch('/own');"), json!({ "threw": "login_required" }));
    let wrong = stand.run("return api.login({ username: 'ada', password: 'wrong' });");
    assert_eq!(wrong, json!({ "threw": "invalid_credentials" }));
    let user = stand.login();
    assert_eq!((user["name"].as_str(), user["scope"].as_str()), (Some("ada"), Some("orders")), "{user}");

    let echoed = stand.run("return (await api.fetch('/own/a?b=1')).json();");
    let of = |name: &str| header(&echoed, name);
    assert_eq!(
        (of("x-countersign-user-name").as_deref(), of("x-countersign-dialect").as_deref()),
        (Some("ada"), Some("bearer")),
        "{echoed}"
    );
    assert_eq!((of("cookie"), of("authorization")), (None, None), "no upstream is shown a token");
    let changed = stand.run(
        "const answer = await api.fetch('/own', { method: 'POST', body: '{\"n\":1}', headers: { 'Content-Type': 'application/json' } }); \
         return [answer.status, (await answer.json()).body];",
    );
    assert_eq!(changed, json!([200, "{\"n\":1}"]));

    // No script reads a token, and the CSRF token alone is worth nothing.
    let kept = stand.run(
        "return [document.cookie, Object.values(sessionStorage).join(), Object.values(localStorage).join(), JSON.stringify(api), \
         (await indexedDB.databases()).length];",
    );
    assert_eq!(kept, json!(["", "", "", "{}", 0]));
    let without = stand.run("return (await (await fetch(base + '/own', { method: 'POST', body: 'x' })).json()).code;");
    assert_eq!(without, "cross_site_request", "the browser sends the cookie, and the script has no CSRF token");

    stand.browser.reload();
    assert_eq!(stand.open(), user, "the session goes on");
    assert_eq!(stand.run("return (await api.fetch('/own', { method: 'PUT', body: 'x' })).status;"), 200);
    let over =
        stand.run(&format!("const real = Date.now; Date.now = () => real() + 61_000; try {{ {TEN} }} finally {{ Date.now = real; }}"));
    assert_eq!(over, ten_with_one_refresh());

    assert_eq!(stand.run("await api.logout(); return api.user;"), Value::Null);
    assert_eq!(stand.run("return (await (await fetch(base + '/own')).json()).code;"), "missing_signature", "the cookies are gone");
    stand.browser.reload();
    assert_eq!(stand.open(), Value::Null);
}

#[test]
fn a_page_of_another_site_does_nothing_in_the_users_name() {
    let stand = Stand::new();
    stand.open();
    stand.login();
    // Wherever that leads, the answer is shown in the tab.
    let asks = |what: &str| {
        stand.browser.open(&site());
        stand.browser.run(&format!("setTimeout(() => {{ {what} }}, 20);"));
        let shown = (0..50).map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            stand.browser.run("return location.href + ' ' + document.body?.innerText;")
        });
        let shown =
            shown.filter_map(|shown| shown.as_str().map(str::to_owned)).find(|shown| shown.starts_with(&format!("{}/own", stand.base())));
        shown.unwrap_or_else(|| panic!("{what}: it leads nowhere"))
    };
    let form = "const form = document.createElement('form'); form.method = 'post'; document.body.append(form)";
    let shown = asks(&format!("{form}; form.action = '{}/own'; form.submit();", stand.base()));
    assert!(shown.contains("missing_signature"), "no cookie came with it: {shown}");
    let shown = asks(&format!("location.href = '{}/own';", stand.base()));
    assert!(shown.contains("missing_signature"), "nor with a link: {shown}");
    let read = {
        stand.browser.open(&site());
        stand.run("return fetch(base + '/own', { credentials: 'include' }).then(() => 'read');")
    };
    assert!(read["threw"].as_str().is_some_and(|text| text.starts_with("TypeError")), "{read}");
    // The user's own page goes on.
    stand.browser.open(&format!("{}/session/countersign.js", stand.base()));
    assert_eq!(stand.open()["name"], "ada");
}
