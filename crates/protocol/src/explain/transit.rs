//! The other side's whole request beside the one that was received: what was changed on the way.

use std::rc::Rc;

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

/// What differs between a request as sent and as received.
#[derive(Default)]
pub(super) struct Transit {
    parts: Vec<Rc<Part>>,
}

impl Transit {
    /// Holds one against the other. `hidden` are headers whose values are not shown.
    pub(super) fn between(received: &Message, sent: &Message, hidden: &[&str]) -> Self {
        Self { parts: parts(received, sent, hidden).into_iter().map(Rc::new).collect() }
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        self.parts.iter().map(|p| Change { part: p.name.clone(), sent: p.sent.clone(), received: p.received.clone() }).collect()
    }

    /// Each difference undone as a mutation: alone, and all of them together.
    pub(super) fn mutations(&self) -> Vec<Mutation> {
        let mut all: Vec<Mutation> = self.parts.iter().map(|part| undone(std::slice::from_ref(part))).collect();
        if self.parts.len() > 1 {
            all.push(undone(&self.parts));
        }
        all
    }

    /// Whether a mutation undoes every one of several differences.
    pub(super) fn is_whole(&self, mutation: &Mutation) -> bool {
        self.parts.len() > 1 && mutation.id == ID && mutation.rule == names(&self.parts)
    }

    /// The fewest differences that must be undone so that it holds.
    pub(super) fn least(&self, holds: impl Fn(&Mutation) -> bool) -> Mutation {
        let mut kept = self.parts.clone();
        for part in &self.parts {
            let fewer: Vec<Rc<Part>> = kept.iter().filter(|other| !Rc::ptr_eq(other, part)).cloned().collect();
            if !fewer.is_empty() && holds(&undone(&fewer)) {
                kept = fewer;
            }
        }
        undone(&kept)
    }
}

const ID: &str = "changed-on-the-way";

fn names(parts: &[Rc<Part>]) -> String {
    parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn undone(parts: &[Rc<Part>]) -> Mutation {
    let what = match parts {
        [part] => format!("{} was signed as sent, {}: it was changed on the way", part.name, part.sent),
        parts => format!("the request was signed as sent: {} were changed on the way", names(parts)),
    };
    let all = parts.to_vec();
    Mutation::new(ID, u8::from(parts.len() > 1), names(parts), what, move |process| {
        all.iter().for_each(|part| (part.undo)(process));
        Some(())
    })
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
