//! From another gateway's file to a running one: what its clients sign is accepted.

use std::process::Command;

use super::{Imported, KONG};
use crate::serving::{Serving, upstream};
use crate::support::{Scratch, command, countersign, finish};

/// The answer to a curl line: the body, and what curl says.
fn sent(line: &str) -> String {
    String::from_utf8(Command::new("sh").arg("-c").arg(line).output().unwrap().stdout).unwrap()
}

#[test]
fn a_client_of_the_old_gateway_is_served_by_the_imported_one() {
    let scratch = Scratch::new();
    let text = KONG.replace("127.0.0.1:9000", &upstream()).replace("    hosts: [api.example.com]\n", "");
    let imported = Imported::of(&scratch, "kong", &text, &[]);
    assert_eq!(imported.run.code, 0, "{}", imported.run.stderr);
    let data = scratch.path().join("data");
    let (data_text, folder) = (data.to_str().unwrap(), imported.folder.to_str().unwrap());
    let config = format!("{folder}/gateway.toml");
    countersign(["config", "check", &config]).ok();
    countersign(["app", "--data", data_text, "import", &format!("{folder}/apps.json")]).ok();
    let mut serving = Serving::start(&data, &["--config", &config]);
    let address = serving.address();
    // This dialect's times have no fractions: what was signed in the second in which the replay guard began may have been
    // seen by a lost one.
    let begun = std::time::SystemTime::now();
    assert!(countersign_testbed::wait_until(std::time::Duration::from_secs(5), || begun.elapsed().unwrap().as_millis() > 1_100));
    let sign = |key: &str, secret: &str, more: &[&str]| {
        let url = format!("{address}/orders/1?a=%2F");
        let mut sign = command();
        sign.args(["sign", "-d", "kong-hmac", "-k", key, "--url", &url, "--data", "{}", "-o", "curl", "--sign-header", "date"]);
        sign.args(["--sign-header", "request-line", "--sign-header", "digest"]).args(more);
        finish(sign.env("COUNTERSIGN_SECRET", secret), b"").ok().text()
    };
    let secret = "secret-of-alice-0123456789";
    let line = sign("alice123", secret, &[]);
    assert_eq!(sent(&line), "POST /orders/1?a=%2F HTTP/1.1");
    assert!(sent(&line).contains("\"replayed\""));
    assert_eq!(sent(&sign("bob456", "secret of bob, with a blank ", &["--algorithm", "hmac-sha512"])), "POST /orders/1?a=%2F HTTP/1.1");
    assert!(sent(&sign("bob456", secret, &[])).contains("\"signature_mismatch\""));
    assert!(sent(&sign("alice123", secret, &["--algorithm", "hmac-sha1"])).contains("\"algorithm_not_allowed\""));
    assert_eq!(serving.stop(), Some(0));
}
