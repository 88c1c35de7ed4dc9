//! A YAML or JSON file of somebody else as a bounded tree. Its texts may be secrets: it has no `Debug`, and is wiped.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// The most bytes of a file.
pub(super) const MOST_BYTES: usize = 8 << 20;
/// The most values of a file, aliases counted as often as they are used.
const MOST_NODES: usize = 500_000;
/// The deepest nesting of a file.
const MOST_DEPTH: usize = 32;

/// A value. Maps keep the order of the file.
pub(super) enum Node {
    /// Nothing.
    Null,
    /// A truth value.
    Flag(bool),
    /// A number, as text.
    Number(String),
    /// A text.
    Text(Zeroizing<String>),
    /// A list.
    List(Vec<Self>),
    /// A map; no key stands twice.
    Map(Vec<(String, Self)>),
}

impl Node {
    /// Reads one YAML document; JSON is YAML.
    ///
    /// # Errors
    /// The text is no YAML, has a key twice, a key that is no text, more values or deeper ones than the limits.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.len() > MOST_BYTES {
            return Err(format!("the file has more than {MOST_BYTES} bytes; split it"));
        }
        let left = Cell::new(MOST_NODES);
        Bounded { left: &left, depth: 0 }.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| place(&error))
    }

    /// What kind of value this is, for reports.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// A scalar as text; empty for anything else.
    pub(super) fn scalar(&self) -> &str {
        match self {
            Self::Flag(true) => "true",
            Self::Flag(false) => "false",
            Self::Number(text) => text,
            Self::Text(text) => text,
            Self::Null | Self::List(_) | Self::Map(_) => "",
        }
    }
}

/// The place, and only those words of the parser that quote nothing: a line of the file may hold a secret.
fn place(error: &serde_yaml::Error) -> String {
    let said = error.to_string();
    let own = OWN_WORDS.iter().find(|words| said.contains(**words)).copied().unwrap_or("it is no YAML");
    let line = error.location().map(|at| format!("line {}, column {}: ", at.line(), at.column())).unwrap_or_default();
    format!("{line}{own}")
}

const TOO_MANY: &str = "there are too many values, or an alias is used too often; split the file";
const TOO_DEEP: &str = "it is nested too deep; check the indentation";
const TWICE: &str = "a key stands twice in one map; remove one of them";
const NO_VALUE: &str = "there is a tagged or binary value; write it plainly";
const OWN_WORDS: [&str; 4] = [TOO_MANY, TOO_DEEP, TWICE, NO_VALUE];

/// Reads one value within what is left.
#[derive(Clone, Copy)]
struct Bounded<'c> {
    left: &'c Cell<usize>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom(TOO_MANY))?;
        self.left.set(left);
        if self.depth > MOST_DEPTH {
            return Err(D::Error::custom(TOO_DEEP));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NO_VALUE)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(Zeroizing::new(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        let inner = Self { depth: self.depth + 1, ..self };
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Node, A::Error> {
        let mut map: Vec<(String, Node)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        let inner = Self { depth: self.depth + 1, ..self };
        while let Some(key) = pairs.next_key_seed(inner)? {
            let key = key.scalar().to_owned();
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(TWICE));
            }
            map.push((key, pairs.next_value_seed(inner)?));
        }
        Ok(Node::Map(map))
    }
}
