//! From the configuration as written to one that is valid by construction.

mod admin;
mod audit;
mod authority;
mod decide;
mod envelope;
mod faults;
mod files;
mod forward;
mod listeners;
mod log;
mod register;
mod response;
mod route;
mod session;
mod store;
mod upstream;

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use countersign_protocol::Dialects;

use self::faults::Faults;
use self::route::Reader;
pub(super) use self::session::password_options;
pub(super) use self::store::stores;
use self::upstream::Upstreams;
use super::written::{Span, WrittenLimits};
use super::{Checked, Config, ConfigError, Running, Settings};
use crate::decide::Decide;
use crate::limits::{AddressRate, Limits};
use crate::reload::Fixed;
use crate::route::{Route, Routes};
use crate::session::SessionSettings;
use crate::upstream::Directory;

/// Threads that a gateway may have.
const MAX_WORKERS: usize = 256;

/// Everything that is wrong or weak, and the settings if nothing is wrong.
pub(super) fn check(config: &Config, dialects: &Dialects, before: &Directory, running: Option<Running<'_>>) -> Checked {
    let written = &config.written;
    let mut faults = Faults::beginning_with(config.faults.clone());
    let mut warnings = Vec::new();
    let limits = limits(&written.limits);
    let listen = faults.keep_all(written.listen.iter().map(|text| listeners::address(config, text))).unwrap_or_default();
    let tls = listeners::tls(config, &mut warnings, &mut faults);
    if written.listen.is_empty() && written.tls.is_empty() && config.is_whole() {
        faults.add(config.error(0, "no address to listen on", "write `listen = [\"127.0.0.1:8080\"]`"));
    }
    let workers = faults.keep(workers(config));
    let admin = faults.keep(written.admin.as_ref().map(|written| admin::settings(config, written)).transpose());
    let log = faults.keep(log::settings(config, written.log.as_ref()));
    let proxies = listeners::proxies(config, &mut faults);
    // As written: what cannot be read is told where it stands, and not again with each route that needs it.
    let asks_clients = written.tls.iter().any(|tls| tls.get_ref().client_ca.is_some()) || !config.is_whole();
    let trusts = !written.trusted_proxies.is_empty() || !config.is_whole();
    let audit = faults.keep(audit::settings(config)).flatten();
    let decide = faults.keep(decide::mode(config));
    let decides = decide.as_ref().and_then(Option::as_ref);
    let session = written.session.as_ref().map(|written| session::settings(config, written, &listen, dialects, trusts));
    let session = faults.keep(session.transpose());
    let users = session.as_ref().and_then(Option::as_ref);
    let around = Around { listen: &listen, asks_clients, trusts, limits: &limits, decide: decides, users, running };
    let mut upstreams = Upstreams::read(config, &limits, before, &mut faults);
    let routes = routes(config, dialects, &around, &mut upstreams, &mut warnings, &mut faults);
    // At the next start too, or the gateway would not come back.
    let mut desks = users.into_iter().chain(running.and_then(|running| running.0));
    if let Some(fault) = desks.find_map(|desk| session::hidden_route(config, desk, &routes)) {
        faults.add(fault);
    }
    let register = written.register.as_ref().map(|written| register::settings(config, written, &listen, &routes, dialects));
    let register = faults.keep(register.transpose());
    let upstreams = upstreams.directory;
    let mut fixed = fixed(config, workers, &limits);
    for (name, value) in [
        ("admin", format!("{admin:?}")),
        ("audit", format!("{audit:?}")),
        ("log", format!("{log:?}")),
        ("register", format!("{register:?}")),
        ("session", format!("{session:?}")),
    ] {
        fixed.note(name, value);
    }
    let settings = workers.zip(admin).zip(decide).zip(log.zip(register)).zip(session).filter(|_| faults.is_empty()).map(
        |((((workers, admin), decide), (log, register)), session)| Settings {
            log,
            register,
            session,
            warnings: warnings.clone(),
            routes: Routes::new(routes),
            upstreams,
            listen,
            tls,
            proxies,
            admin,
            workers,
            limits,
            fixed,
            audit,
            decide,
        },
    );
    Checked { faults: faults.in_order(), warnings, settings }
}

/// What routes are read against.
struct Around<'a> {
    listen: &'a [SocketAddr],
    /// Whether any listener asks clients for a certificate.
    asks_clients: bool,
    /// Whether any proxy is trusted.
    trusts: bool,
    limits: &'a Limits,
    /// The proxy that asks, in decide mode.
    decide: Option<&'a Decide>,
    /// How users log in, where they do.
    users: Option<&'a SessionSettings>,
    /// How they do until the next start.
    running: Option<Running<'a>>,
}

fn routes(
    config: &Config,
    dialects: &Dialects,
    around: &Around<'_>,
    upstreams: &mut Upstreams<'_>,
    warnings: &mut Vec<String>,
    faults: &mut Faults,
) -> Vec<Route> {
    let written = &config.written.route;
    if written.is_empty() && config.is_whole() {
        faults.add(config.error(0, "no route", "write a [[route]] with prefix, upstream and dialects"));
    }
    let mut routes: Vec<Route> = Vec::new();
    for route in written {
        let reader = Reader { config, around, written: route.get_ref(), span: route.span() };
        let Some(read) = reader.route(dialects, upstreams, warnings, faults) else { continue };
        if let Some(other) = routes.iter().find(|other| same_requests(other, &read)) {
            let fault = format!("this route takes the requests of the route {}", other.name);
            faults.add(reader.error_at_route(fault, "change its host, prefix or methods"));
        }
        routes.push(read);
    }
    routes
}

fn workers(config: &Config) -> Result<usize, ConfigError> {
    match &config.written.workers {
        Some(workers) if !(1..=MAX_WORKERS).contains(workers.get_ref()) => {
            Err(config.error(workers.span().start, "workers is out of range", format!("write a number from 1 to {MAX_WORKERS}")))
        }
        Some(workers) => Ok(*workers.get_ref()),
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS)),
    }
}

/// What takes effect at a start only.
fn fixed(config: &Config, workers: Option<usize>, limits: &Limits) -> Fixed {
    let written = &config.written;
    let addresses = |list: &[toml::Spanned<String>]| list.iter().map(|text| text.get_ref().clone()).collect::<Vec<_>>();
    let tls: Vec<_> = written.tls.iter().map(|tls| addresses(&tls.get_ref().listen)).collect();
    let mut fixed = Fixed::default();
    fixed.note("listen", addresses(&written.listen));
    fixed.note("the addresses of tls", tls);
    fixed.note("workers", workers);
    fixed.note("data", &written.data);
    fixed.note("store", &written.store);
    fixed.note("master_key", &written.master_key);
    fixed.note("limits.connections", limits.connections);
    fixed
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
        answer_idle: time(written.answer_idle, default.answer_idle),
        body_bytes: count(written.body_bytes, default.body_bytes),
        bodies_bytes: count(written.bodies_bytes, default.bodies_bytes),
        address_rate: written
            .address_rate
            .as_ref()
            .map(toml::Spanned::get_ref)
            .map(|rate| AddressRate { per_second: rate.per_second.get(), burst: rate.burst.get() }),
        requests: count(written.requests, default.requests),
        queue: written.queue.unwrap_or(default.queue),
        queue_time: time(written.queue_time, default.queue_time),
        handshake_time: time(written.handshake_time, default.handshake_time),
        connections: count(written.connections, default.connections),
        upstream_connect: time(written.upstream_connect, default.upstream_connect),
        upstream_head: time(written.upstream_head, default.upstream_head),
        upstream_idle: time(written.upstream_idle, default.upstream_idle),
        upstream_answer_idle: time(written.upstream_answer_idle, default.upstream_answer_idle),
        drain: time(written.drain, default.drain),
    }
}

fn same_requests(a: &Route, b: &Route) -> bool {
    let methods = a.methods.is_empty() || b.methods.is_empty() || a.methods.iter().any(|m| b.methods.contains(m));
    a.host == b.host && a.prefix == b.prefix && methods
}
