//! Dialects of our own, beside the engine: one that tries to break out of its literals and comments, and some that use what no vector needs.
//!
//! Each message is signed by the engine and by the generated signer; stages, signature and placed message must be the same, or both refuse.

use countersign_codegen::{Language, generate, support};
use countersign_protocol::{Algorithm, Credential, Dialect, Message, Request, Response, Scheme, SignOptions, Timestamp};
use serde_json::{Value, json};

use crate::adapter::{self, Adapter};

/// Quotes, escapes, ends of comments, strings and tags of every language, in each place where a file can hold text.
const HOSTILE: &str = r####"countersign: 1
dialect: hostile
title: "end */ ?> <?php echo 1; \\u000a; \n System.exit(1); \u2028 ''' \"\"\" `${{process.exit()}}` #{{x}} </script>"
source: "https://example.com/*/?>\\u0022"
inputs: ["[class]", "[__proto__]", "[2nd]", "[string_to_sign_text]", "[percent_path]"]
secrets: [self_]
let:
  function: "quote \" apostrophe ' back \\ tick ` dollar ${{x}} $x {{$x}} #{{x}} %s %n \\u0022; \\x41 \\101 \\\r\n\t\0 /* */ // # --> <!-- ?> <?php <% %> ''' \"\"\" //? md5 é \u2028 \U0001F600 \u007f{class}"
  a_b: "{function | sha256 | hex}"
string_to_sign: "{time}\n{nonce}\n{method}\n{target}\n{function}\n{a_b}\\\n[${{class}}:{class} \"{__proto__}\" '{2nd}' {string_to_sign_text}{percent_path | percent}]\n\"; evil(); \"\n'); evil(); ('\n{headers}\n{self_ | hmac | hex}\n{body | sha256 | hex}"
headers:
  always: ["Host", "X'Y"]
  missing: empty
  each: "\"{name}\\' + ${{value}} \" {value}"
  join: "\\\n\"'"
algorithm: hmac-sha256
signature: hex
carry:
  header:
    X-Constant: "a\"b'c\\d${{e}}`f`?>\\u0041é*/"
    "X'Z": "\\{time}\\"
    "X-`N`": "'{nonce}' --> \\u0022"
    X-Class: "[<{class}>]"
    "X-$S": "\"; {signature} ; '"
time: { format: "YYYY-MM-DD'T'hh:mm:ss\"\\u0022", window: 5m }
"####;

/// Every filter, and the parts that no built-in dialect reads.
const TEXTS: &str = r####"countersign: 1
dialect: all-filters
title: Every filter
string_to_sign: |-
  {method | lower}|{scheme | upper}|{http_version}|{host}|{hostname}|{port}|{authority}
  {path | normalize | closing-slash}|{path | decode | percent-path}|{target | percent}
  {header.X-A | trim}|{header.X-A | squeeze}|{header.X-A | media-type}|{header.X-A | drop none}|{header.X-A | without pre}
  {header.X-H | from-hex | base64url}|{header.X-S | from-base64 | hex}|{header.X-A | unless header.X-B}
  {body | first 5 | hex}|{body | sha512 | base64url}|{body | sha1 | hex | upper}|{body | sha384 | base64}|{body | md5 | hex}
  [q={query.a};][f={form.b};][maybe {header.X-C}[ and {header.X-D | squeeze}] now]
  {body | hmac | base64}
  {time | YYYY/MM/DD hh:mm:ss.SSS}|{time | http-date}|{time | unix-ms}|{time}|{expires}|{nonce}
  {headers}
  {query}
  {form}
  {signed_headers}
headers:
  sign: [x-*, "@target"]
  except: [x-b]
  pseudo: { "@target": "[@target {query.a}]{method}" }
  each: "{name | upper}={value | squeeze}[;{value | first 1}]"
  order: line
  repeated: first
  missing: skip
  empty: drop
  join: "|"
  names: ","
query: { each: "{name | lower | percent}:{value | hex}", order: name-ignore-case, repeated: { join: "+" }, except: [skipped] }
form: { each: "{name}[={value}]", order: line, decode: none, empty: drop, only: [b, c, "d%20"] }
key: { from: "{secret | from-hex}", hmac: ["{time | YYYYMMDD}", "{method}"], as: base64 }
algorithm: { one: hmac-sha384, two: [hmac-md5, hmac-sha512] }
signature: base64url
carry:
  header:
    X-Word: "[{algorithm}]"
    X-Time: "{time}"
    X-Nonce: "[{nonce}]"
    X-Names: "[{signed_headers}]"
  query:
    expires: "{expires}"
    "s g": "{signature}"
time: { format: "YYYY-MM-DD hh:mm:ss", zone: "+05:30", window: 5m }
expires: { format: unix-ms, default: 15m, max: 1d }
"####;

/// Places and rules of lists that the others lack.
const PLACES: &str = r####"countersign: 1
dialect: 1-form-places
title: A form that carries
inputs: [scope, "[extra]"]
let: { digest_line: "{body_digest}/{scope}" }
string_to_sign: "{params}\n{digest_line}\n{key_id}\n{time}\n{method}\n{path}\n{secret}"
params: { from: [query, form], order: as-is, repeated: first, each: "{value | percent}={name | percent}", decode: percent }
body_digest: { is: "{header.X-A | trim | sha1 | hex}", when: [not-form, method PUT] }
algorithm: sha256
signature: base64
carry:
  header:
    X-Digest: "[sha1={body_digest}]"
    X-List: "k={key_id | percent}; [e={extra};] sc=\"{scope}\"; t={time}"
  form:
    sign: "{signature}"
time: { format: http-date, window: 5m }
"####;

/// Claims in a query that is read as a form, and what stands between the items of two sources.
const GLUED: &str = r####"countersign: 1
dialect: glued
title: Two sources with a text of their own between them
string_to_sign: "{params}\n{method}"
params: { from: [query, form], order: as-is, between: "|", join: "; ", repeated: first, each: "{name}[={value}]", decode: form }
algorithm: hmac-sha256
signature: base64
carry:
  params:
    "k y": "{key_id}"
    stamp: "{time}"
    "n+ce": "[{nonce}]"
    sign: "{signature}"
time: { format: "YYYY-MM-DD hh:mm:ss", window: 5m }
"####;

const ANSWER: &str = r####"countersign: 1
dialect: an-answer
title: A response
message: response
string_to_sign: "{status}\n{time}\n{header.Content-Type | media-type}\n{body_without_signature}\n{secret}"
algorithm: [hmac-sha512, ed25519]
signature: base64
carry:
  header: { X-Time: "{time}", X-Key: "{key_id}" }
  json: { sig: "{signature}" }
time: { format: unix, window: 5m }
"####;

/// The dialects of this file.
pub(crate) fn all() -> Vec<Dialect> {
    [HOSTILE, TEXTS, PLACES, GLUED, ANSWER]
        .into_iter()
        .map(|text| Dialect::from_yaml(text).unwrap_or_else(|e| panic!("{e}: {text}")))
        .collect()
}

fn requests() -> Vec<Request> {
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let plain = |method: &str, target: &str| Request::new(method, target).with_header("Host", "Example.com:8443");
    vec![
        plain("GET", "/"),
        plain("GET", "/a/../b//c/./d%2Fe%20/?b=2&a=1&A=%41&a=+&skipped=x&=v&noval&%5A=%e4&&"),
        plain("GET", "/a?b=1%zz"),
        plain("GET", "/a%4"),
        plain("GET", "/x?s%20g=old&expires=1").with_header("X-A", " pre  one\t two;x "),
        plain("PUT", "/p").with_header("X-A", "none").with_header("x-b", "1").with_header("X-A", "second").with_body("hello world"),
        plain("POST", "/f?b=q&sign=x")
            .with_header("content-type", form)
            .with_header("X-C", "c")
            .with_header("X-D", " d  d ")
            .with_body("b=1&c=2+3&b=4&d%20=5&sign=old&other=%C3%A9&c="),
        plain("POST", "/f?k+y=x&b=1&=&n%2Bce=a+b&stamp=2026-01-02+03%3A04%3A05")
            .with_header("Content-Type", form)
            .with_body("k+y=old&b=2&c=+3"),
        plain("POST", "/f?sign=a%20b&sign=c").with_header("Content-Type", form).with_body("&c=1&&stamp=1&n+ce=2&c=2"),
        plain("POST", "/f").with_header("Content-Type", form),
        // The signature is put into the body, of which two lines tell the length.
        plain("POST", "/f")
            .with_header("Content-Length", "3")
            .with_header("Content-Type", form)
            .with_header("content-length", "3")
            .with_body("b=1"),
        plain("POST", "/h")
            .with_header("X-H", "00ffAB")
            .with_header("X-S", "Zm9vYg")
            .with_header("X-E", "")
            .with_body(&b"\x00\xff\"'\\"[..]),
        plain("POST", "/h").with_header("X-H", "0g"),
        plain("POST", "/h").with_header("X-S", "Zm9vYh="),
        plain("POST", "/h").with_header("X-S", "Zm9vY"),
        plain("get", "*"),
        plain("GET", "/").with_header("X'Y", "it's \"here\" \\ ${x} é"),
        plain("GET", "/").with_header("X'Y", &b"\xff"[..]),
        plain("GET", "/").with_header("X-A", "\u{7f}"),
        plain("GET", "/").with_header("host", "twice"),
        Request::new("GET", "/no-host?x"),
        Request { scheme: Scheme::Http, ..Request::new("DELETE", "/").with_header("HOST", "[::1]:80") },
    ]
}

fn responses() -> Vec<Response> {
    let response = |body: &str| Response {
        status: 201,
        headers: vec![
            ("Content-Type".to_owned(), b" Application/JSON ;x".to_vec()),
            ("Content-length".to_owned(), body.len().to_string().into_bytes()),
        ],
        body: body.as_bytes().to_vec(),
    };
    let bodies = [
        r#"{}"#,
        r#"{ "a":[{"sig":"no"}], "sig" : "old" }"#,
        r#"{"s\u0069g":"x","b":"}"}"#,
        "[",
        "",
        r#"{"sig":1}"#,
        r#"{"a":"sig","sig":"\"" }"#,
    ];
    bodies.map(response).to_vec()
}

/// Who signs, at which time, with which choices: for the engine, and as a line of the protocol.
struct Setting {
    credential: Credential,
    options: SignOptions,
    line: Value,
}

const KEY_ID: &str = "key 1 é";
const PART: &str = "part '\" \\";
const SECRET: &str = "00ffab12";

fn settings(dialect: &Dialect) -> Vec<Setting> {
    let filters = dialect.id() == "all-filters";
    let mut all = Vec::new();
    for (case, at) in ["2026-01-02T03:04:05.678Z", "1999-12-31T23:59:59Z", "2026-01-02T18:31:00Z"].into_iter().enumerate() {
        let mut credential = Credential::hmac(KEY_ID, SECRET).with_part("self_", PART);
        let mut options = SignOptions::new(Timestamp::parse_rfc3339(at).unwrap());
        let key = json!({ "key_id": KEY_ID, "secret": SECRET, "parts": { "self_": PART } });
        let mut line = json!({ "op": "sign", "dialect": dialect.id(), "at": at, "inputs": {}, "options": {}, "credentials": [key] });
        for input in dialect.inputs().iter().filter(|input| case == 0 || !input.optional) {
            let value = format!("{} ' \\ ${{x}} é", input.name);
            line["inputs"][&input.name] = value.clone().into();
            options = options.with_input(&input.name, value);
        }
        if case < 2 || !filters {
            line["nonce"] = "n'\"\\".into();
            options = options.with_nonce("n'\"\\");
        }
        if case == 1 {
            let names = ["x-a", "HOST", "X-b"].map(str::to_owned).to_vec();
            line["options"]["headers"] = json!(names);
            options.headers = Some(names);
        }
        if case == 1 && filters {
            options.omit = vec!["nonce".to_owned(), "algorithm".to_owned()];
        }
        // A signer makes a nonce wherever one can be carried; the engine makes none.
        if case == 2 && filters {
            options.omit = vec!["nonce".to_owned()];
        }
        if !options.omit.is_empty() {
            line["options"]["omit"] = json!(options.omit);
        }
        if case == 2 && filters {
            credential = credential.with_algorithm(Algorithm::from_name("hmac-md5").unwrap());
            line["credentials"][0]["algorithm"] = "hmac-md5".into();
            options.expires = Some("17".to_owned());
            line["options"]["expires"] = "17".into();
        }
        if case == 2 && !filters {
            options.body_digest = Some("given ' é".to_owned());
            line["options"]["body_digest"] = "given ' é".into();
        }
        all.push(Setting { credential, options, line });
    }
    all
}

/// What the engine answers, in the form of the protocol for adapters.
fn expected(dialect: &Dialect, message: Message, setting: &Setting) -> Option<Value> {
    let signed = dialect.sign(message, &setting.credential, &setting.options).ok()?;
    let mut stages = serde_json::Map::new();
    signed.stages().iter().for_each(|(name, bytes)| adapter::put(&mut stages, name, bytes));
    Some(json!({ "stages": stages, "signature": signed.signature(), "message": adapter::written(signed.message()) }))
}

/// What is wrong about an answer.
fn faults(mut answer: Value, expected: Option<Value>) -> Vec<String> {
    let Some(expected) = expected else {
        // A refusal in the signer's own words, not a fault of the program.
        let orderly = answer["result"] == "error" && answer["message"].as_str().is_some_and(|words| !words.contains("rror"));
        return if orderly { Vec::new() } else { vec![format!("the engine refuses; it answers {answer}")] };
    };
    if answer["result"] != "signed" {
        return vec![format!("{answer} for {expected}")];
    }
    let mut faults = Vec::new();
    for name in ["signature", "stages", "message"] {
        let got = answer[name].take();
        if got != expected[name] {
            faults.push(format!("{name}\n  expected {}\n  got      {got}", expected[name]));
        }
    }
    faults
}

/// Runs a language over the dialects of this file; says how many messages the engine signed.
pub(crate) fn run(language: Language, adapter: &mut Adapter) -> usize {
    let (mut signed, mut found) = (0, Vec::new());
    for dialect in all().iter().filter(|dialect| support(dialect, language).is_ok()) {
        let messages: Vec<Message> = if dialect.is_of_responses() {
            responses().into_iter().map(Message::from).collect()
        } else {
            requests().into_iter().map(Message::from).collect()
        };
        for (index, message) in messages.into_iter().enumerate() {
            for (case, setting) in settings(dialect).iter().enumerate() {
                let mut line = setting.line.clone();
                line["message"] = adapter::written(&message);
                let expected = expected(dialect, message.clone(), setting);
                signed += usize::from(expected.is_some());
                let place = format!("{language} {} message {index} setting {case}", dialect.id());
                found.extend(faults(adapter.ask(&line), expected).into_iter().map(|fault| format!("{place}: {fault}")));
            }
        }
    }
    assert!(found.is_empty(), "{} faults\n{}", found.len(), found[..found.len().min(8)].join("\n"));
    signed
}

#[test]
fn a_file_puts_nothing_but_literals_and_comments_into_a_program() {
    for language in Language::ALL {
        let source = generate(&Dialect::from_yaml(HOSTILE).unwrap(), language).unwrap();
        assert!(source.bytes().all(|b| matches!(b, b'\n' | b'\t' | b' '..=b'~')), "{language}: a byte beyond plain text");
        let mark = if language == Language::Python { "#" } else { "//" };
        let is_comment = |line: &&str| line.trim_start().starts_with(mark);
        for line in source.lines().filter(is_comment).filter(|line| line.contains("System.exit") || line.contains("quote")) {
            assert!(!line.contains(['\\', '<']) && !line.contains("?>") && !line.contains("*/"), "{language}: {line}");
        }
        for line in source.lines().filter(|line| !is_comment(line) && (line.contains("evil()") || line.contains("process.exit"))) {
            let before = &line[..line.find("evil()").or(line.find("process.exit")).unwrap()];
            assert!(before.contains(['"', '\'']), "{language}: outside of a literal: {line}");
        }
    }
}
