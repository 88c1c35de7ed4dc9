//! The parts of a HAR document that are read. Everything else in it is skipped, and entries that are not meant are not kept.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_path_to_error::Track;

use super::MOST_ENTRIES;

/// The most header lines of a message.
const MOST_LINES: usize = 1_000;

/// What tells entries apart.
#[derive(Debug, Deserialize)]
pub(super) struct Brief {
    pub(super) request: BriefRequest,
}

/// The first line of a request.
#[derive(Debug, Deserialize)]
pub(super) struct BriefRequest {
    pub(super) method: String,
    pub(super) url: String,
}

/// One exchange.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) request: Sent,
    pub(super) response: Option<Received>,
}

/// A request as the file has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) http_version: Option<String>,
    #[serde(default)]
    pub(super) headers: Bounded<Line, MOST_LINES>,
    pub(super) post_data: Option<PostData>,
    /// The bytes of the body; -1 where that is not known.
    pub(super) body_size: Option<f64>,
}

/// The body of a request.
#[derive(Deserialize)]
pub(super) struct PostData {
    pub(super) text: Option<String>,
    /// Not in the standard, and written by some: the text is base64.
    pub(super) encoding: Option<String>,
    pub(super) params: Option<Bounded<IgnoredAny, MOST_LINES>>,
}

/// An answer as the file has it.
#[derive(Deserialize)]
pub(super) struct Received {
    /// 0 where there was none.
    pub(super) status: f64,
    #[serde(default)]
    pub(super) headers: Bounded<Line, MOST_LINES>,
    pub(super) content: Option<Content>,
}

/// The body of an answer, without its content coding.
#[derive(Deserialize)]
pub(super) struct Content {
    pub(super) text: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) size: Option<f64>,
}

/// A header line.
#[derive(Deserialize)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) value: String,
}

/// A list of which no more than so many items are kept. How many there are is counted.
pub(super) struct Bounded<T, const MOST: usize> {
    pub(super) items: Vec<T>,
    pub(super) count: usize,
}

impl<T, const MOST: usize> Bounded<T, MOST> {
    /// The items, if all of them were kept.
    pub(super) fn all(self, what: &str) -> Result<Vec<T>, String> {
        if self.count > MOST { Err(format!("more than {MOST} {what}")) } else { Ok(self.items) }
    }
}

impl<T, const MOST: usize> Default for Bounded<T, MOST> {
    fn default() -> Self {
        Self { items: Vec::new(), count: 0 }
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Bounded<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MOST: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
            type Value = Bounded<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut kept = Bounded::default();
                while kept.items.len() < MOST {
                    let Some(item) = list.next_element()? else { break };
                    kept.items.push(item);
                }
                kept.count = kept.items.len() + skip(&mut list)?;
                Ok(kept)
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}

/// Reads the rest of a list, and counts it.
fn skip<'de, A: SeqAccess<'de>>(list: &mut A) -> Result<usize, A::Error> {
    let mut count = 0;
    while list.next_element::<IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// What each entry is about.
pub(super) fn briefs(text: &[u8]) -> Result<Vec<Brief>, String> {
    entries(text, PhantomData::<Bounded<Brief, MOST_ENTRIES>>)?.all("entries in the HAR")
}

/// The entry at this place, counted from 0.
pub(super) fn entry(text: &[u8], index: usize) -> Result<Entry, String> {
    entries(text, Nth(index))?.ok_or_else(|| "the HAR has no such entry".to_owned())
}

/// Gives the list of entries to a reader.
fn entries<'de, S: DeserializeSeed<'de>>(text: &'de [u8], seed: S) -> Result<S::Value, String> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let mut track = Track::new();
    let found = Within("log", Within("entries", seed)).deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track));
    found.and_then(|found| json.end().map(|()| found)).map_err(|error| fault(&error, &track.path().to_string()))
}

/// What serde says may hold pieces of the file, such as a header's value: only the member, the kind of the fault and its place are told. A
/// member that is not read cannot have such a fault, so that `path` holds names of HAR 1.2 alone.
fn fault(error: &serde_json::Error, path: &str) -> String {
    let said = error.to_string();
    let named = |start: &str| said.strip_prefix(start).and_then(|rest| rest.split('`').next());
    let member = |name: &str| if path == "." { name.to_owned() } else { format!("{path}.{name}") };
    let kind = match error.classify() {
        Category::Data => match (named("missing field `"), named("duplicate field `")) {
            (Some(name), _) => format!("{} is missing", member(name)),
            (None, Some(name)) => format!("{} is there twice", member(name)),
            (None, None) => format!("{path} is of another type than HAR 1.2 says"),
        },
        Category::Eof => "it ends too early".to_owned(),
        _ => "it is no JSON".to_owned(),
    };
    format!("the HAR cannot be read: {kind}, at line {} column {}", error.line(), error.column())
}

/// Gives the member of this name to a reader, and skips the others.
struct Within<S>(&'static str, S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Within<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Within<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {}", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let Self(wanted, seed) = self;
        let (mut seed, mut found) = (Some(seed), None);
        while let Some(name) = members.next_key::<String>()? {
            if name != wanted {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let seed = seed.take().ok_or_else(|| A::Error::duplicate_field(wanted))?;
            found = Some(members.next_value_seed(seed)?);
        }
        found.ok_or_else(|| A::Error::missing_field(wanted))
    }
}

/// Reads one entry of the list and skips the others.
struct Nth(usize);

impl<'de> DeserializeSeed<'de> for Nth {
    type Value = Option<Entry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Nth {
    type Value = Option<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        for _ in 0..self.0 {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let entry = list.next_element()?;
        skip(&mut list)?;
        Ok(entry)
    }
}
