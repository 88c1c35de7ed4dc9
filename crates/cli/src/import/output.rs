//! The folder that an import writes: nothing in it is overwritten, and secrets are for its owner only.

use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::json;

use super::entry::{LeftOut, Remark};
use super::settle::Settled;
use crate::console;
use crate::failure::Failure;
use crate::registry::Registry;

/// What an import could not carry over, and what is different.
pub(super) struct Report {
    pub(super) left_out: Vec<LeftOut>,
    pub(super) remarks: Vec<Remark>,
}

/// Writes `gateway.toml`, `apps.json`, `secrets/` and `report.json`.
pub(super) fn write(out: &Path, from: &Path, registry: &Registry, settled: &Settled, report: &Report) -> Result<(), Failure> {
    folder(out)?;
    folder(&out.join("secrets"))?;
    let (apps, secrets) = settled.apps();
    for (name, secret) in secrets {
        // A reader of secret files takes one line end off.
        let bytes = zeroize::Zeroizing::new([secret.expose(), b"\n"].concat());
        file(&out.join(name), &bytes)?;
    }
    file(&out.join("apps.json"), format!("{apps:#}\n").as_bytes())?;
    file(&out.join("report.json"), format!("{:#}\n", report.json()).as_bytes())?;
    file(&out.join("gateway.toml"), gateway(from, registry, settled).as_bytes())
}

fn gateway(from: &Path, registry: &Registry, settled: &Settled) -> String {
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    let mut text = format!("# Imported from {name:?}. What was not carried over is in report.json.\nlisten = [\"127.0.0.1:8080\"]\n");
    if !registry.folders.is_empty() {
        let folders = registry.folders.iter().map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.clone()));
        let folders: Vec<String> = folders.map(|f| toml::Value::String(f.display().to_string()).to_string()).collect();
        let _ = writeln!(text, "dialects = [{}]", folders.join(", "));
    }
    for route in &settled.routes {
        text.push('\n');
        text.push_str(route);
    }
    if settled.routes.is_empty() {
        text.push_str("\n# No route could be carried over: write one here before this file is served.\n");
    }
    text
}

fn folder(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| Failure::file(path, e))
}

fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = created.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|e| Failure::file(path, format_args!("{e}; name a new folder with --out")))
}

impl Report {
    fn json(&self) -> serde_json::Value {
        json!({ "left_out": self.left_out, "remarks": self.remarks })
    }

    /// Tells the outcome: the notes on stderr, what was written on stdout.
    pub(super) fn tell(&self, out: &Path, settled: &Settled, json: bool) -> Result<(), Failure> {
        for LeftOut { path, why, mend } in &self.left_out {
            console::say(&printable(&format!("left out {}: {why}; {mend}", at(path))));
        }
        for Remark { path, text } in &self.remarks {
            console::say(&printable(&format!("note {}: {text}", at(path))));
        }
        let credentials: usize = settled.apps.iter().map(|app| app.app.credentials.len()).sum();
        let (apps, routes, lost) = (settled.apps.len(), settled.routes.len(), self.left_out.len());
        if json {
            let told = json!({ "folder": out, "apps": apps, "credentials": credentials, "routes": routes, "left_out": self.left_out, "remarks": self.remarks });
            return console::line(&told.to_string());
        }
        console::line(&format!("{}: {apps} apps, {credentials} credentials, {routes} routes; {lost} settings left out", out.display()))?;
        console::say("next: `countersign app import` the apps.json, `countersign config check` the gateway.toml");
        console::say("the secrets are in plain files: remove them when they are registered");
        Ok(())
    }
}

fn at(path: &str) -> &str {
    if path.is_empty() { "the file" } else { path }
}

/// The text without what a terminal would obey: names of the file stand in it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
