//! Every rule of the loader, as a table: a file that breaks it alone, the place, and the fault. What is just allowed stands beside it.

use countersign_protocol::Dialect;

/// A file with a text to sign and what stands besides; `T` and `S` are carried.
fn file(text: &str, rest: &str) -> String {
    let time = if rest.contains("time:") { "" } else { "time: { format: unix, window: 5m }\n" };
    let algorithm = if rest.contains("algorithm:") { "" } else { "algorithm: hmac-sha256\n" };
    let carry = if rest.contains("carry:") { "" } else { "carry: { header: { T: \"{time}\", S: \"{signature}\" } }\n" };
    format!("countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{text}\"\n{time}{algorithm}{carry}{rest}\n")
}

fn fault(file: &str) -> (String, String) {
    let error = Dialect::from_yaml(file).expect_err(file);
    (error.path().to_owned(), error.fault().to_owned())
}

#[track_caller]
fn refused(cases: &[(&str, &str, &str, &str)]) {
    for (text, rest, path, wanted) in cases {
        let file = file(text, rest);
        assert_eq!(fault(&file), ((*path).to_owned(), (*wanted).to_owned()), "{file}");
    }
}

#[track_caller]
fn taken(cases: &[(&str, &str)]) {
    for (text, rest) in cases {
        let file = file(text, rest);
        Dialect::from_yaml(&file).unwrap_or_else(|e| panic!("{e}\n{file}"));
    }
}

const UNNAMED: &str = "nothing can be carried under this name: it is empty, or holds what would end it or be read as something else";
const UNLISTED: &str = "no list could hold this name: it is empty, has an outer blank, or holds what parts two names";

#[test]
fn ids_and_names() {
    let with_id = |id: &str| file("{time}", "").replace("dialect: a", &format!("dialect: \"{id}\""));
    for id in ["a", "a-1", "0", &"x".repeat(64)] {
        Dialect::from_yaml(&with_id(id)).expect(id);
    }
    for id in ["", "A", "a_b", "a.b", "é", &"x".repeat(65)] {
        assert_eq!(fault(&with_id(id)), ("dialect".to_owned(), format!("'{id}' is no id")));
    }
    taken(&[("{time}{a_1}", "inputs: [a_1]"), ("{time}{a}{b}", "inputs: [a]\nsecrets: [b]"), ("{time}{a}", "let: { a: \"{host}\" }")]);
    refused(&[
        ("{time}", "inputs: [\"\"]", "inputs", "'' is no name"),
        ("{time}", "inputs: [Ab]", "inputs", "'Ab' is no name"),
        ("{time}", "inputs: [a.b]", "inputs", "'a.b' is no name"),
        ("{time}", "inputs: [a, a]", "inputs", "the name a is taken"),
        ("{time}", "inputs: [a]\nsecrets: [a]", "secrets", "the name a is taken"),
        ("{time}", "secrets: [a]\nlet: { a: \"{host}\" }", "let", "the name a is taken"),
        ("{time}", "inputs: [value]", "inputs", "the name value is taken"),
        ("{time}{status}", "", "string_to_sign", "nothing is called status"),
        ("{time}{name}", "", "string_to_sign", "nothing is called name"),
        ("{time}{string_to_sign}", "", "string_to_sign", "nothing is called string_to_sign"),
        ("{time}{header.}", "", "string_to_sign", "nothing is called header."),
        ("{time}{cookie.a}", "", "string_to_sign", "nothing is called cookie.a"),
        ("{time}", "message: letter", "message", "'letter' is no kind of message"),
    ]);
}

#[test]
fn filters() {
    taken(&[
        ("{time | unix}{host | first 9 | lower}", ""),
        ("{time}{header.a | without x}{header.b | drop y}{body | unless header.c}", ""),
        ("{time}{pin | hmac | hex}", "secrets: [pin]"),
    ]);
    refused(&[
        ("{time}{host | first}", "", "string_to_sign", "'first' says no number of bytes"),
        ("{time}{host | first -1}", "", "string_to_sign", "'first -1' says no number of bytes"),
        ("{time}{host | without}", "", "string_to_sign", "no filter 'without'"),
        ("{time}{host | drop}", "", "string_to_sign", "no filter 'drop'"),
        ("{time}{host | unless}", "", "string_to_sign", "no filter 'unless'"),
        ("{time}{host | unless header.}", "", "string_to_sign", "no filter 'unless header.'"),
        ("{time}{host | unless query.a}", "", "string_to_sign", "no filter 'unless query.a'"),
        ("{time}{host | lower 1}", "", "string_to_sign", "no filter 'lower 1'"),
        ("{time | lower | unix}", "", "string_to_sign", "a time format on something that is no time"),
        ("{time}{secret | hmac}", "", "string_to_sign", "the secret under its own key"),
    ]);
}

#[test]
fn rules_of_the_sections() {
    const EXPIRES: &str = "carry: { header: { T: \"{time}\", E: \"{expires}\", S: \"{signature}\" } }\n";
    let expires = |rule: &str| format!("{EXPIRES}expires: {{ {rule} }}");
    taken(&[
        ("{time}{expires}", &expires("unit: s, max: 1h")),
        ("{time}{expires}", &expires("unit: ms, default: 60m, max: 1h")),
        ("{time}{expires}", &expires("format: YYYYMMDDhhmmss, default: 1s, max: 1h")),
        ("{time}{expires}", &expires("unit: ms, max: 1h")),
        ("{time}{expires}", &expires("format: unix, max: 1h")),
        ("{time}", "time: { format: unix, zone: \"+08:00\" }"),
        ("{time}{query}", "query: { order: line, repeated: refuse, empty: keep, from: [query], decode: percent }"),
        ("{time}{headers}", "headers: { order: as-is, repeated: all, empty: drop, missing: skip, names: \" \" }"),
        ("{time}{headers}", "headers: { pseudo: { \"a b\": \"{method}\" }, names: '\" \"' }"),
    ]);
    refused(&[
        ("{time}{expires}", &expires("unit: h, max: 1h"), "expires.unit", "'h' is no unit"),
        ("{time}{expires}", &expires("unit: s, default: 61m, max: 1h"), "expires.default", "no span that is accepted"),
        ("{time}{expires}", &expires("format: unix, default: 0s, max: 1h"), "expires.default", "no span that is accepted"),
        ("{time}{expires}", &expires("format: YYYYMMDDhhmm, max: 1h"), "expires.format", "'YYYYMMDDhhmm' does not reach to the second"),
        ("{time}{expires}", &expires("max: 1h"), "expires", "needs a unit or a format, and not both"),
        ("{time}{expires}", &expires("unit: s, format: unix, max: 1h"), "expires", "needs a unit or a format, and not both"),
        ("{time}{expires}", &expires("unit: s, max: x"), "expires.max", "'x' is no span of time"),
        ("{time}{expires}", EXPIRES, "expires", "carried, but its unit is not said"),
        ("{time}", "expires: { unit: s, max: 1h }", "expires", "expires is described, but nothing uses it"),
        ("{time}", "time: { format: unix, zone: east }", "time.zone", "'east' is no offset"),
        ("{time}", "signature: { encoding: hex, several: \"\" }", "signature.several", "empty"),
        ("{time}", "algorithm: []", "algorithm", "empty"),
        ("{time}", "algorithm: { a: [] }", "algorithm.a", "empty"),
        ("{time}", "nonce: { keep: x }", "nonce.keep", "'x' is no span of time"),
        ("{time}", "replay: until-expiry", "replay", "until-expiry needs an expiry that is carried"),
        ("{time}", "replay: event", "replay", "event needs event: the text that names the event"),
        ("{time}", "waive: [cookie]", "waive", "'cookie' is no part"),
        ("{time}{headers}", "headers: { names: \"\" }", "headers.names", "empty"),
        ("{time}{headers}", "headers: { names: \"  \" }", "headers.names", "empty"),
        ("{time}{headers}", "headers: { names: \"-\" }", "headers.names", "holds what a header's name may hold"),
        ("{time}{headers}", "headers: { names: \"; and\" }", "headers.names", "holds what a header's name may hold"),
        ("{time}{headers}", "headers: { pseudo: { \"\": \"{method}\" } }", "headers.pseudo.", UNLISTED),
        ("{time}{headers}", "headers: { pseudo: { \" a\": \"{method}\" } }", "headers.pseudo. a", UNLISTED),
        ("{time}{headers}", "headers: { pseudo: { \"a;b\": \"{method}\" } }", "headers.pseudo.a;b", UNLISTED),
        ("{time}{headers}", "headers: { pseudo: { a b: \"{method}\" }, names: \" \" }", "headers.pseudo.a b", UNLISTED),
        ("{time}{headers}", "headers: { missing: stop }", "headers.missing", "'stop' is no rule"),
        ("{time}{headers}", "headers: { order: random }", "headers.order", "'random' is no order"),
        ("{time}{headers}", "headers: { repeated: last }", "headers.repeated", "'last' is no rule"),
        ("{time}{headers}", "headers: { empty: skip }", "headers.empty", "'skip' is no rule"),
        ("{time}{headers}", "headers: { each: \"{name}\" }", "headers.each", "an item without {value}"),
        ("{time}{query}", "query: { decode: url }", "query.decode", "'url' is no decoding"),
        ("{time}{query}", "query: { from: [body] }", "query.from", "'body' is no source"),
        ("{time}{query}{a}", "let: { a: \"{host}\" }\nquery: { each: \"{a}{value}\" }", "query.each", "{a} is no part of an item"),
        ("{time}{headers}{a}", "let: { a: \"{host}\" }\nheaders: { pseudo: { b: \"{a}\" } }", "headers.pseudo.b", "a let in a list"),
        ("{time}", "diagnostics: { text: \"{string_to_sign}\" }", "diagnostics", "needs a header or body: true, and not both"),
        (
            "{time}",
            "diagnostics: { header: D, body: true, text: \"{string_to_sign}\" }",
            "diagnostics",
            "needs a header or body: true, and not both",
        ),
    ]);
    let digest = |when: &str| {
        format!(
            "carry: {{ header: {{ T: \"{{time}}\", D: \"[{{body_digest}}]\", S: \"{{signature}}\" }} }}\n\
             body_digest: {{ is: \"{{body | md5 | hex}}\", when: {when} }}"
        )
    };
    taken(&[("{time}{body_digest}", &digest("[body, not-form, method POST]")), ("{time}{body_digest}", &digest("[asked]"))]);
    for when in ["form", "method ", "method", "asked now", "POST method"] {
        refused(&[("{time}{body_digest}", &digest(&format!("[\"{when}\"]")), "body_digest.when", &format!("'{when}' is no condition"))]);
    }
}

#[test]
fn what_is_carried_and_what_nothing_needs() {
    let carry = |entries: &str| format!("carry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\", {entries} }} }}");
    let named = |place: &str, name: &str| {
        format!("carry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\" }}, {place}: {{ {name}: \"{{nonce}}\" }} }}")
    };
    taken(&[
        ("{time}", &carry("C: fixed")),
        ("{time}{nonce}", &named("query", "'a=\"&%+# \\'")),
        ("{time}{nonce}", &named("form", "'a=\"&%+# \\'")),
        ("{time}{nonce}", &named("params", "'a=\"&%+# \\'")),
        ("{time}{nonce}", &named("json", "'a=&%+# '")),
        ("{time}{nonce}", &named("body", "\"[a]\"")),
        ("{time}{key_id}", &carry("K: \"{key_id}\"")),
        ("{time}{a}", &format!("{}\nlet: {{ a: \"{{host | lower}}\" }}", carry("L: \"{a}\""))),
        ("{time}{a}", &format!("{}\nlet: {{ a: \"{{pin | hmac | hex}}\" }}\nsecrets: [pin]", carry("L: \"{a | lower}\""))),
        ("{time}", "algorithm: { one: hmac-sha256 }\ncarry: { header: { T: \"{time}\", S: \"{signature}\", A: \"{algorithm}\" } }"),
        ("{time}{body_without_signature}", "carry: { header: { T: \"{time}\" }, body: { s: \"{signature}\" } }"),
        ("{time}", "signature: { encoding: hex, several: \",\" }"),
        ("{time}", "signature: { encoding: hex, several: \", \" }\ncarry: { header: { S: \"t={time},v1={signature}\" } }"),
    ]);
    refused(&[
        ("{time}", &carry("C: \"\""), "carry.header.C", "an entry without text"),
        ("{time}{nonce}", "", "nonce", "signed, but nothing carries it"),
        ("{time}{key_id}", "", "key_id", "signed, but nothing carries it"),
        ("{time}{signed_headers}", "", "signed_headers", "signed, but nothing carries it"),
        ("{time}{expires}", "expires: { unit: s, max: 1d }", "expires", "signed, but nothing carries it"),
        ("{time}{algorithm}", "algorithm: { one: hmac-sha256 }", "algorithm", "signed, but nothing carries it"),
        ("{time}", "key: { from: \"{secret}\", hmac: [\"{nonce}\"] }", "nonce", "signed, but nothing carries it"),
        ("{time}{a}", "let: { a: \"{nonce}\" }", "nonce", "signed, but nothing carries it"),
        ("{time}", &carry("content-Length: \"{nonce}\""), "carry.header.content-Length", "HTTP itself says what this header holds"),
        ("{time}", &carry("Host: \"{nonce}\""), "carry.header.Host", "HTTP itself says what this header holds"),
        ("{time}", &named("query", "\"\""), "carry.query.", UNNAMED),
        ("{time}", &named("form", "\"a\\u0007\""), "carry.form.a\u{7}", UNNAMED),
        ("{time}", &named("json", "'a\"b'"), "carry.json.a\"b", UNNAMED),
        ("{time}", &named("json", "'a\\b'"), "carry.json.a\\b", UNNAMED),
        ("{time}", &named("body", "a=b"), "carry.body.a=b", UNNAMED),
        ("{time}", &named("body", "a&b"), "carry.body.a&b", UNNAMED),
        ("{time}", &named("body", "a%b"), "carry.body.a%b", UNNAMED),
        ("{time}", &named("body", "a+b"), "carry.body.a+b", UNNAMED),
        ("{time}", &named("body", "a b"), "carry.body.a b", UNNAMED),
        ("{time}", &named("body", "'a#b'"), "carry.body.a#b", UNNAMED),
        ("{time}", &carry("C: \" c\""), "carry.header.C", "an entry that begins or ends with a blank, which is not read"),
        ("{time}", &carry("C: \"c\\t\""), "carry.header.C", "an entry that begins or ends with a blank, which is not read"),
        ("{time}", &carry("M: \"{method}\""), "carry.header.M", "{method} is part of the message already"),
        ("{time}", &carry("P: \"a={time}, b={key_id}, a={nonce}\""), "carry.header.P", "the parameter a is described twice"),
        (
            "{time}{a}",
            &format!("{}\nlet: {{ a: \"{{secret}}\" }}", carry("L: \"{a | lower}\"")),
            "carry.header.L",
            "{a} holds the secret, which would be sent",
        ),
        ("{time}{body_digest}", &carry("D: \"{body_digest}\""), "body_digest", "carried, but not said what it is"),
        ("{method}", "time: { format: unix }\ncarry: { header: { S: \"{signature}\" } }", "time", "described, but nothing carries it"),
        ("{time}", &carry("A: \"{algorithm}\""), "algorithm", "carried, but its words on the wire are not said"),
        ("{time}{body_without_signature}", "", "string_to_sign", "{body_without_signature}, but no signature rides in the body"),
        (
            "{time}{body_without_signature}",
            "carry: { header: { T: \"{time}\" }, body: { s: \"v1={signature}\" } }",
            "string_to_sign",
            "{body_without_signature}, but no signature rides in the body",
        ),
        (
            "{time}",
            "signature: { encoding: hex, several: \",\" }\ncarry: { header: { T: \"{time}\" }, query: { s: \"{signature}\" } }",
            "carry.query.s",
            "several signatures outside of a header",
        ),
        ("{time}", "carry: { header: { T: \"{time}\", S: \"[{signature}]\" } }", "carry.header.S", "the signature may not be left out"),
        ("{time}", "carry: { header: { S: \"A t={time}, [s={signature}]\" } }", "carry.header.S", "the signature may not be left out"),
        (
            "{time}",
            "carry: { header: { S: \"A t={time}, [[s={signature}, u={key_id}\" } }",
            "carry.header.S",
            "'[[s={signature}' stands between name=value pairs",
        ),
        ("{time}", &carry("R: \"{signature}\""), "carry", "{signature} is carried more than once"),
        (
            "{time}",
            "carry: { header: { T: \"{time}\", S: \"{signature}:{signature}\" } }",
            "carry",
            "{signature} is carried more than once",
        ),
        ("{time}", "signature: { encoding: hex, several: \"; v1=\" }", "signature.several", "holds what a signature may hold"),
        ("{time}", "signature: { encoding: base64, several: \"/\" }", "signature.several", "holds what a signature may hold"),
        (
            "{time}",
            "signature: { encoding: hex, several: \",\" }\ncarry: { header: { S: \"t${time},v1={signature}\" } }",
            "carry.header.S",
            "holds what parts two signatures",
        ),
        (
            "{time}",
            "signature: { encoding: hex, several: \" \" }\ncarry: { header: { S: \"t={time},v1={signature}\" } }",
            "carry.header.S",
            "signature.several is not what parts these parameters",
        ),
        (
            "{time}{a}",
            "let: { a: \"{body}\" }\ncarry: { header: { T: \"{time}\" }, form: { s: \"{signature}\" } }",
            "carry.form.s",
            "a signature inside the body cannot sign {body}",
        ),
        (
            "{time}{form}",
            "form: { each: \"{name}={value}\" }\nquery: { each: \"{value}\" }",
            "query",
            "query is described, but nothing uses it",
        ),
        ("{time}", "secrets: [pin]", "secrets", "pin is described, but nothing uses it"),
        ("{time}", "body_digest: \"{body | md5 | hex}\"", "body_digest", "body_digest is described, but nothing uses it"),
    ]);
}

#[test]
fn a_dialect_that_signs_nothing_carries_no_signature() {
    let file = |rest: &str| format!("countersign: 1\ndialect: a\ntitle: t\n{rest}\n");
    let carry = |entries: &str| format!("carry: {{ header: {{ K: \"{{secret}}\"{entries} }} }}");
    Dialect::from_yaml(&file(&carry(""))).expect("a dialect");
    Dialect::from_yaml(&file(&format!("{}\ntime: {{ format: unix }}", carry(", T: \"{time}\"")))).expect("a dialect");
    for (rest, path, wanted) in [
        (carry(", S: \"{signature}\""), "carry", "{signature} is carried, but nothing is signed"),
        (carry(", T: \"{time}\""), "time", "carried, but its format is not said"),
        ("carry: { header: { S: \"{signature}\" } }".to_owned(), "string_to_sign", "missing"),
    ] {
        assert_eq!(fault(&file(&rest)), (path.to_owned(), wanted.to_owned()), "{rest}");
    }
}

/// A file of one page may say a text that has no end, or one that no memory holds.
#[test]
fn texts_end() {
    let digest = |is: &str| {
        format!("carry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\", D: \"{{body_digest}}\" }} }}\nbody_digest: \"{is}\"")
    };
    refused(&[
        ("{time}{headers}", "headers: { pseudo: { b: \"{headers}\" } }", "headers.pseudo.b", "{headers} in one of its own lines"),
        ("{time}{body_digest}", &digest("{body_digest}{body}"), "body_digest.is", "{body_digest} in the digest of a body"),
        ("{time}{body_digest}", &digest("{headers}{body}"), "body_digest.is", "{headers} in the digest of a body"),
        (
            "{time}{body_digest}",
            &format!("{}\nlet: {{ a: \"{{headers}}\" }}", digest("{a}{body}")),
            "body_digest.is",
            "{headers} in the digest of a body",
        ),
        ("{time}{query}", "query: { each: \"{name}={value}{body}\" }", "query.each", "{body} is no part of an item"),
        ("{time}{headers}", "headers: { each: \"{name}={value}{algorithm}\" }", "headers.each", "{algorithm} is no part of an item"),
    ]);
    let brackets = |count: usize| format!("{{time}}{}{{nonce}}{}", "[a".repeat(count), "]b".repeat(count));
    taken(&[(&brackets(8), CARRIES_NONCE)]);
    refused(&[(&brackets(9), CARRIES_NONCE, "string_to_sign", "more than 8 brackets in one another")]);
    // The first is as long as it says, and each of the others has the one before it twice: 2^n(L + 2) - 2 for n others.
    let lets = |last: u32, first: &str| {
        let names: Vec<String> = (0..last).map(|i| format!("a{}: \"{{a{i}}}{{a{i}}}\"", i + 1)).collect();
        format!("let: {{ a0: \"{first}\", {} }}", names.join(", "))
    };
    let chain = |count: usize| {
        let names: Vec<String> = (1..count).map(|i| format!("a{i}: \"{{a{}}}\"", i - 1)).collect();
        format!("let: {{ a0: x, {} }}", names.join(", "))
    };
    let carried =
        |text: &str, lets: &str| format!("{lets}\ncarry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\", A: \"{text}\" }} }}");
    const LONG: &str = "longer than 65536 bytes with every named text in its place";
    taken(&[
        ("{time}{a14}", &lets(14, "xx")),
        ("{time}{a14}", &lets(14, "")),
        ("{time}{a63}", &chain(64)),
        // 65,534 of the last, one for its name, and one more.
        ("{time}", &carried("{a14}x", &lets(14, "xx"))),
    ]);
    refused(&[
        ("{time}{a14}xx", &lets(14, "xx"), "string_to_sign", LONG),
        ("{time}[{a14}xx]", &lets(14, "xx"), "string_to_sign", LONG),
        ("{time}{a15}", &lets(15, "xx"), "let.a15", LONG),
        ("{time}{a60}", &lets(60, ""), "let.a16", LONG),
        ("{time}{a64}", &chain(65), "let", "more than 64 texts"),
        ("{time}", &carried("{a14}xx", &lets(14, "xx")), "carry.header.A", LONG),
    ]);
}

const CARRIES_NONCE: &str = "carry: { header: { T: \"{time}\", S: \"{signature}\", N: \"{nonce}\" } }";

#[test]
fn the_secret_reaches_the_key_and_the_text_alone() {
    const PLACE: &str = "the secret in a text that is shown or sent";
    taken(&[
        ("{time}{secret}", ""),
        ("{time}", "key: { from: \"{secret}\", hmac: [\"{host}\", \"{method}\"] }"),
        ("{time}{headers}", "headers: { pseudo: { b: \"{method}\" } }"),
    ]);
    refused(&[
        ("{time}{headers}", "headers: { pseudo: { b: \"{secret}\" } }", "headers.pseudo.b", PLACE),
        ("{time}{query}", "query: { each: \"{name}={value}{secret}\" }", "query.each", "{secret} is no part of an item"),
        ("{time}{form}", "form: { each: \"{name}={value}{secret}\" }", "form.each", "{secret} is no part of an item"),
        ("{time}{params}", "params: { each: \"{name}={value}{secret}\" }", "params.each", "{secret} is no part of an item"),
        (
            "{time}{body_digest}",
            "carry: { header: { T: \"{time}\", S: \"{signature}\", D: \"{body_digest}\" } }\nbody_digest: \"{secret}{body}\"",
            "body_digest.is",
            PLACE,
        ),
        ("{time}", "event: \"{secret}\"", "event", PLACE),
        ("{time}", "event: \"{pin}\"\nsecrets: [pin]", "event", PLACE),
        ("{time}", "key: { from: \"{host}\" }", "key", "a key without {secret}"),
    ]);
    let alone = |carry: &str| format!("countersign: 1\ndialect: a\ntitle: t\ncarry: {{ header: {{ {carry} }} }}\n");
    Dialect::from_yaml(&alone("K: \"{secret}\"")).expect("it shows its secret");
    assert_eq!(fault(&alone("K: \"{key_id}\"")), ("string_to_sign".to_owned(), "missing".to_owned()));
    let described = format!("{}algorithm: hmac-sha256\n", alone("K: \"{secret}\""));
    assert_eq!(fault(&described), ("algorithm".to_owned(), "described, but nothing is signed".to_owned()));
    let unnamed = file("{time}", "").replace("algorithm: hmac-sha256\n", "");
    assert_eq!(fault(&unnamed), ("algorithm".to_owned(), "missing".to_owned()));
}
