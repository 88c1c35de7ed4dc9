//! `countersign session`: the keys that sign access tokens, listed, rotated before it is time, and revoked.

use std::time::Duration;

use countersign_core::session::signing::{
    KeyState, Rotated, RotationPolicy, SigningAlgorithm, SigningKey, SigningKeyStore, revoke as end_key,
};
use countersign_protocol::Timestamp;
use serde_json::{Value, json};

use super::now;
use crate::args::session::{SessionArgs, SessionCommand, SessionKeyCommand};
use crate::failure::Failure;
use crate::registry::Registry;
use crate::{console, store};

/// The longest life of an access token and the largest skew that a gateway may be given: a key that ends verifies for as long at least.
const LONGEST: Duration = Duration::from_hours(1);
const SKEW: Duration = Duration::from_mins(5);

/// Runs the command.
pub(crate) fn run(args: &SessionArgs, mut registry: Registry, json: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let opened = store::open(&args.store, &mut registry).await?;
        let SessionCommand::Key(command) = &args.command;
        match command {
            SessionKeyCommand::List => list(&*opened.credentials.into_signing_keys(), json).await,
            SessionKeyCommand::Rotate { algorithm } => rotate(&*opened.signing_keys()?, *algorithm, json).await,
            SessionKeyCommand::Revoke { kid } => revoke(&*opened.signing_keys()?, kid, json).await,
        }
    })
}

async fn list(store: &dyn SigningKeyStore, json: bool) -> Result<(), Failure> {
    let now = now()?;
    let rows: Vec<Value> = store.signing_keys(now).await?.iter().map(|key| row(key, now)).collect();
    if json {
        return console::line(&Value::Array(rows).to_string());
    }
    let text: String = rows.iter().map(line).collect();
    console::data(text.as_bytes())
}

fn row(key: &SigningKey, now: Timestamp) -> Value {
    let times = key.times();
    let text = |at: Timestamp| at.to_string();
    json!({
        "kid": key.kid(), "algorithm": key.algorithm().as_str(), "state": times.state(now).as_str(), "published": text(times.published),
        "signs_from": text(times.signs_from), "signs_until": text(times.signs_until), "verifies_until": text(times.verifies_until),
        "revoked": times.revoked.map(text),
    })
}

fn line(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or("-");
    let span = format!("signs {} to {}, verifies until {}", text("signs_from"), text("signs_until"), text("verifies_until"));
    format!("{}  {} ({})  {span}\n", text("kid"), text("algorithm"), text("state"))
}

async fn rotate(store: &dyn SigningKeyStore, algorithm: Option<SigningAlgorithm>, json: bool) -> Result<(), Failure> {
    let now = now()?;
    let policy = policy(store, algorithm, now).await?;
    let rotated = policy.rotate_early(store, now).await?.ok_or_else(|| {
        Failure::usage("a new key waits to sign already; see it with `countersign session key list`, and rotate again when it signs")
    })?;
    tell(None, Some(&rotated), json)
}

async fn revoke(store: &dyn SigningKeyStore, kid: &str, json: bool) -> Result<(), Failure> {
    let now = now()?;
    let policy = policy(store, None, now).await?;
    let rotated = end_key(store, kid, now, &policy).await?;
    console::say(
        "what it signed is refused by every gateway within a second, and by others as soon as they fetch the published keys again",
    );
    tell(Some(kid), rotated.as_ref(), json)
}

/// The policy of the gateway, with the algorithm that is asked for, or that of the key that signs or will sign.
async fn policy(store: &dyn SigningKeyStore, asked: Option<SigningAlgorithm>, now: Timestamp) -> Result<RotationPolicy, Failure> {
    let keys = store.signing_keys(now).await?;
    let last = keys.iter().filter(|key| key.times().state(now) != KeyState::Revoked).max_by_key(|key| key.times().signs_from);
    let last = last.or(keys.first()).map(SigningKey::algorithm);
    Ok(RotationPolicy { algorithm: asked.or(last).unwrap_or_default(), ..RotationPolicy::new(LONGEST, SKEW) })
}

fn tell(revoked: Option<&str>, rotated: Option<&Rotated>, json: bool) -> Result<(), Failure> {
    let added = rotated.and_then(|rotated| rotated.added.as_deref());
    let from = rotated.map(|rotated| rotated.signs_from.to_string());
    if json {
        return console::line(&json!({ "revoked": revoked, "added": added, "signs_from": from }).to_string());
    }
    let lines = [("revoked", revoked), ("added", added), ("signs from", from.as_deref())];
    let text: String = lines.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name}: {value}\n"))).collect();
    console::data(text.as_bytes())
}
