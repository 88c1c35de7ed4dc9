//! What a file says in one way and what it could be taken for: how entries are taken apart, and which rules follow from what is signed.

use countersign_protocol::{Dialect, Inputs, LoadError, Policy, Reason, ReplayMode, Request, SignOptions};

use crate::{key, now};

/// Everything is waived that is not looked at here.
fn load(text: &str, rest: &str) -> Result<Dialect, LoadError> {
    Dialect::from_yaml(&format!(
        "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{text}\"\nalgorithm: hmac-sha256\nreplay: none\n{rest}\n"
    ))
}

fn dialect(text: &str, rest: &str) -> Dialect {
    load(text, rest).unwrap_or_else(|e| panic!("{e}\n{text}\n{rest}"))
}

const WAIVED: &str = "time: { format: unix, window: 5m }\nwaive: [method, path, query, body, nonce]\n";

/// A dialect that signs its time, and carries these entries in headers.
fn carrying(entries: &str) -> Dialect {
    dialect("{time}\\n{nonce}", &format!("{WAIVED}carry: {{ header: {{ {entries} }} }}"))
}

fn get(target: &str) -> Request {
    Request::new("GET", target).with_header("Host", "h")
}

fn sign(dialect: &Dialect, request: Request) -> Request {
    let signed = dialect.sign(request, &key(), &SignOptions::new(now()).with_nonce("n1")).expect("signable");
    signed.into_message().into_request().expect("a request")
}

fn verify(dialect: &Dialect, request: &Request) -> Result<(), Reason> {
    dialect.verify(request, &Inputs::new(), &[&key()], now(), &Policy::default()).map(drop).map_err(|r| r.reason())
}

/// The value of the one header that the dialect writes, with the signature as `S`.
fn written(entry: &str) -> String {
    let dialect = carrying(&format!("A: '{entry}'"));
    let request = sign(&dialect, get("/"));
    assert_eq!(verify(&dialect, &request), Ok(()), "{entry}");
    let value = String::from_utf8(request.headers[1].1.clone()).expect("text");
    let signed = dialect.sign(get("/"), &key(), &SignOptions::new(now()).with_nonce("n1")).expect("signable");
    value.replace(signed.signature(), "S")
}

/// Whether the header is also read with the second and the third of its three pieces changed about.
fn any_order(entry: &str, separator: &str) -> bool {
    let dialect = carrying(&format!("A: '{entry}'"));
    let mut request = sign(&dialect, get("/"));
    let value = String::from_utf8(request.headers[1].1.clone()).expect("text");
    let [first, second, third] = value.splitn(3, separator).collect::<Vec<_>>()[..] else { panic!("{value}") };
    request.headers[1].1 = [first, third, second].join(separator).into_bytes();
    match verify(&dialect, &request) {
        Ok(()) => true,
        Err(reason) => {
            assert!(matches!(reason, Reason::MalformedClaim | Reason::SignatureMismatch), "{entry}: {reason}");
            false
        }
    }
}

#[test]
fn pairs_with_plain_names_are_a_list_and_everything_else_is_text() {
    for (entry, separator) in [
        ("a={time}, b={nonce}, c={signature}", ", "),
        ("Z a_1={time};b.2={nonce};c-3={signature}", ";"),
        ("a={time}&b={nonce}&c={signature}", "&"),
        ("a=\"x,y;{time}\", b={nonce}, c={signature}", ", "),
    ] {
        // A scheme stays with the first.
        assert!(any_order(entry, separator), "{entry}");
    }
    for (entry, separator) in [("a/b={time},c:d={nonce},e f={signature}", ","), ("={time},={nonce},={signature}", ",")] {
        assert!(!any_order(entry, separator), "{entry}");
    }
}

#[test]
fn a_list_is_written_as_it_stands_in_the_file() {
    for (entry, expected) in [
        ("Z a={time},b={nonce},  c={signature}", "Z a=1767323045,b=n1,  c=S"),
        ("Z a=\"at {time} , of\", b={nonce}, c=\"{signature}\"", "Z a=\"at 1767323045 , of\", b=n1, c=\"S\""),
        ("a=\"x;y&{time}\"; b={nonce}; c={signature}", "a=\"x;y&1767323045\"; b=n1; c=S"),
        ("a=\"{time}\" , b=\"{nonce}\" , c={signature}", "a=\"1767323045\", b=\"n1\", c=S"),
        ("[a={nonce},] b={time}, c={signature}", "a=n1, b=1767323045, c=S"),
        ("a=[{nonce}], b={time}, c={signature}", "a=n1, b=1767323045, c=S"),
        ("a=\"x/[{nonce}]\", b={time}, c={signature}", "a=\"x/n1\", b=1767323045, c=S"),
    ] {
        assert_eq!(written(entry), expected, "{entry}");
    }
    // What is in the bracket may be absent, and nothing else.
    let lacking_of = carrying("A: 'b={time}[, a={nonce}], c={signature}'");
    let lacking = |name: &str, separator: &str| {
        let signed = lacking_of.sign(get("/"), &key(), &SignOptions::new(now())).expect("signable");
        let mut request = signed.into_message().into_request().expect("a request");
        let value = String::from_utf8(request.headers[1].1.clone()).expect("text");
        let left: Vec<&str> = value.split(separator).filter(|piece| !piece.trim().starts_with(name)).collect();
        request.headers[1].1 = left.join(separator).into_bytes();
        verify(&lacking_of, &request)
    };
    assert_eq!(lacking("a=", ","), Ok(()));
    // One in a value says that it may be empty.
    let dialect = carrying("A: 'b={time}, a=x/[{nonce}], c={signature}'");
    let signed =
        dialect.sign(get("/"), &key(), &SignOptions::new(now())).expect("signable").into_message().into_request().expect("a request");
    assert!(signed.headers[1].1.windows(7).any(|part| part == b", a=x/,"), "{:?}", signed.headers);
    assert_eq!(verify(&dialect, &signed), Ok(()));
    assert_eq!((lacking("b=", ","), lacking("c=", ",")), (Err(Reason::MalformedClaim), Err(Reason::MalformedClaim)));
}

#[test]
fn a_parameter_is_read_as_its_list_reads_it() {
    let nonce = |list: &str, place: &str, text: &str| {
        let rest =
            format!("{WAIVED}{list}\ncarry: {{ {place}: {{ n: \"{{nonce}}\" }}, header: {{ T: \"{{time}}\", S: \"{{signature}}\" }} }}");
        let request = get("/?n=a+b").with_header("T", "1").with_header("S", "00");
        let dialect = dialect(&format!("{{time}}{{nonce}}{text}"), &rest);
        dialect.claim(&request, &Inputs::new()).expect("a claim").nonce().expect("a nonce").to_owned()
    };
    let params = |decode: &str| format!("params: {{ from: [query], decode: {decode} }}");
    assert_eq!(nonce(&params("form"), "params", "{params}"), "a b");
    assert_eq!(nonce(&params("percent"), "params", "{params}"), "a+b");
    assert_eq!(nonce(&params("form"), "query", "{params}"), "a+b");
}

#[test]
fn a_digest_may_be_a_named_text() {
    let dialect = dialect(
        "{time}\\n{body_digest}",
        "time: { format: unix, window: 5m }\nwaive: [method, path, query]\nlet: { d: \"{body | md5 | hex}\" }\nbody_digest: \"{d}\"\n\
         carry: { header: { T: \"{time}\", S: \"{signature}\" } }",
    );
    let signed = dialect.sign(get("/").with_body("hello"), &key(), &SignOptions::new(now())).expect("signable");
    assert_eq!(signed.stages().get("string_to_sign"), Some(&b"1767323045\n5d41402abc4b2a76b9719d911017c592"[..]));
    assert_eq!(signed.stages().get("d"), Some(&b"5d41402abc4b2a76b9719d911017c592"[..]));
}

#[test]
fn a_signature_may_be_in_the_alphabet_of_urls() {
    let signature = |encoding: &str, at: i64| {
        let rest =
            format!("{WAIVED}signature: {encoding}\ncarry: {{ header: {{ T: \"{{time}}\", N: \"{{nonce}}\", S: \"{{signature}}\" }} }}");
        let dialect = dialect("{time}{nonce}", &rest);
        let at = now().plus(std::time::Duration::from_secs(at.unsigned_abs()));
        let signed = dialect.sign(get("/"), &key(), &SignOptions::new(at).with_nonce("n")).expect("signable");
        signed.signature().to_owned()
    };
    let plain: Vec<String> = (0..8).map(|at| signature("base64", at)).collect();
    assert!(plain.iter().any(|text| text.contains('+')) && plain.iter().any(|text| text.contains('/')), "{plain:?}");
    let expected = plain.iter().map(|text| text.replace('+', "-").replace('/', "_"));
    for (at, expected) in (0..).zip(expected) {
        assert_eq!(signature("base64url", at).trim_end_matches('='), expected.trim_end_matches('='));
    }
}

#[test]
fn what_is_carried_is_signed_or_waived_by_its_name() {
    let carry = "carry: { header: { T: \"{time}\", N: \"{nonce}\", S: \"{signature}\" } }";
    let of = |text: &str, waived: &str| {
        let rest = format!("time: {{ format: unix, window: 5m }}\nwaive: [method, path, query, body, {waived}]\n{carry}");
        load(text, &rest).map(drop).map_err(|error| error.path().to_owned())
    };
    assert_eq!((of("{time}{nonce}", "host"), of("{time}", "nonce"), of("{nonce}", "time")), (Ok(()), Ok(()), Ok(())));
    assert_eq!((of("{time}", "time"), of("{nonce}", "nonce")), (Err("nonce".to_owned()), Err("time".to_owned())));
}

#[test]
fn the_default_against_replays_follows_from_what_is_signed() {
    let of = |text: &str, carried: &str| {
        let file = format!(
            "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{text}\"\nalgorithm: hmac-sha256\ntime: {{ format: unix, window: 5m }}\n\
             waive: [method, path, query, body, time, nonce]\ncarry: {{ header: {{ T: \"{{time}}\", {carried} S: \"{{signature}}\" }} }}\n"
        );
        Dialect::from_yaml(&file).unwrap_or_else(|e| panic!("{e}\n{file}")).replay()
    };
    let nonce = "N: \"{nonce}\",";
    assert_eq!(of("{method}{time}{nonce}", nonce), ReplayMode::Nonce);
    assert_eq!(of("{method}{time}", nonce), ReplayMode::SafeMethodsExempt);
    assert_eq!(of("{method}{nonce}", nonce), ReplayMode::Nonce);
    assert_eq!(of("{method}{time}", ""), ReplayMode::SafeMethodsExempt);
    assert_eq!(of("{method}", ""), ReplayMode::None);
    assert_eq!(of("{method}", nonce), ReplayMode::None);
}
