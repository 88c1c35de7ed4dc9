//! A headless Chromium, driven over WebDriver, and pages for it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use countersign_testbed::{Connection, Daemon, find, free_port};
use serde_json::{Value, json};

/// A browser with one tab, closed with the test.
pub(crate) struct Chromium {
    driver: SocketAddr,
    session: String,
    _daemon: Daemon,
}

impl Chromium {
    pub(crate) fn start() -> Self {
        let driver = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let program = find("chromedriver").expect("chromedriver is not installed: cargo xtask services install");
        let port = format!("--port={}", driver.port());
        // Profiles and caches go into the folder that the daemon's user owns.
        let folder = tempfile::tempdir().unwrap();
        let home = format!("HOME={}", folder.path().display());
        let mut daemon = Daemon::start("env", folder, &[&home, "TMPDIR=.", program.to_str().unwrap(), &port]);
        daemon.until(|| Connection::open(driver).is_ok());
        // In a container neither the sandbox nor shared memory can be relied on; only pages of these tests are opened.
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
        // A gateway of these tests that speaks TLS has a certificate of its own making.
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "acceptInsecureCerts": true, "goog:chromeOptions": { "args": arguments } } } });
        let made = command(driver, "POST", "/session", Some(&wanted));
        let session = made["sessionId"].as_str().unwrap_or_else(|| panic!("{made} {}", daemon.log())).to_owned();
        Self { driver, session, _daemon: daemon }
    }

    pub(crate) fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    pub(crate) fn reload(&self) {
        self.command("POST", "/refresh", &json!({}));
    }

    /// What the body of an async function of the page gives; a thrown error as `{threw: its code or text}`.
    pub(crate) fn run(&self, body: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; (async () => {{ {body} }})().then(\
             (value) => done(value ?? null), (error) => done({{ threw: error.code ?? String(error) }}));"
        );
        self.command("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        command(self.driver, method, &format!("/session/{}{path}", self.session), Some(body))
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The browser's processes end with its session; one that broke off has none.
        let request = format!("DELETE /session/{} HTTP/1.1\r\nHost: {}\r\n\r\n", self.session, self.driver);
        let _ended = Connection::open(self.driver).and_then(|mut driver| driver.exchange(request.as_bytes()));
    }
}

/// One command; what is in `value` of its answer.
fn command(driver: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Value {
    let body = body.map(Value::to_string).unwrap_or_default();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {driver}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    let answer = Connection::open(driver).unwrap().exchange(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 200, "{path}: {told}");
    told["value"].clone()
}

/// A site of its own origin whose every path is the same empty page. It serves as long as the test's process.
pub(crate) fn site() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let head = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let _read = head.count();
            let page = "<!doctype html><meta charset=utf-8><title>a page</title>";
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}", page.len());
            let _sent = stream.write_all(answer.as_bytes());
        }
    });
    origin
}
