//! `countersign adapter`: the protocol for adapters, version 1, over JSON lines on stdin and stdout.
//!
//! One object a line in, one object a line out, in order. No line ends the run: one that is no JSON, or whose handling
//! fails, is answered with an `error`.

mod ask;
mod pieces;

use std::io::{self, BufRead};
use std::panic::{AssertUnwindSafe, catch_unwind};

use countersign_protocol::{Dialect, Refusal};
use serde_json::{Value, json};

use crate::console;
use crate::failure::Failure;
use crate::registry::Registry;
use crate::wire::{self, Object};
use ask::Ask;

/// The version of the protocol.
const VERSION: u64 = 1;
/// The optional members that are understood, and the promise to show every stage.
const FEATURES: [&str; 4] = ["stages", "several_credentials", "windows", "body_pieces"];
/// The longest line that is read.
const LINE_LIMIT: usize = 16 << 20;

/// An answer, without the id of the line that it answers.
enum Answer {
    Result(&'static str, Object),
    Unsupported(String),
    Error(String),
}

/// Answers lines until stdin ends.
pub(crate) fn run(registry: &Registry) -> Result<(), Failure> {
    let mut input = io::stdin().lock();
    loop {
        let (id, answer) = match read_line(&mut input) {
            Ok(None) => return Ok(()),
            Ok(Some(line)) if line.trim_ascii().is_empty() => continue,
            Ok(Some(line)) => answer(&line, registry),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => (Value::Null, Answer::Error(error.to_string())),
            Err(error) => return Err(Failure::usage(format_args!("stdin: {error}"))),
        };
        console::line(&written(id, answer).to_string())?;
    }
}

/// The next line without its end. A line beyond the limit is skipped whole.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let (mut line, mut too_long, mut any) = (Vec::new(), false, false);
    loop {
        let piece = input.fill_buf()?;
        if piece.is_empty() {
            break;
        }
        any = true;
        let end = piece.iter().position(|b| *b == b'\n');
        let taken = &piece[..end.unwrap_or(piece.len())];
        too_long |= line.len() + taken.len() > LINE_LIMIT;
        if !too_long {
            line.extend_from_slice(taken);
        }
        let used = end.map_or(piece.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    if too_long {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the line is longer than {} MiB", LINE_LIMIT >> 20)));
    }
    Ok(any.then_some(line))
}

fn written(id: Value, answer: Answer) -> Value {
    let mut object = Object::new();
    object.insert("id".to_owned(), id);
    let (result, rest) = match answer {
        Answer::Result(result, rest) => (result, rest),
        Answer::Unsupported(why) => ("unsupported", Object::from_iter([("why".to_owned(), why.into())])),
        Answer::Error(message) => ("error", Object::from_iter([("message".to_owned(), message.into())])),
    };
    object.insert("result".to_owned(), result.into());
    object.extend(rest);
    Value::Object(object)
}

fn answer(line: &[u8], registry: &Registry) -> (Value, Answer) {
    let object = match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return (Value::Null, Answer::Error("the line is no JSON object".to_owned())),
        Err(error) => return (Value::Null, Answer::Error(format!("the line is no JSON: {error}"))),
    };
    let id = object.get("id").cloned().unwrap_or(Value::Null);
    // A fault of ours must not take the rest of a conformance run with it.
    let handled = catch_unwind(AssertUnwindSafe(|| handle(&object, registry)));
    (id, handled.unwrap_or_else(|_| Ok(Answer::Error("internal fault; see stderr".to_owned()))).unwrap_or_else(Answer::Error))
}

fn handle(object: &Object, registry: &Registry) -> Result<Answer, String> {
    match wire::text(object, "op")?.ok_or("op is missing")? {
        "hello" => Ok(hello(object)),
        "dialects" => Ok(dialects(registry)),
        op @ ("sign" | "verify") => {
            let id = wire::text(object, "dialect")?.ok_or("dialect is missing")?;
            match registry.dialects.get(id) {
                Some(dialect) if op == "sign" => sign(object, dialect),
                Some(dialect) => verify(object, dialect),
                None => Ok(Answer::Unsupported(format!("no dialect '{id}'"))),
            }
        }
        other => Ok(Answer::Unsupported(format!("no op '{other}'"))),
    }
}

fn result<const N: usize>(name: &'static str, members: [(&str, Value); N]) -> Answer {
    Answer::Result(name, members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn hello(object: &Object) -> Answer {
    match object.get("version").and_then(Value::as_u64) {
        Some(VERSION) => result(
            "hello",
            [
                ("version", VERSION.into()),
                ("name", "countersign".into()),
                ("language", "rust".into()),
                ("features", FEATURES.to_vec().into()),
            ],
        ),
        _ => Answer::Unsupported(format!("this adapter speaks version {VERSION}")),
    }
}

/// Inputs that may be missing stand apart under `optional_inputs`.
fn dialects(registry: &Registry) -> Answer {
    let describe = |dialect: &Dialect| {
        let named = |optional| dialect.inputs().iter().filter(|i| i.optional == optional).map(|i| i.name.clone()).collect::<Vec<_>>();
        json!({ "id": dialect.id(), "inputs": named(false), "optional_inputs": named(true), "directions": ["sign", "verify"] })
    };
    result("dialects", [("dialects", registry.dialects.iter().map(describe).collect())])
}

fn sign(object: &Object, dialect: &Dialect) -> Result<Answer, String> {
    let ask = Ask::read(object)?;
    let credential = ask.credentials.first().ok_or("credentials is empty")?;
    let options = ask.sign_options(object)?;
    let signed = dialect.sign(ask.message, credential, &options).map_err(|e| e.to_string())?;
    Ok(result(
        "signed",
        [("stages", wire::stages(signed.stages())), ("signature", signed.signature().into()), ("message", wire::write(signed.message()))],
    ))
}

fn verify(object: &Object, dialect: &Dialect) -> Result<Answer, String> {
    let ask = Ask::read(object)?;
    let policy = ask::policy(object)?;
    let verdict = match &ask.pieces {
        Some(pieces) => pieces::verify(dialect, &ask, pieces, &policy),
        None => super::verify(dialect, &ask.message, &ask.inputs, &ask.credentials, ask.at, &policy),
    };
    Ok(match verdict {
        Ok(intact) => {
            let verified = intact.verified();
            let covers = verified.covers().iter().map(|part| Value::from(part.to_string())).collect();
            result("accepted", [("key_id", verified.key_id().into()), ("covers", covers)])
        }
        Err(refusal) => rejected(&refusal),
    })
}

/// The public reason: an unknown key is a wrong signature, as every implementation can tell it.
fn rejected(refusal: &Refusal) -> Answer {
    result("rejected", [("reason", refusal.reason().public().as_str().into()), ("detail", refusal.detail().into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_bounded_and_the_next_one_is_read() {
        let mut text = vec![b'x'; LINE_LIMIT + 1];
        text.extend_from_slice(b"\nshort\nlast");
        let mut input = &text[..];
        assert!(read_line(&mut input).is_err());
        assert_eq!(read_line(&mut input).unwrap(), Some(b"short".to_vec()));
        assert_eq!(read_line(&mut input).unwrap(), Some(b"last".to_vec()));
        assert_eq!(read_line(&mut input).unwrap(), None);
    }
}
