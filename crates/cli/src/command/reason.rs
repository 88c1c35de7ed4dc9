//! `countersign reason`: what a reason of a refusal means, what causes it, and how it is mended.

use std::fmt::Write as _;

use countersign_protocol::{Language, Reason};
use countersign_server::problem::{Row, TYPE_PREFIX};
use countersign_server::reasons::{Page, Section, named};
use serde_json::{Map, Value, json};

use super::language;
use crate::args::{LanguageArg, ReasonArgs};
use crate::console;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(args: &ReasonArgs, json: bool) -> Result<(), Failure> {
    let language = args.lang.map_or_else(language, LanguageArg::language);
    let Some(name) = &args.name else { return list(language, json) };
    let unknown = || Failure::usage(format_args!("no reason is called '{name}'; `countersign reason` lists them"));
    let reason = named(name).ok_or_else(unknown)?;
    let page = Page::of(reason, language).ok_or_else(unknown)?;
    if json {
        let mut object = summary(reason, language);
        let sections = Section::ALL.map(|section| (section.as_str().to_owned(), page.section(section).into()));
        object.insert("sections".to_owned(), Value::Object(sections.into_iter().collect()));
        return console::line(&Value::Object(object).to_string());
    }
    console::data(page.text().as_bytes())
}

fn list(language: Language, json: bool) -> Result<(), Failure> {
    if json {
        let list: Vec<Value> = Reason::ALL.iter().map(|reason| Value::Object(summary(*reason, language))).collect();
        return console::line(&Value::Array(list).to_string());
    }
    let width = Reason::ALL.iter().map(|reason| reason.as_str().len()).max().unwrap_or(0);
    let mut text = String::new();
    for reason in Reason::ALL {
        let _ = writeln!(text, "{:width$}  {}  {}", reason.as_str(), Row::of(*reason).status.as_u16(), reason.hint(language));
    }
    console::data(text.as_bytes())
}

/// What the problem body of a reason says, and as what a peer sees it.
fn summary(reason: Reason, language: Language) -> Map<String, Value> {
    let row = Row::of(reason);
    let object = json!({
        "reason": reason.as_str(),
        "code": reason.public().as_str(),
        "type": format!("{TYPE_PREFIX}{}", reason.public()),
        "status": row.status.as_u16(),
        "title": row.title,
        "hint": reason.hint(language),
    });
    match object {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
