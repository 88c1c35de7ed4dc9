//! Services and routes of a declarative file, and which of them may be opened.

use std::collections::BTreeMap;

use super::{Does, Plugin, Scoped, plugins, reference};
use crate::import::draft::{Draft, RouteDraft};
use crate::import::entry::{Entry, Leftovers};

/// Characters of a path that is a pattern.
const PATTERN: &str = "()[]{}*+?^$|\\~";

/// The services of a file.
#[derive(Default)]
pub(super) struct Services<'a> {
    list: Vec<Service<'a>>,
}

/// A service: where its routes go, and its plug-ins.
struct Service<'a> {
    names: Vec<String>,
    /// The address; absent when it cannot be reached from here. That was noted.
    upstream: Option<String>,
    plugins: Vec<Plugin>,
    routes: Vec<Entry<'a>>,
}

impl<'a> Services<'a> {
    /// Reads the services, and the upstreams that they name.
    pub(super) fn read(root: &Entry<'a>, draft: &Draft<'_>) -> Self {
        let upstreams = upstreams(root, draft);
        let list = root.entries("services").into_iter().filter_map(|entry| service(&entry, draft, &upstreams)).collect();
        Self { list }
    }

    /// Adds every route that may be opened.
    pub(super) fn routes(&self, root: &Entry<'a>, draft: &mut Draft<'_>, scoped: &Scoped) {
        for service in &self.list {
            service.routes.iter().for_each(|route| service.route(route, draft, scoped));
        }
        for route in root.entries("routes") {
            let name = reference(&route, "service").unwrap_or_default();
            match self.list.iter().find(|service| service.names.contains(&name)) {
                Some(service) => service.route(&route, draft, scoped),
                None => draft.notes.left_out(&route.path, "its service is not in the file", "name a service of the file"),
            }
        }
    }
}

/// The single target of each upstream.
fn upstreams(root: &Entry<'_>, draft: &Draft<'_>) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    for entry in root.entries("upstreams") {
        let name = entry.text("name").unwrap_or_default().to_owned();
        let targets = entry.entries("targets");
        let addresses: Vec<_> = targets.iter().filter_map(|target| target.text("target")).collect();
        for target in &targets {
            target.finish("target", draft.table);
        }
        let single = if let [single] = addresses.as_slice() { Some((*single).to_owned()) } else { None };
        if single.is_none() {
            let why = format!("it has {} targets, and a route has one upstream", addresses.len());
            draft.notes.left_out(&entry.path, why, "name one address, such as that of a balancer");
        }
        entry.finish("upstream", draft.table);
        found.insert(name, single);
    }
    found
}

fn service<'a>(entry: &Entry<'a>, draft: &Draft<'_>, upstreams: &BTreeMap<String, Option<String>>) -> Option<Service<'a>> {
    let names: Vec<String> = [entry.name("name"), entry.name("id")].into_iter().flatten().map(str::to_owned).collect();
    let address = address(entry, draft, upstreams);
    let (own, routes) = (plugins(entry, draft), entry.entries("routes"));
    if entry.flag("enabled") == Some(false) {
        draft.notes.remark(&entry.path, "the service is switched off there, and is left out with its routes");
        return None;
    }
    let whole = entry.finish("service", draft.table) == Leftovers::Harmless;
    Some(Service { names, upstream: address.filter(|_| whole), plugins: own, routes })
}

/// `scheme://host:port` of a service.
fn address(entry: &Entry<'_>, draft: &Draft<'_>, upstreams: &BTreeMap<String, Option<String>>) -> Option<String> {
    let (scheme, host, port) = (entry.text("protocol").unwrap_or("http"), entry.text("host"), entry.number("port"));
    let (url, path) = (entry.text("url"), entry.text("path"));
    let base = match (url, host) {
        (Some(url), _) => url.to_owned(),
        (None, Some(host)) => match upstreams.get(host) {
            Some(target) => format!("{scheme}://{}", target.as_ref()?),
            None => format!("{scheme}://{host}:{}", port.unwrap_or(if scheme == "https" { 443 } else { 80 })),
        },
        (None, None) => {
            draft.notes.left_out(&entry.path, "the service has neither url nor host", "name where it is");
            return None;
        }
    };
    let (origin, own_path) = split(&base);
    let path = path.unwrap_or(own_path);
    if !matches!(path, "" | "/") {
        let why = format!("requests keep the path that was signed, and here {path} is put before it");
        draft.notes.left_out(
            &entry.path,
            why,
            "let the upstream serve the outer paths, or keep a proxy that changes them behind this gateway",
        );
        return None;
    }
    Some(origin.to_owned())
}

/// An address and its path.
fn split(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    match url[start..].find('/') {
        Some(slash) => url.split_at(start + slash),
        None => (url, ""),
    }
}

impl Service<'_> {
    fn route(&self, entry: &Entry<'_>, draft: &mut Draft<'_>, scoped: &Scoped) {
        let names = [entry.name("name"), entry.name("id")];
        let own = plugins(entry, draft);
        let shape = Shape::read(entry, draft);
        let by_route = names.iter().flatten().filter_map(|name| scoped.route.get(*name)).flatten();
        let by_service = self.names.iter().filter_map(|name| scoped.service.get(name)).flatten();
        let effect: Vec<&Plugin> = own.iter().chain(by_route).chain(&self.plugins).chain(by_service).chain(&scoped.everywhere).collect();
        let Some((mut route, shape)) = self.guarded(entry, draft, &effect).zip(shape) else { return };
        route.methods = shape.methods;
        for host in &shape.hosts {
            for prefix in &shape.prefixes {
                draft.routes.push(RouteDraft { host: host.clone(), prefix: prefix.clone(), ..route.clone() });
            }
        }
    }

    /// The route without its shape, if something verifies it and nothing that may keep somebody out is lost. The nearest
    /// plug-in of a name is the one in effect.
    fn guarded(&self, entry: &Entry<'_>, draft: &Draft<'_>, effect: &[&Plugin]) -> Option<RouteDraft> {
        if let Some(unknown) = effect.iter().find(|plugin| matches!(plugin.does, Does::Unknown)) {
            let why = format!("the plug-in {} ({}) may keep somebody out, and is not carried over whole", unknown.name, unknown.path);
            draft.notes.left_out(&entry.path, why, "carry that plug-in over by hand, and write the route by hand");
            return None;
        }
        let guard = effect.iter().find_map(|plugin| if let Does::Verify(guard) = &plugin.does { Some(guard.clone()) } else { None });
        let allow = effect.iter().find_map(|plugin| if let Does::Allow(groups) = &plugin.does { Some(groups.clone()) } else { None });
        let Some(guard) = guard else {
            draft.notes.left_out(
                &entry.path,
                "nothing verifies signatures on this route",
                "keep it on the old gateway, or let its callers sign",
            );
            return None;
        };
        let Some(upstream) = self.upstream.clone() else {
            draft.notes.left_out(&entry.path, "its service was left out", "see the note on the service");
            return None;
        };
        let path = entry.path.clone();
        Some(RouteDraft { path, host: None, prefix: String::new(), methods: Vec::new(), upstream, guard, allow })
    }
}

/// Which requests a route takes.
struct Shape {
    hosts: Vec<Option<String>>,
    prefixes: Vec<String>,
    methods: Vec<String>,
}

impl Shape {
    /// Reads it; `None` when requests would be taken that were not before, or go elsewhere. That was noted.
    fn read(entry: &Entry<'_>, draft: &Draft<'_>) -> Option<Self> {
        let (hosts, paths) = (entry.texts("hosts"), entry.texts("paths"));
        let methods = entry.texts("methods").into_iter().map(str::to_owned).collect();
        let (strip, keep_host) = (entry.flag("strip_path"), entry.flag("preserve_host"));
        let protocols = entry.texts("protocols");
        let mut whole = entry.finish("route", draft.table) == Leftovers::Harmless;
        let mut refuse = |key: &str, why: &str, mend: &str| {
            draft.notes.left_out(&entry.at(key), why, mend);
            whole = false;
        };
        if hosts.iter().any(|host| host.contains('*')) {
            refuse("hosts", "a host with * stands for many, and a route has one", "name the hosts");
        }
        if paths.iter().any(|path| path.contains(|c| PATTERN.contains(c))) {
            refuse("paths", "a path is a pattern, and routes are prefixes", "name the prefixes");
        }
        if strip != Some(false) && paths.iter().any(|path| *path != "/") {
            let mend = "let the upstream serve the outer paths, write strip_path: false, and import again";
            refuse("strip_path", "the prefix is taken off before forwarding, and here a request goes upstream as it was signed", mend);
        }
        if !protocols.is_empty() && !protocols.iter().any(|protocol| matches!(*protocol, "http" | "https")) {
            refuse("protocols", "the route is not for HTTP requests", "keep it on the old gateway");
        }
        if keep_host != Some(true) {
            draft.notes.remark(&entry.path, "the upstream gets the Host header as it was signed, not its own name");
        }
        if paths.iter().any(|path| !path.ends_with('/')) {
            draft.notes.remark(&entry.at("paths"), "a prefix ends on the border of a segment: /a is /a and /a/b, no longer /ab");
        }
        whole.then(|| Self { hosts: or_any(&hosts), prefixes: or_all(&paths), methods })
    }
}

fn or_any(hosts: &[&str]) -> Vec<Option<String>> {
    if hosts.is_empty() { vec![None] } else { hosts.iter().map(|host| Some((*host).to_owned())).collect() }
}

fn or_all(paths: &[&str]) -> Vec<String> {
    if paths.is_empty() { vec!["/".to_owned()] } else { paths.iter().map(|path| (*path).to_owned()).collect() }
}
