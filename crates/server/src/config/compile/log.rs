//! The log, from as written to valid by construction.

use std::net::IpAddr;

use ipnet::IpNet;
use toml::Spanned;

use crate::access::{AccessSettings, LogSettings};
use crate::config::written::log::{WrittenFormat, WrittenLog};
use crate::config::{Config, ConfigError};

pub(super) fn settings(config: &Config, written: Option<&Spanned<WrittenLog>>) -> Result<LogSettings, ConfigError> {
    let Some(written) = written.map(Spanned::get_ref) else { return Ok(LogSettings::default()) };
    let default = AccessSettings::default();
    Ok(LogSettings {
        json: written.format.map(|format| matches!(format, WrittenFormat::Json)),
        level: written.level.clone(),
        access: AccessSettings {
            on: written.access.unwrap_or(default.on),
            one_success_in: written.one_success_in.unwrap_or(default.one_success_in),
            ids_from: written.request_ids_from.iter().map(|range| read(config, range)).collect::<Result<_, _>>()?,
        },
    })
}

fn read(config: &Config, range: &Spanned<String>) -> Result<IpNet, ConfigError> {
    let text = range.get_ref();
    let parsed = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let mend = "write an address or a range, such as 10.0.0.0/8";
    parsed.ok_or_else(|| config.error(range.span().start, format!("`{text}` is no range of addresses"), mend))
}
