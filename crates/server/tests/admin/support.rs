//! An operator with a token, and what it asks of the admin listener.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::{Answer, Client, Fixture, Setup, house};

pub(crate) const TOKEN: &str = "canary-of-an-admin-token-0123456789abcdef";

/// A gateway whose admin listener has a token.
pub(crate) struct Operated {
    pub(crate) gateway: Fixture,
    pub(crate) admin: std::net::SocketAddr,
    _folder: TempDir,
}

impl Operated {
    pub(crate) async fn house() -> Self {
        Self::start(&house(""), "", Setup::default()).await
    }

    /// These further lines stand in the table [admin].
    pub(crate) async fn start(config: &str, further: &str, setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = token_file(&folder, TOKEN, 0o600);
        let admin = format!("[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"{}\"\n{further}\n", token.display());
        // Tables stand at the end; what comes before them belongs to no table.
        let gateway = Fixture::start(&format!("{config}\n{admin}"), setup).await;
        let admin = gateway.admin.unwrap();
        Self { gateway, admin, _folder: folder }
    }

    /// Asks as the operator.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let lines = format!("Host: {}\r\nAuthorization: Bearer {TOKEN}\r\n", self.admin);
        self.send(method, path, &lines, body.map(ToString::to_string).as_deref()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    /// Asks with these header lines.
    pub(crate) async fn send(&self, method: &str, path: &str, lines: &str, body: Option<&str>) -> Answer {
        let mut bytes = format!("{method} {path} HTTP/1.1\r\n{lines}");
        if let Some(body) = body {
            let _ = write!(bytes, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        } else {
            bytes.push_str("\r\n");
        }
        exchange(self.admin, &bytes).await
    }

    pub(crate) async fn metrics(&self) -> String {
        let answer = self.ask("GET", "/metrics", None).await;
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).unwrap()
    }
}

pub(crate) fn token_file(folder: &TempDir, token: &str, mode: u32) -> PathBuf {
    let path = folder.path().join("token");
    std::fs::write(&path, format!("{token}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

pub(crate) async fn exchange(address: std::net::SocketAddr, bytes: &str) -> Answer {
    let mut client = Client::connect(address).await;
    client.write(bytes.as_bytes()).await;
    client.answer().await.expect("an answer")
}

/// Asserts a problem of the admin API; its detail.
pub(crate) fn problem(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!(answer.status, status, "{code}: {}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code), Some(u64::from(status))));
    assert_eq!(body["type"], format!("urn:countersign:api:{code}"));
    body["detail"].as_str().unwrap().to_owned()
}

/// The sum of the values of this series, over all that have these labels.
pub(crate) fn value(metrics: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |line: &str| labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")));
    let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    metrics.lines().filter(of).filter(|line| has(line)).map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}
