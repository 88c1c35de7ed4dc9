//! Broken digests and MACs, and signatures without a key: with the forgery where one can be made.

use super::collisions;
use super::extend::extend;
use super::finding::{Draft, FindingId, Severity};
use super::lab::{Lab, Shape};
use super::place::{self, Position};
use super::proof::{Proof, Shows};
use crate::algorithm::Algorithm;
use crate::dialect::Part;
use crate::dialect::plan::{Filter, Op, Plan, Program, Source};
use crate::digest::DigestAlgorithm;
use crate::message::Message;

const BROKEN: [DigestAlgorithm; 2] = [DigestAlgorithm::Md5, DigestAlgorithm::Sha1];

/// What an attacker wants behind a text.
const MORE: &[u8] = b"&further=1";

/// Looks at every digest that reaches the string to sign, and at every algorithm.
pub(super) fn rule(lab: &Lab<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for digest in BROKEN {
        if uses(lab.dialect.plan(), digest) {
            drafts.extend(weak_hash(lab, digest));
        }
    }
    for algorithm in lab.dialect.algorithms() {
        match algorithm {
            Algorithm::Hmac(digest) if BROKEN.contains(&digest) => drafts.extend(weak_mac(lab, algorithm)),
            Algorithm::Plain(digest) => drafts.extend(lab.under(algorithm).as_ref().and_then(|lab| unkeyed(lab, digest))),
            _ => {}
        }
    }
    drafts
}

/// Whether a digest of the message goes into the string to sign.
fn uses(plan: &Plan, digest: DigestAlgorithm) -> bool {
    let has = |program: &Program| {
        program.ops.iter().any(|op| match op {
            Op::Put { filters, .. } => filters.contains(&Filter::Digest(digest)),
            _ => false,
        })
    };
    plan.text.iter().chain(plan.lets.iter().map(|l| &l.program)).chain(plan.digest.iter().map(|d| &d.is)).any(has)
}

/// Two bodies of one digest, where the body is what is hashed; else two messages that rest on the digest.
fn weak_hash(lab: &Lab<'_>, digest: DigestAlgorithm) -> Option<Draft> {
    let note = format!("{} of the body or of a text", digest.as_str());
    if let Some(proof) = colliding(lab, digest) {
        let part = Some(Part::Body);
        return Some(Draft {
            id: FindingId::WeakHash,
            severity: Severity::Medium,
            part,
            note: format!("{} of the body", digest.as_str()),
            proof,
        });
    }
    let proof = two_accepted(lab)?;
    Some(Draft { id: FindingId::WeakHash, severity: Severity::Low, part: None, note, proof })
}

/// One signature over two bodies of a published pair, without the secret for the second.
fn colliding(lab: &Lab<'_>, digest: DigestAlgorithm) -> Option<Proof> {
    let [one, other] = collisions::pair(digest)?;
    lab.shapes.iter().find_map(|shape| {
        let of = |body: &[u8]| place::put(&shape.base, &Position::Body, body);
        let first = lab.shape(of(&one)?, shape.options.clone()).ok()?;
        // A body that can be any body shows nothing about the digest.
        let any = lab.forge(&of(MORE)?, &shape.options, first.tag()?)?;
        let second = lab.forge(&of(&other)?, &shape.options, first.tag()?)?;
        lab.accept(&second, &lab.policy).filter(|_| lab.accept(&any, &lab.policy).is_none())?;
        Some(lab.proof(&first.signed, &second, &lab.policy, Shows::OneSignature(vec![Part::Body])))
    })
}

fn weak_mac(lab: &Lab<'_>, algorithm: Algorithm) -> Option<Draft> {
    let proof = two_accepted(&lab.under(algorithm)?)?;
    Some(Draft {
        id: FindingId::WeakMac,
        severity: Severity::Low,
        part: None,
        note: format!("{algorithm} is accepted for keys that are registered for it"),
        proof,
    })
}

/// Two different messages, both signed with the key.
fn two_accepted(lab: &Lab<'_>) -> Option<Proof> {
    let one = lab.shapes.first()?;
    let algorithm = one.accepted.verified.algorithm()?;
    let another = |shape: &Shape| shape.signed != one.signed;
    let options = crate::sign::SignOptions { at: one.options.at.plus(std::time::Duration::from_secs(1)), ..one.options.clone() };
    let later = || lab.shape(one.base.clone(), options).ok().filter(another).map(|shape| shape.signed);
    let other = lab.shapes.iter().find(|shape| another(shape)).map(|shape| shape.signed.clone()).or_else(later)?;
    Some(lab.proof(&one.signed, &other, &lab.policy, Shows::Accepted(algorithm)))
}

/// A signature without a key: extended where the secret comes first and the end of the text is the attacker's, or with two texts of one digest where the
/// beginning is; else why neither can be made.
fn unkeyed(lab: &Lab<'_>, digest: DigestAlgorithm) -> Option<Draft> {
    let name = digest.as_str();
    let (proof, note) = if let Some((proof, at)) = extended(lab, digest) {
        (proof, format!("{name} is extended at the end of the text, where {at} stands"))
    } else if let Some((proof, at)) = prefixed(lab, digest) {
        (proof, format!("two texts of one {name} stand at the beginning, as {at}"))
    } else {
        (bare(lab)?, format!("{name}: {}", why_not(lab, digest)))
    };
    Some(Draft { id: FindingId::UnkeyedDigest, severity: Severity::High, part: None, note, proof })
}

/// The length extension. Of the secret only its length is used.
fn extended(lab: &Lab<'_>, digest: DigestAlgorithm) -> Option<(Proof, String)> {
    lab.shapes.iter().find_map(|shape| {
        let text = lab.dialect.prepare(shape.base.clone(), &lab.credential, &shape.options).ok()?;
        let longer = extend(digest, shape.tag()?, text.string_to_sign().len(), MORE)?;
        place::positions(lab, shape).into_iter().find_map(|position| {
            let value = place::value(&shape.base, &shape.options, &position);
            place::spellings(&position, &[&value[..], &longer.behind].concat()).into_iter().find_map(|spelled| {
                let (base, options) = place::put_anywhere(&shape.base, &shape.options, &position, &spelled)?;
                let made = lab.forge(&base, &options, &longer.digest)?;
                lab.accept(&made, &lab.policy)?;
                Some((lab.proof(&shape.signed, &made, &lab.policy, Shows::Extended), position.to_string()))
            })
        })
    })
}

/// Two texts of one digest at the beginning: whatever stands behind them, the secret too, their digests stay equal.
fn prefixed(lab: &Lab<'_>, digest: DigestAlgorithm) -> Option<(Proof, String)> {
    let [one, other] = collisions::pair(digest)?;
    lab.shapes.iter().find_map(|shape| {
        place::positions(lab, shape).into_iter().find_map(|position| {
            let [first, second] = [&one, &other].map(|text| place::spellings(&position, text));
            first.into_iter().zip(second).find_map(|(first, second)| {
                let (base, options) = place::put_anywhere(&shape.base, &shape.options, &position, &first)?;
                let signed = lab.shape(base, options).ok()?;
                let (base, options) = place::put_anywhere(&shape.base, &shape.options, &position, &second)?;
                let made = lab.forge(&base, &options, signed.tag()?)?;
                let accepted = lab.accept(&made, &lab.policy)?;
                // What is not signed at all could be anything.
                (accepted.verified.text() != signed.accepted.verified.text()).then_some(())?;
                let shows = Shows::OneSignature(vec![position.part()]);
                Some((lab.proof(&signed.signed, &made, &lab.policy, shows), position.to_string()))
            })
        })
    })
}

/// Two messages whose signatures are the bare digests of their strings to sign.
fn bare(lab: &Lab<'_>) -> Option<Proof> {
    let Proof { exhibits: [one, other], .. } = two_accepted(lab)?;
    let messages: [&Message; 2] = [&one.message, &other.message];
    Some(lab.proof(messages[0], messages[1], &lab.policy, Shows::BareDigests))
}

/// Why no forgery can be made in public.
fn why_not(lab: &Lab<'_>, digest: DigestAlgorithm) -> &'static str {
    let ops = lab.dialect.plan().text.iter().flat_map(|text| &text.ops);
    let sources: Vec<&Source> = ops.filter_map(|op| if let Op::Put { source, .. } = op { Some(source) } else { None }).collect();
    let secret = |source: Option<&&Source>| matches!(source, Some(Source::Secret | Source::SecretPart(_)));
    match (secret(sources.first()), secret(sources.last())) {
        (_, true) if collisions::pair(digest).is_none() => {
            "the secret ends the text, so nothing can be put behind it, and no two texts of one digest are known"
        }
        (_, true) => {
            "the secret ends the text, so nothing can be put behind it, and a message cannot hold two texts of one digest at the beginning"
        }
        (true, false) if digest == DigestAlgorithm::Sha384 => "the digest is cut short, so it cannot be continued",
        (true, false) => "what stands at the end cannot hold the padding",
        (false, false) => "the secret stands inside, so what follows it can be guessed at, but the end cannot hold the padding",
    }
}
