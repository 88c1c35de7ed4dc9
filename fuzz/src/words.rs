//! Words that a fuzzer puts together: names, keys and marks of each form of input.

use std::collections::BTreeSet;

use countersign_protocol::Dialects;

use crate::corpus;

/// The words of a target, in the form of libFuzzer's dictionaries.
#[must_use]
pub fn dictionary(target: &str) -> String {
    let words: BTreeSet<Vec<u8>> = match target {
        "claim" => carried().chain(listed(MESSAGE)).collect(),
        "canonical" => ids().chain(listed(MESSAGE)).collect(),
        "dialect" => of_files().collect(),
        _ => listed(CONNECTION).collect(),
    };
    words.iter().filter(|word| (1..=64).contains(&word.len())).map(|word| quoted(word)).collect()
}

fn quoted(word: &[u8]) -> String {
    let escaped = word.iter().map(|byte| match byte {
        b' '..=b'~' if !matches!(byte, b'"' | b'\\') => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    format!("\"{}\"\n", escaped.collect::<String>())
}

fn listed(words: &'static [&'static str]) -> impl Iterator<Item = Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec())
}

fn ids() -> impl Iterator<Item = Vec<u8>> {
    let all = Dialects::builtin().ok();
    let ids: Vec<_> = all.iter().flat_map(Dialects::iter).map(|dialect| format!("{}\n", dialect.id()).into_bytes()).collect();
    ids.into_iter()
}

/// What carries something, with what ends a name in its place.
fn carried() -> impl Iterator<Item = Vec<u8>> {
    let all = Dialects::builtin().ok();
    let carriers = all.iter().flat_map(Dialects::iter).flat_map(|dialect| {
        dialect.carriers().flat_map(|c| [format!("{}: ", c.name), format!("{}=", c.name), format!("\"{}\":\"", c.name)]).collect::<Vec<_>>()
    });
    carriers.map(String::into_bytes).collect::<Vec<_>>().into_iter()
}

/// The words of dialect files, and what stands in their braces.
fn of_files() -> impl Iterator<Item = Vec<u8>> {
    let is_mark = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '{' | '}' | '|' | '*'));
    let mut words = BTreeSet::new();
    for text in corpus::seeds("dialect").iter().filter_map(|text| std::str::from_utf8(text).ok()) {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        words.extend(lines.flat_map(|line| line.split(is_mark)).map(|word| word.as_bytes().to_vec()));
        words.extend(text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| format!("{{{name}}}").into_bytes()));
    }
    words.into_iter()
}

const MESSAGE: &[&str] = &[
    "GET https /",
    "POST http /",
    "OPTIONS https *",
    "200\n",
    "\n",
    "\n\n",
    "Host: h\n",
    "Host: h:443\n",
    "Date: ",
    "Digest: SHA-256=",
    "Content-Type: application/x-www-form-urlencoded\n\n",
    "Content-Type: application/json\n\n{",
    "Content-MD5: ",
    "Authorization: ",
    "%2F",
    "%00",
    "%C3%A9",
    "%",
    "+",
    "&",
    "=",
    "&=",
    "?",
    "/../",
    "/./",
    "//",
    ";",
    ",",
    "\"",
    "\\u0000",
    "{\"a\":[1,2]}",
    "null",
    ": ",
];

const CONNECTION: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST / HTTP/1.1\r\n",
    "HTTP/1.0",
    "HTTP/1.1",
    "Host: h\r\n",
    "Content-Length: 1\r\n",
    "Content-Length:",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding:",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: websocket\r\n",
    "Expect: 100-continue\r\n",
    "TE: trailers\r\n",
    "\r\n",
    "\r\n\r\n",
    "0\r\n\r\n",
    "1\r\nx\r\n",
    "5;a=b\r\n",
    "\r",
    "\n",
    "\0",
    "\u{b}",
    "\u{c}",
    "\u{7f}",
    "\u{80}",
    " ",
    "\t",
    ":",
    ",",
    "?",
    "&",
    "%2f",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "[::1]:80",
];
