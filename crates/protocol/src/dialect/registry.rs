//! The dialects that a program knows: those that are built in, and those that a user adds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::node::Node;
use super::{Dialect, LoadError};
use crate::native;

// Constants made of `dialects/*.yaml` when the crate is built.
include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// Dialects by id.
#[derive(Debug, Clone, Default)]
pub struct Dialects {
    all: BTreeMap<String, Dialect>,
}

impl Dialects {
    /// No dialects.
    #[must_use]
    pub const fn empty() -> Self {
        Self { all: BTreeMap::new() }
    }

    /// The dialects that are built in.
    ///
    /// # Errors
    /// When a built-in file makes no sense; a test of this crate shows that none does.
    pub fn builtin() -> Result<Self, LoadError> {
        let mut all = BTreeMap::new();
        for (id, node) in BUILTIN {
            let dialect = Dialect::from_node(node)
                .map_err(|e| LoadError::new(format!("{id}: {}", e.path()), e.fault().to_owned(), e.mend().to_owned()))?;
            all.insert((*id).to_owned(), dialect);
        }
        all.extend(native::dialects().into_iter().map(|dialect| (dialect.id().to_owned(), dialect)));
        Ok(Self { all })
    }

    /// Whether a dialect of this id is built in.
    #[must_use]
    pub fn is_builtin(id: &str) -> bool {
        BUILTIN.iter().any(|(builtin, _)| *builtin == id) || native::dialects().iter().any(|dialect| dialect.id() == id)
    }

    /// Adds a dialect file. Its stem is the id; a known id is taken only by a file that says `replaces:`.
    ///
    /// # Errors
    /// What is wrong with the file.
    #[cfg(feature = "yaml")]
    pub fn add_yaml(&mut self, stem: &str, text: &str) -> Result<(), LoadError> {
        let dialect = Dialect::from_yaml(text)?;
        if dialect.id() != stem {
            return Err(LoadError::new("dialect", format!("'{}' in a file named {stem}", dialect.id()), "name both alike"));
        }
        self.add(dialect)
    }

    /// Adds a dialect.
    ///
    /// # Errors
    /// When its id is taken and it does not say `replaces:` with that id.
    pub fn add(&mut self, dialect: Dialect) -> Result<(), LoadError> {
        let replaces = dialect.replaces();
        if let Some(replaced) = replaces.filter(|r| *r != dialect.id()) {
            return Err(LoadError::new(
                "replaces",
                format!("'{replaced}' is not this dialect's own id"),
                "it names the id that this file takes over",
            ));
        }
        if self.all.contains_key(dialect.id()) && replaces.is_none() {
            let mend = format!("choose another id, or say replaces: {}", dialect.id());
            return Err(LoadError::new("dialect", format!("the id {} is taken", dialect.id()), mend));
        }
        self.all.insert(dialect.id().to_owned(), dialect);
        Ok(())
    }

    /// The dialect of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Dialect> {
        self.all.get(id)
    }

    /// Every dialect, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Dialect> {
        self.all.values()
    }
}
