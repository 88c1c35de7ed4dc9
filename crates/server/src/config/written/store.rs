//! Where apps, credentials and replay entries are kept, as it is written.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use countersign_protocol::Secret;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::Span;

/// `store = "file.db"` or `[store]`
#[derive(Debug, Hash)]
pub(in crate::config) enum WrittenStore {
    File(PathBuf),
    Table(Box<WrittenStoreTable>),
}

#[derive(Debug, Default, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct WrittenStoreTable {
    /// The file of the embedded store.
    pub(in crate::config) file: Option<PathBuf>,
    pub(in crate::config) postgres: Option<Spanned<WrittenSecret>>,
    /// The URL stands in this file, or in this variable of the environment.
    pub(in crate::config) postgres_file: Option<Spanned<PathBuf>>,
    pub(in crate::config) postgres_variable: Option<Spanned<String>>,
    /// One server, or several nodes of a cluster.
    pub(in crate::config) redis: Option<Spanned<WrittenSecrets>>,
    pub(in crate::config) redis_file: Option<Spanned<PathBuf>>,
    pub(in crate::config) redis_variable: Option<Spanned<String>>,
    /// `embedded`, `memory` or `redis`
    pub(in crate::config) replay: Option<Spanned<String>>,
    pub(in crate::config) timeout: Option<Span>,
    pub(in crate::config) stale: Option<Span>,
    pub(in crate::config) clock_skew: Option<Span>,
    pub(in crate::config) entries: Option<NonZeroUsize>,
    pub(in crate::config) entries_per_app: Option<NonZeroUsize>,
}

/// A URL that may hold a password.
#[derive(Debug, Clone)]
pub(in crate::config) struct WrittenSecret(pub(in crate::config) Secret);

/// One such URL, or several.
#[derive(Debug, Clone, Hash, Deserialize)]
#[serde(untagged, expecting = "a URL or a list of URLs")]
pub(in crate::config) enum WrittenSecrets {
    One(WrittenSecret),
    Several(Vec<WrittenSecret>),
}

/// Only to tell whether it has changed since the start.
impl Hash for WrittenSecret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.expose().hash(state);
    }
}

impl<'de> Deserialize<'de> for WrittenSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::from(text.as_str())))
    }
}

impl<'de> Deserialize<'de> for WrittenStore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StoreVisitor)
    }
}

/// Tells the two forms apart, so that a fault inside the table is told as such.
struct StoreVisitor;

impl<'de> Visitor<'de> for StoreVisitor {
    type Value = WrittenStore;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path of a file, or a table")
    }

    fn visit_str<E>(self, path: &str) -> Result<WrittenStore, E> {
        Ok(WrittenStore::File(path.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenStore, A::Error> {
        WrittenStoreTable::deserialize(MapAccessDeserializer::new(map)).map(|table| WrittenStore::Table(Box::new(table)))
    }
}
