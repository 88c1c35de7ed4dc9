//! What a request means, apart from how it is spelled. Written from the standards, not with the engine's own code.

use std::collections::BTreeSet;

use countersign_protocol::{Inputs, Part, Request};

use crate::reading::Reading;
use crate::subject::Subject;

type Pair = (Vec<u8>, Vec<u8>);

/// One aspect of a request, and the parts of which any makes it signed.
#[derive(Debug, Hash)]
struct Aspect {
    name: &'static str,
    /// What a claim of cover for one of these says about this aspect; none: always compared.
    of: Vec<Part>,
    value: Value,
}

#[derive(Debug, Hash, PartialEq, Eq)]
enum Value {
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Pairs(Vec<Pair>),
    /// Not a thing that this request has.
    None,
}

/// What a request means.
#[derive(Debug, Hash)]
pub(crate) struct Meaning(Vec<Aspect>);

impl Meaning {
    pub(crate) fn of(subject: &Subject, request: &Request, nonce: &str, inputs: &Inputs) -> Self {
        let reading = &subject.reading;
        let header =
            |name: &str| request.headers.iter().find(|(n, _)| n == name).map_or(Value::None, |(_, v)| Value::Text(trim(v).to_vec()));
        let path = request.target.split(|b| *b == b'?').next().unwrap_or_default();
        let mut aspects = vec![
            Aspect { name: "method", of: vec![Part::Method], value: Value::Text(request.method.clone().into_bytes()) },
            Aspect { name: "host", of: vec![Part::Host], value: host(request) },
            Aspect { name: "path", of: vec![Part::Path], value: Value::List(segments(path, reading)) },
            Aspect { name: "nonce", of: vec![Part::Nonce], value: Value::Text(nonce.as_bytes().to_vec()) },
            Aspect { name: "content-type", of: vec![Part::Header("content-type".to_owned())], value: header("Content-Type") },
        ];
        if let Some(free) = subject.header() {
            aspects.push(Aspect { name: "header", of: vec![Part::Header(free.to_ascii_lowercase())], value: header(free) });
        }
        // One for each that there may be, so that the aspects of two requests stand side by side.
        aspects.extend(subject.dialect.inputs().iter().map(|input| Aspect {
            name: "input",
            of: Vec::new(),
            value: inputs.get(&input.name).map_or(Value::None, |value| Value::Text(value.as_bytes().to_vec())),
        }));
        aspects.extend(if reading.merges { merged(request, reading.plus_is_blank) } else { apart(request, reading.plus_is_blank) });
        Self(aspects)
    }

    /// The names of what a request has and a signature speaks of.
    pub(crate) fn signed(&self, covers: &BTreeSet<Part>) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|aspect| aspect.is_signed(covers)).map(|aspect| aspect.name)
    }

    /// Forgets what no signature of this dialect speaks of.
    pub(crate) fn keep(&mut self, signed: &BTreeSet<&'static str>) {
        self.0.retain(|aspect| signed.contains(aspect.name));
    }

    /// The names of what differs between two requests that are accepted, of what the signature of either is said to cover.
    pub(crate) fn differences(&self, other: &Self, covers: [&BTreeSet<Part>; 2]) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&other.0);
        let differ = pairs.filter(|(a, b)| (a.is_signed(covers[0]) || b.is_signed(covers[1])) && a.value != b.value);
        differ.map(|(a, _)| a.name).collect()
    }
}

impl Aspect {
    fn is_signed(&self, covers: &BTreeSet<Part>) -> bool {
        self.value != Value::None && (self.of.is_empty() || self.of.iter().any(|part| covers.contains(part)))
    }
}

/// The query's parameters, and the body byte for byte.
fn apart(request: &Request, plus_is_blank: bool) -> Vec<Aspect> {
    vec![
        Aspect { name: "query", of: vec![Part::Query], value: Value::Pairs(sorted(pairs(query(request), plus_is_blank))) },
        Aspect { name: "body", of: vec![Part::Body], value: Value::Text(request.body.clone()) },
    ]
}

/// The parameters of query and form in one list, and the body where it is no form.
fn merged(request: &Request, plus_is_blank: bool) -> Vec<Aspect> {
    let is_form = request.headers.iter().any(|(_, value)| value == crate::subject::FORM.as_bytes());
    let mut all = pairs(query(request), plus_is_blank);
    if is_form {
        all.extend(pairs(&request.body, plus_is_blank));
    }
    let body = if is_form { Value::None } else { Value::Text(request.body.clone()) };
    vec![
        Aspect { name: "parameters", of: vec![Part::Query, Part::Body], value: Value::Pairs(sorted(all)) },
        Aspect { name: "body", of: vec![Part::Body], value: body },
    ]
}

fn query(request: &Request) -> &[u8] {
    request.target.iter().position(|b| *b == b'?').map_or(b"", |at| &request.target[at + 1..])
}

fn pairs(text: &[u8], plus_is_blank: bool) -> Vec<Pair> {
    let fragments = text.split(|b| *b == b'&').filter(|fragment| !fragment.is_empty());
    let halves = fragments.map(|fragment| {
        let at = fragment.iter().position(|b| *b == b'=').unwrap_or(fragment.len());
        (&fragment[..at], fragment.get(at + 1..).unwrap_or_default())
    });
    halves.map(|(name, value)| (decoded(name, plus_is_blank), decoded(value, plus_is_blank))).collect()
}

fn sorted(mut pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.sort();
    pairs
}

fn segments(path: &[u8], reading: &Reading) -> Vec<Vec<u8>> {
    let mut raw: Vec<&[u8]> = path.split(|b| *b == b'/').skip(1).collect();
    if reading.closes && raw.last().is_some_and(|last| !last.is_empty()) {
        raw.push(b"");
    }
    if !reading.normalizes {
        return raw.into_iter().map(|segment| decoded(segment, false)).collect();
    }
    let closes = matches!(raw.last(), None | Some(&(b"" | b"." | b"..")));
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for segment in raw {
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            _ => kept.push(decoded(segment, false)),
        }
    }
    if closes || kept.is_empty() {
        kept.push(Vec::new());
    }
    kept
}

/// The host in lower case, with no empty or default port.
fn host(request: &Request) -> Value {
    let host = request.headers.iter().find(|(name, _)| name == "Host").map(|(_, value)| value.to_ascii_lowercase());
    host.map_or(Value::None, |host| {
        let name = host.strip_suffix(b":443").or_else(|| host.strip_suffix(b":")).unwrap_or(&host);
        Value::Text(name.to_vec())
    })
}

/// A `%` that begins no triplet stands for itself.
fn decoded(text: &[u8], plus_is_blank: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let triplet = text.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|digits| {
            let text = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(text, 16).ok()
        });
        match triplet {
            Some(value) => out.push(value),
            None => out.push(if *byte == b'+' && plus_is_blank { b' ' } else { *byte }),
        }
        at += if triplet.is_some() { 3 } else { 1 };
    }
    out
}

fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}
