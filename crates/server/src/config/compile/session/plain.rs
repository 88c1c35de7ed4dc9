//! Logins without a signature and the cookies of their tokens, from as written to valid by construction.

use std::sync::Arc;

use countersign_core::admission::CookieRule;
use http::Uri;
use toml::Spanned;

use crate::config::written::session::{WrittenCookie, WrittenSession};
use crate::config::{Config, ConfigError};
use crate::head::is_token;
use crate::route::is_plain_path;
use crate::session::SignedDelivery;
use crate::session::browser::origin_fault;
use crate::session::cookie::{CookieSettings, SameSite};
use crate::session::plain::{PlainDelivery, PlainSettings};

/// What browsers hold to of a cookie with such a name: it is `Secure`; with the first, it also has the path `/` and no domain.
const PREFIXES: [&str; 2] = ["__Host-", "__Secure-"];
/// The most bytes of a cookie's name.
const MOST_NAME: usize = 64;

/// How the tokens of signed logins are given.
pub(super) fn deliver(config: &Config, written: Option<&Spanned<String>>) -> Result<SignedDelivery, ConfigError> {
    let Some(written) = written else { return Ok(SignedDelivery::default()) };
    let error = |fault: String, mend: &str| Err(config.error(written.span().start, fault, mend));
    match written.get_ref().as_str() {
        "body" => Ok(SignedDelivery::Body),
        "header" => Ok(SignedDelivery::Header),
        "cookie" => error(
            "session: a browser cannot sign its cookies, so a token in one would be no signed part".to_owned(),
            "write `deliver = \"cookie\"` in a table [session.plain], for apps that do not sign",
        ),
        other => error(format!("session: no delivery `{other}`"), "write body or header"),
    }
}

/// The apps that do not sign.
pub(super) fn settings(config: &Config, at: usize, written: &WrittenSession) -> Result<Option<PlainSettings>, ConfigError> {
    let unused = |cookie: &Spanned<WrittenCookie>| {
        let mend = "write `deliver = \"cookie\"` in a table [session.plain], or remove this table";
        Err(config.error(cookie.span().start, "session.cookie: no login gives a token in a cookie", mend))
    };
    let Some(plain) = &written.plain else { return written.cookie.as_ref().map_or(Ok(None), unused) };
    let (place, plain) = (plain.span().start, plain.get_ref());
    if plain.apps.is_empty() {
        return Err(config.error(place, "session.plain: no app", "name the apps whose users log in without a signature"));
    }
    let deliver = match &plain.deliver {
        None => "body",
        Some(deliver) => deliver.get_ref().as_str(),
    };
    let deliver = match (deliver, &written.cookie) {
        ("cookie", cookie) => PlainDelivery::Cookie(cookies(config, at, written, cookie.as_ref())?),
        ("body" | "header", Some(cookie)) => return unused(cookie),
        ("body", None) => PlainDelivery::Body,
        ("header", None) => PlainDelivery::Header,
        (other, _) => {
            let place = plain.deliver.as_ref().map_or(place, |deliver| deliver.span().start);
            return Err(config.error(place, format!("session.plain: no delivery `{other}`"), "write body, header or cookie"));
        }
    };
    Ok(Some(PlainSettings { apps: plain.apps.clone(), deliver }))
}

fn cookies(
    config: &Config,
    at: usize,
    session: &WrittenSession,
    written: Option<&Spanned<WrittenCookie>>,
) -> Result<CookieSettings, ConfigError> {
    let refresh_path = super::path(config, session.path.as_ref())?;
    if refresh_path.contains(';') {
        let place = session.path.as_ref().map_or(at, |path| path.span().start);
        return Err(config.error(place, "session: a path with ; cannot be a cookie's", "write a plain path, such as /session"));
    }
    let written = written.map(Spanned::get_ref);
    let path = path(config, written.and_then(|written| written.path.as_ref()))?;
    let name = name(config, written.and_then(|written| written.name.as_ref()), &path)?;
    let base = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    let refresh = CookieRule::new(format!("__Secure-{base}-refresh"), Vec::new());
    let mut origins: Vec<String> = session.origins.iter().map(|origin| origin.get_ref().clone()).collect();
    origins.extend(origin_of(session.issuer.get_ref()));
    let access = Arc::new(CookieRule::new(name, origins));
    let same_site = same_site(config, written.and_then(|written| written.same_site.as_ref()))?;
    Ok(CookieSettings { access, path, refresh, refresh_path, same_site })
}

/// The origin of the gateway's own pages, as far as its URL tells it.
fn origin_of(issuer: &str) -> Option<String> {
    let uri = issuer.parse::<Uri>().ok()?;
    let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    origin_fault(&origin).is_none().then_some(origin)
}

fn path(config: &Config, written: Option<&Spanned<String>>) -> Result<String, ConfigError> {
    let Some(written) = written else { return Ok("/".to_owned()) };
    let text = written.get_ref();
    if is_plain_path(text) && (text == "/" || !text.ends_with('/')) {
        return Ok(text.clone());
    }
    Err(config.error(written.span().start, format!("session.cookie: `{text}` is no path"), "write a plain path, such as /"))
}

fn name(config: &Config, written: Option<&Spanned<String>>, path: &str) -> Result<String, ConfigError> {
    let Some(written) = written else {
        return Ok(if path == "/" { "__Host-session" } else { "__Secure-session" }.to_owned());
    };
    let text = written.get_ref();
    let error = |fault: String, mend: &str| Err(config.error(written.span().start, format!("session.cookie: {fault}"), mend));
    let lower = text.to_ascii_lowercase();
    let looks_prefixed = PREFIXES.iter().any(|prefix| lower.starts_with(&prefix.to_ascii_lowercase()) && !text.starts_with(prefix));
    let base = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    if base.is_empty() || text.len() > MOST_NAME || !is_token(text.as_bytes()) || looks_prefixed {
        return error(format!("`{text}` is no name of a cookie"), "write letters, digits and hyphens, such as __Host-session");
    }
    if text.starts_with(PREFIXES[0]) && path != "/" {
        return error(format!("browsers take `{text}` with the path / only"), "write `path = \"/\"`, or a name that begins with __Secure-");
    }
    Ok(text.clone())
}

fn same_site(config: &Config, written: Option<&Spanned<String>>) -> Result<SameSite, ConfigError> {
    match written.map(|written| (written.get_ref().as_str(), written.span().start)) {
        None | Some(("strict", _)) => Ok(SameSite::Strict),
        Some(("lax", _)) => Ok(SameSite::Lax),
        Some((other, at)) => {
            let fault = format!("session.cookie: no same_site `{other}`");
            Err(config.error(at, fault, "write strict or lax; a cookie that every site sends is no proof of anything"))
        }
    }
}
