//! What an explanation says, and what it never says: the first difference with its rule, mistakes that were seen to hold, no secret and no
//! expected signature.

#[path = "explained/mistakes.rs"]
mod mistakes;

use countersign_protocol::explain::{Depth, Explanation, MOST_TRIALS, MOST_VERIFICATIONS, Question};
use countersign_protocol::{Credential, Dialect, Dialects, Inputs, KeyMaterial, KeyPair, Message, Policy, Request, SignOptions, Timestamp};
use proptest::prelude::*;

const ED25519: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----";

/// A protocol with a secret in its text and the path in its own encoding.
const HOME: &str = r#"
countersign: 1
dialect: home
title: Home
let:
  canonical: |-
    {method}
    {path | normalize | percent-path}
    {query}
    {headers}
string_to_sign: |-
  HOME
  {time}
  {canonical | sha256 | hex}
  {secret}
  {body | sha256 | hex}
headers: { sign: [host, x-note] }
algorithm: hmac-sha256
signature: hex
carry:
  header:
    Home-Key: "{key_id}"
    Home-Time: "{time}"
    Home-Signature: "{signature}"
time: { format: unix-ms, window: 5m }
"#;

fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_323_045).expect("a time")
}

fn builtin(id: &str) -> Dialect {
    Dialects::builtin().expect("built-in dialects").get(id).expect("a built-in dialect").clone()
}

fn home() -> Dialect {
    Dialect::from_yaml(HOME).expect("a dialect")
}

fn key() -> Credential {
    Credential::hmac("key-1", "canary-of-the-secret")
}

fn request() -> Request {
    Request::new("POST", "/a%20b/./c?b=2&a=1").with_header("Host", "api.example.com").with_header("X-Note", "n").with_body("{\"a\": 1}")
}

fn signed(dialect: &Dialect, request: Request, key: &Credential) -> (Request, Vec<u8>) {
    let options = SignOptions { inputs: Inputs::new().with("region", "eu-1").with("service", "s"), ..SignOptions::new(now()) };
    let signed = dialect.sign(request, key, &options.with_nonce("n-1")).expect("signs");
    let string = signed.stages().get("string_to_sign").expect("a string to sign").to_vec();
    (signed.into_message().into_request().expect("a request"), string)
}

fn lenient() -> Policy {
    Policy { waive: ["nonce", "body", "time"].iter().filter_map(|p| countersign_protocol::Part::parse(p)).collect(), ..Policy::default() }
}

fn ask(dialect: &Dialect, request: Request, key: &Credential, more: impl FnOnce(Question<'_>) -> Explanation) -> Explanation {
    let message = Message::Request(request);
    more(Question::new(dialect, &message, now()).with_credential(key).with_policy(lenient()))
}

/// The ids of the first cause.
fn named(answer: &Explanation) -> Vec<&'static str> {
    answer.causes.first().map(|cause| cause.mistakes.iter().map(|m| m.id).collect()).unwrap_or_default()
}

#[test]
fn a_right_request_is_accepted_and_nothing_is_named() {
    let (request, _) = signed(&home(), request(), &key());
    let answer = ask(&home(), request, &key(), |q| q.explain());
    assert!(answer.accepted && answer.causes.is_empty() && answer.trials == 0, "{answer:?}");
    assert!(answer.to_text().starts_with("accepted"));
}

#[test]
fn the_first_difference_names_its_rule() {
    let dialect = builtin("hmac-sha256");
    let (request, string) = signed(&dialect, request(), &key());
    let theirs = String::from_utf8(string).expect("text").replace("a=1&b=2", "b=2&a=1");
    let answer = ask(&dialect, request.clone(), &key(), |q| q.with_theirs(theirs.as_bytes()).explain());
    let difference = answer.difference.as_ref().expect("a difference");
    assert_eq!((difference.stage.as_str(), difference.line, difference.column), ("string_to_sign", 7, 1));
    assert_eq!((difference.rule.as_str(), difference.template.as_str()), ("query.order", "{query}"));
    assert_eq!((difference.ours.as_str(), difference.theirs.as_str()), ("a=1&b=2⟨LF⟩", "b=2&a=1⟨LF⟩"));
    assert_eq!(named(&answer), ["query-unsorted"]);
    let theirs = theirs.replace("b=2&a=1", "a=1&b=2").replace("POST\n", "POST \n");
    let answer = ask(&dialect, request, &key(), |q| q.with_theirs(theirs.as_bytes()).explain());
    let difference = answer.difference.expect("a difference");
    assert_eq!((difference.line, difference.column, difference.rule.as_str()), (5, 5, "string_to_sign[4]"));
    assert_eq!(difference.theirs, "POST⟨SP⟩⟨LF⟩");
}

#[test]
fn the_other_sides_text_may_be_an_inner_stage() {
    let (request, _) = signed(&home(), request(), &key());
    let theirs = b"POST\n/a%20b/c\na=1&b=2\nhost:api.example.com\nx-note:n";
    let answer = ask(&home(), request, &key(), |q| q.with_theirs(theirs).explain());
    let difference = answer.difference.as_ref().expect("a difference");
    assert_eq!((difference.stage.as_str(), difference.line, difference.rule.as_str()), ("canonical", 2, "let.canonical[1]"));
    assert!(answer.causes[0].names("path-not-encoded"), "{:?}", answer.causes);
}

#[test]
fn equal_texts_leave_the_key() {
    let dialect = builtin("hmac-sha256");
    let (request, string) = signed(&dialect, request(), &Credential::hmac("key-1", "another"));
    let answer = ask(&dialect, request, &key(), |q| q.with_theirs(&string).explain());
    assert!(answer.difference.is_none() && answer.causes.is_empty());
    assert!(answer.notes.iter().any(|note| note.contains("both sides have the same string_to_sign")), "{:?}", answer.notes);
    assert!(answer.to_text().contains("no simple cause found"));
}

#[test]
fn a_request_that_was_changed_on_the_way_shows_where() {
    let dialect = builtin("hmac-sha256");
    let (sent, _) = signed(&dialect, request().with_header("Content-Type", "text/plain"), &key());
    let mut received = sent.clone();
    received.headers.iter_mut().filter(|(n, _)| n == "Content-Type").for_each(|(_, v)| *v = b"text/csv".to_vec());
    received.headers.push(("Via".to_owned(), b"1.1 proxy".to_vec()));
    let sent = Message::Request(sent);
    let answer = ask(&dialect, received, &key(), |q| q.with_their_message(&sent).explain());
    assert_eq!(named(&answer), ["changed-on-the-way"]);
    assert_eq!(answer.causes[0].mistakes[0].rule, "header.content-type");
    assert_eq!(answer.changes.iter().map(|c| c.part.as_str()).collect::<Vec<_>>(), ["header.content-type", "header.via"]);
}

#[test]
fn two_mistakes_are_found_together_and_one_goes_before_two() {
    let dialect = builtin("hmac-sha256");
    let mut other = request();
    other.target = b"/a%20b/./c?b=2&a=1".to_vec();
    other.method = "post".to_owned();
    let (wrong, _) = signed(&dialect, other, &Credential::hmac("key-1", "canary-of-the-secret\n"));
    let (mut right, _) = signed(&dialect, request(), &key());
    right.headers.clone_from(&wrong.headers);
    let answer = ask(&dialect, right.clone(), &key(), |q| q.explain());
    let mut ids = named(&answer);
    ids.sort_unstable();
    assert_eq!(ids, ["method-lower-case", "secret-with-line-end"]);
    let shallow = ask(&dialect, right, &key(), |q| q.with_limits(Depth::One, MOST_TRIALS).explain());
    assert!(shallow.causes.is_empty());

    let (wrong, _) = signed(&dialect, request(), &Credential::hmac("key-1", "canary-of-the-secret\n"));
    let answer = ask(&dialect, wrong, &key(), |q| q.explain());
    assert_eq!(named(&answer), ["secret-with-line-end"]);
}

#[test]
fn a_public_key_is_enough_to_find_what_was_signed() {
    let dialect = builtin("signed-sha256");
    let pair = KeyPair::from_private_pem(ED25519).expect("a key");
    let public = Credential::new("key-1", KeyMaterial::Pair(KeyPair::from_public_der(pair.public_der()).expect("a public key")));
    let (mut request, _) = signed(&dialect, request(), &Credential::new("key-1", KeyMaterial::Pair(pair)));
    request.headers.iter_mut().filter(|(n, _)| n == "Host").for_each(|(_, v)| *v = b"api.example.com:8443".to_vec());
    let answer = ask(&dialect, request.clone(), &public, |q| q.explain());
    assert_eq!(named(&answer), ["host-without-port"]);
    request.headers.iter_mut().filter(|(n, _)| n == "Host").for_each(|(_, v)| *v = b"elsewhere".to_vec());
    let answer = ask(&dialect, request, &public, |q| q.explain());
    assert!(answer.causes.is_empty() && answer.trials <= MOST_VERIFICATIONS, "{} trials", answer.trials);
}

#[test]
fn the_trials_are_bounded_and_a_large_body_is_taken_by_its_digest() {
    let dialect = builtin("aws-sigv4");
    let (mut request, _) = signed(&dialect, request().with_body(vec![b'x'; 4 << 20]), &key());
    request.headers.iter_mut().filter(|(n, _)| n == "Host").for_each(|(_, v)| *v = b"elsewhere".to_vec());
    let answer = ask(&dialect, request.clone(), &key(), |q| q.explain());
    assert!(answer.causes.is_empty() && answer.trials <= MOST_TRIALS, "{} trials", answer.trials);
    assert!(answer.notes.iter().any(|note| note.contains("longer than")), "{:?}", answer.notes);
    let answer = ask(&dialect, request, &key(), |q| q.with_limits(Depth::Two, 50).explain());
    assert!(answer.trials <= 50 && answer.notes.iter().any(|note| note.contains("stopped after")), "{:?}", answer.notes);
}

#[test]
fn times_that_cannot_be_taken_are_explained() {
    let (mut seconds, _) = signed(&home(), request(), &key());
    seconds.headers.iter_mut().filter(|(n, _)| n == "Home-Time").for_each(|(_, v)| *v = now().seconds().to_string().into_bytes());
    let answer = ask(&home(), seconds, &key(), |q| q.explain());
    assert_eq!((answer.reason, named(&answer)), (Some("too_old"), vec!["time-unit"]));

    let dialect = builtin("aws-sigv4");
    let later = now().plus(std::time::Duration::from_secs(8 * 3600));
    let options = SignOptions { inputs: Inputs::new().with("region", "eu-1").with("service", "s"), ..SignOptions::new(later) };
    let signed = dialect.sign(request(), &key(), &options).expect("signs").into_message().into_request().expect("a request");
    let answer = ask(&dialect, signed, &key(), |q| q.explain());
    assert_eq!((answer.reason, named(&answer)), (Some("from_the_future"), vec!["time-local"]));
    assert!(answer.notes.iter().any(|note| note == "the signature itself holds"), "{:?}", answer.notes);
}

#[test]
fn a_body_that_is_not_that_of_its_digest_is_explained() {
    let dialect = builtin("hmac-sha256");
    let (mut request, _) = signed(&dialect, request().with_body("{\"b\":1,\"a\":\"x y\"}"), &key());
    request.body = b"{\"b\": 1, \"a\": \"x y\"}".to_vec();
    let answer = ask(&dialect, request, &key(), |q| q.explain());
    assert_eq!((answer.reason, named(&answer)), (Some("body_digest_mismatch"), vec!["body-json-compact"]));
}

#[test]
fn an_input_that_the_message_contradicts_is_named() {
    let dialect = builtin("aws-sigv4");
    let (request, _) = signed(&dialect, request(), &key());
    let pinned = Inputs::new().with("region", "us-2").with("service", "s");
    let answer = ask(&dialect, request, &key(), |q| q.with_inputs(pinned).explain());
    assert_eq!((answer.reason, named(&answer)), (Some("malformed_claim"), vec!["input-otherwise"]));
    assert!(answer.causes[0].sentence().contains("region is eu-1"), "{:?}", answer.causes);
}

#[test]
fn neither_secret_nor_expected_signature_is_shown() {
    let (right, _) = signed(&home(), request(), &key());
    let expected = right.headers.iter().find(|(n, _)| n == "Home-Signature").map(|(_, v)| String::from_utf8_lossy(v).into_owned());
    let expected = expected.expect("a signature");
    let mut wrong = right;
    wrong.headers.iter_mut().filter(|(n, _)| n == "Home-Signature").for_each(|(_, v)| *v = "0".repeat(64).into_bytes());
    let theirs: [&[u8]; 3] = [
        b"HOME\n1767323045000\nabc\ncanary-of-the-secret\nabc",
        b"HOME\n1767323045000\ncanary-of-the-secret\ncanary-of-the-secret",
        b"HOME\n1\ncanary-of-the-secret",
    ];
    for theirs in [None, Some(theirs[0]), Some(theirs[1]), Some(theirs[2])] {
        let answer = ask(&home(), wrong.clone(), &key(), |q| if let Some(text) = theirs { q.with_theirs(text) } else { q }.explain());
        for shown in [answer.to_text(), serde_json::to_string(&answer).expect("JSON"), format!("{answer:?}")] {
            assert!(!shown.contains("canary-of"), "{shown}");
            assert!(!shown.contains(&expected), "{shown}");
        }
        assert!(answer.to_text().contains("***"), "{}", answer.to_text());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(std::env::var("PROPTEST_CASES").ok().and_then(|t| t.parse().ok()).unwrap_or(48)))]

    #[test]
    fn no_input_panics(
        index in 0_usize..64,
        target in "/[!-\"$->@-~]{0,12}(\\?[!-\"$-~]{0,24})?",
        headers in proptest::collection::vec(("[a-zA-Z-]{1,12}", "[ -~]{0,24}"), 0..4),
        body in proptest::collection::vec(any::<u8>(), 0..40),
        theirs in proptest::collection::vec(any::<u8>(), 0..60),
        cut in 0_usize..40,
    ) {
        let dialects = Dialects::builtin().expect("built-in dialects");
        let all: Vec<&Dialect> = dialects.iter().collect();
        let dialect = all[index % all.len()];
        let mut request = Request::new("POST", target).with_header("Host", "api.example.com").with_body(body);
        request.headers.extend(headers.into_iter().map(|(name, value)| (name, value.into_bytes())));
        let options = SignOptions { inputs: Inputs::new().with("region", "r").with("service", "s"), ..SignOptions::new(now()) };
        let signed = dialect.sign(request.clone(), &key(), &options.with_nonce("n"));
        let mut request = signed.ok().and_then(|s| s.into_message().into_request()).unwrap_or(request);
        if let Some((_, value)) = request.headers.last_mut() {
            value.truncate(value.len().saturating_sub(cut));
        }
        let message = Message::Request(request);
        let answer = Question::new(dialect, &message, now()).with_credential(&key()).with_theirs(&theirs).with_limits(Depth::Two, 600).explain();
        prop_assert!(!answer.to_text().is_empty());
    }
}
