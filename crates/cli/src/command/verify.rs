//! `countersign verify`: a signed message in, the verdict out.

use std::env;

use countersign_protocol::{Algorithm, Intact, Language, Part, Policy, Refusal, Window};
use serde_json::json;

use super::now;
use crate::args::VerifyArgs;
use crate::console;
use crate::failure::Failure;
use crate::input::Input;
use crate::registry::Registry;

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs, registry: &Registry, json: bool) -> Result<(), Failure> {
    let (dialect, inputs) = registry.choose(&args.dialect)?;
    let credential = match &args.public_key {
        Some(path) => args.key.public(path, dialect.least_rsa_bits())?,
        None => args.key.credential()?,
    };
    let input = Input::read(&args.message)?;
    let policy = policy(args)?;
    let at = args.at.map_or_else(now, Ok)?;
    match super::verify(dialect, &input.message, &inputs, &[credential], at, &policy) {
        Ok(intact) => accepted(&intact, json),
        Err(refusal) => rejected(&refusal, json),
    }
}

fn policy(args: &VerifyArgs) -> Result<Policy, Failure> {
    let parts = |flag: &str, names: &[String]| -> Result<Vec<Part>, Failure> {
        let part = |name: &String| {
            Part::parse(name).ok_or_else(|| {
                Failure::usage(format_args!("{flag} {name}: no such part; method, path, query, body, host, time, nonce, header.NAME ..."))
            })
        };
        names.iter().map(part).collect()
    };
    Ok(Policy {
        window: args.window.map(Window::both),
        require: parts("--require", &args.require)?,
        waive: parts("--waive", &args.waive)?,
        allow_unsafe: args.allow_unsafe,
        allow_cleartext: args.allow_cleartext,
        allow_ambiguous: args.allow_ambiguous,
        max_expires: None,
    })
}

fn accepted(intact: &Intact, json: bool) -> Result<(), Failure> {
    let verified = intact.verified();
    let covers: Vec<String> = verified.covers().iter().map(ToString::to_string).collect();
    let algorithm = verified.algorithm().map(Algorithm::as_str);
    if json {
        let verdict = json!({ "result": "accepted", "key_id": verified.key_id(), "algorithm": algorithm, "covers": covers });
        return console::line(&verdict.to_string());
    }
    let algorithm = algorithm.map(|name| format!("algorithm: {name}\n")).unwrap_or_default();
    let text = format!("accepted\nkey id: {}\n{algorithm}covers: {}\n", verified.key_id(), covers.join(", "));
    console::data(text.as_bytes())
}

/// The exact reason is shown: whoever runs this holds the key.
fn rejected(refusal: &Refusal, json: bool) -> Result<(), Failure> {
    let (reason, hint) = (refusal.reason(), refusal.reason().hint(language()));
    if json {
        console::line(&json!({ "result": "rejected", "reason": reason.as_str(), "detail": refusal.detail(), "hint": hint }).to_string())?;
        return Err(Failure::Rejected);
    }
    console::line(&format!("rejected: {reason}"))?;
    if !refusal.detail().is_empty() {
        console::say(refusal.detail());
    }
    console::say(hint);
    Err(Failure::Rejected)
}

/// The language of the user's locale.
fn language() -> Language {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    if locale.is_some_and(|locale| locale.starts_with("zh")) { Language::Chinese } else { Language::English }
}
