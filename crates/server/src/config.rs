//! The gateway's configuration: TOML as written, checked whole, with the line of every fault.

mod compile;
mod read;
mod samples;
mod written;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use countersign_core::session::password::PasswordOptions;
use countersign_protocol::Dialects;

use self::written::Written;
use crate::access::LogSettings;
use crate::admin::AdminSettings;
use crate::audit::AuditSettings;
use crate::decide::Decide;
use crate::forwarded::Proxies;
use crate::limits::Limits;
use crate::register::RegisterSettings;
use crate::reload::Fixed;
use crate::route::Routes;
use crate::session::SessionSettings;
use crate::store::Stores;
use crate::tls::TlsListener;
use crate::upstream::Directory;

/// A configuration that was read, but whose routes are not resolved: its dialect folders have yet to be loaded.
pub struct Config {
    file: String,
    text: String,
    written: Written,
    /// What could not be read at all.
    faults: Vec<ConfigError>,
    /// Whether it is served in decide mode, whatever it says itself.
    decides: bool,
}

/// How users log in at a gateway that runs, where they do: as at its start, whatever is written since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running<'a>(pub(crate) Option<&'a SessionSettings>);

/// What a check of a whole configuration found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked {
    /// What is wrong, in the order of its lines. The configuration can be served if and only if there is nothing.
    pub faults: Vec<ConfigError>,
    /// What is legal and weak, with its place.
    pub warnings: Vec<String>,
    /// The settings of a configuration without fault.
    pub settings: Option<Settings>,
}

/// The text may hold passwords.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("file", &self.file).finish_non_exhaustive()
    }
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
    /// How users log in, if they do.
    pub session: Option<SessionSettings>,
    /// How the log is written.
    pub log: LogSettings,
    /// Threads, each with its own runtime and listening sockets.
    pub workers: usize,
    /// Where requests are accepted over TLS.
    pub tls: Vec<TlsListener>,
    /// Whose `Forwarded` headers are believed.
    pub proxies: Proxies,
    /// The limits.
    pub limits: Limits,
    /// The audit log; `None` when there is none.
    pub audit: Option<AuditSettings>,
    /// The routes.
    pub routes: Routes,
    /// The upstreams of the routes, with what is known of their servers.
    pub upstreams: Directory,
    /// What is legal and weak: told in the log at the start.
    pub warnings: Vec<String>,
    /// What cannot change while the gateway runs.
    pub fixed: Fixed,
    /// Who may ask, in decide mode; absent: the gateway forwards by itself.
    pub decide: Option<Decide>,
}

impl Config {
    /// Reads the text of a configuration; `file` names it in errors.
    ///
    /// # Errors
    /// The text is no TOML, or has a key or a type that a configuration does not have: the first fault.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let config = Self::parse_leniently(file, text);
        match config.faults.first() {
            Some(fault) => Err(fault.clone()),
            None => Ok(config),
        }
    }

    /// Reads as much of the text as can be read: [`Config::check`] tells what cannot, beside everything else.
    #[must_use]
    pub fn parse_leniently(file: &str, text: &str) -> Self {
        let (written, faults) = read::read(file, text);
        Self { file: file.to_owned(), text: text.to_owned(), written, faults, decides: false }
    }

    /// The same in decide mode, as `mode = "decide"` would say.
    #[must_use]
    pub fn deciding(mut self) -> Self {
        self.decides = true;
        self
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// The file cannot be read, or [`Config::parse`] refuses it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = file_text(path)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a configuration file as [`Config::parse_leniently`] does.
    ///
    /// # Errors
    /// The file cannot be read at all.
    pub fn read_leniently(path: &Path) -> Result<Self, ConfigError> {
        let text = file_text(path)?;
        Ok(Self::parse_leniently(&path.display().to_string(), &text))
    }

    /// The same, listening on this address instead of those that it names outside `[[tls]]`.
    #[must_use]
    pub fn listening_on(mut self, address: SocketAddr) -> Self {
        self.written.listen = vec![toml::Spanned::new(0..0, address.to_string())];
        self
    }

    /// What could not be read at all.
    #[must_use]
    pub fn faults(&self) -> &[ConfigError] {
        &self.faults
    }

    /// Whether all of it could be read: else what is missing may be what was left out.
    fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }

    /// Every file beside the configuration itself and its dialect folders that it is made of: certificates and keys.
    #[must_use]
    pub fn further_files(&self) -> Vec<&Path> {
        let tls = self.written.tls.iter().map(toml::Spanned::get_ref);
        tls.flat_map(written::tls::WrittenTls::files).collect()
    }

    /// The folders with dialect files, in their order.
    #[must_use]
    pub fn dialect_folders(&self) -> &[PathBuf] {
        &self.written.dialects
    }

    /// Where apps, credentials and replay entries are kept. Files that are not named are in the data folder that is named, or in this one.
    ///
    /// # Errors
    /// A value makes no sense, or a URL's file or variable cannot be read.
    pub fn stores(&self, data: &Path) -> Result<Stores, ConfigError> {
        compile::stores(self, data)
    }

    /// What a new password's hash costs.
    ///
    /// # Errors
    /// A value of `[session.password]` makes no sense.
    pub fn password_options(&self) -> Result<PasswordOptions, ConfigError> {
        let session = self.written.session.as_ref().map(toml::Spanned::get_ref);
        session.map_or_else(|| Ok(PasswordOptions::default()), |session| compile::password_options(self, session))
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Resolves dialects and routes.
    ///
    /// # Errors
    /// A value out of range, an unknown dialect, an unsafe one without consent, two routes or two dialects of a route
    /// that cannot be told apart: the first fault found, with its line and mend.
    pub fn compile(&self, dialects: &Dialects) -> Result<Settings, ConfigError> {
        self.compile_after(dialects, &Directory::default())
    }

    /// The same in the place of a configuration with these upstreams: see [`Config::check_after`].
    ///
    /// # Errors
    /// As [`Config::compile`].
    pub fn compile_after(&self, dialects: &Dialects, before: &Directory) -> Result<Settings, ConfigError> {
        let Checked { faults, settings, .. } = self.check_after(dialects, before);
        match (settings, faults.into_iter().next()) {
            (Some(settings), None) => Ok(settings),
            (_, fault) => Err(fault.unwrap_or_else(|| self.error(0, "it could not be read", "see the faults of its check"))),
        }
    }

    /// Resolves dialects and routes, and finds every fault, as far as none hides another.
    #[must_use]
    pub fn check(&self, dialects: &Dialects) -> Checked {
        self.check_after(dialects, &Directory::default())
    }

    /// The same in the place of a configuration that is being served: an upstream that is defined as before keeps what is known of its servers.
    #[must_use]
    pub fn check_after(&self, dialects: &Dialects, before: &Directory) -> Checked {
        compile::check(self, dialects, before, None)
    }

    /// The same for a gateway that runs: routes are held against the logins that it has.
    pub(crate) fn check_while(&self, dialects: &Dialects, before: &Directory, running: Running<'_>) -> Checked {
        compile::check(self, dialects, before, Some(running))
    }

    /// What is legal and weak, at this byte of the text.
    fn warning(&self, at: usize, what: fmt::Arguments<'_>) -> String {
        format!("{}:{}: {what}", self.file, line_of(&self.text, at))
    }

    /// An error at this byte of the text.
    fn error(&self, at: usize, fault: impl Into<String>, mend: impl Into<String>) -> ConfigError {
        ConfigError::new(&self.file, Some(line_of(&self.text, at)), fault, mend)
    }
}

/// Bytes of a configuration file.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

fn file_text(path: &Path) -> Result<String, ConfigError> {
    use std::io::Read;
    let fault = |error: &dyn fmt::Display| ConfigError::in_file(path, error.to_string(), "name a readable file of UTF-8 text");
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| fault(&error))?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|error| fault(&error))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(fault(&format_args!("more than {MOST_BYTES} bytes")));
    }
    Ok(text)
}

fn line_of(text: &str, at: usize) -> usize {
    // What is missing at the end of a file is missing in its last line.
    let last = text.lines().count().max(1);
    (text.bytes().take(at).filter(|b| *b == b'\n').count() + 1).min(last)
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

    /// An error of a whole file, such as one of a dialect folder.
    #[must_use]
    pub fn in_file(file: &Path, fault: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(&file.display().to_string(), None, fault, mend)
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
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
