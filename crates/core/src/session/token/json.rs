//! JSON as tokens may hold it: texts, whole numbers, lists and objects, no member twice, few levels deep.
//!
//! Derived readers take an array for a struct, and the last of two members: a signed text would then mean one thing here and another elsewhere.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The most levels of lists and objects: a token, its user, the user's roles.
const LEVELS: u8 = 3;
/// The most members of an object, and items of a list.
const ITEMS: usize = 64;
/// The largest number that every reader of JSON reads as it is (RFC 7493, section 2.2).
pub(super) const MOST: u64 = (1 << 53) - 1;

/// A value. `null`, booleans, fractions and negative numbers are in no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Text(String),
    Whole(u64),
    List(Vec<Self>),
    Object(Members),
}

/// The members of an object that were not taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Members(Vec<(String, Json)>);

impl Members {
    /// Reads an object, and nothing beside it.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        match serde_json::from_slice(bytes).ok()? {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(own, _)| own == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes a text out.
    pub(super) fn take_text(&mut self, name: &str) -> Option<String> {
        self.take(name)?.into_text()
    }

    /// Takes a whole number out.
    pub(super) fn take_whole(&mut self, name: &str) -> Option<u64> {
        match self.take(name)? {
            Json::Whole(number) => Some(number),
            _ => None,
        }
    }

    /// Takes a list of texts out.
    pub(super) fn take_texts(&mut self, name: &str) -> Option<Vec<String>> {
        match self.take(name)? {
            Json::List(items) => items.into_iter().map(Json::into_text).collect(),
            _ => None,
        }
    }

    /// Takes an object out.
    pub(super) fn take_object(&mut self, name: &str) -> Option<Self> {
        match self.take(name)? {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether the member is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }

    /// Whether every member was taken.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Json {
    fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'de> serde::Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Level(LEVELS).deserialize(deserializer)
    }
}

/// Reads a value that may hold so many levels more.
struct Level(u8);

impl Level {
    fn below<E: Error>(&self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("too many levels"))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number, a list or an object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        if number <= MOST { Ok(Json::Whole(number)) } else { Err(E::custom("a number that others would round")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.below()?)? {
            if list.len() == ITEMS {
                return Err(A::Error::custom("too many items"));
            }
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Members(Vec::new());
        // Names are compared as they are meant, after their escapes.
        while let Some(name) = members.next_key::<String>()? {
            if object.has(&name) || object.0.len() == ITEMS {
                return Err(A::Error::custom("a member that comes twice, or too many"));
            }
            object.0.push((name, members.next_value_seed(self.below()?)?));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_one_meaning_is_read() {
        let mut object = Members::read(br#" {"a":"x","n":9007199254740991,"l":["p","q"],"o":{"k":"v"}} "#).unwrap();
        assert_eq!(object.take_text("a").unwrap(), "x");
        assert_eq!(object.take_whole("n"), Some(MOST));
        assert_eq!(object.take_texts("l").unwrap(), ["p", "q"]);
        assert_eq!(object.take_object("o").unwrap().take_text("k").unwrap(), "v");
        assert!(object.is_empty());
    }

    #[test]
    fn what_others_may_read_in_another_way_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(3), "]".repeat(3));
        let many = format!("{{\"a\":[{}\"\"]}}", "\"\",".repeat(ITEMS));
        let cases = [
            r#"[{"a":"x"}]"#,
            r#"{"a":"x","a":"y"}"#,
            r#"{"a":"x","\u0061":"y"}"#,
            r#"{"o":{"a":"x","a":"x"}}"#,
            r#"{"a":null}"#,
            r#"{"a":true}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":-1}"#,
            r#"{"a":-0}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"a":18446744073709551615}"#,
            r#"{"a":1e400}"#,
            r#"{"a":NaN}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"x"} x"#,
            r#"{"a":01}"#,
            r#"{"a":"x",}"#,
            "\u{feff}{\"a\":\"x\"}",
            "",
            "\"a\"",
            &deep,
            &many,
        ];
        for text in cases {
            assert_eq!(Members::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Members::read(b"{\"a\":\"\xff\"}"), None);
    }
}
