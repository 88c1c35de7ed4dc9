//! Self-registration, from as written to valid by construction.

use std::net::SocketAddr;

use countersign_protocol::Dialects;
use toml::Spanned;

use crate::config::written::register::WrittenRegister;
use crate::config::{Config, ConfigError};
use crate::register::RegisterSettings;
use crate::route::Route;

/// The most apps that are pending at one time, where nothing else is said.
const MOST_PENDING: u64 = 100;
/// The most registrations from one address within a day, where nothing else is said.
const DAILY_PER_ADDRESS: u32 = 5;

pub(super) fn settings(
    config: &Config,
    written: &Spanned<WrittenRegister>,
    listen: &[SocketAddr],
    routes: &[Route],
    known: &Dialects,
) -> Result<RegisterSettings, ConfigError> {
    let (at, written) = (written.span().start, written.get_ref());
    let open = listen.iter().find(|address| !address.ip().is_loopback() && !written.behind_tls);
    if let Some(address) = open {
        let mend = "listen on the loopback behind a proxy that speaks TLS, or write `behind_tls = true` where that is so already";
        return Err(config.error(at, format!("the listener {address} would show new secrets on an open wire"), mend));
    }
    Ok(RegisterSettings {
        path: path(config, &written.path, routes)?,
        dialects: dialects(config, at, &written.dialects, known)?,
        most_pending: written.most_pending.map_or(MOST_PENDING, u64::from),
        daily_per_address: written.daily_per_address.map_or(DAILY_PER_ADDRESS, u32::from),
    })
}

fn path(config: &Config, written: &Spanned<String>, routes: &[Route]) -> Result<String, ConfigError> {
    let text = written.get_ref();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.');
    if !text.starts_with('/') || text.len() < 2 || !text.bytes().all(plain) {
        return Err(config.error(written.span().start, format!("`{text}` is no path"), "write a plain path, such as /register"));
    }
    match routes.iter().find(|route| route.prefix == *text) {
        Some(route) => Err(config.error(written.span().start, format!("the route {} has this path", route.name), "write another path")),
        None => Ok(text.clone()),
    }
}

fn dialects(config: &Config, at: usize, written: &[Spanned<String>], known: &Dialects) -> Result<Vec<String>, ConfigError> {
    if written.is_empty() {
        return Err(config.error(at, "register: no dialect", "name the dialects that callers may ask for"));
    }
    for id in written {
        match known.get(id.get_ref()) {
            None => {
                let fault = format!("no dialect `{}`", id.get_ref());
                return Err(config.error(id.span().start, fault, "name one that `countersign dialects list` shows"));
            }
            Some(dialect) if dialect.is_unsafe() => {
                let fault = format!("the dialect `{}` is unsafe", id.get_ref());
                return Err(config.error(id.span().start, fault, "give its credentials by hand"));
            }
            Some(_) => {}
        }
    }
    Ok(written.iter().map(|id| id.get_ref().clone()).collect())
}
