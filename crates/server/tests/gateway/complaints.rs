//! What users of other gateways and libraries suffer from: those rows of `docs/COMPLAINTS.md` that no other test shows.

use countersign_core::app::Terms;
use countersign_protocol::{Credential, Dialect, Dialects, Inputs, Part, Policy, Reason, Request, SignOptions};

use crate::fixture::{Client, Fixture, NOW, SECRET, Setup, at, house, raw};

/// Header fields that proxies on the way write anew, take away or add.
const REWRITTEN: [&str; 14] = [
    "accept-encoding",
    "connection",
    "expect",
    "forwarded",
    "te",
    "transfer-encoding",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Base64 as text, so that dialects which decode their secret can use it too.
fn key() -> Credential {
    Credential::hmac("key-1", "c2FtcGxlLXNlY3JldC1vZi0zMi1ieXRlcy1sZW5ndGg=")
}

/// Requests of three kinds with every rewritten field, signed in the dialect as far as it can sign them.
fn signed(dialect: &Dialect) -> Vec<Request> {
    let plain = |method: &str| {
        let request = Request::new(method, "/orders?a=b").with_header("Host", "api.example.com");
        REWRITTEN.iter().fold(request, |request, name| request.with_header(*name, "close"))
    };
    let post = |kind: &str, body: &str| plain("POST").with_header("Content-Type", kind).with_body(body);
    let requests = [plain("GET"), post("application/json", "{\"a\":\"b\"}"), post("application/x-www-form-urlencoded", "c=d")];
    let needed = dialect.inputs().iter().filter(|input| !input.optional);
    let options = needed.fold(SignOptions::new(at(NOW)).with_nonce("0123456789abcdef"), |o, input| o.with_input(&input.name, "sample"));
    let signed = requests.into_iter().filter_map(|request| dialect.sign(request, &key(), &options).ok());
    signed.filter_map(|signed| signed.into_message().into_request()).collect()
}

fn anything() -> Policy {
    Policy { allow_unsafe: true, allow_cleartext: true, allow_ambiguous: true, waive: vec![Part::Body], ..Policy::default() }
}

#[test]
fn what_proxies_rewrite_is_not_signed_unasked() {
    let dialects = Dialects::builtin().unwrap();
    for dialect in dialects.iter().filter(|dialect| !dialect.is_of_responses()) {
        let requests = signed(dialect);
        assert!(!requests.is_empty(), "{}", dialect.id());
        for request in requests {
            let intact = dialect.verify(&request, &Inputs::new(), &[&key()], at(NOW), &anything()).unwrap();
            let covers = intact.verified().covers();
            for name in REWRITTEN {
                assert!(!covers.contains(&Part::Header(name.to_owned())), "{} signs {name}", dialect.id());
            }
        }
    }
}

#[test]
fn every_dialect_with_a_time_has_a_window() {
    let dialects = Dialects::builtin().unwrap();
    let timed: Vec<_> = dialects.iter().filter(|dialect| dialect.carries_time() && !dialect.is_of_responses()).collect();
    assert!(timed.len() > 10);
    for (dialect, request) in timed.iter().flat_map(|dialect| signed(dialect).into_iter().map(move |request| (dialect, request))) {
        let verdict = |seconds| dialect.verify(&request, &Inputs::new(), &[&key()], at(NOW + seconds), &anything()).map(drop);
        assert_eq!(verdict(0), Ok(()), "{}", dialect.id());
        // Seven days are the longest life of a presigned request.
        let (old, early) = (verdict(8 * 86_400), verdict(-86_400));
        assert_eq!(old.unwrap_err().reason(), Reason::TooOld, "{}", dialect.id());
        assert_eq!(early.unwrap_err().reason(), Reason::FromTheFuture, "{}", dialect.id());
    }
}

#[tokio::test]
async fn seconds_are_not_taken_for_milliseconds() {
    let gateway = Fixture::start(&house("").replace("\"house\"", "\"x-ca-labelled\""), Setup::default()).await;
    let mut request = gateway.sign("x-ca-labelled", gateway.request("POST", "/orders").with_body("{}"));
    let stamp = request.headers.iter_mut().find(|(name, _)| name == "X-Ca-Timestamp").unwrap();
    assert_eq!(stamp.1, (NOW * 1_000).to_string().into_bytes());
    stamp.1 = NOW.to_string().into_bytes();
    gateway.send(&request).await.refuses(401, "too_old");
}

#[tokio::test]
async fn a_word_for_streaming_is_no_digest() {
    let start = async |further: &str| {
        let setup = Setup { terms: Terms::new(["aws-sigv4-s3"]), ..Setup::default() };
        let route = format!("inputs = {{ region = \"r\", service = \"s3\" }}\n{further}");
        Fixture::start(&house(&route).replace("\"house\"", "\"aws-sigv4-s3\""), setup).await
    };
    let answer = async |gateway: &Fixture, word: &str| {
        let dialect = gateway.dialects.get("aws-sigv4-s3").unwrap();
        let mut options = gateway.options().with_input("region", "r").with_input("service", "s3");
        options.body_digest = Some(word.to_owned());
        let request = gateway.request("PUT", &format!("/bucket/{word}")).with_body("hello");
        let signed = dialect.sign(request, &Credential::hmac("key-1", SECRET), &options).unwrap();
        gateway.send(&signed.into_message().into_request().unwrap()).await
    };
    let gateway = start("").await;
    for word in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "anything"] {
        answer(&gateway, word).await.refuses(400, "body_digest_mismatch");
    }
    // The one word that the protocol has for a body that is not signed needs a route that says so, and a protected connection.
    answer(&gateway, "UNSIGNED-PAYLOAD").await.refuses(403, "required_part_unsigned");
    assert!(gateway.upstream.requests().is_empty());
    let gateway = start("waive = [\"body\"]").await;
    answer(&gateway, "UNSIGNED-PAYLOAD").await.refuses(403, "insecure_transport");
    assert!(gateway.upstream.requests().is_empty());
    let gateway = start("waive = [\"body\"]\nloopback_is_tls = true").await;
    assert_eq!(answer(&gateway, "UNSIGNED-PAYLOAD").await.status, 200);
    let request = gateway.upstream.only();
    let covers = request.lines().find_map(|line| line.strip_prefix("x-countersign-covers: ")).unwrap();
    assert!(covers.split(',').all(|part| part != "body") && covers.split(',').any(|part| part == "path"), "{covers}");
}

#[tokio::test]
async fn old_and_new_version_are_accepted_side_by_side() {
    let setup = Setup { terms: Terms::new(["x-ca-labelled", "x-ca-labelled-2"]), ..Setup::default() };
    let gateway = Fixture::start(&house("").replace("[\"house\"]", "[\"x-ca-labelled\", \"x-ca-labelled-2\"]"), setup).await;
    for dialect in ["x-ca-labelled", "x-ca-labelled-2"] {
        let answer = gateway.send(&gateway.sign(dialect, gateway.request("POST", "/orders").with_body("{}"))).await;
        assert_eq!(answer.status, 200, "{dialect}");
    }
    let seen = gateway.upstream.requests();
    assert!(seen[0].contains("x-countersign-dialect: x-ca-labelled\r\n") && seen[1].contains("x-countersign-dialect: x-ca-labelled-2\r\n"));
}

#[tokio::test]
async fn an_upload_without_a_key_is_not_read() {
    let gateway = Fixture::house().await;
    let mut forged = gateway.sign("house", gateway.request("POST", "/orders"));
    forged.target = b"/others".to_vec();
    let head = String::from_utf8(raw(&forged)).unwrap().replacen("\r\n", "\r\nContent-Length: 8000000\r\n", 1);
    let mut client = Client::connect(gateway.address).await;
    // Not a byte of the body is sent: whoever waited for it would not answer.
    client.write(head.as_bytes()).await;
    client.answer().await.unwrap().refuses(401, "signature_mismatch");
}
