//! HAR files as input: what was signed is verified from the file, without a server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Scratch, countersign, with_input};

const AT: &str = "2026-01-02T03:04:05Z";

/// A request that the binary signed, as a browser would save it over HTTP/2.
fn saved(scratch: &Scratch, dialect: &str, more: &[&str]) -> Value {
    let secret = scratch.file("secret", "canary-secret\n");
    let url = "https://api.example.com/orders/%C3%BC?b=2+3&a=%2F&a=";
    let sign = ["sign", "-d", dialect, "-k", "k", "--secret-file", &secret, "--url", url, "--at", AT, "--json"];
    let signed = countersign([&sign[..], more].concat()).ok().json();
    let line = |name: &str, value: &Value| json!({ "name": name, "value": value });
    let mut headers =
        vec![line(":method", &signed["method"]), line(":authority", &"api.example.com".into()), line(":path", &signed["target"])];
    for header in signed["headers"].as_array().unwrap() {
        let name = header[0].as_str().unwrap().to_ascii_lowercase();
        if name != "host" {
            headers.push(line(&name, &header[1]));
        }
    }
    let mut request = json!({ "method": signed["method"], "url": signed["url"], "httpVersion": "h2", "headers": headers, "bodySize": -1 });
    let body = STANDARD.decode(signed["body_base64"].as_str().unwrap()).unwrap();
    if !body.is_empty() {
        request["postData"] = json!({ "mimeType": "application/json", "text": String::from_utf8(body).unwrap() });
    }
    request
}

fn file(requests: &[&Value]) -> String {
    let entries: Vec<Value> =
        requests.iter().map(|request| json!({ "request": request, "response": { "status": 200, "headers": [] } })).collect();
    json!({ "log": { "version": "1.2", "creator": { "name": "test", "version": "1" }, "entries": entries } }).to_string()
}

fn verify<'a>(secret: &'a str, dialect: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["verify", "-d", dialect, "-k", "k", "--secret-file", secret, "--at", AT, "-i", "-"], more].concat()
}

#[test]
fn a_saved_request_is_verified_offline() {
    let scratch = Scratch::new();
    let secret = scratch.file("key", "canary-secret\n");
    for dialect in ["hmac-sha256", "signed-sha256", "x-ca-labelled-2"] {
        let good = saved(&scratch, dialect, &["--nonce", "n-1", "--data", "{\"n\":1}"]);
        let run = with_input(verify(&secret, dialect, &[]), file(&[&good]).as_bytes()).ok();
        assert!(run.text().starts_with("accepted\n") && run.text().contains("body"), "{dialect}: {}", run.text());

        let mut target = good.clone();
        for member in ["/url", "/headers/2/value"] {
            let text = target.pointer(member).unwrap().as_str().unwrap().replace("b=2", "b=3");
            *target.pointer_mut(member).unwrap() = text.into();
        }
        let mut body = good.clone();
        body["postData"]["text"] = "{\"n\":2}".into();
        let file = file(&[&good, &target, &body]);
        for (number, reason) in [("2", "signature_mismatch"), ("3", "")] {
            let run = with_input(verify(&secret, dialect, &["--har-entry", number]), file.as_bytes());
            assert!(run.code == 1 && run.text().starts_with(&format!("rejected: {reason}")), "{dialect} {number}: {}", run.text());
        }
        with_input(verify(&secret, dialect, &["--har-entry", "1"]), file.as_bytes()).ok();
        let unclear = with_input(verify(&secret, dialect, &[]), file.as_bytes());
        assert!(unclear.code == 2 && unclear.stderr.contains("the HAR has 3 entries; name one with --har-entry N:"), "{}", unclear.stderr);
        assert!(
            unclear.stderr.contains("    2  POST api.example.com/orders/%C3%BC?..") && !unclear.stderr.contains("canary"),
            "{}",
            unclear.stderr
        );
    }
}

#[test]
fn an_export_without_its_authorization_has_no_signature() {
    let scratch = Scratch::new();
    let secret = scratch.file("key", "canary-secret\n");
    let mut request = saved(&scratch, "hmac-sha256", &["--nonce", "n-1"]);
    request["headers"].as_array_mut().unwrap().retain(|line| line["name"] != "authorization");
    let run = with_input(verify(&secret, "hmac-sha256", &[]), file(&[&request]).as_bytes());
    assert_eq!((run.code, run.text().as_str()), (1, "rejected: missing_signature\n"));
    assert!(run.stderr.contains("see: countersign reason missing_signature"), "{}", run.stderr);
}

#[test]
fn a_saved_request_is_signed_anew() {
    let scratch = Scratch::new();
    let secret = scratch.file("key", "canary-secret\n");
    let request = json!({
        "method": "PUT", "url": "https://h:8443/a/../b?x=+#top", "httpVersion": "HTTP/1.1",
        "headers": [{ "name": "Host", "value": "h:8443" }, { "name": "Content-Type", "value": "text/plain" }],
        "postData": { "mimeType": "text/plain", "text": "AP8=", "encoding": "base64" },
    });
    let sign = ["sign", "-d", "hmac-sha256", "-k", "k", "--secret-file", &secret, "--at", AT, "-i", "-"];
    let curl = with_input([&sign[..], &["-o", "curl"]].concat(), file(&[&request]).as_bytes()).ok().text();
    assert!(curl.contains("https://h:8443/a/../b?x=+'"), "{curl}");
    let raw = with_input(sign, file(&[&request]).as_bytes()).ok();
    with_input(verify(&secret, "hmac-sha256", &[]), &raw.stdout).ok();
}

#[test]
fn the_number_of_an_entry_is_for_har_files_only() {
    let scratch = Scratch::new();
    let secret = scratch.file("key", "canary-secret\n");
    let run = with_input(verify(&secret, "hmac-sha256", &["--har-entry", "1"]), b"GET / HTTP/1.1\nHost: h\n\n");
    assert!(run.code == 2 && run.stderr.contains("--har-entry: the input is no HAR file"), "{}", run.stderr);
    let run = countersign(["verify", "-d", "hmac-sha256", "--secret", "s", "--url", "http://h/", "--har-entry", "1"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
}

/// A dialect of answers, which no release knows.
const ANSWERS: &str = r#"countersign: 1
dialect: answers
title: Answers of a house

message: response

string_to_sign: |-
  {status}
  {time}
  {body | sha256 | hex}

algorithm: hmac-sha256
signature: hex

carry:
  header:
    X-Answer-Time: "{time}"
    X-Answer-Signature: "{signature}"

time: { format: unix, window: 5m }
"#;

#[test]
fn a_dialect_of_answers_takes_the_answer() {
    let scratch = Scratch::new();
    scratch.file("answers.yaml", ANSWERS);
    let secret = scratch.file("key", "canary-secret\n");
    let folder = scratch.path().to_str().unwrap();
    let sign = ["sign", "--dialects", folder, "-d", "answers", "--secret-file", &secret, "--at", AT, "-i", "-", "--json"];
    let signed = with_input(sign, b"HTTP/1.1 201 Created\nContent-Type: a/b\n\nhello").ok().json();
    let headers = signed["headers"].as_array().unwrap().iter().map(|line| json!({ "name": line[0], "value": line[1] })).collect::<Vec<_>>();
    for (body, code) in [("hello", 0), ("hellO", 1)] {
        let answer = json!({ "status": 201, "headers": headers, "content": { "size": 5, "mimeType": "a/b", "text": body } });
        let request = json!({ "method": "POST", "url": "https://h/", "headers": [] , "postData": { "mimeType": "", "params": [{}] } });
        let file = json!({ "log": { "entries": [{ "request": request, "response": answer }] } }).to_string();
        let run = with_input(verify(&secret, "answers", &["--dialects", folder]), file.as_bytes());
        assert_eq!(run.code, code, "{} {}", run.text(), run.stderr);
    }
}
