//! What rides where: each entry's template becomes a writer and a reader at once.

use super::super::error::LoadError;
use super::super::plan::*;
use super::super::template::{self, Piece};
use super::names::{Scope, resolve};
use super::{Compiler, names};
use crate::encoding::Decoding;
use crate::engine::read::is_token;

const PLACES: [(&str, Place); 6] = [
    ("header", Place::Header),
    ("query", Place::Query),
    ("form", Place::Form),
    ("params", Place::Params),
    ("json", Place::Json),
    ("body", Place::Body),
];

/// Headers that say where a message goes and how long it is: whoever sends it writes them.
const OF_HTTP: [&str; 9] =
    ["host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "proxy-connection"];

pub(super) fn entries(compiler: &Compiler<'_>) -> Result<Vec<Entry>, LoadError> {
    let mut all: Vec<Entry> = Vec::new();
    for (place, name, text) in &compiler.written.carry {
        let path = format!("carry.{place}.{name}");
        let place = PLACES.iter().find(|(word, _)| word == place).map(|(_, place)| *place).ok_or_else(|| {
            LoadError::new(format!("carry.{place}"), format!("'{place}' is no place"), "one of header, query, form, params, json, body")
        })?;
        let known = |e: &Entry| e.place == place && (e.name == *name || place == Place::Header && e.name.eq_ignore_ascii_case(name));
        if all.iter().any(known) {
            return Err(LoadError::new(path, "described twice", "keep one of the two"));
        }
        if place == Place::Header && !is_token(name) {
            return Err(LoadError::new(path, "no header can have this name", "letters, digits and hyphens"));
        }
        if place == Place::Header && OF_HTTP.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(LoadError::new(path, "HTTP itself says what this header holds", "carry it in a header of another name"));
        }
        if !can_be_name(place, name) {
            let fault = "nothing can be carried under this name: it is empty, or holds what would end it or be read as something else";
            return Err(LoadError::new(path, fault, "letters, digits and hyphens"));
        }
        all.push(entry(compiler, place, name, text, &path)?);
    }
    Ok(all)
}

/// Parameters are written with escapes; names in a body stand as they are.
fn can_be_name(place: Place, name: &str) -> bool {
    let special = match place {
        Place::Json => "\"\\",
        Place::Body => "\"\\=&%+# ",
        Place::Header | Place::Query | Place::Form | Place::Params => "",
    };
    !name.is_empty() && !name.chars().any(|c| c.is_control() || special.contains(c))
}

fn entry(compiler: &Compiler<'_>, place: Place, name: &str, text: &str, path: &str) -> Result<Entry, LoadError> {
    if text.trim_matches([' ', '\t']) != text {
        return Err(LoadError::new(path, "an entry that begins or ends with a blank, which is not read", "remove the blank"));
    }
    compiler.check_length(&template::parse(text, path)?, path)?;
    let opened = open(compiler, text);
    let pieces = template::parse(&opened, path)?;
    let (optional, shape) = match &pieces[..] {
        [Piece::Optional(inner)] => (true, Shape::Pattern(pattern(compiler, inner, path)?)),
        _ => (false, shape(compiler, &opened, &pieces, path)?),
    };
    let mut holds = Vec::new();
    match &shape {
        Shape::Constant(_) => {}
        Shape::Pattern(pattern) => collect(pattern, &mut holds),
        Shape::Parameters(parameters) => parameters.list.iter().for_each(|p| collect(&p.value, &mut holds)),
    }
    // One that is an item of the list is read as the list reads it.
    let as_form = place == Place::Params && compiler.written.params.as_ref().is_some_and(|list| list.decode.as_deref() == Some("form"));
    let decoding = if as_form { Decoding::Form } else { Decoding::Percent };
    let entry = Entry { place, name: name.to_owned(), optional, shape, decoding, holds };
    if entry.holds(Claimed::Signature) && entry.may_lack(Claimed::Signature) {
        return Err(LoadError::new(path, "the signature may not be left out", "take it out of the bracket"));
    }
    Ok(entry)
}

fn collect(pattern: &Pattern, holds: &mut Vec<Claimed>) {
    holds.extend(pattern.0.iter().filter_map(|slot| match slot {
        Slot::Claim { what, .. } => Some(*what),
        _ => None,
    }));
}

/// A let of plain names and literals is opened up, so that it can be read.
fn open(compiler: &Compiler<'_>, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let Some(end) = rest[start..].find('}').map(|i| start + i) else { break };
        out.push_str(&rest[..start]);
        let name = rest[start + 1..end].trim();
        match compiler.written.lets.iter().find(|(n, _)| n == name) {
            // They were compiled before, so none holds itself.
            Some((_, inner)) if !inner.contains(['|', '\n']) => out.push_str(&open(compiler, inner)),
            _ => out.push_str(&rest[start..=end]),
        }
        rest = &rest[end + 1..];
    }
    out + rest
}

fn shape(compiler: &Compiler<'_>, text: &str, pieces: &[Piece], path: &str) -> Result<Shape, LoadError> {
    if let Some(parameters) = parameters(compiler, text, path)? {
        return Ok(Shape::Parameters(parameters));
    }
    if template::names(pieces).is_empty() {
        return match pieces {
            [Piece::Literal(text)] => Ok(Shape::Constant(text.clone().into_bytes())),
            _ => Err(LoadError::new(path, "an entry without text", "say what it carries")),
        };
    }
    Ok(Shape::Pattern(pattern(compiler, pieces, path)?))
}

fn pattern(compiler: &Compiler<'_>, pieces: &[Piece], path: &str) -> Result<Pattern, LoadError> {
    let mut slots = Vec::new();
    let mut after_name: Option<&str> = None;
    for piece in pieces {
        match piece {
            Piece::Literal(text) => {
                slots.push(Slot::Literal(text.clone().into_bytes()));
                after_name = None;
            }
            Piece::Optional(inner) => {
                let [Piece::Name { name, filters }] = &inner[..] else {
                    return Err(LoadError::new(
                        path,
                        "a bracket inside an entry",
                        "brackets go around the whole entry, around one name of it, or around one parameter of a list",
                    ));
                };
                parted(path, after_name.replace(name), name)?;
                slots.push(match slot(compiler, name, filters, path)? {
                    Slot::Claim { what, percent, .. } if what != Claimed::Signature => Slot::Claim { what, percent, may_be_empty: true },
                    _ => return Err(LoadError::new(path, format!("{{{name}}} may not be empty"), "remove the bracket")),
                });
            }
            Piece::Name { name, filters } => {
                parted(path, after_name.replace(name), name)?;
                slots.push(slot(compiler, name, filters, path)?);
            }
        }
    }
    Ok(Pattern(slots))
}

/// Two names side by side cannot be told apart.
fn parted(path: &str, before: Option<&str>, name: &str) -> Result<(), LoadError> {
    before.map_or(Ok(()), |before| {
        Err(LoadError::new(path, format!("{{{before}}}{{{name}}} cannot be read back, nothing parts them"), "put a literal between them"))
    })
}

fn slot(compiler: &Compiler<'_>, name: &str, filters: &[String], path: &str) -> Result<Slot, LoadError> {
    let filters_here = || names::filters(&resolve(compiler, name, path, Scope::Carry)?, filters, path);
    match resolve(compiler, name, path, Scope::Carry)? {
        Source::Claim(what) => match &filters_here()?[..] {
            [] => Ok(Slot::Claim { what, percent: false, may_be_empty: false }),
            [Filter::Percent] => Ok(Slot::Claim { what, percent: true, may_be_empty: false }),
            _ => Err(LoadError::new(
                path,
                format!("the filters of {{{name}}} cannot be undone on reading"),
                "percent only; or name the text in let and carry that",
            )),
        },
        Source::Let(_) => {
            let pieces = [Piece::Name { name: name.to_owned(), filters: filters.to_vec() }];
            let program = compiler.program(&pieces, path, Scope::Text)?;
            if program.tainted {
                return Err(LoadError::new(
                    path,
                    format!("{{{name}}} holds the secret, which would be sent"),
                    "a secret goes into key and string_to_sign only",
                ));
            }
            Ok(Slot::Computed(program))
        }
        _ => Err(LoadError::new(path, format!("{{{name}}} is part of the message already"), "carry claims, inputs, secrets and lets")),
    }
}

/// One `name=value` of a list, as text.
struct Item {
    before: String,
    text: String,
    optional: bool,
}

/// Recognises `Scheme name={..}, name="{..}"`: two or more pairs joined by one of `,` `;` `&`.
fn parameters(compiler: &Compiler<'_>, text: &str, path: &str) -> Result<Option<Parameters>, LoadError> {
    let (scheme, rest) = split_scheme(text);
    let items = split_items(rest);
    let pairs: Vec<_> = items.iter().map(|item| pair(&item.text)).collect();
    let recognised = pairs.iter().flatten().count();
    // No reader of lists takes a quote within a value: an entry that has one is text, as in `sig=("a" "b");created={time}`.
    let readable = pairs.iter().flatten().all(|(_, value)| !unquoted(value).contains('"'));
    if recognised < 2 || !readable {
        return Ok(None);
    }
    if let Some(odd) = pairs.iter().position(Option::is_none) {
        return Err(LoadError::new(
            path,
            format!("'{}' stands between name=value pairs", items[odd].text),
            "write every piece as name=value, or part the entry in two",
        ));
    }
    let separators: Vec<_> = items.iter().skip(1).map(|i| i.before.trim().as_bytes().first().copied()).collect();
    let separator = separators[0].unwrap_or(b',');
    if separators.iter().any(|s| *s != Some(separator)) {
        return Err(LoadError::new(path, "more than one kind of separator between pairs", "use one of , ; & throughout"));
    }
    let mut list: Vec<Parameter> = Vec::new();
    for (item, (name, value)) in items.iter().zip(pairs.into_iter().flatten()) {
        if list.iter().any(|p| p.name == name) {
            return Err(LoadError::new(path, format!("the parameter {name} is described twice"), "keep one of the two"));
        }
        let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        let value_pieces = template::parse(inner.unwrap_or(value), path)?;
        list.push(Parameter {
            before: item.before.clone().into_bytes(),
            name: name.to_owned(),
            quoted: inner.is_some(),
            optional: item.optional,
            value: pattern(compiler, &value_pieces, path)?,
        });
    }
    Ok(Some(Parameters { scheme: scheme.to_owned(), separator, list }))
}

fn split_scheme(text: &str) -> (&str, &str) {
    let Some((word, rest)) = text.split_once(' ') else { return ("", text) };
    let token = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+.^`|~_-".contains(&b));
    let rest = rest.trim_start();
    if token && pair(rest.trim_start_matches('[')).is_some() { (word, rest) } else { ("", text) }
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn pair(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let fine = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    fine.then_some((name, value))
}

/// Splits at separators outside of quotes; a bracket around an item says that it is optional, one within a value is part of it. Between braces
/// there is a name and `percent` at most.
fn split_items(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut item = Item { before: String::new(), text: String::new(), optional: false };
    let (mut in_quotes, mut in_bracket, mut in_value) = (false, false, false);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '[' if item.text.is_empty() && !rest.as_str().starts_with('[') || rest.as_str().trim_start().starts_with([',', ';', '&']) => {
                in_bracket = true
            }
            ']' if !in_value => in_bracket = false,
            ',' | ';' | '&' if !in_quotes => {
                let next = Item { before: c.to_string(), text: String::new(), optional: false };
                items.push(std::mem::replace(&mut item, next));
            }
            ' ' | '\t' | '\n' if item.text.is_empty() => item.before.push(c),
            _ => {
                if item.text.is_empty() {
                    item.optional = in_bracket;
                }
                in_quotes ^= c == '"';
                in_value = c == '[' || in_value && c != ']';
                item.text.push(c);
            }
        }
    }
    items.push(item);
    items.iter_mut().for_each(|i| i.text.truncate(i.text.trim_end().len()));
    items.retain(|i| !i.text.is_empty());
    items
}
