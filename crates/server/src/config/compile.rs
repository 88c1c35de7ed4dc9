//! From the configuration as written to one that is valid by construction.

mod admin;
mod log;
mod register;
mod route;

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use countersign_protocol::Dialects;
use toml::Spanned;

use self::route::Reader;
use super::written::{Span, WrittenLimits};
use super::{Config, ConfigError, Settings};
use crate::limits::{AddressRate, Limits};
use crate::route::{Route, Routes};

/// Threads that a gateway may have.
const MAX_WORKERS: usize = 256;

pub(super) fn settings(config: &Config, dialects: &Dialects) -> Result<Settings, ConfigError> {
    let written = &config.written;
    let limits = limits(&written.limits);
    let address = |text: &Spanned<String>| {
        let mend = "write an address and a port, such as 127.0.0.1:8080";
        text.get_ref()
            .parse::<SocketAddr>()
            .map_err(|_| config.error(text.span().start, format!("`{}` is no socket address", text.get_ref()), mend))
    };
    let listen = written.listen.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    if listen.is_empty() {
        return Err(config.error(0, "no address to listen on", "write `listen = [\"127.0.0.1:8080\"]`"));
    }
    let workers = match &written.workers {
        Some(workers) if !(1..=MAX_WORKERS).contains(workers.get_ref()) => {
            return Err(config.error(workers.span().start, "workers is out of range", format!("write a number from 1 to {MAX_WORKERS}")));
        }
        Some(workers) => *workers.get_ref(),
        None => std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS),
    };
    if written.route.is_empty() {
        return Err(config.error(0, "no route", "write a [[route]] with prefix, upstream and dialects"));
    }
    let mut warnings = Vec::new();
    let mut routes: Vec<Route> = Vec::new();
    for route in &written.route {
        let reader = Reader { config, listen: &listen, written: route.get_ref(), span: route.span(), limits: &limits };
        let read = reader.route(dialects, &mut warnings)?;
        if let Some(other) = routes.iter().find(|other| same_requests(other, &read)) {
            return Err(reader.error_at_route(
                format!("this route takes the requests of the route {}", other.name),
                "change its host, prefix or methods",
            ));
        }
        routes.push(read);
    }
    let admin = written.admin.as_ref().map(|written| admin::settings(config, written)).transpose()?;
    let register = written.register.as_ref().map(|written| register::settings(config, written, &listen, &routes, dialects)).transpose()?;
    let log = log::settings(config, written.log.as_ref())?;
    Ok(Settings { listen, admin, register, log, workers, limits, routes: Routes::new(routes), warnings })
}

fn limits(written: &WrittenLimits) -> Limits {
    let default = Limits::default();
    let time = |written: Option<Span>, default| written.map_or(default, |span| span.0);
    let count = |written: Option<NonZeroUsize>, default| written.map_or(default, NonZeroUsize::get);
    Limits {
        head_bytes: count(written.head_bytes, default.head_bytes),
        header_lines: count(written.header_lines, default.header_lines),
        target_bytes: count(written.target_bytes, default.target_bytes),
        parameters: count(written.parameters, default.parameters),
        head_time: time(written.head_time, default.head_time),
        body_idle: time(written.body_idle, default.body_idle),
        body_bytes: count(written.body_bytes, default.body_bytes),
        address_rate: written.address_rate.as_ref().map(|rate| AddressRate { per_second: rate.per_second.get(), burst: rate.burst.get() }),
        requests: count(written.requests, default.requests),
        connections: count(written.connections, default.connections),
        upstream_connect: time(written.upstream_connect, default.upstream_connect),
        upstream_head: time(written.upstream_head, default.upstream_head),
        upstream_idle: time(written.upstream_idle, default.upstream_idle),
        drain: time(written.drain, default.drain),
    }
}

fn same_requests(a: &Route, b: &Route) -> bool {
    let methods = a.methods.is_empty() || b.methods.is_empty() || a.methods.iter().any(|m| b.methods.contains(m));
    a.host == b.host && a.prefix == b.prefix && methods
}
