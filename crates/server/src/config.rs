//! The gateway's configuration: TOML as written, checked whole, with the line of every fault.

mod compile;
mod samples;
mod written;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use countersign_protocol::Dialects;

use self::written::Written;
use crate::access::LogSettings;
use crate::admin::AdminSettings;
use crate::limits::Limits;
use crate::register::RegisterSettings;
use crate::route::Routes;

/// A configuration that was read, but whose routes are not resolved: its dialect folders have yet to be loaded.
#[derive(Debug)]
pub struct Config {
    file: String,
    text: String,
    written: Written,
}

/// A valid configuration, ready to be served.
#[derive(Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where requests are accepted.
    pub listen: Vec<SocketAddr>,
    /// The admin listener.
    pub admin: Option<AdminSettings>,
    /// Whether callers may register themselves.
    pub register: Option<RegisterSettings>,
    /// How the log is written.
    pub log: LogSettings,
    /// Threads, each with its own runtime and listening sockets.
    pub workers: usize,
    /// The limits.
    pub limits: Limits,
    /// The routes.
    pub routes: Routes,
    /// What is legal and weak: told in the log at the start.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the text of a configuration; `file` names it in errors.
    ///
    /// # Errors
    /// The text is no TOML, or has a key or a type that a configuration does not have.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let written = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            ConfigError::new(file, line, error.message().trim().to_owned(), "see the configuration reference for the keys of this table")
        })?;
        Ok(Self { file: file.to_owned(), text: text.to_owned(), written })
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// The file cannot be read, or [`Config::parse`] refuses it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::new(&name, None, error.to_string(), "name a readable file"))?;
        Self::parse(&name, &text)
    }

    /// The folders with dialect files, in their order.
    #[must_use]
    pub fn dialect_folders(&self) -> &[PathBuf] {
        &self.written.dialects
    }

    /// The folder of the embedded store and its master key, if one is named.
    #[must_use]
    pub fn data(&self) -> Option<&Path> {
        self.written.data.as_deref()
    }

    /// The file of the embedded store, if one is named.
    #[must_use]
    pub fn store(&self) -> Option<&Path> {
        self.written.store.as_deref()
    }

    /// The file of the master key, if one is named.
    #[must_use]
    pub fn master_key(&self) -> Option<&Path> {
        self.written.master_key.as_deref()
    }

    /// Resolves dialects and routes.
    ///
    /// # Errors
    /// A value out of range, an unknown dialect, an unsafe one without consent, two routes or two dialects of a route
    /// that cannot be told apart: the first fault found, with its line and mend.
    pub fn compile(&self, dialects: &Dialects) -> Result<Settings, ConfigError> {
        compile::settings(self, dialects)
    }

    /// An error at this byte of the text.
    fn error(&self, at: usize, fault: impl Into<String>, mend: impl Into<String>) -> ConfigError {
        ConfigError::new(&self.file, Some(line_of(&self.text, at)), fault, mend)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
}

/// What is wrong with a configuration, where, and how to mend it. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    line: Option<usize>,
    fault: String,
    mend: String,
}

impl ConfigError {
    fn new(file: &str, line: Option<usize>, fault: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, fault: fault.into(), mend: mend.into() }
    }

    /// The line, counted from 1.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line
    }

    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> &str {
        &self.fault
    }

    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {}", self.fault, self.mend)
    }
}

impl std::error::Error for ConfigError {}
