//! From the draft to what is written: each route is shown to the gateway's own loader, each credential gets its terms.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use countersign_server::config::Config;
use serde_json::{Value, json};

use super::draft::{AppDraft, Draft, Guard, RouteDraft};
use super::entry::Notes;
use super::table::Table;
use crate::registry::Registry;

/// The most bytes of a key id: as many as a claim may carry.
const KEY_ID: usize = 128;

/// What is written.
pub(super) struct Settled {
    /// `[[route]]` tables.
    pub(super) routes: Vec<String>,
    pub(super) apps: Vec<SettledApp>,
}

/// An app with the scopes that let it in.
pub(super) struct SettledApp {
    pub(super) app: AppDraft,
    pub(super) scopes: BTreeSet<String>,
}

/// Settles a draft.
pub(super) fn settle(draft: Draft<'_>, registry: &Registry) -> Settled {
    let Draft { notes, table, apps, routes, .. } = draft;
    let routes = accepted(routes, notes, registry);
    let scopes: BTreeMap<String, &BTreeSet<String>> =
        routes.iter().filter_map(|route| route.allow.as_ref()).map(|groups| (scope(groups), groups)).collect();
    let algorithms = algorithms(&routes, table);
    let apps = credentials(apps, &algorithms, notes);
    let scoped = |app: AppDraft| {
        let own = scopes.iter().filter(|(_, groups)| !groups.is_disjoint(&app.groups)).map(|(scope, _)| scope.clone());
        SettledApp { scopes: own.collect(), app }
    };
    Settled { routes: routes.iter().map(route_text).collect(), apps: apps.into_iter().map(scoped).collect() }
}

/// The scope that stands for being in one of these groups: two sets of groups never have one scope.
fn scope(groups: &BTreeSet<String>) -> String {
    let plain = groups.iter().all(|group| !group.contains(['|', '"']));
    let name = |group: &String| if plain { group.clone() } else { format!("{group:?}") };
    let names: Vec<String> = groups.iter().map(name).collect();
    format!("allow: {}", names.join(" | "))
}

/// The routes that the gateway takes, each for requests of its own.
fn accepted(routes: Vec<RouteDraft>, notes: &Notes, registry: &Registry) -> Vec<RouteDraft> {
    let mut kept: Vec<RouteDraft> = Vec::new();
    let mut first: BTreeMap<(Option<String>, String), Vec<usize>> = BTreeMap::new();
    for route in routes {
        let dialect = &route.guard.dialect;
        if registry.dialects.get(dialect).is_none() {
            let mend = "name the folder of a file for it with --dialects, or a dialect that is the same with --dialect";
            notes.left_out(&route.path, format!("its requests are signed in a dialect that is not known here ({dialect})"), mend);
            continue;
        }
        let text = format!("listen = [\"127.0.0.1:0\"]\n\n{}", route_text(&route));
        if let Err(error) = Config::parse("import", &text).and_then(|config| config.compile(&registry.dialects)) {
            notes.left_out(&route.path, error.fault(), error.mend());
            continue;
        }
        let same = first.entry((route.host.as_deref().map(str::to_ascii_lowercase), route.prefix.clone())).or_default();
        if same.iter().any(|other| overlaps(&kept[*other].methods, &route.methods)) {
            notes.left_out(&route.path, "another route takes the same host, prefix and methods", "merge the two by hand");
            continue;
        }
        same.push(kept.len());
        kept.push(route);
    }
    kept
}

fn overlaps(a: &[String], b: &[String]) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|method| b.contains(method))
}

/// By dialect, what all of its routes accept; what is accepted unasked where no route is left.
fn algorithms(routes: &[RouteDraft], table: &Table) -> BTreeMap<String, BTreeSet<String>> {
    let mut by_dialect: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Guard { dialect, algorithms, .. } in routes.iter().map(|route| &route.guard) {
        let common = match by_dialect.get(dialect) {
            Some(known) => known & algorithms,
            None => algorithms.clone(),
        };
        by_dialect.insert(dialect.clone(), common);
    }
    for keys in table.guards.values() {
        let fine = keys.default_algorithms.iter().filter(|name| !table.weak.contains(name)).cloned();
        by_dialect.entry(keys.dialect.clone()).or_insert_with(|| fine.collect());
    }
    by_dialect
}

/// Drops credentials that cannot be registered, and gives the others their algorithms.
fn credentials(mut apps: Vec<AppDraft>, algorithms: &BTreeMap<String, BTreeSet<String>>, notes: &Notes) -> Vec<AppDraft> {
    let mut ids = BTreeSet::new();
    let shared = shared_secrets(&apps);
    for app in &mut apps {
        app.credentials.retain_mut(|credential| {
            credential.algorithms = algorithms.get(&credential.dialect).into_iter().flatten().cloned().collect();
            let long = credential.key_id.len() > KEY_ID || credential.key_id.chars().any(char::is_control);
            let fault = if long {
                Some(("its key id is too long, or holds control characters", "give the caller a plain key id of at most 128 bytes"))
            } else if !ids.insert(credential.key_id.clone()) {
                Some(("another credential has the same key id", "give the caller a key id of its own"))
            } else if shared.contains(&credential.path) {
                Some(("another credential has the same secret", "give the caller a secret of its own"))
            } else {
                None
            };
            if let Some((why, mend)) = fault {
                notes.left_out(&credential.path, why, mend);
            }
            fault.is_none()
        });
    }
    apps
}

/// Where a secret stands that another credential before it has.
fn shared_secrets(apps: &[AppDraft]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let all = apps.iter().flat_map(|app| &app.credentials);
    all.filter(|credential| !seen.insert(credential.secret.expose())).map(|credential| credential.path.clone()).collect()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

/// A route as a table of the configuration.
fn route_text(route: &RouteDraft) -> String {
    let mut text = format!("# {}\n[[route]]\n", route.path);
    if let Some(host) = &route.host {
        let _ = writeln!(text, "host = {}", quoted(host));
    }
    let _ = writeln!(text, "prefix = {}", quoted(&route.prefix));
    if !route.methods.is_empty() {
        let _ = writeln!(text, "methods = {}", list(&route.methods));
    }
    let _ = writeln!(text, "upstream = {}", quoted(&route.upstream));
    let guard = &route.guard;
    let _ = writeln!(text, "dialects = [{}]", quoted(&guard.dialect));
    if let Some(seconds) = guard.window {
        let _ = writeln!(text, "window = \"{seconds}s\"");
    }
    for (name, parts) in [("require", &guard.require), ("waive", &guard.waive)] {
        let parts: Vec<String> = parts.iter().filter(|part| name == "waive" || !guard.waive.contains(part)).cloned().collect();
        if !parts.is_empty() {
            let _ = writeln!(text, "{name} = {}", list(&parts));
        }
    }
    if guard.keep_credentials {
        text.push_str("keep_credentials = true\n");
    }
    if let Some(groups) = &route.allow {
        let _ = writeln!(text, "scopes = {}", list(&[scope(groups)]));
    }
    text
}

impl Settled {
    /// The apps as `countersign app import` reads them, and the content of each secret file.
    pub(super) fn apps(&self) -> (Value, Vec<(String, &countersign_protocol::Secret)>) {
        let mut files = Vec::new();
        let mut apps = Vec::new();
        for SettledApp { app, scopes } in &self.apps {
            let mut credentials = Vec::new();
            for credential in &app.credentials {
                let file = format!("secrets/{}", files.len() + 1);
                credentials.push(json!({
                    "key_id": credential.key_id,
                    "secret_file": file,
                    "dialects": [credential.dialect],
                    "algorithms": credential.algorithms,
                }));
                files.push((file, &credential.secret));
            }
            apps.push(json!({ "name": app.name, "labels": app.labels, "scopes": scopes, "credentials": credentials }));
        }
        (json!({ "countersign_apps": 1, "apps": apps }), files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_groups_have_different_scopes() {
        let of = |names: &[&str]| scope(&names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(of(&["b", "a"]), "allow: a | b");
        let all = [of(&["a", "b"]), of(&["a | b"]), of(&["\"a\"", "b"]), of(&["a\" | \"b"]), of(&["a"])];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    }
}
