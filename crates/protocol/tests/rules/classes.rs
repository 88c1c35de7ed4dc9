//! Which bytes a piece of a signed text may hold, byte by byte: what may stand in a piece does not part it from what precedes it.

use countersign_protocol::{Dialect, Hazard};

/// A text whose first piece may hold anything: it and the second run together unless the byte between them parts them.
fn runs_together(piece: &str, rest: &str, byte: char) -> bool {
    let between = match byte {
        '"' | '\\' => format!("\\{byte}"),
        '[' => "[[".to_owned(),
        byte if byte.is_control() => format!("\\x{:02x}", u32::from(byte)),
        byte => byte.to_string(),
    };
    let time = if rest.contains("time:") { "" } else { "time: { format: unix, window: 5m }\n" };
    let carry = if rest.contains("carry:") { "" } else { "carry: { header: { T: \"{time}\", S: \"{signature}\" } }\n" };
    let file = format!(
        "countersign: 1\ndialect: a\ntitle: t\nalgorithm: hmac-sha256\nwaive: [nonce, expires]\n\
         string_to_sign: \"{{method}} {{target}}\\n{{time}}\\n{{body}}{between}{{{piece}}}\"\n{time}{carry}{rest}\n"
    );
    let dialect = Dialect::from_yaml(&file).unwrap_or_else(|e| panic!("{e}\n{file}"));
    dialect.hazards().iter().any(|hazard| matches!(hazard, Hazard::RunTogether(_)))
}

fn assert_class(piece: &str, rest: &str, held: &str, not_held: &str) {
    for byte in held.chars() {
        assert!(runs_together(piece, rest, byte), "{piece} may hold {byte:?}: {rest}");
    }
    for byte in not_held.chars() {
        assert!(!runs_together(piece, rest, byte), "{piece} may not hold {byte:?}: {rest}");
    }
}

#[test]
fn of_a_request() {
    for (piece, held, not_held) in [
        ("scheme", "az", "1-:/\n "),
        ("method", "aZ09!#$%&'*+-.^_`|~", "/ :,\n\u{7f}"),
        ("host", "a0.:-[", "/? #\n\u{7f}"),
        ("hostname", "a0.:-[", "/? #\n"),
        ("authority", "a0.:-[", "/? #\n"),
        ("path", "/a%&=~", "? #\n\t\u{7f}"),
        ("target", "/?&a", " #\n\u{7f}"),
        ("header.x-b", "a \t/~?#", "\n\r\0\u{1}\u{1f}\u{7f}"),
        ("query.b", "a \n", ""),
        ("port", "", "0a"),
        ("http_version", "", "H1"),
        ("body | md5", "", "a\n"),
    ] {
        assert_class(piece, "", held, not_held);
    }
}

#[test]
fn after_filters() {
    for (piece, held, not_held) in [
        ("header.x-b | hex", "a09Z", "-./+ \n"),
        ("header.x-b | base64", "aZ0+/=", "-_ \n"),
        ("header.x-b | base64url", "aZ0-_=", "+/ \n"),
        ("header.x-b | percent", "aZ0-._~%", "=&/+ \n"),
        ("path | percent-path", "/a%", "? #\n"),
        ("header.x-b | percent-path", "a \n#", ""),
        ("header.x-b | decode", "a \n#", ""),
        ("header.x-b | from-hex", "a \n", ""),
        ("header.x-b | from-base64", "a \n", ""),
        ("header.x-b | sha256 | hex", "", "a0-"),
        ("header.x-b | sha256 | base64 | percent", "", "a%"),
        ("path | without /a", "/a #?", "\n"),
        ("path | drop /", "/a #?", "\n"),
        ("header.x-b | lower", "a ", "\n"),
    ] {
        assert_class(piece, "", held, not_held);
    }
    let inner = "let: { inner: \"{path}\" }";
    assert_class("inner", inner, "/a", " ?");
    assert_class("inner | percent", inner, "a%", "/ ");
    assert_class("inner | lower", inner, "/ a\n", "");
}

#[test]
fn of_lists() {
    for list in ["query", "form", "params"] {
        assert_class(list, "", "a=&%-", "/+ ,\n");
        // What is not encoded may be anything.
        for rule in [
            "each: \"{name}={value}\"",
            "each: \"{name | percent}={value}\"",
            "each: \"{name}={value | percent}\"",
            "each: \"{name}={value}\", decode: none",
            "each: \"{name | percent}={value | percent}\", join: \",\"",
        ] {
            assert_class(list, &format!("{list}: {{ {rule} }}"), "/,a=", "");
        }
    }
    let of_header = |rule: &str| format!("headers: {{ sign: [x-b], {rule} }}");
    assert_class("headers", &of_header("order: line"), "a\n /", "");
}

#[test]
fn of_claims() {
    let timed = |format: &str| format!("time: {{ format: {format}, window: 5m }}");
    assert_class("time", &timed("unix"), "09", "a-:\n");
    assert_class("time", &timed("unix-ms"), "09", "a-:\n");
    assert_class("time", &timed("YYYYMMDDThhmmssZ"), "", "0a-");
    let carried = |entry: &str, more: &str| format!("{more}\ncarry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\", {entry} }} }}");
    assert_class("nonce", &carried("N: \"{nonce}\"", ""), "a \t/", "\n");
    assert_class("key_id", &carried("K: \"{key_id}\"", ""), "", "a0");
    let expires = |form: &str| carried("E: \"{expires}\"", &format!("expires: {{ {form}, default: 30m, max: 1d }}"));
    assert_class("expires", &expires("unit: s"), "09", "a-:\n");
    assert_class("expires", &expires("unit: ms"), "09", "a-:\n");
    assert_class("expires", &expires("format: YYYYMMDDThhmmssZ"), "", "0a-");
    let input = "inputs: [region]";
    assert_class("region", &carried("R: \"{region}\"", input), "a \t", "\n");
    assert_class("region", input, "", "a0");
}

/// What makes the key, or is digested, is looked at like what is signed; what is only carried is not.
#[test]
fn in_every_text() {
    let hazards = |rest: &str, text: &str| {
        let carry = if rest.contains("carry:") { "" } else { "carry: { header: { T: \"{time}\", S: \"{signature}\" } }\n" };
        let file = format!(
            "countersign: 1\ndialect: a\ntitle: t\nalgorithm: hmac-sha256\nwaive: [method, path, query, body]\nstring_to_sign: \"{{time}}{text}\"\n\
             time: {{ format: unix, window: 5m }}\n{carry}{rest}\n"
        );
        let dialect = Dialect::from_yaml(&file).unwrap_or_else(|e| panic!("{e}\n{file}"));
        dialect.hazards().iter().any(|hazard| matches!(hazard, Hazard::RunTogether(_)))
    };
    const BOTH: &str = "{header.x-a}{header.x-b}";
    let named = format!("let: {{ inner: \"{BOTH}\" }}");
    assert!(hazards("", &format!("\\n{BOTH}")));
    assert!(hazards(&format!("key: {{ from: \"{{secret}}{BOTH}\" }}"), ""));
    assert!(hazards(&format!("key: {{ from: \"{{secret}}\", hmac: [\"a\", \"{BOTH}\"] }}"), ""));
    assert!(hazards(&format!("body_digest: \"{BOTH}\""), "\\n{body_digest | sha256 | hex}"));
    assert!(hazards(&named, "\\n{inner | sha256 | hex}"));
    assert!(hazards(&format!("{named}\nkey: {{ from: \"{{secret}}\", hmac: [\"{{inner | sha256 | hex}}\"] }}"), ""));
    let carried = "carry: { header: { T: \"{time}\", S: \"{signature}\", L: \"{inner | lower}\" } }";
    assert!(!hazards(&format!("{named}\n{carried}"), ""));
    assert!(!hazards("key: { from: \"{secret}\", hmac: [\"{header.x-a}\", \"{header.x-b}\"] }", ""));
}

/// Behind a list of headers, only a line that begins with a name and a colon can be looked for.
#[test]
fn behind_the_headers() {
    for (text, is_unsafe) in [
        ("\\nx-end:{header.x-b}", false),
        ("\\nend{header.x-b}", true),
        ("\\n:{header.x-b}", true),
        ("end:{header.x-b}", true),
        ("\\n\\n{header.x-b}", false),
    ] {
        let file = format!(
            "countersign: 1\ndialect: a\ntitle: t\nalgorithm: hmac-sha256\nwaive: [method, path, query, body]\nheaders: {{ sign: [x-a] }}\n\
             string_to_sign: \"{{time}}\\n{{headers}}{text}\"\ntime: {{ format: unix, window: 5m }}\ncarry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\" }} }}\n"
        );
        let dialect = Dialect::from_yaml(&file).unwrap_or_else(|e| panic!("{e}\n{file}"));
        let found = dialect.hazards().iter().any(|hazard| matches!(hazard, Hazard::RunTogether(_)));
        assert_eq!(found, is_unsafe, "{text}: {:?}", dialect.hazards());
    }
}

#[test]
fn items_that_nothing_parts_are_told() {
    for (rule, told) in [
        ("each: \"{name}={value}\"", false),
        ("each: \"{name}{value}\"", true),
        ("each: \"{name}={value}\", join: \"\"", true),
        ("each: \"{name}{value}\", join: \"\"", true),
    ] {
        let file = format!(
            "countersign: 1\ndialect: a\ntitle: t\nalgorithm: hmac-sha256\nwaive: [method, path, query, body]\nquery: {{ {rule} }}\n\
             string_to_sign: \"{{time}}\\n{{query}}\"\ntime: {{ format: unix, window: 5m }}\ncarry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\" }} }}\n"
        );
        let dialect = Dialect::from_yaml(&file).unwrap_or_else(|e| panic!("{e}\n{file}"));
        assert_eq!(dialect.hazards().iter().any(|hazard| matches!(hazard, Hazard::NoSeparators("query"))), told, "{rule}");
    }
}
