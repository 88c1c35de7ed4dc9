//! Messages and stages as JSON: the adapter's form, which `--output json` prints too.
//!
//! Text that is not UTF-8 stands as base64 under `<name>_base64`; a header value that is not UTF-8 as `{"base64": ".."}`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{Message, Request, Response, Scheme, Stages};
use serde_json::{Map, Value, json};

use crate::input::http::is_token;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// Puts text under this name, or base64 under `<name>_base64`.
pub(crate) fn put(object: &mut Object, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

/// The stages, in their order.
pub(crate) fn stages(stages: &Stages) -> Value {
    let mut object = Object::new();
    for (name, bytes) in stages.iter() {
        put(&mut object, name, bytes);
    }
    Value::Object(object)
}

/// A message.
pub(crate) fn write(message: &Message) -> Value {
    let mut object = Object::new();
    match message {
        Message::Request(request) => {
            object.insert("kind".to_owned(), "request".into());
            object.insert("method".to_owned(), request.method.clone().into());
            object.insert("scheme".to_owned(), request.scheme.as_str().into());
            put(&mut object, "target", &request.target);
            if request.version != "HTTP/1.1" {
                object.insert("version".to_owned(), request.version.clone().into());
            }
        }
        Message::Response(response) => {
            object.insert("kind".to_owned(), "response".into());
            object.insert("status".to_owned(), response.status.into());
        }
    }
    let headers = message.headers().iter().map(|(name, value)| json!([name, header_value(value)])).collect();
    object.insert("headers".to_owned(), Value::Array(headers));
    object.insert("body_base64".to_owned(), STANDARD.encode(message.body_bytes()).into());
    Value::Object(object)
}

fn header_value(value: &[u8]) -> Value {
    std::str::from_utf8(value).map_or_else(|_| json!({ "base64": STANDARD.encode(value) }), Value::from)
}

/// Reads a message. The error says which member is wrong.
pub(crate) fn read(value: &Value) -> Result<Message, String> {
    let object = value.as_object().ok_or("message: expected an object")?;
    match text(object, "kind")?.unwrap_or("request") {
        "request" => read_request(object).map(Message::Request),
        "response" => read_response(object).map(Message::Response),
        other => Err(format!("message.kind: '{other}' is neither request nor response")),
    }
}

fn read_request(object: &Object) -> Result<Request, String> {
    let method = text(object, "method")?.ok_or("message.method is missing")?;
    if !is_token(method.as_bytes()) {
        return Err("message.method is no HTTP token".to_owned());
    }
    let target = bytes(object, "target")?.ok_or("message.target is missing")?;
    if target.iter().any(|b| *b <= b' ' || *b == 0x7f) {
        return Err("message.target holds a blank or control character".to_owned());
    }
    let mut request = Request::new(method, target);
    request.scheme = match text(object, "scheme")? {
        None | Some("https") => Scheme::Https,
        Some("http") => Scheme::Http,
        Some(other) => return Err(format!("message.scheme: '{other}' is neither http nor https")),
    };
    if let Some(version) = text(object, "version")? {
        request.version = version.to_owned();
    }
    request.headers = headers(object)?;
    request.body = body(object)?;
    Ok(request)
}

fn read_response(object: &Object) -> Result<Response, String> {
    let status = object.get("status").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
    let status = status.filter(|n| (100..600).contains(n)).ok_or("message.status: expected a status code")?;
    Ok(Response { status, headers: headers(object)?, body: body(object)? })
}

fn headers(object: &Object) -> Result<Vec<(String, Vec<u8>)>, String> {
    let fault = || "message.headers: expected a list of [name, value]".to_owned();
    let Some(list) = object.get("headers") else {
        return Ok(Vec::new());
    };
    list.as_array().ok_or_else(fault)?.iter().map(|item| header(item).ok_or_else(fault)).collect()
}

fn header(item: &Value) -> Option<(String, Vec<u8>)> {
    let [name, value] = item.as_array()?.as_slice() else {
        return None;
    };
    let name = name.as_str().filter(|name| is_token(name.as_bytes()))?;
    let value = match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Object(object) => STANDARD.decode(object.get("base64")?.as_str()?).ok()?,
        _ => return None,
    };
    // A value that no header can have is refused where every message is judged, with the reason of that.
    Some((name.to_owned(), value))
}

fn body(object: &Object) -> Result<Vec<u8>, String> {
    match body_pieces(object)? {
        Some(pieces) => Ok(pieces.concat()),
        None => Ok(bytes(object, "body")?.unwrap_or_default()),
    }
}

/// The body in pieces, under `body_pieces_base64`.
pub(crate) fn body_pieces(object: &Object) -> Result<Option<Vec<Vec<u8>>>, String> {
    let fault = || "message.body_pieces_base64: expected a list of base64 with padding".to_owned();
    let pieces = match object.get("body_pieces_base64") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(pieces)) => pieces,
        Some(_) => return Err(fault()),
    };
    if ["body", "body_base64"].iter().any(|name| object.get(*name).is_some_and(|value| !value.is_null())) {
        return Err("message: body_pieces_base64 stands beside another body; give one of them".to_owned());
    }
    let decoded = pieces.iter().map(|piece| piece.as_str().and_then(|text| STANDARD.decode(text).ok()).ok_or_else(fault));
    decoded.collect::<Result<_, _>>().map(Some)
}

/// The text under this name, if there is one.
pub(crate) fn text<'a>(object: &'a Object, name: &str) -> Result<Option<&'a str>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name}: expected text")),
    }
}

/// The bytes of the text under this name, or of the base64 under `<name>_base64`.
pub(crate) fn bytes(object: &Object, name: &str) -> Result<Option<Vec<u8>>, String> {
    let encoded = format!("{name}_base64");
    if let Some(base64) = text(object, &encoded)? {
        return STANDARD.decode(base64).map(Some).map_err(|_| format!("{encoded}: no base64 with padding"));
    }
    Ok(text(object, name)?.map(|text| text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_written() {
        let mut request =
            Request::new("POST", &b"/\xff?a"[..]).with_header("X-A", "b").with_header("x-a", &b"\xe9"[..]).with_body(&b"\x00\xff"[..]);
        request.scheme = Scheme::Http;
        for message in
            [Message::from(request), Message::from(Response { status: 404, headers: vec![("A".to_owned(), vec![])], body: vec![1] })]
        {
            assert_eq!(read(&write(&message)), Ok(message));
        }
    }

    #[test]
    fn faults_name_their_member() {
        for (value, word) in [
            (json!(1), "message"),
            (json!({ "kind": "x" }), "kind"),
            (json!({ "target": "/" }), "method"),
            (json!({ "method": "G T", "target": "/" }), "method"),
            (json!({ "method": "GET", "target": "/ HTTP/1.1\r\n" }), "target"),
            (json!({ "method": "GET", "target": "/", "headers": { "a": "b" } }), "headers"),
            (json!({ "method": "GET", "target": "/", "body_base64": "*" }), "body_base64"),
            (json!({ "method": "GET", "target": "/", "body_pieces_base64": ["*"] }), "body_pieces_base64"),
            (json!({ "method": "GET", "target": "/", "body_pieces_base64": [], "body_base64": "" }), "beside another body"),
            (json!({ "kind": "response", "status": 70000 }), "status"),
        ] {
            let fault = read(&value).unwrap_err();
            assert!(fault.contains(word), "{value}: {fault}");
        }
    }
}
