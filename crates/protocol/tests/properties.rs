//! Properties of every built-in dialect: what is signed verifies, what is changed does not, and no input panics.

use std::sync::LazyLock;

use countersign_protocol::{
    Algorithm, Body, Credential, Dialect, Dialects, HeaderLine, Inputs, Keys, Policy, Request, RequestView, Scheme, SignOptions, Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

static DIALECTS: LazyLock<Dialects> = LazyLock::new(|| Dialects::builtin().expect("built-in dialects make sense"));

const NOW: i64 = 1_767_323_045;

fn now() -> Timestamp {
    Timestamp::from_seconds(NOW).expect("a time")
}

/// A dialect that a shared secret can sign in; the others need keys that this crate may lack.
fn dialect() -> impl Strategy<Value = &'static Dialect> {
    let shared = |dialect: &&Dialect| {
        dialect.carries_secret() || dialect.algorithms().iter().any(|a| matches!(a, Algorithm::Hmac(_) | Algorithm::Plain(_)))
    };
    select(DIALECTS.iter().filter(shared).collect::<Vec<_>>())
}

fn credential() -> Credential {
    // Readable as text and as base64, whatever the dialect takes it for.
    Credential::hmac("key-1", "c2VjcmV0LXNlY3JldC1zZWNyZXQ=").with_part("token_secret", "t0ken")
}

fn inputs() -> Inputs {
    Inputs::new().with("region", "us-east-1").with("service", "service").with("mchid", "1900000001")
}

fn options() -> SignOptions {
    SignOptions { inputs: inputs(), ..SignOptions::new(now()).with_nonce("nonce-1") }
}

/// Everything but cover and ambiguity is asked for: some requests of every dialect are refused for those.
fn lenient() -> Policy {
    let waive = ["method", "path", "query", "body", "nonce", "time", "header.content-type"]
        .iter()
        .filter_map(|p| countersign_protocol::Part::parse(p));
    Policy { waive: waive.collect(), allow_unsafe: true, allow_ambiguous: true, ..Policy::default() }
}

/// A target in origin form of any characters that a request line can hold; a % begins a triplet.
fn target() -> impl Strategy<Value = String> {
    ("/[!-\"$->@-~]{0,12}", proptest::option::of("[!-\"$-~]{0,24}")).prop_map(|(path, query)| match query {
        Some(query) => format!("{path}?{query}").replace('%', "%25"),
        None => path.replace('%', "%25"),
    })
}

fn request() -> impl Strategy<Value = Request> {
    let form = ("[a-z]{1,3}=[!-%'-~]{0,5}(&[a-z]{1,3}(=[!-%'-~]{0,5})?){0,3}")
        .prop_map(|body| ("application/x-www-form-urlencoded", body.into_bytes()));
    let json = Just(("application/json", br#"{"a":{"b":[1,"x"]}, "c":"d"}"#.to_vec()));
    let bytes = vec(any::<u8>(), 0..40).prop_map(|body| ("application/octet-stream", body));
    let further = vec(("x-amz-[a-z]{1,6}|x-ca-[a-z]{1,4}|x-[a-z]{1,6}", "[ -~]{0,12}"), 0..4);
    (select(vec!["GET", "POST", "PUT", "DELETE"]), target(), prop_oneof![form, json, bytes], further, any::<bool>()).prop_map(
        |(method, target, (content_type, body), further, tls)| {
            let mut request = Request::new(method, target).with_header("Host", "api.example.com").with_body(body);
            request.scheme = if tls { Scheme::Https } else { Scheme::Http };
            request = request.with_header("Content-Type", content_type);
            further.into_iter().fold(request, |request, (name, value)| request.with_header(name, value))
        },
    )
}

/// The request in a form that this dialect can carry its claims in.
fn fit(dialect: &Dialect, mut request: Request) -> Request {
    if dialect.carries_secret() {
        request.scheme = Scheme::Https;
    }
    if dialect.body_need() == countersign_protocol::BodyNeed::Claim && !request.headers.iter().any(|(_, v)| v.ends_with(b"urlencoded")) {
        request.headers.retain(|(name, _)| name != "Content-Type");
        request = request.with_header("Content-Type", "application/json").with_body(br#"{"a":"b"}"#);
    }
    request
}

proptest! {
    #[test]
    fn what_is_signed_verifies(dialect in dialect(), request in request()) {
        let key = credential();
        let signed = dialect.sign(fit(dialect, request), &key, &options());
        let request = signed.expect("signable").into_message().into_request().expect("a request");
        let verdict = dialect.verify(&request, &inputs(), &[&key], now(), &lenient());
        prop_assert!(verdict.is_ok(), "{}: {:?} for {:?}", dialect.id(), verdict.err(), request);
    }

    #[test]
    fn another_secret_never_verifies(dialect in dialect(), request in request()) {
        let signed = dialect.sign(fit(dialect, request), &credential(), &options());
        let request = signed.expect("signable").into_message().into_request().expect("a request");
        let other = Credential::hmac("key-1", "b3RoZXItb3RoZXItb3RoZXItb3Q=").with_part("token_secret", "t0ken");
        prop_assert!(dialect.verify(&request, &inputs(), &[&other], now(), &lenient()).is_err());
        prop_assert!(dialect.verify(&request, &inputs(), &[], now(), &lenient()).is_err());
    }

    #[test]
    fn the_order_of_headers_of_other_names_is_free(dialect in dialect(), request in request(), turn in 0_usize..8) {
        let key = credential();
        let signed = dialect.sign(fit(dialect, request), &key, &options());
        let mut request = signed.expect("signable").into_message().into_request().expect("a request");
        let mut names: Vec<String> = request.headers.iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
        names.sort();
        names.dedup();
        prop_assume!(names.len() == request.headers.len());
        let count = request.headers.len();
        request.headers.rotate_left(turn % count);
        prop_assert!(dialect.verify(&request, &inputs(), &[&key], now(), &lenient()).is_ok());
    }

    #[test]
    fn no_message_panics(
        dialect in dialect(),
        method in "\\PC{0,6}",
        target in vec(any::<u8>(), 0..60),
        headers in vec((prop_oneof![
            "[A-Za-z-]{1,16}",
            select(vec!["Authorization", "Host", "Date", "X-Date", "X-Amz-Date", "X-Ca-Key", "X-Ca-Signature", "X-Ca-Signature-Headers", "webhook-signature", "Content-Type"]).prop_map(str::to_owned),
        ], prop_oneof![
            vec(any::<u8>(), 0..60),
            "(AWS4-HMAC-SHA256|HMAC-SHA256|hmac|OAuth|TC3-HMAC-SHA256) ([A-Za-z_]{1,16}=\"?[!-~]{0,12}\"?,? ?){0,6}".prop_map(String::into_bytes),
        ]), 0..8),
        body in vec(any::<u8>(), 0..80),
    ) {
        let lines: Vec<HeaderLine<'_>> = headers.iter().map(|(name, value)| HeaderLine { name, value }).collect();
        let view = RequestView { method: &method, scheme: Scheme::Https, target: &target, version: "HTTP/1.1", headers: &lines, body: Body::Bytes(&body) };
        let key = credential();
        let _ = dialect.marks(&view);
        if let Ok(fresh) = dialect.claim(&view, &inputs()).and_then(|claim| claim.check_clock(now(), &lenient())) {
            let _ = fresh.verify(Keys::Known(&[&key]));
        }
    }

    #[test]
    fn no_json_body_panics(body in "[{}\\[\\]\":,\\\\a-z0-9 ]{0,60}|\\{\"signature\":\"[0-9a-f]{0,70}\",\"key_id\":\"[ -~]{0,5}\",\"timestamp\":\"[0-9]{0,11}\",\"nonce\":\"n\"[ -~]{0,10}") {
        let dialect = DIALECTS.get("hmac-sha256-body").expect("built in");
        let request = Request::new("POST", "/").with_header("Host", "a").with_header("Content-Type", "application/json").with_body(body);
        let _ = dialect.verify(&request, &inputs(), &[&credential()], now(), &lenient());
        let _ = dialect.sign(request, &credential(), &options());
    }

    #[test]
    fn no_dialect_file_panics(text in "\\PC{0,120}", key in "[a-z_]{1,14}", value in "[\\[\\]{}a-z |.,:\"-]{0,30}") {
        let _ = Dialect::from_yaml(&text);
        let head = "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{time}{method}\"\nalgorithm: hmac-sha256\ncarry: { header: { S: \"{signature}\", T: \"{time}\" } }\ntime: { format: unix }\n";
        let _ = Dialect::from_yaml(&format!("{head}{key}: {value}\n"));
        let _ = Dialect::from_yaml(&head.replace("{time}{method}", &value.replace('"', "")));
        let _ = Dialect::from_yaml(&head.replace("{signature}", &value.replace('"', "")));
    }
}
