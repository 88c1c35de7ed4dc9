//! The admin listener, from as written to valid by construction.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use countersign_protocol::Secret;
use toml::Spanned;

use crate::admin::AdminSettings;
use crate::config::written::admin::{WrittenAdmin, WrittenAdminTable};
use crate::config::{Config, ConfigError};

/// The fewest bytes of a token: 32 characters of base64 or hexadecimal digits are 128 bits or more.
const TOKEN: usize = 32;
/// The most bytes of a token file.
const TOKEN_FILE: u64 = 4_096;
/// The permission bits of group and others.
const OTHERS: u32 = 0o077;
/// The most refusals that may be kept.
const MOST_REFUSALS: usize = 100_000;

pub(super) fn settings(config: &Config, written: &Spanned<WrittenAdmin>) -> Result<AdminSettings, ConfigError> {
    let at = written.span().start;
    match written.get_ref() {
        WrittenAdmin::Address(text) => checked(config, at, AdminSettings::new(address(config, at, text)?)),
        WrittenAdmin::Table(table) => checked(config, at, read(config, at, table)?),
    }
}

fn read(config: &Config, at: usize, table: &WrittenAdminTable) -> Result<AdminSettings, ConfigError> {
    let mut settings = AdminSettings::new(address(config, at, &table.listen)?);
    settings.token = table.token_file.as_deref().map(|path| token(config, at, path)).transpose()?;
    settings.metrics_open = table.metrics_open.unwrap_or(settings.token.is_none());
    settings.hosts = table.hosts.iter().map(|host| name(config, host)).collect::<Result<_, _>>()?;
    settings.refusals = table.refusals.map_or(settings.refusals, usize::from);
    if settings.refusals > MOST_REFUSALS {
        return Err(config.error(at, "refusals is out of range", format!("write a number from 1 to {MOST_REFUSALS}")));
    }
    Ok(settings)
}

fn checked(config: &Config, at: usize, settings: AdminSettings) -> Result<AdminSettings, ConfigError> {
    if settings.token.is_none() && !settings.listen.ip().is_loopback() {
        let fault = format!("the admin listener at {} can be reached by others and has no token", settings.listen);
        return Err(config.error(at, fault, "listen on 127.0.0.1, or write a table [admin] with `token_file`"));
    }
    Ok(settings)
}

fn address(config: &Config, at: usize, text: &str) -> Result<SocketAddr, ConfigError> {
    let mend = "write an address and a port, such as 127.0.0.1:9090";
    text.parse().map_err(|_| config.error(at, format!("admin: `{text}` is no socket address"), mend))
}

fn name(config: &Config, host: &Spanned<String>) -> Result<String, ConfigError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    let text = host.get_ref();
    let has_port = text.rsplit_once(':').is_some_and(|(name, _)| !name.starts_with('[') || name.ends_with(']'));
    if text.is_empty() || !text.bytes().all(plain) || has_port {
        return Err(config.error(host.span().start, format!("`{text}` is no host"), "write a name or an address without a port"));
    }
    Ok(text.clone())
}

/// One line end after the token is no part of it.
fn token(config: &Config, at: usize, path: &Path) -> Result<Secret, ConfigError> {
    let fault = |what: &str, mend: &str| config.error(at, format!("token_file {}: {what}", path.display()), mend);
    let meta = std::fs::metadata(path).map_err(|error| fault(&error.to_string(), "make one: openssl rand -hex 32"))?;
    if meta.mode() & OTHERS != 0 {
        return Err(fault("others may read it", "run chmod 600 on it, and replace its content if others did read it"));
    }
    if !meta.is_file() || meta.len() > TOKEN_FILE {
        return Err(fault("it is no file with one line", "make one: openssl rand -hex 32"));
    }
    let text = Secret::new(std::fs::read(path).map_err(|error| fault(&error.to_string(), "name a readable file"))?);
    let line = text.expose().strip_suffix(b"\n").unwrap_or(text.expose());
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() < TOKEN || !line.iter().all(u8::is_ascii_graphic) {
        return Err(fault("the token is too short, or not one visible word", "make one of 32 characters or more: openssl rand -hex 32"));
    }
    Ok(Secret::new(line))
}
