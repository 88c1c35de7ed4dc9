//! Lines to an adapter: what is asked of it, as JSON objects without their id.
//!
//! This is the runner's own writing of the protocol. It shares no code with any adapter, so that a fault of one side shows.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{Inputs, Message, Policy, Timestamp, Window};
use countersign_vectors::written::Credentials;
use countersign_vectors::{Case, Sample, Signing};
use serde_json::{Map, Value, json};

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// The version of the protocol.
pub(crate) const VERSION: u64 = 1;

pub(crate) fn hello() -> Object {
    object([("op", "hello".into()), ("version", VERSION.into())])
}

pub(crate) fn dialects() -> Object {
    object([("op", "dialects".into())])
}

pub(crate) fn sign<M: Sample>(case: &Case<M>, signing: &Signing<M>) -> Object {
    let options = &signing.options;
    let mut line = object([
        ("op", "sign".into()),
        ("dialect", case.dialect.as_str().into()),
        ("credentials", json!([credential(&case.keys, true)])),
        ("inputs", inputs(&options.inputs)),
        ("at", options.at.to_string().into()),
        ("message", message(&signing.message)),
    ]);
    if let Some(nonce) = &options.nonce {
        line.insert("nonce".to_owned(), nonce.as_str().into());
    }
    let mut choices = Object::new();
    let texts = |list: &[String]| Value::from(list.to_vec());
    choices.extend(options.headers.as_deref().map(|list| ("headers".to_owned(), texts(list))));
    choices.extend((!options.omit.is_empty()).then(|| ("omit".to_owned(), texts(&options.omit))));
    choices.extend(options.expires.as_ref().map(|text| ("expires".to_owned(), text.as_str().into())));
    choices.extend(options.body_digest.as_ref().map(|text| ("body_digest".to_owned(), text.as_str().into())));
    if !choices.is_empty() {
        line.insert("options".to_owned(), Value::Object(choices));
    }
    line
}

/// A vector's verification; [`Verification`] says what may differ from the vector.
pub(crate) fn verify<M: Sample>(case: &Case<M>) -> Object {
    Verification::of(case).line()
}

/// What a verification asks.
#[derive(Clone)]
pub(crate) struct Verification {
    pub(crate) dialect: String,
    pub(crate) credentials: Vec<Value>,
    pub(crate) inputs: Value,
    pub(crate) at: Timestamp,
    pub(crate) policy: Policy,
    pub(crate) message: Value,
}

impl Verification {
    pub(crate) fn of<M: Sample>(case: &Case<M>) -> Self {
        Self {
            dialect: case.dialect.clone(),
            credentials: vec![credential(&case.keys, false)],
            inputs: inputs(&case.inputs),
            at: case.now,
            policy: case.policy.clone(),
            message: message(&case.placed),
        }
    }

    pub(crate) fn line(self) -> Object {
        let mut line = object([
            ("op", "verify".into()),
            ("dialect", self.dialect.into()),
            ("credentials", self.credentials.into()),
            ("inputs", self.inputs),
            ("at", self.at.to_string().into()),
        ]);
        let policy = policy(&self.policy);
        if !policy.is_empty() {
            line.insert("policy".to_owned(), Value::Object(policy));
        }
        line.insert("message".to_owned(), self.message);
        line
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Object {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The signer gets the private key, the verifier the public one, where there are two.
fn credential(keys: &Credentials, signs: bool) -> Value {
    let is_pair = keys.private_key_pem.is_some() && keys.public_key_pem.is_some();
    let members = [
        ("key_id", &keys.key_id),
        ("secret", &keys.secret),
        ("secret_base64", &keys.secret_base64),
        ("private_key_pem", if is_pair && !signs { &None } else { &keys.private_key_pem }),
        ("public_key_pem", if is_pair && signs { &None } else { &keys.public_key_pem }),
        ("algorithm", &keys.algorithm),
    ];
    let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value.as_deref()?))));
    let mut object: Object = given.collect();
    if let Some(parts) = &keys.parts {
        object.insert("parts".to_owned(), json!(parts));
    }
    Value::Object(object)
}

fn inputs(inputs: &Inputs) -> Value {
    Value::Object(inputs.iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
}

fn policy(policy: &Policy) -> Object {
    let mut object = Object::new();
    for (name, is_set) in
        [("unsafe", policy.allow_unsafe), ("allow_cleartext", policy.allow_cleartext), ("allow_ambiguous", policy.allow_ambiguous)]
    {
        if is_set {
            object.insert(name.to_owned(), true.into());
        }
    }
    for (name, parts) in [("require", &policy.require), ("waive", &policy.waive)] {
        if !parts.is_empty() {
            object.insert(name.to_owned(), parts.iter().map(ToString::to_string).collect::<Vec<_>>().into());
        }
    }
    object.extend(policy.window.map(|window| ("window".to_owned(), window_text(window))));
    object.extend(policy.max_expires.map(|span| ("max_expires".to_owned(), span_text(span).into())));
    object
}

fn window_text(window: Window) -> Value {
    if window.past == window.future {
        return span_text(window.past).into();
    }
    json!({ "past": span_text(window.past), "future": span_text(window.future) })
}

fn span_text(span: Duration) -> String {
    format!("{}s", span.as_secs())
}

/// A message with its body in one piece.
pub(crate) fn message<M: Sample>(message: &M) -> Value {
    let mut object = object([("kind", M::KIND.into())]);
    match message.clone().into() {
        Message::Request(request) => {
            object.insert("method".to_owned(), request.method.as_str().into());
            object.insert("scheme".to_owned(), request.scheme.as_str().into());
            object.insert("version".to_owned(), request.version.as_str().into());
            put(&mut object, "target", &request.target);
        }
        Message::Response(response) => {
            object.insert("status".to_owned(), response.status.into());
        }
    }
    let headers = message.headers().iter().map(|(name, value)| json!([name, header_value(value)])).collect::<Vec<_>>();
    object.insert("headers".to_owned(), headers.into());
    object.insert("body_base64".to_owned(), STANDARD.encode(message.bytes()).into());
    Value::Object(object)
}

/// The same message with its body in these pieces.
pub(crate) fn in_pieces<'p>(message: &Value, pieces: impl Iterator<Item = &'p [u8]>) -> Value {
    let mut message = message.clone();
    if let Some(object) = message.as_object_mut() {
        object.remove("body_base64");
        object.insert("body_pieces_base64".to_owned(), pieces.map(|piece| STANDARD.encode(piece)).collect::<Vec<_>>().into());
    }
    message
}

fn put(object: &mut Object, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

fn header_value(value: &[u8]) -> Value {
    std::str::from_utf8(value).map_or_else(|_| json!({ "base64": STANDARD.encode(value) }), Value::from)
}
