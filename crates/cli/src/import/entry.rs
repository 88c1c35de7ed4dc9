//! Reading one map key by key: what nobody took is reported at the end, never ignored.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::document::Node;
use super::table::{Row, Table};

/// What an import could not carry over, and what it did otherwise.
#[derive(Default)]
pub(super) struct Notes {
    /// Not carried over.
    left_out: RefCell<Vec<LeftOut>>,
    /// Carried over, with a difference that an operator should know.
    remarks: RefCell<Vec<Remark>>,
}

/// One setting that was not carried over.
#[derive(serde::Serialize, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Where it stands in the file that was read.
    pub(super) path: String,
    /// Why it was not carried over.
    pub(super) why: String,
    /// What to do about it.
    pub(super) mend: String,
}

/// One difference.
#[derive(serde::Serialize, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    /// Where the setting stands in the file that was read.
    pub(super) path: String,
    /// What is different now.
    pub(super) text: String,
}

impl Notes {
    /// Notes a setting that was not carried over.
    pub(super) fn left_out(&self, path: &str, why: impl Into<String>, mend: impl Into<String>) {
        let note = LeftOut { path: path.to_owned(), why: why.into(), mend: mend.into() };
        let mut list = self.left_out.borrow_mut();
        if !list.contains(&note) {
            list.push(note);
        }
    }

    /// Notes a difference.
    pub(super) fn remark(&self, path: &str, text: impl Into<String>) {
        let note = Remark { path: path.to_owned(), text: text.into() };
        let mut list = self.remarks.borrow_mut();
        if !list.contains(&note) {
            list.push(note);
        }
    }

    /// Everything that was noted.
    pub(super) fn into_parts(self) -> (Vec<LeftOut>, Vec<Remark>) {
        (self.left_out.into_inner(), self.remarks.into_inner())
    }
}

/// What an entry's leftovers mean for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leftovers {
    /// Nothing that keeps anybody out was left out.
    Harmless,
    /// Something that may keep somebody out was left out: what depends on this entry must not be opened.
    Guarding,
}

/// A map of the file, and where it stands.
pub(super) struct Entry<'a> {
    pub(super) path: String,
    map: &'a [(String, Node)],
    taken: RefCell<BTreeSet<&'a str>>,
    notes: &'a Notes,
}

impl<'a> Entry<'a> {
    /// The entry, if the node is a map; anything else but nothing is noted.
    pub(super) fn of(node: &'a Node, path: impl Into<String>, notes: &'a Notes) -> Option<Self> {
        let path = path.into();
        match node {
            Node::Map(map) => Some(Self { path, map, taken: RefCell::default(), notes }),
            Node::Null => None,
            other => {
                notes.left_out(&path, format!("a map is expected here, and this is {}", other.kind()), "correct the file");
                None
            }
        }
    }

    /// The path of a key.
    pub(super) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes a value that is there and not null.
    pub(super) fn node(&self, key: &str) -> Option<&'a Node> {
        let (name, node) = self.map.iter().find(|(name, _)| name == key)?;
        self.taken.borrow_mut().insert(name);
        (!matches!(node, Node::Null)).then_some(node)
    }

    /// Whether a key is there, with a value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.map.iter().any(|(name, node)| name == key && !matches!(node, Node::Null))
    }

    /// The keys, in the order of the file.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.map.iter().map(|(key, _)| key.as_str())
    }

    fn wrong(&self, key: &str, expected: &str, node: &Node) {
        let why = format!("{expected} is expected here, and this is {}", node.kind());
        self.notes.left_out(&self.at(key), why, "correct the value, and import again");
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        match self.node(key)? {
            Node::Text(text) => Some(text.as_str()),
            other => {
                self.wrong(key, "a text (in quotes)", other);
                None
            }
        }
    }

    /// A text or a number, as text.
    pub(super) fn name(&self, key: &str) -> Option<&'a str> {
        match self.node(key)? {
            node @ (Node::Text(_) | Node::Number(_)) => Some(node.scalar()),
            other => {
                self.wrong(key, "a name", other);
                None
            }
        }
    }

    /// A truth value.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.node(key)? {
            Node::Flag(flag) => Some(*flag),
            other => {
                self.wrong(key, "true or false", other);
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        let node = self.node(key)?;
        let number = if let Node::Number(text) = node { text.parse().ok() } else { None };
        if number.is_none() {
            self.wrong(key, "a whole number", node);
        }
        number
    }

    /// A list of texts; a single text is a list of one.
    pub(super) fn texts(&self, key: &str) -> Vec<&'a str> {
        let items = match self.node(key) {
            None => return Vec::new(),
            Some(Node::List(items)) => items.as_slice(),
            Some(single) => std::slice::from_ref(single),
        };
        let text = |node: &'a Node| {
            let text = if let Node::Text(text) = node { Some(text.as_str()) } else { None };
            if text.is_none() {
                self.wrong(key, "a list of texts", node);
            }
            text
        };
        items.iter().filter_map(text).collect()
    }

    /// A map.
    pub(super) fn entry(&self, key: &str) -> Option<Self> {
        self.node(key).and_then(|node| Self::of(node, self.at(key), self.notes))
    }

    /// A list of maps.
    pub(super) fn entries(&self, key: &str) -> Vec<Self> {
        match self.node(key) {
            None => Vec::new(),
            Some(Node::List(items)) => {
                let numbered = items.iter().enumerate();
                numbered.filter_map(|(i, item)| Self::of(item, format!("{}[{i}]", self.at(key)), self.notes)).collect()
            }
            Some(other) => {
                self.wrong(key, "a list", other);
                Vec::new()
            }
        }
    }

    /// Notes every key that nobody took, by the rows of its kind of entry.
    pub(super) fn finish(&self, kind: &str, table: &Table) -> Leftovers {
        let taken = self.taken.borrow();
        let mut all = Leftovers::Harmless;
        for (key, node) in self.map.iter().filter(|(key, node)| !taken.contains(key.as_str()) && !matches!(node, Node::Null)) {
            match table.key(kind, key) {
                Some(Row::Word(_)) => {}
                Some(Row::Loss(loss)) if loss.same.iter().any(|same| same == node.scalar()) && !node.scalar().is_empty() => {}
                Some(Row::Loss(loss)) => {
                    self.notes.left_out(&self.at(key), &loss.why, &loss.mend);
                    all = if loss.guards { Leftovers::Guarding } else { all };
                }
                None => {
                    self.notes.left_out(&self.at(key), "this key is not known here", "find out what it does, and configure it by hand");
                    all = Leftovers::Guarding;
                }
            }
        }
        all
    }
}
