//! Two dialects side by side: messages that both read, and signatures that pass from one to the other.

use super::finding::{Draft, FindingId, Severity};
use super::lab::Lab;
use super::place::{self, Position};
use super::proof::{Proof, Shows, accept};
use crate::algorithm::Algorithm;
use crate::dialect::Dialect;
use crate::message::Message;

/// The most algorithms that are tried of those that two dialects share.
const MOST_ALGORITHMS: usize = 2;

/// A message of one dialect that finds the marks of another.
#[derive(Debug)]
pub struct Overlap<'d> {
    /// The dialect in which it was signed.
    pub signer: &'d Dialect,
    /// The dialect that reads it too.
    pub reader: &'d Dialect,
    draft: Proof,
}

/// A message of one of the two that is of the other too; `None` when no sample shows one.
#[must_use]
pub fn overlap<'d>(a: &'d Dialect, b: &'d Dialect) -> Option<Overlap<'d>> {
    read_by(a, b).or_else(|| read_by(b, a))
}

fn read_by<'d>(signer: &'d Dialect, reader: &'d Dialect) -> Option<Overlap<'d>> {
    let lab = Lab::new(signer).ok()?;
    let shape = lab.shapes.iter().find(|shape| reader.marks(shape.signed.view()))?;
    let mut draft = lab.proof(&shape.signed, &shape.signed, &lab.policy, Shows::BothMarks);
    draft.exhibits[1].dialect = reader.clone();
    Some(Overlap { signer, reader, draft })
}

/// Everything that two dialects have to do with each other.
pub(super) fn rule(a: &Dialect, b: &Dialect) -> Vec<Draft> {
    let found = overlap(a, b).map(|overlap| Draft {
        id: FindingId::Overlap,
        severity: Severity::Medium,
        part: None,
        note: format!("what {} carries is there in a message of {} too", overlap.reader.id(), overlap.signer.id()),
        proof: overlap.draft,
    });
    found.into_iter().chain(downgrade(a, b)).collect()
}

/// A signature of one that is one of the other, under each algorithm that they share.
fn downgrade(a: &Dialect, b: &Dialect) -> Option<Draft> {
    let shared: Vec<Algorithm> = a.algorithms().into_iter().filter(|algorithm| b.algorithms().contains(algorithm)).collect();
    let found = shared.into_iter().take(MOST_ALGORITHMS).find_map(|algorithm| {
        let labs = (Lab::shared(a, b, algorithm).ok()?, Lab::shared(b, a, algorithm).ok()?);
        let one = passed(&labs.0, &labs.1).map(|proof| (proof, a, b));
        one.or_else(|| passed(&labs.1, &labs.0).map(|proof| (proof, b, a)))
    });
    let (proof, from, to) = found?;
    let note = format!("a signature of {} is accepted in {}", from.id(), to.id());
    Some(Draft { id: FindingId::Downgrade, severity: Severity::High, part: None, note, proof })
}

/// A message signed in one dialect, and one that is accepted in the other with the same signature.
fn passed(from: &Lab<'_>, to: &Lab<'_>) -> Option<Proof> {
    let samples = from.shapes.iter().map(|shape| shape.base.clone());
    // What the other dialect carries may stand there too, and be signed with the rest.
    let both = to.shapes.iter().map(|shape| shape.signed.clone());
    let plain: Vec<Message> = from.shapes.iter().filter_map(|shape| plainest(&shape.base)).collect();
    let plain_of_both: Vec<Message> = plain.iter().filter_map(|base| to.sign(base, &to.options())).collect();
    samples.chain(both).chain(plain).chain(plain_of_both).find_map(|base| {
        let signed = from.shape(base.clone(), from.options()).ok()?;
        let tag = signed.tag()?;
        let text = from.dialect.prepare(base.clone(), &from.credential, &signed.options).ok()?;
        let made = |base: &Message| to.forge(base, &to.options(), tag);
        let embedded = || {
            let bodies = [text.string_to_sign().to_vec()].into_iter().chain(behind(to, &base, text.string_to_sign()));
            bodies.filter_map(|body| made(&place::put(&base, &Position::Body, &body)?)).collect::<Vec<_>>()
        };
        let candidates = [Some(signed.signed.clone()), made(&base)].into_iter().flatten().chain(embedded());
        candidates.into_iter().find_map(|message| {
            let exhibit = to.exhibit(&message);
            // A message that carries both is accepted by its other signature, which says nothing.
            let accepted = accept(&exhibit, &to.credential, &to.policy).ok()?;
            accepted.tags.iter().any(|own| own == tag).then_some(())?;
            let policy = crate::policy::Policy { allow_unsafe: from.policy.allow_unsafe || to.policy.allow_unsafe, ..from.policy.clone() };
            let exhibits = [from.exhibit(&signed.signed), exhibit];
            Some(Proof { exhibits, credential: to.credential.clone(), policy, shows: Shows::AcrossDialects })
        })
    })
}

/// Where the other dialect's text ends with the body: what of the text is left for the body.
fn behind(to: &Lab<'_>, base: &Message, text: &[u8]) -> Option<Vec<u8>> {
    let empty = place::put(base, &Position::Body, b"")?;
    let head = to.dialect.prepare(empty, &to.credential, &to.options()).ok()?;
    text.strip_prefix(head.string_to_sign()).map(<[u8]>::to_vec)
}

/// The message at the root, without query and body: paths and lists are then written alike by most.
fn plainest(base: &Message) -> Option<Message> {
    let Message::Request(request) = base else { return None };
    let request = crate::message::Request { target: b"/".to_vec(), body: Vec::new(), ..request.clone() };
    Some(Message::Request(request))
}
