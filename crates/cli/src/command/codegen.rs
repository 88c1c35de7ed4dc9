//! `countersign codegen`: a dependency-free signer for one dialect in another language.

use std::fmt::Write as _;
use std::path::Path;

use countersign_codegen::{Language, Support, Unsupported, file_name, generate, support};
use countersign_protocol::Dialect;
use serde_json::{Value, json};

use crate::args::codegen::CodegenArgs;
use crate::console;
use crate::failure::Failure;
use crate::registry::Registry;

/// Runs the command.
pub(crate) fn run(args: &CodegenArgs, registry: &Registry, json: bool) -> Result<(), Failure> {
    let (Some(id), Some(language)) = (&args.dialect, args.lang) else {
        return if json { list_json(registry) } else { list(registry) };
    };
    let (dialect, language) = (registry.get(id)?, Language::from(language));
    let source = generate(dialect, language).map_err(|why| {
        Failure::usage(format_args!("no signer of '{id}' in {language}: {why}; 'countersign codegen --list' names what there is"))
    })?;
    if let Ok(support) = support(dialect, language) {
        for (algorithm, reason) in support.without {
            console::say(&format!("warning: this signer does not know {algorithm}: {reason}"));
        }
    }
    match &args.out {
        None if json => console::line(&json!({ "file": file_name(id, language), "text": source }).to_string()),
        None => console::data(source.as_bytes()),
        Some(place) => write(place, &file_name(id, language), &source),
    }
}

fn write(place: &Path, name: &str, source: &str) -> Result<(), Failure> {
    let file = if place.is_dir() { place.join(name) } else { place.to_owned() };
    std::fs::write(&file, source).map_err(|e| Failure::file(&file, e))
}

/// A table of dialects and languages, and below it what is not whole.
fn list(registry: &Registry) -> Result<(), Failure> {
    let width = registry.dialects.iter().map(|dialect| dialect.id().len()).max().unwrap_or(0);
    let mut text = format!("{:width$}", "");
    Language::ALL.iter().for_each(|language| {
        let _ = write!(text, "  {:10}", language.as_str());
    });
    let mut notes = String::new();
    for dialect in registry.dialects.iter() {
        text.truncate(text.trim_end().len());
        let _ = write!(text, "\n{:width$}", dialect.id());
        for language in Language::ALL {
            let support = support(dialect, language);
            let _ = write!(text, "  {:10}", word(&support));
            note(dialect, language, &support, &mut notes);
        }
    }
    let text = format!("{}\n", text.trim_end());
    console::data(if notes.is_empty() { text } else { format!("{text}\n{notes}") }.as_bytes())
}

fn word(support: &Result<Support, Unsupported>) -> &'static str {
    match support {
        Ok(support) if support.without.is_empty() => "yes",
        Ok(_) => "in part",
        Err(_) => "no",
    }
}

fn note(dialect: &Dialect, language: Language, support: &Result<Support, Unsupported>, notes: &mut String) {
    let id = dialect.id();
    let _ = match support {
        Err(why) => writeln!(notes, "{id} in {language}: {why}"),
        Ok(support) => {
            support.without.iter().try_for_each(|(algorithm, reason)| writeln!(notes, "{id} in {language}: without {algorithm}: {reason}"))
        }
    };
}

fn list_json(registry: &Registry) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for dialect in registry.dialects.iter() {
        for language in Language::ALL {
            let answer = support(dialect, language);
            let mut row = json!({ "dialect": dialect.id(), "language": language.as_str(), "support": word(&answer) });
            match answer {
                Ok(support) => {
                    row["algorithms"] = support.algorithms.iter().map(|a| a.as_str()).collect();
                    let without = support.without.iter().map(|(a, reason)| json!({ "algorithm": a.as_str(), "why": reason }));
                    row["without"] = without.collect();
                }
                Err(why) => row["why"] = why.to_string().into(),
            }
            rows.push(row);
        }
    }
    console::line(&Value::Array(rows).to_string())
}
