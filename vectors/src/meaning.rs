//! What a request means, apart from how it is spelled. Written from the standards, not with the engine's own code.

use std::collections::BTreeSet;

use countersign_protocol::{Dialect, Inputs, Part, Place, Request, Scheme};

use crate::reading::Reading;

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
pub struct Meaning(Vec<Aspect>);

impl Meaning {
    /// What a request means to a verifier of this dialect that knows the nonce and the inputs. Of headers, parameters and fields that may be
    /// signed by name, those among `parts` are looked at.
    #[must_use]
    pub fn of(dialect: &Dialect, reading: &Reading, parts: &BTreeSet<Part>, request: &Request, nonce: &str, inputs: &Inputs) -> Self {
        let text = |value: &[u8]| Value::Text(value.to_vec());
        let path = request.target.split(|b| *b == b'?').next().unwrap_or_default();
        let mut aspects = vec![
            Aspect { name: "method", of: vec![Part::Method], value: text(request.method.as_bytes()) },
            Aspect { name: "host", of: vec![Part::Host], value: host(request) },
            Aspect { name: "path", of: vec![Part::Path], value: Value::List(segments(path, reading)) },
            Aspect { name: "nonce", of: vec![Part::Nonce], value: text(nonce.as_bytes()) },
        ];
        let of_header =
            |name, header_name: &str| Aspect { name, of: vec![Part::Header(header_name.to_owned())], value: header(request, header_name) };
        aspects.push(of_header("content-type", "content-type"));
        aspects.extend(parts.iter().filter_map(header_of).filter(|name| *name != "host").map(|name| of_header("header", name)));
        // One for each that there may be, so that the aspects of two requests stand side by side.
        aspects.extend(dialect.inputs().iter().map(|input| Aspect {
            name: "input",
            of: Vec::new(),
            value: inputs.get(&input.name).map_or(Value::None, |value| text(value.as_bytes())),
        }));
        let pairs = Pairs { dialect, request, plus_is_blank: reading.plus_is_blank };
        aspects.extend(parts.iter().filter_map(|part| pairs.single(part)));
        aspects.extend(if reading.merges { pairs.merged() } else { pairs.apart() });
        Self(aspects)
    }

    /// The names of what a request has and a signature speaks of.
    pub fn signed(&self, covers: &BTreeSet<Part>) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|aspect| aspect.is_signed(covers)).map(|aspect| aspect.name)
    }

    /// Forgets what no signature of this dialect speaks of.
    pub fn keep(&mut self, signed: &BTreeSet<&'static str>) {
        self.0.retain(|aspect| signed.contains(aspect.name));
    }

    /// The names of what differs between two requests that are accepted, of what the signature of either is said to cover.
    #[must_use]
    pub fn differences(&self, other: &Self, covers: [&BTreeSet<Part>; 2]) -> Vec<&'static str> {
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

/// The parameters of a request, without those that carry a signature.
struct Pairs<'a> {
    dialect: &'a Dialect,
    request: &'a Request,
    plus_is_blank: bool,
}

impl Pairs<'_> {
    fn query(&self) -> Vec<Pair> {
        let query = self.request.target.iter().position(|b| *b == b'?').map_or(&b""[..], |at| &self.request.target[at + 1..]);
        self.read(query, &[Place::Query, Place::Params])
    }

    fn form(&self) -> Vec<Pair> {
        if is_form(self.request) { self.read(&self.request.body, &[Place::Form, Place::Params, Place::Body]) } else { Vec::new() }
    }

    fn read(&self, text: &[u8], places: &[Place]) -> Vec<Pair> {
        let carries = |name: &[u8]| self.signing().any(|carrier| places.contains(&carrier.0) && carrier.1.as_bytes() == name);
        pairs(text, self.plus_is_blank).into_iter().filter(|(name, _)| !carries(name)).collect()
    }

    fn signing(&self) -> impl Iterator<Item = (Place, &str)> {
        self.dialect.carriers().filter(|carrier| carrier.is_sensitive).map(|carrier| (carrier.place, carrier.name))
    }

    /// A parameter or field that is signed by name.
    fn single(&self, part: &Part) -> Option<Aspect> {
        let values = |pairs: Vec<Pair>, name: &str| {
            Value::List(pairs.into_iter().filter(|(n, _)| n == name.as_bytes()).map(|(_, value)| value).collect())
        };
        let value = match part {
            Part::QueryParameter(name) => values(self.query(), name),
            Part::FormField(name) => values(self.form(), name),
            _ => return None,
        };
        Some(Aspect { name: "parameter", of: vec![part.clone()], value })
    }

    /// The query's parameters, and the body byte for byte.
    fn apart(&self) -> Vec<Aspect> {
        vec![
            Aspect { name: "query", of: vec![Part::Query], value: Value::Pairs(sorted(self.query())) },
            Aspect { name: "body", of: vec![Part::Body], value: self.body() },
        ]
    }

    /// The parameters of query and form in one list, and the body where it is no form.
    fn merged(&self) -> Vec<Aspect> {
        let all = [self.query(), self.form()].concat();
        let body = if is_form(self.request) { Value::None } else { self.body() };
        vec![
            Aspect { name: "parameters", of: vec![Part::Query, Part::Body], value: Value::Pairs(sorted(all)) },
            Aspect { name: "body", of: vec![Part::Body], value: body },
        ]
    }

    /// A body in which the signature rides has another spelling for each spelling of that.
    fn body(&self) -> Value {
        let is_there = |name: &str| self.request.body.windows(name.len().max(1)).any(|part| part == name.as_bytes());
        let mut of_body = self.signing().filter(|(place, _)| matches!(place, Place::Json | Place::Body | Place::Form | Place::Params));
        let in_body = of_body.any(|(_, name)| is_there(name));
        match (in_body, is_form(self.request)) {
            (false, _) => Value::Text(self.request.body.clone()),
            (true, true) => Value::Pairs(self.form()),
            (true, false) => Value::None,
        }
    }
}

fn is_form(request: &Request) -> bool {
    let Value::Text(media) = header(request, "content-type") else { return false };
    media.split(|b| *b == b';').next().unwrap_or_default().trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

fn header_of(part: &Part) -> Option<&str> {
    if let Part::Header(name) = part { Some(name) } else { None }
}

/// The lines of a header as one list, in which any run of blanks is one blank.
fn header(request: &Request, name: &str) -> Value {
    let lines = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let folded: Vec<Vec<u8>> = lines.map(|line| folded(line.trim_ascii())).collect();
    if folded.is_empty() { Value::None } else { Value::Text(folded.join(&b',')) }
}

fn folded(value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    for byte in value {
        if !matches!(byte, b' ' | b'\t') {
            out.push(*byte);
        } else if out.last() != Some(&b' ') {
            out.push(b' ');
        }
    }
    out
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
    let Value::Text(host) = header(request, "host") else { return Value::None };
    let host = host.to_ascii_lowercase();
    let default: &[u8] = if request.scheme == Scheme::Https { b":443" } else { b":80" };
    let name = host.strip_suffix(default).or_else(|| host.strip_suffix(b":")).unwrap_or(&host);
    Value::Text(name.to_vec())
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
