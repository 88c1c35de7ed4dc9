//! What makes no sense is refused when it is loaded, with the place and the mend.

use std::collections::BTreeSet;

use super::super::error::LoadError;
use super::super::part::Part;
use super::super::plan::*;
use super::super::template;
use super::super::written::Written;
use crate::algorithm::Algorithm;

/// The checks that need the definition only.
pub(super) fn check(written: &Written, plan: &Plan) -> Result<(), LoadError> {
    check_circles(plan)?;
    check_used(written)?;
    check_carried(written, plan)?;
    check_secret(plan)?;
    check_algorithms(plan)
}

/// The checks that need to know what reaches the string to sign.
pub(super) fn check_signed(written: &Written, plan: &Plan, partly: &BTreeSet<Part>) -> Result<(), LoadError> {
    if plan.text.is_none() {
        return Ok(());
    }
    let claims =
        [(Claimed::Time, Part::Time, "time"), (Claimed::Nonce, Part::Nonce, "nonce"), (Claimed::Expires, Part::Expires, "expires")];
    for (what, part, name) in claims {
        let waived = written.waive.iter().any(|w| w == name);
        if carried(plan, what) && !plan.able.contains(&part) && !waived {
            return Err(LoadError::new(
                name,
                "carried, but nothing signs it",
                format!("put {{{name}}} into string_to_sign, or sign the header that carries it"),
            ));
        }
    }
    check_whole(plan, partly)?;
    let waived = written.waive.iter().any(|w| w == "body");
    if carried(plan, Claimed::BodyDigest) && !plan.able.contains(&Part::Body) && !waived {
        let fault = "carried, but nothing signs it: whoever changes the body changes it too";
        return Err(LoadError::new("body_digest", fault, "put {body_digest} into string_to_sign, or say waive: [body]"));
    }
    Ok(())
}

fn carried(plan: &Plan, what: Claimed) -> bool {
    plan.carry.iter().any(|e| e.holds(what))
}

/// What must be signed can be: a part of which only something is ever signed is refused in every request that has it.
fn check_whole(plan: &Plan, partly: &BTreeSet<Part>) -> Result<(), LoadError> {
    let required = |part: &&Part| plan.require.contains(&Requirement::Part((*part).clone()));
    let Some(part) = partly.iter().find(required) else { return Ok(()) };
    let list = [(&plan.query, PairSource::Query, Part::Query, "query"), (&plan.form, PairSource::Form, Part::Body, "form")];
    let params = [(&plan.params, PairSource::Query, Part::Query, "params"), (&plan.params, PairSource::Form, Part::Body, "params")];
    let only = list.into_iter().chain(params).find(|(list, source, of, _)| of == part && !list.takes_all() && list.from.contains(source));
    let (path, fault) = match only {
        Some((_, _, _, name)) => {
            (format!("{name}.only"), format!("covers those items only, and {part} must be signed: every request with one is refused"))
        }
        None => {
            let fault = format!("so few bits of a digest do not sign {part}, and it must be signed: every request with one is refused");
            ("string_to_sign".to_owned(), fault)
        }
    };
    Err(LoadError::new(path, fault, format!("sign all of it, or say waive: [{part}]")))
}

/// No text holds itself: of what stands in others, named texts were looked at before, and these are the rest.
fn check_circles(plan: &Plan) -> Result<(), LoadError> {
    let reads = |program: &Program, wanted: &Source| {
        let named = program.needs.iter().map(|index| &plan.lets[*index].program);
        named.chain([program]).flat_map(|program| &program.ops).any(|op| matches!(op, Op::Put { source, .. } if source == wanted))
    };
    if let Some((name, _)) = plan.headers.pseudo.iter().find(|(_, line)| reads(line, &Source::Headers)) {
        return Err(LoadError::new(
            format!("headers.pseudo.{name}"),
            "{headers} in one of its own lines",
            "write out which headers it shows",
        ));
    }
    for (source, name) in [(Source::Headers, "headers"), (Source::Claim(Claimed::BodyDigest), "body_digest")] {
        if plan.digest.as_ref().is_some_and(|digest| reads(&digest.is, &source)) {
            return Err(LoadError::new("body_digest.is", format!("{{{name}}} in the digest of a body"), "make it of {body}"));
        }
    }
    Ok(())
}

/// Everything described is used somewhere.
fn check_used(written: &Written) -> Result<(), LoadError> {
    let used = used_names(written)?;
    let lets = written.lets.iter().map(|(name, _)| ("let", name.as_str()));
    let inputs = written.inputs.iter().map(|(name, _)| ("inputs", name.as_str()));
    let secrets = written.secrets.iter().map(|name| ("secrets", name.as_str()));
    let sections = [
        ("headers", written.headers.is_some()),
        ("query", written.query.is_some()),
        ("form", written.form.is_some()),
        ("params", written.params.is_some()),
        ("body_digest", written.body_digest.is_some()),
        ("expires", written.expires.is_some()),
    ];
    let sections = sections.into_iter().filter(|(_, there)| *there).map(|(name, _)| (name, name));
    for (section, name) in lets.chain(inputs).chain(secrets).chain(sections) {
        if !used.contains(name) {
            let path = if section == "let" { format!("let.{name}") } else { section.to_owned() };
            return Err(LoadError::new(
                path,
                format!("{name} is described, but nothing uses it"),
                format!("put {{{name}}} where it belongs, or remove it"),
            ));
        }
    }
    Ok(())
}

pub(super) fn used_names(written: &Written) -> Result<BTreeSet<String>, LoadError> {
    let mut texts: Vec<&str> = Vec::new();
    texts.extend(written.string_to_sign.as_deref());
    texts.extend(written.event.as_deref());
    texts.extend(written.lets.iter().map(|(_, text)| text.as_str()));
    texts.extend(written.carry.iter().map(|(_, _, text)| text.as_str()));
    texts.extend(written.body_digest.iter().map(|d| d.is.as_str()));
    texts.extend(written.key.iter().flat_map(|k| k.hmac.iter().chain([&k.from])).map(String::as_str));
    texts.extend(written.headers.iter().flat_map(|h| &h.pseudo).map(|(_, line)| line.as_str()));
    let mut names = BTreeSet::new();
    for text in texts {
        names.extend(template::names(&template::parse(text, "")?).into_iter().map(str::to_owned));
    }
    Ok(names)
}

fn check_carried(written: &Written, plan: &Plan) -> Result<(), LoadError> {
    match (&plan.text, carried(plan, Claimed::Signature)) {
        (None, _) if !carried(plan, Claimed::Secret) => {
            return Err(LoadError::new(
                "string_to_sign",
                "missing",
                "say what is signed; only a dialect that carries {secret} itself has none",
            ));
        }
        (None, true) => {
            return Err(LoadError::new("carry", "{signature} is carried, but nothing is signed", "say string_to_sign, or remove it"));
        }
        (Some(_), false) => {
            return Err(LoadError::new("carry", "nothing carries {signature}", "say in which header, parameter or member it rides"));
        }
        _ => {}
    }
    if plan.carry.iter().flat_map(|e| &e.holds).filter(|what| **what == Claimed::Signature).count() > 1 {
        return Err(LoadError::new("carry", "{signature} is carried more than once", "let one entry carry it"));
    }
    if carried(plan, Claimed::Time) && plan.time.is_none() {
        return Err(LoadError::new("time", "carried, but its format is not said", "add time: { format: unix, window: 5m }"));
    }
    if carried(plan, Claimed::Expires) && plan.expires.is_none() {
        return Err(LoadError::new("expires", "carried, but its unit is not said", "add expires: { unit: s, max: 7d }"));
    }
    if carried(plan, Claimed::BodyDigest) && plan.digest.is_none() {
        return Err(LoadError::new("body_digest", "carried, but not said what it is", "add body_digest: \"{body | sha256 | hex}\""));
    }
    let spans = matches!(plan.expires.as_ref().map(|e| &e.form), Some(ExpiresForm::Seconds | ExpiresForm::Millis));
    if spans && !carried(plan, Claimed::Time) {
        return Err(LoadError::new(
            "expires",
            "a span without a time from which it counts",
            "carry {time}, or write format: for an instant",
        ));
    }
    if written.time.is_some() && !carried(plan, Claimed::Time) {
        return Err(LoadError::new("time", "described, but nothing carries it", "carry {time}, or remove it"));
    }
    check_told(plan)?;
    let Some(text) = &plan.text else { return Ok(()) };
    let in_body = |e: &&Entry| e.holds(Claimed::Signature) && matches!(e.place, Place::Form | Place::Params | Place::Json | Place::Body);
    if let Some(entry) = plan.carry.iter().find(in_body).filter(|_| reads(plan, text, &Source::Body)) {
        let path = format!("carry.{}.{}", entry.place.as_str(), entry.name);
        return Err(LoadError::new(path, "a signature inside the body cannot sign {body}", "sign {body_without_signature}"));
    }
    check_whole_body(plan, text)?;
    check_several(plan)
}

/// What only the signer knows is in the message, or no verifier can make the text.
fn check_told(plan: &Plan) -> Result<(), LoadError> {
    let signed = || plan.text.iter().chain([&plan.key.from]).chain(&plan.key.chain).chain(&plan.event);
    for (what, name) in [
        (Claimed::KeyId, "key_id"),
        (Claimed::Nonce, "nonce"),
        (Claimed::Time, "time"),
        (Claimed::Expires, "expires"),
        (Claimed::Algorithm, "algorithm"),
        (Claimed::SignedHeaders, "signed_headers"),
    ] {
        if signed().any(|program| reads(plan, program, &Source::Claim(what))) && !carried(plan, what) {
            let mend = format!("say under carry where {{{name}}} rides, or leave it out");
            return Err(LoadError::new(name, "signed, but nothing carries it", mend));
        }
    }
    Ok(())
}

/// `{body_without_signature}` needs a signature in the body, carried bare, to empty.
fn check_whole_body(plan: &Plan, text: &Program) -> Result<(), LoadError> {
    let bare = |e: &Entry| matches!(&e.shape, Shape::Pattern(p) if p.0.len() == 1) && e.holds(Claimed::Signature) && e.place.in_body();
    if reads(plan, text, &Source::BodyWithoutSignature) && !plan.carry.iter().any(bare) {
        return Err(LoadError::new(
            "string_to_sign",
            "{body_without_signature}, but no signature rides in the body",
            "carry: { body: { signature: \"{signature}\" } }",
        ));
    }
    Ok(())
}

/// Where several signatures may stand side by side, what parts them stands in none of them.
fn check_several(plan: &Plan) -> Result<(), LoadError> {
    let Some(separator) = plan.signature.several.as_deref() else { return Ok(()) };
    if separator.bytes().any(|byte| byte.is_ascii_alphanumeric() || b"+/=-_%".contains(&byte)) {
        return Err(LoadError::new("signature.several", "holds what a signature may hold", "part signatures by a comma or a blank"));
    }
    for entry in plan.carry.iter().filter(|e| e.holds(Claimed::Signature)) {
        let path = format!("carry.{}.{}", entry.place.as_str(), entry.name);
        let fault = |fault: &'static str, mend: &'static str| Err(LoadError::new(path.clone(), fault, mend));
        if entry.place != Place::Header {
            return fault("several signatures outside of a header", "let the header carry them, or remove signature.several");
        }
        match &entry.shape {
            Shape::Parameters(parameters) if separator.trim().as_bytes() != [parameters.separator] => {
                return fault("signature.several is not what parts these parameters", "part them by it, or remove signature.several");
            }
            Shape::Pattern(pattern) if pattern.0.iter().any(|slot| holds_text(slot, separator.as_bytes())) => {
                return fault("holds what parts two signatures", "part them by something else, or remove signature.several");
            }
            _ => {}
        }
    }
    Ok(())
}

fn holds_text(slot: &Slot, text: &[u8]) -> bool {
    matches!(slot, Slot::Literal(literal) if literal.windows(text.len()).any(|window| window == text))
}

/// Whether a program reads a source, itself or through what it uses.
fn reads(plan: &Plan, program: &Program, wanted: &Source) -> bool {
    program.ops.iter().any(|op| match op {
        Op::Put { source, .. } => {
            let digest = *source == Source::Claim(Claimed::BodyDigest) && plan.digest.as_ref().is_some_and(|d| reads(plan, &d.is, wanted));
            let line = *source == Source::Headers && plan.headers.pseudo.iter().any(|(_, line)| reads(plan, line, wanted));
            source == wanted || digest || line || matches!(source, Source::Let(i) if reads(plan, &plan.lets[*i].program, wanted))
        }
        _ => false,
    })
}

/// The secret reaches the key and the string to sign, and nothing else.
fn check_secret(plan: &Plan) -> Result<(), LoadError> {
    if plan.text.is_some() {
        let readable = |p: &Program| p.tainted;
        if !readable(&plan.key.from) {
            return Err(LoadError::new("key", "a key without {secret}", "begin it with {secret}"));
        }
        if let Some(entry) = plan.carry.iter().find(|e| e.holds(Claimed::Secret)) {
            let path = format!("carry.{}.{}", entry.place.as_str(), entry.name);
            return Err(LoadError::new(path, "the secret would be sent beside a signature", "a signing dialect never carries {secret}"));
        }
    }
    let lines = plan.headers.pseudo.iter().map(|(name, p)| (format!("headers.pseudo.{name}"), p));
    let mut places: Vec<(String, &Program)> = lines.collect();
    places.extend(plan.digest.iter().map(|d| ("body_digest.is".to_owned(), &d.is)));
    places.extend(plan.event.iter().map(|p| ("event".to_owned(), p)));
    if let Some((path, _)) = places.into_iter().find(|(_, program)| program.tainted) {
        return Err(LoadError::new(
            path,
            "the secret in a text that is shown or sent",
            "{secret} may stand in key and string_to_sign only",
        ));
    }
    if plan.diagnostics.is_some() && plan.text.as_ref().is_some_and(|t| t.tainted) {
        return Err(LoadError::new("diagnostics", "the string to sign holds the secret", "remove diagnostics: the text must not be shown"));
    }
    Ok(())
}

fn check_algorithms(plan: &Plan) -> Result<(), LoadError> {
    let all = plan.algorithm.all();
    let plain = all.iter().find(|a| matches!(a, Algorithm::Plain(_)));
    if let (Some(plain), Some(text)) = (plain, &plan.text)
        && !text.tainted
    {
        let fault = format!("the plain digest {plain} signs nothing without {{secret}} in the string to sign");
        return Err(LoadError::new("algorithm", fault, format!("use hmac-{plain}, or put {{secret}} into string_to_sign")));
    }
    if carried(plan, Claimed::Algorithm) && matches!(plan.algorithm, AlgorithmRule::OneOf(_)) {
        return Err(LoadError::new(
            "algorithm",
            "carried, but its words on the wire are not said",
            "write a map: { word-on-the-wire: hmac-sha256 }",
        ));
    }
    Ok(())
}
