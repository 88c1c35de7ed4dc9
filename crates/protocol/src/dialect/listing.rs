//! A plan as people read it, and what tells two dialects apart.

use std::fmt::Write as _;

use super::plan::*;

/// Whether two entries cannot both be found in one message: same place and name, other constant or scheme.
pub(super) fn exclude(a: &Entry, b: &Entry) -> bool {
    let same_name = if a.place == Place::Header { a.name.eq_ignore_ascii_case(&b.name) } else { a.name == b.name };
    if a.place != b.place || !same_name || a.optional || b.optional {
        return false;
    }
    match (&a.shape, &b.shape) {
        (Shape::Constant(x), Shape::Constant(y)) => x != y,
        (x, y) => match (beginning(x), beginning(y)) {
            (Some(x), Some(y)) => !x.starts_with(&y) && !y.starts_with(&x),
            _ => false,
        },
    }
}

fn beginning(shape: &Shape) -> Option<String> {
    let text = match shape {
        Shape::Constant(text) => std::str::from_utf8(text).ok()?.to_owned(),
        Shape::Parameters(p) => format!("{} ", p.scheme),
        Shape::Pattern(p) => match p.0.first()? {
            Slot::Literal(text) => std::str::from_utf8(text).ok()?.to_owned(),
            _ => return None,
        },
    };
    let text = text.to_ascii_lowercase();
    (!text.trim().is_empty()).then_some(text)
}

/// The whole plan: what is rendered, in which order, and what is carried where.
pub(super) fn listing(plan: &Plan) -> String {
    let mut out = String::new();
    for named in &plan.lets {
        section(&mut out, &format!("let {}", named.name));
        program(plan, &named.program, &mut out);
    }
    if let Some(text) = &plan.text {
        section(&mut out, "string_to_sign");
        program(plan, text, &mut out);
        section(&mut out, "key");
        program(plan, &plan.key.from, &mut out);
        for step in &plan.key.chain {
            section(&mut out, "key: hmac");
            program(plan, step, &mut out);
        }
    }
    section(&mut out, "carry");
    for entry in &plan.carry {
        let kind = match &entry.shape {
            Shape::Constant(_) => "constant".to_owned(),
            Shape::Pattern(_) => "text".to_owned(),
            Shape::Parameters(p) => {
                let names: Vec<_> = p.list.iter().map(|p| if p.optional { format!("[{}]", p.name) } else { p.name.clone() }).collect();
                format!("parameter list {} {}", p.scheme, names.join(char::from(p.separator).to_string().as_str()))
            }
        };
        let optional = if entry.optional { ", may be absent" } else { "" };
        let holds: Vec<_> = entry.holds.iter().map(|w| claimed(plan, *w)).collect();
        line(&mut out, &format!("{:7} {}: {kind}{optional} {}", entry.place.as_str(), entry.name, holds.join(" ")));
    }
    out
}

fn section(out: &mut String, title: &str) {
    let _ = writeln!(out, "{title}");
}

fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "  {}", text.trim_end());
}

fn program(plan: &Plan, program: &Program, out: &mut String) {
    for op in &program.ops {
        match op {
            Op::Literal(text) => line(out, &format!("literal  \"{}\"", text.escape_ascii())),
            Op::Begin => line(out, "optional {"),
            Op::End => line(out, "}"),
            Op::Put { source, filters } => {
                let filters: String = filters.iter().map(|f| format!(" | {}", filter(f))).collect();
                line(out, &format!("put      {}{filters}", name(plan, source)));
            }
        }
    }
}

pub(crate) fn name(plan: &Plan, source: &Source) -> String {
    match source {
        Source::Let(index) => plan.lets[*index].name.clone(),
        Source::Claim(what) => claimed(plan, *what),
        Source::SecretPart(index) => plan.secrets[*index].clone(),
        Source::Header(name) => format!("header.{name}"),
        Source::Query(name) => format!("query.{name}"),
        Source::Form(name) => format!("form.{name}"),
        Source::QueryList => "query".to_owned(),
        Source::FormList => "form".to_owned(),
        Source::ParamsList => "params".to_owned(),
        Source::ItemName => "name".to_owned(),
        Source::ItemValue => "value".to_owned(),
        Source::HttpVersion => "http_version".to_owned(),
        Source::StringToSign => "string_to_sign".to_owned(),
        Source::BodyWithoutSignature => "body_without_signature".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn claimed(plan: &Plan, what: Claimed) -> String {
    match what {
        Claimed::Input(index) => plan.inputs[index].name.clone(),
        Claimed::SecretPart(index) => plan.secrets[index].clone(),
        Claimed::KeyId => "key_id".to_owned(),
        Claimed::SignedHeaders => "signed_headers".to_owned(),
        Claimed::BodyDigest => "body_digest".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

pub(crate) fn filter(filter: &Filter) -> String {
    match filter {
        Filter::Digest(algorithm) => algorithm.as_str().to_owned(),
        Filter::PercentPath => "percent-path".to_owned(),
        Filter::ClosingSlash => "closing-slash".to_owned(),
        Filter::FromHex => "from-hex".to_owned(),
        Filter::FromBase64 => "from-base64".to_owned(),
        Filter::MediaType => "media-type".to_owned(),
        Filter::Without(text) => format!("without {}", text.escape_ascii()),
        Filter::Drop(text) => format!("drop {}", text.escape_ascii()),
        Filter::UnlessHeader(name) => format!("unless header.{name}"),
        Filter::First(count) => format!("first {count}"),
        Filter::Time(_) => "time format".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}
