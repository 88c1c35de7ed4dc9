//! The admin listener as it is written.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// `admin = "127.0.0.1:9090"` or a table.
#[derive(Debug)]
pub(in crate::config) enum WrittenAdmin {
    Address(String),
    Table(WrittenAdminTable),
}

/// `[admin]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct WrittenAdminTable {
    pub(in crate::config) listen: String,
    pub(in crate::config) token_file: Option<PathBuf>,
    #[serde(default)]
    pub(in crate::config) hosts: Vec<Spanned<String>>,
    pub(in crate::config) metrics_open: Option<bool>,
    pub(in crate::config) refusals: Option<NonZeroUsize>,
}

/// By hand and not untagged: so a fault in the table is told by its own line and key.
impl<'de> Deserialize<'de> for WrittenAdmin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressOrTable)
    }
}

struct AddressOrTable;

impl<'de> Visitor<'de> for AddressOrTable {
    type Value = WrittenAdmin;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address or a table")
    }

    fn visit_str<E>(self, text: &str) -> Result<WrittenAdmin, E> {
        Ok(WrittenAdmin::Address(text.to_owned()))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<WrittenAdmin, M::Error> {
        WrittenAdminTable::deserialize(MapAccessDeserializer::new(map)).map(WrittenAdmin::Table)
    }
}
