//! Configurations that make no sense: each is refused with its line, the fault and the mend.

use countersign_protocol::Dialects;
use countersign_server::config::{Config, ConfigError};

use crate::fixture::HOUSE;

fn dialects() -> Dialects {
    let mut dialects = Dialects::builtin().unwrap();
    dialects.add_yaml("house", HOUSE).unwrap();
    dialects
}

fn compile(text: &str) -> Result<countersign_server::config::Settings, ConfigError> {
    Config::parse("gateway.toml", text)?.compile(&dialects())
}

const GOOD: &str = r#"listen = ["127.0.0.1:0"]

[[route]]
prefix = "/V1"
upstream = "http://127.0.0.1:9000"
dialects = ["qlm-open"]

[[route]]
host = "api.example.com"
prefix = "/V2"
methods = ["GET", "POST"]
upstream = "http://127.0.0.1:9001/"
dialects = ["qlm-open-md5", "hmac-sha256"]
window = { past = "15m", future = "1m" }
require = ["host"]
replay = "nonce"
body_limit = 1000
authority = { scheme = "https", host = "api.example.com" }

[[route]]
prefix = "/aws"
upstream = "echo"
dialects = ["aws-sigv4"]
inputs = { region = "us-east-1", service = "execute-api" }
window = "5m"
authority = "wire"
"#;

#[test]
fn a_good_one_is_taken() {
    let settings = compile(GOOD).unwrap();
    assert_eq!(settings.routes.iter().count(), 3);
    assert!(settings.warnings.iter().any(|warning| warning.contains("/V1")), "{:?}", settings.warnings);
}

#[test]
fn each_fault_has_its_line_and_mend() {
    let cases = [
        ("[[route]]\nprefix = \"/V1\"", "[[route]]\nprefiks = \"/V1\"", 4, "prefiks"),
        ("[\"127.0.0.1:0\"]", "[\"localhost\"]", 1, "localhost"),
        ("[\"127.0.0.1:0\"]", "[]", 1, "no address"),
        ("dialects = [\"qlm-open\"]", "dialects = [\"qlm-opne\"]", 6, "no dialect `qlm-opne`"),
        ("dialects = [\"qlm-open\"]", "dialects = []", 3, "no dialect"),
        ("dialects = [\"qlm-open\"]", "dialects = [\"aws-sigv1\"]", 6, "unsafe"),
        ("dialects = [\"qlm-open\"]", "dialects = [\"qlm-open\", \"qlm-open-md5\"]", 6, "cannot be told apart"),
        ("dialects = [\"qlm-open\"]", "dialects = [\"aws-sigv4\", \"aws-sigv4-s3\"]", 6, "cannot be told apart"),
        ("dialects = [\"qlm-open\"]", "dialects = [\"house\", \"house\"]", 6, "the same"),
        ("\"http://127.0.0.1:9000\"", "\"ftp://127.0.0.1:9000\"", 5, "no upstream"),
        ("\"http://127.0.0.1:9000\"", "\"http://127.0.0.1:9000/api\"", 5, "no upstream"),
        ("prefix = \"/V1\"", "prefix = \"V1\"", 4, "no plain path"),
        ("prefix = \"/V1\"", "prefix = \"/a/../b\"", 4, "no plain path"),
        ("prefix = \"/V1\"", "prefix = \"/aws\"", 20, "takes the requests"),
        ("[\"GET\", \"POST\"]", "[\"GET\", \"post\"]", 11, "`post` is no method"),
        ("host = \"api.example.com\"\nprefix", "host = \"a b\"\nprefix", 9, "no host"),
        ("require = [\"host\"]", "require = [\"hots\"]", 15, "`hots` is no part"),
        ("replay = \"nonce\"", "replay = \"never\"", 16, "`never` is no replay policy"),
        ("past = \"15m\"", "past = \"15\"", 14, ""),
        ("region = ", "regoin = ", 24, "`regoin`"),
        ("scheme = \"https\"", "scheme = \"ftp\"", 18, "`ftp` is no scheme"),
        ("authority = \"wire\"", "authority = \"wired\"", 26, "authority"),
        ("[\"127.0.0.1:0\"]", "[\"127.0.0.1:0\"]\nworkers = 0", 2, "workers"),
        ("[\"127.0.0.1:0\"]\n", "[\"0.0.0.0:0\"]\n[limits]\nhead_time = 5\n", 3, ""),
        ("[\"127.0.0.1:0\"]\n", "[\"127.0.0.1:0\"]\n[limits]\nrequests = 0\n", 3, "zero"),
    ];
    for (good, bad, line, fault) in cases {
        assert!(GOOD.contains(good), "{good}");
        let error = compile(&GOOD.replacen(good, bad, 1)).expect_err(bad);
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("gateway.toml:{line}: ")) && shown.contains(fault), "{bad}: {shown}");
        assert!(!error.mend().is_empty());
    }
}

#[test]
fn loopback_counts_as_tls_only_on_the_loopback() {
    let text = |address: &str| {
        format!(
            "listen = [\"{address}\"]\n[[route]]\nprefix = \"/\"\nupstream = \"echo\"\ndialects = [\"api-key\"]\nloopback_is_tls = true\n"
        )
    };
    assert!(compile(&text("127.0.0.1:0")).is_ok());
    assert!(compile(&text("0.0.0.0:0")).unwrap_err().to_string().contains("loopback_is_tls"));
}
