//! `explain`: the likely mistake in words and as data, with what the other side says, and its exit codes.

use crate::support::{Run, Scratch, countersign, with_input};

const AT: &str = "2026-01-02T03:04:05Z";
const SECRET: &str = "canary-secret";

/// A request as signed, and the same with another host.
fn signed(scratch: &Scratch) -> (String, String) {
    let secret = scratch.file("secret", SECRET);
    let sign = ["sign", "-d", "hmac-sha256", "-k", "k", "--secret-file", &secret, "--at", AT, "--nonce", "n-1"];
    let signed = countersign([&sign[..], &["--url", "https://api.example.com/a?b=2&a=1"]].concat()).ok().text();
    let moved = signed.replace("api.example.com", "api.example.com:8443");
    (signed, moved)
}

fn explain(scratch: &Scratch, message: &str, more: &[&str]) -> Run {
    let secret = scratch.file("secret", SECRET);
    let args = ["explain", "-d", "hmac-sha256", "-k", "k", "--secret-file", &secret, "--at", AT, "-i", "-"];
    with_input([&args[..], more].concat(), message.as_bytes())
}

#[test]
fn the_mistake_is_told_and_the_exit_code_says_whether_it_verifies() {
    let scratch = Scratch::new();
    let (right, moved) = signed(&scratch);
    let accepted = explain(&scratch, &right, &[]).ok();
    assert!(accepted.text().starts_with("accepted") && !accepted.text().contains("likely cause"), "{}", accepted.text());
    let told = explain(&scratch, &moved, &[]);
    assert_eq!(told.code, 1, "{}", told.stderr);
    assert!(told.text().contains("it verifies if the host was signed without its port"), "{}", told.text());
    assert!(told.text().contains("host:api.example.com:8443⟨LF⟩") && !told.text().contains(SECRET), "{}", told.text());
    assert_eq!(explain(&scratch, &moved, &["--theirs", "/nowhere"]).code, 2);
}

#[test]
fn stdin_is_read_once_and_faults_name_their_file() {
    let scratch = Scratch::new();
    let (right, _) = signed(&scratch);
    let twice = explain(&scratch, &right, &["--theirs", "-"]);
    assert_eq!(twice.code, 2);
    assert!(twice.stderr.contains("two inputs are named -") && twice.stderr.contains("into a file"), "{}", twice.stderr);
    let broken = scratch.file("sent.http", "GET / HTTP/1.1 or so\n\n");
    let run = explain(&scratch, &right, &["--their-request", &broken]);
    assert!(run.code == 2 && run.stderr.contains(&format!("{broken}: 'GET / HTTP/1.1 or so'")), "{}", run.stderr);
    let run = explain(&scratch, "nothing of a message\n", &[]);
    assert!(run.code == 2 && run.stderr.contains("stdin: 'nothing of a message'"), "{}", run.stderr);
}

#[test]
fn the_other_sides_text_signature_and_request_are_held_against_ours() {
    let scratch = Scratch::new();
    let (right, moved) = signed(&scratch);
    let data = explain(&scratch, &right, &["--json"]).ok().json();
    let lines: Vec<String> =
        data["stages"][0]["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap().replace("⟨LF⟩", "\n")).collect();
    let theirs = scratch.file("theirs", lines.concat().replace("a=1&b=2", "b=2&a=1"));
    let data = explain(&scratch, &right, &["--json", "--theirs", &theirs]).json();
    assert_eq!((data["difference"]["rule"].as_str(), data["difference"]["line"].as_u64()), (Some("query.order"), Some(7)));
    assert_eq!(data["causes"][0]["mistakes"][0]["id"], "query-unsorted");

    let sent = scratch.file("sent.http", &right);
    let told = explain(&scratch, &moved, &["--their-request", &sent]);
    assert!(told.text().contains("sent:     api.example.com\n    received: api.example.com:8443"), "{}", told.text());
    assert!(told.text().contains("changed-on-the-way, decided by header.host"), "{}", told.text());

    let signature = moved.split("Signature=").nth(1).unwrap().split_whitespace().next().unwrap().to_uppercase();
    let data = explain(&scratch, &right, &["--json", "--their-signature", &signature]).json();
    assert_eq!(data["causes"][0]["mistakes"][0]["id"], "signature-in-upper-hex");
}
