//! What is known of another gateway's settings, as data: names that lose nothing, and losses with reason and mend.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The table of one gateway.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// The vendor's pages from which the table was written.
    #[expect(dead_code, reason = "for the reader of the table")]
    sources: Vec<String>,
    /// The plug-ins that verify signatures.
    pub(super) guards: BTreeMap<String, GuardKeys>,
    /// Algorithms that are accepted there unasked, and here only where they are written.
    pub(super) weak: Vec<String>,
    /// The parts for which a header stands that must be signed.
    pub(super) parts: BTreeMap<String, Vec<String>>,
    /// By kind of entry, its keys that have no counterpart.
    keys: BTreeMap<String, BTreeMap<String, Row>>,
    /// Plug-ins that have no counterpart.
    plugins: BTreeMap<String, Row>,
}

/// How a plug-in that verifies signatures names its settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GuardKeys {
    /// The dialect that it verifies.
    pub(super) dialect: String,
    /// Where a credential of it has its key id.
    pub(super) key_id: String,
    /// Where a credential of it has its secret.
    pub(super) secret: String,
    /// The seconds that a clock may differ.
    pub(super) window: Option<String>,
    /// The accepted algorithms.
    pub(super) algorithms: Option<String>,
    /// What is accepted where nothing is written.
    pub(super) default_algorithms: Vec<String>,
    /// The headers that must be signed.
    pub(super) signed: Option<String>,
    /// Whether a body is checked; off where nothing is written.
    pub(super) body: Option<String>,
    /// Whether credentials are hidden from the upstream.
    pub(super) hide: Option<String>,
    /// Who calls when nobody signed.
    pub(super) anonymous: Option<String>,
}

/// One key or plug-in.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Row {
    /// `harmless`: nothing is lost when it is not carried over.
    Word(Harmless),
    /// Something is lost.
    Loss(Loss),
}

/// The word `harmless`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Harmless {
    /// Nothing is lost.
    Harmless,
}

/// What is lost, and the mend.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Loss {
    /// Why it cannot be carried over.
    pub(super) why: String,
    /// What to do about it.
    pub(super) mend: String,
    /// Whether it may keep somebody out, so that what it guards must not be opened without it.
    #[serde(default)]
    pub(super) guards: bool,
    /// The values with which it does nothing.
    #[serde(default)]
    pub(super) same: Vec<String>,
}

impl Table {
    /// Reads a table that is part of this program.
    ///
    /// # Errors
    /// It is no table.
    pub(super) fn read(text: &str) -> Result<Self, serde_yaml::Error> {
        serde_yaml::from_str(text)
    }

    /// The row of a key.
    pub(super) fn key(&self, kind: &str, key: &str) -> Option<&Row> {
        self.keys.get(kind)?.get(key)
    }

    /// The row of a plug-in.
    pub(super) fn plugin(&self, name: &str) -> Option<&Row> {
        self.plugins.get(name)
    }
}
