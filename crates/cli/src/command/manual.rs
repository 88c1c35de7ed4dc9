//! `countersign completions` and `countersign man`, from the command line as it is written.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::console;
use crate::failure::Failure;

/// Prints the completions.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "countersign", &mut bytes);
    console::data(&bytes)
}

/// Prints the page of the command, or writes all pages into a folder.
pub(crate) fn pages(out: Option<&Path>) -> Result<(), Failure> {
    let Some(folder) = out else {
        let mut bytes = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut bytes)?;
        return console::data(&bytes);
    };
    std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, e))?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(|e| Failure::file(folder, e))
}
