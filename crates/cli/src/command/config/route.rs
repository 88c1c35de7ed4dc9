//! What is legal and weak in the routes of a config.

use std::time::Duration;

use countersign_protocol::{Dialect, Part, ReplayMode};
use countersign_server::config::Settings;
use countersign_server::route::Route;

use super::check::Finding;
use super::place::Place;

/// The longest window that is not remarked: the longest that a vendor states.
const LONG_WINDOW: Duration = Duration::from_secs(15 * 60);
/// Where Linux tells how much memory there is.
const MEMORY: &str = "/proc/meminfo";

/// Looks at every route.
pub(super) fn weak(settings: &Settings, place: &Place<'_>) -> Vec<Finding> {
    let routes: Vec<&Route> = settings.routes.iter().collect();
    let mut found = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let look = Look { index, route, place };
        found.extend(look.window());
        found.extend(look.unsafe_dialects());
        found.extend(look.replay());
        found.extend(look.without_expiry());
        found.extend(look.waived());
        found.extend(look.never_signed());
        found.extend(look.cleartext());
        found.extend(routes.iter().filter_map(|other| look.shadowed(other)));
    }
    found.extend(memory(settings, &routes, place));
    found
}

/// A warning of the loader: `FILE:LINE: TEXT; MEND`.
pub(super) fn loader(warning: &str, file: &str) -> Finding {
    let placed = warning.strip_prefix(file).and_then(|rest| rest.strip_prefix(':')).and_then(|rest| rest.split_once(": "));
    let placed = placed.and_then(|(line, text)| Some((line.parse().ok()?, text)));
    let (line, text) = placed.map_or((None, warning), |(line, text)| (Some(line), text));
    let (text, mend) = text.rsplit_once("; ").unwrap_or((text, "see the configuration reference"));
    Finding::warning(line, text, mend)
}

/// One route.
struct Look<'s> {
    index: usize,
    route: &'s Route,
    place: &'s Place<'s>,
}

impl Look<'_> {
    fn warning(&self, key: &str, text: &str, mend: &str) -> Finding {
        Finding::warning(self.place.route(self.index, key), format!("route {}: {text}", self.route.name), mend)
    }

    fn dialects(&self, holds: impl Fn(&Dialect) -> bool) -> String {
        let ids: Vec<&str> = self.route.rules.dialects.iter().filter(|dialect| holds(dialect)).map(Dialect::id).collect();
        ids.join(", ")
    }

    fn window(&self) -> Option<Finding> {
        let own = self.route.rules.policy.window;
        let windows = self.route.rules.dialects.iter().filter_map(|dialect| own.or_else(|| dialect.window()));
        let longest = windows.map(|window| window.past.max(window.future)).max()?;
        (longest > LONG_WINDOW).then(|| {
            let text = format!("a signed time may be {} s off, so a stolen request is good for long", longest.as_secs());
            self.warning("window", &text, "write a shorter `window`, at most 15m")
        })
    }

    fn unsafe_dialects(&self) -> Option<Finding> {
        let ids = self.dialects(Dialect::is_unsafe);
        (!ids.is_empty()).then(|| self.warning("unsafe", &format!("{ids} can be forged"), "move these callers to another dialect"))
    }

    fn replay(&self) -> Option<Finding> {
        let own = self.route.rules.replay;
        let ids = self.dialects(|dialect| own.unwrap_or_else(|| dialect.replay()) == ReplayMode::None);
        let mend = match own {
            Some(_) => "remove `replay = \"none\"`, unless repeating a request does no harm",
            None => "write `replay` for the route, or use a dialect that signs a time or a nonce",
        };
        (!ids.is_empty()).then(|| self.warning("replay", &format!("a request in {ids} may be sent again and again"), mend))
    }

    fn without_expiry(&self) -> Option<Finding> {
        let rules = &self.route.rules;
        let ids = self.dialects(|dialect| rules.mode(dialect) == ReplayMode::UntilExpiry && dialect.max_expires().is_none());
        if !ids.is_empty() {
            let text = format!("{ids} carries no expiry, so its requests pass once, as with `signature`");
            return Some(self.warning("replay", &text, "write `replay = \"signature\"`, or name a dialect of presigned URLs"));
        }
        let is_idle = rules.policy.max_expires.is_some() && rules.dialects.iter().all(|dialect| dialect.max_expires().is_none());
        is_idle.then(|| self.warning("max_expires", "no dialect here carries an expiry, so it does nothing", "remove `max_expires`"))
    }

    /// What may be left unsigned, as the route says, and matters.
    fn waived(&self) -> Option<Finding> {
        let open: Vec<String> = self.route.rules.policy.waive.iter().map(ToString::to_string).collect();
        let text = format!("requests pass that do not sign {}: who is on the way may change that", open.join(", "));
        (!open.is_empty()).then(|| self.warning("waive", &text, "remove from `waive` what your callers can sign"))
    }

    /// What is required and cannot be signed: no request of the dialect would pass.
    fn never_signed(&self) -> Option<Finding> {
        let refused = self.route.rules.policy.require.iter().find_map(|part| {
            let can = |dialect: &Dialect| match part {
                Part::Header(name) => dialect.can_sign_header(name),
                Part::QueryParameter(_) if dialect.can_sign(&Part::Query) => true,
                part => dialect.can_sign(part),
            };
            let ids = self.dialects(|dialect| !can(dialect));
            (!ids.is_empty()).then(|| format!("every request in {ids} is refused, because it cannot sign {part}"))
        })?;
        Some(self.warning("require", &refused, "remove it from `require`, or name other dialects"))
    }

    fn cleartext(&self) -> Option<Finding> {
        let ids = self.dialects(Dialect::carries_secret);
        (self.route.rules.policy.allow_cleartext && !ids.is_empty())
            .then(|| self.warning("loopback_is_tls", &format!("{ids} shows its secret to whoever reads the loopback"), "end TLS in front"))
    }

    /// A route for one host takes what a route for any host seems to be for.
    fn shadowed(&self, other: &Route) -> Option<Finding> {
        let host = other.host.as_deref().filter(|_| self.route.host.is_none())?;
        let below = self.route.prefix.starts_with(&other.prefix) && self.route.prefix.len() > other.prefix.len();
        let border = other.prefix.ends_with('/') || self.route.prefix[other.prefix.len().min(self.route.prefix.len())..].starts_with('/');
        let (own, others) = (&self.route.methods, &other.methods);
        let methods = own.is_empty() || others.is_empty() || own.iter().any(|method| others.contains(method));
        (below && border && methods).then(|| {
            let text = format!("requests for {host} go to the route {} instead, because a route with a host comes first", other.name);
            self.warning("prefix", &text, "write a route with that host too, if they should come here")
        })
    }
}

/// Bodies that may be in memory at one time, against the memory of the machine.
fn memory(settings: &Settings, routes: &[&Route], place: &Place<'_>) -> Option<Finding> {
    // Where bodies go by, nobody holds them.
    let held = routes.iter().enumerate().filter(|(_, route)| route.rules.body_limit != usize::MAX);
    let (index, largest) = held.max_by_key(|(_, route)| route.rules.body_limit)?;
    let worst = settings.limits.requests.saturating_mul(largest.rules.body_limit);
    let there = total_memory()?;
    (largest.rules.body_limit > there / 4 || worst > there.saturating_mul(64)).then(|| {
        let text = format!(
            "{} requests with bodies of {} bytes are {} MiB, and this machine has {} MiB",
            settings.limits.requests,
            largest.rules.body_limit,
            worst >> 20,
            there >> 20
        );
        Finding::warning(place.route(index, "body_limit"), text, "lower `body_limit`, `limits.body_bytes` or `limits.requests`")
    })
}

fn total_memory() -> Option<usize> {
    let text = std::fs::read_to_string(MEMORY).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}
