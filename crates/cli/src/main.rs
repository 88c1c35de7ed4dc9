//! The `countersign` binary: parses the command line, runs one command, and turns its outcome into an exit code.

mod args;
mod command;
mod console;
mod envelope;
mod failure;
mod import;
mod input;
mod key;
mod output;
mod registry;
mod store;
mod terminal;
#[cfg_attr(not(feature = "otel"), path = "traces/off.rs")]
mod traces;
mod values;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;
use registry::Registry;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Failure::Usage(text) = &failure {
                console::say(&format!("error: {text}"));
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let json = cli.global.json;
    let registry = Registry::open(&cli.global.dialects)?;
    match cli.command {
        Command::Sign(args) => command::sign::run(&args, &registry, json),
        Command::Verify(args) => command::verify::run(&args, &registry, json),
        Command::Explain(args) => command::explain::run(&args, &registry, json),
        Command::OpenAnswer(args) => command::open_answer::run(&args),
        Command::Dialects(command) => command::dialects::run(&command, &registry, json),
        Command::Lint(args) => command::lint::run(&args, &registry, json),
        Command::Adapter => command::adapter::run(&registry),
        Command::Codegen(args) => command::codegen::run(&args, &registry, json),
        Command::App(args) => command::app::run(&args, registry, json),
        Command::User(args) => command::user::run(&args, registry, json),
        Command::Audit(args) => command::audit::run(&args, json),
        Command::Key(args) => command::key::run(&args, registry, json),
        Command::Session(args) => command::session::run(&args, registry, json),
        Command::Serve(args) => command::serve::run(&args, &registry, json),
        Command::Import(args) => command::import::run(&args, &registry, json),
        Command::Config(command) => command::config::run(&command, registry, json),
        Command::Reason(args) => command::reason::run(&args, json),
        Command::Probe { url } => command::probe::run(&url),
        Command::Completions { shell } => command::manual::completions(shell),
        Command::Man { out } => command::manual::pages(out.as_deref()),
    }
}
