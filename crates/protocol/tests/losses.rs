//! What a filter takes away is not covered, is ambiguous or is told; guards see the values that they guard; a length says how long the body is.
#![cfg(feature = "yaml")]

use countersign_protocol::{
    Credential, Dialect, Hazard, Inputs, LoadError, Part, Policy, Reason, Refusal, Request, SignOptions, Timestamp,
};

const FORM: &str = "application/x-www-form-urlencoded";

fn load(text: &str, more: &str) -> Result<Dialect, LoadError> {
    Dialect::from_yaml(&format!(
        "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{{time}}\\n{{nonce}}\\n{text}\"\nalgorithm: hmac-sha256\n{more}\
         carry: {{ header: {{ T: \"{{time}}\", N: \"{{nonce}}\", S: \"{{signature}}\" }} }}\ntime: {{ format: unix }}\n"
    ))
}

fn dialect(text: &str, more: &str) -> Dialect {
    load(text, more).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_323_045).expect("a time")
}

fn key() -> Credential {
    Credential::hmac("key-1", "secret")
}

fn request(target: &str) -> Request {
    Request::new("POST", target).with_header("Host", "api.example.com").with_header("Content-Type", "text/plain")
}

fn sign(dialect: &Dialect, request: Request) -> Request {
    let signed = dialect.sign(request, &key(), &SignOptions::new(now()).with_nonce("n1")).expect("signable");
    signed.into_message().into_request().expect("a request")
}

fn verify(dialect: &Dialect, request: &Request, policy: &Policy) -> Result<Vec<Part>, Refusal> {
    let intact = dialect.verify(request, &Inputs::new(), &[&key()], now(), policy)?;
    Ok(intact.verified().covers().iter().cloned().collect())
}

/// What is covered, whatever must be.
fn covers(dialect: &Dialect, request: Request) -> Vec<Part> {
    let waive = vec![Part::Method, Part::Path, Part::Query, Part::Body];
    let policy = Policy { waive, allow_unsafe: true, ..Policy::default() };
    verify(dialect, &sign(dialect, request), &policy).expect("accepted")
}

/// The outcome of a request that the signer made.
fn outcome(dialect: &Dialect, request: Request) -> Result<(), Reason> {
    verify(dialect, &sign(dialect, request), &Policy::default()).map(drop).map_err(|refusal| refusal.reason())
}

fn told(dialect: &Dialect) -> Vec<String> {
    let lost = dialect.hazards().iter().filter(|h| matches!(h, Hazard::CutShort(_) | Hazard::MadeOne(_) | Hazard::RunTogether(_)));
    lost.map(ToString::to_string).collect()
}

#[test]
fn what_is_cut_short_is_not_covered_whatever_it_is() {
    let all = [
        ("{path | first 3}", Part::Path),
        ("{header.X-Amount | first 1}", Part::Header("x-amount".to_owned())),
        ("{query | first 4}", Part::Query),
        ("{query.a | first 1}", Part::QueryParameter("a".to_owned())),
        ("{method | first 1}", Part::Method),
        ("{body | first 2}", Part::Body),
        ("{body | first 2 | sha256 | hex}", Part::Body),
        ("{target | first 3}", Part::Path),
    ];
    for (text, part) in all {
        let dialect = dialect(text, "");
        let request = || request("/v1/items?a=100&b=2").with_header("X-Amount", "100").with_body("body");
        assert!(!covers(&dialect, request()).contains(&part), "{text}");
        assert!(told(&dialect).iter().any(|told| told.contains("is cut to")), "{text}: {:?}", dialect.hazards());
        // The same value whole is covered.
        let whole = format!(
            "{text}\\n{}",
            text.replace(" | first 3", "").replace(" | first 4", "").replace(" | first 1", "").replace(" | first 2", "")
        );
        let whole = load(&whole, "").expect(&whole);
        assert!(covers(&whole, request()).contains(&part) && !told(&whole).iter().any(|told| told.contains("is cut to")), "{text}");
    }
    let listed = dialect(
        "{query}\\n{headers}",
        "query: { each: \"{name}={value | first 1}\" }\nheaders: { sign: [x-a], each: \"{name}:{value | first 1}\" }\n",
    );
    let covered = covers(&listed, request("/?a=100").with_header("X-A", "100"));
    assert!(!covered.contains(&Part::Query) && !covered.contains(&Part::Header("x-a".to_owned())), "{covered:?}");
}

#[test]
fn of_a_digest_128_bits_are_enough() {
    let part_of = |text: &str| covers(&dialect(text, "waive: [body]\n"), request("/").with_body("body")).contains(&Part::Body);
    for text in [
        "{body | sha256 | first 16 | hex}",
        "{body | sha256 | hex | first 32}",
        "{body | sha256 | hex | upper | first 32}",
        "{body | sha256 | base64 | first 22}",
        "{body | sha256 | base64 | lower | first 26}",
        "{body | sha256 | first 20 | hex | first 32}",
    ] {
        assert!(part_of(text) && told(&dialect(text, "")).is_empty(), "{text}");
    }
    for text in [
        "{body | sha256 | first 15 | hex}",
        "{body | sha256 | hex | first 31}",
        "{body | sha256 | base64 | first 21}",
        "{body | sha256 | base64 | lower | first 25}",
        "{body | sha256 | first 20 | hex | first 31}",
        "{body | sha256 | first 4 | sha256}",
    ] {
        assert!(!part_of(text), "{text}");
        assert!(told(&dialect(text, "waive: [body]\n")).iter().any(|told| told.starts_with("a digest of {body}")), "{text}");
        let error = load(text, "").expect_err(text);
        assert!(error.mend().contains("waive: [body]"), "{error}");
    }
    let named = dialect(
        "{canonical | sha256 | hex | first 32}\\n{short | first 32}",
        "let: { canonical: \"{path}\", short: \"{body | sha256 | hex}\" }\n",
    );
    let covered = covers(&named, request("/v1").with_body("body"));
    assert!(covered.contains(&Part::Path) && covered.contains(&Part::Body), "{covered:?}");
    let of_two = dialect("{canonical | sha256 | hex | first 32}", "let: { canonical: \"{path}?{header.X-A}\" }\n");
    assert!(told(&of_two).is_empty(), "{:?}", of_two.hazards());
    let carried = |text: &str, digest: &str| {
        let dialect = Dialect::from_yaml(&format!(
            "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{{time}}\\n{text}\"\nalgorithm: hmac-sha256\nbody_digest: \"{digest}\"\n\
             carry: {{ header: {{ T: \"{{time}}\", D: \"{{body_digest}}\", S: \"{{signature}}\" }} }}\ntime: {{ format: unix }}\nwaive: [body]\n"
        ));
        let dialect = dialect.unwrap_or_else(|e| panic!("{text} {digest}: {e}"));
        (covers(&dialect, request("/").with_body("body")).contains(&Part::Body), told(&dialect).is_empty())
    };
    assert_eq!(carried("{body_digest}", "{body | sha256 | first 4 | hex}"), (false, false));
    assert_eq!(carried("{body_digest}", "{body | sha256 | first 16 | hex}"), (true, true));
    assert_eq!(carried("{body_digest | first 32}", "{body | sha256 | hex}"), (true, true));
    assert!(!carried("{body_digest | first 31}", "{body | sha256 | hex}").1);
}

#[test]
fn a_value_that_is_made_equal_to_another_is_ambiguous() {
    let ambiguous = Err(Reason::AmbiguousRequest);
    let all = [
        ("{query | lower}", "", request("/?a=1&b=%2F"), request("/?A=x")),
        ("{path | lower}", "", request("/v1/a%C3%A9"), request("/V1/a")),
        ("{path | upper}", "", request("/V1"), request("/v1")),
        ("{query | lower}", "", request("/?a=1&b=%2F"), request("/?a=X")),
        ("{query}", "query: { each: \"{name}={value | lower}\" }\n", request("/?a=x"), request("/?a=X")),
        ("{query}", "query: { each: \"{name | trim}={value}\" }\n", request("/?a=X"), request("/?a%20=X")),
        ("{query}", "query: { each: \"{name}={value | trim}\" }\n", request("/?a=x"), request("/?a=%20x")),
        ("{query.a | lower}", "", request("/?a=x"), request("/?a=X")),
        ("{body | trim}", "", request("/").with_body("a b"), request("/").with_body("a b ")),
        ("{body | squeeze | sha256 | hex}", "", request("/").with_body("a b"), request("/").with_body("a  b")),
        ("{body | lower | sha256 | hex}", "", request("/").with_body("a"), request("/").with_body("A")),
        ("{header.X-Id | lower}", "", request("/").with_header("X-Id", "a"), request("/").with_header("X-Id", "A")),
        ("{header.X-Id | without p-}", "", request("/").with_header("X-Id", "p-a"), request("/").with_header("X-Id", "a")),
        ("{header.X-Id | from-hex}", "", request("/").with_header("X-Id", "0a"), request("/").with_header("X-Id", "0A")),
        ("{short | upper}", "let: { short: \"{path}\" }\n", request("/V"), request("/v")),
        // Digits of triplets have no case in a path, and a value has no triplets.
        ("{path | lower}", "", request("/v1/%2F"), request("/v1/xAB")),
        ("{path | lower}", "", request("/v1/a%2Fb"), request("/v1/%2FAB")),
        ("{header.X-Id | lower}", "", request("/").with_header("X-Id", "%2f"), request("/").with_header("X-Id", "%2F")),
        ("{path | drop /%41}", "", request("/"), request("/%41")),
    ];
    for (text, more, plain, lossy) in all {
        let dialect = dialect(text, more);
        assert_eq!(outcome(&dialect, plain), Ok(()), "{text} {more}");
        assert_eq!(outcome(&dialect, lossy), ambiguous, "{text} {more}");
        assert!(dialect.rules_out(Reason::AmbiguousRequest).is_none());
    }
    // Names that the dialect itself writes, and the id of a key, are no choice of anybody.
    let own = Dialect::from_yaml(
        "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{query | lower}\"\nalgorithm: hmac-sha256\n\
         carry: { query: { apiKey: \"{key_id}\", Sig: \"{signature}\", T: \"{time}\" } }\ntime: { format: unix }\n",
    );
    let (own, credential) = (own.expect("a dialect"), Credential::hmac("Key-1", "secret"));
    for (target, expected) in [("/?a=x", Ok(())), ("/?a=X", ambiguous)] {
        let signed = own.sign(request(target), &credential, &SignOptions::new(now())).expect("signable").into_message().into_request();
        let verified = own.verify(&signed.expect("a request"), &Inputs::new(), &[&credential], now(), &Policy::default());
        assert_eq!(verified.map(drop).map_err(|refusal| refusal.reason()), expected, "{target}");
    }
    let method = dialect("{method | lower}", "");
    assert_eq!(outcome(&method, request("/")), Ok(()));
    assert_eq!(outcome(&method, Request::new("post", "/").with_header("Host", "h")), ambiguous);
    let nonce = dialect("{nonce | lower}", "");
    let signed = nonce.sign(request("/"), &key(), &SignOptions::new(now()).with_nonce("N")).expect("signable");
    let signed = signed.into_message().into_request().expect("a request");
    assert_eq!(verify(&nonce, &signed, &Policy::default()).expect_err("ambiguous").reason(), Reason::AmbiguousRequest);
}

#[test]
fn what_clients_send_in_two_ways_is_told_and_what_means_nothing_is_not() {
    for (text, more) in [
        ("{header.Content-Type | media-type}", ""),
        ("{header.Content-Type | lower}", ""),
        ("{query}", "query: { each: \"{name | lower}={value}\" }\n"),
        ("{headers}", "headers: { sign: [x-a], each: \"{name}:{value | lower}\" }\n"),
        ("{headers | lower}", "headers: { sign: [x-a] }\n"),
        ("{header.Content-Length | drop 1}", ""),
        ("{header.X-A | drop 0}", ""),
    ] {
        assert!(told(&dialect(text, more)).iter().any(|told| told.contains("gives different values one text")), "{text}");
    }
    for (text, more) in [
        ("{host | lower}\\n{scheme | upper}\\n{authority | trim}", ""),
        ("{header.X-A | trim}", ""),
        ("{header.X-A | squeeze}", ""),
        ("{header.Content-Length | drop 0}", ""),
        ("{headers}", "headers: { sign: [x-a], each: \"{name | lower}:{value | squeeze}\" }\n"),
        ("{body | sha256 | hex | upper}", ""),
        ("{short | upper}", "let: { short: \"{body | md5 | hex}\" }\n"),
    ] {
        let dialect = dialect(text, more);
        assert!(told(&dialect).is_empty(), "{text}: {:?}", dialect.hazards());
        assert_eq!(outcome(&dialect, request("/").with_header("X-A", "A  b").with_body("A")), Ok(()), "{text}");
    }
}

#[test]
fn what_no_guard_can_look_for_is_refused() {
    for (text, more) in [
        ("{text | lower}", "let: { text: \"{path}?{query}\" }\n"),
        ("{query | decode}", ""),
        ("{headers | trim}", "headers: { sign: [x-a] }\n"),
        ("{scheme}s{nonce}", ""),
        ("{scheme | without h}", ""),
        ("{port | without 8}", ""),
        ("{hostname | without a}", ""),
        ("{authority | without a}", ""),
        ("{path | hex}a{header.X-A}", ""),
    ] {
        let error = load(text, more).expect_err(text);
        assert!(error.fault().contains('{') && error.fault().contains("look"), "{text}: {error}");
    }
}

#[test]
fn a_guard_sees_a_parameter_and_a_field() {
    let query = dialect("{query.foo}\\n{query.bar}", "");
    assert_eq!(outcome(&query, request("/?foo=a&bar=b")), Ok(()));
    assert_eq!(outcome(&query, request("/?foo=a%0Ab&bar=b")), Err(Reason::AmbiguousRequest));
    assert_eq!(outcome(&query, request("/?foo=a&bar=b%0A")), Ok(()));
    let form = dialect("{form.foo}\\n{form.bar}", "waive: [body]\n");
    let filled = |body: &str| Request::new("POST", "/").with_header("Host", "h").with_header("Content-Type", FORM).with_body(body);
    assert_eq!(outcome(&form, filled("foo=a&bar=b")), Ok(()));
    assert_eq!(outcome(&form, filled("foo=a%0Ab&bar=b")), Err(Reason::AmbiguousRequest));
    for text in
        ["{body | hex}\\n{header.X-A}", "{body | base64}\\n{header.X-A}", "{body | base64url}.{header.X-A}", "{query.a | hex}\\n{body}"]
    {
        let dialect = dialect(text, "");
        assert!(!dialect.is_unsafe() && told(&dialect).is_empty(), "{text}: {:?}", dialect.hazards());
        assert_eq!(outcome(&dialect, request("/?a=x").with_body("b\n").with_header("X-A", "1")), Ok(()), "{text}");
    }
    // What a filter makes is what is looked at.
    let decoded = dialect("{header.X-A | from-base64}\\n{body}", "");
    assert_eq!(outcome(&decoded, request("/").with_header("X-A", "YQ==").with_body("b")), Ok(()));
    assert_eq!(outcome(&decoded, request("/").with_header("X-A", "YQpi").with_body("b")), Err(Reason::AmbiguousRequest));
}

#[test]
fn a_list_of_some_items_does_not_sign_the_whole() {
    let error = load("{query}", "query: { only: [id, amount] }\n").expect_err("never signed whole");
    assert_eq!((error.path(), error.mend()), ("query.only", "sign all of it, or say waive: [query]"));
    assert!(load("{params}", "params: { only: [id] }\nwaive: [query]\n").expect_err("the form").mend().contains("waive: [body]"));
    let waived = dialect("{query}", "query: { only: [id, amount] }\nwaive: [query]\n");
    assert_eq!(outcome(&waived, request("/?id=1&other=2")), Ok(()));
    assert_eq!(outcome(&dialect("{query}\\n{target}", "query: { only: [id] }\n"), request("/?id=1")), Ok(()));
}

#[test]
fn a_hazard_names_the_value_as_the_file_does() {
    for (text, name) in [
        ("{header.X-A}{header.X-B}", "{header.X-A}"),
        ("{nonce}{method}", "{nonce}"),
        ("{query}x{path}", "{query}"),
        ("{body}{header.X-B}", "{body}"),
    ] {
        let dialect = dialect(text, "query: { each: \"{name}={value}\" }\n".repeat(usize::from(text.contains("query"))).as_str());
        let told = dialect.hazards().iter().find_map(|h| if let Hazard::RunTogether(pieces) = h { Some(pieces.clone()) } else { None });
        match told {
            Some(told) => assert_eq!(told, format!("{name} and what follows it")),
            None => assert!(name == "{query}", "{text}: {:?}", dialect.hazards()),
        }
    }
}

/// A dialect whose claims ride in the body.
fn in_body(place: &str, text: &str, carry: &str) -> Dialect {
    let yaml = format!(
        "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{text}\"\nalgorithm: hmac-sha256\ncarry: {{ {place}: {{ t: \"{{time}}\", s: \"{{signature}}\" }}{carry} }}\n\
         time: {{ format: unix }}\n"
    );
    Dialect::from_yaml(&yaml).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_length_that_was_there_is_that_of_the_signed_body() {
    let typed = |kind: &str, body: &str| {
        let request = Request::new("POST", "/").with_header("Host", "h").with_header("Content-Type", kind).with_body(body);
        request.with_header("Content-Length", body.len().to_string()).with_header("content-length", body.len().to_string())
    };
    let all = [
        (in_body("json", "{body_without_signature}", ""), typed("application/json", "{\"a\":1}")),
        (in_body("form", "{form}", ""), typed(FORM, "a=1")),
        (in_body("params", "{params}", ""), typed(FORM, "a=1")),
        (in_body("body", "{body_without_signature}", ""), typed(FORM, "a=1")),
    ];
    for (dialect, request) in all {
        let signed = sign(&dialect, request.clone());
        assert!(signed.body.len() > request.body.len());
        let lengths: Vec<_> = signed.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).collect();
        assert_eq!(lengths.len(), 2);
        assert!(lengths.iter().all(|(_, value)| *value == signed.body.len().to_string().into_bytes()), "{lengths:?}");
        verify(&dialect, &signed, &Policy::default()).expect("accepted");
        // None is added.
        let mut bare = request;
        bare.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
        assert!(sign(&dialect, bare).headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("content-length")));
    }
}

#[test]
fn a_length_that_is_signed_is_the_one_that_is_sent() {
    let dialect = in_body("json", "{header.Content-Length}\\n{body_without_signature}", "");
    let request = Request::new("POST", "/").with_header("Host", "h").with_header("Content-Type", "application/json").with_body("{\"a\":1}");
    let signed = sign(&dialect, request.with_header("Content-Length", "7"));
    verify(&dialect, &signed, &Policy::default()).expect("accepted");
    let length = signed.headers.iter().find(|(name, _)| name == "Content-Length").expect("there");
    assert_eq!(length.1, signed.body.len().to_string().into_bytes());
}

#[test]
fn names_of_hosts_have_no_case_and_a_body_of_another_kind_has_no_fields() {
    let host = |text: &str| outcome(&dialect(text, ""), Request::new("GET", "/").with_header("Host", "API.example.com"));
    assert_eq!((host("{header.Host | lower}"), host("{host | lower}")), (Ok(()), Ok(())));
    let form = dialect("{form.foo}\\n{form.bar}", "waive: [body]\n");
    assert_eq!(outcome(&form, request("/").with_body("foo=a%0Ab&bar=b")), Ok(()));
    let without = |text: &str, value: &str| {
        let dialect = in_body("json", &format!("{{{text}}}"), "");
        let typed = Request::new("POST", "/").with_header("Host", "h").with_header("Content-Type", "application/json");
        let policy = Policy { waive: vec![Part::Method, Part::Path, Part::Query], ..Policy::default() };
        let signed = sign(&dialect, typed.with_body(format!("{{\"a\":\"{value}\"}}")));
        verify(&dialect, &signed, &policy).map(drop).map_err(|refusal| refusal.reason())
    };
    assert_eq!(without("body_without_signature | squeeze", "x y"), Ok(()));
    assert_eq!(without("body_without_signature | squeeze", "x  y"), Err(Reason::AmbiguousRequest));
}

#[test]
fn an_input_that_the_message_says_is_whatever_was_sent() {
    let of = |carry: &str, value: &str| {
        let dialect = Dialect::from_yaml(&format!(
            "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{{time}}\\n{{region | lower}}\"\nalgorithm: hmac-sha256\ninputs: [region]\n\
             carry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\"{carry} }} }}\ntime: {{ format: unix }}\nwaive: [method, path, query, body]\n"
        ));
        let dialect = dialect.expect("a dialect");
        let options = SignOptions::new(now()).with_input("region", value);
        let signed = dialect.sign(request("/"), &key(), &options).expect("signable").into_message().into_request().expect("a request");
        let told = if carry.is_empty() { Inputs::new().with("region", value) } else { Inputs::new() };
        let verdict = dialect.verify(&signed, &told, &[&key()], now(), &Policy::default());
        verdict.map(drop).map_err(|refusal| refusal.reason())
    };
    assert_eq!((of("", "eu"), of("", "EU")), (Ok(()), Ok(())));
    assert_eq!((of(", R: \"{region}\"", "eu"), of(", R: \"{region}\"", "EU")), (Ok(()), Err(Reason::AmbiguousRequest)));
}

#[test]
fn a_length_is_written_only_where_it_stays() {
    // The form grows by the parameters that are put into it.
    let params = in_body("params", "{header.Content-Length}\\n{params}", "");
    let form = Request::new("POST", "/").with_header("Host", "h").with_header("Content-Type", FORM).with_body("a=1");
    let signed = sign(&params, form);
    assert!(signed.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("content-length")));
    verify(&params, &signed, &Policy::default()).expect("accepted");
}
