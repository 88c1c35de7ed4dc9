//! Mistakes, each made by a signer that is not ours: one whose file says otherwise, or an HMAC over another text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::explain::{Explanation, Question, Seen};
use countersign_protocol::{Algorithm, Credential, Dialect, Message, Request, SignOptions, Tag, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{ask, key, lenient, named, now};

/// A sorted query and a path, encoded twice as some protocols do.
const TWICE: &str = r#"
countersign: 1
dialect: twice
title: Twice
string_to_sign: "{method | upper}&{path | percent}&{params | percent}&{time}"
params: { from: [query, form], order: name, each: "{name | percent}={value | percent}" }
algorithm: hmac-sha256
signature: base64
carry:
  header: { Twice-Key: "{key_id}", Twice-Time: "{time}", Twice-Signature: "{signature}" }
time: { format: "YYYY-MM-DDThh:mm:ssZ", window: 5m }
"#;

/// A derived key and a scope, as the large clouds have them.
const DERIVED: &str = r#"
countersign: 1
dialect: derived
title: Derived
inputs: [region]
let:
  day: "{time | YYYYMMDD}"
  scope: "{day}/{region}/end"
  canonical: |-
    {method}
    {path | normalize | percent-path}
    {query}
string_to_sign: |-
  DERIVED
  {time}
  {scope}
  {canonical | sha256 | hex}
  {body | sha256 | hex}
key: { from: "D{secret}", hmac: ["{day}", "{region}", "end"], as: hex }
algorithm: hmac-sha256
signature: hex
carry:
  header:
    Derived-Time: "{time}"
    Derived-Signature: "{key_id}/{scope} {signature}"
time: { format: YYYYMMDDThhmmssZ, window: 5m }
"#;

/// The body as it is, as webhooks sign it.
const BODY: &str = r#"
countersign: 1
dialect: body
title: Body
string_to_sign: "{time}.{body}"
algorithm: hmac-sha256
signature: hex
carry: { header: { Body-Time: "{time}", Body-Signature: "{signature}" } }
time: { format: unix, window: 5m }
"#;

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn dialect(text: &str) -> Dialect {
    Dialect::from_yaml(text).unwrap_or_else(|fault| panic!("{fault}: {text}"))
}

fn options() -> SignOptions {
    SignOptions::new(now()).with_nonce("n-1")
}

/// The answer about a request that was signed by this function of the string to sign.
fn signed_by(text: &str, request: Request, options: &SignOptions, key: &Credential, sign: impl Fn(&[u8]) -> Vec<u8>) -> Explanation {
    let dialect = dialect(text);
    let prepared = dialect.prepare(request, key, options).expect("prepares");
    let tag = Tag::new(sign(prepared.string_to_sign()));
    let request = prepared.finish(&tag).expect("signs").into_message().into_request().expect("a request");
    explained(&dialect, request, key)
}

fn explained(dialect: &Dialect, request: Request, key: &Credential) -> Explanation {
    let message = Message::Request(request);
    Question::new(dialect, &message, now()).with_credential(key).with_policy(lenient()).explain()
}

/// The answer about a request whose signer had another file.
fn otherwise(text: &str, edits: &[(&str, &str)], request: Request) -> Explanation {
    let other = edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    let signed = dialect(&other).sign(request, &key(), &options().with_input("region", "eu")).expect("signs");
    explained(&dialect(text), signed.into_message().into_request().expect("a request"), &key())
}

fn get(target: &str) -> Request {
    Request::new("GET", target).with_header("Host", "api.example.com")
}

/// Replaces the first header of this name.
fn with(mut request: Request, name: &str, value: &str) -> Request {
    request.headers.iter_mut().filter(|(n, _)| n == name).for_each(|(_, v)| *v = value.as_bytes().to_vec());
    request
}

#[test]
fn of_what_gives_the_same_a_forgotten_filter_is_named_first() {
    let path = [("{path | normalize | percent-path}", "{path | normalize}")];
    let answer = otherwise(DERIVED, &path, get("/a%20b"));
    assert_eq!(named(&answer), ["path-not-encoded"], "{:?}", answer.causes);
    assert!(answer.causes[0].names("path-decoded"), "{:?}", answer.causes);

    let answer = otherwise(TWICE, &[("{path | percent}", "{path}")], get("/v1/do?a=1"));
    assert_eq!(named(&answer), ["path-not-encoded"], "{:?}", answer.causes);
    assert!(!answer.to_text().contains("normalising"), "{}", answer.to_text());
}

#[test]
fn base64_without_padding_is_no_other_alphabet() {
    let (mut plain, mut marked) = (false, false);
    for n in 0..64 {
        let signed = dialect(TWICE).sign(get(&format!("/?n={n}")), &key(), &options()).expect("signs");
        let text = signed.signature().trim_end_matches('=').to_owned();
        let request = with(signed.into_message().into_request().expect("a request"), "Twice-Signature", &text);
        let answer = explained(&dialect(TWICE), request, &key());
        assert_eq!(named(&answer), ["signature-unpadded"], "{text}");
        let is_marked = text.contains(['+', '/']);
        assert_eq!(answer.causes[0].sentence().contains("the same in both"), !is_marked, "{text}");
        plain |= !is_marked;
        marked |= is_marked;
    }
    assert!(plain && marked);
}

#[test]
fn a_form_that_was_written_anew_is_found() {
    let form = |body: &str| {
        Request::new("POST", "/f").with_header("Content-Type", "application/x-www-form-urlencoded").with_header("Host", "h").with_body(body)
    };
    let dialect = dialect(BODY);
    let signed = b"token=xyz&text=hello+world&team=a%2Ab&z=&t=%7E%2F";
    for (sent, id) in [
        ("token=xyz&text=hello%20world&team=a%2Ab&z=&t=%7E%2F", "body-form-blank"),
        ("token=xyz&text=hello+world&team=a*b&z=&t=%7E%2F", "body-form-anew"),
        ("token=xyz&text=hello%20world&team=a*b&z=&t=~%2F", "body-form-anew"),
        ("z=&token=xyz&text=hello+world&team=a%2Ab&t=%7E%2F", "body-form"),
    ] {
        let right = dialect.sign(form(sent), &key(), &options()).expect("signs").into_message().into_request().expect("a request");
        let wrong = dialect.sign(form(std::str::from_utf8(signed).expect("text")), &key(), &options()).expect("signs");
        let mut wrong = wrong.into_message().into_request().expect("a request");
        wrong.body.clone_from(&right.body);
        let answer = explained(&dialect, wrong, &key());
        let found = answer.causes.first().is_some_and(|cause| cause.mistakes.iter().any(|m| m.id.starts_with(id)));
        // The order of a form that was sorted on the way cannot be found.
        assert_eq!(found, id != "body-form", "{sent}: {:?}", answer.causes);
    }
    let sorted = dialect.sign(form("a=1&b=2&z=3"), &key(), &options()).expect("signs");
    let mut sorted = sorted.into_message().into_request().expect("a request");
    sorted.body = b"z=3&b=2&a=1".to_vec();
    assert_eq!(named(&explained(&dialect, sorted, &key())), ["body-form-sorted"]);
    let lower = dialect.sign(form("a=%2f&b=%c3%a9"), &key(), &options()).expect("signs");
    let mut lower = lower.into_message().into_request().expect("a request");
    lower.body = b"a=%2F&b=%C3%A9".to_vec();
    assert_eq!(named(&explained(&dialect, lower, &key())), ["body-form-lower-case"]);
}

#[test]
fn texts_are_spelled_otherwise() {
    let key = key();
    let own = |alter: fn(&str) -> String| {
        let sign = move |text: &[u8]| mac(b"canary-of-the-secret", alter(std::str::from_utf8(text).expect("text")).as_bytes());
        named(&signed_by(TWICE, get("/v1/do?x=a%2Fb&y=c%20d~&z=%C3%A9"), &options(), &key, sign))
    };
    assert_eq!(own(|text| text.replacen("GET", "get", 1)), ["method-lower-case"]);
    assert_eq!(own(|text| text.replace("%2F", "%2f").replace("%3D", "%3d")), ["escape-lower-case"]);
    let both = |text: &str| ["%252F", "%25C3", "%25A9", "%2F", "%3D"].iter().fold(text.to_owned(), |t, s| t.replace(s, &s.to_lowercase()));
    assert_eq!(own(both), ["escape-lower-case"]);
    assert_eq!(own(|text| text.replace("%2520", "%2B").replace('~', "%257E")), ["form-encoded"]);
}

#[test]
fn secrets_and_keys_are_made_otherwise() {
    let secret = format!("whsec_{}", STANDARD.encode("the bytes of the secret"));
    let prefixed = Credential::hmac("key-1", secret.as_str());
    let answer = signed_by(TWICE, get("/"), &options(), &prefixed, |text| mac(b"the bytes of the secret", text));
    assert_eq!(named(&answer), ["secret-base64-decoded"]);
    let answer = signed_by(TWICE, get("/"), &options(), &key(), |text| mac(b"canary-of-the-secret\t", text));
    assert_eq!(named(&answer), ["secret-with-blank"]);

    let chain = |steps: &[&str]| steps.iter().fold(b"Dcanary-of-the-secret".to_vec(), |key, step| mac(&key, step.as_bytes()));
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let made = |sign: &dyn Fn(&[u8]) -> Vec<u8>| {
        let answer = signed_by(DERIVED, get("/"), &options().with_input("region", "eu"), &key(), sign);
        answer.causes.first().map(|cause| (cause.mistakes[0].id, cause.mistakes[0].what.clone())).expect("a cause")
    };
    let days = made(&|text| mac(hex(&chain(&["20260103", "eu", "end"])).as_bytes(), text));
    assert!(days.0 == "date-of-another-day" && days.1.starts_with("in the key alone"), "{days:?}");
    for steps in [["eu", "20260102", "end"], ["20260102", "end", "eu"], ["end", "eu", "20260102"]] {
        assert_eq!(made(&|text| mac(hex(&chain(&steps)).as_bytes(), text)).0, "key-steps-exchanged", "{steps:?}");
    }
    let upper = made(&|text| mac(hex(&chain(&["20260102", "eu", "end"])).to_uppercase().as_bytes(), text));
    assert!(upper.0 == "key-in-hex" && upper.1.contains("upper-case"), "{upper:?}");
    let each = |step: &[u8], key: &[u8]| hex(&mac(key, step)).into_bytes();
    let whole = |text: &[u8]| mac(&each(b"end", &each(b"eu", &each(b"20260102", b"Dcanary-of-the-secret"))), text);
    let stepwise = made(&whole);
    assert!(stepwise.0 == "key-in-hex" && stepwise.1.contains("after each step"), "{stepwise:?}");
}

#[test]
fn parameters_of_the_header_may_come_after_the_query() {
    let dialect = super::builtin("oauth1");
    let key = Credential::hmac("key-1", "s")
        .with_part("token_secret", "t")
        .with_algorithm(Algorithm::from_name("hmac-sha1").expect("an algorithm"));
    let prepared = dialect.prepare(get("/p?size=original&file=x"), &key, &options()).expect("prepares");
    let text = String::from_utf8(prepared.string_to_sign().to_vec()).expect("text");
    let params = text.rsplit_once('&').expect("three parts").1.to_owned();
    let mut items: Vec<&str> = params.split("%26").collect();
    let of_query = |item: &&str| item.starts_with("size") || item.starts_with("file");
    let header_order = ["oauth_consumer_key", "oauth_signature_method", "oauth_timestamp", "oauth_nonce"];
    items.sort_by_key(|item| match header_order.iter().position(|name| item.starts_with(name)) {
        Some(place) => 10 + place,
        None => usize::from(!(of_query(item) && item.starts_with("size"))),
    });
    let unsorted = text.replace(&params, &items.join("%26"));
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"s&t").expect("a key");
    mac.update(unsorted.as_bytes());
    let signed = prepared.finish(&Tag::new(mac.finalize().into_bytes().to_vec())).expect("signs");
    let answer = explained(&dialect, signed.into_message().into_request().expect("a request"), &key);
    assert_eq!(named(&answer), ["query-unsorted"], "{unsorted}");
}

/// A request with this time, and the answer about it when it is received after so many seconds.
fn late(text: &str, seconds: i64) -> Explanation {
    let at = Timestamp::from_seconds(now().seconds() - seconds).expect("a time");
    let options = SignOptions { at, ..options().with_input("region", "eu") };
    let signed = dialect(text).sign(get("/"), &key(), &options).expect("signs");
    explained(&dialect(text), signed.into_message().into_request().expect("a request"), &key())
}

#[test]
fn an_old_message_is_not_called_local_time() {
    for minutes in [10, 33, 90, 118, 122, 229, 1000] {
        let answer = late(DERIVED, minutes * 60);
        assert!(answer.causes.is_empty() && answer.reason == Some("too_old"), "{minutes}: {:?}", answer.causes);
    }
    let answer = late(DERIVED, 120 * 60 + 40);
    assert_eq!((named(&answer), answer.causes[0].seen), (vec!["time-local"], Seen::Possible));
    let sentence = answer.causes[0].sentence();
    assert!(sentence.starts_with("it may be that the time is local, UTC-02:00,"), "{sentence}");
    assert!(sentence.contains("or the message is simply 120 minutes old") && sentence.contains("--at"), "{sentence}");
    assert!(answer.to_text().contains("possible cause: ") && !answer.to_text().contains("likely cause"), "{}", answer.to_text());
    // Seconds since the epoch have no zone: a clock of local time was taken for UTC before they were counted.
    let answer = late(super::HOME, 8 * -3600);
    let sentence = answer.causes[0].sentence();
    assert!(sentence.contains("local time, UTC+08:00, was taken for UTC before") && sentence.contains("ahead of the clock"), "{sentence}");
}

#[test]
fn a_time_that_cannot_be_read_is_named_before_everything_else() {
    let signed = |time: &str| {
        let signed = dialect(TWICE).sign(get("/?a=b"), &key(), &options()).expect("signs");
        with(signed.into_message().into_request().expect("a request"), "Twice-Time", time)
    };
    for (time, says) in [
        ("2026-01-02T03:04:05+00:00", "an offset from UTC"),
        ("2026-01-02T11:04:05+0800", "an offset from UTC"),
        ("2026-01-02T03:04:05 00:00", "whose + became a blank"),
        ("2026-01-02T03:04:05", "without a zone"),
        ("2026-01-02T03:04:05.123456Z", "a fraction of another length"),
        ("1767323045.25", "seconds with a fraction"),
        ("1767323045123456", "microseconds"),
        ("yesterday", "carried as yesterday"),
    ] {
        let answer = explained(&dialect(TWICE), signed(time), &key());
        assert_eq!((named(&answer), answer.causes[0].seen), (vec!["time-format"], Seen::Carried), "{time}");
        assert!(answer.causes[0].sentence().contains(says), "{time}: {:?}", answer.causes);
        assert!(!answer.to_text().contains("it verifies if"), "{}", answer.to_text());
    }
    // With another mistake beside it: that one makes the signature hold, and not the message verify.
    let other = dialect(&TWICE.replace("{method | upper}", "{method | lower}"));
    let request = other.sign(get("/?a=b"), &key(), &options()).expect("signs").into_message().into_request().expect("a request");
    let answer = explained(&dialect(TWICE), with(request, "Twice-Time", "2026-01-02T03:04:05+00:00"), &key());
    assert_eq!(answer.causes.iter().map(|cause| cause.mistakes[0].id).collect::<Vec<_>>(), ["time-format", "method-lower-case"]);
    assert!(answer.causes[1].sentence().starts_with("the signature holds if"), "{:?}", answer.causes);
}

#[test]
fn what_an_editor_did_to_the_other_sides_text_is_no_mistake() {
    let own = dialect(DERIVED);
    let other = dialect(&DERIVED.replace("DERIVED\n", "DERIVE\n"));
    let signed = other.sign(get("/"), &key(), &options().with_input("region", "eu")).expect("signs");
    let theirs = signed.stages().get("string_to_sign").expect("a text").to_vec();
    let request = signed.into_message().into_request().expect("a request");
    let crlf = String::from_utf8(theirs.clone()).expect("text").replace('\n', "\r\n").into_bytes();
    let hold = |theirs: &[u8]| ask(&own, request.clone(), &key(), |q| q.with_theirs(theirs).explain());
    let plain = hold(&theirs);
    assert!(plain.causes.is_empty() && plain.difference.is_some(), "{:?}", plain.causes);
    for text in [[&theirs[..], b"\n"].concat(), crlf.clone(), [&crlf[..], b"\r\n"].concat()] {
        let answer = hold(&text);
        assert!(answer.causes.is_empty(), "{:?}", answer.causes);
        assert_eq!(answer.difference, plain.difference);
        assert!(answer.notes.iter().any(|note| note.contains("since editors change that")), "{:?}", answer.notes);
        assert!(answer.notes.iter().any(|note| note.contains("the key is right")), "{:?}", answer.notes);
    }
}

#[test]
fn the_other_sides_text_leaves_the_signature_to_be_looked_at() {
    let own = dialect(TWICE);
    let unsorted = dialect(&TWICE.replace("order: name", "order: as-is"));
    let signed = unsorted.sign(get("/?b=1&a=2"), &key(), &options()).expect("signs");
    let theirs = signed.stages().get("string_to_sign").expect("a text").to_vec();
    let request = signed.into_message().into_request().expect("a request");
    for text in [&theirs[..], &[&theirs[..], b"\n"].concat(), &[&theirs[..], b"\r\n"].concat(), b"", b"\r\n"] {
        let answer = ask(&own, request.clone(), &key(), |q| q.with_theirs(text).explain());
        assert_eq!((named(&answer), answer.causes[0].seen), (vec!["query-unsorted"], Seen::Verifies), "{text:?}");
        assert_eq!(answer.causes.len(), 1);
    }
    // Under another key the texts can be made equal, and the message does not verify by it.
    let answer = ask(&own, request, &Credential::hmac("key-1", "another"), |q| q.with_theirs(&theirs).explain());
    assert_eq!((named(&answer), answer.causes[0].seen), (vec!["query-unsorted"], Seen::TextsEqual));
    assert!(answer.to_text().contains("the texts are equal if the signer did not sort") && !answer.to_text().contains("it verifies if"));
    // A line feed that was signed is one.
    let signed = |text: &[u8]| mac(b"canary-of-the-secret", &[text, b"\n"].concat());
    let prepared = own.prepare(get("/?b=1&a=2"), &key(), &options()).expect("prepares");
    let theirs = [prepared.string_to_sign(), b"\n"].concat();
    let tag = Tag::new(signed(prepared.string_to_sign()));
    let request = prepared.finish(&tag).expect("signs").into_message().into_request().expect("a request");
    let answer = ask(&own, request, &key(), |q| q.with_theirs(&theirs).explain());
    assert_eq!((named(&answer), answer.causes[0].seen), (vec!["text-newline-added"], Seen::Verifies), "{:?}", answer.causes);
}

#[test]
fn of_many_changes_on_the_way_those_that_are_signed_are_named() {
    let dialect = super::builtin("hmac-sha256");
    let signed = dialect.sign(super::request().with_header("Content-Type", "text/plain"), &key(), &options()).expect("signs");
    let sent = signed.into_message().into_request().expect("a request");
    let mut received = with(with(sent.clone(), "Host", "inner"), "Content-Type", "text/csv");
    received.target = b"/api/a%20b/./c?b=2&a=1".to_vec();
    received.headers.push(("Via".to_owned(), b"1.1 proxy".to_vec()));
    received.headers.push(("X-Request-Id".to_owned(), b"7".to_vec()));
    let sent = Message::Request(sent);
    let answer = ask(&dialect, received, &key(), |q| q.with_their_message(&sent).explain());
    assert_eq!(named(&answer), ["changed-on-the-way"]);
    assert_eq!(answer.causes[0].mistakes[0].rule, "path, header.host, header.content-type");
    assert!(answer.causes[0].alternatives.is_empty(), "{:?}", answer.causes);
    assert_eq!(answer.changes.len(), 5);
}
