//! How the outer peer addresses the gateway, from as written to valid by construction: the same for routes and for the session API.

use countersign_protocol::Scheme;
use toml::Spanned;

use crate::config::written::route::WrittenAuthority;
use crate::config::{Config, ConfigError};
use crate::head::is_authority;
use crate::route::ExternalAuthority;

/// What is written; `trusts` tells whether any proxy is trusted.
pub(super) fn authority(config: &Config, written: &Spanned<WrittenAuthority>, trusts: bool) -> Result<ExternalAuthority, ConfigError> {
    let error = |fault: &str, mend: &str| Err(config.error(written.span().start, fault, mend));
    match written.get_ref() {
        WrittenAuthority::Word(word) if word == "wire" => Ok(ExternalAuthority::Wire),
        WrittenAuthority::Word(word) if word == "forwarded" && !trusts => error(
            "the authority is a proxy's word, and no proxy is trusted",
            "write `trusted_proxies = [\"10.0.0.0/8\"]` with the addresses of the proxies in front",
        ),
        WrittenAuthority::Word(word) if word == "forwarded" => Ok(ExternalAuthority::Forwarded),
        WrittenAuthority::Fixed { scheme, host } => {
            let scheme = match scheme.as_str() {
                "http" => Scheme::Http,
                "https" => Scheme::Https,
                other => return error(&format!("`{other}` is no scheme"), "write http or https"),
            };
            if host.as_deref().is_some_and(|host| !is_authority(host.as_bytes())) {
                return error("the authority's host is no host", "write a name such as api.example.com");
            }
            Ok(ExternalAuthority::Fixed { scheme, host: host.clone() })
        }
        WrittenAuthority::Word(_) => error(
            "authority is neither `wire` nor `forwarded` nor a table",
            "write `authority = { scheme = \"https\", host = \"api.example.com\" }`",
        ),
    }
}
