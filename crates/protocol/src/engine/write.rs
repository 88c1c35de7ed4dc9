//! Places carried values into a message: the mirror of reading them.

use std::ops::Range;

use super::fields::{end_of_object, value_span};
use super::lists::split;
use super::read::{MOST_TEXT, match_pattern};
use super::render::Renderer;
use super::scene::Scene;
use crate::dialect::plan::{Claimed, Entry, Parameter, Parameters, Pattern, Place, Shape, Slot};
use crate::encoding::{Decoding, decode, percent};
use crate::message::{Message, MessageView, trim};
use crate::reason::{Reason, Refusal};

/// The text of an entry; `None` when a value that it needs is missing.
pub(crate) fn entry_text(scene: &Scene<'_>, entry: &Entry) -> Result<Option<String>, Refusal> {
    match &entry.shape {
        Shape::Constant(text) => utf8(text.clone()).map(Some),
        Shape::Pattern(pattern) => {
            let text = pattern_text(scene, pattern)?;
            let parts = scene.plan.signature.several.as_deref().filter(|_| entry.holds(Claimed::Signature));
            if let (Some(parts), Some(text)) = (parts, &text)
                && text.contains(parts)
            {
                let detail = format!("a value of {} holds what parts two signatures, and could not be read", entry.name);
                return Err(Refusal::new(Reason::MalformedClaim, detail));
            }
            Ok(text)
        }
        Shape::Parameters(parameters) => {
            let mut out = parameters.scheme.clone();
            if !out.is_empty() {
                out.push(' ');
            }
            let mut first = true;
            for parameter in &parameters.list {
                let Some(value) = parameter_text(scene, parameter, parameters.separator)? else { continue };
                if !std::mem::take(&mut first) {
                    out.push_str(&utf8(if parameter.before.is_empty() {
                        vec![parameters.separator, b' ']
                    } else {
                        parameter.before.clone()
                    })?);
                }
                let quote = if parameter.quoted { "\"" } else { "" };
                out.push_str(&format!("{}={quote}{value}{quote}", parameter.name));
            }
            Ok(Some(out))
        }
    }
}

/// What is always carried and would be empty: no verifier takes it.
pub(crate) fn no_value(name: &str) -> Refusal {
    Refusal::new(Reason::MalformedClaim, format!("there is no value for {name}, which the dialect always carries"))
}

/// The value of a parameter; `None` where it is left out.
fn parameter_text(scene: &Scene<'_>, parameter: &Parameter, separator: u8) -> Result<Option<String>, Refusal> {
    match pattern_text(scene, &parameter.value)? {
        None if !parameter.optional => Err(no_value(&parameter.name)),
        Some(value) if !is_readable(&value, parameter.quoted, separator) => {
            let detail =
                format!("the value of {} holds a quote, an outer blank or what parts parameters, and could not be read", parameter.name);
            Err(Refusal::new(Reason::MalformedClaim, detail))
        }
        value => Ok(value),
    }
}

/// Whether readers of a list find this value as it is.
fn is_readable(value: &str, quoted: bool, separator: u8) -> bool {
    !value.contains('"') && (quoted || !value.as_bytes().contains(&separator) && value.trim() == value)
}

/// The parameters of a list as they are about to be written, but for the signature.
pub(crate) fn parameter_texts(scene: &Scene<'_>, parameters: &Parameters) -> Result<Vec<(String, String)>, Refusal> {
    let signs = |slot: &Slot| matches!(slot, Slot::Claim { what: Claimed::Signature, .. });
    let mut texts = Vec::new();
    for parameter in parameters.list.iter().filter(|p| !p.value.0.iter().any(signs)) {
        texts.extend(parameter_text(scene, parameter, parameters.separator)?.map(|value| (parameter.name.clone(), value)));
    }
    Ok(texts)
}

/// The text of a pattern; `None` when a value that has to be there is missing: what is empty cannot be read back.
fn pattern_text(scene: &Scene<'_>, pattern: &Pattern) -> Result<Option<String>, Refusal> {
    let mut out = Vec::new();
    let mut written: Vec<(usize, Range<usize>)> = Vec::new();
    for (index, slot) in pattern.0.iter().enumerate() {
        let start = out.len();
        match slot {
            Slot::Literal(text) => out.extend_from_slice(text),
            Slot::Computed(program) => {
                let mut renderer = Renderer::new(scene);
                let text = renderer.text(program)?;
                match renderer.bytes(&text) {
                    [] => return Ok(None),
                    text => out.extend_from_slice(text),
                }
            }
            Slot::Claim { what, percent: encode, may_be_empty } => {
                let text = claim_text(scene, *what);
                if text.is_empty() && !may_be_empty {
                    return Ok(None);
                }
                if *encode { percent(text.as_bytes(), b"", &mut out) } else { out.extend_from_slice(text.as_bytes()) }
            }
        }
        if !matches!(slot, Slot::Literal(_)) && out.len() > start {
            written.push((index, start..out.len()));
        }
    }
    let text = utf8(out)?;
    // One value alone is all that stands between its literals.
    if written.len() > 1 {
        let read = match_pattern(pattern, &text).unwrap_or_default();
        if !read.into_iter().rev().eq(written.into_iter().map(|(index, range)| (index, &text[range]))) {
            return Err(Refusal::new(Reason::MalformedClaim, "a value holds the text that parts it from the next, and could not be read"));
        }
    }
    Ok(Some(text))
}

fn claim_text<'s>(scene: &'s Scene<'_>, what: Claimed) -> &'s str {
    let secret = match (what, scene.credential) {
        (Claimed::Secret, Some(credential)) => Some(credential.material().secret()),
        (Claimed::SecretPart(index), Some(credential)) => credential.part(&scene.plan.secrets[index]).map(crate::secret::Secret::expose),
        _ => None,
    };
    match secret {
        Some(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        None => scene.texts.get(what).unwrap_or_default(),
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(bytes).map_err(|_| Refusal::new(Reason::MalformedClaim, "a carried text would not be UTF-8"))
}

/// Writes a value where an entry says; one that is there is replaced where it stands.
pub(crate) fn put(message: &mut Message, entry: &Entry, value: &str) -> Result<(), Refusal> {
    if value.chars().any(char::is_control) {
        return Err(Refusal::new(Reason::MalformedRequest, format!("the value of {} holds a control character", entry.name)));
    }
    if trim(value.as_bytes()) != value.as_bytes() {
        return Err(Refusal::new(
            Reason::MalformedRequest,
            format!("the value of {} begins or ends with a blank, which is not read", entry.name),
        ));
    }
    if value.len() > MOST_TEXT {
        return Err(Refusal::new(Reason::MalformedClaim, format!("{} is longer than {MOST_TEXT} bytes", entry.name)));
    }
    let form = message.view().is_form();
    match entry.place {
        Place::Header => put_header(message, &entry.name, value),
        Place::Params if form && !message.body_bytes().is_empty() && !in_query(message, entry) => put_form(message, &entry.name, value),
        Place::Query | Place::Params => put_query(message, entry, value)?,
        Place::Form if !form => {
            return Err(Refusal::new(Reason::MalformedRequest, "the signature rides in a form, and the content type is no form"));
        }
        Place::Form => put_form(message, &entry.name, value),
        Place::Body if form => put_raw_field(message, entry, value),
        Place::Json | Place::Body => put_member(message, entry, value)?,
    }
    Ok(())
}

/// Spells parameters of the entry's name as the entry does: it will stand in their place, so no list may take them for something else.
pub(crate) fn respell(message: &mut Message, entry: &Entry) {
    let is_form = message.view().is_form();
    if let (Place::Query | Place::Params, Message::Request(request)) = (entry.place, &mut *message)
        && let Some(mark) = request.target.iter().position(|b| *b == b'?')
        && let Some(query) = respelled(&request.target[mark + 1..], &entry.name, entry.decoding)
    {
        request.target.truncate(mark + 1);
        request.target.extend(query);
    }
    if matches!(entry.place, Place::Form | Place::Params)
        && is_form
        && let Some(form) = respelled(message.body_bytes(), &entry.name, Decoding::Form)
    {
        *message.body_mut() = form;
    }
}

/// The pairs with every name that decodes to this one spelled as a signer spells it; `None` where all are.
fn respelled(text: &[u8], name: &str, decoding: Decoding) -> Option<Vec<u8>> {
    let mut own = Vec::new();
    percent(name.as_bytes(), b"", &mut own);
    let spelled = |fragment: &[u8]| {
        let (written, _) = split(fragment).next()?;
        let is_other = written != own && decode(written, decoding) == name.as_bytes();
        is_other.then(|| [&own, &fragment[written.len()..]].concat())
    };
    let fragments = || text.split(|b| *b == b'&');
    fragments().any(|fragment| spelled(fragment).is_some()).then(|| {
        let all: Vec<Vec<u8>> = fragments().map(|fragment| spelled(fragment).unwrap_or_else(|| fragment.to_vec())).collect();
        all.join(&b'&')
    })
}

fn put_header(message: &mut Message, name: &str, value: &str) {
    let headers = message.headers_mut();
    let mut places = headers.iter().enumerate().filter(|(_, (n, _))| n.eq_ignore_ascii_case(name)).map(|(i, _)| i);
    let Some(first) = places.next() else {
        headers.push((name.to_owned(), value.as_bytes().to_vec()));
        return;
    };
    headers[first].1 = value.as_bytes().to_vec();
    let mut index = 0;
    headers.retain(|(n, _)| {
        index += 1;
        index - 1 <= first || !n.eq_ignore_ascii_case(name)
    });
}

/// Whether a parameter of the entry's name stands in the query.
fn in_query(message: &Message, entry: &Entry) -> bool {
    split(message.view().query()).any(|(name, _)| decode(name, entry.decoding) == entry.name.as_bytes())
}

fn put_query(message: &mut Message, entry: &Entry, value: &str) -> Result<(), Refusal> {
    let Message::Request(request) = message else {
        return Err(Refusal::new(Reason::MalformedRequest, "a response has no query"));
    };
    if !request.target.starts_with(b"/") {
        let detail = format!("the target `{}` takes no parameters", request.target.escape_ascii());
        return Err(Refusal::new(Reason::MalformedRequest, detail));
    }
    let mark = request.target.iter().position(|b| *b == b'?');
    let (path, query) = match mark {
        Some(at) => (request.target[..=at].to_vec(), request.target[at + 1..].to_vec()),
        None => ([&request.target[..], b"?"].concat(), Vec::new()),
    };
    request.target = [path, set_pair(&query, &entry.name, value, entry.decoding)].concat();
    Ok(())
}

fn put_form(message: &mut Message, name: &str, value: &str) {
    let body = message.body_mut();
    *body = set_pair(body, name, value, Decoding::Form);
}

/// The pairs with this one replaced where it stands, or added at the end. One that says the same already stays as it is spelled.
fn set_pair(text: &[u8], name: &str, value: &str, decoding: Decoding) -> Vec<u8> {
    let mut pair = Vec::new();
    percent(name.as_bytes(), b"", &mut pair);
    pair.push(b'=');
    percent(value.as_bytes(), b"", &mut pair);
    let mut placed = false;
    let mut fragments: Vec<Vec<u8>> = Vec::new();
    for fragment in text.split(|b| *b == b'&').filter(|_| !text.is_empty()) {
        let there = split(fragment).next().filter(|(n, _)| decode(n, decoding) == name.as_bytes());
        match there {
            None => fragments.push(fragment.to_vec()),
            Some(_) if std::mem::replace(&mut placed, true) => {}
            Some((_, v)) if decode(v, decoding) == value.as_bytes() => fragments.push(fragment.to_vec()),
            Some(_) => fragments.push(pair.clone()),
        }
    }
    if !placed {
        fragments.push(pair);
    }
    fragments.join(&b'&')
}

/// A field of a form whose raw bytes are signed: only its value changes.
fn put_raw_field(message: &mut Message, entry: &Entry, value: &str) {
    let mut encoded = Vec::new();
    percent(value.as_bytes(), b"", &mut encoded);
    match value_span(message.view(), message.body_bytes(), entry) {
        Some(span) => {
            let bare = span.start == span.end && message.body_bytes().get(span.start.wrapping_sub(1)) != Some(&b'=');
            let text = if bare { [b"=", &encoded[..]].concat() } else { encoded };
            message.body_mut().splice(span, text);
        }
        None => {
            let joint: &[u8] = if message.body_bytes().is_empty() { b"" } else { b"&" };
            let pair = [joint, entry.name.as_bytes(), b"=", &encoded].concat();
            message.body_mut().extend(pair);
        }
    }
}

/// A member of a JSON body: only its value changes; a new one goes behind the last.
fn put_member(message: &mut Message, entry: &Entry, value: &str) -> Result<(), Refusal> {
    if value.contains(['"', '\\']) {
        return Err(Refusal::new(Reason::MalformedRequest, format!("the value of {} cannot stand in JSON as it is", entry.name)));
    }
    if let Some(span) = value_span(message.view(), message.body_bytes(), entry) {
        message.body_mut().splice(span, value.bytes());
        return Ok(());
    }
    let (end, empty) = end_of_object(message.body_bytes()).ok_or_else(|| {
        Refusal::new(Reason::MalformedRequest, "the signature rides in the body, and the body is neither a form nor a JSON object")
    })?;
    let member = format!("{}\"{}\":\"{value}\"", if empty { "" } else { "," }, entry.name);
    message.body_mut().splice(end..end, member.into_bytes());
    Ok(())
}

/// Whether something rides there already.
pub(crate) fn is_present(message: &dyn MessageView, entry: &Entry) -> bool {
    super::fields::find(message, message.body(), entry).is_ok_and(|found| !found.values.is_empty())
}
