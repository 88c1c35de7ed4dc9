//! Which parts of a message somebody without the secret can change: each is changed, and the verifier is asked.

use std::collections::BTreeMap;

use super::finding::{Draft, FindingId, Severity};
use super::lab::{Lab, Shape, headers, parameters};
use super::place;
use super::proof::Shows;
use crate::dialect::plan::{Claimed, Op, PairSource, Program, Source};
use crate::dialect::{Hazard, Part};
use crate::message::{Message, Scheme};
use crate::sign::SignOptions;

/// How a part of a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The signature is over it.
    Signed,
    /// The signature is over a digest of it.
    Digest,
    /// It is not signed, and any other value is refused.
    Fixed,
    /// Whoever captures a message can change it.
    Free,
}

impl Standing {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Digest => "digest-signed",
            Self::Fixed => "fixed",
            Self::Free => "free",
        }
    }
}

/// How each part stands; a part that is free in one shape of message is free.
pub(super) type Standings = BTreeMap<Part, Standing>;

/// A change of one part, of a message that was signed or is not yet.
type Apply = Box<dyn Fn(&Message) -> Option<Message>>;

struct Edit {
    part: Part,
    apply: Apply,
}

/// Changes each part of each sample.
pub(super) fn rule(lab: &Lab<'_>, standings: &mut Standings) -> Vec<Draft> {
    let mut drafts = Vec::new();
    if !lab.dialect.plan().signs() {
        return drafts;
    }
    for shape in &lab.shapes {
        of_shape(lab, shape, standings, &mut drafts);
        claims(lab, shape, standings, &mut drafts);
    }
    drafts
}

/// Changes each part of one sample. A part of which something was found already is not looked at again.
fn of_shape(lab: &Lab<'_>, shape: &Shape, standings: &mut Standings, drafts: &mut Vec<Draft>) {
    for edit in edits(lab, shape) {
        let free = tries(lab, shape, &edit, &shape.options).into_iter().find(|made| lab.accept(made, &lab.policy).is_some());
        stand(lab, shape, &edit.part, free.is_some(), standings);
        if let Some(made) = free {
            let id = id_of(&edit.part);
            found(lab, shape, &made, id, severity_of(&edit.part), edit.part, "", drafts);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "a finding is put together in one place")]
fn found(lab: &Lab<'_>, shape: &Shape, made: &Message, id: FindingId, severity: Severity, part: Part, note: &str, drafts: &mut Vec<Draft>) {
    if drafts.iter().any(|draft| draft.id == id && draft.part.as_ref() == Some(&part)) {
        return;
    }
    let proof = lab.proof(&shape.signed, made, &lab.policy, Shows::OneSignature(vec![part.clone()]));
    drafts.push(Draft { id, severity, part: Some(part), note: note.to_owned(), proof });
}

/// The changed message: the signed one with nothing else changed; and one with everything carried anew beside the old signature.
fn tries(lab: &Lab<'_>, shape: &Shape, edit: &Edit, options: &SignOptions) -> Vec<Message> {
    let direct = (edit.apply)(&shape.signed);
    let anew = (edit.apply)(&shape.base).zip(shape.tag()).and_then(|(base, tag)| lab.forge(&base, options, tag));
    direct.into_iter().chain(anew).collect()
}

fn stand(lab: &Lab<'_>, shape: &Shape, part: &Part, free: bool, standings: &mut Standings) {
    let covers = shape.accepted.verified.covers();
    let covered = covers.contains(part) || *part == Part::Host && covers.contains(&Part::Header("host".to_owned()));
    let standing = match (free, part) {
        (true, _) => Standing::Free,
        (false, Part::Body) if covered && by_digest(lab) => Standing::Digest,
        _ if covered => Standing::Signed,
        _ => Standing::Fixed,
    };
    let slot = standings.entry(part.clone()).or_insert(standing);
    if free || *slot == Standing::Fixed {
        *slot = if *slot == Standing::Free { Standing::Free } else { standing };
    }
}

/// Whether the body's bytes reach the string to sign through a digest only.
fn by_digest(lab: &Lab<'_>) -> bool {
    let plan = lab.dialect.plan();
    let reads = |program: &Program| {
        program.ops.iter().any(|op| match op {
            Op::Put { source: Source::Body | Source::BodyWithoutSignature, filters } => {
                crate::dialect::compile::leading_digest(filters).is_none()
            }
            Op::Put { source: Source::FormList | Source::Form(_), .. } => true,
            Op::Put { source: Source::ParamsList, .. } => plan.params.from.contains(&PairSource::Form),
            Op::Put { source: Source::QueryList, .. } => plan.query.from.contains(&PairSource::Form),
            _ => false,
        })
    };
    !plan.text.iter().chain(plan.lets.iter().map(|l| &l.program)).any(reads)
}

/// The id of a part that is free.
fn id_of(part: &Part) -> FindingId {
    match part {
        Part::Method => FindingId::MethodUnsigned,
        Part::Scheme => FindingId::SchemeUnsigned,
        Part::Host => FindingId::HostUnsigned,
        Part::Path => FindingId::PathUnsigned,
        Part::Query | Part::QueryParameter(_) => FindingId::QueryUnsigned,
        Part::Body | Part::FormField(_) => FindingId::BodyUnsigned,
        Part::Status => FindingId::StatusUnsigned,
        Part::Time => FindingId::TimeUnsigned,
        Part::Nonce => FindingId::NonceUnsigned,
        Part::Input(_) => FindingId::InputUnsigned,
        _ => FindingId::HeaderFree,
    }
}

/// How grave it is that a part is free.
fn severity_of(part: &Part) -> Severity {
    match part {
        Part::Scheme => Severity::Info,
        Part::Host | Part::Input(_) => Severity::Medium,
        // It says how the body is to be read.
        Part::Header(name) if name == "content-type" => Severity::Medium,
        Part::Header(name) if name == UNHEARD => Severity::Info,
        Part::Header(_) => Severity::Low,
        _ => Severity::High,
    }
}

/// A header that no dialect knows.
const UNHEARD: &str = "x-unheard-of";

fn edits(lab: &Lab<'_>, shape: &Shape) -> Vec<Edit> {
    let mut all = vec![
        edit(Part::Method, |m| of_request(m, |r| r.method = if r.method == "PUT" { "DELETE".to_owned() } else { "PUT".to_owned() })),
        edit(Part::Scheme, |m| of_request(m, |r| r.scheme = Scheme::Http)),
        edit(Part::Host, |m| with_header(m, "host", b"other.example.net")),
        edit(Part::Path, |m| of_request(m, |r| put_into_path(&mut r.target, b"/other"))),
        edit(Part::Query, |m| of_request(m, |r| add_to_query(&mut r.target, b"further=1"))),
        edit(Part::Query, |m| replaced_in_target(m, b"a=1", b"a=9")),
        edit(Part::Body, |m| replaced_in_body(m, &[(b"\"item\":\"1", b"\"item\":\"9"), (b"item=1", b"item=9")])),
        edit(Part::Body, |m| replaced_in_body(m, &[(b"1\"}", b"9\"}"), (b"x1", b"x9"), (b"last=1", b"last=9")])),
        edit(Part::Status, |m| match m {
            Message::Response(response) => Some(Message::Response(crate::message::Response { status: 201, ..response.clone() })),
            Message::Request(_) => None,
        }),
    ];
    let plan = lab.dialect.plan();
    let excepted = [&plan.query, &plan.params].into_iter().flat_map(|list| &list.except);
    for name in excepted {
        let pair = [name.as_bytes(), b"=1"].concat();
        all.push(edit(Part::QueryParameter(name.clone()), move |m| of_request(m, |r| add_to_query(&mut r.target, &pair))));
    }
    let named = headers(plan).into_iter().map(|name| name.to_ascii_lowercase()).chain(["content-type".to_owned()]);
    for name in named.filter(|name| *name != "host") {
        let there = shape.base.view().has_header(&name);
        let value: &[u8] = if name == "content-type" { b"text/plain" } else { b"other" };
        let same = name.clone();
        all.push(edit(Part::Header(name.clone()), move |m| if there { with_header(m, &same, value) } else { None }));
        all.push(edit(Part::Header(name.clone()), move |m| {
            let longer = [m.view().values(&name).next()?, b"9"].concat();
            with_header(m, &name, &longer)
        }));
    }
    if plan.hazards.iter().any(|hazard| matches!(hazard, Hazard::CutShort(_))) {
        for name in parameters(plan) {
            let begins = format!("{name}=").into_bytes();
            all.push(edit(Part::QueryParameter(name), move |m| {
                let Message::Request(request) = m else { return None };
                let target = place::continued(&request.target, &begins, |value| [value, b"9"].concat())?;
                Some(Message::Request(crate::message::Request { target, ..request.clone() }))
            }));
        }
    }
    all.push(edit(Part::Header(UNHEARD.to_owned()), |m| with_header(m, UNHEARD, b"1")));
    // What this kind of message does not have, or this sample not, is not spoken of.
    all.retain(|edit| (edit.apply)(&shape.base).is_some());
    all
}

/// The values that the message claims: written anew beside the old signature.
fn claims(lab: &Lab<'_>, shape: &Shape, standings: &mut Standings, drafts: &mut Vec<Draft>) {
    let mut others: Vec<(Part, SignOptions)> = Vec::new();
    if lab.dialect.carries_time() {
        let at = super::lab::NOW.plus(std::time::Duration::from_secs(60));
        others.push((Part::Time, SignOptions { at, ..shape.options.clone() }));
    }
    if lab.dialect.carries_nonce() {
        others.push((Part::Nonce, SignOptions { nonce: Some("another-nonce-0001".to_owned()), ..shape.options.clone() }));
    }
    for (index, input) in lab.dialect.inputs().iter().enumerate() {
        let said = lab.dialect.plan().carry.iter().any(|entry| entry.holds(Claimed::Input(index)));
        if said && shape.options.inputs.get(&input.name).is_some() {
            let inputs = shape.options.inputs.clone().with(input.name.clone(), "other");
            others.push((Part::Input(input.name.clone()), SignOptions { inputs, ..shape.options.clone() }));
        }
    }
    for (part, options) in others {
        let made = shape.tag().and_then(|tag| lab.forge(&shape.base, &options, tag)).filter(|made| lab.accept(made, &lab.policy).is_some());
        stand(lab, shape, &part, made.is_some(), standings);
        if let Some(made) = made {
            found(lab, shape, &made, id_of(&part), severity_of(&part), part, "", drafts);
        }
    }
}

/// What a signer may leave open and is accepted all the same: names in its list of headers, the digest of the body.
pub(super) fn open(lab: &Lab<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for shape in &lab.shapes {
        open_lists(lab, shape, &mut drafts);
        open_bodies(lab, shape, &mut drafts);
        additions(lab, shape, &mut drafts);
    }
    drafts
}

fn open_lists(lab: &Lab<'_>, shape: &Shape, drafts: &mut Vec<Draft>) {
    let full = &shape.accepted.listed;
    for left_out in full {
        let names: Vec<String> = full.iter().filter(|name| *name != left_out).cloned().collect();
        let options = SignOptions { headers: Some(names), ..shape.options.clone() };
        let Ok(open) = lab.shape(shape.base.clone(), options) else { continue };
        for edit in edits(lab, &open).into_iter().filter(|edit| edit.part != Part::Header(UNHEARD.to_owned())) {
            let opened = match &edit.part {
                Part::Header(name) => name.eq_ignore_ascii_case(left_out),
                Part::Host => left_out.eq_ignore_ascii_case("host"),
                _ => lab.dialect.plan().headers.pseudo.iter().any(|(name, _)| name.eq_ignore_ascii_case(left_out)),
            };
            let free = || tries(lab, &open, &edit, &open.options).into_iter().find(|made| lab.accept(made, &lab.policy).is_some());
            // What is free in any case is another finding.
            let always = || tries(lab, shape, &edit, &shape.options).iter().any(|made| lab.accept(made, &lab.policy).is_some());
            if opened && let Some(made) = free().filter(|_| !always()) {
                let severity = if matches!(edit.part, Part::Header(_)) { Severity::Low } else { severity_of(&edit.part) };
                let note = format!("{left_out} is left out of the list");
                found(lab, &open, &made, FindingId::ListOpen, severity, edit.part, &note, drafts);
            }
        }
    }
}

fn open_bodies(lab: &Lab<'_>, shape: &Shape, drafts: &mut Vec<Draft>) {
    let Some(rule) = &lab.dialect.plan().digest else { return };
    let sentinels = rule.unsigned.iter().map(|text| {
        let options = SignOptions { body_digest: Some(text.clone()), ..shape.options.clone() };
        (options, format!("{text} stands for the digest"))
    });
    let omitted = SignOptions { omit: vec!["body_digest".to_owned()], ..shape.options.clone() };
    for (options, note) in sentinels.chain([(omitted, "the digest is left out".to_owned())]) {
        let Ok(open) = lab.shape(shape.base.clone(), options) else { continue };
        for edit in edits(lab, &open).into_iter().filter(|edit| edit.part == Part::Body) {
            let free = |of: &Shape| tries(lab, of, &edit, &of.options).into_iter().find(|made| lab.accept(made, &lab.policy).is_some());
            if let Some(made) = free(&open).filter(|_| free(shape).is_none()) {
                found(lab, &open, &made, FindingId::BodyOptional, Severity::Medium, Part::Body, &note, drafts);
            }
        }
    }
}

/// A header that is signed where it is there, added to a message that was signed without it.
fn additions(lab: &Lab<'_>, shape: &Shape, drafts: &mut Vec<Draft>) {
    for name in headers(lab.dialect.plan()) {
        let mut base = shape.base.clone();
        base.headers_mut().retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
        let Ok(bare) = lab.shape(base, shape.options.clone()) else { continue };
        let part = Part::Header(name.to_ascii_lowercase());
        let edit = Edit { part: part.clone(), apply: Box::new(move |m| with_header(m, &name, b"added")) };
        let made = tries(lab, &bare, &edit, &bare.options).into_iter().find(|made| lab.accept(made, &lab.policy).is_some());
        let signed = shape.accepted.verified.covers().contains(&part);
        if let Some(made) = made.filter(|_| signed) {
            found(
                lab,
                &bare,
                &made,
                FindingId::HeaderFree,
                Severity::Low,
                part,
                "it is signed where it is there, and can be added where it is not",
                drafts,
            );
        }
    }
}

fn edit(part: Part, apply: impl Fn(&Message) -> Option<Message> + 'static) -> Edit {
    Edit { part, apply: Box::new(apply) }
}

fn of_request(message: &Message, change: impl Fn(&mut crate::message::Request)) -> Option<Message> {
    let Message::Request(request) = message else { return None };
    let mut request = request.clone();
    change(&mut request);
    Some(Message::Request(request))
}

/// The message with this value under a name: in the place of the first, or behind the last line.
pub(super) fn with_header(message: &Message, name: &str, value: &[u8]) -> Option<Message> {
    let mut message = message.clone();
    if message.view().status().is_some() && name.eq_ignore_ascii_case("host") {
        return None;
    }
    let headers = message.headers_mut();
    match headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        Some(line) => line.1 = value.to_vec(),
        None => headers.push((name.to_owned(), value.to_vec())),
    }
    Some(message)
}

fn put_into_path(target: &mut Vec<u8>, text: &[u8]) {
    let end = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
    target.splice(end..end, text.iter().copied());
}

pub(super) fn add_to_query(target: &mut Vec<u8>, pair: &[u8]) {
    let joint: &[u8] = if target.contains(&b'?') { b"&" } else { b"?" };
    target.extend([joint, pair].concat());
}

fn replaced_in_target(message: &Message, text: &[u8], with: &[u8]) -> Option<Message> {
    let Message::Request(request) = message else { return None };
    let target = replaced(&request.target, text, with)?;
    Some(Message::Request(crate::message::Request { target, ..request.clone() }))
}

/// The first of these texts that is there.
fn replaced_in_body(message: &Message, choices: &[(&[u8], &[u8])]) -> Option<Message> {
    let body = choices.iter().find_map(|(text, with)| replaced(message.body_bytes(), text, with))?;
    let mut message = message.clone();
    *message.body_mut() = body;
    Some(message)
}

fn replaced(text: &[u8], what: &[u8], with: &[u8]) -> Option<Vec<u8>> {
    let at = text.windows(what.len()).position(|window| window == what)?;
    Some([&text[..at], with, &text[at + what.len()..]].concat())
}
