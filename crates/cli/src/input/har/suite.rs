//! Entries as browsers write them, made of every vector; and what is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{Dialect, Dialects, Refusal, Request, Scheme};
use countersign_vectors::{Case, cases, files};
use serde_json::{Value, json};

use super::*;

/// The ways in which browsers write the same request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// HTTP/1.1: header lines as they were sent.
    Lines,
    /// HTTP/2: pseudo header fields in the list, names in lower case, no `Host`.
    Pseudo,
    /// HTTP/2: no pseudo header fields, `Host` first.
    HostFirst,
}

/// The file that a browser would save of this request; `None` for one that JSON cannot hold as it is, or that cannot come over a wire.
fn saved(request: &Request, shape: Shape) -> Option<Value> {
    let length = request.body.len().to_string();
    if request.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("content-length") && *value != length.as_bytes()) {
        return None;
    }
    let target = String::from_utf8(request.target.clone()).ok()?;
    let mut headers = Vec::new();
    let mut authority = None;
    for (name, value) in &request.headers {
        let value = String::from_utf8(value.clone()).ok()?;
        if name.eq_ignore_ascii_case("host") {
            authority.get_or_insert(value.clone());
            if shape == Shape::Pseudo {
                continue;
            }
        }
        let name = if shape == Shape::Lines { name.clone() } else { name.to_ascii_lowercase() };
        headers.push(json!({ "name": name, "value": value }));
    }
    let authority = authority?;
    if shape == Shape::Pseudo {
        let pseudo = [(":authority", &authority), (":method", &request.method), (":path", &target)];
        headers.splice(0..0, pseudo.map(|(name, value)| json!({ "name": name, "value": value })));
        headers.insert(3, json!({ "name": ":scheme", "value": request.scheme.as_str() }));
    }
    let version = if shape == Shape::Lines { request.version.clone() } else { "h2".to_owned() };
    let mut sent = json!({
        "method": request.method,
        "url": format!("{}://{authority}{target}", request.scheme.as_str()),
        "httpVersion": version,
        "headers": headers,
        "queryString": [{ "name": "not", "value": "read" }],
        "cookies": [],
        "headersSize": -1,
        "bodySize": request.body.len(),
    });
    if !request.body.is_empty() {
        sent["postData"] = match String::from_utf8(request.body.clone()) {
            Ok(text) => json!({ "mimeType": "text/plain", "text": text, "params": [] }),
            Err(_) => json!({ "mimeType": "application/octet-stream", "text": STANDARD.encode(&request.body), "encoding": "base64" }),
        };
    }
    Some(file(&[sent]))
}

fn file(requests: &[Value]) -> Value {
    let entry = |request: &Value| {
        json!({
            "startedDateTime": "2026-01-02T03:04:05.678Z", "time": 12.5, "request": request, "cache": {}, "timings": {},
            "response": { "status": 200, "statusText": "OK", "httpVersion": "h2", "headers": [], "cookies": [], "content": { "size": 0 } },
            "_priority": "High", "_initiator": { "type": "script", "stack": { "callFrames": [[[{}]]] } },
        })
    };
    let entries: Vec<Value> = requests.iter().map(entry).collect();
    json!({ "log": { "version": "1.2", "creator": { "name": "WebInspector", "version": "537.36" }, "pages": [], "entries": entries } })
}

fn read(file: &Value) -> Result<Request, String> {
    assert!(is_har(file.to_string().as_bytes()));
    parse(file.to_string().as_bytes(), None, Half::Request).map(|parsed| parsed.message.into_request().unwrap())
}

fn one(request: Value) -> Result<Request, String> {
    read(&file(&[request]))
}

fn verdict(dialect: &Dialect, case: &Case, request: &Request) -> Result<(), Refusal> {
    dialect.verify(request, &case.inputs, &[&case.credential], case.now, &case.policy).map(drop)
}

#[test]
fn every_vector_has_the_same_verdict_when_it_was_saved_by_a_browser() {
    let dialects = Dialects::builtin().unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for (id, _) in files() {
        let Some(dialect) = dialects.get(id) else { continue };
        let mut of_dialect = 0;
        for case in cases(id).unwrap().unwrap() {
            let Some(file) = saved(&case.placed, Shape::Lines) else { continue };
            let direct = verdict(dialect, &case, &case.placed);
            let from_file = match read(&file) {
                Ok(request) => verdict(dialect, &case, &request),
                // What no browser can send or save is refused before it is verified.
                Err(_) if direct.is_err() => continue,
                Err(fault) => panic!("{id}::{}: {fault}", case.name),
            };
            assert_eq!(from_file, direct, "{id}::{}", case.name);
            of_dialect += 1;
            if direct.is_ok() { accepted += 1 } else { refused += 1 }
        }
        assert!(of_dialect > 0, "no vector of {id} can be saved");
    }
    assert!(accepted > 200 && refused > 200, "{accepted} {refused}");
}

#[test]
fn the_same_request_is_read_from_each_shape() {
    let dialects = Dialects::builtin().unwrap();
    let dialect = dialects.get("hmac-sha256").unwrap();
    let mut seen = 0;
    for case in cases("hmac-sha256").unwrap().unwrap().iter().filter(|case| verdict(dialect, case, &case.placed).is_ok()) {
        for shape in [Shape::Lines, Shape::Pseudo, Shape::HostFirst] {
            let Some(file) = saved(&case.placed, shape) else { continue };
            let request = read(&file).unwrap();
            assert_eq!(request.target, case.placed.target, "{} {shape:?}", case.name);
            assert_eq!(request.body, case.placed.body, "{} {shape:?}", case.name);
            assert!(request.headers.iter().all(|(name, _)| !name.starts_with(':')));
            assert_eq!(verdict(dialect, case, &request), Ok(()), "{} {shape:?}", case.name);
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

fn get(url: &str) -> Value {
    json!({ "method": "GET", "url": url, "httpVersion": "HTTP/1.1", "headers": [{ "name": "Host", "value": "h" }] })
}

fn post(post: &Value, headers: &Value) -> Value {
    json!({ "method": "POST", "url": "https://h/", "httpVersion": "http/1.1", "headers": headers, "bodySize": -1, "postData": post })
}

#[test]
fn the_target_is_kept_byte_for_byte() {
    for target in ["/a/../%2f//b?x=+&x&y=%zz", "/%C3%BC/ü", "/?", "/a;b=c?u=http://other/", "/a%20b?q=%2B+%20"] {
        let request = one(get(&format!("https://h{target}#fragment"))).unwrap();
        assert_eq!(request.target, target.as_bytes());
    }
    assert_eq!(one(get("https://h")).unwrap().target, b"/");
    assert_eq!(one(get("wss://h/chat")).unwrap().scheme, Scheme::Https);
    assert_eq!(one(get("ws://h/chat")).unwrap().scheme, Scheme::Http);
}

#[test]
fn header_lines_keep_their_order_case_and_repeats() {
    let mut request = get("https://example.com:8443/");
    request["headers"] = json!([{ "name": "X-B", "value": " 2 " }, { "name": "x-a", "value": "1" }, { "name": "X-B", "value": "3\t4" }]);
    request["cookies"] = json!([{ "name": "left", "value": "out" }]);
    let lines = one(request).unwrap().headers;
    let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap())).collect();
    assert_eq!(lines, [("Host", "example.com:8443"), ("X-B", "2"), ("x-a", "1"), ("X-B", "3\t4")]);
}

#[test]
fn a_body_that_is_not_in_the_file_is_refused() {
    let length = |length: &str| json!([{ "name": "Host", "value": "h" }, { "name": "content-length", "value": length }]);
    let params = json!([{ "name": "a", "value": "b c" }]);
    for (body, headers, says) in [
        (json!({ "mimeType": "application/x-www-form-urlencoded", "params": params }), length("5"), "params and no text"),
        (json!({ "mimeType": "application/x-www-form-urlencoded", "params": params, "text": "" }), json!([]), "params and no text"),
        (json!({ "mimeType": "a/b", "text": null }), length("5"), "no postData"),
        (json!({ "mimeType": "a/b" }), length("1"), "no postData"),
        (json!({ "mimeType": "a/b", "text": "cut of" }), length("7"), "Content-Length says 7, and its text has 6 bytes"),
        (json!({ "mimeType": "a/b", "text": "\u{fffd}" }), length("1"), "Content-Length says 1, and its text has 3 bytes"),
        (json!({ "mimeType": "a/b", "text": "x" }), length("one"), "Content-Length is no number"),
        (json!({ "mimeType": "a/b", "text": "?", "encoding": "base64" }), length("1"), "no base64"),
        (json!({ "mimeType": "a/b", "text": "eA==", "encoding": "gzip" }), length("1"), "encoding is not base64"),
    ] {
        let fault = one(post(&body, &headers)).unwrap_err();
        assert!(fault.contains(says) && fault.starts_with("entry 1 of the HAR: "), "{body}: {fault}");
    }
    let mut lost = post(&Value::Null, &json!([]));
    lost["bodySize"] = json!(12);
    assert!(one(lost).unwrap_err().contains("no postData"));
    let whole = json!({ "mimeType": "a/b", "text": "AP8=", "encoding": "base64", "params": [] });
    assert_eq!(one(post(&whole, &length("2"))).unwrap().body, [0, 255]);
    let form = json!({ "mimeType": "application/x-www-form-urlencoded", "text": "a=b+c", "params": params });
    assert_eq!(one(post(&form, &length("5"))).unwrap().body, b"a=b+c");
}

#[test]
fn what_says_two_things_is_refused() {
    let with = |name: &str, value: &str| {
        let mut request = get("https://h/a?b");
        let pseudo = json!({ "name": name, "value": value });
        request["headers"] = json!([{ "name": ":authority", "value": "h" }, pseudo, { "name": "host", "value": "h" }]);
        one(request)
    };
    assert!(with(":path", "/a?b").is_ok() && with(":scheme", "HTTPS").is_ok());
    for (name, value) in [
        (":path", "/a"),
        (":path", "/a?B"),
        (":method", "get"),
        (":scheme", "http"),
        (":protocol", "websocket"),
        (":authority", "h"),
        ("host:", "h"),
        ("a b", "c"),
        ("", "c"),
        ("x-a", "b\r\nx-c: d"),
        ("x-a", "b\u{0}"),
    ] {
        assert!(with(name, value).is_err(), "{name} {value:?}");
    }
    let mut other = get("https://h/");
    other["headers"] = json!([{ "name": ":authority", "value": "h" }, { "name": "Host", "value": "H2" }]);
    assert!(one(other).unwrap_err().contains("Host and :authority differ"));
}

#[test]
fn what_went_to_no_server_is_refused() {
    for url in [
        "data:text/plain,a",
        "blob:https://h/1",
        "chrome-extension://h/",
        "about:blank",
        "/a",
        "h/a",
        "",
        "https:h/a",
        "https:///a",
        "https://h/a b",
    ] {
        assert!(one(get(url)).is_err(), "{url}");
    }
}

#[test]
fn the_entry_that_is_meant_is_named() {
    let entries: Vec<Value> = (1..=60).map(|n| get(&format!("https://user:secret-1@h/{n}{}?key=secret-2#f", "a".repeat(n * 3)))).collect();
    let text = file(&entries).to_string();
    let parsed = parse(text.as_bytes(), Some(3), Half::Request).unwrap();
    assert_eq!(parsed.message.into_request().unwrap().target, b"/3aaaaaaaaa?key=secret-2");
    assert_eq!(parsed.notes.len(), 1, "{:?}", parsed.notes);
    for number in [None, Some(0), Some(61)] {
        let fault = parse(text.as_bytes(), number, Half::Request).unwrap_err();
        assert!(
            fault.contains("    1  GET h/1aaa?..\n") && fault.contains("   40  GET h/40") && fault.contains("\n       and 20 more"),
            "{fault}"
        );
        assert!(fault.lines().count() == 42 && fault.lines().all(|line| line.len() < 130) && !fault.contains("secret"), "{fault}");
    }
    assert!(parse(file(&[]).to_string().as_bytes(), None, Half::Request).unwrap_err().contains("no entry"));
}

#[test]
fn a_har_is_told_by_how_it_begins() {
    for har in ["{\"log\":", " \r\n{ \t\"log\"\n: {}", "\u{feff}{\"log\":1}"] {
        assert!(is_har(har.as_bytes()), "{har}");
    }
    for other in ["", "{", "{}", "{\"log\"", "{\"logs\":1}", "[{\"log\":1}]", "GET /{\"log\": HTTP/1.1", "curl -d '{\"log\":1}' h"] {
        assert!(!is_har(other.as_bytes()), "{other}");
    }
}

#[test]
fn faults_of_the_file_show_nothing_of_it() {
    for broken in [
        "{\"log\":",
        "{\"log\":{}}",
        "{\"log\":{\"entries\":{}}}",
        "{\"log\":{\"entries\":[{\"request\":\"secret\"}]}}",
        "{\"log\":{\"entries\":[{\"request\":{\"method\":\"GET\",\"url\":\"https://h/\",\"headers\":\"secret\"}}]}}",
        "{\"log\":{\"entries\":[{\"request\":{\"method\":\"GET\",\"method\":\"secret\",\"url\":\"https://h/\"}}]}}",
        "{\"log\":{\"entries\":[]},\"log\":{\"entries\":[]}}",
        "{\"log\":{\"entries\":[]}} secret",
    ] {
        let fault = parse(broken.as_bytes(), None, Half::Request).unwrap_err();
        assert!(fault.starts_with("the HAR cannot be read: ") && !fault.contains("secret"), "{broken}: {fault}");
    }
    for (broken, says) in [
        ("{\"log\":{}}", "log.entries is missing"),
        ("{\"log\":{\"entries\":{}}}", "log.entries is of another type"),
        ("{\"log\":{\"entries\":[{\"request\":{\"method\":\"GET\"}}]}}", "log.entries[0].request.url is missing"),
        (
            "{\"log\":{\"entries\":[{\"request\":{\"method\":\"GET\",\"url\":\"https://h/\",\"headers\":[{\"name\":\"a\",\"value\":7}]}}]}}",
            "log.entries[0].request.headers[0].value is of another type",
        ),
        (
            "{\"log\":{\"entries\":[{\"request\":{\"method\":\"GET\",\"method\":\"secret\"}}]}}",
            "log.entries[0].request.method is there twice",
        ),
        ("{\"log\":{\"entries\":[]},\"log\":{\"entries\":[]}}", "cannot be read: log is there twice"),
    ] {
        let fault = parse(broken.as_bytes(), None, Half::Request).unwrap_err();
        assert!(fault.contains(says), "{broken}: {fault}");
    }
    let deep = format!("{{\"log\":{{\"a\":{}", "[".repeat(1_000_000));
    assert!(parse(deep.as_bytes(), None, Half::Request).is_err());
}

#[test]
fn lists_are_bounded() {
    let lines: Vec<Value> = (0..1_001).map(|n| json!({ "name": format!("x-{n}"), "value": "" })).collect();
    let mut request = get("https://h/");
    request["headers"] = Value::Array(lines[..1_000].to_vec());
    assert_eq!(one(request.clone()).unwrap().headers.len(), 1_001);
    request["headers"] = Value::Array(lines);
    assert!(one(request).unwrap_err().contains("more than 1000 header lines"));
    let many = format!("{{\"log\":{{\"entries\":[{}1]}}}}", "{\"request\":{\"method\":\"\",\"url\":\"\"}},".repeat(MOST_ENTRIES));
    assert!(parse(many.as_bytes(), Some(1), Half::Request).unwrap_err().contains("more than 100000 entries"));
}

fn answer(response: Value) -> Result<(countersign_protocol::Response, Vec<String>), String> {
    let mut file = file(&[get("https://h/")]);
    file["log"]["entries"][0]["response"] = response;
    let parsed = parse(file.to_string().as_bytes(), None, Half::Response)?;
    match parsed.message {
        Message::Response(response) => Ok((response, parsed.notes)),
        Message::Request(_) => Err("a request".to_owned()),
    }
}

#[test]
fn answers_are_read_with_the_bytes_that_the_file_has() {
    let headers = json!([{ "name": ":status", "value": "201" }, { "name": "set-cookie", "value": "a=1\nb=2" }, { "name": "content-length", "value": "2" }]);
    let content = json!({ "size": 2, "mimeType": "image/png", "text": "AP8=", "encoding": "base64" });
    let (read, notes) = answer(json!({ "status": 201, "headers": headers, "content": content })).unwrap();
    assert_eq!((read.status, read.headers.len(), read.body, notes.len()), (201, 3, vec![0, 255], 0));

    let packed =
        json!({ "status": 200, "headers": [{ "name": "content-encoding", "value": "gzip" }], "content": { "size": 5, "text": "hello" } });
    let (read, notes) = answer(packed).unwrap();
    assert!(read.body == b"hello" && notes[0].contains("without its gzip coding"), "{notes:?}");
    let converted = json!({ "status": 200, "headers": [], "content": { "size": 4, "text": "h\u{fc}" } });
    assert!(answer(converted).unwrap().1[0].contains("another length"));
    assert!(answer(json!({ "status": 204, "headers": [], "content": { "size": 7 } })).unwrap().0.body.is_empty());
}

#[test]
fn answers_that_are_not_in_the_file_are_refused() {
    let length = json!([{ "name": "Content-Length", "value": "5" }]);
    for response in [
        Value::Null,
        json!({ "status": 0, "headers": [], "content": { "size": 0 } }),
        json!({ "status": 99, "headers": [] }),
        json!({ "status": 200.5, "headers": [] }),
        json!({ "status": 200, "headers": [], "content": { "size": 5 } }),
        json!({ "status": 200, "headers": length }),
        json!({ "status": 200, "headers": length, "content": { "text": "hell" } }),
        json!({ "status": 200, "headers": [{ "name": ":status", "value": "201" }] }),
        json!({ "status": 200, "headers": [], "content": { "size": 1, "text": "eA==", "encoding": "br" } }),
    ] {
        assert!(answer(response.clone()).is_err(), "{response}");
    }
}
