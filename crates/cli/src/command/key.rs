//! `countersign key`: what keys there are and whether they are in use, removing them, and another master key for the store.

use std::path::Path;
use std::sync::Arc;

use countersign_core::master_key::MasterKey;
use countersign_core::store::CredentialStore;
use serde_json::{Value, json};

use super::{app, now};
use crate::args::{StoreKeyArgs, StoreKeyCommand};
use crate::failure::Failure;
use crate::registry::Registry;
use crate::store::Opened;
use crate::{console, store};

/// Runs the command.
pub(crate) fn run(args: &StoreKeyArgs, mut registry: Registry, json: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let opened = store::open(&args.store, &mut registry).await?;
        match &args.command {
            StoreKeyCommand::List => list(opened.credentials.as_dyn(), json).await,
            StoreKeyCommand::Remove { key_id } => Ok(opened.for_changes().await?.remove_credential(key_id, now()?).await?),
            StoreKeyCommand::Rewrap { to } => rewrap(&opened, to, json).await,
        }
    })
}

async fn list(store: &dyn CredentialStore, json: bool) -> Result<(), Failure> {
    let rows: Vec<Value> = app::rows(store).await?.into_iter().filter(|row| row["key_id"].is_string()).collect();
    if json {
        return console::line(&Value::Array(rows).to_string());
    }
    let text: String = rows.iter().map(row).collect();
    console::data(text.as_bytes())
}

fn row(value: &Value) -> String {
    let text = |name: &str| value[name].as_str().unwrap_or("-").to_owned();
    let used = match value["last_used"].as_str() {
        Some(at) => format!("last used {at} with {}", text("last_used_with")),
        None => "never used".to_owned(),
    };
    format!("{}  {}  {} ({})  {used}\n", text("key_id"), text("app"), text("key"), text("status"))
}

async fn rewrap(opened: &Opened, to: &Path, json: bool) -> Result<(), Failure> {
    if let Some(log) = opened.audit_log() {
        return Err(Failure::file(
            &log,
            "the audit log is sealed under the master key of its time; move it, audit.key and a copy of the old master key to an archive, \
             where `audit verify` still opens it, and rewrap again: the next start begins a new log",
        ));
    }
    let new = Arc::new(MasterKey::open_or_create(to).map_err(Failure::usage)?);
    let count = opened.credentials.rewrap(Arc::clone(&new)).await?;
    console::say(
        "name the new file as the master key of every gateway, and start them again; then keep the old one until no backup needs it",
    );
    if json {
        return console::line(&json!({ "master_key": new.id(), "credentials": count }).to_string());
    }
    console::data(format!("master key: {}\ncredentials: {count}\n", new.id()).as_bytes())
}
