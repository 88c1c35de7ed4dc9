//! `countersign config`: looks at a gateway's config, writes one to begin with, or shows what is in effect.

mod check;
mod files;
mod place;
mod route;
mod show;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use crate::args::config::ConfigCommand;
use crate::console;
use crate::failure::Failure;
use crate::registry::Registry;

/// The config to begin with.
const TEMPLATE: &str = include_str!("config/template.toml");
/// The most bytes of a config.
const MOST_BYTES: usize = 4 << 20;

/// Runs the command.
pub(crate) fn run(command: &ConfigCommand, registry: Registry, json: bool) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check(args) => check::run(args, registry, json),
        ConfigCommand::Init { out } => init(out.as_deref()),
        ConfigCommand::Show { file } => show::run(file, registry, json),
    }
}

fn init(out: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = out else { return console::data(TEMPLATE.as_bytes()) };
    let created = OpenOptions::new().write(true).create_new(true).open(path);
    created.and_then(|mut file| file.write_all(TEMPLATE.as_bytes())).map_err(|e| Failure::file(path, e))?;
    console::say(&format!("{} is written; next: countersign config check {0}", path.display()));
    Ok(())
}

/// The text of a config.
fn text(path: &Path) -> Result<String, Failure> {
    let bytes = console::read(path)?;
    if bytes.len() > MOST_BYTES {
        return Err(Failure::file(path, format_args!("longer than {} MiB", MOST_BYTES >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Failure::file(path, "the file is no UTF-8 text"))
}
