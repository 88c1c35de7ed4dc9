//! The dialects that a command knows: the built-in ones, and those of the folders that were named.

use std::path::{Path, PathBuf};

use countersign_dialects::{DialectFile, Folder};
use countersign_protocol::{Dialect, Dialects, Inputs};

use crate::args::DialectArgs;
use crate::failure::Failure;

/// Every dialect at hand, and the files from which some of them came.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) dialects: Dialects,
    pub(crate) files: Vec<DialectFile>,
    pub(crate) folders: Vec<PathBuf>,
}

impl Registry {
    /// Reads the folders. Every file that makes no sense is named, not the first only.
    pub(crate) fn open(folders: &[PathBuf]) -> Result<Self, Failure> {
        let mut registry = Self { dialects: Dialects::builtin().map_err(Failure::usage)?, files: Vec::new(), folders: Vec::new() };
        let named = folders.iter().filter(|folder| !folder.as_os_str().is_empty());
        named.map(PathBuf::as_path).try_for_each(|folder| registry.load(folder))?;
        Ok(registry)
    }

    /// Reads one more folder.
    pub(crate) fn load(&mut self, folder: &Path) -> Result<(), Failure> {
        let files = Folder::open(folder).and_then(|folder| folder.load_into(&mut self.dialects)).map_err(Failure::usage)?;
        self.files.extend(files);
        self.folders.push(folder.to_owned());
        Ok(())
    }

    /// The dialect of this id.
    pub(crate) fn get(&self, id: &str) -> Result<&Dialect, Failure> {
        self.dialects.get(id).ok_or_else(|| {
            let near = self.nearest(id).map(|id| format!("; did you mean '{id}'?")).unwrap_or_else(|| ".".to_owned());
            let folders = if self.folders.is_empty() { "; one of your own needs --dialects FOLDER" } else { "" };
            Failure::usage(format_args!("no dialect '{id}'{near} 'countersign dialects list' names those that are known{folders}"))
        })
    }

    /// The known id that is most like this one, if any is.
    fn nearest(&self, id: &str) -> Option<&str> {
        let id = id.to_ascii_lowercase();
        let apart = |known: &str| {
            let is_start = !id.is_empty() && (known.starts_with(&id) || id.starts_with(known));
            if is_start { 2 } else { strsim::damerau_levenshtein(&known.to_ascii_lowercase(), &id) }
        };
        let most = (id.len() / 3).max(2);
        let near = self.dialects.iter().map(|dialect| (apart(dialect.id()), dialect.id())).min()?;
        (near.0 <= most).then_some(near.1)
    }

    /// The dialect and the inputs that the flags name. An input that the dialect does not know is refused.
    pub(crate) fn choose(&self, args: &DialectArgs) -> Result<(&Dialect, Inputs), Failure> {
        let dialect = self.get(&args.dialect)?;
        Ok((dialect, inputs(dialect, &args.set)?))
    }
}

/// The inputs of a dialect from pairs of name and value.
pub(crate) fn inputs(dialect: &Dialect, pairs: &[(String, String)]) -> Result<Inputs, Failure> {
    let mut inputs = Inputs::new();
    for (name, value) in pairs {
        if !dialect.inputs().iter().any(|input| input.name == *name) {
            let known: Vec<_> = dialect.inputs().iter().map(|input| input.name.clone()).collect();
            let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
            return Err(Failure::usage(format_args!("--set {name}: no input of '{}'; {known}", dialect.id())));
        }
        inputs = inputs.with(name.clone(), value.clone());
    }
    Ok(inputs)
}
