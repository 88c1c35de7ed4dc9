//! What a part of a message is, byte for byte, and what it means: two spellings of one thing mean the same.

use crate::dialect::Part;
use crate::encoding::{Decoding, decode};
use crate::engine::lists::split;
use crate::message::Message;

/// What a part means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    Text(Vec<u8>),
    /// In any order.
    Pairs(Vec<(Vec<u8>, Vec<u8>)>),
    /// The segments of a path.
    Segments(Vec<Vec<u8>>),
    /// The values of the lines of one name.
    Lines(Vec<Vec<u8>>),
}

/// The bytes of a part; `None` where this kind of message has none, and for what is not to be seen without reading the claim.
pub(super) fn raw(message: &Message, part: &Part) -> Option<Vec<u8>> {
    let view = message.view();
    let line = view.request_line();
    Some(match part {
        Part::Method => line?.method.as_bytes().to_vec(),
        Part::Scheme => line?.scheme.as_str().as_bytes().to_vec(),
        Part::Path => line?.path().to_vec(),
        Part::Query => line?.query().unwrap_or_default().to_vec(),
        Part::QueryParameter(name) => of_name(line?.query().unwrap_or_default(), Decoding::Percent, name)?,
        Part::FormField(name) => of_name(message.body_bytes(), Decoding::Form, name)?,
        Part::Body => message.body_bytes().to_vec(),
        Part::Status => view.status()?.to_string().into_bytes(),
        Part::Host => view.values("host").next()?.to_vec(),
        Part::Header(name) => view.values(name).collect::<Vec<_>>().join(&b'\n'),
        _ => return None,
    })
}

/// What a part means.
pub(super) fn meaning(message: &Message, part: &Part) -> Option<Meaning> {
    Some(match part {
        Part::Query => pairs(&raw(message, part)?, Decoding::Percent),
        Part::Body if message.view().is_form() => pairs(message.body_bytes(), Decoding::Form),
        Part::Path => Meaning::Segments(raw(message, part)?.split(|b| *b == b'/').map(|s| decode(s, Decoding::Percent)).collect()),
        Part::Header(name) => Meaning::Lines(message.view().values(name).map(<[u8]>::to_vec).collect()),
        Part::Host => Meaning::Text(raw(message, part)?.to_ascii_lowercase()),
        _ => Meaning::Text(raw(message, part)?),
    })
}

/// The parameters of query and form together: to those who read both as one list, where one stands does not count.
pub(super) fn parameters(message: &Message) -> Meaning {
    let mut all: Vec<_> = decoded(message.view().query(), Decoding::Form);
    if message.view().is_form() {
        all.extend(decoded(message.body_bytes(), Decoding::Form));
    }
    all.sort();
    Meaning::Pairs(all)
}

fn pairs(text: &[u8], how: Decoding) -> Meaning {
    let mut all = decoded(text, how);
    all.sort();
    Meaning::Pairs(all)
}

fn decoded(text: &[u8], how: Decoding) -> Vec<(Vec<u8>, Vec<u8>)> {
    split(text).map(|(name, value)| (decode(name, how), decode(value, how))).collect()
}

fn of_name(text: &[u8], how: Decoding, name: &str) -> Option<Vec<u8>> {
    let same = split(text).filter(|(n, _)| decode(n, how) == name.as_bytes()).map(|(_, value)| decode(value, how));
    let values: Vec<_> = same.collect();
    (!values.is_empty()).then(|| values.join(&b'&'))
}
