//! The other side's whole request beside the one that was received: what was changed on the way.

use serde::Serialize;

use super::mutate::Mutation;
use super::process::Process;
use super::visible;
use crate::message::{Message, trim};

/// The most differing headers that are tried one by one.
const MOST_HEADERS: usize = 32;

/// A part that differs between the request as sent and as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The part: `method`, `scheme`, `path`, `query`, `header.NAME`, `body`.
    pub part: String,
    /// What was sent, invisible bytes made visible; for a body its length.
    pub sent: String,
    /// What was received.
    pub received: String,
}

/// One difference: how it is shown, and how it is undone.
struct Part {
    name: String,
    sent: String,
    received: String,
    undo: Box<dyn Fn(&mut Process)>,
}

/// What differs, and each difference undone as a mutation: alone, and all of them together. `hidden` are headers whose values are not shown.
pub(super) fn compare(received: &Message, sent: &Message, hidden: &[&str]) -> (Vec<Change>, Vec<Mutation>) {
    let parts = parts(received, sent, hidden);
    let changes = parts.iter().map(|p| Change { part: p.name.clone(), sent: p.sent.clone(), received: p.received.clone() }).collect();
    let count = parts.len();
    let parts: Vec<std::rc::Rc<Part>> = parts.into_iter().map(std::rc::Rc::new).collect();
    let mut all: Vec<Mutation> = Vec::new();
    for part in parts.iter().cloned() {
        let what = format!("{} was signed as sent, {}: it was changed on the way", part.name, part.sent);
        all.push(Mutation::new("changed-on-the-way", 0, part.name.clone(), what, move |process| {
            (part.undo)(process);
            Some(())
        }));
    }
    if count > 2 {
        let names: Vec<String> = parts.iter().map(|p| p.name.clone()).collect();
        let what = format!("the request was signed as sent: {} were changed on the way", names.join(", "));
        all.push(Mutation::new("changed-on-the-way", 1, "message", what, move |process| {
            parts.iter().for_each(|part| (part.undo)(process));
            Some(())
        }));
    }
    (changes, all)
}

fn parts(received: &Message, sent: &Message, hidden: &[&str]) -> Vec<Part> {
    let mut all = Vec::new();
    if let (Message::Request(r), Message::Request(s)) = (received, sent) {
        if r.method != s.method {
            let method = s.method.clone();
            all.push(part("method", s.method.as_bytes(), r.method.as_bytes(), move |process| {
                if let Message::Request(request) = process.message_mut() {
                    request.method.clone_from(&method);
                }
            }));
        }
        if r.scheme != s.scheme {
            let scheme = s.scheme;
            all.push(part("scheme", s.scheme.as_str().as_bytes(), r.scheme.as_str().as_bytes(), move |process| {
                if let Message::Request(request) = process.message_mut() {
                    request.scheme = scheme;
                }
            }));
        }
        if r.target != s.target {
            let target = s.target.clone();
            let path = |target: &[u8]| target.split(|b| *b == b'?').next().map(<[u8]>::to_vec);
            let name = if path(&r.target) == path(&s.target) { "query" } else { "path" };
            all.push(part(name, &s.target, &r.target, move |process| {
                if let Message::Request(request) = process.message_mut() {
                    request.target.clone_from(&target);
                }
            }));
        }
    }
    all.extend(headers(received, sent, hidden));
    if received.body_bytes() != sent.body_bytes() {
        let body = sent.body_bytes().to_vec();
        let length = |b: &[u8]| format!("{} bytes", b.len());
        let (sent, received) = (length(&body), length(received.body_bytes()));
        all.push(Part { name: "body".to_owned(), sent, received, undo: Box::new(move |process| process.set_body(body.clone())) });
    }
    all
}

fn part(name: &str, sent: &[u8], received: &[u8], undo: impl Fn(&mut Process) + 'static) -> Part {
    Part { name: name.to_owned(), sent: visible::line(sent), received: visible::line(received), undo: Box::new(undo) }
}

fn headers(received: &Message, sent: &Message, hidden: &[&str]) -> Vec<Part> {
    let values = |message: &Message, name: &str| -> Vec<Vec<u8>> {
        message.headers().iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| trim(v).to_vec()).collect()
    };
    let mut names: Vec<String> = Vec::new();
    for (name, _) in sent.headers().iter().chain(received.headers()) {
        if !names.iter().any(|n| n.eq_ignore_ascii_case(name)) {
            names.push(name.clone());
        }
    }
    let mut all = Vec::new();
    for name in names {
        let (theirs, ours) = (values(sent, &name), values(received, &name));
        if theirs == ours || all.len() >= MOST_HEADERS {
            continue;
        }
        let is_hidden = hidden.iter().any(|h| h.eq_ignore_ascii_case(&name));
        let shown = |values: &[Vec<u8>]| match values {
            [] => "(absent)".to_owned(),
            _ if is_hidden => "(not shown)".to_owned(),
            values => visible::line(&values.join(&b", "[..])),
        };
        let undo = {
            let (name, theirs) = (name.clone(), theirs.clone());
            move |process: &mut Process| {
                let headers = process.message_mut().headers_mut();
                headers.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
                headers.extend(theirs.iter().map(|value| (name.clone(), value.clone())));
            }
        };
        let (sent, received) = (shown(&theirs), shown(&ours));
        all.push(Part { name: format!("header.{}", name.to_ascii_lowercase()), sent, received, undo: Box::new(undo) });
    }
    all
}
