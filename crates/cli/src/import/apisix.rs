//! The standalone file of Apache APISIX: consumers with credentials of both generations, upstreams, services, routes.

mod route;

use std::collections::BTreeMap;

use self::route::{Plugins, Routing};
use super::draft::Draft;
use super::entry::{Entry, Leftovers};
use super::table::GuardKeys;
use crate::failure::Failure;

/// The table of this gateway.
pub(super) const TABLE: &str = include_str!("apisix.yaml");
/// The plug-in that verifies, and the row of its older form.
const PLUGIN: &str = "hmac-auth";
const OLDER: &str = "hmac-auth access_key";
/// The line that ends a whole file.
const END: &str = "#END";

/// Reads the file.
///
/// # Errors
/// It does not end as a whole file does.
pub(super) fn read(root: &Entry<'_>, draft: &mut Draft<'_>) -> Result<(), Failure> {
    if draft.text.trim_end().lines().next_back().map(str::trim) != Some(END) {
        return Err(Failure::usage(format_args!("the last line is not {END}: the file was cut, or is no standalone file")));
    }
    let keys = generation(root, draft);
    consumers(root, draft);
    let routing = Routing::read(root, draft, keys);
    routing.routes(root, draft);
    root.finish("root", draft.table);
    Ok(())
}

/// Which form of the plug-in the routes verify: the older one, if a consumer has an access key.
fn generation<'d>(root: &Entry<'_>, draft: &Draft<'d>) -> Option<&'d GuardKeys> {
    let older = root.entries("consumers").iter().any(|consumer| {
        let plugins = consumer.entry("plugins");
        plugins.and_then(|plugins| plugins.entry(PLUGIN)).is_some_and(|config| config.has("access_key"))
    });
    draft.table.guards.get(if older { OLDER } else { PLUGIN })
}

/// Consumers, with credentials in the plug-in, nested, or as entries of their own named `CONSUMER/credentials/ID`.
fn consumers(root: &Entry<'_>, draft: &mut Draft<'_>) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for entry in root.entries("consumers") {
        let (username, id) = (entry.name("username"), entry.name("id"));
        if let Some((owner, _)) = id.and_then(|id| id.split_once("/credentials/")) {
            match known.get(owner) {
                Some(app) => nested(draft, *app, &entry),
                None => draft.notes.left_out(
                    &entry.path,
                    "its consumer does not stand before it, or was left out",
                    "name a consumer of the file",
                ),
            }
            continue;
        }
        consumer(&entry, username.or(id).unwrap_or_default(), draft, &mut known);
    }
}

fn consumer(entry: &Entry<'_>, name: &str, draft: &mut Draft<'_>, known: &mut BTreeMap<String, usize>) {
    let plugins = entry.entry("plugins");
    let labels = entry.entry("labels");
    let credentials = entry.entries("credentials");
    entry.finish("consumer", draft.table);
    if plugins.as_ref().is_some_and(|plugins| Plugins::others(plugins, draft) == Leftovers::Guarding) {
        let mend = "carry that plug-in over by hand, then add the app with `countersign app add`";
        draft.notes.left_out(&entry.path, "a plug-in on this consumer may keep it out", mend);
        return;
    }
    let Some(app) = draft.app(&entry.path, name) else { return };
    known.insert(name.to_owned(), app);
    if let Some(labels) = labels {
        let pairs = labels.keys().filter_map(|key| labels.name(key).map(|value| (key.to_owned(), value.to_owned())));
        draft.apps[app].labels.extend(pairs);
    }
    if let Some(plugins) = plugins {
        add(draft, app, &plugins);
    }
    credentials.iter().for_each(|credential| nested(draft, app, credential));
}

/// A credential that is an entry of its own.
fn nested(draft: &mut Draft<'_>, app: usize, entry: &Entry<'_>) {
    if let Some(plugins) = entry.entry("plugins") {
        Plugins::others(&plugins, draft);
        add(draft, app, &plugins);
    }
    entry.finish("credential_entry", draft.table);
}

fn add(draft: &mut Draft<'_>, app: usize, plugins: &Entry<'_>) {
    let Some(config) = plugins.entry(PLUGIN) else { return };
    let row = if config.has("access_key") { OLDER } else { PLUGIN };
    let Some(keys) = draft.table.guards.get(row) else { return };
    if let Some(credential) = draft.credential(&config, keys) {
        draft.apps[app].credentials.push(credential);
    }
}
