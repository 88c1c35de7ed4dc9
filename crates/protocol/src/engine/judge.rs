//! After the tag held: is the request the only one with this text, and does the signature cover what it must?

use std::collections::BTreeSet;

use super::filters::apply_all;
use super::guard;
use super::lists::{self, Pair};
use super::read::Reading;
use super::scene::Scene;
use crate::dialect::Part;
use crate::dialect::compile::{cut_at, part_of};
use crate::dialect::plan::*;
use crate::encoding::{Decoding, is_well_encoded};
use crate::message::{Body, MessageView, Scheme};
use crate::policy::Policy;
use crate::reason::{Reason, Refusal};

/// Why another request could have the same string to sign; `None` when none could.
pub(crate) fn ambiguity(scene: &Scene<'_>, reading: &Reading<'_>) -> Result<Option<String>, Refusal> {
    if let Some(found) = &reading.ambiguous {
        return Ok(Some(found.clone()));
    }
    let sources = sources(scene.plan);
    if sources.contains(&Source::Headers)
        && let Some(found) = listed_without_value(scene)
    {
        return Ok(Some(found));
    }
    let mut lists: Vec<&PairList> = Vec::new();
    for source in &sources {
        let found = match source {
            Source::Header(name) => repeated_header(scene, name),
            Source::Query(name) => repeated_parameter(scene.message.query(), Decoding::Percent, name),
            Source::Form(name) if scene.message.is_form() => repeated_parameter(scene.body_bytes()?, Decoding::Form, name),
            Source::Headers if !matches!(scene.plan.headers.repeated, Repeated::Join(_)) => {
                scene.plan.headers.always.iter().chain(scene.names).find_map(|n| repeated_header(scene, n))
            }
            Source::QueryList => {
                lists.push(&scene.plan.query);
                None
            }
            Source::FormList => {
                lists.push(&scene.plan.form);
                None
            }
            Source::ParamsList => {
                lists.push(&scene.plan.params);
                None
            }
            _ => None,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    for list in lists {
        if let Some(found) = ambiguous_list(scene, list)? {
            return Ok(Some(found));
        }
    }
    for guard in &scene.plan.guards {
        if let Some(found) = guarded(scene, guard)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Every source that reaches the string to sign or the key, each once.
pub(crate) fn sources(plan: &Plan) -> Vec<Source> {
    let programs = plan.text.iter().chain([&plan.key.from]).chain(&plan.key.chain);
    let mut found = Vec::new();
    programs.for_each(|program| gather(plan, program, &mut found));
    found
}

fn gather(plan: &Plan, program: &Program, found: &mut Vec<Source>) {
    for op in &program.ops {
        if let Op::Put { source, .. } = op {
            match source {
                Source::Let(index) => gather(plan, &plan.lets[*index].program, found),
                Source::Headers => plan.headers.pseudo.iter().for_each(|(_, line)| gather(plan, line, found)),
                _ => {}
            }
            if !found.contains(source) {
                found.push(source.clone());
            }
        }
    }
}

/// A listed header without a value, where an absent header is rendered as an empty one: either could be made the other.
fn listed_without_value(scene: &Scene<'_>) -> Option<String> {
    let list = &scene.plan.headers;
    let mut listed = list.always.iter().chain(scene.names).filter(|_| list.missing == Missing::Empty);
    let found = listed.find(|name| {
        let stands_in = || list.pseudo.iter().any(|(pseudo, _)| pseudo.eq_ignore_ascii_case(name));
        let mut values = scene.message.values(name).peekable();
        if values.peek().is_none() { !stands_in() } else { values.all(<[u8]>::is_empty) }
    });
    found.map(|name| format!("the header {name} is listed and has no value, and an absent one is signed in the same way"))
}

fn repeated_header(scene: &Scene<'_>, name: &str) -> Option<String> {
    (scene.message.values(name).count() > 1).then(|| format!("the header {name} is there more than once"))
}

fn repeated_parameter(text: &[u8], decoding: Decoding, name: &str) -> Option<String> {
    let same = lists::split(text).filter(|(n, _)| crate::encoding::decode(n, decoding) == name.as_bytes());
    (same.count() > 1).then(|| format!("the parameter {name} is there more than once"))
}

fn ambiguous_list(scene: &Scene<'_>, list: &PairList) -> Result<Option<String>, Refusal> {
    if list.from.contains(&PairSource::Form)
        && let Some(found) = repeated_header(scene, "content-type")
    {
        return Ok(Some(found));
    }
    if list.between.is_some() && lists::take(scene, list)?.sources() > 1 {
        return Ok(Some("parameters in two places, which nothing certain parts in the text".to_owned()));
    }
    let mut before: Vec<Pair> = Vec::new();
    for source in &list.from {
        if list.decoding != Decoding::None && !well_encoded(scene, *source)? {
            return Ok(Some("a % that begins no triplet in a parameter".to_owned()));
        }
        let own = lists::pairs_of(scene, list, *source)?;
        for (i, (name, value)) in own.iter().enumerate() {
            let same = |other: &[u8]| if list.order == Order::NameIgnoreCase { other.eq_ignore_ascii_case(name) } else { other == name };
            if before.iter().any(|(n, _)| same(n)) {
                return Ok(Some(format!("the parameter {} is there in two places", shown(name))));
            }
            if list.may_vanish && name.is_empty() && value.is_empty() {
                return Ok(Some("a parameter without name and value, which leaves no trace in the text".to_owned()));
            }
            let once =
                matches!(list.repeated, Repeated::First | Repeated::Refuse | Repeated::Join(_)) || list.order == Order::NameIgnoreCase;
            if once && own[..i].iter().any(|(n, _)| same(n)) {
                return Ok(Some(format!("the parameter {} is there more than once", shown(name))));
            }
            if name.iter().any(|b| list.name_guard.contains(b)) || value.iter().any(|b| list.value_guard.contains(b)) {
                return Ok(Some(format!("the parameter {} holds a decoded separator", shown(name))));
            }
        }
        before.extend(own);
    }
    Ok(None)
}

fn well_encoded(scene: &Scene<'_>, source: PairSource) -> Result<bool, Refusal> {
    Ok(match source {
        PairSource::Query => is_well_encoded(scene.message.query()),
        PairSource::Form => !scene.message.is_form() || is_well_encoded(scene.body_bytes()?),
        PairSource::Authorization => true,
    })
}

/// A name for the log: what is no printable ASCII is escaped.
fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

fn guarded(scene: &Scene<'_>, guard: &Guard) -> Result<Option<String>, Refusal> {
    Ok(match guard {
        Guard::ListedHeader(forbidden) => {
            let listed = scene.names.iter().chain(&scene.plan.headers.always).any(|n| n.eq_ignore_ascii_case(forbidden));
            listed.then(|| format!("the header {forbidden} is listed, and its line would look like what follows the headers"))
        }
        Guard::ClosingSlash { before } => {
            let path = apply_all(before, scene.message.path())?;
            let closed = path.len() > 1 && path.ends_with(b"/");
            closed.then(|| "a slash at the end of the path: the path without it has the same text".to_owned())
        }
        Guard::Escape { source, bytes } => {
            let text = match source {
                Source::Target => scene.message.request_line().map_or(&b""[..], |line| line.target),
                _ => scene.message.path(),
            };
            let (mut found, mut rest) = (false, text);
            while let Some(at) = rest.iter().position(|b| *b == b'%') {
                let triplet = &rest[at..rest.len().min(at + 3)];
                found |=
                    crate::encoding::decode(triplet, Decoding::Percent).first().is_some_and(|b| triplet.len() == 3 && bytes.contains(b));
                rest = &rest[at + 1..];
            }
            found.then(|| "the path holds an escape that is no longer one once it is decoded".to_owned())
        }
        Guard::Byte { source, filters, byte } => {
            let mut held = *source == Source::Path && crate::encoding::decode(scene.message.path(), Decoding::Percent).contains(byte);
            for value in guard::values(scene, source)? {
                held |= apply_all(filters, &value)?.contains(byte);
            }
            held.then(|| format!("a value holds '{}', which parts it from what follows", byte.escape_ascii()))
        }
        Guard::Lost { source, list, filters } => {
            let mut lost = false;
            for value in guard::doubtful(scene, source, list.as_ref())? {
                lost |= guard::loses(source, filters, &value)?;
            }
            lost.then(|| "a value that another one is made equal to before it is signed".to_owned())
        }
    })
}

/// Adds the claims that are covered through the entry from which they were read.
pub(crate) fn cover_claims(plan: &Plan, message: &dyn MessageView, reading: &Reading<'_>, covers: &mut BTreeSet<Part>) {
    for (what, index) in &reading.carriers {
        let Some(part) = part_of(plan, &Source::Claim(*what)) else { continue };
        if covers.contains(&part) || is_covered(message, &plan.carry[*index], covers) {
            covers.insert(part);
            if *what == Claimed::BodyDigest && !is_sentinel(plan, reading) && digests_all(plan, message.body()) {
                covers.insert(Part::Body);
            }
        }
    }
}

fn is_covered(message: &dyn MessageView, entry: &Entry, covers: &BTreeSet<Part>) -> bool {
    let query = || covers.contains(&Part::Query) || covers.contains(&Part::QueryParameter(entry.name.clone()));
    let body = || covers.contains(&Part::Body) || covers.contains(&Part::FormField(entry.name.clone()));
    match entry.place {
        Place::Header => {
            covers.contains(&Part::Header(entry.name.to_ascii_lowercase()))
                || matches!(entry.shape, Shape::Parameters(_)) && covers.contains(&Part::Authorization)
        }
        Place::Query => query(),
        Place::Params if in_query(message, &entry.name) => query(),
        Place::Params | Place::Form | Place::Json | Place::Body => body(),
    }
}

fn in_query(message: &dyn MessageView, name: &str) -> bool {
    lists::split(message.query()).any(|(n, _)| crate::encoding::decode(n, Decoding::Percent) == name.as_bytes())
}

/// Whether the dialect's digest of this body is one of all its bytes.
pub(crate) fn digests_all(plan: &Plan, body: Body<'_>) -> bool {
    let length = match body {
        Body::Bytes(bytes) => Some(bytes.len()),
        Body::Digests(digests) => usize::try_from(digests.length()).ok(),
        Body::Pending => None,
    };
    let cut = plan.digest.as_ref().and_then(|rule| cut_at(plan, &rule.is));
    cut.is_none_or(|most| length.is_some_and(|length| length <= most))
}

/// Whether a literal was sent in place of the body's digest.
pub(crate) fn is_sentinel(plan: &Plan, reading: &Reading<'_>) -> bool {
    let sent = reading.texts.get(Claimed::BodyDigest);
    plan.digest.as_ref().is_some_and(|rule| rule.unsigned.iter().any(|literal| Some(literal.as_str()) == sent))
}

/// What a message has, as far as requirements ask.
#[derive(Debug, Clone)]
pub(crate) struct Presence {
    query: bool,
    body: bool,
    expires: bool,
    sentinel: bool,
    /// Whether it came over plain HTTP.
    is_plain: bool,
    /// Lower-case names, without those that carry the signature or the list of signed headers.
    headers: Vec<String>,
    /// Inputs that only the message says.
    inputs: Vec<Part>,
}

impl Presence {
    pub(crate) fn of(scene: &Scene<'_>, reading: &Reading<'_>) -> Self {
        let headers =
            scene.message.lines().map(|line| line.name.to_ascii_lowercase()).filter(|name| !lists::is_own_carrier(scene.plan, name));
        Self {
            query: !scene.message.query().is_empty(),
            body: !scene.body_is_empty(),
            expires: reading.texts.get(Claimed::Expires).is_some(),
            sentinel: is_sentinel(scene.plan, reading),
            is_plain: scene.message.request_line().is_some_and(|line| line.scheme == Scheme::Http),
            headers: headers.collect(),
            inputs: said(scene.plan, reading),
        }
    }
}

/// A word in place of the body's digest leaves the body to the connection, which must be a protected one.
pub(crate) fn leaves_body_to_plain_http(presence: &Presence) -> bool {
    presence.sentinel && presence.body && presence.is_plain
}

/// The inputs that were read from the message and that no verifier gave.
fn said(plan: &Plan, reading: &Reading<'_>) -> Vec<Part> {
    let read = reading.carriers.iter().filter_map(|(what, _)| match what {
        Claimed::Input(index) if !reading.pinned.contains(index) => part_of(plan, &Source::Claim(*what)),
        _ => None,
    });
    read.collect()
}

/// Every required part that this message has and this dialect can sign is covered.
pub(crate) fn require(plan: &Plan, policy: &Policy, covers: &BTreeSet<Part>, presence: &Presence) -> Result<(), Refusal> {
    let unsigned = |part: &Part| Refusal::new(Reason::RequiredPartUnsigned, format!("{part} is not signed"));
    if !plan.signs() {
        return Ok(());
    }
    for requirement in &plan.require {
        match requirement {
            Requirement::Part(part) => {
                if applies(plan, part, presence) && !policy.waives(part) && !covers.contains(part) {
                    return Err(unsigned(part));
                }
            }
            Requirement::Headers(pattern) => {
                for name in presence.headers.iter().filter(|n| pattern.matches(n)) {
                    let part = Part::Header(name.clone());
                    if !covers.contains(&part) && !policy.waives(&part) {
                        return Err(unsigned(&part));
                    }
                }
            }
        }
    }
    for part in policy.required() {
        let absent = match part {
            Part::Query => !presence.query,
            Part::Body => !presence.body,
            Part::Header(name) => !presence.headers.contains(name),
            _ => false,
        };
        if !absent && !covers.contains(part) {
            return Err(unsigned(part));
        }
    }
    if let Some(part) = presence.inputs.iter().find(|part| !covers.contains(part) && !policy.waives(part)) {
        return Err(unsigned(part));
    }
    if presence.expires && !covers.contains(&Part::Expires) {
        return Err(unsigned(&Part::Expires));
    }
    Ok(())
}

/// Whether a default requirement concerns this message: the dialect can sign the part, and the message has it.
fn applies(plan: &Plan, part: &Part, presence: &Presence) -> bool {
    match part {
        Part::Query => plan.able.contains(part) && presence.query,
        Part::Body => plan.able.contains(part) && presence.body,
        Part::Header(name) => presence.headers.contains(name),
        _ => plan.able.contains(part),
    }
}

/// The text of the digest that was sent, when it speaks of the body.
pub(crate) fn sent_digest<'r>(plan: &Plan, reading: &'r Reading<'_>) -> Option<&'r str> {
    reading.texts.get(Claimed::BodyDigest).filter(|_| !is_sentinel(plan, reading))
}

/// Whether the members or fields that carry claims can be read at all.
pub(crate) fn body_carries(plan: &Plan) -> bool {
    plan.carry.iter().any(|e| e.place.in_body() || e.place == Place::Params)
}
