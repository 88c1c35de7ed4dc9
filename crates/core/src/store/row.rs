//! Rows of the embedded store, read back into apps and credentials.

use std::fmt::Debug;

use countersign_protocol::{Algorithm, Timestamp};
use rusqlite::Row;
use serde_json::Value;

use super::sealed::unseal;
use crate::app::{App, NewCredential, Registered, Status, Terms};
use crate::error::StoreError;
use crate::master_key::MasterKey;

/// The columns that [`read_app`] takes.
pub(super) const APP_COLUMNS: &str = "a.name AS app_name, a.status AS app_status, a.labels, a.scopes, a.created AS app_created";

/// The rows that [`read_registered`] takes.
pub(super) const JOINED: &str = "SELECT c.*, a.name AS app_name, a.status AS app_status, a.labels, a.scopes, a.created AS app_created
    FROM credential c JOIN app a ON a.name = c.app";

pub(super) fn read_app(row: &Row<'_>) -> Result<App, StoreError> {
    let name: String = row.get("app_name")?;
    let damaged = |fault| StoreError::Corrupt { row: format!("app {name:?}"), fault };
    Ok(App {
        status: status(row, "app_status")?.ok_or_else(|| damaged("its status"))?,
        labels: pairs(row, "labels")?.ok_or_else(|| damaged("its labels"))?.into_iter().collect(),
        scopes: texts(row, "scopes")?.ok_or_else(|| damaged("its scopes"))?,
        created: instant(row, "app_created")?.ok_or_else(|| damaged("its date"))?,
        name,
    })
}

pub(super) fn read_registered(row: &Row<'_>, key: &MasterKey) -> Result<Registered, StoreError> {
    let app = read_app(row)?;
    let key_id: String = row.get("key_id")?;
    let damaged = |fault| StoreError::Corrupt { row: format!("credential {key_id:?}"), fault };
    let terms = Terms {
        dialects: texts(row, "dialects")?.ok_or_else(|| damaged("its dialects"))?,
        inputs: pairs(row, "inputs")?.ok_or_else(|| damaged("its inputs"))?.into_iter().collect(),
        status: status(row, "status")?.ok_or_else(|| damaged("its status"))?,
        not_before: instant(row, "not_before")?,
        not_after: instant(row, "not_after")?,
        diagnostics: row.get("diagnostics")?,
    };
    let algorithms = texts(row, "algorithms")?.and_then(|names| names.iter().map(|name| Algorithm::from_name(name)).collect());
    let algorithms: Vec<Algorithm> = algorithms.ok_or_else(|| damaged("its algorithms"))?;
    let created = instant(row, "created")?.ok_or_else(|| damaged("its date"))?;
    let last_used = instant(row, "last_used")?;
    let sealed: Vec<u8> = row.get("sealed")?;
    let Some((material, parts)) = unseal(key, &app.name, &key_id, &sealed) else {
        return Err(damaged("its key does not open in this place"));
    };
    if algorithms.iter().any(|algorithm| algorithm.family() != material.family()) {
        return Err(damaged("its algorithms take another kind of key"));
    }
    let mut stored = NewCredential { key_id, material, parts, algorithms, terms }.stored(&app.name, created);
    stored.last_used = last_used;
    Ok(Registered::new(app, stored))
}

/// The text of a list or map. Neither holds anything that JSON cannot write.
pub(super) fn to_json<T: serde::Serialize + Debug>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn status(row: &Row<'_>, column: &str) -> Result<Option<Status>, StoreError> {
    Ok(Status::from_name(&row.get::<_, String>(column)?))
}

/// `None` for an absent instant. One outside the years 1970 to 9999 was not written by this program.
fn instant(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let millis: Option<i64> = row.get(column)?;
    let damaged = || StoreError::Corrupt { row: column.to_owned(), fault: "it is no instant" };
    millis.map(|millis| Timestamp::from_millis(millis).ok_or_else(damaged)).transpose()
}

fn texts(row: &Row<'_>, column: &str) -> Result<Option<Vec<String>>, StoreError> {
    let text: String = row.get(column)?;
    let Ok(Value::Array(items)) = serde_json::from_str(&text) else { return Ok(None) };
    Ok(items.into_iter().map(text_of).collect())
}

fn pairs(row: &Row<'_>, column: &str) -> Result<Option<Vec<(String, String)>>, StoreError> {
    let text: String = row.get(column)?;
    let Ok(Value::Object(members)) = serde_json::from_str(&text) else { return Ok(None) };
    Ok(members.into_iter().map(|(name, value)| Some((name, text_of(value)?))).collect())
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
