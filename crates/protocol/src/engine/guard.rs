//! What guards look at: the values of a source before they were written into the text, and whether a filter loses something of one.

use std::borrow::Cow;

use super::fields::without_signature;
use super::filters::{apply, apply_all};
use super::lists;
use super::scene::Scene;
use crate::dialect::compile::list_of;
use crate::dialect::plan::{Claimed, Filter, Place, Source};
use crate::encoding::{self, Decoding};
use crate::reason::Refusal;

/// The values of a source; of a list the names and values of its items.
pub(super) fn values<'a>(scene: &Scene<'a>, source: &Source) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
    let line = scene.message.request_line();
    let named = |text: &[u8], decoding, name: &str| {
        let same = lists::split(text).filter(|(n, _)| encoding::decode(n, decoding) == name.as_bytes());
        same.map(|(_, value)| Cow::Owned(encoding::decode(value, decoding))).collect()
    };
    if let Some(pairs) = list_of(scene.plan, source) {
        let items = lists::take(scene, pairs)?.items.into_iter();
        return Ok(items.flat_map(|(name, value)| [Cow::Owned(name), Cow::Owned(value)]).collect());
    }
    Ok(match source {
        Source::Claim(what) => scene.texts.get(*what).map(|text| Cow::Owned(text.as_bytes().to_vec())).into_iter().collect(),
        Source::Header(name) => scene.message.values(name).map(|value| Cow::Owned(value.to_vec())).collect(),
        Source::Path => vec![Cow::Borrowed(scene.message.path())],
        Source::Target => line.map(|line| Cow::Borrowed(line.target)).into_iter().collect(),
        Source::Host | Source::Hostname | Source::Authority => vec![Cow::Borrowed(scene.host())],
        Source::Method => line.map(|line| Cow::Borrowed(line.method.as_bytes())).into_iter().collect(),
        Source::Query(name) => named(scene.message.query(), Decoding::Percent, name),
        Source::Form(name) if scene.message.is_form() => named(scene.body_bytes()?, Decoding::Form, name),
        Source::Body => vec![Cow::Borrowed(scene.body_bytes()?)],
        Source::BodyWithoutSignature => vec![Cow::Owned(without_signature(scene)?)],
        _ => Vec::new(),
    })
}

/// The values of which a filter could lose something: without the names that the dialect itself writes, and without claims that are certain.
pub(super) fn doubtful<'a>(scene: &Scene<'a>, source: &Source, list: Option<&Source>) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
    let Some(pairs) = list.or(Some(source)).and_then(|source| list_of(scene.plan, source)) else {
        return values(scene, source);
    };
    let certain = |what: &Claimed| !matches!(what, Claimed::Nonce | Claimed::Input(_));
    let mut all = Vec::new();
    for (name, value) in lists::take(scene, pairs)?.items {
        let own = scene.plan.carry.iter().find(|entry| entry.place != Place::Header && entry.name.as_bytes() == name);
        if *source != Source::ItemValue && own.is_none() {
            all.push(Cow::Owned(name));
        }
        if *source != Source::ItemName && !own.is_some_and(|entry| entry.holds.iter().all(certain)) {
            all.push(Cow::Owned(value));
        }
    }
    Ok(all)
}

/// Whether the last of these filters makes this value equal to another one that could stand in its place.
pub(super) fn loses(source: &Source, filters: &[Filter], value: &[u8]) -> Result<bool, Refusal> {
    let Some((last, before)) = filters.split_last() else { return Ok(false) };
    let case = matches!(last, Filter::Lower | Filter::Upper);
    // A method is written in capitals, whatever the dialect makes of it.
    if *source == Source::Method && case {
        return Ok(value.iter().any(u8::is_ascii_lowercase));
    }
    let mut value = apply_all(before, value)?;
    if case && matches!(source, Source::Path | Source::Target) {
        value = without_escapes(&value);
    }
    Ok(match last {
        Filter::Without(prefix) => !value.is_empty() && (!value.starts_with(prefix) || value == *prefix),
        Filter::FromHex => encoding::from_hex(&value).is_some_and(|bytes| encoding::hex(&bytes) != value),
        Filter::FromBase64 => encoding::from_loose_base64(&value).is_some_and(|bytes| encoding::base64(&bytes) != value),
        _ => apply(last, &value)? != value,
    })
}

/// The text without its triplets, whose digits have no case.
fn without_escapes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let is_triplet = *first == b'%' && after.len() >= 2 && after[..2].iter().all(u8::is_ascii_hexdigit);
        if !is_triplet {
            out.push(*first);
        }
        rest = if is_triplet { &after[2..] } else { after };
    }
    out
}
