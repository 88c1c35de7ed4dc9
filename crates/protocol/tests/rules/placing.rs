//! Where a signer writes what is carried: beside what is there, in place of what was there, and nowhere that could not be read back.

use countersign_protocol::{Dialect, Inputs, Policy, Reason, Request, SignError, SignOptions};

use crate::{key, now, sign};

const FORM: &str = "application/x-www-form-urlencoded";

/// Signs the time only, so that what is signed does not move with what is placed.
fn dialect(carry: &str) -> Dialect {
    crate::dialect(&format!("string_to_sign: \"{{time}}\"\ncarry: {carry}\nwaive: [method, path, query, body]\n"))
}

fn post(target: &str, kind: &str, body: &str) -> Request {
    Request::new("POST", target).with_header("Host", "h").with_header("Content-Type", kind).with_body(body)
}

/// The tag under which every request here is signed, so that it can be told from the rest.
fn tag() -> String {
    let dialect = dialect("{ header: { T: \"{time}\", S: \"{signature}\" } }");
    let request = sign(&dialect, Request::new("GET", "/"), &SignOptions::new(now()));
    String::from_utf8(request.headers[1].1.clone()).expect("text")
}

/// Target and body as they are signed, the tag written as `TAG`; verified on the way.
fn placed(carry: &str, request: Request) -> Result<(String, String), SignError> {
    let dialect = dialect(carry);
    let request = dialect.sign(request, &key(), &SignOptions::new(now()))?.into_message().into_request().expect("a request");
    let verdict = dialect.verify(&request, &Inputs::new(), &[&key()], now(), &Policy::default());
    assert!(verdict.as_ref().map_or_else(|r| r.reason() == Reason::AmbiguousRequest, |_| true), "{carry}: {verdict:?}");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text").replace(&tag(), "TAG");
    Ok((text(&request.target), text(&request.body)))
}

#[test]
fn a_header_is_replaced_where_it_stands_and_its_other_lines_go() {
    let dialect = dialect("{ header: { T: \"{time}\", S: \"{signature}\" } }");
    let before = ["A", "s", "B", "S", "C", "S", "T"];
    let request = before.iter().fold(Request::new("GET", "/"), |request, name| request.with_header(*name, "old"));
    let signed =
        dialect.sign(request, &key(), &SignOptions::new(now())).expect("signable").into_message().into_request().expect("a request");
    let lines: Vec<(&str, String)> =
        signed.headers.iter().map(|(n, v)| (n.as_str(), String::from_utf8_lossy(v).replace(&tag(), "TAG"))).collect();
    let expected = [("A", "old"), ("s", "TAG"), ("B", "old"), ("C", "old"), ("T", "1767323045")];
    assert_eq!(lines, expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn parameters_are_replaced_where_they_stand_and_added_at_the_end() {
    let query = "{ query: { t: \"{time}\", s: \"{signature}\" } }";
    for (target, expected) in [
        ("/", "/?t=1767323045&s=TAG"),
        ("/?", "/?t=1767323045&s=TAG"),
        ("/p?a=1&b", "/p?a=1&b&t=1767323045&s=TAG"),
        ("/p?s=0&a=1&t=0", "/p?s=TAG&a=1&t=1767323045"),
        ("/p?s=0&a=1&s=2&t", "/p?s=TAG&a=1&t=1767323045"),
        ("/p?a=?&%73=0", "/p?a=?&s=TAG&t=1767323045"),
        ("/p?t=17673%3230%345&ss=1", "/p?t=17673%3230%345&ss=1&s=TAG"),
    ] {
        assert_eq!(placed(query, post(target, FORM, "x=1")).expect(target), (expected.to_owned(), "x=1".to_owned()), "{target}");
    }
    let form = "{ form: { t: \"{time}\", s: \"{signature}\" } }";
    for (body, expected) in [("", "t=1767323045&s=TAG"), ("a=1", "a=1&t=1767323045&s=TAG"), ("s&a=1", "s=TAG&a=1&t=1767323045")] {
        assert_eq!(placed(form, post("/?s=1", FORM, body)).expect(body), ("/?s=1".to_owned(), expected.to_owned()), "{body}");
    }
    let refused = placed(form, post("/", "text/plain", "a=1")).expect_err("no form");
    assert!(refused.to_string().contains("the content type is no form"), "{refused}");
}

#[test]
fn params_ride_in_the_form_if_there_is_one_and_they_are_not_in_the_query() {
    let params = "{ params: { t: \"{time}\", s: \"{signature}\" } }";
    for (target, kind, body, expected) in [
        ("/?a=1", FORM, "", ("/?a=1&t=1767323045&s=TAG", "")),
        ("/?a=1", FORM, "b=2", ("/?a=1", "b=2&t=1767323045&s=TAG")),
        ("/?s=0&t=0", FORM, "b=2", ("/?s=TAG&t=1767323045", "b=2")),
        ("/?%73=0", FORM, "b=2", ("/?s=TAG", "b=2&t=1767323045")),
        ("/", "application/json", "{}", ("/?t=1767323045&s=TAG", "{}")),
    ] {
        let (target_after, body_after) = placed(params, post(target, kind, body)).expect(target);
        assert_eq!((target_after.as_str(), body_after.as_str()), expected, "{target} {body}");
    }
}

#[test]
fn a_body_changes_in_the_value_alone() {
    let body = "{ header: { T: \"{time}\" }, body: { s: \"{signature}\" } }";
    let json = "application/json";
    for (kind, before, after) in [
        (FORM, "", "s=TAG"),
        (FORM, "a=1", "a=1&s=TAG"),
        (FORM, "s=0&a=1", "s=TAG&a=1"),
        (FORM, "a=1&s=", "a=1&s=TAG"),
        (FORM, "a=1&s", "a=1&s=TAG"),
        (FORM, "s&a=1", "s=TAG&a=1"),
        (FORM, "ss=1&s=0", "ss=1&s=TAG"),
        (json, "{}", "{\"s\":\"TAG\"}"),
        (json, "{ }", "{ \"s\":\"TAG\"}"),
        (json, " {\"a\":[1,{\"b\":\"}\"}] }", " {\"a\":[1,{\"b\":\"}\"}] ,\"s\":\"TAG\"}"),
        (json, "{\"s\" : \"old\" , \"a\":1}", "{\"s\" : \"TAG\" , \"a\":1}"),
        (json, "{\"b\":{\"s\":\"inner\"},\"s\":\"old\"}", "{\"b\":{\"s\":\"inner\"},\"s\":\"TAG\"}"),
        (json, "{\"s\":\"\"}", "{\"s\":\"TAG\"}"),
    ] {
        assert_eq!(placed(body, post("/", kind, before)).expect(before).1, after, "{before}");
    }
    for (kind, before) in [(json, ""), (json, "[]"), (json, "{\"a\":1"), ("text/plain", "a=1")] {
        let refused = placed(body, post("/", kind, before)).expect_err(before);
        assert!(refused.to_string().contains("neither a form nor a JSON object"), "{before}: {refused}");
    }
}

#[test]
fn a_text_that_would_not_be_what_is_read_is_not_written() {
    let dialect = crate::dialect(
        "string_to_sign: \"{time}{nonce}\"\ncarry: { header: { T: \"{time}\", S: \"{signature}\" }, json: { n: \"{nonce}\" } }\n\
         waive: [method, path, query, body]\n",
    );
    let sign =
        |nonce: &str| dialect.sign(post("/", "application/json", "{}"), &key(), &SignOptions::new(now()).with_nonce(nonce)).map(drop);
    assert!(sign("n").is_ok());
    for nonce in ["a\"b", "a\\b"] {
        assert!(sign(nonce).expect_err(nonce).to_string().contains("cannot stand in JSON as it is"), "{nonce}");
    }
    for nonce in [" a", "a ", "a\u{3000} "] {
        assert!(sign(nonce).expect_err(nonce).to_string().contains("begins or ends with a blank"), "{nonce}");
    }
    for nonce in ["a b", "a\u{3000}"] {
        assert!(sign(nonce).is_ok(), "{nonce}");
    }
}

/// What stands where the signature will be is not signed, however its name is spelled.
#[test]
fn a_signature_takes_the_place_of_every_spelling_of_its_name() {
    const SIG: [&str; 5] = ["a=1&sig=&%73ig=0&b", "%73ig=0&a=1", "a=1&s%69g", "sig=1&sig=2&a=1", "a=1"];
    const SPACED: [&str; 5] = ["a=1&s%20g=&%73%20g=0&b", "%73%20g=0&a=1", "a=1&s%20%67", "s%20g=1&s%20g=2&a=1", "a=1"];
    for (list, place) in [("query", "query"), ("form", "form"), ("params", "params")] {
        let names = [("sig", SIG), ("s g", SPACED)];
        for (decode, (name, pairs)) in ["none", "percent", "form"].into_iter().flat_map(|decode| names.map(|name| (decode, name))) {
            let dialect = crate::dialect(&format!(
                "string_to_sign: \"{{time}}\\n{{{list}}}\"\n{list}: {{ decode: {decode} }}\nwaive: [method, path, query, body]\n\
                 carry: {{ header: {{ T: \"{{time}}\" }}, {place}: {{ {name}: \"{{signature}}\" }} }}\n"
            ));
            for request in pairs.into_iter().flat_map(|pairs| [post("/", FORM, pairs), post(&format!("/?{pairs}"), FORM, "x=1")]) {
                let signed = sign(&dialect, request.clone(), &SignOptions::new(now()));
                let verdict =
                    dialect.verify(&signed, &Inputs::new(), &[&key()], now(), &Policy { allow_ambiguous: true, ..Policy::default() });
                assert!(verdict.is_ok(), "{list} {decode}: {request:?} {signed:?}: {verdict:?}");
            }
        }
    }
}

#[test]
fn what_is_no_place_of_the_signature_stays_as_it_is_spelled() {
    let params = "{ params: { t: \"{time}\", s: \"{signature}\" } }";
    let query = "{ query: { t: \"{time}\", s: \"{signature}\" } }";
    for (carry, kind) in [(params, "text/plain"), (query, "text/plain"), (query, FORM)] {
        let (_, body) = placed(carry, post("/?a=1", kind, "a=1&%73=0")).expect(carry);
        assert_eq!(body, "a=1&%73=0", "{carry} {kind}");
    }
    let spaced = "{ query: { t: \"{time}\", \"s g\": \"{signature}\" } }";
    let (target, _) = placed(spaced, post("/?a=1&s%20g=0&b", FORM, "")).expect("placed");
    assert_eq!(target, "/?a=1&s%20g=TAG&b&t=1767323045");
    let (target, _) = placed("{ form: { t: \"{time}\", s: \"{signature}\" } }", post("/?%73=0", FORM, "a=1")).expect("placed");
    assert_eq!(target, "/?%73=0");
}

#[test]
fn more_parameters_than_are_looked_at_are_not_signed() {
    let many = |count: usize| (0..count).map(|i| format!("p{i}")).collect::<Vec<_>>().join("&");
    let query = "{ query: { t: \"{time}\", s: \"{signature}\" } }";
    let form = "{ form: { t: \"{time}\", s: \"{signature}\" } }";
    for (carry, target, body, fine) in [
        (query, many(254), String::new(), true),
        (query, many(255), String::new(), false),
        (query, many(200), many(54), true),
        (query, many(200), many(55), false),
        (form, many(200), many(54), true),
        (form, many(200), many(55), false),
    ] {
        let placed = placed(carry, post(&format!("/?{target}"), FORM, &body)).map(drop).map_err(|error| error.to_string());
        let expected = if fine { Ok(()) } else { Err("the message cannot be signed: more than 256 parameters".to_owned()) };
        assert_eq!(placed, expected, "{carry}");
    }
}

#[test]
fn more_parameters_than_are_looked_at_are_not_sent_with_a_secret() {
    let file = "countersign: 1\ndialect: a\ntitle: t\ncarry: { query: { secret: \"{secret}\" } }\n";
    let dialect = Dialect::from_yaml(file).expect("a dialect");
    let attempt = |count: usize| {
        let target = format!("/?{}", (0..count).map(|i| format!("p{i}")).collect::<Vec<_>>().join("&"));
        dialect
            .sign(Request::new("GET", target).with_header("Host", "h"), &key(), &SignOptions::new(now()))
            .map(drop)
            .map_err(|e| e.to_string())
    };
    assert_eq!(attempt(255), Ok(()));
    assert_eq!(attempt(256), Err("the message cannot be signed: more than 256 parameters".to_owned()));
}

#[test]
fn only_a_path_takes_parameters() {
    let query = "{ query: { t: \"{time}\", s: \"{signature}\" } }";
    let refused = placed(query, Request::new("OPTIONS", "*").with_header("Host", "h")).expect_err("no path");
    assert_eq!(refused.to_string(), "the message cannot be signed: the target `*` takes no parameters");
    assert!(placed(query, Request::new("OPTIONS", "/").with_header("Host", "h")).is_ok());
    assert!(placed("{ header: { T: \"{time}\", S: \"{signature}\" } }", Request::new("OPTIONS", "*").with_header("Host", "h")).is_ok());
}

#[test]
fn what_is_always_carried_and_would_be_empty_is_not_signed() {
    let listed = |list: &str| {
        let file = format!(
            "string_to_sign: \"{{time}}\\n{{headers}}\\n{{signed_headers}}\"\nheaders: {{ sign: [x-a] }}\n\
             carry: {{ header: {{ T: \"{{time}}\", {list} }} }}\nwaive: [method, path, query, body]\n"
        );
        crate::dialect(&file)
    };
    let attempt = |dialect: &Dialect, request: Request| -> Result<(), String> {
        let signed = dialect.sign(request, &key(), &SignOptions::new(now())).map_err(|error| error.to_string())?;
        let request = signed.into_message().into_request().expect("a request");
        dialect
            .verify(&request, &Inputs::new(), &[&key()], now(), &Policy::default())
            .map(drop)
            .map_err(|r| format!("refused: {}", r.detail()))
    };
    for (name, list) in [
        ("L", "L: \"{signed_headers}\", S: \"{signature}\""),
        ("L", "L: \"list {signed_headers}\", S: \"{signature}\""),
        ("SignedHeaders", "Authorization: \"A SignedHeaders={signed_headers}, Signature={signature}\""),
        ("SignedHeaders", "Authorization: \"A SignedHeaders=list:{signed_headers}, Signature={signature}\""),
    ] {
        let (dialect, request) = (listed(list), Request::new("GET", "/").with_header("Host", "h"));
        assert_eq!(attempt(&dialect, request.clone().with_header("X-A", "1")), Ok(()), "{list}");
        let told = format!("the message cannot be signed: there is no value for {name}, which the dialect always carries");
        assert_eq!(attempt(&dialect, request), Err(told), "{list}");
    }
    // A bracket says that it may be left out or empty.
    for list in [
        "L: \"[{signed_headers}]\", S: \"{signature}\"",
        "Authorization: \"A Signature={signature}[, SignedHeaders={signed_headers}]\"",
        "L: \"list/[{signed_headers}]\", S: \"{signature}\"",
    ] {
        assert_eq!(attempt(&listed(list), Request::new("GET", "/").with_header("Host", "h")), Ok(()), "{list}");
    }
}

#[test]
fn what_is_longer_than_it_is_read_is_not_written() {
    let dialect = crate::dialect(
        "inputs: [a]\nstring_to_sign: \"{time}\\n{key_id}\\n{nonce}\\n{a}\"\nwaive: [method, path, query, body]\n\
         carry: { header: { T: \"{time}\", K: \"{key_id}\", N: \"{nonce}\", A: \"a-{a}\", S: \"{signature}\" } }\n",
    );
    let attempt = |id: usize, nonce: usize, input: usize| {
        let key = countersign_protocol::Credential::hmac("k".repeat(id), "secret");
        let options = SignOptions::new(now()).with_nonce("n".repeat(nonce)).with_input("a", "a".repeat(input));
        let signed = dialect.sign(Request::new("GET", "/").with_header("Host", "h"), &key, &options).map_err(|error| error.to_string())?;
        let request = signed.into_message().into_request().expect("a request");
        dialect.verify(&request, &Inputs::new(), &[&key], now(), &Policy::default()).map(drop).map_err(|r| r.detail().to_owned())
    };
    let unsignable = |detail: &str| Err(format!("the message cannot be signed: {detail}"));
    assert_eq!(attempt(128, 128, 8190), Ok(()));
    assert_eq!(attempt(129, 1, 1), unsignable("key_id is longer than 128 bytes"));
    assert_eq!(attempt(1, 129, 1), unsignable("nonce is longer than 128 bytes"));
    assert_eq!(attempt(1, 1, 8191), unsignable("A is longer than 8192 bytes"));
}

/// A list is written as it is read: names of headers, of the file's pseudo headers, each once.
#[test]
fn a_list_of_headers_that_is_not_read_is_not_written() {
    let attempt = |rules: &str, headers: Option<Vec<String>>| -> Result<String, String> {
        let dialect = crate::dialect(&format!(
            "string_to_sign: \"{{time}}\\n{{headers}}\\n{{signed_headers}}\"\nheaders: {{ {rules}, missing: skip }}\n\
             carry: {{ header: {{ T: \"{{time}}\", L: \"{{signed_headers}}\", S: \"{{signature}}\" }} }}\nwaive: [method, path, query, body]\n"
        ));
        let options = SignOptions { headers, ..SignOptions::new(now()) };
        let request = Request::new("GET", "/").with_header("Host", "h").with_header("X-A", "1");
        let signed = dialect.sign(request, &key(), &options).map_err(|error| error.to_string())?;
        let request = signed.into_message().into_request().expect("a request");
        let verdict = dialect.verify(&request, &Inputs::new(), &[&key()], now(), &Policy::default());
        verdict.map_err(|r| format!("refused: {}: {}", r.reason(), r.detail()))?;
        Ok(String::from_utf8(request.headers.iter().find(|(name, _)| name == "L").expect("listed").1.clone()).expect("text"))
    };
    let unsignable = |detail: &str| Err(format!("the message cannot be signed: {detail}"));
    let rules = "sign: [host]";
    let listed = |names: &[&str]| attempt(rules, Some(names.iter().map(|name| (*name).to_owned()).collect()));
    assert_eq!(listed(&["x-a", "host"]), Ok("host;x-a".to_owned()));
    assert_eq!(listed(&["host", "Host"]), unsignable("the header Host is listed twice"));
    assert_eq!(listed(&["host", "x a"]), unsignable("a signed header's name is no name"));
    assert_eq!(listed(&["host;x-a"]), unsignable("a signed header's name is no name"));
    let many = |count: usize| (0..count).map(|i| format!("x-{i}")).collect::<Vec<_>>();
    assert!(attempt(rules, Some(many(64))).is_ok());
    assert_eq!(attempt(rules, Some(many(65))), unsignable("more than 64 signed headers"));
    // What the file says twice stands in the list once, and only letters are spelled as the lines spell them.
    for (rules, expected) in [
        ("sign: [host, Host, x-*, X-A]", "host;x-a"),
        ("sign: [(m), (M), host], pseudo: { (m): \"{method}\" }", "(m);host"),
        ("sign: [host, x-a], each: \"{name | upper}:{value}\"", "HOST;X-A"),
        ("sign: [host, x-a], each: \"{name | hex}:{value}\"", "host;x-a"),
        ("sign: [host, x-a], each: \"{name | first 2}:{value}\"", "host;x-a"),
        ("sign: [host, x-a], each: \"{name | lower | percent}:{value}\"", "host;x-a"),
    ] {
        assert_eq!(attempt(rules, None), Ok(expected.to_owned()), "{rules}");
    }
}

#[test]
fn values_that_could_not_be_told_apart_again_are_not_written() {
    let attempt = |entry: &str, nonce: &str, input: &str| -> Result<(), String> {
        let dialect = crate::dialect(&format!(
            "inputs: [a]\nstring_to_sign: \"{{time}}\\n{{nonce}}\\n{{a}}\"\ncarry: {{ header: {{ T: \"{{time}}\", A: '{entry}', S: \"{{signature}}\" }} }}\n\
             waive: [method, path, query, body]\n"
        ));
        let options = SignOptions::new(now()).with_nonce(nonce).with_input("a", input);
        let signed =
            dialect.sign(Request::new("GET", "/").with_header("Host", "h"), &key(), &options).map_err(|error| error.to_string())?;
        let request = signed.into_message().into_request().expect("a request");
        let verdict = dialect.verify(&request, &Inputs::new(), &[&key()], now(), &Policy::default());
        verdict.map(drop).map_err(|r| format!("refused: {}: {}", r.reason(), r.detail()))
    };
    let alone = crate::dialect(
        "string_to_sign: \"{time}{nonce}\"\ncarry: { header: { T: \"{time}\", N: \"n-{nonce}\", S: \"v1={signature}\" } }\nwaive: [method, path, query, body]\n",
    );
    for nonce in ["n", "n-", "n-n-n", "-n"] {
        let signed = sign(&alone, Request::new("GET", "/").with_header("Host", "h"), &SignOptions::new(now()).with_nonce(nonce));
        let claim = alone.claim(&signed, &Inputs::new()).expect("a claim");
        assert_eq!(claim.nonce(), Some(nonce));
    }
    const PARTED: &str = "a value holds the text that parts it from the next, and could not be read";
    for (entry, nonce, input, fine) in [
        ("{nonce}/{a}", "n", "a", true),
        // The first may hold what follows it.
        ("{nonce}/{a}", "n/m", "a", true),
        ("{nonce}/{a}", "n", "a/b", false),
        ("x{nonce}/{a}/y", "n", "a", true),
        ("x{nonce}/{a}/y", "n", "/y", false),
        ("[{nonce}]/{a}", "n", "a", true),
        // What the text begins with stands there once.
        ("n-{nonce}/{a}", "n-n-m", "a", true),
        ("n-{nonce}:{a}", "n", "n-a", true),
    ] {
        let expected = if fine { Ok(()) } else { Err(format!("the message cannot be signed: {PARTED}")) };
        assert_eq!(attempt(entry, nonce, input), expected, "{entry} {nonce} {input}");
    }
    let unreadable = |name: &str| {
        format!(
            "the message cannot be signed: the value of {name} holds a quote, an outer blank or what parts parameters, and could not be read"
        )
    };
    for (entry, nonce, input, fine) in [
        ("n={nonce}, a={a}", "n m", "a=b;c", true),
        ("n={nonce}, a={a}", "n", "a,b", false),
        ("n={nonce}, a={a}", "n", "a ", false),
        ("n={nonce}, a={a}", "n", " a", false),
        ("n={nonce}, a={a}", "n", "a\"b", false),
        ("n=\"{nonce}\", a=\"{a}\"", "n", " a,b ", true),
        ("n=\"{nonce}\", a=\"{a}\"", "n", "a\"b", false),
        ("n={nonce};a={a}", "n", "a,b", true),
        ("n={nonce};a={a}", "n", "a;b", false),
    ] {
        let expected = if fine { Ok(()) } else { Err(unreadable("a")) };
        assert_eq!(attempt(entry, nonce, input), expected, "{entry} {nonce} {input}");
    }
}

#[test]
fn a_value_that_holds_what_parts_two_signatures_is_not_written_beside_one() {
    let dialect = crate::dialect(
        "string_to_sign: \"{time}\\n{nonce}\"\nsignature: { encoding: hex, several: \"; \" }\n\
         carry: { header: { T: \"{time}\", S: \"{nonce},v1={signature}\" } }\nwaive: [method, path, query, body]\n",
    );
    for nonce in ["n", "n;", "n;m n", "\u{3000}n"] {
        let signed = sign(&dialect, Request::new("GET", "/").with_header("Host", "h"), &SignOptions::new(now()).with_nonce(nonce));
        let claim = dialect.claim(&signed, &Inputs::new()).expect(nonce);
        assert_eq!(claim.nonce(), Some(nonce));
    }
    for nonce in ["; ", "n; m"] {
        let options = SignOptions::new(now()).with_nonce(nonce);
        let refused = dialect.sign(Request::new("GET", "/").with_header("Host", "h"), &key(), &options).expect_err(nonce).to_string();
        assert_eq!(refused, "the message cannot be signed: a value of S holds what parts two signatures, and could not be read", "{nonce}");
    }
}

/// A signature in the body changes the body's length: where that is signed, the length of the signature has to be known before.
#[cfg(feature = "asymmetric")]
#[test]
fn a_signature_of_unknown_length_cannot_stand_in_a_body_whose_length_is_signed() {
    use countersign_protocol::{Credential, Dialect, KeyMaterial, KeyPair};
    const ED25519: &str =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----";
    const RSA: &str = include_str!("../../src/lint/keys/rsa.pem");
    let key = |pem: &str| Credential::new("key-1", KeyMaterial::Pair(KeyPair::from_private_pem(pem).expect("a key")));
    let attempt_with = |headers: Option<Vec<String>>, pem: &str, text: &str, more: &str| {
        let file = format!(
            "countersign: 1\ndialect: a\ntitle: t\nalgorithm: [ed25519, rsa-sha256]\nstring_to_sign: \"{text}\\n{{body_without_signature}}\"\n\
             time: {{ format: unix, window: 5m }}\nwaive: [method, path, query]\n{more}\n"
        );
        let dialect = Dialect::from_yaml(&file).unwrap_or_else(|e| panic!("{e}\n{file}"));
        let request = post("/", "application/json", "{\"a\":1}").with_header("Content-Length", "7").with_header("X-A", "1");
        match dialect.sign(request, &key(pem), &SignOptions { headers, ..SignOptions::new(now()) }) {
            Ok(signed) => {
                let request = signed.into_message().into_request().expect("a request");
                let length = request.headers.iter().find(|(name, _)| name == "Content-Length").map(|(_, value)| value.clone());
                assert_eq!(length, Some(request.body.len().to_string().into_bytes()));
                let policy = Policy { allow_unsafe: true, ..Policy::default() };
                dialect.verify(&request, &Inputs::new(), &[&key(pem)], now(), &policy).expect("accepted");
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    };
    let attempt = |pem: &str, text: &str, more: &str| attempt_with(None, pem, text, more);
    const CARRY: &str = "carry: { json: { t: \"{time}\", s: \"{signature}\" } }";
    let named = |header: &str| {
        format!(
            "headers: {{ sign: [{header}] }}\ncarry: {{ header: {{ L: \"[{{signed_headers}}]\" }}, json: {{ t: \"{{time}}\", s: \"{{signature}}\" }} }}"
        )
    };
    let told =
        Err("the message cannot be signed: the signature in the body changes Content-Length, which is signed: leave Content-Length out"
            .to_owned());
    assert_eq!(attempt(ED25519, "{header.content-length}", CARRY), Ok(()));
    assert_eq!(attempt(RSA, "{header.content-length}", CARRY), told);
    assert_eq!(attempt(RSA, "{header.x-a}", CARRY), Ok(()));
    assert_eq!(attempt(RSA, "{headers}", &named("content-length")), told);
    assert_eq!(attempt(RSA, "{headers}", &named("x-a")), Ok(()));
    // Asked for, and yet signed by nothing.
    assert_eq!(attempt_with(Some(vec!["content-length".to_owned()]), RSA, "{header.x-a}", CARRY), Ok(()));
}
