//! Kong's declarative file: consumers with `hmacauth_credentials`, services, routes, and the plug-ins in effect on each.

mod route;

use std::collections::{BTreeMap, BTreeSet};

use self::route::Services;
use super::document::Node;
use super::draft::{Draft, Guard};
use super::entry::{Entry, Leftovers};
use crate::failure::Failure;

/// The table of this gateway.
pub(super) const TABLE: &str = include_str!("kong.yaml");
/// The format versions that are understood.
const VERSIONS: [&str; 3] = ["1.1", "2.1", "3.0"];
/// The plug-in that lets groups in.
const GROUPS: &str = "acl";

/// A plug-in that is switched on.
struct Plugin {
    path: String,
    name: String,
    does: Does,
}

/// What a plug-in does on its routes.
enum Does {
    /// It verifies signatures.
    Verify(Guard),
    /// It lets these groups in.
    Allow(BTreeSet<String>),
    /// It may keep somebody out in a way that is not carried over.
    Unknown,
    /// Nothing that keeps anybody out.
    Nothing,
}

/// Plug-ins by where they are in effect.
#[derive(Default)]
struct Scoped {
    everywhere: Vec<Plugin>,
    service: BTreeMap<String, Vec<Plugin>>,
    route: BTreeMap<String, Vec<Plugin>>,
    /// Consumers on whom a plug-in is in effect that may keep them out.
    closed: BTreeSet<String>,
}

/// Reads the file.
///
/// # Errors
/// It is no declarative file of a known version.
pub(super) fn read(root: &Entry<'_>, draft: &mut Draft<'_>) -> Result<(), Failure> {
    let version = root.name("_format_version").unwrap_or_default();
    if !VERSIONS.contains(&version) {
        let known = VERSIONS.join(", ");
        return Err(Failure::usage(format_args!("_format_version is {version:?}; a declarative file has one of {known}")));
    }
    let scoped = scoped(root, draft);
    consumers(root, draft, &scoped.closed);
    Services::read(root, draft).routes(root, draft, &scoped);
    root.finish("root", draft.table);
    Ok(())
}

/// The plug-ins that stand at the top, by what they name.
fn scoped(root: &Entry<'_>, draft: &Draft<'_>) -> Scoped {
    let mut scoped = Scoped::default();
    for entry in root.entries("plugins") {
        let target = |key: &str| reference(&entry, key);
        let (service, route, consumer) = (target("service"), target("route"), target("consumer"));
        let Some(plugin) = plugin(&entry, draft) else { continue };
        match (route, service, consumer) {
            (_, _, Some(consumer)) => {
                if matches!(plugin.does, Does::Unknown) {
                    scoped.closed.insert(consumer);
                }
            }
            (Some(route), _, None) => scoped.route.entry(route).or_default().push(plugin),
            (None, Some(service), None) => scoped.service.entry(service).or_default().push(plugin),
            (None, None, None) => scoped.everywhere.push(plugin),
        }
    }
    scoped
}

/// What an entry refers to: a text, or a map with a name or an id.
fn reference(entry: &Entry<'_>, key: &str) -> Option<String> {
    match entry.node(key)? {
        Node::Map(map) => {
            let named = |wanted: &str| map.iter().find(|(name, _)| name == wanted).map(|(_, node)| node.scalar().to_owned());
            named("name").or_else(|| named("username")).or_else(|| named("id"))
        }
        node => Some(node.scalar().to_owned()),
    }
}

/// The plug-ins of a list.
fn plugins(entry: &Entry<'_>, draft: &Draft<'_>) -> Vec<Plugin> {
    entry.entries("plugins").iter().filter_map(|entry| plugin(entry, draft)).collect()
}

/// One plug-in, if it is switched on.
fn plugin(entry: &Entry<'_>, draft: &Draft<'_>) -> Option<Plugin> {
    let name = entry.text("name").unwrap_or_default();
    if entry.flag("enabled") == Some(false) {
        draft.notes.remark(&entry.path, format!("the plug-in {name} is switched off there, and is left out"));
        return None;
    }
    let nothing = Node::Map(Vec::new());
    let config = entry.node("config").unwrap_or(&nothing);
    let config = Entry::of(config, entry.at("config"), draft.notes)?;
    let does = match draft.table.guards.get(name) {
        Some(keys) => draft.guard(&config, keys).map_or(Does::Unknown, Does::Verify),
        None if name == GROUPS => groups(&config, draft),
        None if draft.other_plugin(&entry.path, name) == Leftovers::Guarding => Does::Unknown,
        None => Does::Nothing,
    };
    let does = if entry.finish("plugin", draft.table) == Leftovers::Guarding { Does::Unknown } else { does };
    Some(Plugin { path: entry.path.clone(), name: name.to_owned(), does })
}

fn groups(config: &Entry<'_>, draft: &Draft<'_>) -> Does {
    let mut allowed = config.texts("allow");
    allowed.extend(config.texts("whitelist"));
    if config.finish("acl", draft.table) == Leftovers::Guarding || allowed.is_empty() {
        return Does::Unknown;
    }
    Does::Allow(allowed.into_iter().map(|group| format!("group {group}")).collect())
}

/// Consumers with their credentials and groups, which may also stand at the top.
fn consumers(root: &Entry<'_>, draft: &mut Draft<'_>, closed: &BTreeSet<String>) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for entry in root.entries("consumers") {
        let (username, custom_id, id) = (entry.name("username"), entry.name("custom_id"), entry.name("id"));
        let credentials = entry.entries("hmacauth_credentials");
        let groups = entry.entries("acls");
        let open = plugins(&entry, draft).iter().all(|plugin| !matches!(plugin.does, Does::Unknown));
        let tags = entry.texts("tags").join(", ");
        entry.finish("consumer", draft.table);
        let names: Vec<&str> = [username, id, custom_id].into_iter().flatten().collect();
        if !open || names.iter().any(|name| closed.contains(*name)) {
            let mend = "carry that plug-in over by hand, then add the app with `countersign app add`";
            draft.notes.left_out(&entry.path, "a plug-in on this consumer may keep it out", mend);
            continue;
        }
        let Some(app) = draft.app(&entry.path, username.or(custom_id).unwrap_or_default()) else { continue };
        let labels = [("custom_id", custom_id.unwrap_or_default()), ("tags", tags.as_str())];
        draft.apps[app].labels.extend(labels.into_iter().filter(|l| !l.1.is_empty()).map(|(k, v)| (k.to_owned(), v.to_owned())));
        known.extend(names.iter().map(|name| ((*name).to_owned(), app)));
        credentials.iter().for_each(|credential| add_credential(draft, app, credential));
        groups.iter().for_each(|group| add_group(draft, app, group));
    }
    let owner = |entry: &Entry<'_>, draft: &Draft<'_>| {
        let found = reference(entry, "consumer").and_then(|name| known.get(&name).copied());
        if found.is_none() {
            draft.notes.left_out(&entry.path, "its consumer is not in the file, or was left out", "name a consumer of the file");
        }
        found
    };
    for entry in root.entries("hmacauth_credentials") {
        if let Some(app) = owner(&entry, draft) {
            add_credential(draft, app, &entry);
        }
    }
    for entry in root.entries("acls") {
        if let Some(app) = owner(&entry, draft) {
            add_group(draft, app, &entry);
        }
    }
}

fn add_credential(draft: &mut Draft<'_>, app: usize, entry: &Entry<'_>) {
    let Some(keys) = draft.table.guards.values().next() else { return };
    if let Some(credential) = draft.credential(entry, keys) {
        draft.apps[app].credentials.push(credential);
    }
}

fn add_group(draft: &mut Draft<'_>, app: usize, entry: &Entry<'_>) {
    if let Some(group) = entry.text("group") {
        draft.apps[app].groups.insert(format!("group {group}"));
    }
    entry.finish("group", draft.table);
}
