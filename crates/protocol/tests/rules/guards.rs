//! What could be read in two ways is refused although its signature holds: each rule on a text that it saves, with a request on either side.

use countersign_protocol::{Dialect, Hazard, Inputs, Part, Policy, Reason, Request, SignOptions};

use crate::{key, now, sign, verdict};

const FORM: &str = "application/x-www-form-urlencoded";
const AMBIGUOUS: Result<(), Reason> = Err(Reason::AmbiguousRequest);
const UNSIGNED: Result<(), Reason> = Err(Reason::RequiredPartUnsigned);

/// A dialect that signs all of the message, and then this text.
fn dialect(text: &str, rest: &str) -> Dialect {
    crate::dialect(&format!("string_to_sign: \"{{method}} {{target}}\\n{{body | sha256 | hex}}\\n{{time}}\\n{text}\"\n{rest}"))
}

const PLAIN: &str = "carry: { header: { T: \"{time}\", S: \"{signature}\" } }\n";

fn signed(dialect: &Dialect, request: Request) -> Request {
    sign(dialect, request, &SignOptions::new(now()).with_nonce("n1"))
}

/// The verdict on a request that was signed as it is.
fn judged(dialect: &Dialect, request: Request) -> Result<(), Reason> {
    verdict(dialect, &signed(dialect, request), now(), &Policy::default())
}

fn line(method: &str, target: &str) -> Request {
    Request::new(method, target).with_header("Host", "h").with_header("X-End", "e")
}

fn form(target: &str, body: &str) -> Request {
    line("POST", target).with_header("Content-Type", FORM).with_body(body)
}

#[test]
fn what_is_there_twice_is_ambiguous_in_named_texts_and_in_lines_of_the_file_too() {
    let named = dialect("{a}", &format!("let: {{ a: \"{{header.x-a}}\" }}\n{PLAIN}"));
    let once = || line("GET", "/?a=1").with_header("X-A", "1");
    assert_eq!((judged(&named, once()), judged(&named, once().with_header("X-A", "1"))), (Ok(()), AMBIGUOUS));
    let shown = dialect("{headers}", &format!("headers: {{ sign: [\"@a\"], pseudo: {{ \"@a\": \"{{query.a}}\" }} }}\n{PLAIN}"));
    assert_eq!((judged(&shown, line("GET", "/?a=1")), judged(&shown, line("GET", "/?a=1&a=2"))), (Ok(()), AMBIGUOUS));
}

#[test]
fn a_value_may_not_hold_the_byte_that_parts_it_from_what_follows() {
    let ends_in_doubt = |piece: &str| dialect(&format!("{{{piece}}}-{{header.x-end}}"), PLAIN);
    for (piece, fine, doubtful) in [
        ("method", vec![line("GET", "/")], vec![line("M-SEARCH", "/")]),
        ("path", vec![line("GET", "/a?-")], vec![line("GET", "/a-b"), line("GET", "/a%2db"), line("GET", "/a%2Db")]),
        ("path | decode", vec![line("GET", "/a%20b")], vec![line("GET", "/a-b"), line("GET", "/a%2Db")]),
        ("target", vec![line("GET", "/a?b"), line("GET", "/a%2Db")], vec![line("GET", "/a-b"), line("GET", "/a?-")]),
        ("header.x-a", vec![line("GET", "/").with_header("X-A", "v")], vec![line("GET", "/").with_header("X-A", "v-w")]),
        ("query", vec![line("GET", "/-?a=1"), line("GET", "/?a=b&c=d")], vec![line("GET", "/?a=-"), line("GET", "/?a-b=1&c=2")]),
        ("form", vec![form("/?a=-", "a=1")], vec![form("/", "a=-"), form("/", "b=1&a-b=1")]),
        ("params", vec![form("/-?a=1", "b=2")], vec![form("/?a=-", "b=2"), form("/?a=1", "b=2-")]),
    ] {
        let dialect = ends_in_doubt(piece);
        assert!(!dialect.is_unsafe(), "{piece}");
        fine.into_iter().for_each(|request| assert_eq!(judged(&dialect, request.clone()), Ok(()), "{piece}: {request:?}"));
        doubtful.into_iter().for_each(|request| assert_eq!(judged(&dialect, request.clone()), AMBIGUOUS, "{piece}: {request:?}"));
    }
    for piece in ["host", "hostname", "authority"] {
        let of_host =
            |host: &str| judged(&ends_in_doubt(piece), Request::new("GET", "/").with_header("Host", host).with_header("X-End", "e"));
        assert_eq!((of_host("a.b"), of_host("a-b")), (Ok(()), AMBIGUOUS), "{piece}");
    }
    let nonce = dialect("{nonce}-{header.x-end}", "carry: { header: { T: \"{time}\", N: \"{nonce}\", S: \"{signature}\" } }\n");
    let of_nonce = |nonce_text: &str| {
        let options = SignOptions::new(now()).with_nonce(nonce_text);
        let request = sign(&nonce, line("GET", "/"), &options);
        verdict(&nonce, &request, now(), &Policy::default())
    };
    assert_eq!((of_nonce("n"), of_nonce("n-1")), (Ok(()), AMBIGUOUS));
}

#[test]
fn what_certainly_ends_or_begins_needs_no_guard() {
    let odd = || line("M-SEARCH", "/a-b?c-d=e-f").with_header("X-A", "v-w");
    for text in [
        // The second has a known length, is of digits, of letters, or begins with what the first cannot hold.
        "{header.x-a}-{body | md5 | hex}",
        "{header.x-a}-{time}",
        "{method} {header.x-a}",
        "{method}{path}",
        "{scheme}://{header.x-a}",
        "{path}?{header.x-a}",
        "{header.x-a | sha256 | hex}-{header.x-end}",
        "{header.x-a}\\n{header.x-end}",
        "{http_version}-{header.x-a}",
    ] {
        let dialect = dialect(text, PLAIN);
        assert_eq!((judged(&dialect, odd()), dialect.is_unsafe()), (Ok(()), false), "{text}");
    }
}

#[test]
fn what_nothing_parts_is_unsafe() {
    for (text, is_unsafe) in [
        ("{header.x-a}{header.x-end}", true),
        ("{method}{header.x-end}", true),
        ("{body}{header.x-end}", true),
        ("{body}-{header.x-end}", true),
        ("{header.x-a}{body | md5 | hex}", false),
        ("{header.x-a}{path}", true),
    ] {
        let dialect = dialect(text, PLAIN);
        let runs_together = dialect.hazards().iter().any(|hazard| matches!(hazard, Hazard::RunTogether(_)));
        assert_eq!((dialect.is_unsafe(), runs_together), (is_unsafe, is_unsafe), "{text}: {:?}", dialect.hazards());
    }
}

#[test]
fn a_named_text_that_is_condensed_is_guarded_like_the_whole() {
    let condensed = |text: &str| dialect("{inner | sha256 | hex}", &format!("let: {{ inner: \"{text}\" }}\n{PLAIN}"));
    let dialect = condensed("{header.x-a}-{header.x-end}");
    let with = |value: &str| judged(&dialect, line("GET", "/").with_header("X-A", value));
    assert_eq!((with("v"), with("v-w")), (Ok(()), AMBIGUOUS));
    assert!(condensed("{header.x-a}{header.x-end}").is_unsafe());
}

#[test]
fn a_listed_header_may_not_look_like_what_follows_the_list() {
    let rest = "headers: { sign: [x-a, x-b, x-c], default: [x-a] }\n\
                carry: { header: { T: \"{time}\", H: \"[{signed_headers}]\", S: \"{signature}\" } }\n";
    let dialect = dialect("{headers}\\nx-b:{header.x-end}", rest);
    assert!(!dialect.is_unsafe());
    let with = |name: &str| judged(&dialect, line("GET", "/").with_header("X-A", "1").with_header(name, "2"));
    assert_eq!((with("X-C"), with("X-B")), (Ok(()), AMBIGUOUS));
}

#[test]
fn what_is_signed_by_name_stands_once() {
    let once = |text: &str, requests: [(Request, Result<(), Reason>); 3]| {
        let dialect = dialect(text, PLAIN);
        for (request, expected) in requests {
            assert_eq!(judged(&dialect, request.clone()), expected, "{text}: {request:?}");
        }
    };
    let header = |values: &[&str]| values.iter().fold(line("GET", "/"), |request, value| request.with_header("X-A", *value));
    once("{header.x-a}", [(header(&[]), Ok(())), (header(&["1"]), Ok(())), (header(&["1", "2"]), AMBIGUOUS)]);
    once(
        "{query.a}",
        [(line("GET", "/?a=1&b=2&b=3"), Ok(())), (line("GET", "/?a=1&a=1"), AMBIGUOUS), (line("GET", "/?a=1&%61=2"), AMBIGUOUS)],
    );
    once("{form.a}", [(form("/?a=1&a=2", "a=1&b=2"), Ok(())), (form("/", "a=1&a=2"), AMBIGUOUS), (form("/", "a=1&%61"), AMBIGUOUS)]);
    let no_form = line("POST", "/").with_header("Content-Type", "text/plain").with_body("a=1&a=2");
    assert_eq!(judged(&dialect("{form.a}", PLAIN), no_form), Ok(()));
    let two_kinds = form("/", "a=1").with_header("Content-Type", "text/plain");
    assert_eq!(judged(&dialect("{form}", PLAIN), two_kinds.clone()), AMBIGUOUS);
    assert_eq!(judged(&dialect("{query}", PLAIN), two_kinds), Ok(()));
}

#[test]
fn an_absent_header_that_is_signed_as_an_empty_one_has_a_value_if_it_is_listed() {
    let rest = |missing: &str| {
        format!(
            "headers: {{ always: [X-A], missing: {missing}, pseudo: {{ x-p: \"x-p:{{method}}\" }} }}\n\
             carry: {{ header: {{ T: \"{{time}}\", H: \"[{{signed_headers}}]\", S: \"{{signature}}\" }} }}\n"
        )
    };
    let judged_with = |missing: &str, headers: &[(&str, &str)]| {
        let dialect = dialect("{headers}", &rest(missing));
        judged(&dialect, headers.iter().fold(line("GET", "/"), |request, (name, value)| request.with_header(*name, *value)))
    };
    assert_eq!(judged_with("empty", &[("X-A", "1")]), Ok(()));
    assert_eq!(judged_with("empty", &[]), AMBIGUOUS);
    assert_eq!(judged_with("empty", &[("X-A", "")]), AMBIGUOUS);
    assert_eq!(judged_with("skip", &[]), Ok(()));
    assert_eq!(judged_with("skip", &[("X-A", "")]), Ok(()));
}

#[test]
fn items_of_a_list_are_told_apart() {
    let judged_list = |keys: &str, request: Request| judged(&dialect("{params}", &format!("params: {{ {keys} }}\n{PLAIN}")), request);
    let plain = "each: \"{name}={value}\"";
    for (keys, request, expected) in [
        (plain, form("/?a=1", "b=2"), Ok(())),
        (plain, form("/?a=1&a=2", ""), Ok(())),
        (plain, form("/?a=1", "a=1"), AMBIGUOUS),
        (plain, form("/?a=%3D", ""), Ok(())),
        (plain, form("/?a=%26", ""), AMBIGUOUS),
        (plain, form("/?a%26=1", ""), AMBIGUOUS),
        (plain, form("/?a%3Db=1", ""), AMBIGUOUS),
        (plain, form("/", "a=%"), AMBIGUOUS),
        (plain, line("POST", "/").with_header("Content-Type", "text/plain").with_body("a=%"), Ok(())),
        ("each: \"{name}={value}\", decode: none", form("/", "a=%&b=%26"), Ok(())),
        ("each: \"{name | percent}={value | percent}\"", form("/?a%26=%26%3D", ""), Ok(())),
        ("each: \"{name | percent}={value}\"", form("/?a%26=1", ""), Ok(())),
        ("each: \"{name | percent}={value}\"", form("/?a=%26", ""), AMBIGUOUS),
        ("each: \"{name}={value | percent}\"", form("/?a=%26", ""), Ok(())),
        ("each: \"{name}={value | percent}\"", form("/?a%26=1", ""), AMBIGUOUS),
        ("repeated: first", form("/?a=1&b=1", ""), Ok(())),
        ("repeated: first", form("/?a=1&a=1", ""), AMBIGUOUS),
        ("repeated: { join: \",\" }", form("/?a=1&a=2", ""), AMBIGUOUS),
        ("order: name-ignore-case", form("/?a=1&b=2", ""), Ok(())),
        ("order: name-ignore-case", form("/?a=1&A=2", ""), AMBIGUOUS),
        ("order: name-ignore-case", form("/?a=1", "A=2"), AMBIGUOUS),
        ("order: name", form("/?a=1&A=2", ""), Ok(())),
        ("each: \"{name}[={value}]\"", form("/?a=1&=", ""), AMBIGUOUS),
        ("each: \"{name}={value}\"", form("/?a=1&=", ""), Ok(())),
    ] {
        assert_eq!(judged_list(keys, request.clone()), expected, "{keys}: {request:?}");
    }
}

#[test]
fn a_log_line_cannot_be_forged_through_a_parameters_name() {
    let dialect = dialect("{query}", &format!("query: {{ repeated: first }}\n{PLAIN}"));
    let request = signed(&dialect, line("GET", "/?a%0Ab=1&a%0Ab=2"));
    let refusal = dialect.verify(&request, &Inputs::new(), &[&key()], now(), &Policy::default()).unwrap_err();
    assert_eq!(refusal.detail(), "the parameter a\\nb is there more than once");
}

#[test]
fn a_required_part_is_signed_where_the_message_has_it_and_nobody_waives_it() {
    let file = |require: &str, text: &str| {
        crate::dialect(&format!("string_to_sign: \"{text}\"\n{PLAIN}require: {require}\nwaive: [method, path, query, body]\n"))
    };
    let part = |text: &str| Part::parse(text).expect("a part");
    let waive = |text: &str| Policy { waive: vec![part(text)], ..Policy::default() };
    let require = |text: &str| Policy { require: vec![part(text)], ..Policy::default() };
    let with = || line("POST", "/?a=1").with_header("X-A-B", "1").with_body("b");
    let bare = || Request::new("POST", "/").with_header("Host", "h");
    for (required, text, request, policy, expected) in [
        ("[header.x-a-*]", "{time}", bare(), Policy::default(), Ok(())),
        ("[header.x-a-*]", "{time}", with(), Policy::default(), UNSIGNED),
        ("[header.x-a-*]", "{time}", with(), waive("header.x-a-b"), Ok(())),
        ("[header.x-a-*]", "{time}", with(), waive("header.x-a-c"), UNSIGNED),
        ("[header.x-a-*]", "{time}\\n{header.x-a-b}", with(), Policy::default(), Ok(())),
        ("[header.x-a-b]", "{time}", with(), Policy::default(), UNSIGNED),
        ("[header.x-a-b]", "{time}", with(), waive("header.x-a-b"), Ok(())),
        ("[header.x-a-b]", "{time}", bare(), Policy::default(), Ok(())),
        ("[]", "{time}", with(), require("query"), UNSIGNED),
        ("[]", "{time}", bare(), require("query"), Ok(())),
        ("[]", "{time}", with(), require("body"), UNSIGNED),
        ("[]", "{time}", bare(), require("body"), Ok(())),
        ("[]", "{time}", with(), require("header.x-a-b"), UNSIGNED),
        ("[]", "{time}", bare(), require("header.x-a-b"), Ok(())),
        ("[]", "{time}", bare(), require("method"), UNSIGNED),
        ("[]", "{time}\\n{method}", bare(), require("method"), Ok(())),
        ("[]", "{time}\\n{body}", with(), require("body"), Ok(())),
    ] {
        let dialect = file(required, text);
        assert_eq!(
            verdict(&dialect, &signed(&dialect, request.clone()), now(), &policy),
            expected,
            "{required} {text} {policy:?} {request:?}"
        );
    }
}
