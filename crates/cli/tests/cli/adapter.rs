//! The protocol for adapters, version 1.

use serde_json::{Value, json};

use crate::support::with_input;

fn talk(lines: &[Vec<u8>]) -> Vec<Value> {
    let run = with_input(["adapter"], &lines.join(&b'\n')).ok();
    run.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ask(lines: &[Value]) -> Vec<Value> {
    talk(&lines.iter().map(|line| line.to_string().into_bytes()).collect::<Vec<_>>())
}

fn published(op: &str) -> Value {
    json!({
        "id": 2, "op": op, "dialect": "aws-sigv1", "at": "2006-12-08T07:48:03Z",
        "credentials": { "key_id": "10QMXFEV71ZS32XQFTR2", "secret": "DMADSSfPfdaDjbK+RRUhS/aDrjsiZadgAUm8gRU2" },
        "message": { "kind": "request", "method": "GET", "target": "/?Action=DescribeImages&Version=2007-01-03", "headers": [["host", "h"]], "body_base64": "" },
    })
}

#[test]
fn it_introduces_itself_and_its_dialects() {
    let answers = ask(&[
        json!({ "id": 0, "op": "hello", "version": 1 }),
        json!({ "id": "x", "op": "dialects" }),
        json!({ "id": 2, "op": "hello", "version": 9 }),
    ]);
    let features = ["stages", "several_credentials", "windows", "body_pieces"];
    assert_eq!(
        answers[0],
        json!({ "id": 0, "result": "hello", "version": 1, "name": "countersign", "language": "rust", "features": features })
    );
    let sigv4 = answers[1]["dialects"].as_array().unwrap().iter().find(|dialect| dialect["id"] == "aws-sigv4").unwrap();
    assert_eq!((&sigv4["inputs"], &sigv4["directions"]), (&json!(["region", "service"]), &json!(["sign", "verify"])));
    assert_eq!((&answers[1]["id"], &answers[2]["result"]), (&json!("x"), &json!("unsupported")));
}

#[test]
fn the_published_example_is_signed_and_verified() {
    let signed = ask(&[published("sign")]).remove(0);
    assert_eq!((&signed["result"], &signed["signature"]), (&json!("signed"), &json!("GjH3941IBe6qsgQu+k7FpCJjpnc=")));
    let mut verify = published("verify");
    verify["message"] = signed["message"].clone();
    let refused_as_unsafe = verify.clone();
    verify["policy"] = json!({ "unsafe": true });
    let mut changed = verify.clone();
    changed["message"]["target"] = signed["message"]["target"].as_str().unwrap().replace("Describe", "Delete").into();
    let mut unknown = verify.clone();
    unknown["credentials"] = json!([{ "key_id": "another", "secret": "s" }]);
    let mut late = verify.clone();
    late["at"] = "2007-12-08T07:48:03Z".into();
    let answers = ask(&[verify, refused_as_unsafe, changed, unknown, late]);
    assert_eq!((&answers[0]["result"], &answers[0]["key_id"]), (&json!("accepted"), &json!("10QMXFEV71ZS32XQFTR2")));
    assert!(answers[0]["covers"].as_array().unwrap().contains(&json!("query")), "{}", answers[0]);
    let reasons: Vec<_> = answers[1..].iter().map(|answer| answer["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["dialect_not_allowed", "signature_mismatch", "signature_mismatch", "too_old"]);
}

#[test]
fn signers_choices_are_heard() {
    let sign = json!({
        "id": 1, "op": "sign", "dialect": "aws-sigv4", "at": "2015-08-30T12:36:00Z", "inputs": { "region": "us-east-1", "service": "service" },
        "credentials": [{ "key_id": "AKIDEXAMPLE", "secret": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }],
        "message": { "method": "GET", "target": "/", "headers": [["Host", "example.amazonaws.com"], ["X-A", "b"]] },
    });
    let mut with_headers = sign.clone();
    with_headers["options"] = json!({ "headers": ["host", "x-amz-date", "x-a"] });
    let answers = ask(&[sign, with_headers]);
    // get-vanilla of AWS's suite.
    assert_eq!(answers[0]["signature"], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    assert!(answers[1]["message"].to_string().contains("x-a"), "{}", answers[1]);
    assert_ne!(answers[0]["signature"], answers[1]["signature"]);
}

#[test]
fn bytes_that_are_no_text_come_as_base64() {
    let sign = json!({
        "id": 1, "op": "sign", "dialect": "standard-webhooks", "at": "2026-01-02T03:04:05Z", "nonce": "msg_1",
        "credentials": [{ "secret_base64": "TWZLUTlyOEdLWXFyVHdqVVBEOElMUFpJbzJMYUxhU3c=" }],
        "message": { "method": "POST", "target": "/", "headers": [["host", "h"]], "body_base64": "/wA=" },
    });
    let answer = ask(&[sign]).remove(0);
    assert_eq!(answer["result"], "signed", "{answer}");
    assert!(answer["stages"]["string_to_sign"].is_null() && answer["stages"]["string_to_sign_base64"].is_string(), "{answer}");
}

#[test]
fn a_window_has_one_span_or_two() {
    let verify = |at: &str, window: Value| {
        let mut line = published("sign");
        line["message"] = json!({ "method": "GET", "headers": [["host", "h"]],
            "target": ask(&[published("sign")])[0]["message"]["target"] });
        line["op"] = "verify".into();
        line["at"] = at.into();
        line["policy"] = json!({ "unsafe": true, "window": window });
        let answer = ask(&[line]).remove(0);
        answer["reason"].as_str().or(answer["message"].as_str()).unwrap_or("accepted").to_owned()
    };
    let sides = || json!({ "past": "10s", "future": "2s" });
    assert_eq!(verify("2006-12-08T07:48:08Z", "5s".into()), "accepted");
    assert_eq!(verify("2006-12-08T07:48:09Z", "5s".into()), "too_old");
    assert_eq!(verify("2006-12-08T07:48:13Z", sides()), "accepted");
    assert_eq!(verify("2006-12-08T07:48:14Z", sides()), "too_old");
    assert_eq!(verify("2006-12-08T07:48:01Z", sides()), "accepted");
    assert_eq!(verify("2006-12-08T07:48:00Z", sides()), "from_the_future");
    assert!(verify("2006-12-08T07:48:03Z", json!({ "past": "10s" })).contains("policy.window.future"));
    assert!(verify("2006-12-08T07:48:03Z", json!({ "ago": "10s" })).contains("policy.window.ago"));
}

#[test]
fn a_body_in_pieces_has_the_verdict_of_the_whole() {
    let mut sign = json!({
        "id": 1, "op": "sign", "dialect": "hmac-sha256", "at": "2026-01-02T03:04:05Z", "nonce": "n-1",
        "credentials": [{ "key_id": "k", "secret": "s" }],
        "message": { "method": "POST", "target": "/", "headers": [["Host", "h"]], "body_pieces_base64": ["aGVs", "", "bG8="] },
    });
    let signed = ask(&[sign.clone()]).remove(0);
    assert_eq!(signed["message"]["body_base64"], "aGVsbG8=");
    let mut answers = Vec::new();
    for pieces in [json!(["aGVs", "bG8="]), json!(["aGVsbG8=", "", ""]), json!(["aGVs", "bG8h"]), json!([]), json!(["aGVs", "bG8"])] {
        sign["op"] = "verify".into();
        sign["message"] = signed["message"].clone();
        sign["message"]["body_base64"] = Value::Null;
        sign["message"]["body_pieces_base64"] = pieces;
        let answer = ask(&[sign.clone()]).remove(0);
        answers.push(answer["reason"].as_str().or(answer["result"].as_str()).unwrap().to_owned());
    }
    assert_eq!(answers, ["accepted", "accepted", "body_digest_mismatch", "body_digest_mismatch", "error"]);
}

/// A header that no head can hold is judged like any other: refused with a reason by a verifier, and never signed.
#[test]
fn a_value_that_would_be_another_line_is_judged() {
    for value in ["b\r\nc: d", "b\nc: d", "b\0"] {
        let ask_for = |op: &str| {
            let mut line = published(op);
            line["message"]["headers"].as_array_mut().unwrap().push(json!(["a", value]));
            ask(&[line]).remove(0)
        };
        let (signed, verified) = (ask_for("sign"), ask_for("verify"));
        assert_eq!(signed["result"], "error", "{signed}");
        assert_eq!((&verified["result"], &verified["reason"]), (&json!("rejected"), &json!("malformed_request")), "{verified}");
    }
}

#[test]
fn no_line_ends_the_run() {
    let mut lines: Vec<Vec<u8>> = [
        "",
        "not json",
        "[]",
        "{}",
        "\"x\"",
        "{\"op\":1}",
        "{\"op\":\"fly\"}",
        "{\"op\":\"sign\"}",
        "{\"op\":\"sign\",\"dialect\":\"no-such\"}",
        "{\"op\":\"verify\",\"dialect\":\"aws-sigv1\"}",
        "{\"id\":",
    ]
    .iter()
    .map(|line| line.as_bytes().to_vec())
    .collect();
    lines.push(b"\xff\xfe".to_vec());
    lines.push(vec![b'['; 200_000]);
    let mut misspelt = published("verify");
    misspelt["policy"] = json!({ "insecure": true });
    lines.push(misspelt.to_string().into_bytes());
    lines.push(b"{\"id\":9,\"op\":\"hello\",\"version\":1}".to_vec());
    let answers = talk(&lines);
    let results: Vec<_> = answers.iter().map(|answer| answer["result"].as_str().unwrap()).collect();
    assert_eq!(
        results,
        [
            "error",
            "error",
            "error",
            "error",
            "error",
            "unsupported",
            "error",
            "unsupported",
            "error",
            "error",
            "error",
            "error",
            "error",
            "hello"
        ]
    );
    assert!(answers[12]["message"].as_str().unwrap().contains("policy.insecure"), "{}", answers[12]);
}
