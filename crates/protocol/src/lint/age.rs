//! How long a captured message is good for, and whether a repeat of it is recognised.

use std::time::Duration;

use super::finding::{Draft, FindingId, Severity};
use super::lab::{Lab, Shape};
use super::proof::{Exhibit, Shows};
use crate::dialect::{Part, ReplayMode};
use crate::sign::SignOptions;

/// Longer than any window or expiry that a dialect can have.
const LATER: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

const HOUR: Duration = Duration::from_secs(3600);

/// Looks at age and repeats of every sample.
pub(super) fn rule(lab: &Lab<'_>) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut add = |draft: Option<Draft>| {
        if let Some(draft) = draft.filter(|draft| drafts.iter().all(|other| other.id != draft.id)) {
            drafts.push(draft);
        }
    };
    for shape in &lab.shapes {
        add(never_old(lab, shape, ""));
        add(repeated(lab, shape));
        add(wide(lab, shape));
        for part in ["time", "expires"] {
            let options = SignOptions { omit: vec![part.to_owned()], ..shape.options.clone() };
            let bare = lab.shape(shape.base.clone(), options).ok().filter(|bare| bare.signed != shape.signed);
            add(bare.and_then(|bare| never_old(lab, &bare, &format!("where the {part} is left out"))));
        }
    }
    drafts
}

/// The same message, years later.
fn never_old(lab: &Lab<'_>, shape: &Shape, note: &str) -> Option<Draft> {
    let mut proof = lab.proof(&shape.signed, &shape.signed, &lab.policy, Shows::AcceptedAgain);
    let later = Exhibit { at: proof.exhibits[1].at.plus(LATER), ..proof.exhibits[1].clone() };
    super::proof::accept(&later, &lab.credential, &lab.policy).ok()?;
    proof.exhibits[1] = later;
    Some(Draft { id: FindingId::NoTime, severity: Severity::High, part: Some(Part::Time), note: note.to_owned(), proof })
}

/// The same message, twice.
fn repeated(lab: &Lab<'_>, shape: &Shape) -> Option<Draft> {
    if shape.accepted.is_held(&shape.signed) {
        return None;
    }
    let protection = shape.accepted.protection();
    let (id, severity) = match protection {
        ReplayMode::SafeMethodsExempt => (FindingId::NoNonce, Severity::Low),
        ReplayMode::UntilExpiry => {
            let severity = match lab.dialect.max_expires().unwrap_or_default() {
                most if most <= HOUR => Severity::Info,
                most if most <= HOUR * 24 * 7 => Severity::Low,
                _ => Severity::Medium,
            };
            (FindingId::ReplayUntilExpiry, severity)
        }
        _ => (FindingId::NoReplayProtection, Severity::Medium),
    };
    let proof = lab.proof(&shape.signed, &shape.signed, &lab.policy, Shows::Replayed);
    Some(Draft { id, severity, part: None, note: format!("replay: {protection}"), proof })
}

/// A message that is dated as far ahead as may be, when it is first accepted and when it is last.
fn wide(lab: &Lab<'_>, shape: &Shape) -> Option<Draft> {
    let window = lab.dialect.window()?;
    let span = window.past + window.future;
    let severity = match span {
        span if span <= HOUR / 2 => return None,
        span if span <= HOUR => Severity::Low,
        _ => Severity::Medium,
    };
    let ahead = SignOptions { at: shape.options.at.plus(window.future), ..shape.options.clone() };
    let signed = lab.sign(&shape.base, &ahead)?;
    let mut proof = lab.proof(&signed, &signed, &lab.policy, Shows::AcceptedAgain);
    proof.exhibits[1].at = proof.exhibits[1].at.plus(span);
    let both = proof.exhibits.iter().all(|exhibit| super::proof::accept(exhibit, &lab.credential, &lab.policy).is_ok());
    let note = format!("accepted for {} minutes", span.as_secs() / 60);
    both.then_some(Draft { id: FindingId::WideWindow, severity, part: Some(Part::Time), note, proof })
}

/// Whoever saw the secret makes any other message.
pub(super) fn shown_secret(lab: &Lab<'_>) -> Vec<Draft> {
    let mut samples = lab.shapes.iter();
    let (Some(one), true) = (samples.next(), lab.dialect.carries_secret()) else { return Vec::new() };
    // What is carried is copied; nothing else of the first message is.
    let other = samples.find(|shape| shape.signed != one.signed);
    let other = other.map(|shape| copied(lab, one, shape));
    let Some(other) = other else { return Vec::new() };
    let proof = lab.proof(&one.signed, &other, &lab.policy, Shows::OneSecret);
    vec![Draft { id: FindingId::SecretInClear, severity: Severity::High, part: None, note: String::new(), proof }]
}

/// The unsigned message of one sample with the header lines and the query that only the signed message of another has.
fn copied(lab: &Lab<'_>, from: &Shape, to: &Shape) -> crate::message::Message {
    let mut message = to.base.clone();
    for carrier in lab.dialect.carriers() {
        let values: Vec<_> = from.signed.view().values(carrier.name).map(<[u8]>::to_vec).collect();
        for value in values.into_iter().filter(|_| carrier.place == crate::dialect::Place::Header) {
            message.headers_mut().push((carrier.name.to_owned(), value));
        }
    }
    let (crate::message::Message::Request(source), crate::message::Message::Request(request)) = (&from.signed, &mut message) else {
        return message;
    };
    request.target.clone_from(&source.target);
    message
}
