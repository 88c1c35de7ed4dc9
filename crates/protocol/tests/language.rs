//! LANGUAGE.md is what the loader does: every example loads and works, every refusal is the one that is shown, and no key, name, filter or
//! algorithm is missing from it. What the README shows of dialects is held to the same.
#![cfg(feature = "yaml")]

use countersign_protocol::{
    Algorithm, Credential, Dialect, Dialects, DigestAlgorithm, Hazard, Inputs, MOST_KEY_ID, MOST_NONCE, MOST_PARAMETERS, MOST_SIGNATURE,
    MOST_SIGNATURES, MOST_SIGNED_HEADERS, MOST_TRIES, Message, Part, Policy, Reason, Refusal, ReplayMode, Request, Response, SignOptions,
    Timestamp,
};

const LANGUAGE: &str = include_str!("../LANGUAGE.md");
const README: &str = include_str!("../../../README.md");
const LIBRARY: &str = include_str!("../src/lib.rs");
const NAMES: &str = include_str!("../src/dialect/compile/names.rs");
const HEAD: &str = "countersign: 1\ndialect: a\ntitle: t\n";

/// The texts between the fences of YAML.
fn blocks() -> Vec<&'static str> {
    let ends = |rest: &'static str| rest.split_once("```").expect("a fence that is closed").0;
    LANGUAGE.split("```yaml\n").skip(1).map(ends).collect()
}

fn examples() -> Vec<&'static str> {
    blocks().into_iter().filter(|block| block.starts_with("countersign: 1\n")).collect()
}

/// Path, fault and file of each refusal.
fn refusals() -> Vec<(&'static str, &'static str, &'static str)> {
    let marked = blocks().into_iter().filter_map(|block| block.strip_prefix("# refused: "));
    let split = |block: &'static str| {
        let (mark, file) = block.split_once('\n').expect("a file after the mark");
        let (path, fault) = mark.split_once(": ").expect("PATH: FAULT");
        (path, fault, file)
    };
    marked.map(split).collect()
}

/// The part of the document under the heading that holds this text, up to the next heading.
fn section(title: &str) -> &'static str {
    let is_heading = |line: &str| line.starts_with("# ") || line.starts_with("## ");
    let mut at = 0;
    let mut found = None;
    for line in LANGUAGE.split_inclusive('\n') {
        match found {
            Some(start) if is_heading(line) => return &LANGUAGE[start..at],
            None if is_heading(line) && line.contains(title) => found = Some(at),
            _ => {}
        }
        at += line.len();
    }
    &LANGUAGE[found.unwrap_or_else(|| panic!("no heading holds {title}"))..]
}

#[track_caller]
fn documented(place: &str, word: &str, title: &str) {
    assert!(place.contains(&format!("`{word}`")), "`{word}` is not in the section {title}");
}

/// The cells of the first column of every table in a text, as words in backticks.
fn first_column(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cell = |row: &str| row.split(" | ").next().unwrap_or_default().split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    rows.flat_map(cell).collect()
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_739_437_548).expect("a time")
}

fn credential(secret: &str) -> Credential {
    Credential::hmac("key-1", secret)
}

fn message(dialect: &Dialect) -> Message {
    let body = r#"{"a":1}"#;
    if dialect.is_of_responses() {
        return Message::Response(Response { status: 200, headers: Vec::new(), body: body.into() });
    }
    let request = Request::new("POST", "/v1/items?b=2&a=1").with_header("Host", "api.example.com");
    Message::Request(request.with_header("Content-Type", "application/json").with_body(body))
}

fn inputs(dialect: &Dialect) -> Inputs {
    dialect.inputs().iter().fold(Inputs::new(), |inputs, input| inputs.with(&input.name, "sample"))
}

fn sign(dialect: &Dialect) -> Message {
    let mut options = SignOptions::new(now()).with_nonce("n-1");
    options.inputs = inputs(dialect);
    let signed = dialect.sign(message(dialect), &credential("secret-1"), &options);
    signed.unwrap_or_else(|e| panic!("{}: {e}", dialect.id())).into_message()
}

fn verify(dialect: &Dialect, message: &Message, secret: &str) -> Result<Vec<Part>, Refusal> {
    let (credential, inputs, policy) = (credential(secret), inputs(dialect), Policy::default());
    let intact = match message {
        Message::Request(request) => dialect.verify(request, &inputs, &[&credential], now(), &policy),
        Message::Response(response) => dialect.verify(response, &inputs, &[&credential], now(), &policy),
    }?;
    Ok(intact.verified().covers().iter().cloned().collect())
}

/// The same message with this part changed; `None` for parts that are not tried.
fn changed(mut message: Message, part: &Part) -> Option<Message> {
    match (&mut message, part) {
        (Message::Request(request), Part::Method) => request.method = "PUT".to_owned(),
        (Message::Request(request), Part::Path) => request.target.splice(1..1, *b"x").for_each(drop),
        (Message::Request(request), Part::Query) => request.target.extend(b"&x=y"),
        (Message::Request(request), Part::Body) => request.body.insert(1, b' '),
        (Message::Response(response), Part::Body) => response.body.insert(1, b' '),
        (Message::Response(response), Part::Status) => response.status = 500,
        _ => return None,
    }
    Some(message)
}

#[test]
fn every_block_is_an_example_or_a_refusal() {
    assert_eq!(examples().len() + refusals().len(), blocks().len(), "a block that nothing tests");
    assert!(examples().len() >= 5 && refusals().len() >= 10);
}

#[test]
fn every_example_signs_and_verifies() {
    for text in examples() {
        let dialect = Dialect::from_yaml(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let signed = sign(&dialect);
        let covers = verify(&dialect, &signed, "secret-1").unwrap_or_else(|e| panic!("{}: {e}", dialect.id()));
        let refusal = verify(&dialect, &signed, "secret-2").expect_err("another secret");
        assert_eq!(refusal.reason(), Reason::SignatureMismatch, "{}", dialect.id());
        for part in &covers {
            let Some(changed) = changed(signed.clone(), part) else { continue };
            assert!(verify(&dialect, &changed, "secret-1").is_err(), "{}: {part} is covered, and a change of it is accepted", dialect.id());
        }
    }
}

#[test]
fn examples_of_built_in_dialects_are_their_files() {
    let builtin = Dialects::builtin().expect("built-in dialects make sense");
    let mut compared = 0;
    for text in examples() {
        let id = Dialect::from_yaml(text).expect("an example").id().to_owned();
        if builtin.get(&id).is_some() {
            let file = std::fs::read_to_string(format!("{}/dialects/{id}.yaml", env!("CARGO_MANIFEST_DIR"))).expect("its file");
            assert_eq!(text.trim_end(), file.trim_end(), "{id}");
            compared += 1;
        }
    }
    assert!(compared >= 3, "{compared} built-in dialects are shown");
}

#[test]
fn every_refusal_is_the_one_that_is_shown() {
    for (path, fault, file) in refusals() {
        let error = Dialect::from_yaml(file).expect_err(fault);
        assert_eq!((error.path(), error.fault()), (path, fault), "{file}");
    }
}

/// What the loader says is known, at the place where a key that nobody knows stands.
fn known(file: &str) -> Vec<String> {
    let error = Dialect::from_yaml(&format!("{HEAD}{file}")).expect_err(file);
    let list = error.mend().strip_prefix("known here: ").unwrap_or_else(|| panic!("{error}"));
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_is_documented() {
    let odd = "qqqqqqqqqqqqqqqq: 1";
    let mut count = 0;
    let mut check = |title: &str, keys: Vec<String>| {
        keys.iter().for_each(|key| documented(section(title), key, title));
        count += keys.len();
    };
    check("Keys of a file", known(odd));
    for list in ["headers", "query", "form", "params"] {
        check("Lists", known(&format!("{list}: {{ {odd} }}")));
        assert_eq!(known(&format!("{list}: {{ repeated: {{ {odd} }} }}")), ["join"]);
    }
    for key in ["body_digest", "key", "signature", "time", "expires", "diagnostics"] {
        check(&format!("`{key}`"), known(&format!("{key}: {{ {odd} }}")));
    }
    assert_eq!(known(&format!("time: {{ format: unix, window: {{ {odd} }} }}")), ["past", "future"]);
    assert!(section("`time`").contains("{ past, future }"));
    assert_eq!(known(&format!("nonce: {{ {odd} }}")), ["keep"]);
    assert!(count > 60, "{count} keys");
}

#[test]
fn no_key_is_documented_that_is_not_there() {
    let known_keys = known("qqqqqqqqqqqqqqqq: 1");
    for key in first_column(section("Keys of a file")) {
        assert!(known_keys.contains(&key), "{key}");
    }
    let pairs = known("query: { qqqqqqqqqqqqqqqq: 1 }");
    let headers = known("headers: { qqqqqqqqqqqqqqqq: 1 }");
    for key in first_column(section("Lists")) {
        assert!(pairs.contains(&key) || headers.contains(&key), "{key}");
    }
}

/// The first text of each entry of a Rust table or match that begins with `(\"`, after this line.
fn words_of_source(begins: &str, ends: &str) -> Vec<&'static str> {
    let from = NAMES.find(begins).unwrap_or_else(|| panic!("no {begins}"));
    let text = &NAMES[from..];
    let text = &text[..text.find(ends).unwrap_or(text.len())];
    text.split("(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_name_is_documented_and_every_documented_name_exists() {
    let table = section("Names in templates");
    let parts = words_of_source("const REQUEST_ONLY", "];");
    let claims = words_of_source("const ANYWHERE", "];");
    let reserved = ["algorithm", "signature", "status", "name", "value", "string_to_sign"];
    assert_eq!((parts.len(), claims.len()), (9, 13));
    for name in parts.iter().chain(&claims).chain(&reserved) {
        documented(table, name, "Names in templates");
        let taken = Dialect::from_yaml(&format!("{HEAD}inputs: [{name}]")).expect_err("a name that is taken");
        assert_eq!(taken.fault(), format!("the name {name} is taken"));
    }
    for name in first_column(table) {
        let is_kind = ["header.NAME", "query.NAME", "form.NAME"].contains(&name.as_str());
        assert!(is_kind || parts.iter().chain(&claims).chain(&reserved).any(|known| *known == name), "{name}");
    }
}

#[test]
fn every_filter_is_documented_and_every_documented_filter_exists() {
    let table = section("Filters");
    let mut words = words_of_source("fn filter(word", "_ => return Err(LoadError::new(path, format!(\"no filter");
    words.retain(|word| !word.contains([' ', '.']) && !word.is_empty());
    assert!(words.len() >= 20, "{words:?}");
    let shown = |word: &&str| match *word {
        "without" | "drop" => format!("{word} TEXT"),
        "unless" => "unless header.NAME".to_owned(),
        "first" => "first N".to_owned(),
        plain => plain.to_owned(),
    };
    let digests = DigestAlgorithm::ALL.map(DigestAlgorithm::as_str);
    for word in words.iter().chain(&digests).chain(&["unix", "unix-ms", "http-date"]) {
        documented(table, &shown(word), "Filters");
    }
    for filter in first_column(table) {
        let filter = filter.replace("first N", "first 9").replace("TEXT", "x").replace("NAME", "x");
        let name = if ["unix", "unix-ms", "http-date"].contains(&filter.as_str()) { "time" } else { "header.a" };
        let file = format!(
            "{HEAD}string_to_sign: \"{{time}}{{{name} | {filter}}}\"\nalgorithm: hmac-sha256\n\
             carry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\" }} }}\ntime: {{ format: unix }}\n"
        );
        Dialect::from_yaml(&file).unwrap_or_else(|e| panic!("{filter}: {e}"));
    }
}

#[test]
fn algorithms_modes_and_parts_are_documented() {
    for name in Algorithm::names() {
        documented(section("`algorithm`"), name, "algorithm");
    }
    for name in first_column(section("`replay`")) {
        assert!(ReplayMode::from_name(&name).is_some(), "{name}");
    }
    let error = Dialect::from_yaml(&format!(
        "{HEAD}string_to_sign: \"{{time}}\"\nalgorithm: hmac-sha256\ncarry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\" }} }}\n\
         time: {{ format: unix }}\nreplay: no-such\n"
    ));
    let error = error.expect_err("no such mode");
    let modes = error.mend().strip_prefix("one of ").expect("the modes");
    modes.split(", ").for_each(|mode| documented(section("`replay`"), mode, "replay"));
    let parts = section("`require`").split("Parts are named").nth(1).and_then(|rest| rest.split(". ").next()).expect("the parts");
    let named: Vec<&str> = parts.split('`').skip(1).step_by(2).collect();
    assert_eq!(named.len(), 20, "{named:?}");
    named.iter().for_each(|name| assert!(Part::parse(name).is_some(), "{name}"));
}

#[test]
fn limits_are_documented() {
    let rows = [
        format!("| key id | {MOST_KEY_ID} bytes |"),
        format!("| nonce | {MOST_NONCE} bytes |"),
        format!("| text of a signature | {MOST_SIGNATURE} bytes |"),
        format!("| signatures side by side | {MOST_SIGNATURES} |"),
        format!("| keys times signatures tried | {MOST_TRIES} |"),
        format!("| listed headers | {MOST_SIGNED_HEADERS}, none twice |"),
        format!("| parameters of query and form together | {MOST_PARAMETERS} |"),
    ];
    rows.iter().for_each(|row| assert!(section("Limits").contains(row), "{row}"));
    let nested =
        |depth: usize| Dialect::from_yaml(&format!("{HEAD}source: {}{}", "[".repeat(depth), "]".repeat(depth))).expect_err("no text");
    assert!(nested(9).fault().starts_with("nested more than 8 levels"), "{}", nested(9));
    let long = format!("{HEAD}source: \"{}\"", "x".repeat(64 * 1024));
    assert!(Dialect::from_yaml(&long).expect_err("too long").fault().contains("65536 bytes"));
}

#[test]
fn the_readmes_program_is_the_example_that_is_compiled() {
    let program = README.split_once("```rust\n").and_then(|(_, rest)| rest.split_once("```")).expect("a program").0;
    let compiled: Vec<&str> = LIBRARY.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let start = compiled.iter().position(|line| Some(*line) == program.lines().next()).expect("its first line");
    let shown: Vec<&str> = program.lines().collect();
    assert_eq!(compiled[start..start + shown.len()], shown);
}

#[test]
fn the_readmes_own_dialect_works() {
    let file = README.split_once("acme-hmac.yaml <<'END'\n").and_then(|(_, rest)| rest.split_once("END\n")).expect("a dialect").0;
    let dialect = Dialect::from_yaml(file).unwrap_or_else(|e| panic!("{e}"));
    assert!(dialect.hazards().is_empty(), "{:?}", dialect.hazards());
    verify(&dialect, &sign(&dialect), "secret-1").unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn the_readmes_table_is_what_the_files_say() {
    let builtin = Dialects::builtin().expect("built-in dialects make sense");
    let table = README.split_once("## Built-in dialects").and_then(|(_, rest)| rest.split_once("\n## ")).expect("a table").0;
    let rows: Vec<Vec<&str>> = table.lines().filter(|l| l.starts_with("| `")).map(|l| l.split('|').map(str::trim).collect()).collect();
    assert_eq!(rows.len(), builtin.iter().count());
    for row in rows {
        let dialect = builtin.get(row[1].trim_matches('`')).unwrap_or_else(|| panic!("{} is not built in", row[1]));
        let (id, hazards) = (dialect.id(), row[4]);
        assert_eq!(row[3].replace(' ', "-"), dialect.replay().as_str(), "{id}");
        assert_eq!(hazards.contains("**unsafe**"), dialect.is_unsafe(), "{id}");
        assert_eq!(hazards.contains("no nonce"), dialect.hazards().contains(&Hazard::NoNonce), "{id}");
        assert_eq!(hazards.contains("shows its secret"), dialect.hazards().contains(&Hazard::ShowsSecret), "{id}");
        for part in [Part::Method, Part::Path, Part::Query, Part::Body] {
            let told = hazards.contains("unsigned") && hazards.contains(&part.to_string());
            assert_eq!(told, dialect.hazards().contains(&Hazard::Unsigned(part.clone())), "{id}: {part}");
        }
    }
}
