//! The positions of a message that take a text: where a value can be put, and where it shows in what is signed.

use std::fmt;

use super::lab::{Lab, Shape, headers};
use crate::dialect::plan::Claimed;
use crate::dialect::{Part, Place};
use crate::encoding::percent;
use crate::message::Message;
use crate::sign::SignOptions;

/// A position that takes a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    Method,
    Host,
    /// The path behind its first slash.
    Path,
    /// The name of a parameter of the query.
    QueryName,
    /// The value of a parameter of the query.
    QueryValue,
    /// The value of a field of a form.
    FormValue,
    Header(String),
    /// The whole body.
    Body,
    Nonce,
    Input(String),
}

impl Position {
    /// The part of a message in which it lies.
    pub(super) fn part(&self) -> Part {
        match self {
            Self::Method => Part::Method,
            Self::Host => Part::Host,
            Self::Path => Part::Path,
            Self::QueryName | Self::QueryValue => Part::Query,
            Self::FormValue | Self::Body => Part::Body,
            Self::Header(name) => Part::Header(name.to_ascii_lowercase()),
            Self::Nonce => Part::Nonce,
            Self::Input(name) => Part::Input(name.clone()),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueryName => f.write_str("the name of a parameter"),
            Self::QueryValue => f.write_str("the value of a parameter"),
            Self::FormValue => f.write_str("the value of a field"),
            other => write!(f, "{}", other.part()),
        }
    }
}

/// The positions of a sample.
pub(super) fn positions(lab: &Lab<'_>, shape: &Shape) -> Vec<Position> {
    let mut all = vec![Position::Method, Position::Host, Position::Path, Position::QueryName, Position::QueryValue];
    if matches!(shape.base, Message::Response(_)) {
        all.clear();
    }
    all.extend(headers(lab.dialect.plan()).into_iter().chain(["Content-Type".to_owned()]).map(Position::Header));
    all.push(if shape.base.view().is_form() { Position::FormValue } else { Position::Body });
    if lab.dialect.carries_nonce() {
        all.push(Position::Nonce);
    }
    for (index, input) in lab.dialect.inputs().iter().enumerate() {
        if shape.options.inputs.get(&input.name).is_some()
            && lab.dialect.plan().carry.iter().any(|entry| entry.holds(Claimed::Input(index)))
        {
            all.push(Position::Input(input.name.clone()));
        }
    }
    let in_json = lab.dialect.carriers().any(|c| matches!(c.place, Place::Json | Place::Body));
    all.retain(|position| *position != Position::Body || !in_json);
    all
}

/// What stands in a position of a sample: behind it a text can be continued.
pub(super) fn value(base: &Message, options: &SignOptions, position: &Position) -> Vec<u8> {
    let view = base.view();
    match position {
        Position::Body => base.body_bytes().to_vec(),
        Position::QueryValue | Position::FormValue => b"1".to_vec(),
        Position::QueryName => b"a".to_vec(),
        Position::Path => view.path().get(1..).unwrap_or_default().to_vec(),
        Position::Method => view.request_line().map(|line| line.method.as_bytes().to_vec()).unwrap_or_default(),
        Position::Host => view.values("host").next().unwrap_or_default().to_vec(),
        Position::Header(name) => view.values(name).next().unwrap_or_default().to_vec(),
        Position::Nonce => options.nonce.clone().unwrap_or_default().into_bytes(),
        Position::Input(name) => options.inputs.get(name).unwrap_or_default().as_bytes().to_vec(),
    }
}

/// A text as a position can hold it: as it is, and where escapes are read, as escapes.
pub(super) fn spellings(position: &Position, text: &[u8]) -> Vec<Vec<u8>> {
    let mut escaped = Vec::new();
    percent(text, b"", &mut escaped);
    match position {
        Position::QueryName | Position::QueryValue | Position::FormValue | Position::Path => vec![text.to_vec(), escaped],
        _ => vec![text.to_vec()],
    }
}

/// The message with a text in this position of the message itself.
pub(super) fn put(base: &Message, position: &Position, text: &[u8]) -> Option<Message> {
    let mut message = base.clone();
    match position {
        Position::Body => *message.body_mut() = text.to_vec(),
        Position::FormValue => *message.body_mut() = continued(base.body_bytes(), b"item=", |_| text.to_vec())?,
        Position::Header(name) => return super::parts::with_header(base, name, text),
        Position::Host => return super::parts::with_header(base, "host", text),
        Position::Nonce | Position::Input(_) => {}
        Position::Method | Position::Path | Position::QueryName | Position::QueryValue => {
            let Message::Request(request) = &mut message else { return None };
            match position {
                Position::Method => request.method = String::from_utf8(text.to_vec()).ok()?,
                Position::Path => {
                    let query = request.target.iter().position(|b| *b == b'?').unwrap_or(request.target.len());
                    request.target = [b"/", text, &request.target[query..]].concat();
                }
                Position::QueryName => request.target = renamed(&request.target, text)?,
                _ => request.target = continued(&request.target, b"a=", |_| text.to_vec())?,
            }
        }
    }
    Some(message)
}

/// The message or its options with a text in this position.
pub(super) fn put_anywhere(base: &Message, options: &SignOptions, position: &Position, text: &[u8]) -> Option<(Message, SignOptions)> {
    let as_text = || String::from_utf8(text.to_vec()).ok();
    let options = match position {
        Position::Nonce => SignOptions { nonce: Some(as_text()?), ..options.clone() },
        Position::Input(name) => SignOptions { inputs: options.inputs.clone().with(name.clone(), as_text()?), ..options.clone() },
        _ => options.clone(),
    };
    Some((put(base, position, text)?, options))
}

/// The text with the value behind `name` replaced, up to the next `&`.
pub(super) fn continued(text: &[u8], name: &[u8], value: impl Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    let start = text.windows(name.len()).position(|window| window == name)? + name.len();
    let rest = &text[start..];
    let end = rest.iter().position(|b| *b == b'&').unwrap_or(rest.len());
    Some([&text[..start], &value(&rest[..end]), &rest[end..]].concat())
}

/// The target with its first parameter under another name.
fn renamed(target: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let start = target.iter().position(|b| *b == b'?')? + 1;
    let end = start + target[start..].iter().position(|b| *b == b'=')?;
    Some([&target[..start], name, &target[end..]].concat())
}
