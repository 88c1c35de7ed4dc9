//! A dialect of one's own in a folder, and the lines that the demo prints.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::answer::Seen;
use crate::gateway::{Gateway, Registration, countersign, private_file};
use crate::program::{Output, run};
use crate::relay::{Change, Relay};
use crate::trial::answer;

const IN_HOUSE: &str = r#"countersign: 1
dialect: warehouse
title: The scheme of our warehouse

string_to_sign: |-
  {method}
  {target}
  {header.Content-Type}
  {time}
  {nonce}
  {body | sha256 | hex}

algorithm: hmac-sha256
signature: hex

carry:
  header:
    X-Warehouse-Key: "{key_id}"
    X-Warehouse-Time: "{time}"
    X-Warehouse-Nonce: "{nonce}"
    X-Warehouse-Signature: "{signature}"

time: { format: unix, window: 5m }
"#;

const SECRET: &str = "f2c1a6f0d9e84b7c8a35d1e0b6c79423";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// `countersign sign ... -o curl | sh`, as a user types it.
fn sign_and_send(dialects: &Path, secret: &Path, address: SocketAddr) -> Command {
    let own = countersign();
    let line = format!(
        "{} sign --dialects {} --dialect warehouse --key-id shop --secret-file {} --url 'http://{address}/stock?shelf=12' \
         --header 'Content-Type: text/plain' --data 'three boxes' -o curl | sh",
        own.get_program().display(),
        dialects.display(),
        secret.display(),
    );
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    command
}

#[test]
fn in_house_dialect_from_a_folder() {
    let dialects = folder();
    fs::write(dialects.path().join("warehouse.yaml"), IN_HOUSE).unwrap();
    let listed = run(countersign().args(["dialects", "list", "--dialects"]).arg(dialects.path()));
    assert!(listed.ok && listed.text.lines().any(|line| line.starts_with("warehouse ")), "{}", listed.text);

    let gateway = Gateway::with_routes(&format!(
        "dialects = [\"{}\"]\n[[route]]\nhost = \"127.0.0.1\"\nprefix = \"/stock\"\nupstream = \"echo\"\ndialects = [\"warehouse\"]\n",
        dialects.path().display()
    ));
    let registration = Registration { dialect: "warehouse", key_id: "shop", secret: SECRET, parts: &[], inputs: &[], algorithm: None };
    gateway.register(&registration, Some(dialects.path()));
    let secret = private_file(gateway.folder(), "shop.secret", SECRET);
    let send = |change| {
        let relay = Relay::to(gateway.address(), change);
        let Output { ok, text } = run(&mut sign_and_send(dialects.path(), &secret, relay.address()));
        assert!(ok, "{text}");
        answer(&relay.finish()[0])
    };
    let seen = Seen { method: "POST", target: "/stock?shelf=12", body: "three boxes" };
    send(None).assert_accepted(seen, "shop", "warehouse");
    for (from, to) in [("shelf=12", "shelf=13"), ("text/plain", "text/plane"), ("three boxes", "three bones")] {
        send(Some(Change { from, to })).assert_refused("signature_mismatch");
    }
}

#[test]
fn demo_lines_work() {
    let dialects = folder();
    fs::write(dialects.path().join("warehouse.yaml"), IN_HOUSE).unwrap();
    let (gateway, lines) = Gateway::demo(dialects.path());
    let built_in = run(countersign().args(["dialects", "list"]));
    let count = built_in.text.lines().count();
    assert!(lines.len() > count / 2 && lines.iter().any(|line| line.contains("--dialect warehouse ")), "{lines:?}");
    for line in &lines {
        let Output { ok, text } = run(Command::new("sh").args(["-c", line]));
        let told: serde_json::Value =
            text.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| panic!("{line}\n{text}"));
        assert!(ok && told["target"].as_str().is_some_and(|target| target.starts_with("/demo/")), "{line}\n{text}");
    }
    drop(gateway);
}
