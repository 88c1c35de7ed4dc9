//! The items of the lists: which are taken, how they are ordered, and what makes a list ambiguous.

use std::collections::BTreeSet;

use super::filters::apply_all;
use super::scene::Scene;
use crate::dialect::Part;
use crate::dialect::plan::{
    Claimed, Filter, HeaderList, Missing, Order, PairList, PairSource, Parameters, Place, Plan, Program, Repeated, Shape,
};
use crate::encoding::{Decoding, decode, percent};
use crate::reason::{Reason, Refusal};

/// A decoded name and value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// One line of the header list, not rendered yet.
pub(crate) enum Row<'a> {
    Header {
        name: String,
        value: Vec<u8>,
    },
    /// Stands in while no header of that name is there.
    Pseudo {
        name: String,
        line: &'a Program,
    },
}

/// The rows of `{headers}`: those always signed, then those listed.
pub(crate) fn header_rows<'a>(scene: &Scene<'a>) -> Result<Vec<Row<'a>>, Refusal> {
    let list = &scene.plan.headers;
    let mut rows = Vec::new();
    let further = scene.names.iter().filter(|name| !list.always.iter().any(|a| a.eq_ignore_ascii_case(name)));
    for name in list.always.iter().chain(further) {
        if list.except.contains(&name.to_ascii_lowercase()) || is_own_carrier(scene.plan, name) {
            continue;
        }
        let values: Vec<&[u8]> = scene.message.values(name).collect();
        if values.is_empty() {
            if let Some((_, line)) = list.pseudo.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
                rows.push(Row::Pseudo { name: name.clone(), line });
                continue;
            }
            match list.missing {
                Missing::Refuse => return Err(Refusal::new(Reason::MalformedClaim, format!("the signed header {name} is missing"))),
                Missing::Skip => continue,
                Missing::Empty => {}
            }
        }
        let value = match &list.repeated {
            Repeated::Join(with) => values.join(&with[..]),
            _ => values.first().copied().unwrap_or_default().to_vec(),
        };
        if !(list.drop_empty && value.is_empty()) {
            rows.push(Row::Header { name: name.clone(), value });
        }
    }
    Ok(rows)
}

/// What carries the signature or the list of names is never an item of the list.
pub(crate) fn is_own_carrier(plan: &Plan, name: &str) -> bool {
    let own = |e: &&crate::dialect::plan::Entry| e.holds(Claimed::Signature) || e.holds(Claimed::SignedHeaders);
    plan.carry.iter().filter(own).any(|e| e.place == Place::Header && e.name.eq_ignore_ascii_case(name))
}

pub(crate) fn sort_rows(list: &HeaderList, rows: &mut [(String, Vec<u8>)]) -> Result<(), Refusal> {
    match list.order {
        Order::AsIs => {}
        Order::Line => rows.sort_by(|a, b| a.1.cmp(&b.1)),
        Order::NameIgnoreCase => rows.sort_by_key(|row| row.0.to_ascii_lowercase()),
        Order::Name | Order::NameValue => {
            let mut keyed = rows
                .iter()
                .map(|row| Ok((apply_all(&list.name_filters, row.0.as_bytes())?, row.clone())))
                .collect::<Result<Vec<_>, Refusal>>()?;
            keyed.sort_by(|a, b| a.0.cmp(&b.0));
            for (slot, (_, row)) in rows.iter_mut().zip(keyed) {
                *slot = row;
            }
        }
    }
    Ok(())
}

/// The raw pairs of a query or form: split at `&`, then at the first `=`; empty fragments are skipped.
pub(crate) fn split(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|b| *b == b'&').filter(|f| !f.is_empty()).map(|fragment| match fragment.iter().position(|b| *b == b'=') {
        Some(at) => (&fragment[..at], &fragment[at + 1..]),
        None => (fragment, &b""[..]),
    })
}

/// The items that a list takes, and the parts that it covers by them.
pub(crate) struct Taken {
    pub(crate) items: Vec<Pair>,
    /// Where the items of each source begin.
    pub(crate) starts: Vec<usize>,
    pub(crate) covers: BTreeSet<Part>,
}

impl Taken {
    /// How many sources gave an item.
    pub(crate) fn sources(&self) -> usize {
        let ends = self.starts.iter().skip(1).copied().chain([self.items.len()]);
        self.starts.iter().zip(ends).filter(|(start, end)| *start < end).count()
    }
}

/// Takes the items of a list from its sources.
pub(crate) fn take(scene: &Scene<'_>, list: &PairList) -> Result<Taken, Refusal> {
    let mut taken = Taken { items: Vec::new(), starts: Vec::new(), covers: BTreeSet::new() };
    for source in &list.from {
        taken.starts.push(taken.items.len());
        let mut whole = list.takes_all();
        let mut names = Vec::new();
        for (name, value) in pairs_of(scene, list, *source)? {
            if is_signature(scene, list.decoding, *source, &name) {
                continue;
            }
            let named = |list: &[String]| list.iter().any(|n| n.as_bytes() == name);
            // What a vendor excepts from the authorization header is no part of the request.
            if *source == PairSource::Authorization && named(&list.header_except) {
                continue;
            }
            if named(&list.except) || list.only.as_ref().is_some_and(|only| !named(only)) || list.drop_empty && value.is_empty() {
                whole = false;
                continue;
            }
            if list.repeated == Repeated::First && taken.items.iter().any(|(n, _)| *n == name) {
                whole = false;
                continue;
            }
            // A name that is no text cannot be asked for, so it need not be reported.
            names.extend(String::from_utf8(name.clone()));
            taken.items.push((name, value));
        }
        taken.covers.extend(covered(scene, *source, whole, names));
    }
    Ok(taken)
}

fn covered(scene: &Scene<'_>, source: PairSource, whole: bool, names: Vec<String>) -> Vec<Part> {
    match (source, whole) {
        (PairSource::Query, true) => vec![Part::Query],
        (PairSource::Query, false) => names.into_iter().map(Part::QueryParameter).collect(),
        (PairSource::Form, true) if scene.message.is_form() => vec![Part::Body],
        (PairSource::Form, true) => Vec::new(),
        (PairSource::Form, false) => names.into_iter().map(Part::FormField).collect(),
        (PairSource::Authorization, true) => vec![Part::Authorization],
        (PairSource::Authorization, false) => Vec::new(),
    }
}

/// The decoded pairs of one source.
pub(crate) fn pairs_of(scene: &Scene<'_>, list: &PairList, source: PairSource) -> Result<Vec<Pair>, Refusal> {
    let decoded = |text: &[u8]| split(text).map(|(n, v)| (decode(n, list.decoding), decode(v, list.decoding))).collect();
    match source {
        PairSource::Query => Ok(decoded(scene.message.query())),
        PairSource::Form if scene.message.is_form() => Ok(decoded(scene.body_bytes()?)),
        PairSource::Form => Ok(Vec::new()),
        PairSource::Authorization => authorization(scene),
    }
}

/// The parameters of the header that is a parameter list, percent-decoded: as read, or as they are about to be written.
fn authorization(scene: &Scene<'_>) -> Result<Vec<Pair>, Refusal> {
    let mut all = Vec::new();
    for entry in &scene.plan.carry {
        let Shape::Parameters(parameters) = &entry.shape else { continue };
        let texts = match scene.message.values(&entry.name).next().filter(|_| scene.reading) {
            Some(value) => super::read::split_parameters(parameters, value, &entry.name)?.unwrap_or_default(),
            None => super::write::parameter_texts(scene, parameters)?,
        };
        all.extend(
            texts
                .into_iter()
                .map(|(name, value)| (decode(name.as_bytes(), Decoding::Percent), decode(value.as_bytes(), Decoding::Percent))),
        );
    }
    Ok(all)
}

fn is_signature(scene: &Scene<'_>, decoding: Decoding, source: PairSource, name: &[u8]) -> bool {
    let carriers = scene.plan.carry.iter().filter(|e| e.holds(Claimed::Signature));
    let mut named = carriers.filter(|e| match source {
        PairSource::Query => matches!(e.place, Place::Query | Place::Params),
        PairSource::Form => matches!(e.place, Place::Form | Place::Params | Place::Body),
        PairSource::Authorization => e.place == Place::Header,
    });
    named.any(|e| match &e.shape {
        Shape::Parameters(parameters) if source == PairSource::Authorization => holds_signature(parameters, name),
        // A list that does not decode has the name as signers write it.
        _ if decoding == Decoding::None && e.place != Place::Body => written(&e.name) == name,
        _ => e.name.as_bytes() == name,
    })
}

fn written(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    percent(name.as_bytes(), b"", &mut out);
    out
}

fn holds_signature(parameters: &Parameters, name: &[u8]) -> bool {
    use crate::dialect::plan::Slot;
    let signs = |slot: &Slot| matches!(slot, Slot::Claim { what: Claimed::Signature, .. });
    parameters.list.iter().any(|p| p.name.as_bytes() == name && p.value.0.iter().any(signs))
}

/// Sorts items as the list says; `line` renders a whole item.
pub(crate) fn sort_items(
    list: &PairList,
    items: &mut Vec<Pair>,
    mut line: impl FnMut(&[u8], &[u8]) -> Result<Vec<u8>, Refusal>,
) -> Result<(), Refusal> {
    let filtered = |filters: &[Filter], text: &[u8]| apply_all(filters, text);
    let mut keyed = Vec::with_capacity(items.len());
    for (name, value) in items.drain(..) {
        let key = match list.order {
            Order::AsIs => (Vec::new(), Vec::new()),
            Order::Name => (filtered(&list.name_filters, &name)?, Vec::new()),
            Order::NameValue => (filtered(&list.name_filters, &name)?, filtered(&list.value_filters, &value)?),
            Order::NameIgnoreCase => (name.to_ascii_lowercase(), Vec::new()),
            Order::Line => (line(&name, &value)?, Vec::new()),
        };
        keyed.push((key, (name, value)));
    }
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    items.extend(keyed.into_iter().map(|(_, pair)| pair));
    Ok(())
}

/// Joins the values of equal names, in their order.
pub(crate) fn merge(items: Vec<Pair>, with: &[u8]) -> Vec<Pair> {
    let mut merged: Vec<Pair> = Vec::new();
    for (name, value) in items {
        match merged.iter_mut().find(|(n, _)| *n == name) {
            Some((_, all)) => {
                all.extend_from_slice(with);
                all.extend_from_slice(&value);
            }
            None => merged.push((name, value)),
        }
    }
    merged
}
