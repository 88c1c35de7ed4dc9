//! Flags of `import`.

use std::path::PathBuf;

use clap::Args;

use crate::import::Source;

/// Flags of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Whose file it is.
    #[arg(value_enum)]
    pub(crate) gateway: Source,
    /// The file: YAML or JSON.
    pub(crate) file: PathBuf,
    /// The folder that is written. No file in it is overwritten.
    #[arg(short, long, value_name = "FOLDER", default_value = "countersign-import")]
    pub(crate) out: PathBuf,
    /// The dialect of the imported credentials and routes, in place of the one that the file's plug-in means.
    #[arg(short, long, value_name = "ID")]
    pub(crate) dialect: Option<String>,
    /// The upstream of routes for which the file names none.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
}
