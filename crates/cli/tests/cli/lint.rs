//! `lint`: what it prints can be verified with `verify`, and `--deny` makes the exit code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::{Run, Scratch, countersign, with_input};

/// The body alone is signed, and no time: the form of many webhooks.
const WEBHOOK: &str = "countersign: 1
dialect: webhook
title: The body alone
string_to_sign: \"{body}\"
algorithm: hmac-sha256
carry: { header: { X-Webhook-Signature: \"sha256={signature}\" } }
";

/// A message of `--json` as `verify` reads it.
fn raw(message: &Value) -> Vec<u8> {
    let text = |name: &str| message[name].as_str().unwrap_or_else(|| panic!("{name} in {message}")).to_owned();
    let mut out = format!("{} {} HTTP/1.1\r\n", text("method"), text("target")).into_bytes();
    for line in message["headers"].as_array().unwrap() {
        out.extend(format!("{}: {}\r\n", line[0].as_str().unwrap(), line[1].as_str().unwrap()).into_bytes());
    }
    out.extend(b"\r\n");
    out.extend(STANDARD.decode(text("body_base64")).unwrap());
    out
}

/// Gives both messages of a finding to `verify`.
fn verified(finding: &Value, secret: &str) -> [Run; 2] {
    let of = |message: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut args = ["verify", "--secret-file", secret, "-i", "-"].map(str::to_owned).to_vec();
        args.extend(["-d".to_owned(), text(&message["dialect"]), "-k".to_owned(), text(&finding["key_id"])]);
        args.extend(["--at".to_owned(), text(&message["now"]), "--scheme".to_owned(), text(&message["message"]["scheme"])]);
        args.extend(finding["policy"].as_array().unwrap().iter().map(text));
        args.extend(finding["algorithms"].as_array().unwrap().iter().flat_map(|name| ["--algorithm".to_owned(), text(name)]));
        with_input(args, &raw(&message["message"]))
    };
    [of(&finding["messages"][0]), of(&finding["messages"][1])]
}

#[test]
fn both_messages_of_a_finding_verify_elsewhere() {
    let scratch = Scratch::new();
    for dialect in ["qlm-open", "aws-sigv1", "x-ca", "standard-webhooks"] {
        let report = countersign(["lint", dialect, "--json"]).ok().json();
        let findings = report["dialects"][0]["findings"].as_array().unwrap();
        assert!(!findings.is_empty(), "{dialect}");
        for finding in findings {
            let secret = scratch.file("secret", finding["sample_secret"].as_str().unwrap());
            let signed_bodies_are_binary = finding["id"] == "weak-hash";
            for run in verified(finding, &secret) {
                assert!(
                    run.code == 0 || signed_bodies_are_binary && run.code == 2,
                    "{dialect} {}: {} {}",
                    finding["id"],
                    run.text(),
                    run.stderr
                );
            }
        }
    }
}

#[test]
fn a_message_is_printed_as_it_is_and_can_be_pasted() {
    let text = countersign(["lint", "qlm-open"]).ok().text();
    assert!(text.contains("    | {\"item\":\"1\"") && !text.contains("\\\""), "{text}");
}

#[test]
fn deny_makes_the_exit_code() {
    for (dialect, deny, code) in [
        ("hmac-sha256", &[][..], 0),
        ("hmac-sha256", &["--deny", "medium"], 0),
        ("hmac-sha256", &["--deny", "low"], 1),
        ("hmac-sha256", &["--deny", "list-open"], 1),
        ("hmac-sha256", &["--deny", "body-unsigned", "--deny", "collision"], 0),
        ("qlm-open", &[], 0),
        ("qlm-open", &["--deny", "high"], 1),
        ("qlm-open", &["--deny", "body-unsigned"], 1),
        ("qlm-open", &["--deny", "grave"], 2),
        ("no-such-dialect", &[], 2),
        ("no-such-file.yaml", &[], 2),
    ] {
        let run = countersign(["lint", dialect].iter().chain(deny));
        assert_eq!(run.code, code, "{dialect} {deny:?}: {}", run.stderr);
        assert_eq!(run.stdout.is_empty(), code == 2, "{dialect} {deny:?}");
    }
}

#[test]
fn a_file_of_ones_own_is_looked_at() {
    let scratch = Scratch::new();
    let file = scratch.file("webhook.yaml", WEBHOOK);
    let run = countersign(["lint", &file, "--deny", "no-time"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let text = run.text();
    for part in [
        "webhook: ",
        "high: no-time",
        "mend: ",
        "one, at 2026-01-01T00:00:00Z",
        "    | POST /v1/items?a=1&b=2 HTTP/1.1",
        "body                     signed",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let broken = scratch.file("broken.yaml", "countersign: 1\ndialect: broken\n");
    let run = countersign(["lint", &broken]);
    assert!(run.code == 2 && run.stderr.contains("broken.yaml"), "{}", run.stderr);
}

#[test]
fn two_dialects_are_looked_at_alone_and_together() {
    let report = countersign(["lint", "qlm-open", "qlm-open-md5", "--json"]).ok().json();
    assert_eq!(report["dialects"].as_array().unwrap().len(), 2);
    let pair = &report["pairs"][0];
    assert_eq!(pair["dialects"], serde_json::json!(["qlm-open", "qlm-open-md5"]));
    let finding = &pair["findings"][0];
    assert_eq!((finding["id"].as_str(), finding["messages"][0]["message"] == finding["messages"][1]["message"]), (Some("overlap"), true));
    assert_eq!(countersign(["lint", "qlm-open", "qlm-open-md5", "--deny", "overlap"]).code, 1);
    assert_eq!(countersign(["lint", "hmac-sha256", "signed-sha256", "--deny", "overlap"]).code, 0);
}
