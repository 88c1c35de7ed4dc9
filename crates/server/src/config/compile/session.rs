//! Logins of users, from as written to valid by construction.

use std::net::SocketAddr;
use std::time::Duration;

use countersign_core::limit::Rate;
use countersign_core::session::SessionPolicy;
use countersign_core::session::signing::SigningAlgorithm;
use countersign_protocol::{Dialect, Dialects};
use http::HeaderName;
use toml::Spanned;

use super::authority::authority;
use super::files;
use crate::config::written::Span;
use crate::config::written::session::{WrittenCallback, WrittenSession};
use crate::config::{Config, ConfigError};
use crate::route::{Route, is_plain_path};
use crate::session::SessionSettings;
use crate::session::browser::origin_fault;
use crate::session::callback::CallbackOptions;

mod guesses;
mod plain;

pub(in crate::config) use guesses::passwords as password_options;

/// The longest life of an access token.
const MOST_ACCESS: Duration = Duration::from_hours(1);
/// The most pages that may call.
const MOST_ORIGINS: usize = 64;
/// The algorithms.
const ALGORITHMS: [SigningAlgorithm; 3] = [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256, SigningAlgorithm::Hs256];

pub(super) fn settings(
    config: &Config,
    written: &Spanned<WrittenSession>,
    listen: &[SocketAddr],
    known: &Dialects,
    trusts: bool,
) -> Result<SessionSettings, ConfigError> {
    let (at, written) = (written.span().start, written.get_ref());
    if let Some(address) = listen.iter().find(|address| !address.ip().is_loopback() && !written.behind_tls) {
        let mend = "listen on the loopback behind a proxy that speaks TLS, or write `behind_tls = true` where that is so already";
        return Err(config.error(at, format!("the listener {address} would show passwords and tokens on an open wire"), mend));
    }
    let header = header(config, written.header.as_ref())?;
    let issuer = party(config, "issuer", &written.issuer)?;
    let audience = written.audience.as_ref().map(|audience| party(config, "audience", audience)).transpose()?;
    Ok(SessionSettings {
        path: path(config, written.path.as_ref())?,
        audience: audience.unwrap_or_else(|| issuer.clone()),
        issuer,
        dialects: dialects(config, at, written, &header, known)?,
        header,
        authority: written.authority.as_ref().map(|authority| self::authority(config, authority, trusts)).transpose()?,
        scope: written.scope.clone(),
        public_apps: written.public_apps.clone(),
        origins: origins(config, &written.origins)?,
        algorithm: algorithm(config, written.algorithm.as_ref())?,
        policy: policy(config, written)?,
        callback: written.callback.as_ref().map(|callback| self::callback(config, callback)).transpose()?,
        deliver: plain::deliver(config, written.deliver.as_ref())?,
        plain: plain::settings(config, at, written)?,
        passwords: guesses::passwords(config, written)?,
        throttle: guesses::throttle(config, written)?,
    })
}

/// A route that no request would reach, because the API is there.
pub(super) fn hidden_route(config: &Config, settings: &SessionSettings, routes: &[Route]) -> Option<ConfigError> {
    let below = |prefix: &str| prefix.strip_prefix(settings.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let hidden = routes.iter().find(|route| below(&route.prefix))?;
    let at =
        config.written.session.as_ref().map_or(0, |written| written.get_ref().path.as_ref().map_or(written.span(), Spanned::span).start);
    let fault = format!("session: the API at {} takes the requests of the route {}", settings.path, hidden.name);
    Some(config.error(at, fault, "write another path here, or another prefix there"))
}

/// Where the API is.
pub(super) fn path(config: &Config, written: Option<&Spanned<String>>) -> Result<String, ConfigError> {
    let Some(written) = written else { return Ok("/session".to_owned()) };
    let text = written.get_ref();
    if is_plain_path(text) && text.len() > 1 && !text.ends_with('/') {
        return Ok(text.clone());
    }
    Err(config.error(written.span().start, format!("`{text}` is no path"), "write a plain path, such as /session"))
}

fn origins(config: &Config, written: &[Spanned<String>]) -> Result<Vec<String>, ConfigError> {
    if let Some(beyond) = written.get(MOST_ORIGINS) {
        let fault = format!("session: more than {MOST_ORIGINS} origins");
        return Err(config.error(beyond.span().start, fault, "list the pages that call this gateway only"));
    }
    let check = |origin: &Spanned<String>| match origin_fault(origin.get_ref()) {
        None => Ok(origin.get_ref().clone()),
        Some(fault) => {
            let fault = format!("session: the origin `{}` {fault}", origin.get_ref());
            Err(config.error(origin.span().start, fault, "write scheme, host and port of the page, such as https://app.example.com"))
        }
    };
    written.iter().map(check).collect()
}

fn header(config: &Config, written: Option<&Spanned<String>>) -> Result<String, ConfigError> {
    let Some(written) = written else { return Ok("x-access-token".to_owned()) };
    let text = written.get_ref().to_ascii_lowercase();
    let taken = ["authorization", "cookie", "host", "content-type", "content-length"].contains(&text.as_str());
    if !taken && HeaderName::try_from(&text).is_ok() {
        return Ok(text);
    }
    let fault = format!("`{text}` cannot carry an access token");
    Err(config.error(written.span().start, fault, "name a header of its own, such as X-Access-Token"))
}

fn party(config: &Config, key: &str, written: &Spanned<String>) -> Result<String, ConfigError> {
    let text = written.get_ref();
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.clone());
    }
    let fault = format!("session: the {key} is empty, too long, or not printable");
    Err(config.error(written.span().start, fault, "write a URL, such as https://api.example.com"))
}

fn dialects(config: &Config, at: usize, written: &WrittenSession, header: &str, known: &Dialects) -> Result<Vec<Dialect>, ConfigError> {
    if written.dialects.is_empty() {
        return Err(config.error(at, "session: no dialect", "name the dialects in which logins are signed"));
    }
    let find = |id: &Spanned<String>| {
        let error = |fault: String, mend: &str| config.error(id.span().start, fault, mend);
        let dialect = known.get(id.get_ref());
        let dialect =
            dialect.ok_or_else(|| error(format!("no dialect `{}`", id.get_ref()), "name one that `countersign dialects list` shows"))?;
        match uncoverable(dialect, header) {
            Some(why) => Err(error(why, "name another one, such as hmac-sha256")),
            None if dialect.is_unsafe() => Err(error(format!("the dialect `{}` is unsafe", dialect.id()), "name another one")),
            None => Ok(dialect.clone()),
        }
    };
    written.dialects.iter().map(find).collect()
}

/// Why this dialect cannot be used where an access token comes in this header.
pub(super) fn uncoverable(dialect: &Dialect, header: &str) -> Option<String> {
    let why = "a token could be exchanged or taken off on the way";
    (!dialect.can_sign_header(header)).then(|| format!("the dialect `{}` cannot sign the header {header}: {why}", dialect.id()))
}

fn algorithm(config: &Config, written: Option<&Spanned<String>>) -> Result<SigningAlgorithm, ConfigError> {
    let Some(written) = written else { return Ok(SigningAlgorithm::default()) };
    let found = ALGORITHMS.into_iter().find(|algorithm| algorithm.as_str() == written.get_ref());
    let fault = || config.error(written.span().start, format!("no algorithm `{}`", written.get_ref()), "write EdDSA, ES256 or HS256");
    found.ok_or_else(fault)
}

fn policy(config: &Config, written: &WrittenSession) -> Result<SessionPolicy, ConfigError> {
    let mut policy = SessionPolicy::default();
    let time = |written: &Option<Spanned<Span>>, default| written.as_ref().map_or(default, |span| span.get_ref().0);
    policy.access = time(&written.access, policy.access);
    policy.idle = time(&written.idle, policy.idle);
    policy.absolute = time(&written.absolute, policy.absolute);
    policy.grace = written.grace.map_or(policy.grace, |span| span.0);
    policy.skew = written.skew.map_or(policy.skew, |span| span.0);
    policy.per_user = written.sessions_per_user.map_or(policy.per_user, std::num::NonZeroUsize::get);
    policy.refreshes =
        written.refresh_rate.as_ref().map_or(policy.refreshes, |rate| Rate { per_second: rate.per_second, burst: rate.burst });
    let error =
        |span: &Option<Spanned<Span>>, fault: &str, mend: &str| config.error(span.as_ref().map_or(0, |s| s.span().start), fault, mend);
    if policy.access > MOST_ACCESS || policy.access < Duration::from_secs(60) {
        return Err(error(&written.access, "access is out of range", "write a time from 1m to 1h: a token is refreshed while it lives"));
    }
    if policy.idle < policy.access {
        return Err(error(&written.idle, "idle is shorter than access", "write a longer time, such as 12h"));
    }
    if policy.absolute < policy.idle {
        return Err(error(&written.absolute, "absolute is shorter than idle", "write a longer time, such as 7d"));
    }
    Ok(policy)
}

fn callback(config: &Config, written: &Spanned<WrittenCallback>) -> Result<CallbackOptions, ConfigError> {
    let (at, written) = (written.span().start, written.get_ref());
    let mut options = CallbackOptions::new(written.url.get_ref());
    options.time = written.timeout.map_or(options.time, |span| span.0);
    options.header = match (&written.header, &written.header_file) {
        (None, None) => None,
        (Some(name), Some(file)) => {
            let value = files::read_private(file.get_ref()).map_err(|(fault, mend)| config.error(file.span().start, fault, mend))?;
            Some((name.clone(), value))
        }
        _ => return Err(config.error(at, "session.callback: header and header_file go together", "write both, or neither")),
    };
    options.check().map_err(|fault| config.error(at, format!("session.callback: {fault}"), "see `url` and `header_file`"))?;
    Ok(options)
}
