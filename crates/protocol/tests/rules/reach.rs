//! What can be signed by a file, what is signed by a message, and which items of a list are none.

use countersign_protocol::{BodyNeed, Dialect, Inputs, LoadError, Message, Part, Policy, Reason, Request, Response, SignOptions};

use crate::{key, now};

const FORM: &str = "application/x-www-form-urlencoded";

fn load(text: &str, rest: &str) -> Result<Dialect, LoadError> {
    let carry = if rest.contains("carry:") { "" } else { "carry: { header: { T: \"{time}\", S: \"{signature}\" } }\n" };
    Dialect::from_yaml(&format!(
        "countersign: 1\ndialect: a\ntitle: t\nalgorithm: hmac-sha256\nstring_to_sign: \"{text}\"\ntime: {{ format: unix, window: 5m }}\n{carry}{rest}\n"
    ))
}

fn dialect(text: &str, rest: &str) -> Dialect {
    load(text, rest).unwrap_or_else(|e| panic!("{e}\n{text}\n{rest}"))
}

fn part(text: &str) -> Part {
    Part::parse(text).expect(text)
}

fn sign(dialect: &Dialect, request: Request, options: &SignOptions) -> Request {
    dialect.sign(request, &key(), options).expect("signable").into_message().into_request().expect("a request")
}

fn options() -> SignOptions {
    SignOptions::new(now()).with_nonce("n1")
}

fn get(target: &str) -> Request {
    Request::new("GET", target).with_header("Host", "h")
}

/// What is covered of a signed request, where nothing has to be.
fn covers(dialect: &Dialect, request: &Request) -> Vec<Part> {
    let waive = ["method", "path", "query", "body", "nonce", "time"].map(part).to_vec();
    let policy = Policy { waive, allow_unsafe: true, ..Policy::default() };
    let intact = dialect.verify(request, &Inputs::new(), &[&key()], now(), &policy).expect("accepted");
    intact.verified().covers().iter().cloned().collect()
}

fn verdict(dialect: &Dialect, request: &Request) -> Result<(), Reason> {
    dialect.verify(request, &Inputs::new(), &[&key()], now(), &Policy::default()).map(drop).map_err(|refusal| refusal.reason())
}

#[test]
fn each_name_signs_its_own_part() {
    const PARTS: [&str; 9] = ["scheme", "http_version", "host", "method", "path", "header.x-a", "query.a", "form.a", "header.host"];
    for (text, signed) in [
        ("{scheme}", "scheme"),
        ("{http_version}", "http_version"),
        ("{host}", "host"),
        ("{hostname}", "host"),
        ("{method}", "method"),
        ("{path}", "path"),
        ("{header.x-a}", "header.x-a"),
        ("{query.a}", "query.a"),
        ("{form.a}", "form.a"),
    ] {
        let dialect = dialect(&format!("{{time}}\\n{text}"), "waive: [body]");
        for name in PARTS {
            assert_eq!(dialect.can_sign(&part(name)), name == signed, "{text} {name}");
        }
        let request = Request::new("POST", "/?a=1").with_header("Host", "h").with_header("X-A", "1").with_header("Content-Type", FORM);
        assert!(covers(&dialect, &sign(&dialect, request.with_body("a=1"), &options())).contains(&part(signed)), "{text}");
    }
    let host = dialect("{time}\\n{header.host}", "");
    assert!(host.can_sign(&Part::Host) && host.can_sign(&part("header.host")));
    let answer = dialect("{time}\\n{status}", "message: response");
    assert!(answer.can_sign(&Part::Status) && !dialect("{time}", "message: response").can_sign(&Part::Status));
    let signed = answer.sign(Response { status: 200, headers: Vec::new(), body: Vec::new() }, &key(), &options()).expect("signable");
    let policy = Policy { waive: vec![Part::Body], require: vec![Part::Status], ..Policy::default() };
    let Message::Response(signed) = signed.into_message() else { panic!("a request") };
    answer.verify(&signed, &Inputs::new(), &[&key()], now(), &policy).expect("accepted");
}

#[test]
fn a_claim_is_signed_with_the_header_in_which_it_rides_and_with_no_other() {
    let nonce = |text: &str, more: &str, carry: &str| {
        let rest = format!("{more}\ncarry: {{ header: {{ S: \"{{signature}}\", T: \"{{time}}\"{carry} }}");
        load(&format!("{{time}}\\n{text}"), &rest).map(drop).map_err(|error| error.path().to_owned())
    };
    let unsigned = || Err("nonce".to_owned());
    let (in_n, in_query) = (", N: \"{nonce}\" }", " }, query: { n: \"{nonce}\" }");
    assert_eq!(nonce("{header.n}", "", in_n), Ok(()));
    assert_eq!(nonce("{header.m}", "", in_n), unsigned());
    assert_eq!(nonce("{header.n}", "", in_query), unsigned());
    let prefix = "headers: { sign: [n*] }";
    assert_eq!(nonce("{headers}", prefix, in_n), Ok(()));
    assert_eq!(nonce("{headers}", "headers: { sign: [m*] }", in_n), unsigned());
    assert_eq!(nonce("{headers}", prefix, in_query), unsigned());
    // Where the caller lists what is signed, any header can be.
    let listed = ", L: \"[{signed_headers}]\"";
    assert_eq!(nonce("{headers}", "", &format!("{listed}{in_n}")), Ok(()));
    assert_eq!(nonce("{headers}", "", &format!("{listed}{in_query}")), unsigned());
}

#[test]
fn what_carries_the_signature_or_the_list_is_no_item() {
    let listed = dialect(
        "{time}\\n{headers}",
        "headers: { sign: [x-*], except: [x-b] }\nwaive: [method, path, query, body]\n\
         carry: { header: { T: \"{time}\", X-Sig: \"{signature}\", X-List: \"[{signed_headers}]\" } }",
    );
    // A request that was signed before, and now is again.
    let before = || get("/").with_header("X-Sig", "old").with_header("X-List", "x-sig").with_header("X-A", "1").with_header("X-B", "2");
    let signed = sign(&listed, before(), &options());
    let list = signed.headers.iter().find(|(name, _)| name == "X-List").map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    assert_eq!((list.as_deref(), verdict(&listed, &signed)), (Some("x-a"), Ok(())));
    // A header is no carrier because a parameter of its name is one.
    let in_query = dialect(
        "{time}\\n{headers}",
        "headers: { sign: [x-*] }\nwaive: [method, path, query, body]\n\
         carry: { header: { T: \"{time}\", L: \"[{signed_headers}]\" }, query: { x-sig: \"{signature}\" } }",
    );
    let signed = sign(&in_query, get("/").with_header("X-Sig", "1"), &options());
    assert!(covers(&in_query, &signed).contains(&part("header.x-sig")));
    // Nor is the parameter that holds it among others.
    let among = dialect(
        "{time}\\n{query}",
        "waive: [method, path, body]\ncarry: { header: { T: \"{time}\" }, query: { auth: \"k={key_id},s={signature}\" } }",
    );
    let signed = sign(&among, get("/?a=1&s=2"), &options());
    assert_eq!(verdict(&among, &signed), Ok(()));
    assert!(covers(&among, &signed).contains(&Part::Query));
}

#[test]
fn a_list_that_leaves_something_out_does_not_cover_the_whole() {
    for (rule, target, whole) in [
        ("except: [b]", "/?a=1", true),
        ("except: [b]", "/?a=1&b=2", false),
        ("empty: drop", "/?a=1", true),
        ("empty: drop", "/?a=1&b=", false),
        ("repeated: first", "/?a=1&b=2", true),
    ] {
        let dialect = dialect("{time}\\n{query}", &format!("query: {{ {rule} }}\nwaive: [method, path, query, body]"));
        let covered = covers(&dialect, &sign(&dialect, get(target), &options()));
        assert_eq!((covered.contains(&Part::Query), covered.contains(&part("query.a"))), (whole, !whole), "{rule} {target}: {covered:?}");
    }
}

#[test]
fn a_parameter_is_covered_where_it_rides() {
    let carry =
        "carry: { header: { T: \"{time}\", S: \"{signature}\" }, params: { n: \"{nonce}\" } }\nwaive: [method, path, query, body, nonce]";
    let post =
        |target: &str, body: &str| Request::new("POST", target).with_header("Host", "h").with_header("Content-Type", FORM).with_body(body);
    let nonce = |text: &str, request: Request| {
        let dialect = dialect(&format!("{{time}}\\n{text}"), carry);
        covers(&dialect, &sign(&dialect, request, &options())).contains(&Part::Nonce)
    };
    // With a form it rides there, but where it stands in the query already.
    assert!(nonce("{form}", post("/", "a=1")) && nonce("{form}", post("/?x=1", "a=1")));
    assert!(!nonce("{query}", post("/?x=1", "a=1")));
    assert!(nonce("{query}", post("/?n=0", "a=1")) && !nonce("{form}", post("/?n=0", "a=1")));
    assert_eq!(dialect("{time}\\n{nonce}", carry).body_need(), BodyNeed::Claim);
}

#[test]
fn what_a_message_has_not_need_not_be_signed() {
    let dialect = dialect(
        "{method} {path}\\n{time}\\n{headers}",
        "headers: { pseudo: { \"@query\": \"{query}\" } }\nrequire: [query]\nwaive: [body]\n\
         carry: { header: { T: \"{time}\", L: \"[{signed_headers}]\", S: \"{signature}\" } }",
    );
    let with = |target: &str, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        verdict(&dialect, &sign(&dialect, get(target), &SignOptions { headers: Some(names), ..options() }))
    };
    assert_eq!((with("/", &["host"]), with("/?a=1", &["host", "@query"])), (Ok(()), Ok(())));
    assert_eq!(with("/?a=1", &["host"]), Err(Reason::RequiredPartUnsigned));
}

#[test]
fn a_member_that_carries_a_claim_is_plain_text() {
    let dialect = dialect(
        "{body_without_signature}",
        "waive: [method, path, query]\ncarry: { json: { t: \"{time}\", n: \"{nonce}\", s: \"{signature}\" } }",
    );
    let body = |nonce: &str| format!("{{\"t\":\"1767323045\",\"n\":{nonce},\"s\":\"00\"}}");
    let claim = |nonce: &str| {
        let request =
            Request::new("POST", "/").with_header("Host", "h").with_header("Content-Type", "application/json").with_body(body(nonce));
        dialect.claim(&request, &Inputs::new()).map(drop).map_err(|refusal| refusal.reason())
    };
    assert_eq!(claim("\"abc\""), Ok(()));
    for odd in ["12", "\"a\\u0041\"", "\"a\\\"b\"", "null", "[\"a\"]"] {
        assert_eq!(claim(odd), Err(Reason::MalformedClaim), "{odd}");
    }
}
