//! Names and filters in templates: each has one home, and nothing else exists.

use super::super::error::LoadError;
use super::super::plan::{Claimed, Filter, Source};
use super::super::written::Written;
use super::Compiler;
use crate::digest::DigestAlgorithm;
use crate::time::TimeFormat;

/// Where a template stands: it decides which names mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Text that is signed, derived from or compared.
    Text,
    /// One item of a list.
    Item,
    /// What is carried.
    Carry,
    /// What a server shows of its own string to sign.
    Diagnostics,
}

const REQUEST_ONLY: [(&str, Source); 9] = [
    ("method", Source::Method),
    ("scheme", Source::Scheme),
    ("http_version", Source::HttpVersion),
    ("host", Source::Host),
    ("hostname", Source::Hostname),
    ("port", Source::Port),
    ("authority", Source::Authority),
    ("path", Source::Path),
    ("target", Source::Target),
];
const ANYWHERE: [(&str, Source); 13] = [
    ("body", Source::Body),
    ("body_without_signature", Source::BodyWithoutSignature),
    ("headers", Source::Headers),
    ("query", Source::QueryList),
    ("form", Source::FormList),
    ("params", Source::ParamsList),
    ("secret", Source::Secret),
    ("key_id", Source::Claim(Claimed::KeyId)),
    ("time", Source::Claim(Claimed::Time)),
    ("nonce", Source::Claim(Claimed::Nonce)),
    ("expires", Source::Claim(Claimed::Expires)),
    ("signed_headers", Source::Claim(Claimed::SignedHeaders)),
    ("body_digest", Source::Claim(Claimed::BodyDigest)),
];
const RESERVED: [&str; 6] = ["algorithm", "signature", "status", "name", "value", "string_to_sign"];

/// Refuses inputs, secrets and lets whose name is taken or no name.
pub(super) fn check_declared(written: &Written) -> Result<(), LoadError> {
    let inputs = written.inputs.iter().map(|(name, _)| ("inputs", name));
    let secrets = written.secrets.iter().map(|name| ("secrets", name));
    let lets = written.lets.iter().map(|(name, _)| ("let", name));
    let mut seen: Vec<&str> = Vec::new();
    for (path, name) in inputs.chain(secrets).chain(lets) {
        let word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !word {
            return Err(LoadError::new(path, format!("'{name}' is no name"), "use lower-case letters, digits and _"));
        }
        let taken = REQUEST_ONLY.iter().chain(&ANYWHERE).any(|(n, _)| n == name) || RESERVED.contains(&name.as_str());
        if taken || seen.contains(&name.as_str()) {
            return Err(LoadError::new(path, format!("the name {name} is taken"), "every name has one home: choose another"));
        }
        seen.push(name);
    }
    Ok(())
}

/// What a name stands for.
pub(super) fn resolve(compiler: &Compiler<'_>, name: &str, path: &str, scope: Scope) -> Result<Source, LoadError> {
    let refuse = |fault: String, mend: &'static str| Err(LoadError::new(path, fault, mend));
    match (name, scope) {
        ("name", Scope::Item) => return Ok(Source::ItemName),
        ("value", Scope::Item) => return Ok(Source::ItemValue),
        (_, Scope::Item) => return refuse(format!("{{{name}}} is no part of an item"), "an item of a list is made of {name} and {value}"),
        ("string_to_sign", Scope::Diagnostics) => return Ok(Source::StringToSign),
        ("signature", Scope::Carry) => return Ok(Source::Claim(Claimed::Signature)),
        ("secret", Scope::Carry) => return Ok(Source::Claim(Claimed::Secret)),
        ("signature", _) => return refuse("a signature cannot sign itself".to_owned(), "{signature} stands in carry only"),
        ("algorithm", _) => return Ok(Source::Claim(Claimed::Algorithm)),
        ("status", _) if compiler.written.message.as_deref() == Some("response") => return Ok(Source::Status),
        _ => {}
    }
    if let Some((_, source)) = REQUEST_ONLY.iter().find(|(n, _)| *n == name) {
        if compiler.written.message.as_deref() == Some("response") {
            return refuse(format!("a response has no {name}"), "remove it, or describe requests");
        }
        return Ok(source.clone());
    }
    if let Some((_, source)) = ANYWHERE.iter().find(|(n, _)| *n == name) {
        return Ok(source.clone());
    }
    if let Some((kind, rest)) = name.split_once('.').filter(|(_, rest)| !rest.is_empty()) {
        match kind {
            "header" => return Ok(Source::Header(rest.to_ascii_lowercase())),
            "query" => return Ok(Source::Query(rest.to_owned())),
            "form" => return Ok(Source::Form(rest.to_owned())),
            _ => {}
        }
    }
    let written = compiler.written;
    if let Some(index) = written.inputs.iter().position(|(n, _)| n == name) {
        return Ok(Source::Claim(Claimed::Input(index)));
    }
    if let Some(index) = written.secrets.iter().position(|n| n == name) {
        return Ok(if scope == Scope::Carry { Source::Claim(Claimed::SecretPart(index)) } else { Source::SecretPart(index) });
    }
    match compiler.let_index(name) {
        Some(index) => Ok(Source::Let(index)),
        None => {
            refuse(format!("nothing is called {name}"), "use a part of the request, a claim, or something listed in inputs, secrets or let")
        }
    }
}

/// The filters of one name.
pub(super) fn filters(source: &Source, words: &[String], path: &str) -> Result<Vec<Filter>, LoadError> {
    let all = words.iter().map(|word| filter(word, path)).collect::<Result<Vec<_>, _>>()?;
    let is_time = *source == Source::Claim(Claimed::Time);
    for (i, f) in all.iter().enumerate() {
        if matches!(f, Filter::Time(_)) && (!is_time || i > 0) {
            return Err(LoadError::new(path, "a time format on something that is no time", "it may stand first after {time} only"));
        }
        if *f == Filter::Hmac && *source == Source::Secret {
            return Err(LoadError::new(
                path,
                "the secret under its own key",
                "hmac goes with parts of the request and with further secrets",
            ));
        }
    }
    Ok(all)
}

fn filter(word: &str, path: &str) -> Result<Filter, LoadError> {
    if let Some(digest) = DigestAlgorithm::from_name(word) {
        return Ok(Filter::Digest(digest));
    }
    if TimeFormat::is_name(word) {
        return TimeFormat::parse(word).map(Filter::Time).map_err(|fault| LoadError::new(path, fault, "mend the pattern"));
    }
    Ok(match word.split_once(' ').map_or((word, ""), |(f, a)| (f, a.trim())) {
        ("lower", "") => Filter::Lower,
        ("upper", "") => Filter::Upper,
        ("trim", "") => Filter::Trim,
        ("squeeze", "") => Filter::Squeeze,
        ("percent", "") => Filter::Percent,
        ("percent-path", "") => Filter::PercentPath,
        ("decode", "") => Filter::Decode,
        ("normalize", "") => Filter::Normalize,
        ("closing-slash", "") => Filter::ClosingSlash,
        ("hmac", "") => Filter::Hmac,
        ("hex", "") => Filter::Hex,
        ("base64", "") => Filter::Base64,
        ("base64url", "") => Filter::Base64Url,
        ("from-hex", "") => Filter::FromHex,
        ("from-base64", "") => Filter::FromBase64,
        ("media-type", "") => Filter::MediaType,
        ("without", text) if !text.is_empty() => Filter::Without(text.as_bytes().to_vec()),
        ("drop", text) if !text.is_empty() => Filter::Drop(text.as_bytes().to_vec()),
        ("unless", text) if text.strip_prefix("header.").is_some_and(|h| !h.is_empty()) => {
            Filter::UnlessHeader(text["header.".len()..].to_ascii_lowercase())
        }
        ("first", count) => match count.parse() {
            Ok(count) => Filter::First(count),
            Err(_) => return Err(LoadError::new(path, format!("'{word}' says no number of bytes"), "write first 131072")),
        },
        _ => return Err(LoadError::new(path, format!("no filter '{word}'"), "LANGUAGE.md lists them, section Filters")),
    })
}
