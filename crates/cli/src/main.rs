//! The `countersign` binary: parses the command line, runs one command, and turns its outcome into an exit code.

mod args;
mod command;
mod console;
mod failure;
mod input;
mod key;
mod output;
mod registry;
mod store;
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
        Command::Dialects(command) => command::dialects::run(&command, &registry, json),
        Command::Adapter => command::adapter::run(&registry),
        Command::App(args) => command::app::run(&args, &registry, json),
        Command::Serve(args) => command::serve::run(&args, registry, json),
    }
}
