//! Rows of a database, read back into apps and credentials: the same for every database.

use std::fmt::Debug;
use std::num::NonZeroU32;

use countersign_protocol::{Algorithm, Timestamp};
use serde_json::Value;

use super::sealed::unseal;
use crate::app::{App, NewCredential, Registered, Status, Terms};
use crate::error::StoreError;
use crate::limit::Rate;
use crate::master_key::MasterKey;

/// The columns of an [`AppRow`], of a table that is called `a`.
pub(super) const APP_COLUMNS: &str = "a.name, a.status, a.labels, a.scopes, a.addresses, a.rate_per_second, a.rate_burst, a.created";

/// The columns of a [`CredentialRow`], of a table that is called `c`.
pub(super) const CREDENTIAL_COLUMNS: &str = "c.key_id, c.sealed, c.algorithms, c.dialects, c.inputs, c.diagnostics, c.status, c.not_before, \
     c.not_after, c.created, c.last_used, c.last_used_with";

/// An app as it is stored.
pub(super) struct AppRow {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) labels: String,
    pub(super) scopes: String,
    pub(super) addresses: String,
    pub(super) rate_per_second: Option<i64>,
    pub(super) rate_burst: Option<i64>,
    pub(super) created: i64,
}

/// A credential as it is stored.
pub(super) struct CredentialRow {
    pub(super) key_id: String,
    pub(super) sealed: Vec<u8>,
    pub(super) algorithms: String,
    pub(super) dialects: String,
    pub(super) inputs: String,
    pub(super) diagnostics: bool,
    pub(super) status: String,
    pub(super) not_before: Option<i64>,
    pub(super) not_after: Option<i64>,
    pub(super) created: i64,
    pub(super) last_used: Option<i64>,
    pub(super) last_used_with: Option<String>,
}

impl AppRow {
    /// The row of this app.
    pub(super) fn of(app: &App) -> Self {
        Self {
            name: app.name.clone(),
            status: app.status.as_str().to_owned(),
            labels: to_json(&app.labels),
            scopes: to_json(&app.scopes),
            addresses: to_json(&app.addresses.iter().map(ToString::to_string).collect::<Vec<_>>()),
            rate_per_second: app.rate.map(|rate| rate.per_second.get().into()),
            rate_burst: app.rate.map(|rate| rate.burst.get().into()),
            created: app.created.millis(),
        }
    }

    /// The app of this row.
    pub(super) fn app(self) -> Result<App, StoreError> {
        let damaged = |fault| StoreError::Corrupt { row: format!("app {:?}", self.name), fault };
        let rate = match (self.rate_per_second, self.rate_burst) {
            (None, None) => None,
            (Some(per_second), Some(burst)) => Some(rate(per_second, burst).ok_or_else(|| damaged("its rate"))?),
            _ => return Err(damaged("its rate")),
        };
        let addresses = texts(&self.addresses).and_then(|texts| texts.iter().map(|text| text.parse().ok()).collect());
        Ok(App {
            status: Status::from_name(&self.status).ok_or_else(|| damaged("its status"))?,
            labels: pairs(&self.labels).ok_or_else(|| damaged("its labels"))?.into_iter().collect(),
            scopes: texts(&self.scopes).ok_or_else(|| damaged("its scopes"))?,
            addresses: addresses.ok_or_else(|| damaged("its addresses"))?,
            rate,
            created: instant(self.created).ok_or_else(|| damaged("its date"))?,
            name: self.name,
        })
    }
}

impl CredentialRow {
    /// The credential of this row, with its app.
    pub(super) fn registered(self, app: App, key: &MasterKey) -> Result<Registered, StoreError> {
        let damaged = |fault| StoreError::Corrupt { row: format!("credential {:?}", self.key_id), fault };
        let optional = |millis: Option<i64>, fault| millis.map(|millis| instant(millis).ok_or_else(|| damaged(fault))).transpose();
        let terms = Terms {
            dialects: texts(&self.dialects).ok_or_else(|| damaged("its dialects"))?,
            inputs: pairs(&self.inputs).ok_or_else(|| damaged("its inputs"))?.into_iter().collect(),
            status: Status::from_name(&self.status).ok_or_else(|| damaged("its status"))?,
            not_before: optional(self.not_before, "its beginning")?,
            not_after: optional(self.not_after, "its end")?,
            diagnostics: self.diagnostics,
        };
        let algorithms = texts(&self.algorithms).and_then(|names| names.iter().map(|name| Algorithm::from_name(name)).collect());
        let algorithms: Vec<Algorithm> = algorithms.ok_or_else(|| damaged("its algorithms"))?;
        let created = instant(self.created).ok_or_else(|| damaged("its date"))?;
        let last_used = optional(self.last_used, "its last use")?;
        let Some((material, parts)) = unseal(key, &app.name, &self.key_id, &self.sealed) else {
            return Err(damaged("its key does not open in this place"));
        };
        if algorithms.iter().any(|algorithm| algorithm.family() != material.family()) {
            return Err(damaged("its algorithms take another kind of key"));
        }
        let mut stored = NewCredential { key_id: self.key_id, material, parts, algorithms, terms }.stored(&app.name, created);
        (stored.last_used, stored.last_used_with) = (last_used, self.last_used_with);
        Ok(Registered::new(app, stored))
    }
}

/// The text of a list or map. Neither holds anything that JSON cannot write.
pub(super) fn to_json<T: serde::Serialize + Debug>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn rate(per_second: i64, burst: i64) -> Option<Rate> {
    let count = |number: i64| u32::try_from(number).ok().and_then(NonZeroU32::new);
    Some(Rate { per_second: count(per_second)?, burst: count(burst)? })
}

/// One outside the years 1970 to 9999 was not written by this program.
fn instant(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millis(millis)
}

fn texts(text: &str) -> Option<Vec<String>> {
    let Ok(Value::Array(items)) = serde_json::from_str(text) else { return None };
    items.into_iter().map(text_of).collect()
}

fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else { return None };
    members.into_iter().map(|(name, value)| Some((name, text_of(value)?))).collect()
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
