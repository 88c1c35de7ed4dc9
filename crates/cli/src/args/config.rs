//! Flags of `config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What `config` does.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Look for faults and weak spots of a gateway's config and of the files that it names: exit code 0 without a fault, else 1.
    Check(CheckArgs),
    /// Write a commented config that works as it is.
    Init {
        /// The file; stdout when absent. A file that is there is not overwritten.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print a config with every default filled in, and secrets masked.
    Show {
        /// The config: TOML.
        file: PathBuf,
    },
}

/// Flags of `config check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The config: TOML.
    pub(crate) file: PathBuf,
    /// Try to listen on each address as well. A gateway that runs has them already.
    #[arg(long)]
    pub(crate) probe: bool,
    /// The folder of the embedded store, where the config names none; by default that of `serve`.
    #[arg(long, value_name = "FOLDER", env = "COUNTERSIGN_DATA")]
    pub(crate) data: Option<PathBuf>,
}
