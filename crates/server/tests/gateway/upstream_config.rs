//! Upstreams and ways of forwarding that make no sense: each is refused with its line, the fault and the mend.

use std::os::unix::fs::PermissionsExt;

use countersign_protocol::Dialects;
use countersign_server::config::{Config, ConfigError, Settings};
use countersign_server::upstream::Directory;

use crate::fixture::HOUSE;

const GOOD: &str = r#"listen = ["127.0.0.1:0"]

[[upstream]]
name = "orders"
servers = [
  { url = "http://10.0.0.1:9000", weight = 3 },
  { url = "http://10.0.0.2:9000" },
]
protocol = "auto"
connect = "2s"
head = "10s"
idle = "60s"
answer_idle = "1m"
tunnel_idle = "10m"
requests = 100
idle_connections = 10
tunnels = 50
head_bytes = 16384
retries = 2
check = { path = "/healthz", interval = "1s", timeout = "500ms", rise = 1, fall = 2, statuses = [200, 204] }
eject = { after = 3, time = "10s", most = "1m", share = 40, server_errors = true }

[[route]]
prefix = "/V1"
upstream = "orders"
dialects = ["house"]
body = "unsigned"
upgrade = true

[[route]]
prefix = "/V2"
upstream = "http://127.0.0.1:9001"
dialects = ["house"]
body = "streamed"
"#;

fn dialects() -> Dialects {
    let mut dialects = Dialects::builtin().unwrap();
    dialects.add_yaml("house", HOUSE).unwrap();
    dialects
}

fn compile(text: &str, before: &Directory) -> Result<Settings, ConfigError> {
    Config::parse("gateway.toml", text)?.compile_after(&dialects(), before)
}

#[test]
fn a_good_one_is_taken_and_kept_over_a_reload_that_leaves_it() {
    let first = compile(GOOD, &Directory::default()).unwrap().upstreams;
    assert_eq!(first.iter().map(|servers| servers.name()).collect::<Vec<_>>(), ["http://127.0.0.1:9001", "orders"]);
    let status = first.get("orders").unwrap().status();
    assert_eq!(status.iter().map(|server| server.server.as_str()).collect::<Vec<_>>(), ["http://10.0.0.1:9000", "http://10.0.0.2:9000"]);
    let kept = |text: &str, name: &str| {
        let second = compile(text, &first).unwrap().upstreams;
        std::sync::Arc::ptr_eq(first.get(name).unwrap(), second.get(name).unwrap())
    };
    let other_route = GOOD.replace("/V2", "/V3");
    assert!(kept(&other_route, "orders") && kept(&other_route, "http://127.0.0.1:9001"));
    for (good, other) in
        [("weight = 3", "weight = 2"), ("10.0.0.2", "10.0.0.3"), ("fall = 2", "fall = 3"), ("head = \"10s\"", "head = \"11s\"")]
    {
        assert!(!kept(&GOOD.replace(good, other), "orders"), "{other}");
    }
}

#[test]
fn an_address_is_one_upstream_however_it_is_written() {
    let text = GOOD.replace("upstream = \"orders\"", "upstream = \"http://127.0.0.1:9001/\"");
    let settings = compile(&text, &Directory::default()).unwrap();
    assert_eq!(settings.upstreams.iter().count(), 2);
    // A time beyond every clock is no fault of a request.
    compile(&GOOD.replace("10m", "200000000000d"), &Directory::default()).unwrap();
}

#[test]
fn each_fault_has_its_line_and_mend() {
    let cases = [
        ("weight = 3", "weight = 0", 6, "a weight of 0"),
        ("weight = 3", "weight = 101", 6, "a weight of 101"),
        ("http://10.0.0.2:9000", "http://10.0.0.2:9000/path", 7, "no server"),
        ("http://10.0.0.2:9000", "10.0.0.2:9000", 7, "no server"),
        ("http://10.0.0.2:9000", "https://10.0.0.2:9000", 4, "some in the clear"),
        ("http://10.0.0.2:9000", "http://user@10.0.0.2", 7, "no server"),
        ("\"auto\"", "\"http3\"", 9, "`http3` is no protocol"),
        ("name = \"orders\"", "name = \"echo\"", 4, "no name"),
        ("name = \"orders\"", "name = \"http://x\"", 4, "no name"),
        ("head_bytes = 16384", "head_bytes = 100", 18, "100 bytes"),
        ("retries = 2", "retries = 6", 19, "6 retries"),
        ("path = \"/healthz\"", "path = \"healthz\"", 20, "no path"),
        ("[200, 204]", "[200, 99]", 20, "99 is no status"),
        ("share = 40", "share = 101", 21, "101 percent"),
        ("requests = 100", "requests = 0", 15, "zero"),
        ("retries = 2", "insecure = true", 19, "insecure"),
        ("retries = 2", "tls = { ca = \"ca.pem\" }", 19, "no server is spoken to over TLS"),
        ("upstream = \"orders\"", "upstream = \"order\"", 25, "`order` is no upstream"),
        ("upstream = \"orders\"", "upstream = \"echo\"", 28, "the echo cannot be upgraded"),
        ("\"auto\"", "\"http2\"", 28, "needs HTTP/1.1"),
        ("body = \"unsigned\"", "body = \"streamed\"", 28, "nobody looks"),
        ("body = \"unsigned\"", "body = \"ignored\"", 27, "`ignored` is no treatment"),
        (
            "dialects = [\"house\"]\nbody = \"streamed\"",
            "dialects = [\"standard-webhooks\"]\nbody = \"streamed\"",
            34,
            "must be read before",
        ),
        (
            "dialects = [\"house\"]\nbody = \"streamed\"",
            "dialects = [\"hmac-sha256-body\"]\nbody = \"unsigned\"",
            34,
            "must be read before",
        ),
        (
            "[[route]]\nprefix = \"/V1\"",
            "[[upstream]]\nname = \"orders\"\nservers = [{ url = \"http://h\" }]\n[[route]]\nprefix = \"/V1\"",
            24,
            "two upstreams",
        ),
        ("[[route]]\nprefix = \"/V1\"", "[[upstream]]\nname = \"none\"\nservers = []\n[[route]]\nprefix = \"/V1\"", 24, "0 servers"),
    ];
    for (good, bad, line, fault) in cases {
        assert!(GOOD.contains(good), "{good}");
        let error = compile(&GOOD.replacen(good, bad, 1), &Directory::default()).expect_err(bad);
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("gateway.toml:{line}: ")) && shown.contains(fault), "{bad}: {shown}");
        assert!(!error.mend().is_empty());
    }
}

#[test]
fn files_of_tls_must_be_what_they_are_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, missing) = (folder.path().join("empty.pem"), folder.path().join("missing.pem"));
    std::fs::write(&empty, "no certificate here").unwrap();
    std::fs::set_permissions(&empty, std::fs::Permissions::from_mode(0o600)).unwrap();
    let open = folder.path().join("open.key");
    std::fs::write(&open, "a key").unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o640)).unwrap();
    let text = |tls: &str| {
        GOOD.replace("http://10.", "https://10.").replace("upgrade = true", "").replace("retries = 2", &format!("tls = {{ {tls} }}"))
    };
    for (tls, fault) in [
        (format!("ca = {missing:?}"), "No such file"),
        (format!("ca = {empty:?}"), "no trust anchor"),
        (format!("certificate = {empty:?}"), "go together"),
        (format!("certificate = {empty:?}, key = {empty:?}"), "cannot be used with the key"),
        (format!("certificate = {empty:?}, key = {open:?}"), "others may read it"),
        ("server_name = \"a b\"".to_owned(), "no host name"),
    ] {
        let error = compile(&text(&tls), &Directory::default()).expect_err(&tls);
        assert!(error.to_string().starts_with("gateway.toml:19: ") && error.to_string().contains(fault), "{tls}: {error}");
    }
}
