//! Lines from an adapter: read strictly where it matters, with a word for what is misshapen.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{Message, Request, Response};
use serde_json::Value;

use crate::line::Object;

/// How an adapter introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Hello {
    /// The implementation's name.
    pub name: String,
    /// Its language.
    pub language: String,
    /// The optional members of the protocol that it understands, and what it promises to show.
    pub features: Vec<String>,
    /// Dialects whose vectors were recorded from the library that this adapter drives: it is no independent witness for them.
    pub witness_of: Vec<String>,
}

impl Hello {
    pub(crate) fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|f| f == feature)
    }
}

/// A dialect that an adapter offers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Offer {
    /// The dialect's id.
    pub id: String,
    /// `sign`, `verify` or both.
    pub directions: Vec<String>,
}

/// What a signer gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signed {
    pub(crate) stages: Vec<(String, Vec<u8>)>,
    pub(crate) signature: Option<String>,
    pub(crate) message: Option<Message>,
}

impl Signed {
    pub(crate) fn stage(&self, name: &str) -> Option<&[u8]> {
        self.stages.iter().find(|(n, _)| n == name).map(|(_, bytes)| bytes.as_slice())
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Hello(u64, Hello),
    Dialects(Vec<Offer>),
    Signed(Box<Signed>),
    Accepted { covers: Option<Vec<String>> },
    Rejected { reason: Option<String>, detail: String },
    Unsupported(String),
    Error(String),
}

impl Answer {
    /// The word under `result`.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Hello(..) => "hello",
            Self::Dialects(_) => "dialects",
            Self::Signed(_) => "signed",
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Unsupported(_) => "unsupported",
            Self::Error(_) => "error",
        }
    }

    /// Reads an answer. The error says which member is wrong.
    pub(crate) fn read(object: &Object) -> Result<Self, String> {
        Ok(match must(object, "result")? {
            "hello" => hello(object)?,
            "dialects" => Self::Dialects(list(object, "dialects")?.iter().map(offer).collect::<Result<_, _>>()?),
            "signed" => Self::Signed(Box::new(signed(object)?)),
            "accepted" => Self::Accepted { covers: texts(object, "covers")? },
            "rejected" => Self::Rejected {
                reason: text(object, "reason")?.map(str::to_owned),
                detail: text(object, "detail")?.unwrap_or_default().to_owned(),
            },
            "unsupported" => Self::Unsupported(must(object, "why")?.to_owned()),
            "error" => Self::Error(must(object, "message")?.to_owned()),
            other => return Err(format!("result: `{other}` is no result of the protocol")),
        })
    }
}

fn hello(object: &Object) -> Result<Answer, String> {
    let version = object.get("version").and_then(Value::as_u64).ok_or("version: expected a number")?;
    Ok(Answer::Hello(
        version,
        Hello {
            name: must(object, "name")?.to_owned(),
            language: must(object, "language")?.to_owned(),
            features: texts(object, "features")?.unwrap_or_default(),
            witness_of: texts(object, "witness_of")?.unwrap_or_default(),
        },
    ))
}

fn offer(value: &Value) -> Result<Offer, String> {
    let object = value.as_object().ok_or("dialects: expected objects")?;
    let directions = texts(object, "directions")?.ok_or("dialects: directions is missing")?;
    Ok(Offer { id: must(object, "id")?.to_owned(), directions })
}

fn signed(object: &Object) -> Result<Signed, String> {
    let mut signed = Signed { signature: text(object, "signature")?.map(str::to_owned), ..Signed::default() };
    match object.get("stages") {
        None | Some(Value::Null) => {}
        Some(Value::Object(stages)) => {
            for name in stages.keys() {
                let name = name.strip_suffix("_base64").unwrap_or(name);
                signed.stages.extend(bytes(stages, name)?.map(|bytes| (name.to_owned(), bytes)));
            }
        }
        Some(_) => return Err("stages: expected an object".to_owned()),
    }
    signed.message = match object.get("message") {
        None | Some(Value::Null) => None,
        Some(value) => Some(message(value)?),
    };
    if signed.signature.is_none() && signed.message.is_none() {
        return Err("signed: one of signature and message is needed".to_owned());
    }
    Ok(signed)
}

/// A placed message.
fn message(value: &Value) -> Result<Message, String> {
    let object = value.as_object().ok_or("message: expected an object")?;
    let headers = list(object, "headers")?.iter().map(|item| header(item).ok_or("message.headers: expected a list of [name, value]"));
    let headers = headers.collect::<Result<_, _>>()?;
    match text(object, "kind")?.unwrap_or("request") {
        "request" => {
            let target = bytes(object, "target")?.ok_or("message.target is missing")?;
            let request = Request::new(must(object, "method")?, target);
            Ok(Request { headers, body: body(object)?, ..request }.into())
        }
        "response" => {
            let status = object.get("status").and_then(Value::as_u64).and_then(|status| status.try_into().ok());
            Ok(Response { status: status.ok_or("message.status: expected a number")?, headers, body: body(object)? }.into())
        }
        other => Err(format!("message.kind: `{other}` is neither request nor response")),
    }
}

fn body(object: &Object) -> Result<Vec<u8>, String> {
    match object.get("body_pieces_base64") {
        None => Ok(bytes(object, "body")?.unwrap_or_default()),
        Some(_) => {
            let pieces = texts(object, "body_pieces_base64")?.unwrap_or_default();
            Ok(pieces.iter().map(|piece| decoded(piece)).collect::<Result<Vec<_>, _>>()?.concat())
        }
    }
}

fn header(item: &Value) -> Option<(String, Vec<u8>)> {
    let [name, value] = item.as_array()?.as_slice() else { return None };
    let value = match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Object(object) => decoded(object.get("base64")?.as_str()?).ok()?,
        _ => return None,
    };
    Some((name.as_str()?.to_owned(), value))
}

/// The bytes of the text under this name, or of the base64 under `<name>_base64`.
fn bytes(object: &Object, name: &str) -> Result<Option<Vec<u8>>, String> {
    if let Some(encoded) = text(object, &format!("{name}_base64"))? {
        return decoded(encoded).map(Some);
    }
    Ok(text(object, name)?.map(|text| text.as_bytes().to_vec()))
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_| "base64: no base64 with padding".to_owned())
}

fn must<'a>(object: &'a Object, name: &str) -> Result<&'a str, String> {
    text(object, name)?.ok_or_else(|| format!("{name} is missing"))
}

fn text<'a>(object: &'a Object, name: &str) -> Result<Option<&'a str>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name}: expected text")),
    }
}

fn list<'a>(object: &'a Object, name: &str) -> Result<&'a [Value], String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(format!("{name}: expected a list")),
    }
}

fn texts(object: &Object, name: &str) -> Result<Option<Vec<String>>, String> {
    if object.get(name).is_none_or(Value::is_null) {
        return Ok(None);
    }
    let fault = || format!("{name}: expected a list of texts");
    list(object, name)?.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(fault)).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Answer, String> {
        Answer::read(value.as_object().unwrap())
    }

    #[test]
    fn a_misshapen_answer_names_its_member() {
        for (value, word) in [
            (json!({}), "result"),
            (json!({ "result": "fine" }), "fine"),
            (json!({ "result": "hello", "version": "1" }), "version"),
            (json!({ "result": "unsupported" }), "why"),
            (json!({ "result": "signed", "stages": {} }), "one of signature and message"),
            (json!({ "result": "signed", "signature": 1 }), "signature"),
            (json!({ "result": "signed", "message": { "method": "GET", "target": "/", "headers": [["a"]] } }), "headers"),
            (json!({ "result": "accepted", "covers": "all" }), "covers"),
        ] {
            let fault = read(&value).unwrap_err();
            assert!(fault.contains(word), "{value}: {fault}");
        }
    }

    #[test]
    fn bytes_come_as_text_or_as_base64() {
        let value = json!({ "result": "signed", "signature": "s", "stages": { "a": "x", "b_base64": "/w==" },
            "message": { "method": "GET", "target_base64": "L/8=", "headers": [["A", { "base64": "6Q==" }]], "body_pieces_base64": ["AA==", "", "/w=="] } });
        let Ok(Answer::Signed(signed)) = read(&value) else { panic!("{value}") };
        assert_eq!((signed.stage("a"), signed.stage("b")), (Some(&b"x"[..]), Some(&b"\xff"[..])));
        let Some(Message::Request(request)) = signed.message else { panic!("{value}") };
        assert_eq!((&request.target[..], &request.body[..]), (&b"/\xff"[..], &b"\x00\xff"[..]));
        assert_eq!(request.headers, [("A".to_owned(), b"\xe9".to_vec())]);
    }

    #[test]
    fn a_response_has_a_status() {
        let value = |status: Value| json!({ "result": "signed", "message": { "kind": "response", "status": status, "headers": [["A", "1"]], "body": "x" } });
        let Ok(Answer::Signed(signed)) = read(&value(json!(204))) else { panic!("refused") };
        let Some(Message::Response(response)) = signed.message else { panic!("no response") };
        assert_eq!((response.status, &response.body[..]), (204, &b"x"[..]));
        for odd in [json!("204"), json!(-1), json!(70_000), Value::Null] {
            assert!(read(&value(odd.clone())).unwrap_err().contains("message.status"), "{odd}");
        }
        assert!(read(&json!({ "result": "signed", "message": { "kind": "push" } })).unwrap_err().contains("push"));
    }
}
