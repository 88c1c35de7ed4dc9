//! `countersign sign`: a message in, the signed message out.

use countersign_protocol::{Dialect, Inputs, Message, SignOptions, Signed};

use super::{now, random_hex};
use crate::args::{OutputForm, SignArgs};
use crate::failure::Failure;
use crate::input::Input;
use crate::input::url::Origin;
use crate::registry::Registry;
use crate::{console, output, wire};

/// Runs the command.
pub(crate) fn run(args: &SignArgs, registry: &Registry, json: bool) -> Result<(), Failure> {
    let (dialect, inputs) = registry.choose(&args.dialect)?;
    if args.key.key_id.is_empty() && dialect.carries_key_id() {
        return Err(Failure::usage(format_args!("'{}' names the key in each message: give --key-id", dialect.id())));
    }
    let credential = args.key.credential()?;
    let input = Input::read(&args.message, dialect)?;
    let options = options(args, dialect, inputs)?;
    let message = args.envelope.seal(input.message)?;
    let signed = dialect.sign(message, &credential, &options).map_err(|e| Failure::usage(format_args!("{}: {e}", dialect.id())))?;
    match if json { OutputForm::Json } else { args.output } {
        OutputForm::Http => console::data(&output::http::write(signed.message())),
        OutputForm::Json => console::line(&as_json(&signed, input.origin.as_ref()).to_string()),
        OutputForm::Curl => print_curl(&signed, input.origin.as_ref()),
    }
}

fn options(args: &SignArgs, dialect: &Dialect, inputs: Inputs) -> Result<SignOptions, Failure> {
    check(args, dialect)?;
    let nonce = match &args.nonce {
        Some(nonce) => Some(nonce.clone()),
        None if dialect.carries_nonce() && !args.omit.iter().any(|part| part == "nonce") => Some(random_hex()?),
        None => None,
    };
    let mark = args.envelope.signed_mark().map(str::to_owned);
    Ok(SignOptions {
        at: args.at.map_or_else(now, Ok)?,
        nonce,
        inputs,
        headers: (!args.sign_header.is_empty()).then(|| args.sign_header.iter().cloned().chain(mark.clone()).collect()),
        also: mark.into_iter().collect(),
        omit: args.omit.clone(),
        expires: args.expires.clone(),
        body_digest: args.body_digest.clone(),
        body: None,
    })
}

/// Refuses what the dialect cannot leave out, and a nonce that is none.
fn check(args: &SignArgs, dialect: &Dialect) -> Result<(), Failure> {
    let known = dialect.omittable();
    if let Some(part) = args.omit.iter().find(|part| !known.contains(&part.as_str())) {
        let mend = if known.is_empty() { "leaves nothing out".to_owned() } else { format!("can leave out {}", known.join(", ")) };
        return Err(Failure::usage(format_args!("--omit {part}: no part that may be left out; '{}' {mend}", dialect.id())));
    }
    if args.nonce.as_ref().is_some_and(String::is_empty) {
        let omit = if known.contains(&"nonce") { ", or leave it out with --omit nonce" } else { "" };
        return Err(Failure::usage(format_args!("--nonce: it is empty; give a fresh one, leave the flag out for a random one{omit}")));
    }
    Ok(())
}

fn as_json(signed: &Signed, origin: Option<&Origin>) -> serde_json::Value {
    let mut object = match wire::write(signed.message()) {
        serde_json::Value::Object(object) => object,
        _ => wire::Object::new(),
    };
    if let (Message::Request(request), Some(origin)) = (signed.message(), origin) {
        wire::put(&mut object, "url", &[&origin.text()[..], &request.target].concat());
    }
    object.insert("stages".to_owned(), wire::stages(signed.stages()));
    object.insert("signature".to_owned(), signed.signature().into());
    serde_json::Value::Object(object)
}

fn print_curl(signed: &Signed, origin: Option<&Origin>) -> Result<(), Failure> {
    let Message::Request(request) = signed.message() else {
        return Err(Failure::usage("--output curl: a response cannot be sent; use --output http"));
    };
    let origin = origin.ok_or_else(|| Failure::usage("--output curl: the message names no host; add a Host header, or use --url"))?;
    let mut line = output::curl::write(request, origin);
    line.push(b'\n');
    console::data(&line)
}
