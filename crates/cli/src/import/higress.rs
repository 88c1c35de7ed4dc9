//! The signature plug-ins of Higress, as their own configuration or inside a `WasmPlugin`: consumers, and who may call which domain.

use std::collections::BTreeSet;

use super::draft::{Draft, Guard, RouteDraft};
use super::entry::{Entry, Leftovers};
use crate::failure::Failure;

/// The table of this gateway.
pub(super) const TABLE: &str = include_str!("higress.yaml");
/// The two plug-ins, told apart by the names of their settings.
const PLUGIN: &str = "hmac-auth";
const OTHER: &str = "hmac-auth-apisix";

/// A rule: the domains it is for, and who may call them.
struct Rule {
    path: String,
    domains: Vec<String>,
    allow: BTreeSet<String>,
}

/// Reads the file.
///
/// # Errors
/// It has no consumers: it is no configuration of these plug-ins.
pub(super) fn read(root: &Entry<'_>, draft: &mut Draft<'_>) -> Result<(), Failure> {
    let Some(spec) = root.entry("spec") else { return config(root, Vec::new(), draft) };
    let rules = spec.entries("matchRules").iter().filter_map(|rule| match_rule(rule, draft)).collect();
    let Some(inner) = spec.entry("defaultConfig").or_else(|| spec.entry("pluginConfig")) else {
        return Err(Failure::usage("spec has no defaultConfig: where the consumers should stand, there is nothing"));
    };
    spec.finish("spec", draft.table);
    root.finish("root", draft.table);
    config(&inner, rules, draft)
}

/// A plug-in's own configuration.
fn config(entry: &Entry<'_>, mut rules: Vec<Rule>, draft: &mut Draft<'_>) -> Result<(), Failure> {
    let consumers = entry.entries("consumers");
    if consumers.is_empty() {
        return Err(Failure::usage("there are no consumers: this is no configuration of a signature plug-in"));
    }
    let name = if consumers.iter().any(|consumer| consumer.has("access_key")) { OTHER } else { PLUGIN };
    let Some(keys) = draft.table.guards.get(name) else { return Ok(()) };
    for consumer in &consumers {
        let name = consumer.text("name").unwrap_or_default();
        let credential = draft.credential(consumer, keys);
        if let Some(app) = draft.app(&consumer.path, name) {
            draft.apps[app].credentials.extend(credential);
            draft.apps[app].groups.insert(name.to_owned());
        }
    }
    let written = entry.entries("_rules_");
    let everywhere = entry.flag("global_auth").unwrap_or(written.is_empty() && rules.is_empty());
    rules.extend(written.iter().filter_map(|rule| own_rule(rule, draft)));
    let Some(guard) = draft.guard(entry, keys) else {
        draft.notes.left_out(&entry.path, "a setting that may keep somebody out is not carried over", "write the routes by hand");
        return Ok(());
    };
    if everywhere {
        add(draft, &entry.path, None, &guard, None);
    }
    for rule in rules {
        for domain in &rule.domains {
            add(draft, &rule.path, Some(domain), &guard, Some(&rule.allow));
        }
    }
    Ok(())
}

/// A rule of `_rules_`.
fn own_rule(entry: &Entry<'_>, draft: &Draft<'_>) -> Option<Rule> {
    named(entry, "_match_route_", draft);
    let domains = entry.texts("_match_domain_");
    let allow = entry.texts("allow");
    rule(entry, &domains, &allow, entry.finish("rule", draft.table), draft)
}

/// A rule of `matchRules`.
fn match_rule(entry: &Entry<'_>, draft: &Draft<'_>) -> Option<Rule> {
    named(entry, "ingress", draft);
    let domains = entry.texts("domain");
    let config = entry.entry("config");
    let allow = config.as_ref().map(|config| config.texts("allow")).unwrap_or_default();
    if entry.flag("configDisable") == Some(true) {
        draft.notes.left_out(
            &entry.path,
            "the rule takes the plug-in off its requests, and here nothing goes unsigned",
            "keep them on the old gateway",
        );
        return None;
    }
    let inner = config.map_or(Leftovers::Harmless, |config| config.finish("rule_config", draft.table));
    let outer = entry.finish("rule", draft.table);
    rule(entry, &domains, &allow, if inner == Leftovers::Guarding { inner } else { outer }, draft)
}

/// Rules by the name of a route: where that goes stands in another resource.
fn named(entry: &Entry<'_>, key: &str, draft: &Draft<'_>) {
    for name in entry.texts(key) {
        let why = format!("host, path and upstream of the route {name} stand in another resource");
        draft.notes.left_out(&entry.at(key), why, "write the route by hand, with the scope that the report names for its callers");
    }
}

fn rule(entry: &Entry<'_>, domains: &[&str], allow: &[&str], leftovers: Leftovers, draft: &Draft<'_>) -> Option<Rule> {
    if allow.is_empty() || leftovers == Leftovers::Guarding {
        draft.notes.left_out(&entry.path, "the rule does not say by `allow` alone who may call", "write the route by hand");
        return None;
    }
    let plain = |domain: &&&str| {
        if domain.contains('*') {
            draft.notes.left_out(&entry.path, format!("{domain} stands for many hosts, and a route has one"), "name the hosts");
        }
        !domain.contains('*')
    };
    let domains = domains.iter().filter(plain).map(|domain| (*domain).to_owned()).collect();
    Some(Rule { path: entry.path.clone(), domains, allow: allow.iter().map(|name| (*name).to_owned()).collect() })
}

fn add(draft: &mut Draft<'_>, path: &str, host: Option<&str>, guard: &Guard, allow: Option<&BTreeSet<String>>) {
    let Some(upstream) = draft.upstream else {
        draft.notes.left_out(path, "its upstream stands in another resource", "name it with --upstream, such as http://127.0.0.1:9000");
        return;
    };
    draft.routes.push(RouteDraft {
        path: path.to_owned(),
        host: host.map(str::to_owned),
        prefix: "/".to_owned(),
        methods: Vec::new(),
        upstream: upstream.to_owned(),
        guard: guard.clone(),
        allow: allow.cloned(),
    });
}
