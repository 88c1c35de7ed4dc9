//! `countersign config check`: every fault and every weak spot, with its line and mend.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use countersign_server::config::{Checked, Config, ConfigError, Settings};
use serde_json::json;

use super::place::Place;
use super::{files, route, text};
use crate::args::config::CheckArgs;
use crate::failure::Failure;
use crate::registry::Registry;
use crate::{console, store};

/// One thing that was found.
pub(super) struct Finding {
    /// Whether the gateway would not start, or not work; else it is legal and weak.
    pub(super) is_fault: bool,
    pub(super) line: Option<usize>,
    pub(super) text: String,
    pub(super) mend: String,
}

impl Finding {
    pub(super) fn fault(line: Option<usize>, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { is_fault: true, line, text: text.into(), mend: mend.into() }
    }

    pub(super) fn warning(line: Option<usize>, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { is_fault: false, line, text: text.into(), mend: mend.into() }
    }

    const fn kind(&self) -> &'static str {
        if self.is_fault { "fault" } else { "warning" }
    }
}

impl From<ConfigError> for Finding {
    fn from(error: ConfigError) -> Self {
        Self::fault(error.line(), error.fault(), error.mend())
    }
}

/// Runs the command.
pub(super) fn run(args: &CheckArgs, registry: Registry, json: bool) -> Result<(), Failure> {
    let text = text(&args.file)?;
    let mut found = findings(args, &text, registry)?;
    found.sort_by_key(|finding| (finding.line, !finding.is_fault));
    let faults = found.iter().filter(|finding| finding.is_fault).count();
    tell(&args.file, &found, faults, json)?;
    if faults == 0 { Ok(()) } else { Err(Failure::Rejected) }
}

fn findings(args: &CheckArgs, text: &str, mut registry: Registry) -> Result<Vec<Finding>, Failure> {
    let place = Place::of(text);
    let name = args.file.display().to_string();
    let config = Config::parse_leniently(&name, text);
    let mut found = files::named(&place);
    for folder in config.dialect_folders() {
        if let Err(Failure::Usage(fault)) = registry.load(folder) {
            found.push(Finding::fault(place.top("dialects"), fault, "mend the file or folder, or leave it out of `dialects`"));
        }
    }
    let data = store::folder(args.data.as_deref())?;
    match config.stores(&data) {
        Ok(stores) => {
            found.extend(files::stores(&stores, &place));
            let weak = |text| Finding::warning(place.top("store"), text, "share them in one Redis, or serve from one gateway");
            found.extend(stores.warnings().into_iter().map(weak));
        }
        Err(fault) => found.push(fault.into()),
    }
    let Checked { faults, warnings, settings, .. } = config.check(&registry.dialects);
    found.extend(faults.into_iter().map(Finding::from));
    found.extend(warnings.iter().map(|warning| route::loader(warning, &name)));
    if let Some(settings) = settings {
        found.extend(route::weak(&settings, &place));
        if args.probe {
            found.extend(probe(&settings, &place));
        }
    }
    Ok(found)
}

/// Listens on each address for a moment.
fn probe(settings: &Settings, place: &Place<'_>) -> Vec<Finding> {
    let listen = settings.listen.iter().map(|address| ("listen", address));
    let try_one = |(key, address): (&str, &SocketAddr)| {
        let error = TcpListener::bind(address).err()?;
        Some(Finding::fault(place.top(key), format!("cannot listen on {address}: {error}"), "choose another address, or stop what has it"))
    };
    listen.chain(settings.admin.iter().map(|admin| ("admin", &admin.listen))).filter_map(try_one).collect()
}

fn tell(file: &Path, found: &[Finding], faults: usize, json: bool) -> Result<(), Failure> {
    if json {
        let list = found.iter().map(|f| json!({ "kind": f.kind(), "line": f.line, "text": f.text, "mend": f.mend }));
        let told = json!({ "file": file, "ok": faults == 0, "findings": list.collect::<Vec<_>>() });
        return console::line(&told.to_string());
    }
    for finding in found {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        console::line(&format!("{}{line}: {}: {}; {}", file.display(), finding.kind(), finding.text, finding.mend))?;
    }
    console::line(&format!("{}: {faults} faults, {} warnings", file.display(), found.len() - faults))
}
