//! `countersign app`: registers apps and credentials, also while gateways run on the same store.

mod import;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::app::{App, NewCredential, Registered, Status, Terms};
use countersign_core::error::StoreError;
use countersign_core::random::{generate_key_id, generate_secret};
use countersign_core::store::CredentialStore;
use countersign_protocol::{KeyMaterial, Secret};
use serde_json::{Value, json};

use super::now;
use crate::args::{AppAddArgs, AppArgs, AppCommand, AppLimitArgs};
use crate::failure::Failure;
use crate::registry::{self, Registry};
use crate::{console, key, store};

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::usage(error)
    }
}

/// Runs the command.
pub(crate) fn run(args: &AppArgs, mut registry: Registry, json: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let opened = store::open(&args.store, &mut registry).await?;
        if matches!(args.command, AppCommand::List) {
            return list(opened.credentials.as_dyn(), json).await;
        }
        let store = opened.for_changes().await?;
        let store = store.as_ref();
        match &args.command {
            AppCommand::Add(args) => add(args, store, &registry, json).await,
            AppCommand::Set { name, limits } => set(store, name, limits).await,
            AppCommand::Import { file } => import::run(file, store, &registry, json).await,
            AppCommand::List => list(store, json).await,
            AppCommand::Rotate { name, key_id, overlap } => rotate(store, name, key_id.as_deref(), *overlap, json).await,
            AppCommand::Enable { name, key_id } => set_status(store, name, key_id.as_deref(), Status::Active).await,
            AppCommand::Disable { name, key_id } => set_status(store, name, key_id.as_deref(), Status::Disabled).await,
        }
    })
}

/// Changes what is named, and leaves the rest.
async fn set(store: &dyn CredentialStore, name: &str, limits: &AppLimitArgs) -> Result<(), Failure> {
    let mut app = store.app(name).await?.ok_or_else(|| StoreError::UnknownApp(name.to_owned()))?;
    limit(&mut app, limits);
    Ok(store.update_app(app).await?)
}

fn limit(app: &mut App, limits: &AppLimitArgs) {
    app.labels.extend(limits.label.iter().cloned());
    if !limits.scope.is_empty() {
        app.scopes.clone_from(&limits.scope);
    }
    if !limits.address.is_empty() {
        app.addresses.clone_from(&limits.address);
    }
    app.rate = limits.rate.or(app.rate);
}

async fn add(args: &AppAddArgs, store: &dyn CredentialStore, registry: &Registry, json: bool) -> Result<(), Failure> {
    let mut terms = Terms::new(args.dialect.iter().cloned());
    terms.diagnostics = args.diagnostics;
    for id in &args.dialect {
        registry::inputs(registry.get(id)?, &args.set)?;
    }
    for (name, value) in &args.set {
        terms = terms.with_input(name.clone(), value.clone());
    }
    let least = key::least_rsa_bits(args.dialect.iter().map(|id| registry.dialects.get(id)));
    let (material, shown) = material(args, least)?;
    let key_id = args.key_id.clone().map_or_else(generate_key_id, Ok)?;
    let mut credential = NewCredential::new(key_id, material, terms);
    credential.algorithms.clone_from(&args.algorithm);
    for (name, file) in &args.part_file {
        credential.parts.push((name.clone(), key::secret_file(Path::new(file))?));
    }
    let at = now()?;
    match store.app(&args.name).await? {
        Some(_) if args.pending => {
            return Err(Failure::usage(format_args!("there is an app '{}' already; --pending is for new ones", args.name)));
        }
        Some(_) => {}
        None => {
            let mut app = App::new(args.name.clone(), at);
            app.status = if args.pending { Status::Pending } else { Status::Active };
            limit(&mut app, &args.limits);
            store.add_app(app).await?;
        }
    }
    let added = store.add_credential(&args.name, credential, at).await?;
    announce(&added, shown.as_ref(), json)
}

/// The key to register, and the secret to show when it was made here. An RSA key has at least so many bits.
fn material(args: &AppAddArgs, least: usize) -> Result<(KeyMaterial, Option<Secret>), Failure> {
    if let Some(path) = &args.public_key {
        return Ok((KeyMaterial::Pair(key::public_key(path, least)?), None));
    }
    if let Some(path) = &args.secret_file {
        return Ok((KeyMaterial::Hmac(key::secret_file(path)?), None));
    }
    let secret = generate_secret()?;
    Ok((KeyMaterial::Hmac(secret.clone()), Some(secret)))
}

/// Prints the new credential. This is the only time that its secret is shown.
fn announce(added: &Registered, secret: Option<&Secret>, json: bool) -> Result<(), Failure> {
    let secret = secret.map(|secret| String::from_utf8_lossy(secret.expose()));
    let mut value = describe(added);
    if let Some(secret) = &secret {
        console::say("the secret is shown this once");
        value["secret"] = secret.as_ref().into();
    }
    if json {
        return console::line(&value.to_string());
    }
    let mut text = format!("app: {}\nkey id: {}\n", added.app.name, added.stored.credential.key_id());
    if let Some(secret) = &secret {
        let _ = writeln!(text, "secret: {secret}");
    }
    let _ = writeln!(text, "dialects: {}", added.stored.terms.dialects.join(", "));
    console::data(text.as_bytes())
}

pub(super) fn describe(registered: &Registered) -> Value {
    let (stored, terms) = (&registered.stored, &registered.stored.terms);
    let time = |at: Option<countersign_protocol::Timestamp>| at.map(|at| at.to_string());
    json!({
        "app": registered.app.name,
        "app_status": registered.app.status.as_str(),
        "key_id": stored.credential.key_id(),
        "status": terms.status.as_str(),
        "key": format!("{:?}", stored.credential.material().family()).to_ascii_lowercase(),
        "algorithms": stored.credential.algorithms().iter().map(|a| a.as_str()).collect::<Vec<_>>(),
        "dialects": terms.dialects,
        "inputs": terms.inputs,
        "not_before": time(terms.not_before),
        "not_after": time(terms.not_after),
        "created": stored.created.to_string(),
        "last_used": time(stored.last_used),
        "last_used_with": stored.last_used_with,
        "labels": registered.app.labels,
        "scopes": registered.app.scopes,
        "addresses": registered.app.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "rate": registered.app.rate.map(|rate| format!("{}/{}", rate.per_second, rate.burst)),
    })
}

/// Every credential of an app, page by page.
async fn credentials(store: &dyn CredentialStore, app: &str) -> Result<Vec<Arc<Registered>>, Failure> {
    let mut all: Vec<Arc<Registered>> = Vec::new();
    loop {
        let after = all.last().map(|last| last.stored.credential.key_id().to_owned()).unwrap_or_default();
        let page = store.credentials(app, &after).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Every credential of every app, described; an app without any has a row of its own.
pub(super) async fn rows(store: &dyn CredentialStore) -> Result<Vec<Value>, Failure> {
    let mut after = String::new();
    let mut rows = Vec::new();
    loop {
        let page = store.apps(&after).await?;
        let Some(last) = page.last() else { return Ok(rows) };
        after.clone_from(&last.name);
        for app in &page {
            let found = credentials(store, &app.name).await?;
            if found.is_empty() {
                rows.push(json!({ "app": app.name, "app_status": app.status.as_str() }));
            }
            rows.extend(found.iter().map(|registered| describe(registered)));
        }
    }
}

async fn list(store: &dyn CredentialStore, json: bool) -> Result<(), Failure> {
    let rows = rows(store).await?;
    if json {
        return console::line(&Value::Array(rows).to_string());
    }
    let text: String = rows.iter().map(row).collect();
    console::data(text.as_bytes())
}

fn row(value: &Value) -> String {
    let text = |name: &str| value[name].as_str().unwrap_or("-").to_owned();
    let dialects: Vec<_> = value["dialects"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let end = value["not_after"].as_str().map(|end| format!("  until {end}")).unwrap_or_default();
    format!(
        "{} ({})  {} ({})  {}  {}{end}\n",
        text("app"),
        text("app_status"),
        text("key_id"),
        text("status"),
        text("key"),
        dialects.join(",")
    )
}

async fn rotate(store: &dyn CredentialStore, app: &str, key_id: Option<&str>, overlap: Duration, json: bool) -> Result<(), Failure> {
    let at = now()?;
    let all = credentials(store, app).await?;
    let current = |registered: &&Arc<Registered>| {
        let terms = &registered.stored.terms;
        terms.status == Status::Active && terms.not_after.is_none_or(|end| end > at)
    };
    let candidates: Vec<_> = match key_id {
        Some(id) => all.iter().filter(|registered| registered.stored.credential.key_id() == id).collect(),
        None => all.iter().filter(current).collect(),
    };
    let [old] = candidates.as_slice() else {
        return Err(Failure::usage(format_args!("app '{app}' has {} such credentials; name one with --key-id", candidates.len())));
    };
    if !matches!(old.stored.credential.material(), KeyMaterial::Hmac(_)) {
        return Err(Failure::usage("the key is the caller's own: register the new one with 'app add --public-key', then disable this one"));
    }
    let secret = generate_secret()?;
    let successor = NewCredential::successor(&old.stored, generate_key_id()?, KeyMaterial::Hmac(secret.clone()));
    let added = store.rotate(old.stored.credential.key_id(), successor, at.plus(overlap), at).await?;
    console::say(&format!("{} stays valid until {}", old.stored.credential.key_id(), at.plus(overlap)));
    announce(&added, Some(&secret), json)
}

async fn set_status(store: &dyn CredentialStore, app: &str, key_id: Option<&str>, status: Status) -> Result<(), Failure> {
    let Some(key_id) = key_id else {
        return Ok(store.set_app_status(app, status).await?);
    };
    let owned = credentials(store, app).await?.iter().any(|registered| registered.stored.credential.key_id() == key_id);
    if !owned {
        return Err(Failure::usage(format_args!("app '{app}' has no credential '{key_id}'")));
    }
    Ok(store.set_credential_status(key_id, status).await?)
}
