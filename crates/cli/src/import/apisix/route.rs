//! Upstreams, services and routes of a standalone file, and which routes may be opened.

use std::collections::BTreeMap;

use super::PLUGIN;
use crate::import::document::Node;
use crate::import::draft::{Draft, Guard, RouteDraft};
use crate::import::entry::{Entry, Leftovers};
use crate::import::table::GuardKeys;

/// What the plug-ins of one place do.
#[derive(Default, Clone)]
pub(super) struct Plugins {
    verify: Option<Guard>,
    /// Where a plug-in stands that may keep somebody out, and is not carried over whole.
    unknown: Option<String>,
}

impl Plugins {
    /// Notes every plug-in but the one that verifies.
    pub(super) fn others(plugins: &Entry<'_>, draft: &Draft<'_>) -> Leftovers {
        let mut all = Leftovers::Harmless;
        for name in plugins.keys().filter(|name| *name != PLUGIN && !disabled(plugins, name, draft)) {
            if draft.other_plugin(&plugins.at(name), name) == Leftovers::Guarding {
                all = Leftovers::Guarding;
            }
        }
        all
    }

    fn read(plugins: Option<&Entry<'_>>, draft: &Draft<'_>, keys: Option<&GuardKeys>) -> Self {
        let Some(plugins) = plugins else { return Self::default() };
        let mut unknown = (Self::others(plugins, draft) == Leftovers::Guarding).then(|| plugins.path.clone());
        let config = plugins.entry(PLUGIN).filter(|_| !disabled(plugins, PLUGIN, draft));
        let verify = config.zip(keys).and_then(|(config, keys)| {
            let meta = config.entry("_meta").map_or(Leftovers::Harmless, |meta| meta.finish("meta", draft.table));
            let guard = draft.guard(&config, keys).filter(|_| meta == Leftovers::Harmless);
            unknown = unknown.take().or_else(|| guard.is_none().then(|| config.path.clone()));
            guard
        });
        Self { verify, unknown }
    }
}

/// Whether a plug-in is switched off.
fn disabled(plugins: &Entry<'_>, name: &str, draft: &Draft<'_>) -> bool {
    let Some(Node::Map(config)) = plugins.node(name) else { return false };
    let Some((_, meta)) = config.iter().find(|(key, _)| key == "_meta") else { return false };
    let Some(meta) = Entry::of(meta, plugins.at(name) + "._meta", draft.notes) else { return false };
    meta.flag("disable") == Some(true)
}

/// A service: where it goes, which hosts it takes, its plug-ins.
#[derive(Default)]
struct Service {
    upstream: Option<String>,
    hosts: Vec<String>,
    plugins: Plugins,
    /// Whether everything that may keep somebody out was understood.
    whole: bool,
}

/// Everything that routes refer to.
pub(super) struct Routing<'d> {
    keys: Option<&'d GuardKeys>,
    upstreams: BTreeMap<String, Option<String>>,
    services: BTreeMap<String, Service>,
    plugin_configs: BTreeMap<String, Plugins>,
    everywhere: Vec<Plugins>,
}

impl<'d> Routing<'d> {
    /// Reads upstreams, services, plug-in configurations and global rules.
    pub(super) fn read(root: &Entry<'_>, draft: &Draft<'d>, keys: Option<&'d GuardKeys>) -> Self {
        let named = |key: &str| root.entries(key).into_iter().filter_map(|entry| Some((entry.name("id")?.to_owned(), entry)));
        let upstreams: BTreeMap<_, _> = named("upstreams").map(|(id, entry)| (id, address(&entry, draft))).collect();
        let services = named("services").map(|(id, entry)| (id, service(&entry, draft, keys, &upstreams))).collect();
        let own = |entry: &Entry<'_>, kind: &str| {
            let plugins = Plugins::read(entry.entry("plugins").as_ref(), draft, keys);
            entry.finish(kind, draft.table);
            plugins
        };
        let plugin_configs = named("plugin_configs").map(|(id, entry)| (id, own(&entry, "plugin_config"))).collect();
        let everywhere = root.entries("global_rules").iter().map(|entry| own(entry, "global_rule")).collect();
        Self { keys, upstreams, services, plugin_configs, everywhere }
    }

    /// Adds every route that may be opened.
    pub(super) fn routes(&self, root: &Entry<'_>, draft: &mut Draft<'_>) {
        for entry in root.entries("routes") {
            if entry.number("status") == Some(0) {
                draft.notes.remark(&entry.path, "the route is switched off there, and is left out");
            } else {
                self.route(&entry, draft);
            }
        }
    }

    fn route(&self, entry: &Entry<'_>, draft: &mut Draft<'_>) {
        let none = Service { whole: true, ..Service::default() };
        let service = match entry.name("service_id") {
            Some(id) => self.services.get(id),
            None => Some(&none),
        };
        let configured = match entry.name("plugin_config_id") {
            Some(id) => self.plugin_configs.get(id).cloned(),
            None => Some(Plugins::default()),
        };
        let own = Plugins::read(entry.entry("plugins").as_ref(), draft, self.keys);
        let upstream = self.upstream(entry, draft).or_else(|| service.and_then(|service| service.upstream.clone()));
        let prefixes = prefixes(entry, draft);
        let mut hosts: Vec<String> = entry.texts("hosts").into_iter().chain(entry.text("host")).map(str::to_owned).collect();
        let methods: Vec<String> = entry.texts("methods").into_iter().map(str::to_owned).collect();
        let whole = entry.finish("route", draft.table) == Leftovers::Harmless;
        let (Some(service), Some(configured)) = (service, configured) else {
            draft.notes.left_out(&entry.path, "its service or plug-in configuration is not in the file", "name one of the file");
            return;
        };
        if hosts.is_empty() {
            hosts.clone_from(&service.hosts);
        }
        let effect: Vec<&Plugins> = [&own, &configured, &service.plugins].into_iter().chain(&self.everywhere).collect();
        let Some((guard, upstream)) = guarded(entry, draft, &effect, upstream) else { return };
        if hosts.iter().any(|host| host.contains('*')) {
            draft.notes.left_out(&entry.at("hosts"), "a host with * stands for many, and a route has one", "name the hosts");
            return;
        }
        if !whole || !service.whole {
            return;
        }
        let hosts = if hosts.is_empty() { vec![None] } else { hosts.into_iter().map(Some).collect() };
        let path = entry.path.clone();
        for (host, prefix) in hosts.iter().flat_map(|host| prefixes.iter().map(move |prefix| (host, prefix))) {
            let (host, prefix, path) = (host.clone(), prefix.clone(), path.clone());
            let (methods, upstream, guard) = (methods.clone(), upstream.clone(), guard.clone());
            draft.routes.push(RouteDraft { path, host, prefix, methods, upstream, guard, allow: None });
        }
    }

    fn upstream(&self, entry: &Entry<'_>, draft: &Draft<'_>) -> Option<String> {
        let by_id = entry.name("upstream_id").and_then(|id| self.upstreams.get(id).cloned().flatten());
        by_id.or_else(|| entry.entry("upstream").and_then(|upstream| address(&upstream, draft)))
    }
}

fn guarded(entry: &Entry<'_>, draft: &Draft<'_>, effect: &[&Plugins], upstream: Option<String>) -> Option<(Guard, String)> {
    if let Some(unknown) = effect.iter().find_map(|plugins| plugins.unknown.as_ref()) {
        let why = format!("a plug-in at {unknown} may keep somebody out, and is not carried over whole");
        draft.notes.left_out(&entry.path, why, "carry that plug-in over by hand, and write the route by hand");
        return None;
    }
    let Some(guard) = effect.iter().find_map(|plugins| plugins.verify.clone()) else {
        draft.notes.left_out(
            &entry.path,
            "nothing verifies signatures on this route",
            "keep it on the old gateway, or let its callers sign",
        );
        return None;
    };
    if upstream.is_none() {
        draft.notes.left_out(&entry.path, "it has no upstream of one address", "name one address, such as that of a balancer");
    }
    Some((guard, upstream?))
}

/// The paths that can be routed: those that end in `/*`. That others cannot was noted.
fn prefixes(entry: &Entry<'_>, draft: &Draft<'_>) -> Vec<String> {
    let mut prefixes = Vec::new();
    for uri in entry.texts("uris").into_iter().chain(entry.text("uri")) {
        match uri.strip_suffix('*') {
            Some(prefix) if prefix.ends_with('/') && !prefix.contains(['*', ':']) => prefixes.push(prefix.to_owned()),
            _ => {
                let why = format!("{uri} is one path or a pattern, and routes are prefixes: what is below it would be opened too");
                draft.notes.left_out(&entry.path, why, "write it with /* at its end, if what is below it may be called");
            }
        }
    }
    prefixes
}

fn service<'d>(entry: &Entry<'_>, draft: &Draft<'d>, keys: Option<&'d GuardKeys>, upstreams: &BTreeMap<String, Option<String>>) -> Service {
    let by_id = entry.name("upstream_id").and_then(|id| upstreams.get(id).cloned().flatten());
    let upstream = by_id.or_else(|| entry.entry("upstream").and_then(|upstream| address(&upstream, draft)));
    let plugins = Plugins::read(entry.entry("plugins").as_ref(), draft, keys);
    let hosts = entry.texts("hosts").into_iter().map(str::to_owned).collect();
    let whole = entry.finish("service", draft.table) == Leftovers::Harmless;
    Service { upstream, hosts, plugins, whole }
}

/// `scheme://host:port` of an upstream with one server.
fn address(entry: &Entry<'_>, draft: &Draft<'_>) -> Option<String> {
    let scheme = entry.text("scheme").unwrap_or("http");
    let servers: Vec<String> = match entry.node("nodes") {
        Some(Node::Map(map)) => map.iter().filter(|(_, weight)| weight.scalar() != "0").map(|(server, _)| server.clone()).collect(),
        Some(Node::List(_)) => entry.entries("nodes").iter().filter_map(|node| server(node, draft)).collect(),
        _ => Vec::new(),
    };
    let whole = entry.finish("upstream", draft.table) == Leftovers::Harmless;
    match servers.as_slice() {
        [single] if whole => Some(format!("{scheme}://{}", with_port(single, scheme))),
        _ => {
            let why = format!("it has {} servers in use, and a route has one upstream", servers.len());
            draft.notes.left_out(&entry.path, why, "name one address, such as that of a balancer");
            None
        }
    }
}

fn server(node: &Entry<'_>, draft: &Draft<'_>) -> Option<String> {
    let (host, port, weight) = (node.text("host"), node.number("port"), node.number("weight"));
    node.finish("node", draft.table);
    let host = host.filter(|_| weight != Some(0))?;
    Some(port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn with_port(server: &str, scheme: &str) -> String {
    if server.contains(':') { server.to_owned() } else { format!("{server}:{}", if scheme == "https" { 443 } else { 80 }) }
}
