//! Another gateway's declarative file in our words: apps with their credentials, routes, and a report of what is lost.

mod apisix;
mod document;
mod draft;
mod entry;
mod higress;
mod kong;
mod output;
mod settle;
mod table;

use std::path::Path;

use clap::ValueEnum;
use zeroize::Zeroizing;

use self::document::{MOST_BYTES, Node};
use self::draft::Draft;
use self::entry::{Entry, Notes};
use self::table::Table;
use crate::args::import::ImportArgs;
use crate::console;
use crate::failure::Failure;
use crate::registry::Registry;

/// A gateway whose declarative file can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// A `kong.yml` of format 1.1, 2.1 or 3.0.
    Kong,
    /// A standalone `apisix.yaml`.
    Apisix,
    /// A `WasmPlugin`, or the configuration of a signature plug-in.
    Higress,
}

/// Reads the file and writes the folder. Whether everything was carried over.
///
/// # Errors
/// The file cannot be read or is of another kind, or the folder cannot be written.
pub(crate) fn run(args: &ImportArgs, registry: &Registry, json: bool) -> Result<bool, Failure> {
    let (known, read) = match args.gateway {
        Source::Kong => (kong::TABLE, kong::read as fn(&Entry<'_>, &mut Draft<'_>) -> Result<(), Failure>),
        Source::Apisix => (apisix::TABLE, apisix::read as _),
        Source::Higress => (higress::TABLE, higress::read as _),
    };
    let table = Table::read(known).map_err(Failure::usage)?;
    let text = read_text(&args.file)?;
    let document = Node::read(&text).map_err(|fault| Failure::file(&args.file, fault))?;
    let notes = Notes::default();
    let root = Entry::of(&document, "", &notes).ok_or_else(|| Failure::file(&args.file, "a declarative file is a map"))?;
    let mut draft = Draft {
        text: &text,
        notes: &notes,
        table: &table,
        dialect: args.dialect.as_deref(),
        upstream: args.upstream.as_deref(),
        apps: Vec::new(),
        routes: Vec::new(),
    };
    read(&root, &mut draft).map_err(|failure| at_file(&args.file, failure))?;
    let result = settle::settle(draft, registry);
    let (left_out, remarks) = notes.into_parts();
    let report = output::Report { left_out, remarks };
    output::write(&args.out, &args.file, registry, &result, &report)?;
    report.tell(&args.out, &result, json)?;
    Ok(report.left_out.is_empty())
}

fn read_text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = console::read(path)?;
    if bytes.len() > MOST_BYTES {
        return Err(Failure::file(path, format_args!("longer than {} MiB; split it", MOST_BYTES >> 20)));
    }
    String::from_utf8(bytes).map(Zeroizing::new).map_err(|_| Failure::file(path, "the file is no UTF-8 text"))
}

fn at_file(path: &Path, failure: Failure) -> Failure {
    match failure {
        Failure::Usage(text) => Failure::file(path, text),
        other => other,
    }
}
