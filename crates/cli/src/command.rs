//! The commands, one file each.

pub(crate) mod adapter;
pub(crate) mod app;
pub(crate) mod audit;
pub(crate) mod codegen;
pub(crate) mod config;
pub(crate) mod dialects;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod key;
pub(crate) mod lint;
pub(crate) mod manual;
pub(crate) mod open_answer;
pub(crate) mod probe;
pub(crate) mod reason;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod sign;
pub(crate) mod user;
pub(crate) mod verify;

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_protocol::{
    Credential, Dialect, Inputs, Intact, KeyLookup, KeyMaterial, Keys, Language, Message, MessageView, Policy, Refusal, Sound, Timestamp,
};

use crate::failure::Failure;

/// The machine's clock.
fn now() -> Result<Timestamp, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis())
        .ok()
        .and_then(Timestamp::from_millis)
        .ok_or_else(|| Failure::usage("the machine's clock is past the year 9999"))
}

/// The language of the user's locale.
fn language() -> Language {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    if locale.is_some_and(|locale| locale.starts_with("zh")) { Language::Chinese } else { Language::English }
}

/// A random text of 128 bits, hexadecimal.
fn random_hex() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| Failure::usage(format_args!("no randomness: {e}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Runs every stage of verifying over a message that is at hand whole. A credential without a key id stands for any.
fn verify(
    dialect: &Dialect,
    message: &Message,
    inputs: &Inputs,
    credentials: &[Credential],
    now: Timestamp,
    policy: &Policy,
) -> Result<Intact, Refusal> {
    let view: &dyn MessageView = match message {
        Message::Request(request) => request,
        Message::Response(response) => response,
    };
    sound(dialect, view, inputs, credentials, now, policy)?.check_body(message.body_bytes())
}

/// Runs every stage of verifying but the last, which holds the body against a digest that was sent.
fn sound(
    dialect: &Dialect,
    view: &dyn MessageView,
    inputs: &Inputs,
    credentials: &[Credential],
    now: Timestamp,
    policy: &Policy,
) -> Result<Sound, Refusal> {
    let fresh = dialect.claim(view, inputs)?.check_clock(now, policy)?;
    let fits = |credential: &&Credential| match (fresh.claim().key_lookup(), credential.material()) {
        (KeyLookup::ById(id), _) => credential.key_id().is_empty() || credential.key_id() == id,
        (KeyLookup::BySecret(shown), KeyMaterial::Hmac(secret)) => secret == shown,
        (KeyLookup::BySecret(_), _) => false,
        _ => true,
    };
    let found: Vec<&Credential> = credentials.iter().filter(fits).collect();
    let keys = if found.is_empty() { Keys::Unknown } else { Keys::Known(&found) };
    fresh.verify(keys)?.require(policy)
}
