//! `countersign config show`: the config with every default filled in, and secrets masked; it is a config again.

use std::path::Path;
use std::time::Duration;

use countersign_protocol::Window;
use countersign_server::config::{Config, Settings};
use countersign_server::limits::Limits;
use countersign_server::route::Route;
use toml::{Table, Value};

use super::text;
use crate::console;
use crate::failure::Failure;
use crate::registry::Registry;

/// What stands in place of a secret.
const MASK: &str = "***";
/// Words in keys whose values are secrets, unless the key names a file.
const SECRET: [&str; 3] = ["password", "secret", "token"];

/// Runs the command.
pub(super) fn run(file: &Path, mut registry: Registry, json: bool) -> Result<(), Failure> {
    let text = text(file)?;
    let config = Config::parse(&file.display().to_string(), &text).map_err(Failure::usage)?;
    config.dialect_folders().iter().try_for_each(|folder| registry.load(folder))?;
    let settings = config.compile(&registry.dialects).map_err(Failure::usage)?;
    // The text was taken as a config: it is TOML.
    let mut shown: Table = text.parse().map_err(Failure::usage)?;
    fill(&mut shown, &settings);
    mask(&mut shown);
    if json {
        return console::line(&serde_json::to_string(&shown).map_err(Failure::usage)?);
    }
    console::data(toml::to_string(&shown).map_err(Failure::usage)?.as_bytes())
}

fn fill(shown: &mut Table, settings: &Settings) {
    set(shown, "workers", number(settings.workers));
    let limits = shown.entry("limits").or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(limits) = limits {
        for (key, value) in limit_values(&settings.limits) {
            set(limits, key, value);
        }
    }
    let written = shown.get_mut("route").and_then(Value::as_array_mut).into_iter().flatten();
    for (table, route) in written.filter_map(Value::as_table_mut).zip(settings.routes.iter()) {
        fill_route(table, route);
    }
}

fn set(table: &mut Table, key: &str, value: Value) {
    table.entry(key).or_insert(value);
}

/// Every limit that has a value where nothing is written.
fn limit_values(limits: &Limits) -> [(&'static str, Value); 19] {
    [
        ("head_bytes", number(limits.head_bytes)),
        ("header_lines", number(limits.header_lines)),
        ("target_bytes", number(limits.target_bytes)),
        ("parameters", number(limits.parameters)),
        ("head_time", time(limits.head_time)),
        ("body_idle", time(limits.body_idle)),
        ("answer_idle", time(limits.answer_idle)),
        ("body_bytes", number(limits.body_bytes)),
        ("bodies_bytes", number(limits.bodies_bytes)),
        ("requests", number(limits.requests)),
        ("queue", number(limits.queue)),
        ("queue_time", time(limits.queue_time)),
        ("handshake_time", time(limits.handshake_time)),
        ("connections", number(limits.connections)),
        ("upstream_connect", time(limits.upstream_connect)),
        ("upstream_head", time(limits.upstream_head)),
        ("upstream_idle", time(limits.upstream_idle)),
        ("upstream_answer_idle", time(limits.upstream_answer_idle)),
        ("drain", time(limits.drain)),
    ]
}

fn fill_route(table: &mut Table, route: &Route) {
    let rules = &route.rules;
    set(table, "body_limit", number(rules.body_limit));
    set(table, "keep_credentials", Value::Boolean(route.keep_credentials));
    // With several dialects there is no one value: each has its own.
    if let [dialect] = rules.dialects.as_slice() {
        let mode = rules.replay.unwrap_or_else(|| dialect.replay());
        set(table, "replay", Value::String(mode.as_str().to_owned()));
        if let Some(own) = dialect.window() {
            set(table, "window", window(own));
        }
    }
}

fn window(window: Window) -> Value {
    let table = [("past", time(window.past)), ("future", time(window.future))];
    Value::Table(table.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn number(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn time(time: Duration) -> Value {
    let millis = time.as_millis();
    Value::String(if millis.is_multiple_of(1_000) { format!("{}s", millis / 1_000) } else { format!("{millis}ms") })
}

/// Masks the values of secret keys, and passwords in addresses.
fn mask(table: &mut Table) {
    for (key, value) in table.iter_mut() {
        let secret = !key.ends_with("_file") && SECRET.iter().any(|word| key.contains(word));
        mask_value(value, secret);
    }
}

fn mask_value(value: &mut Value, secret: bool) {
    match value {
        Value::String(text) if secret => MASK.clone_into(text),
        Value::String(text) => {
            if let Some(masked) = without_password(text) {
                *text = masked;
            }
        }
        Value::Table(table) => mask(table),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_value(item, secret)),
        _ => {}
    }
}

/// An address without its password, or a connection string of words without the word `password`.
fn without_password(text: &str) -> Option<String> {
    if let Some(at) = text.find("password=") {
        return Some(format!("{}password={MASK}", &text[..at]));
    }
    let start = text.find("://")? + 3;
    let end = start + text[start..].find(['/', '?', '#']).unwrap_or(text.len() - start);
    let user = &text[start..start + text[start..end].rfind('@')?];
    let name = user.split(':').next().unwrap_or_default();
    user.contains(':').then(|| format!("{}{name}:{MASK}{}", &text[..start], &text[start + user.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked() {
        for (text, shown) in [
            ("postgres://app:s3cr3t@db:5432/x", "postgres://app:***@db:5432/x"),
            ("redis://:s3cr3t@cache", "redis://:***@cache"),
            ("redis://u:p@ss:w@cache/0", "redis://u:***@cache/0"),
            ("host=db user=a password=s3cr3t", "host=db user=a password=***"),
            ("postgres://db/x?sslmode=require&password=s3cr3t", "postgres://db/x?sslmode=require&password=***"),
        ] {
            assert_eq!(without_password(text).as_deref(), Some(shown));
        }
        for text in ["http://127.0.0.1:9000", "echo", "https://host/a:b@c", "postgres://app@db"] {
            assert_eq!(without_password(text), None, "{text}");
        }
    }

    #[test]
    fn secret_keys_are_masked_and_names_of_files_are_not() {
        let mut table: Table = "admin_token = 'a'\ntoken_file = '/t'\n[x]\nsecrets = ['b', 'c']\nname = 'n'".parse().unwrap();
        mask(&mut table);
        let text = table.to_string();
        assert!(text.contains("/t") && text.contains("\"n\"") && !text.contains("\"a\"") && !text.contains("\"b\""), "{text}");
    }
}
