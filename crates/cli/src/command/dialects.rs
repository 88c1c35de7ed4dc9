//! `countersign dialects`: what is known, and what each dialect's file says.

use std::fmt::Write as _;

use countersign_protocol::{Dialect, Input};
use serde_json::{Value, json};

use crate::args::DialectsCommand;
use crate::console;
use crate::failure::Failure;
use crate::registry::Registry;

/// Runs the command.
pub(crate) fn run(command: &DialectsCommand, registry: &Registry, json: bool) -> Result<(), Failure> {
    match command {
        DialectsCommand::List if json => {
            let list: Vec<Value> = registry.dialects.iter().map(summary).collect();
            console::line(&Value::Array(list).to_string())
        }
        DialectsCommand::List => list(registry),
        DialectsCommand::Show { id } => show(registry, id, json),
    }
}

fn summary(dialect: &Dialect) -> Value {
    json!({
        "id": dialect.id(),
        "title": dialect.title(),
        "source": dialect.source(),
        "family": dialect.family(),
        "inputs": dialect.inputs().iter().map(|input| json!({ "name": input.name, "optional": input.optional })).collect::<Vec<_>>(),
        "secrets": dialect.secrets(),
        "algorithms": dialect.algorithms().iter().map(|a| a.as_str()).collect::<Vec<_>>(),
        "replay": dialect.replay().as_str(),
        "unsafe": dialect.is_unsafe(),
        "hazards": dialect.hazards().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "carriers": dialect.carriers().map(|carrier| json!({ "place": carrier.place.as_str(), "name": carrier.name })).collect::<Vec<_>>(),
    })
}

fn list(registry: &Registry) -> Result<(), Failure> {
    let width = registry.dialects.iter().map(|dialect| dialect.id().len()).max().unwrap_or(0);
    let mut text = String::new();
    for dialect in registry.dialects.iter() {
        let inputs: Vec<_> = dialect.inputs().iter().map(input_text).collect();
        let inputs = if inputs.is_empty() { String::new() } else { format!(" ({})", inputs.join(", ")) };
        let mark = if dialect.is_unsafe() { " [unsafe]" } else { "" };
        let _ = writeln!(text, "{:width$}  {}{inputs}{mark}", dialect.id(), dialect.title());
    }
    console::data(text.as_bytes())
}

/// An input as dialect files write it: in brackets where it may be missing.
fn input_text(input: &Input) -> String {
    if input.optional { format!("[{}]", input.name) } else { input.name.clone() }
}

fn show(registry: &Registry, id: &str, json: bool) -> Result<(), Failure> {
    let dialect = registry.get(id)?;
    let file = registry.files.iter().rev().find(|file| file.id == id);
    if json {
        let mut value = summary(dialect);
        value["file"] = file.map(|file| file.path.display().to_string()).into();
        value["yaml"] = file.map(|file| file.text.clone()).into();
        value["plan"] = dialect.listing().into();
        return console::line(&value.to_string());
    }
    let mut text = format!("{}: {}\n", dialect.id(), dialect.title());
    if let Some(source) = dialect.source() {
        let _ = writeln!(text, "source: {source}");
    }
    let names: Vec<_> = dialect.algorithms().iter().map(|a| a.as_str()).collect();
    let _ = writeln!(text, "algorithms: {}", names.join(", "));
    let _ = writeln!(text, "replay: {}", dialect.replay());
    let _ = writeln!(text, "\ncarried:");
    for carrier in dialect.carriers() {
        let _ = writeln!(text, "  {} {}", carrier.place.as_str(), carrier.name);
    }
    let _ = writeln!(text, "\nhazards:");
    for hazard in dialect.hazards() {
        let _ = writeln!(text, "  {hazard}");
    }
    if dialect.hazards().is_empty() {
        text.push_str("  none found\n");
    }
    let _ = writeln!(text, "\nplan:\n{}", dialect.listing().trim_end());
    if let Some(file) = file {
        let _ = write!(text, "\n{}:\n{}", file.path.display(), file.text);
    }
    console::data(text.as_bytes())
}
