//! The JSON of an envelope: exactly its members, each once, in canonical base64.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};

use crate::error::{OpenError, SetupError};

/// The most bytes of a key id.
pub const MAX_KEY_ID: usize = 128;
/// The most bytes of a member's name.
pub const MAX_NAME: usize = 64;
/// The most bytes of a wrapped key: RSA of 8192 bits.
const MAX_WRAPPED: usize = 1024;
/// The most bytes of an envelope beside its encrypted body: the wrapped key, the key id, names, quotes and blanks.
const REST: usize = 4096;

/// The names of an envelope's members. Others name them differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// The encrypted body.
    pub content: String,
    /// The wrapped content key.
    pub key: String,
    /// The id of the recipient's key; absent: an envelope has no such member.
    pub key_id: Option<String>,
}

impl Default for Fields {
    fn default() -> Self {
        Self { content: "content".to_owned(), key: "encryptKey".to_owned(), key_id: None }
    }
}

/// An envelope, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) content: Vec<u8>,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) key_id: Option<String>,
}

impl Fields {
    /// Whether the names are there, bounded and different.
    pub(crate) fn check(&self) -> Result<(), SetupError> {
        let names = [Some(&self.content), Some(&self.key), self.key_id.as_ref()];
        let bounded = names.into_iter().flatten().all(|name| !name.is_empty() && name.len() <= MAX_NAME);
        let different = self.content != self.key && names[2].is_none_or(|id| *id != self.content && *id != self.key);
        if bounded && different { Ok(()) } else { Err(SetupError::Name) }
    }

    /// Takes an envelope apart whose encrypted body has at most `most` bytes.
    pub(crate) fn parse(&self, json: &[u8], most: usize) -> Result<Parts, OpenError> {
        let names: Vec<&str> =
            [Some(&self.content), Some(&self.key), self.key_id.as_ref()].into_iter().flatten().map(String::as_str).collect();
        let mut members = members(json, &names, most)?.into_iter();
        let content = decoded(members.next().flatten(), most)?;
        let wrapped = decoded(members.next().flatten(), MAX_WRAPPED)?;
        let key_id = members.next().flatten().map(Cow::into_owned);
        if key_id.as_deref().is_some_and(|id| !is_key_id(id)) {
            return Err(OpenError::Malformed("a key id that is empty, too long or not visible ASCII"));
        }
        Ok(Parts { content, wrapped, key_id })
    }

    /// Writes an envelope.
    pub(crate) fn write(&self, parts: &Parts) -> Vec<u8> {
        let (content, wrapped) = (STANDARD.encode(&parts.content), STANDARD.encode(&parts.wrapped));
        let id = self.key_id.as_deref().zip(parts.key_id.as_deref());
        object([(self.content.as_str(), content.as_str()), (&self.key, &wrapped)].into_iter().chain(id))
    }

    /// Takes an encrypted answer apart, which has one member.
    pub(crate) fn parse_answer(&self, json: &[u8], most: usize) -> Result<Vec<u8>, OpenError> {
        let mut members = members(json, &[&self.content], most)?;
        decoded(members.pop().flatten(), most)
    }

    /// Writes an encrypted answer.
    pub(crate) fn write_answer(&self, content: &[u8]) -> Vec<u8> {
        object(std::iter::once((self.content.as_str(), STANDARD.encode(content).as_str())))
    }
}

/// Whether the text can name a key.
pub(crate) fn is_key_id(id: &str) -> bool {
    (1..=MAX_KEY_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// One JSON object of these texts, without blanks.
fn object<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let texts: Vec<String> = members.map(|(name, text)| format!("{}:{}", quoted(name), quoted(text))).collect();
    format!("{{{}}}", texts.join(",")).into_bytes()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Canonical base64 with padding (RFC 4648, section 4) of at most `most` bytes.
fn decoded(text: Option<Cow<'_, str>>, most: usize) -> Result<Vec<u8>, OpenError> {
    let text = text.ok_or(OpenError::Malformed("a member is missing"))?;
    if text.len() / 4 > most.div_ceil(3) {
        return Err(OpenError::TooLarge);
    }
    STANDARD.decode(text.as_bytes()).map_err(|_| OpenError::Malformed("a member is no canonical base64 with padding"))
}

/// The texts of these members, in this order. A member of another name, one that is there twice, and one that is no text is
/// refused. The first ones must be there; which, is for the caller.
fn members<'j>(json: &'j [u8], names: &[&str], most: usize) -> Result<Vec<Option<Cow<'j, str>>>, OpenError> {
    // An escape may write one character with six.
    if json.len() > most.div_ceil(3).saturating_mul(4).saturating_add(REST) {
        return Err(OpenError::TooLarge);
    }
    let mut fault = None;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let read = Members { names, fault: &mut fault }.deserialize(&mut reader);
    let read = read.and_then(|members| reader.end().map(|()| members));
    read.map_err(|_| OpenError::Malformed(fault.unwrap_or("no JSON object of texts, and nothing else")))
}

/// Reads one object, and notes what is wrong with its members.
struct Members<'a> {
    names: &'a [&'a str],
    fault: &'a mut Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Vec<Option<Cow<'de, str>>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<Option<Cow<'de, str>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = vec![None; self.names.len()];
        while let Some(Text(name)) = map.next_key()? {
            let fault = match self.names.iter().position(|known| *known == name) {
                None => "an unknown member",
                Some(at) if found[at].is_some() => "a member is there twice",
                Some(at) => {
                    found[at] = Some(map.next_value::<Text<'de>>()?.0);
                    continue;
                }
            };
            *self.fault = Some(fault);
            return Err(A::Error::custom(fault));
        }
        Ok(found)
    }
}

/// A JSON text, borrowed where it holds no escape.
struct Text<'j>(Cow<'j, str>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AnyText)
    }
}

struct AnyText;

impl<'de> Visitor<'de> for AnyText {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1 << 16;

    fn named() -> Fields {
        Fields { key_id: Some("kid".to_owned()), ..Fields::default() }
    }

    #[test]
    fn an_envelope_is_read_as_written() {
        for (fields, key_id) in [(Fields::default(), None), (named(), Some("k-1".to_owned())), (named(), None)] {
            let parts = Parts { content: vec![1, 2, 3, 0xff], wrapped: vec![9; 256], key_id };
            let json = fields.write(&parts);
            assert_eq!(fields.parse(&json, MOST), Ok(parts));
        }
        let odd = Fields { content: "a\"b".to_owned(), key: "k\u{e9}".to_owned(), key_id: None };
        let parts = Parts { content: vec![1], wrapped: vec![2], key_id: None };
        assert_eq!(odd.parse(&odd.write(&parts), MOST), Ok(parts));
    }

    #[test]
    fn blanks_order_and_escapes_do_not_count() {
        let same = [
            r#"{"content":"/w==","encryptKey":"AA=="}"#,
            r#" { "encryptKey" : "AA==" , "content" : "\/w==" } "#,
            r#"{"cont\u0065nt":"\u002fw==","encryptKey":"AA=="}"#,
        ];
        for json in same {
            assert_eq!(Fields::default().parse(json.as_bytes(), MOST).unwrap().content, [0xff], "{json}");
        }
    }

    #[test]
    fn what_is_not_exactly_an_envelope_is_refused() {
        for (json, fault) in [
            (r#"{"content":"AA=="}"#, "missing"),
            (r#"{"encryptKey":"AA=="}"#, "missing"),
            (r#"{}"#, "missing"),
            (r#"{"content":"AA==","encryptKey":"AA==","more":"AA=="}"#, "unknown"),
            (r#"{"content":"AA==","encryptKey":"AA==","content":"AA=="}"#, "twice"),
            (r#"{"content":"AA==","c\u006fntent":"AA==","encryptKey":"AA=="}"#, "twice"),
            (r#"{"content":"AA==","encryptKey":"AA==","kid":"a"}"#, "unknown"),
            (r#"{"content":"AA==","encryptKey":"AA=="}x"#, "nothing else"),
            (r#"{"content":"AA==","encryptKey":"AA=="}{}"#, "nothing else"),
            (r#"{"content":"AA==","encryptKey":1}"#, "no JSON"),
            (r#"{"content":null,"encryptKey":"AA=="}"#, "no JSON"),
            (r#"[{"content":"AA==","encryptKey":"AA=="}]"#, "no JSON"),
            (r#""AA==""#, "no JSON"),
            ("", "no JSON"),
            ("{\"content\":\"\u{1}\"}", "no JSON"),
            (r#"{"content":"AA","encryptKey":"AA=="}"#, "base64"),
            (r#"{"content":"AB==","encryptKey":"AA=="}"#, "base64"),
            (r#"{"content":"AA==","encryptKey":"A-_="}"#, "base64"),
            (r#"{"content":"AA==\n","encryptKey":"AA=="}"#, "base64"),
        ] {
            let error = Fields::default().parse(json.as_bytes(), MOST).unwrap_err();
            assert!(matches!(error, OpenError::Malformed(text) if text.contains(fault)), "{json}: {error}");
        }
        let not_utf8 = b"{\"content\":\"\xff\",\"encryptKey\":\"AA==\"}";
        assert!(matches!(Fields::default().parse(not_utf8, MOST), Err(OpenError::Malformed(_))));
    }

    #[test]
    fn key_ids_are_bounded() {
        for (id, taken) in
            [("a".repeat(MAX_KEY_ID), true), ("a".repeat(MAX_KEY_ID + 1), false), (String::new(), false), ("a b".to_owned(), false)]
        {
            let json = format!(r#"{{"content":"AA==","encryptKey":"AA==","kid":"{id}"}}"#);
            assert_eq!(named().parse(json.as_bytes(), MOST).is_ok(), taken, "{id}");
        }
    }

    #[test]
    fn sizes_are_refused_before_anything_is_decoded() {
        let large = format!(r#"{{"content":"{}","encryptKey":"AA=="}}"#, "A".repeat(4 * 1_000));
        assert_eq!(Fields::default().parse(large.as_bytes(), 2_000).unwrap_err(), OpenError::TooLarge);
        let blanks = format!(r#"{{"content":"AA==",{}"encryptKey":"AA=="}}"#, " ".repeat(2 * REST));
        assert_eq!(Fields::default().parse(blanks.as_bytes(), 30).unwrap_err(), OpenError::TooLarge);
        let wrapped = format!(r#"{{"content":"AA==","encryptKey":"{}"}}"#, "A".repeat(4 * 400));
        assert_eq!(Fields::default().parse(wrapped.as_bytes(), MOST).unwrap_err(), OpenError::TooLarge);
    }

    #[test]
    fn names_must_differ() {
        let names = |content: &str, key: &str, id: Option<&str>| Fields {
            content: content.to_owned(),
            key: key.to_owned(),
            key_id: id.map(str::to_owned),
        };
        assert!(names("a", "b", Some("c")).check().is_ok());
        for wrong in [names("a", "a", None), names("a", "b", Some("b")), names("", "b", None), names(&"a".repeat(MAX_NAME + 1), "b", None)]
        {
            assert_eq!(wrong.check(), Err(SetupError::Name), "{wrong:?}");
        }
    }
}
