//! Apps, credentials and refusals as they are written and read in JSON. No type that is answered has a place for a secret but the one
//! that answers a creation.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use countersign_core::{app, jwk, limit};
use countersign_protocol::{Algorithm, KeyMaterial, KeyPair, Secret, Timestamp};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::ApiProblem;
use crate::refusals;

/// Whether an app or credential may be used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Registered, not approved yet.
    Pending,
    /// In use.
    Active,
    /// Switched off.
    Disabled,
}

/// A registered caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct App {
    /// The unique name.
    pub(crate) name: String,
    pub(crate) status: Status,
    /// Free notes of the operator.
    pub(crate) labels: BTreeMap<String, String>,
    /// What it may do; routes ask for scopes.
    pub(crate) scopes: Vec<String>,
    /// The addresses and ranges from which it may call; from anywhere when there is none.
    pub(crate) addresses: Vec<String>,
    /// How often it may call; null: as often as the gateway takes requests.
    pub(crate) rate: Option<Rate>,
    /// When it was registered, in UTC (RFC 3339).
    pub(crate) created: String,
}

/// How often an app may call.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    /// Requests in a second, in the long run.
    #[schema(value_type = u32, minimum = 1)]
    per_second: NonZeroU32,
    /// Requests at once, after a pause.
    #[schema(value_type = u32, minimum = 1)]
    burst: NonZeroU32,
}

/// A credential without its key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Credential {
    pub(crate) app: String,
    pub(crate) key_id: String,
    pub(crate) status: Status,
    /// The kind of key: `hmac`, `rsa`, `ec` or `ed25519`.
    pub(crate) key: String,
    pub(crate) algorithms: Vec<String>,
    /// The dialects that it is bound to.
    pub(crate) dialects: Vec<String>,
    /// Inputs of its dialects that it pins.
    pub(crate) inputs: BTreeMap<String, String>,
    pub(crate) not_before: Option<String>,
    pub(crate) not_after: Option<String>,
    /// Whether a refused caller is shown the exact reason and the masked string to sign.
    pub(crate) diagnostics: bool,
    pub(crate) created: String,
    /// To the minute; null if never.
    pub(crate) last_used: Option<String>,
    /// The dialect of that use.
    pub(crate) last_used_with: Option<String>,
}

/// A credential that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Created {
    #[serde(flatten)]
    pub(crate) credential: Credential,
    /// The secret, where it was made here. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_once")]
    #[schema(value_type = Option<String>)]
    pub(crate) secret: Option<Secret>,
}

/// A page of apps.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Apps {
    pub(crate) apps: Vec<App>,
    /// What to ask for next, as `after`; null at the end.
    pub(crate) next: Option<String>,
}

/// A page of credentials.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Credentials {
    pub(crate) credentials: Vec<Credential>,
    /// What to ask for next, as `after`; null at the end.
    pub(crate) next: Option<String>,
}

/// Why a request was refused.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refusal {
    pub(crate) time: String,
    /// The request's id, as in the access log and the answer.
    pub(crate) id: String,
    pub(crate) peer: String,
    pub(crate) method: String,
    /// Without the values that any known dialect carries.
    pub(crate) target: String,
    pub(crate) route: String,
    pub(crate) dialect: String,
    /// Claimed, and proved if and only if there is an app.
    pub(crate) key_id: String,
    pub(crate) app: String,
    /// The exact reason.
    pub(crate) reason: String,
    pub(crate) status: u16,
    pub(crate) detail: String,
    /// The signed time less ours, in milliseconds, where the clock was the reason.
    pub(crate) clock_offset_millis: Option<i64>,
}

/// The last refusals, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refusals {
    pub(crate) refusals: Vec<Refusal>,
}

/// Which configuration is served.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Config {
    /// Counts the configurations since the start: the first is 1.
    pub(crate) generation: u64,
    pub(crate) since: String,
    /// What is legal and weak in it.
    pub(crate) warnings: Vec<String>,
    /// What it changes that takes effect at the next start only.
    pub(crate) needs_restart: Vec<String>,
    /// Configurations that were refused since the start.
    pub(crate) refused: u64,
    /// When the last attempt was refused, if nothing was taken since then.
    pub(crate) last_error_time: Option<String>,
    /// Why.
    pub(crate) last_error: Option<String>,
}

/// An app to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApp {
    /// 1 to 64 letters, digits, dots, underscores and hyphens.
    pub(super) name: String,
    pub(super) status: Option<Status>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    /// Such as `10.0.0.0/8` or `2001:db8::1`.
    #[serde(default)]
    pub(super) addresses: Vec<String>,
    pub(super) rate: Option<Rate>,
}

/// What is to be changed of an app; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppChange {
    pub(super) status: Option<Status>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) addresses: Option<Vec<String>>,
    /// Null takes it off.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Rate>)]
    pub(super) rate: Option<Option<Rate>>,
}

/// A credential to be registered: with a public key, or with a secret that is made here.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCredential {
    /// By default a random one.
    pub(super) key_id: Option<String>,
    pub(super) dialects: Vec<String>,
    /// The caller's public key: PEM (SubjectPublicKeyInfo), or a JWK as text.
    pub(super) public_key: Option<String>,
    #[serde(default)]
    pub(super) algorithms: Vec<String>,
    #[serde(default)]
    pub(super) inputs: BTreeMap<String, String>,
    /// RFC 3339.
    pub(super) not_before: Option<String>,
    /// RFC 3339.
    pub(super) not_after: Option<String>,
    #[serde(default)]
    pub(super) diagnostics: bool,
}

/// What is to be changed of a credential.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialChange {
    pub(super) status: Status,
}

/// How a credential is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// How long the old one stays valid, in seconds; at most 90 days.
    pub(super) overlap_seconds: u32,
}

impl From<app::Status> for Status {
    fn from(status: app::Status) -> Self {
        match status {
            app::Status::Pending => Self::Pending,
            app::Status::Active => Self::Active,
            app::Status::Disabled => Self::Disabled,
        }
    }
}

impl From<Status> for app::Status {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Active => Self::Active,
            Status::Disabled => Self::Disabled,
        }
    }
}

impl From<limit::Rate> for Rate {
    fn from(limit::Rate { per_second, burst }: limit::Rate) -> Self {
        Self { per_second, burst }
    }
}

impl From<Rate> for limit::Rate {
    fn from(Rate { per_second, burst }: Rate) -> Self {
        Self { per_second, burst }
    }
}

impl From<app::App> for App {
    fn from(app: app::App) -> Self {
        Self {
            name: app.name,
            status: app.status.into(),
            labels: app.labels,
            scopes: app.scopes,
            addresses: app.addresses.iter().map(ToString::to_string).collect(),
            rate: app.rate.map(Rate::from),
            created: app.created.to_string(),
        }
    }
}

impl From<&app::Registered> for Credential {
    fn from(registered: &app::Registered) -> Self {
        let (stored, terms) = (&registered.stored, &registered.stored.terms);
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            app: registered.app.name.clone(),
            key_id: stored.credential.key_id().to_owned(),
            status: terms.status.into(),
            key: format!("{:?}", stored.credential.material().family()).to_ascii_lowercase(),
            algorithms: stored.credential.algorithms().iter().map(|algorithm| algorithm.as_str().to_owned()).collect(),
            dialects: terms.dialects.clone(),
            inputs: terms.inputs.clone(),
            not_before: time(terms.not_before),
            not_after: time(terms.not_after),
            diagnostics: terms.diagnostics,
            created: stored.created.to_string(),
            last_used: time(stored.last_used),
            last_used_with: stored.last_used_with.clone(),
        }
    }
}

impl From<refusals::Refusal> for Refusal {
    fn from(refusal: refusals::Refusal) -> Self {
        Self {
            time: refusal.at.to_string(),
            id: refusal.id,
            peer: refusal.peer,
            method: refusal.method,
            target: refusal.target,
            route: refusal.route,
            dialect: refusal.dialect,
            key_id: refusal.key_id,
            app: refusal.app,
            reason: refusal.reason.as_str().to_owned(),
            status: refusal.status,
            detail: refusal.detail,
            clock_offset_millis: refusal.offset_millis,
        }
    }
}

/// The key of this public key, or a secret that is made here, which is shown once.
pub(crate) fn key_of(public_key: Option<&str>) -> Result<(KeyMaterial, Option<Secret>), ApiProblem> {
    if let Some(text) = public_key {
        let unfit = |error: &dyn fmt::Display| ApiProblem::invalid(format!("public_key: {error}"));
        let pair = if text.trim_start().starts_with('{') {
            jwk::public_key(text).map_err(|error| unfit(&error))?
        } else {
            KeyPair::from_public_pem(text).map_err(|error| unfit(&error))?
        };
        return Ok((KeyMaterial::Pair(pair), None));
    }
    let secret = countersign_core::random::generate_secret()?;
    Ok((KeyMaterial::Hmac(secret.clone()), Some(secret)))
}

/// A secret that was made here, which is text.
pub(crate) fn plain_text(secret: &Secret) -> &str {
    std::str::from_utf8(secret.expose()).unwrap_or_default()
}

/// Ranges of addresses.
pub(super) fn ranges(texts: &[String]) -> Result<Vec<IpNet>, ApiProblem> {
    let range = |text: &String| {
        let parsed = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        parsed.ok_or_else(|| ApiProblem::invalid(format!("addresses: {text:?} is no address or range, such as 10.0.0.0/8")))
    };
    texts.iter().map(range).collect()
}

/// What stands there, also where that is null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

pub(super) fn algorithm(name: &str) -> Result<Algorithm, ApiProblem> {
    Algorithm::from_name(name).ok_or_else(|| ApiProblem::invalid(format!("algorithms: {name:?} is none that is known here")))
}

pub(super) fn instant(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiProblem> {
    let read = |text| {
        Timestamp::parse_rfc3339(text).ok_or_else(|| ApiProblem::invalid(format!("{field}: write an instant such as 2026-01-01T00:00:00Z")))
    };
    text.map(read).transpose()
}

fn shown_once<S: serde::Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(plain_text).serialize(serializer)
}
