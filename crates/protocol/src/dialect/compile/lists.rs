//! The lists: headers, query, form and merged parameters.

use super::super::error::LoadError;
use super::super::hazard::Hazard;
use super::super::plan::*;
use super::super::template;
use super::super::written::{Pairs, Repeated as WrittenRepeated};
use super::{Compiler, Scope};
use crate::encoding::Decoding;
use crate::engine::read::is_token;

pub(super) fn headers(compiler: &Compiler<'_>) -> Result<HeaderList, LoadError> {
    let default = super::super::written::Headers::default();
    let w = compiler.written.headers.as_ref().unwrap_or(&default);
    let each = item(compiler, w.each.as_deref().unwrap_or("{name | lower}:{value | squeeze}"), "headers.each")?;
    let pseudo = w.pseudo.iter().map(|(name, line)| {
        let path = format!("headers.pseudo.{name}");
        let program = compiler.program(&template::parse(line, &path)?, &path, Scope::Text)?;
        if program.needs.is_empty() {
            Ok((name.to_ascii_lowercase(), program))
        } else {
            Err(LoadError::new(path, "a let in a list", "write out what it says"))
        }
    });
    let names = w.names.clone().unwrap_or_else(|| ";".to_owned());
    if names.trim().is_empty() && names != " " {
        return Err(LoadError::new("headers.names", "empty", "say what stands between two names, such as \";\""));
    }
    let parts = if names == " " { " " } else { names.trim() };
    if parts.chars().any(|c| is_token(c.encode_utf8(&mut [0; 4]))) {
        return Err(LoadError::new(
            "headers.names",
            "holds what a header's name may hold",
            "part names by a blank, a comma or a semicolon",
        ));
    }
    if let Some((name, _)) = w.pseudo.iter().find(|(name, _)| name.is_empty() || name.trim() != name || name.contains(parts)) {
        let fault = "no list could hold this name: it is empty, has an outer blank, or holds what parts two names";
        return Err(LoadError::new(format!("headers.pseudo.{name}"), fault, "give it another name, or part names by something else"));
    }
    Ok(HeaderList {
        name_filters: filters_of(&each, &Source::ItemName),
        each,
        join: w.join.clone().unwrap_or_else(|| "\n".to_owned()).into_bytes(),
        order: order(w.order.as_deref().unwrap_or("name"), "headers.order")?,
        repeated: repeated(w.repeated.as_ref(), "headers.repeated")?.unwrap_or_else(|| Repeated::Join(b",".to_vec())),
        drop_empty: drop_empty(w.empty.as_deref(), "headers.empty")?,
        except: w.except.iter().map(|n| n.to_ascii_lowercase()).collect(),
        sign: w.sign.iter().map(|n| HeaderPattern::parse(n)).collect(),
        always: w.always.clone(),
        pseudo: pseudo.collect::<Result<_, LoadError>>()?,
        missing: match w.missing.as_deref() {
            None | Some("refuse") => Missing::Refuse,
            Some("empty") => Missing::Empty,
            Some("skip") => Missing::Skip,
            Some(other) => return Err(LoadError::new("headers.missing", format!("'{other}' is no rule"), "one of refuse, empty, skip")),
        },
        names,
        default: w.default.iter().map(|n| HeaderPattern::parse(n)).collect(),
    })
}

pub(super) fn pairs(compiler: &Compiler<'_>, name: &'static str, written: Option<&Pairs>, own: &[&str]) -> Result<PairList, LoadError> {
    let default = Pairs::default();
    let w = written.unwrap_or(&default);
    let at = |key: &str| format!("{name}.{key}");
    let each = item(compiler, w.each.as_deref().unwrap_or("{name | percent}={value | percent}"), &at("each"))?;
    let from: Vec<&str> = if w.from.is_empty() { own.to_vec() } else { w.from.iter().map(String::as_str).collect() };
    let decoding = match w.decode.as_deref() {
        None | Some("percent") => Decoding::Percent,
        Some("form") => Decoding::Form,
        Some("none") => Decoding::None,
        Some(other) => return Err(LoadError::new(at("decode"), format!("'{other}' is no decoding"), "one of percent, form, none")),
    };
    let join = w.join.clone().unwrap_or_else(|| "&".to_owned()).into_bytes();
    let order = order(w.order.as_deref().unwrap_or("name-value"), &at("order"))?;
    let repeated = repeated(w.repeated.as_ref(), &at("repeated"))?.unwrap_or(Repeated::All);
    let between = w.between.clone().map(String::into_bytes).filter(|between| *between != join);
    if w.between.is_some() && (from.len() < 2 || order != Order::AsIs || matches!(repeated, Repeated::Join(_))) {
        return Err(LoadError::new(
            at("between"),
            "nothing stands between two sources whose items are mixed",
            "take the items from several sources, with order: as-is and without repeated: { join }",
        ));
    }
    let (name_guard, value_guard) = guards(&each, &join, decoding);
    let may_vanish = !has_firm_literal(&each);
    let from: Vec<PairSource> = from.iter().map(|s| source(s, &at("from"))).collect::<Result<_, _>>()?;
    // RFC 5849, section 3.4.1.3.1: the realm of the header is none of the request's parameters, one of a form is.
    let (except, header_except) =
        if from.contains(&PairSource::Authorization) { (Vec::new(), w.except.clone()) } else { (w.except.clone(), Vec::new()) };
    Ok(PairList {
        name_filters: filters_of(&each, &Source::ItemName),
        value_filters: filters_of(&each, &Source::ItemValue),
        each,
        join,
        between,
        order,
        repeated,
        drop_empty: drop_empty(w.empty.as_deref(), &at("empty"))?,
        except,
        header_except,
        from,
        only: w.only.clone(),
        decoding,
        name_guard,
        value_guard,
        may_vanish,
    })
}

/// An item template: one without {value} would sign nothing of it.
fn item(compiler: &Compiler<'_>, text: &str, path: &str) -> Result<Program, LoadError> {
    let program = compiler.program(&template::parse(text, path)?, path, Scope::Item)?;
    let has_value = program.ops.iter().any(|op| matches!(op, Op::Put { source: Source::ItemValue, .. }));
    if has_value { Ok(program) } else { Err(LoadError::new(path, "an item without {value}", "write {value} where the value stands")) }
}

fn filters_of(program: &Program, wanted: &Source) -> Vec<Filter> {
    let found = program.ops.iter().find_map(|op| match op {
        Op::Put { source, filters } if source == wanted => Some(filters.clone()),
        _ => None,
    });
    found.unwrap_or_default()
}

/// The bytes that a decoded name or value may not hold: the literal between them, and what joins the items.
fn guards(each: &Program, join: &[u8], decoding: Decoding) -> (Vec<u8>, Vec<u8>) {
    let encoded = |wanted| filters_of(each, &wanted).iter().any(|f| matches!(f, Filter::Percent | Filter::Hex | Filter::Digest(_)));
    if decoding == Decoding::None {
        return (Vec::new(), Vec::new());
    }
    let between = each.ops.iter().find_map(|op| match op {
        Op::Literal(text) => text.first().copied(),
        _ => None,
    });
    let name = if encoded(Source::ItemName) { Vec::new() } else { between.iter().chain(join.first()).copied().collect() };
    let value = if encoded(Source::ItemValue) { Vec::new() } else { join.first().copied().into_iter().collect() };
    (name, value)
}

/// Whether some literal of an item stands outside of brackets.
fn has_firm_literal(each: &Program) -> bool {
    let mut depth = 0_usize;
    each.ops.iter().any(|op| {
        match op {
            Op::Begin => depth += 1,
            Op::End => depth = depth.saturating_sub(1),
            Op::Literal(text) => return depth == 0 && !text.is_empty(),
            Op::Put { .. } => {}
        }
        false
    })
}

/// A list whose items run together cannot be read back at all.
pub(super) fn hazard(list: &PairList, name: &'static str) -> Option<Hazard> {
    let between = list.each.ops.iter().any(|op| matches!(op, Op::Literal(text) if !text.is_empty()));
    (!between || list.join.is_empty()).then_some(Hazard::NoSeparators(name))
}

fn order(word: &str, path: &str) -> Result<Order, LoadError> {
    Ok(match word {
        "name" => Order::Name,
        "name-value" => Order::NameValue,
        "name-ignore-case" => Order::NameIgnoreCase,
        "line" => Order::Line,
        "as-is" => Order::AsIs,
        _ => return Err(LoadError::new(path, format!("'{word}' is no order"), "one of name, name-value, name-ignore-case, line, as-is")),
    })
}

fn repeated(written: Option<&WrittenRepeated>, path: &str) -> Result<Option<Repeated>, LoadError> {
    Ok(match written {
        None => None,
        Some(WrittenRepeated::Join(text)) => Some(Repeated::Join(text.clone().into_bytes())),
        Some(WrittenRepeated::Word(word)) => Some(match word.as_str() {
            "all" => Repeated::All,
            "first" => Repeated::First,
            "refuse" => Repeated::Refuse,
            _ => return Err(LoadError::new(path, format!("'{word}' is no rule"), "one of all, first, refuse, { join: \",\" }")),
        }),
    })
}

fn drop_empty(word: Option<&str>, path: &str) -> Result<bool, LoadError> {
    match word {
        None | Some("keep") => Ok(false),
        Some("drop") => Ok(true),
        Some(other) => Err(LoadError::new(path, format!("'{other}' is no rule"), "one of keep, drop")),
    }
}

fn source(word: &str, path: &str) -> Result<PairSource, LoadError> {
    match word {
        "query" => Ok(PairSource::Query),
        "form" => Ok(PairSource::Form),
        "authorization" => Ok(PairSource::Authorization),
        _ => Err(LoadError::new(path, format!("'{word}' is no source"), "any of query, form, authorization")),
    }
}
