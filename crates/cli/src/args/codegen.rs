//! Flags of `codegen`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use countersign_codegen::Language;

/// Flags of `codegen`.
#[derive(Debug, Args)]
pub(crate) struct CodegenArgs {
    /// The dialect, as `countersign dialects list` names it.
    #[arg(short, long, value_name = "ID", required_unless_present = "list")]
    pub(crate) dialect: Option<String>,
    /// The language of the signer.
    #[arg(short, long, value_enum, required_unless_present = "list")]
    pub(crate) lang: Option<LanguageArg>,
    /// Print which dialects can be written in which languages, and why others cannot.
    #[arg(long, conflicts_with_all = ["dialect", "lang", "out"])]
    pub(crate) list: bool,
    /// Write into this file, or into this folder under the name that the language expects, in place of stdout.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// A language by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LanguageArg {
    /// Python 3.9 or newer.
    Python,
    /// JavaScript for Node 18 or newer.
    Javascript,
    /// Go 1.18 or newer.
    Go,
    /// Java 17 or newer.
    Java,
    /// PHP 8.1 or newer.
    Php,
}

impl From<LanguageArg> for Language {
    fn from(language: LanguageArg) -> Self {
        match language {
            LanguageArg::Python => Self::Python,
            LanguageArg::Javascript => Self::JavaScript,
            LanguageArg::Go => Self::Go,
            LanguageArg::Java => Self::Java,
            LanguageArg::Php => Self::Php,
        }
    }
}
