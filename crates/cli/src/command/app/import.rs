//! `countersign app import`: the apps and credentials of a file, checked whole before any is registered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign_core::app::{App, NewCredential, Terms};
use countersign_core::store::CredentialStore;
use countersign_protocol::{Algorithm, KeyMaterial};
use serde::Deserialize;
use serde_json::json;

use super::credentials;
use crate::command::now;
use crate::failure::Failure;
use crate::registry::{self, Registry};
use crate::{console, key};

/// The most bytes of a list of apps.
const MOST_BYTES: usize = 32 << 20;
/// The most apps of a list.
const MOST_APPS: usize = 100_000;
/// The most credentials of one app in a list.
const MOST_CREDENTIALS: usize = 1_000;

/// The list as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The version of this form.
    countersign_apps: u32,
    apps: Vec<WrittenApp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenApp {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    credentials: Vec<WrittenCredential>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCredential {
    key_id: String,
    /// Beside the list, or absolute.
    secret_file: Option<PathBuf>,
    public_key_file: Option<PathBuf>,
    dialects: Vec<String>,
    #[serde(default)]
    algorithms: Vec<String>,
    #[serde(default)]
    inputs: BTreeMap<String, String>,
    #[serde(default)]
    diagnostics: bool,
}

/// An app that is ready to be registered.
struct Ready {
    app: App,
    credentials: Vec<NewCredential>,
}

/// Registers what the file lists. What is there already stays as it is, so that an import that was broken off goes on.
pub(super) async fn run(file: &Path, store: &dyn CredentialStore, registry: &Registry, json: bool) -> Result<(), Failure> {
    let ready = read(file, registry)?;
    let (mut apps, mut added, mut kept) = (0, 0, 0);
    for Ready { app, credentials: new } in ready {
        let name = app.name.clone();
        if store.app(&name).await?.is_none() {
            store.add_app(app).await?;
            apps += 1;
        }
        let known = credentials(store, &name).await?;
        for credential in new {
            if known.iter().any(|one| one.stored.credential.key_id() == credential.key_id) {
                kept += 1;
                console::say(&format!("{name} has a credential {} already; it stays as it is", credential.key_id));
                continue;
            }
            store.add_credential(&name, credential, now()?).await?;
            added += 1;
        }
    }
    if json {
        return console::line(&json!({ "apps": apps, "credentials": added, "kept": kept }).to_string());
    }
    console::line(&format!("{apps} apps and {added} credentials registered, {kept} credentials were there"))
}

fn read(file: &Path, registry: &Registry) -> Result<Vec<Ready>, Failure> {
    let bytes = console::read(file)?;
    if bytes.len() > MOST_BYTES {
        return Err(Failure::file(file, format_args!("longer than {} MiB; split it", MOST_BYTES >> 20)));
    }
    let written: Written = serde_yaml::from_slice(&bytes).map_err(|e| Failure::file(file, format_args!("no list of apps: {e}")))?;
    if written.countersign_apps != 1 {
        return Err(Failure::file(file, "countersign_apps is not 1, the only form that is known"));
    }
    if written.apps.len() > MOST_APPS {
        return Err(Failure::file(file, format_args!("more than {MOST_APPS} apps; split the list")));
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    written.apps.into_iter().map(|app| ready(app, folder, registry).map_err(|fault| at_file(file, fault))).collect()
}

fn at_file(file: &Path, failure: Failure) -> Failure {
    match failure {
        Failure::Usage(text) => Failure::file(file, text),
        other => other,
    }
}

fn ready(written: WrittenApp, folder: &Path, registry: &Registry) -> Result<Ready, Failure> {
    let name = written.name;
    if written.credentials.len() > MOST_CREDENTIALS {
        return Err(Failure::usage(format_args!("{name}: more than {MOST_CREDENTIALS} credentials; split the app")));
    }
    let mut app = App::new(name.clone(), now()?);
    (app.labels, app.scopes) = (written.labels, written.scopes);
    let credential = |written| new_credential(written, folder, registry).map_err(|fault| in_app(&name, fault));
    let credentials = written.credentials.into_iter().map(credential).collect::<Result<_, _>>()?;
    Ok(Ready { app, credentials })
}

fn in_app(name: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Usage(text) => Failure::usage(format_args!("app {name}: {text}")),
        other => other,
    }
}

fn new_credential(written: WrittenCredential, folder: &Path, registry: &Registry) -> Result<NewCredential, Failure> {
    let least = key::least_rsa_bits(written.dialects.iter().map(|id| registry.dialects.get(id)));
    let material = match (&written.secret_file, &written.public_key_file) {
        (Some(file), None) => KeyMaterial::Hmac(key::secret_file(&folder.join(file))?),
        (None, Some(file)) => KeyMaterial::Pair(key::public_key(&folder.join(file), least)?),
        _ => return Err(Failure::usage(format_args!("{}: name either secret_file or public_key_file", written.key_id))),
    };
    let mut terms = Terms::new(written.dialects.iter().cloned());
    terms.diagnostics = written.diagnostics;
    for id in &written.dialects {
        check_dialect(id, &written, registry)?;
    }
    terms.inputs = written.inputs;
    let mut credential = NewCredential::new(written.key_id, material, terms);
    for name in &written.algorithms {
        let known = Algorithm::from_name(name);
        credential.algorithms.push(known.ok_or_else(|| Failure::usage(format_args!("{}: no algorithm {name}", credential.key_id)))?);
    }
    Ok(credential)
}

/// A credential may be bound to a dialect that is not known here yet: until then nothing verifies under it.
fn check_dialect(id: &str, written: &WrittenCredential, registry: &Registry) -> Result<(), Failure> {
    let Some(dialect) = registry.dialects.get(id) else {
        console::say(&format!(
            "warning: {} is bound to {id}, which no dialect file here describes; it cannot be used until then",
            written.key_id
        ));
        return Ok(());
    };
    let inputs: Vec<(String, String)> = written.inputs.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    registry::inputs(dialect, &inputs).map(drop)
}
