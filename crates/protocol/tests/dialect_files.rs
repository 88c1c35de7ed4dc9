//! Dialect files that make no sense: each is refused with the place, the fault and the mend.

use countersign_protocol::{
    Algorithm, Credential, Dialect, Dialects, DigestAlgorithm, Inputs, LoadError, Part, Policy, Reason, Request, SignOptions, Timestamp,
};

const HEAD: &str = "countersign: 1\ndialect: a\ntitle: t\n";
const SIGNED: &str = "string_to_sign: \"{time}{method}\"\n";
const OK: &str = "algorithm: hmac-sha256\ncarry: { header: { S: \"{signature}\", T: \"{time}\" } }\ntime: { format: unix, window: 5m }\n";

fn fault(body: &str) -> (String, String) {
    let error = Dialect::from_yaml(&format!("{HEAD}{body}")).expect_err(body);
    assert!(!error.mend().is_empty(), "{error}");
    (error.path().to_owned(), error.fault().to_owned())
}

#[track_caller]
fn refused(body: &str, path: &str, wanted: &str) {
    let (at, fault) = fault(body);
    assert_eq!((at.as_str(), fault.as_str()), (path, wanted), "{body}");
}

#[test]
fn the_plain_file_is_accepted() {
    Dialect::from_yaml(&format!("{HEAD}{SIGNED}{OK}")).expect("the base of every other case");
}

#[test]
fn no_weak_algorithm_is_the_default_where_a_stronger_is_known() {
    let is_weak = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Hmac(DigestAlgorithm::Md5 | DigestAlgorithm::Sha1));
    for dialect in Dialects::builtin().expect("built-in dialects make sense").iter() {
        let algorithms = dialect.algorithms();
        let of_secrets = || algorithms.iter().filter(|algorithm| matches!(algorithm, Algorithm::Hmac(_)));
        let stronger = of_secrets().any(|algorithm| !is_weak(algorithm));
        assert!(!stronger || !of_secrets().next().is_some_and(is_weak), "{}: {algorithms:?}", dialect.id());
    }
}

#[test]
fn keys_and_kinds() {
    refused(&format!("{SIGNED}{OK}cary: 1\n"), "cary", "no such key");
    refused(&format!("{SIGNED}{OK}headers: {{ joni: x }}\n"), "headers.joni", "no such key");
    refused(&format!("string_to_sign: 7\n{OK}"), "string_to_sign", "a number where a text belongs");
    refused(&format!("string_to_sign: [a]\n{OK}"), "string_to_sign", "a list where a text belongs");
    let error = Dialect::from_yaml("dialect: a\ntitle: t\n").unwrap_err();
    assert_eq!((error.path(), error.mend()), ("countersign", "begin the file with countersign: 1"));
    let error = Dialect::from_yaml("countersign: 2\ndialect: a\ntitle: t\n").unwrap_err();
    assert_eq!(error.fault(), "version 2 of the language is not known");
    let error = Dialect::from_yaml(&format!("{HEAD}{SIGNED}{OK}cary: 1\n")).unwrap_err();
    assert_eq!(error.to_string(), "cary: no such key; did you mean carry?");
    assert!(Dialect::from_yaml("a: [").unwrap_err().fault().starts_with("no YAML"));
    assert!(Dialect::from_yaml(&format!("{HEAD}dialect: b\n")).is_err(), "a key twice");
    assert!(Dialect::from_yaml(&format!("{HEAD}note: \"{}\"", "x".repeat(70_000))).unwrap_err().fault().contains("bytes"));
}

#[test]
fn names_and_filters() {
    refused(&format!("string_to_sign: \"{{bodi}}{{time}}\"\n{OK}"), "string_to_sign", "nothing is called bodi");
    refused(&format!("string_to_sign: \"{{body | sha3}}{{time}}\"\n{OK}"), "string_to_sign", "no filter 'sha3'");
    refused(&format!("string_to_sign: \"{{body | unix}}{{time}}\"\n{OK}"), "string_to_sign", "a time format on something that is no time");
    refused(&format!("string_to_sign: \"[{{body}}{{time}}\"\n{OK}"), "string_to_sign", "a [ without its ]");
    refused(&format!("inputs: [method]\n{SIGNED}{OK}"), "inputs", "the name method is taken");
    refused(&format!("inputs: [a-b]\n{SIGNED}{OK}"), "inputs", "'a-b' is no name");
    refused(&format!("string_to_sign: \"{{signature}}{{time}}\"\n{OK}"), "string_to_sign", "a signature cannot sign itself");
}

#[test]
fn lets() {
    refused(
        &format!("let: {{ a: \"{{b}}\", b: \"{{a}}\" }}\nstring_to_sign: \"{{a}}{{time}}\"\n{OK}"),
        "let.a",
        "refers to itself through a -> b -> a",
    );
    refused(&format!("let: {{ a: \"{{body}}\" }}\n{SIGNED}{OK}"), "let.a", "a is described, but nothing uses it");
    refused(&format!("inputs: [region]\n{SIGNED}{OK}"), "inputs", "region is described, but nothing uses it");
    refused(&format!("{SIGNED}{OK}headers: {{ sign: [host] }}\n"), "headers", "headers is described, but nothing uses it");
}

#[test]
fn what_is_carried_rides_in_a_header_that_there_can_be() {
    for name in ["X}}-A", "X A", "", "X:"] {
        let carried = format!("carry: {{ header: {{ S: \"{{signature}}\", T: \"{{time}}\", \"{name}\": \"1\" }} }}");
        let body = format!("{SIGNED}algorithm: hmac-sha256\n{carried}\ntime: {{ format: unix, window: 5m }}\n");
        refused(&body, &format!("carry.header.{name}"), "no header can have this name");
    }
}

#[test]
fn what_is_carried() {
    let carry = |carry: &str| format!("{SIGNED}algorithm: hmac-sha256\ncarry: {carry}\ntime: {{ format: unix }}\n");
    refused(&carry("{ header: { T: \"{time}\" } }"), "carry", "nothing carries {signature}");
    refused(
        &carry("{ header: { S: \"{time}{signature}\" } }"),
        "carry.header.S",
        "{time}{signature} cannot be read back, nothing parts them",
    );
    refused(&carry("{ cookie: { S: \"{signature}\" } }"), "carry.cookie", "'cookie' is no place");
    refused(
        &carry("{ header: { S: \"{signature | lower}\", T: \"{time}\" } }"),
        "carry.header.S",
        "the filters of {signature} cannot be undone on reading",
    );
    refused(&carry("{ header: { S: \"X a={signature}, b, c={time}\" } }"), "carry.header.S", "'b' stands between name=value pairs");
    refused(
        &carry("{ header: { S: \"X a={signature}, b={time}; c={nonce}\" } }"),
        "carry.header.S",
        "more than one kind of separator between pairs",
    );
    refused(&carry("{ header: { S: \"{signature}\", T: \"{time}\", s: \"x\" } }"), "carry.header.s", "described twice");
    refused(
        &carry("{ header: { S: \"{signature}\", T: \"{time}\", K: \"{secret}\" } }"),
        "carry.header.K",
        "the secret would be sent beside a signature",
    );
    refused(&carry("{ header: { S: \"{signature}\", T: \"{time}\", N: \"{nonce}\" } }"), "nonce", "carried, but nothing signs it");
    let span = "string_to_sign: \"{method}{expires}\"\nalgorithm: hmac-sha256\ncarry: { header: { S: \"{signature}\", E: \"{expires}\" } }\nexpires: { unit: s, max: 1h }\n";
    refused(span, "expires", "a span without a time from which it counts");
}

#[test]
fn what_is_signed() {
    let signs = |text: &str, rest: &str| format!("string_to_sign: \"{text}\"\n{rest}");
    refused(&signs("{body}", OK), "time", "carried, but nothing signs it");
    refused(
        &signs("{body}", "algorithm: md5\ncarry: { header: { S: \"{signature}\" } }\n"),
        "algorithm",
        "the plain digest md5 signs nothing without {secret} in the string to sign",
    );
    refused(
        &signs("{body}", "algorithm: hmac-sha256\ncarry: { params: { S: \"{signature}\" } }\n"),
        "carry.params.S",
        "a signature inside the body cannot sign {body}",
    );
    refused(
        &signs("{time}", "algorithm: hmac-sha256\ncarry: { header: { S: \"{signature}\", T: \"{time}\" } }\n"),
        "time",
        "carried, but its format is not said",
    );
    refused(
        &signs("{time}", "algorithm: hmac-sha257\ncarry: { header: { S: \"{signature}\", T: \"{time}\" } }\ntime: { format: unix }\n"),
        "algorithm",
        "'hmac-sha257' is no algorithm",
    );
    refused(&signs("{time}", &format!("{OK}key: \"fixed\"\n")), "key", "a key without {secret}");
    let digest = "body_digest: \"{body | md5 | hex}\"\nalgorithm: hmac-sha256\ncarry: { header: { S: \"{signature}\", T: \"{time}\", M: \"{body_digest}\" } }\ntime: { format: unix }\n";
    refused(&signs("{time}", digest), "body_digest", "carried, but nothing signs it: whoever changes the body changes it too");
    refused(
        &signs("{time}{headers}", &format!("{OK}headers: {{ each: \"{{name}}{{value}}{{secret}}\" }}\n")),
        "headers.each",
        "{secret} is no part of an item",
    );
    refused(
        &signs("{time}{secret}", &format!("{OK}diagnostics: {{ header: D, text: \"{{string_to_sign}}\" }}\n")),
        "diagnostics",
        "the string to sign holds the secret",
    );
}

#[test]
fn numbers_and_words() {
    let time = |time: &str| {
        format!("{SIGNED}algorithm: hmac-sha256\ncarry: {{ header: {{ S: \"{{signature}}\", T: \"{{time}}\" }} }}\ntime: {time}\n")
    };
    refused(
        &time("{ format: rfc1123 }"),
        "time.format",
        "'rfc1123' is no time format: unix, unix-ms, http-date, or a pattern with YYYY, MM and DD",
    );
    refused(&time("{ format: YYYY-MM-DD }"), "time.format", "'YYYY-MM-DD' does not reach to the second");
    refused(&time("{ format: unix, window: 5 }"), "time.window", "a number where a map belongs");
    refused(&time("{ format: unix, window: 5x }"), "time.window.past", "'5x' is no span of time");
    refused(&format!("{SIGNED}{OK}replay: sometimes\n"), "replay", "'sometimes' is no replay rule");
    refused(&format!("{SIGNED}{OK}replay: nonce\n"), "replay", "nonce needs a nonce that is carried");
    refused(&format!("{SIGNED}{OK}require: [cookie]\n"), "require", "'cookie' is no part");
    refused(&format!("{SIGNED}{OK}signature: base32\n"), "signature", "'base32' is no encoding");
}

#[test]
fn ids_are_not_shadowed_unasked() {
    let mut dialects = Dialects::builtin().expect("built-in dialects make sense");
    let file = |extra: &str| format!("countersign: 1\ndialect: aws-sigv4\ntitle: t\n{extra}{SIGNED}{OK}");
    let taken: LoadError = dialects.add_yaml("aws-sigv4", &file("")).unwrap_err();
    assert_eq!((taken.fault(), taken.mend()), ("the id aws-sigv4 is taken", "choose another id, or say replaces: aws-sigv4"));
    assert!(dialects.add_yaml("aws-sigv4", &file("replaces: x-ca\n")).is_err());
    assert!(dialects.add_yaml("another-name", &file("replaces: aws-sigv4\n")).is_err(), "stem and id differ");
    dialects.add_yaml("aws-sigv4", &file("replaces: aws-sigv4\n")).expect("asked for");
    assert_eq!(dialects.get("aws-sigv4").map(Dialect::title), Some("t"));
}

#[test]
fn an_entry_with_quotes_within_a_value_is_read_as_it_is_written() {
    let body = "let: { p: '(\"a\" \"b\");created={time};keyid=\"{key_id}\"' }\nstring_to_sign: \"{method}{target} {p}\"\nalgorithm: hmac-sha256\n\
                carry: { header: { Input: \"sig={p}\", Sig: \"sig=:{signature}:\" } }\ntime: { format: unix, window: 5m }\n";
    let dialect = Dialect::from_yaml(&format!("{HEAD}{body}")).expect("it is a text");
    let (key, now) = (Credential::hmac("k", "a secret"), Timestamp::from_seconds(1_767_225_600).expect("a time"));
    let signed = dialect.sign(Request::new("GET", "/").with_header("Host", "h"), &key, &SignOptions::new(now)).expect("signed");
    let mut request = signed.into_message().into_request().expect("a request");
    let verify = |request: &Request| dialect.verify(request, &Inputs::new(), &[&key], now, &Policy::default());
    assert_eq!(verify(&request).expect("it is what was signed").verified().key_id(), "k");
    let input = request.headers.iter_mut().find(|line| line.0 == "Input").expect("carried");
    input.1 = b"sig=(\"a\");created=1767225600;keyid=\"k\"".to_vec();
    assert!(verify(&request).is_err(), "its literals are part of it");
}

/// A dialect of small texts, its key, and the verdict on a request that it signed.
fn verdict(body: &str, request: Request) -> Result<(), Reason> {
    let dialect = Dialect::from_yaml(&format!("{HEAD}{body}")).expect(body);
    let (key, now) = (Credential::hmac("k", "a secret"), Timestamp::from_seconds(1_767_225_600).expect("a time"));
    let signed = dialect.sign(request, &key, &SignOptions::new(now)).expect("signed");
    let request = signed.into_message().into_request().expect("a request");
    dialect.verify(&request, &Inputs::new(), &[&key], now, &Policy::default()).map(drop).map_err(|refusal| refusal.reason())
}

#[test]
fn a_path_whose_filters_make_one_of_two_is_ambiguous() {
    let judged = |filters: &str, target: &str| {
        verdict(&format!("string_to_sign: \"{{time}}\\n{{method}}\\n{{path{filters}}}\"\n{OK}"), Request::new("GET", target))
    };
    let (plain, decoded, closed) = ("", " | decode | percent-path", " | closing-slash");
    for (filters, target, expected) in [
        (plain, "/a%2Fb", Ok(())),
        (decoded, "/a/%62", Ok(())),
        (decoded, "/a%2Fb", Err(Reason::AmbiguousRequest)),
        (decoded, "/a%2fb", Err(Reason::AmbiguousRequest)),
        (plain, "/a/", Ok(())),
        (closed, "/a", Ok(())),
        (closed, "/", Ok(())),
        (closed, "/a/", Err(Reason::AmbiguousRequest)),
        // What stands before the slash is added decides whether there is one.
        (" | normalize | closing-slash", "/a/.", Err(Reason::AmbiguousRequest)),
    ] {
        assert_eq!(judged(filters, target), expected, "{filters} {target}");
    }
}

#[test]
fn items_of_two_sources_that_nothing_parts_are_ambiguous() {
    const LIST: &str = "string_to_sign: \"{params}\"\nalgorithm: hmac-sha256\ntime: { format: unix, window: 5m }\n\
                        carry: { params: { time: \"{time}\", sig: \"{signature}\" } }\n";
    let judged = |keys: &str, query: &str, form: &str| {
        let body = format!("{LIST}params: {{ each: \"{{name}}={{value}}\", decode: none{keys} }}\n");
        let request = Request::new("POST", format!("/?{query}")).with_header("Content-Type", "application/x-www-form-urlencoded");
        verdict(&body, request.with_body(form))
    };
    let apart = ", order: as-is, between: \"\"";
    assert_eq!(judged(apart, "a=1&b=2", ""), Ok(()));
    assert_eq!(judged(apart, "", "a=1&b=2"), Ok(()));
    assert_eq!(judged(apart, "a=1", "b=2"), Err(Reason::AmbiguousRequest));
    // Joined as all items are, what stands in two places can be told apart.
    assert_eq!(judged(", order: as-is", "a=1", "b=2"), Ok(()));
    assert_eq!(judged(", order: as-is, between: \"&\"", "a=1", "b=2"), Ok(()));
    let refused_list = |keys: &str| {
        refused(&format!("{LIST}params: {{ {keys} }}\n"), "params.between", "nothing stands between two sources whose items are mixed");
    };
    refused_list("between: \"\"");
    refused_list("between: \"\", order: as-is, from: [form]");
    refused_list("between: \"\", order: as-is, repeated: { join: \",\" }");
}

#[test]
fn an_input_that_the_message_says_must_be_signed_or_pinned() {
    let body = |text: &str| {
        format!(
            "{HEAD}inputs: [who]\nstring_to_sign: \"{text}\"\nalgorithm: hmac-sha256\n\
             carry: {{ header: {{ S: \"{{signature}}\", T: \"{{time}}\", W: \"{{who}}\" }} }}\ntime: {{ format: unix, window: 5m }}\n"
        )
    };
    let (key, now) = (Credential::hmac("k", "a secret"), Timestamp::from_seconds(1_767_225_600).expect("a time"));
    let who = Inputs::new().with("who", "me");
    let waived = Policy { waive: vec![Part::parse("input.who").expect("a part")], ..Policy::default() };
    let unsigned = Err(Reason::RequiredPartUnsigned);
    for (text, told, policy, expected) in [
        ("{time}", &Inputs::new(), Policy::default(), unsigned),
        ("{time}", &who, Policy::default(), Ok(())),
        ("{time}", &Inputs::new(), waived, Ok(())),
        ("{time}\\n{who}", &Inputs::new(), Policy::default(), Ok(())),
    ] {
        let dialect = Dialect::from_yaml(&body(text)).expect(text);
        let options = SignOptions::new(now).with_input("who", "me");
        let signed = dialect.sign(Request::new("GET", "/"), &key, &options).expect("signed");
        let request = signed.into_message().into_request().expect("a request");
        let verdict = dialect.verify(&request, told, &[&key], now, &policy);
        assert_eq!(verdict.map(drop).map_err(|refusal| refusal.reason()), expected, "{text}");
    }
}

#[test]
fn a_claim_that_stands_in_the_query_is_written_there_beside_a_form_too() {
    let body = "string_to_sign: \"{params}\"\nparams: { decode: form }\nalgorithm: hmac-sha256\n\
                carry: { params: { time: \"{time}\", sig: \"{signature}\" } }\ntime: { format: \"YYYY-MM-DD hh:mm:ss\", window: 5m }\n";
    let dialect = Dialect::from_yaml(&format!("{HEAD}{body}")).expect(body);
    let (key, now) = (Credential::hmac("k", "a secret"), Timestamp::from_seconds(1_767_225_600).expect("a time"));
    let form =
        |target: &str| Request::new("POST", target).with_header("Content-Type", "application/x-www-form-urlencoded").with_body("a=1");
    let sign = |request: Request| {
        let signed = dialect.sign(request, &key, &SignOptions::new(now)).expect("signed");
        signed.into_message().into_request().expect("a request")
    };
    let holds = |bytes: &[u8], text: &str| std::str::from_utf8(bytes).expect("text").contains(text);
    // A blank is a plus sign there, as in the list, and what says the same already stays as it is spelled.
    let there = sign(form("/?time=2026-01-01+00%3A00:00&sig="));
    assert!(holds(&there.target, "/?time=2026-01-01+00%3A00:00&sig=") && there.body == b"a=1", "{there:?}");
    let nowhere = sign(form("/"));
    assert!(nowhere.target == b"/" && holds(&nowhere.body, "a=1&time=2026-01-01%2000%3A00%3A00&sig="), "{nowhere:?}");
    let another = sign(form("/?time=2025-12-31+23:00:00"));
    assert!(another.target == b"/?time=2026-01-01%2000%3A00%3A00" && holds(&another.body, "a=1&sig="), "{another:?}");
    for request in [there, nowhere, another] {
        dialect.verify(&request, &Inputs::new(), &[&key], now, &Policy::default()).expect("what was signed verifies");
    }
}
