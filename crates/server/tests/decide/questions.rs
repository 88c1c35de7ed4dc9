//! Asked over raw sockets, as Traefik and Envoy ask, and as nobody should.

use countersign_protocol::Request;

use crate::fixture::{Answer, Fixture};
use crate::front::{HOST, decider, request};

/// Go's canonical spelling of a header name.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    });
    words.collect::<Vec<_>>().join("-")
}

/// The question that Traefik asks about a request (`writeHeader` in `pkg/middlewares/auth/forward.go`, trustForwardHeader off): GET of the
/// configured address, the caller's headers in canonical case and sorted, the properties of the request under `X-Forwarded-*`.
fn traefik(asked: &Request, body: &[u8]) -> Vec<u8> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let mut lines: Vec<(String, String)> =
        asked.headers.iter().filter(|(name, _)| name != "Host").map(|(name, value)| (canonical(name), text(value))).collect();
    let host = asked.headers.iter().find(|(name, _)| name == "Host").unwrap();
    lines.push(("X-Forwarded-For".to_owned(), "192.0.2.7".to_owned()));
    lines.push(("X-Forwarded-Method".to_owned(), asked.method.clone()));
    lines.push(("X-Forwarded-Proto".to_owned(), "http".to_owned()));
    lines.push(("X-Forwarded-Port".to_owned(), "8443".to_owned()));
    lines.push(("X-Forwarded-Host".to_owned(), text(&host.1)));
    lines.push(("X-Forwarded-Uri".to_owned(), text(&asked.target)));
    lines.push(("Accept-Encoding".to_owned(), "gzip".to_owned()));
    lines.sort();
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    [format!("GET /decide HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n{length}{lines}\r\n").as_bytes(), body].concat()
}

/// The question that Envoy asks (`ExtAuthz` with `HttpService`): the caller's method, its path behind `path_prefix`, its `Host`, headers in lower
/// case, `content-length: 0` unless the body is given.
fn envoy(asked: &Request, body: &[u8]) -> Vec<u8> {
    let target = String::from_utf8(asked.target.clone()).unwrap();
    let mut text = format!("{} /decide{target} HTTP/1.1\r\n", asked.method);
    for (name, value) in &asked.headers {
        text.push_str(&format!("{}: {}\r\n", name.to_ascii_lowercase(), String::from_utf8(value.clone()).unwrap()));
    }
    text.push_str(&format!(
        "content-length: {}\r\nx-forwarded-proto: http\r\nx-request-id: 1\r\nx-envoy-internal: true\r\n\r\n",
        body.len()
    ));
    [text.as_bytes(), body].concat()
}

const ENVOY: &str = "\"envoy\"\npath_prefix = \"/decide\"";

fn passes(answer: &Answer, body: &str) {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!((answer.header("x-countersign-app"), answer.header("x-countersign-key-id")), (Some("shop"), Some("key-1")));
    assert_eq!((answer.header("x-countersign-dialect"), answer.header("x-countersign-body")), (Some("house"), Some(body)));
    let covered = answer.header("x-countersign-covers").unwrap().split(',').any(|part| part == "body");
    assert_eq!(covered, body == "intact");
    assert!(answer.body.is_empty());
}

/// The way in which one proxy asks.
type Asking = fn(&Request, &[u8]) -> Vec<u8>;

async fn both(further: &str) -> [(Fixture, Asking); 2] {
    [(decider("\"traefik\"", further).await, traefik), (decider(ENVOY, further).await, envoy)]
}

#[tokio::test]
async fn a_question_of_each_is_answered_with_the_identity_once() {
    for (decider, ask) in both("").await {
        let signed = decider.sign("house", request("GET", "/a%2F/..//b?c=+%20&d").with_header("X-Signed", "yes"));
        passes(&decider.exchange(&ask(&signed, b"")).await, "empty");
        let again = decider.exchange(&ask(&signed, b"")).await;
        assert_eq!((again.status, again.header("x-countersign-reason")), (409, Some("replayed")));
        assert_eq!(decider.upstream.requests(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_tampered_request_is_refused() {
    for (decider, ask) in both("").await {
        let changes: [crate::checks::Change; 5] = [
            |request| request.target = b"/b?c".to_vec(),
            |request| request.target = b"/a?d".to_vec(),
            |request| request.method = "PUT".to_owned(),
            |request| crate::checks::set(request, "Host", "other"),
            |request| crate::checks::set(request, "X-Signed", "no"),
        ];
        for change in changes {
            let mut changed = decider.sign("house", request("GET", "/a?c").with_header("X-Signed", "yes"));
            change(&mut changed);
            decider.exchange(&ask(&changed, b"")).await.refuses(401, "signature_mismatch");
        }
    }
}

#[tokio::test]
async fn a_body_is_refused_unless_it_is_given_and_then_checked() {
    for (decider, ask) in both("").await {
        let signed = decider.sign("house", request("POST", "/").with_body("hello"));
        decider.exchange(&ask(&signed, b"")).await.refuses(413, "body_too_large");
        decider.exchange(&ask(&signed, b"hello")).await.refuses(413, "body_too_large");
    }
    for (decider, ask) in both("decide_body = \"given\"\nbody_limit = 10").await {
        let signed = || decider.sign("house", request("POST", "/").with_body("hello"));
        passes(&decider.exchange(&ask(&signed(), b"hello")).await, "intact");
        decider.exchange(&ask(&signed(), b"hellO")).await.refuses(400, "body_digest_mismatch");
        decider.exchange(&ask(&signed(), b"")).await.refuses(400, "body_digest_mismatch");
        decider.exchange(&ask(&signed(), b"hello hello")).await.refuses(413, "body_too_large");
    }
    for (decider, ask) in both("decide_body = \"unchecked\"").await {
        passes(&decider.exchange(&ask(&decider.sign("house", request("POST", "/").with_body("hello")), b"")).await, "unchecked");
    }
}

#[tokio::test]
async fn a_second_line_under_a_name_of_the_proxy_is_refused() {
    let decider = decider("\"traefik\"", "").await;
    for name in ["X-Forwarded-Uri: /a", "X-Forwarded-Method: GET", "X-Forwarded-Host: other", "X-Forwarded-Proto: http"] {
        let signed = decider.sign("house", request("GET", "/a"));
        let doubled = String::from_utf8(traefik(&signed, b"")).unwrap().replacen("\r\n", &format!("\r\n{name}\r\n"), 1);
        decider.exchange(doubled.as_bytes()).await.refuses(400, "malformed_request");
    }
}

#[tokio::test]
async fn the_way_of_another_proxy_is_not_understood() {
    let decider = decider("\"traefik\"", "").await;
    // Nothing of this is what Traefik says: the question itself would verify, as Envoy asks.
    let signed = decider.sign("house", request("GET", "/a"));
    decider.exchange(&envoy(&signed, b"")).await.refuses(400, "malformed_request");
}

#[tokio::test]
async fn only_the_proxy_may_ask() {
    let decider = decider("\"traefik\"\ntrusted = [\"192.0.2.0/24\", \"2001:db8::1\"]", "").await;
    let signed = decider.sign("house", request("GET", "/a"));
    decider.exchange(&traefik(&signed, b"")).await.refuses(403, "address_not_allowed");
}

#[tokio::test]
async fn routes_are_those_of_the_original_request() {
    let decider = decider("\"traefik\"", &format!("host = \"{HOST}\"\nmethods = [\"GET\"]")).await;
    let send = async |request: Request| decider.exchange(&traefik(&decider.sign("house", request), b"")).await;
    passes(&send(request("GET", "/a")).await, "empty");
    send(request("PUT", "/a")).await.refuses(404, "no_route");
    let mut other = request("GET", "/a");
    crate::checks::set(&mut other, "Host", "other");
    send(other).await.refuses(404, "no_route");
}

#[tokio::test]
async fn a_delivered_event_is_never_answered_as_a_success() {
    for (decider, ask) in both("replay = \"event\"").await {
        let signed = decider.sign("line", request("POST", "/a"));
        assert_eq!(decider.exchange(&ask(&signed, b"")).await.status, 200);
        decider.exchange(&ask(&signed, b"")).await.refuses(409, "replayed");
    }
}

#[tokio::test]
async fn a_body_that_is_not_signed_is_never_told_to_be_checked() {
    for further in ["", "decide_body = \"given\"", "decide_body = \"unchecked\""] {
        for (decider, ask) in both(further).await {
            let answer = decider.exchange(&ask(&decider.sign("line", request("GET", "/")), b"")).await;
            assert_eq!((answer.status, answer.header("x-countersign-dialect")), (200, Some("line")));
            assert_eq!(answer.header("x-countersign-body"), Some("unchecked"), "{further}");
        }
    }
}

#[tokio::test]
async fn a_success_is_kept_by_nobody() {
    let decider = decider("\"traefik\"", "").await;
    let answer = decider.exchange(&traefik(&decider.sign("house", request("GET", "/")), b"")).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert!(answer.header("x-request-id").is_some());
}

#[tokio::test]
async fn a_claim_that_rides_in_the_body_is_read_where_the_body_is_given() {
    let further = "[[route]]\nprefix = \"/json\"\ndialects = [\"hmac-sha256-body\"]\ndecide_body = \"given\"";
    for (decider, ask) in both(further).await {
        let json = request("POST", "/json").with_header("Content-Type", "application/json").with_body("{\"a\":1}");
        let signed = decider.sign("hmac-sha256-body", json);
        let text = String::from_utf8(signed.body.clone()).unwrap();
        let changed = text.replace("\"a\":1", "\"a\":2");
        assert_ne!(changed, text);
        decider.exchange(&ask(&signed, changed.as_bytes())).await.refuses(401, "signature_mismatch");
        decider.exchange(&ask(&signed, b"")).await.refuses(401, "missing_signature");
        let answer = decider.exchange(&ask(&signed, &signed.body)).await;
        assert_eq!((answer.status, answer.header("x-countersign-body")), (200, Some("intact")));
    }
}
