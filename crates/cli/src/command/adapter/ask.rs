//! Reads what a `sign` or `verify` line asks for.

use std::time::Duration;

use countersign_protocol::{
    Algorithm, Credential, Inputs, KeyMaterial, KeyPair, Message, Part, Policy, Secret, SignOptions, Timestamp, Window,
};
use serde_json::Value;

use crate::values;
use crate::wire::{self, Object};

/// The most credentials in one line.
const CREDENTIALS: usize = 16;

/// What `sign` and `verify` have in common.
pub(super) struct Ask {
    pub(super) credentials: Vec<Credential>,
    pub(super) inputs: Inputs,
    pub(super) at: Timestamp,
    pub(super) message: Message,
    /// The body as it came, where it came in pieces; the message holds all of them.
    pub(super) pieces: Option<Vec<Vec<u8>>>,
}

impl Ask {
    pub(super) fn read(object: &Object) -> Result<Self, String> {
        let at = wire::text(object, "at")?.ok_or("at is missing")?;
        let message = object.get("message").ok_or("message is missing")?;
        Ok(Self {
            credentials: credentials(object)?,
            inputs: inputs(object)?,
            at: values::time(at).map_err(|fault| format!("at: {fault}"))?,
            message: wire::read(message)?,
            pieces: message.as_object().map_or(Ok(None), wire::body_pieces)?,
        })
    }

    /// The signer's choices: `nonce`, and `options` with `headers`, `omit`, `expires` and `body_digest`.
    pub(super) fn sign_options(&self, object: &Object) -> Result<SignOptions, String> {
        let mut options = SignOptions::new(self.at);
        options.inputs = self.inputs.clone();
        options.nonce = wire::text(object, "nonce")?.map(str::to_owned);
        let Some(extra) = member(object, "options")? else {
            return Ok(options);
        };
        only(extra, "options", &["headers", "omit", "expires", "body_digest"])?;
        options.headers = texts(extra, "headers")?;
        options.omit = texts(extra, "omit")?.unwrap_or_default();
        options.expires = wire::text(extra, "expires")?.map(str::to_owned);
        options.body_digest = wire::text(extra, "body_digest")?.map(str::to_owned);
        Ok(options)
    }
}

/// The verifier's policy: `unsafe`, `allow_cleartext`, `allow_ambiguous`, `require`, `waive`, `window` as a span or as two of them,
/// `max_expires` as a span.
pub(super) fn policy(object: &Object) -> Result<Policy, String> {
    let Some(given) = member(object, "policy")? else {
        return Ok(Policy::default());
    };
    only(given, "policy", &["unsafe", "allow_cleartext", "allow_ambiguous", "require", "waive", "window", "max_expires"])?;
    Ok(Policy {
        window: window(given)?,
        require: parts(given, "require")?,
        waive: parts(given, "waive")?,
        allow_unsafe: flag(given, "unsafe")?,
        allow_cleartext: flag(given, "allow_cleartext")?,
        allow_ambiguous: flag(given, "allow_ambiguous")?,
        max_expires: span(given, "max_expires")?,
    })
}

/// A list, or a single object for a list of one.
fn credentials(object: &Object) -> Result<Vec<Credential>, String> {
    let list = match object.get("credentials").ok_or("credentials is missing")? {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.len() > CREDENTIALS {
        return Err(format!("credentials: more than {CREDENTIALS}"));
    }
    list.iter().map(credential).collect()
}

fn credential(value: &Value) -> Result<Credential, String> {
    let object = value.as_object().ok_or("credentials: expected objects")?;
    only(object, "credentials", &["key_id", "secret", "secret_base64", "private_key_pem", "public_key_pem", "algorithm", "parts"])?;
    let mut credential = Credential::new(wire::text(object, "key_id")?.unwrap_or_default(), material(object)?);
    if let Some(parts) = member(object, "parts")? {
        for name in parts.keys() {
            credential = credential.with_part(name, wire::text(parts, name)?.unwrap_or_default());
        }
    }
    match wire::text(object, "algorithm")? {
        None => Ok(credential),
        Some(name) => values::algorithm(name)
            .map(|algorithm: Algorithm| credential.with_algorithm(algorithm))
            .map_err(|fault| format!("algorithm: {fault}")),
    }
}

fn material(object: &Object) -> Result<KeyMaterial, String> {
    if let Some(secret) = wire::bytes(object, "secret")? {
        return Ok(KeyMaterial::Hmac(Secret::new(secret)));
    }
    if let Some(pem) = wire::text(object, "private_key_pem")? {
        return KeyPair::from_private_pem(pem).map(KeyMaterial::Pair).map_err(|e| format!("private_key_pem: {e}"));
    }
    let pem = wire::text(object, "public_key_pem")?
        .ok_or("credentials: one of secret, secret_base64, private_key_pem, public_key_pem is needed")?;
    KeyPair::from_short_public_pem(pem).map(KeyMaterial::Pair).map_err(|e| format!("public_key_pem: {e}"))
}

fn inputs(object: &Object) -> Result<Inputs, String> {
    let mut inputs = Inputs::new();
    if let Some(given) = member(object, "inputs")? {
        for name in given.keys() {
            if let Some(value) = wire::text(given, name)? {
                inputs = inputs.with(name.clone(), value);
            }
        }
    }
    Ok(inputs)
}

fn member<'a>(object: &'a Object, name: &str) -> Result<Option<&'a Object>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(member)) => Ok(Some(member)),
        Some(_) => Err(format!("{name}: expected an object")),
    }
}

/// Refuses members that nothing reads: a misspelt one would be a setting that silently does nothing.
fn only(object: &Object, place: &str, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("{place}.{name} is not known; expected {}", known.join(", "))),
        None => Ok(()),
    }
}

fn texts(object: &Object, name: &str) -> Result<Option<Vec<String>>, String> {
    let fault = || format!("{name}: expected a list of texts");
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => {
            list.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(fault)).collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(fault()),
    }
}

fn parts(object: &Object, name: &str) -> Result<Vec<Part>, String> {
    let names = texts(object, name)?.unwrap_or_default();
    names.iter().map(|part| Part::parse(part).ok_or_else(|| format!("{name}: no part '{part}'"))).collect()
}

fn flag(object: &Object, name: &str) -> Result<bool, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| format!("{name}: expected true or false")),
    }
}

/// One span for both sides, or `{ past, future }`.
fn window(object: &Object) -> Result<Option<Window>, String> {
    let Some(Value::Object(sides)) = object.get("window") else {
        return Ok(span(object, "window")?.map(Window::both));
    };
    only(sides, "policy.window", &["past", "future"])?;
    let side = |name| span(sides, name)?.ok_or_else(|| format!("policy.window.{name} is missing"));
    Ok(Some(Window { past: side("past")?, future: side("future")? }))
}

fn span(object: &Object, name: &str) -> Result<Option<Duration>, String> {
    wire::text(object, name)?.map(|text| values::span(text).map_err(|fault| format!("{name}: {fault}"))).transpose()
}
