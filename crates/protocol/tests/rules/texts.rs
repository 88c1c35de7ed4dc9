//! What stands in the signed texts: how long they may be, what is shown in place of secrets, and what is there only under a condition.

use countersign_protocol::{
    BodyHasher, Credential, Dialect, DigestAlgorithm, Inputs, Message, Part, Policy, Reason, Request, SignError, SignOptions,
};

use crate::{key, now};

const FORM: &str = "application/x-www-form-urlencoded";

fn dialect(text: &str, rest: &str) -> Dialect {
    let carry = if rest.contains("carry:") { "" } else { "carry: { header: { T: \"{time}\", S: \"{signature}\" } }\n" };
    let file = format!(
        "countersign: 1\ndialect: a\ntitle: t\nalgorithm: hmac-sha256\nstring_to_sign: \"{text}\"\ntime: {{ format: unix, window: 5m }}\n\
         waive: [method, path, query, body]\n{carry}{rest}\n"
    );
    Dialect::from_yaml(&file).unwrap_or_else(|e| panic!("{e}\n{file}"))
}

fn get(target: &str) -> Request {
    Request::new("GET", target).with_header("Host", "h")
}

fn string_to_sign(dialect: &Dialect, request: Request) -> String {
    let prepared = dialect.prepare(request, &key(), &SignOptions::new(now()).with_nonce("n1")).expect("prepared");
    String::from_utf8(prepared.string_to_sign().to_vec()).expect("text")
}

fn sign(dialect: &Dialect, request: Request) -> Request {
    let signed = dialect.sign(request, &key(), &SignOptions::new(now()).with_nonce("n1")).expect("signable");
    signed.into_message().into_request().expect("a request")
}

fn value<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(n, _)| n == name).map(|(_, value)| std::str::from_utf8(value).expect("text"))
}

#[test]
fn texts_are_bounded_and_a_body_may_stand_in_them_four_times() {
    const MOST: usize = 64 << 20;
    let many = dialect(&format!("{{time}}\\n{}{{header.x-b}}", "{header.x-a}".repeat(64)), "");
    let each = (MOST - 11) / 64;
    let left = MOST - 11 - 64 * each;
    let fits = |further: usize, body: &str| {
        let request = get("/").with_header("X-A", "a".repeat(each)).with_header("X-B", "b".repeat(left + further)).with_body(body);
        match many.prepare(request, &key(), &SignOptions::new(now())) {
            Ok(prepared) => prepared.string_to_sign().len() == MOST + further,
            Err(SignError::Unsignable(refusal)) => {
                assert!(refusal.detail().contains("too long"), "{}", refusal.detail());
                false
            }
            Err(other) => panic!("{other}"),
        }
    };
    assert!(fits(0, "") && !fits(1, ""));
    assert!(fits(4, "x") && !fits(5, "x"));
}

#[test]
fn a_secret_is_masked_wherever_it_stands() {
    let key = Credential::hmac("key-1", "SECRET").with_part("pin", "PIN");
    let shown = |text: &str, lets: &str| {
        let dialect = dialect(&format!("{{time}}\\n{text}"), &format!("secrets: [pin]\nlet: {{ {lets} }}"));
        let signed = dialect.sign(get("/"), &key, &SignOptions::new(now())).expect("signable");
        String::from_utf8(signed.stages().get("string_to_sign").expect("a stage").to_vec()).expect("text")
    };
    let lets = "first: \"1{secret}2\", second: \"ab{secret}cd{pin}ef\", plain: \"{method}\"";
    for (text, expected) in [
        ("{secret}{pin}", "******"),
        ("{first}|{second}{plain}", "1***2|ab***cd***efGET"),
        ("{plain}{second}|{first}", "GETab***cd***ef|1***2"),
        ("x{second}{first | base64}{pin}{plain}", "xab***cd***ef******GET"),
        ("{first}{second | hex}{plain}", "1***2***GET"),
    ] {
        let used = text.contains("{first") && text.contains("{second") && text.contains("{plain");
        let lets = if used { lets } else { "plain: \"{method}\"" };
        let text = if used { text.to_owned() } else { format!("{text}{{plain}}") };
        let expected = if used { expected.to_owned() } else { format!("{expected}GET") };
        assert_eq!(shown(&text, lets), format!("1767323045\n{expected}"), "{text}");
    }
}

#[test]
fn a_value_as_long_as_it_may_be_is_not_cut() {
    let dialect = dialect("{time}\\n{path | first 3}", "");
    let covers = |target: &str| {
        let policy = Policy { allow_unsafe: true, allow_ambiguous: true, ..Policy::default() };
        let intact = dialect.verify(&sign(&dialect, get(target)), &Inputs::new(), &[&key()], now(), &policy).expect("accepted");
        intact.verified().covers().contains(&Part::Path)
    };
    assert!(covers("/ab") && covers("/a") && !covers("/abc"));
}

#[test]
fn what_gives_way_to_a_header_signs_that_it_is_absent() {
    let dialect =
        dialect("{time | unless header.x-date}\\n{nonce}", "carry: { header: { T: \"{time}\", N: \"{nonce}\", S: \"{signature}\" } }");
    let signed = sign(&dialect, get("/"));
    let intact = dialect.verify(&signed, &Inputs::new(), &[&key()], now(), &Policy::default()).expect("accepted");
    let covers = intact.verified().covers();
    assert!(covers.contains(&Part::Header("x-date".to_owned())) && covers.contains(&Part::Time), "{covers:?}");
    // With the header there, the time is no longer in the text.
    let refused = dialect.verify(&signed.with_header("X-Date", "1"), &Inputs::new(), &[&key()], now(), &Policy::default());
    assert_eq!(refused.map(drop).map_err(|refusal| refusal.reason()), Err(Reason::SignatureMismatch));
}

#[test]
fn a_field_is_one_of_a_form() {
    let dialect = dialect("{time}\\n{form.a}", "");
    let with = |kind: &str| string_to_sign(&dialect, Request::new("POST", "/").with_header("Content-Type", kind).with_body("a=1"));
    assert_eq!((with(FORM), with("text/plain")), ("1767323045\n1".to_owned(), "1767323045\n".to_owned()));
}

#[test]
fn a_digest_is_sent_where_its_conditions_hold_or_one_stands_already() {
    let carry = "carry: { header: { T: \"{time}\", D: \"[{body_digest}]\", S: \"{signature}\" } }";
    let of =
        |when: &str| dialect("{time}\\n{body_digest}", &format!("body_digest: {{ is: \"{{body | md5 | hex}}\", when: {when} }}\n{carry}"));
    let request = |method: &str, body: &str| Request::new(method, "/").with_header("Host", "h").with_body(body);
    const HELLO: Option<&str> = Some("5d41402abc4b2a76b9719d911017c592");
    let sent = |dialect: &Dialect, request: Request| value(&sign(dialect, request), "D").map(str::to_owned);
    let post = of("[method POST]");
    assert_eq!((sent(&post, request("POST", "hello")).as_deref(), sent(&post, request("PUT", "hello"))), (HELLO, None));
    let asked = of("asked");
    assert_eq!(
        (sent(&asked, request("POST", "hello")), sent(&asked, request("POST", "hello").with_header("D", "old")).as_deref()),
        (None, HELLO)
    );
    let body = of("[body]");
    assert_eq!((sent(&body, request("POST", "hello")).as_deref(), sent(&body, request("POST", ""))), (HELLO, None));
    // A body that is sent in pieces has a digest under the same conditions.
    let in_pieces = |text: &str| {
        let mut hasher = BodyHasher::new(&[DigestAlgorithm::Md5]);
        hasher.update(text.as_bytes());
        let options = SignOptions { body: Some(hasher.finish()), ..SignOptions::new(now()) };
        let signed = body.sign(request("POST", ""), &key(), &options).expect("signable").into_message().into_request().expect("a request");
        value(&signed, "D").map(str::to_owned)
    };
    assert_eq!((in_pieces("hello").as_deref(), in_pieces("")), (HELLO, None));
}

#[test]
fn what_is_prepared_shows_no_value_when_it_is_debugged() {
    let dialect = dialect("{time}\\n{nonce}", "carry: { header: { T: \"{time}\", N: \"{nonce}\", S: \"{signature}\" } }");
    let prepared = dialect.prepare(Message::from(get("/")), &key(), &SignOptions::new(now()).with_nonce("canary-nonce")).expect("prepared");
    let shown = format!("{prepared:?}");
    assert!(shown.contains("Texts([") && shown.contains("Nonce"), "{shown}");
}

#[test]
fn a_host_is_told_from_its_port() {
    let dialect = dialect("{time}\\n{hostname} {port}", "");
    for (host, expected) in [
        ("a.b", "a.b 443"),
        ("a.b:80", "a.b 80"),
        ("[::1]", "[::1] 443"),
        ("[::1]:80", "[::1] 80"),
        ("[::]", "[::] 443"),
        ("[::]:8443", "[::] 8443"),
    ] {
        let request = Request::new("GET", "/").with_header("Host", host);
        assert_eq!(string_to_sign(&dialect, request), format!("1767323045\n{expected}"), "{host}");
    }
}

#[test]
fn a_secret_that_is_sent_twice_is_one() {
    let file =
        "countersign: 1\ndialect: a\ntitle: t\ncarry: { header: { K: \"{key_id}\", A: \"{secret}\", B: \"{secret}\" } }\nreplay: none\n";
    let dialect = Dialect::from_yaml(file).expect("a dialect");
    let with = |a: &str, b: &str| {
        let request = get("/").with_header("K", "key-1").with_header("A", a).with_header("B", b);
        dialect.claim(&request, &Inputs::new()).map(drop).map_err(|refusal| refusal.reason())
    };
    assert_eq!((with("secret-1", "secret-1"), with("secret-1", "secret-2")), (Ok(()), Err(Reason::MalformedClaim)));
}

#[test]
fn a_claim_that_is_too_long_is_named() {
    let dialect = dialect("{time}\\n{nonce}", "carry: { header: { T: \"{time}\", N: \"{nonce}\", S: \"{signature}\" } }");
    let request = get("/").with_header("T", "1767323045").with_header("N", "n".repeat(129)).with_header("S", "00");
    assert_eq!(dialect.claim(&request, &Inputs::new()).unwrap_err().detail(), "nonce is longer than 128 bytes");
}

#[test]
fn a_message_is_of_a_dialect_by_its_marks() {
    let twice = dialect("{time}", "carry: { header: { T: \"{time}\", V: \"1\", S: \"{signature}\" }, query: { t: \"{time}\" } }");
    let with = |target: &str, headers: &[(&str, &str)]| {
        twice.marks(&headers.iter().fold(Request::new("GET", target), |request, (name, value)| request.with_header(*name, *value)))
    };
    let (time, version, signature) = (("T", "1767323045"), ("V", "1"), ("S", "00"));
    assert!(with("/", &[time, version, signature]));
    assert!(with("/?t=1767323045", &[version, signature]), "what is carried twice is there once");
    assert!(!with("/", &[version, signature]));
    assert!(!with("/", &[time, signature]), "without the constant");
    assert!(!with("/", &[time, ("V", "2"), signature]));
    assert!(!with("/", &[time, version]));
}
