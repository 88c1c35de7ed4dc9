//! The body as other bytes: written anew as JSON, with other line ends, with or without what stands at its end, or left out.

use serde_json::Value;

use super::super::place::{self, Home};
use super::super::process::Process;
use super::form;
use super::message::{lower_triplets, replace};
use super::{Mutation, places, replace_op};
use crate::dialect::plan::{Claimed, Condition, Source, When};

/// The longest body of which other spellings are tried, in bytes.
pub(in super::super) const MOST_BODY: usize = 64 * 1024;

pub(super) fn mutations(base: &Process, body_only: bool) -> Vec<Mutation> {
    let sees = |s: &Source| matches!(s, Source::Body | Source::BodyWithoutSignature | Source::Form(_) | Source::FormList);
    let rule = if body_only { Some("body_digest.is".to_owned()) } else { super::rule_of(base, sees) };
    let mut all = digest(base);
    let Some(rule) = rule.filter(|_| base.has_body()) else { return all };
    for (id, cost, what, change) in CHANGES {
        all.push(
            Mutation::new(id, cost, rule.clone(), what, move |process| {
                let now = process.message().body_bytes();
                let changed = change(now)?;
                (changed != now).then(|| process.set_body(changed))
            })
            .on_axis(if id == "body-left-out" { "body" } else { "body-form" }),
        );
    }
    all
}

/// How a body may have been written.
type Change = (&'static str, u8, &'static str, fn(&[u8]) -> Option<Vec<u8>>);

const CHANGES: [Change; 25] = [
    ("body-left-out", 1, "the body was empty when it was signed", |_| Some(Vec::new())),
    ("body-json-compact", 1, "the signer wrote the JSON body without blanks, and another text was sent", |b| {
        json(b, false, Style::Compact)
    }),
    ("body-json-spaced", 1, "the signer wrote the JSON body with a blank after : and comma, and another text was sent", |b| {
        json(b, false, Style::Spaced)
    }),
    ("body-json-sorted", 1, "the signer sorted the members of the JSON body, and they were sent in another order", |b| {
        json(b, true, Style::Compact)
    }),
    ("body-json-sorted", 2, "the signer sorted the members of the JSON body and wrote a blank after : and comma", |b| {
        json(b, true, Style::Spaced)
    }),
    ("body-json-indented", 1, "the signer wrote the JSON body with indentation, and another text was sent", |b| {
        json(b, false, Style::Indented)
    }),
    ("body-json-escaped", 2, "the signer escaped the characters of the JSON body that are not ASCII", |b| {
        let text = String::from_utf8(json(b, false, Style::Compact)?).ok()?;
        Some(escaped(&text).into_bytes())
    }),
    ("body-json-escaped", 2, "the signer escaped the characters of the JSON body that are not ASCII", |b| {
        Some(escaped(std::str::from_utf8(b).ok()?).into_bytes())
    }),
    ("body-form-anew", 1, "the signer wrote the form with + for a blank, and another text was sent", |b| form::anew(b, b"+", b"-._~")),
    ("body-form-anew", 1, "the signer wrote the form with %20 for a blank, and another text was sent", |b| form::anew(b, b"%20", b"-._~")),
    ("body-form-anew", 1, "the signer wrote the form as browsers do, with * kept and ~ escaped, and another text was sent", |b| {
        form::anew(b, b"+", b"*-._")
    }),
    ("body-form-anew", 2, "the signer wrote the form with * and ~ escaped, and another text was sent", |b| form::anew(b, b"+", b"-._")),
    ("body-form-anew", 2, "the signer wrote the form with !, ', (, ), * and ~ kept, and another text was sent", |b| {
        form::anew(b, b"%20", b"-._~!'()*")
    }),
    ("body-form-blank", 1, "the signer wrote a blank of the form as +, and another text was sent", |b| form::replaced(b, b"%20", b"+")),
    ("body-form-blank", 1, "the signer wrote a blank of the form as %20, and another text was sent", |b| form::replaced(b, b"+", b"%20")),
    ("body-form-lower-case", 2, "the signer wrote the percent triplets of the form in lower case", |b| {
        form::is_one(b).then(|| lower_triplets(b))
    }),
    ("body-form-sorted", 1, "the signer sorted the fields of the form, and they were sent in another order", form::sorted),
    ("body-form-sorted", 2, "the signer sorted the fields of the form and wrote + for a blank", |b| {
        form::anew(&form::sorted(b)?, b"+", b"-._~")
    }),
    ("body-form-sorted", 2, "the signer sorted the fields of the form and wrote %20 for a blank", |b| {
        form::anew(&form::sorted(b)?, b"%20", b"-._~")
    }),
    ("body-crlf", 1, "the signer wrote CR LF at the ends of the body's lines", |b| {
        Some(replace(&replace(b, b"\r\n", b"\n"), b"\n", b"\r\n"))
    }),
    ("body-lf", 1, "the signer wrote LF at the ends of the body's lines", |b| Some(replace(b, b"\r\n", b"\n"))),
    ("body-newline-added", 1, "the body ended with a line feed when it was signed", |b| Some([b, b"\n"].concat())),
    ("body-newline-left-out", 1, "the body had no line end at its end when it was signed", |b| {
        let end = b.strip_suffix(b"\n").map(|b| b.strip_suffix(b"\r").unwrap_or(b))?;
        Some(end.to_vec())
    }),
    ("body-mark-added", 2, "the body began with a byte order mark when it was signed", |b| Some([b"\xef\xbb\xbf", b].concat())),
    ("body-mark-left-out", 2, "the body was signed without its byte order mark", |b| b.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec)),
];

/// How JSON is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Compact,
    Spaced,
    Indented,
}

/// The body written anew, as a library would after reading it.
fn json(body: &[u8], sorted: bool, style: Style) -> Option<Vec<u8>> {
    if !matches!(body.iter().find(|b| !b.is_ascii_whitespace())?, b'{' | b'[') {
        return None;
    }
    let mut value: Value = serde_json::from_slice(body).ok()?;
    if sorted {
        sort(&mut value);
    }
    match style {
        Style::Compact => serde_json::to_vec(&value).ok(),
        Style::Indented => serde_json::to_vec_pretty(&value).ok(),
        Style::Spaced => {
            let mut out = String::new();
            spaced(&value, &mut out);
            Some(out.into_bytes())
        }
    }
}

fn sort(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let mut pairs: Vec<(String, Value)> = std::mem::take(members).into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            pairs.iter_mut().for_each(|(_, value)| sort(value));
            members.extend(pairs);
        }
        Value::Array(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}

fn spaced(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            out.push('{');
            for (i, (name, value)) in members.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push_str(": ");
                spaced(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                spaced(item, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

/// What a process gives in the place of the body's digest.
type Given = dyn Fn(&Process) -> Option<Vec<u8>>;

/// The digest of the body written where it is not meant, or left out.
fn digest(base: &Process) -> Vec<Mutation> {
    let mut all = Vec::new();
    let is_empty = base.message().body_bytes().is_empty() && base.has_body();
    for (home, index, op) in places(base, |s| *s == Source::Claim(Claimed::BodyDigest)) {
        let rule = place::rule(base.plan(), home, index);
        let mut put = |id, cost, what: String, digest: Box<Given>| {
            let like = op.clone();
            all.push(Mutation::new(id, cost, rule.clone(), what, move |process| {
                let text = digest(process)?;
                replace_op(process, home, index, &like, text)
            }));
        };
        put("digest-left-out", 1, "the signer left out the digest of the body".to_owned(), Box::new(|_| Some(Vec::new())));
        let what = "the signer signed the digest of the body, and another one was sent".to_owned();
        put("digest-computed", 2, what, Box::new(Process::body_digest));
        for literal in base.plan().digest.iter().flat_map(|d| d.unsigned.clone()) {
            let what = format!("the signer wrote {literal} in the place of the body's digest");
            put("digest-unsigned", 1, what, Box::new(move |_| Some(literal.clone().into_bytes())));
        }
    }
    for (home, index, op) in places(base, |s| matches!(s, Source::Body)) {
        if is_empty && home != Home::Digest {
            let rule = place::rule(base.plan(), home, index);
            all.push(Mutation::new("digest-left-out", 1, rule, "the signer left out the digest of an empty body", move |process| {
                super::rewrite_op(process, home, index, &op, |_| Vec::new())
            }));
        }
    }
    if base
        .plan()
        .digest
        .as_ref()
        .is_some_and(|d| matches!(&d.when, When::All(c) if c.contains(&Condition::Body) || c.contains(&Condition::NotForm)))
    {
        all.push(Mutation::new(
            "digest-always",
            1,
            "body_digest.when",
            "the signer signed a digest where the dialect sends none",
            |process| {
                process.plan_mut().digest.as_mut()?.when = When::Always;
                Some(())
            },
        ));
    }
    all
}
