//! On which line of a config a key stands, and every value that names a file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A config as a tree that knows its lines.
pub(super) struct Place<'t> {
    text: &'t str,
    tree: DeTable<'t>,
}

/// A value that names a file, and where it stands.
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: String,
}

impl<'t> Place<'t> {
    /// Reads the text; a text that is no TOML has no places.
    pub(super) fn of(text: &'t str) -> Self {
        let tree = DeTable::parse(text).map(Spanned::into_inner).unwrap_or_default();
        Self { text, tree }
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    /// The line of a key of the outermost table.
    pub(super) fn top(&self, key: &str) -> Option<usize> {
        self.tree.keys().find(|name| name.get_ref() == key).map(|name| self.line(name.span().start))
    }

    /// The line of a key of a route, or of the route where it has no such key. Routes count from 0.
    pub(super) fn route(&self, index: usize, key: &str) -> Option<usize> {
        let route = self.routes()?.get(index)?;
        let table = if let DeValue::Table(table) = route.get_ref() { Some(table) } else { None };
        let own = table.and_then(|table| table.keys().find(|name| name.get_ref() == key)).map(|name| name.span().start);
        Some(self.line(own.unwrap_or(route.span().start)))
    }

    fn routes(&self) -> Option<&[Spanned<DeValue<'t>>]> {
        let list = self.tree.iter().find(|(name, _)| name.get_ref() == "route")?.1;
        if let DeValue::Array(list) = list.get_ref() { Some(list) } else { None }
    }

    /// Every text under a key of which this says that it names a file, with that key.
    pub(super) fn named(&self, is_file: impl Fn(&str) -> bool) -> Vec<Named> {
        let mut found = Vec::new();
        self.walk(&self.tree, &is_file, &mut found);
        found
    }

    fn walk(&self, table: &DeTable<'t>, is_file: &impl Fn(&str) -> bool, found: &mut Vec<Named>) {
        for (key, value) in table {
            match value.get_ref() {
                DeValue::Table(inner) => self.walk(inner, is_file, found),
                DeValue::Array(items) => {
                    for item in items.iter() {
                        if let DeValue::Table(inner) = item.get_ref() {
                            self.walk(inner, is_file, found);
                        }
                    }
                }
                DeValue::String(text) if is_file(key.get_ref()) => {
                    found.push(Named { line: self.line(key.span().start), key: key.get_ref().to_string(), value: text.to_string() });
                }
                _ => {}
            }
        }
    }
}
