//! Verifies a vector's placed message and compares the verdict, the stages and the covered parts with the known ones.

use countersign_protocol::{Credential, Dialect, Inputs, Intact, KeyLookup, Keys, Reason, Refusal};

use super::sign::stages;
use super::{Kind, Outcome};
use crate::case::Case;
use crate::message::Sample;
use crate::written::Expect;

/// Verifies the placed message as it is.
#[must_use]
pub fn verify<M: Sample>(dialect: &Dialect, case: &Case<M>) -> Vec<Outcome> {
    let verdict = admit(dialect, case, &case.placed, &case.inputs);
    let mut outcomes = vec![Outcome::new(Kind::Verify, "verify: verdict", same_verdict(case.expect, &verdict))];
    let Ok(intact) = verdict else { return outcomes };
    let verified = intact.verified();
    if let Some(signing) = &case.signing {
        outcomes.extend(stages("verify", |name| verified.stages().get(name), &signing.stages, &signing.credential));
    }
    if !case.covers.is_empty() {
        let lost: Vec<_> = case.covers.iter().filter(|part| !verified.covers().contains(part)).map(ToString::to_string).collect();
        let all: Vec<_> = verified.covers().iter().map(ToString::to_string).collect();
        let result = if lost.is_empty() { Ok(()) } else { Err(format!("{lost:?} not covered, only {all:?}")) };
        outcomes.push(Outcome::new(Kind::Verify, "verify: covers", result));
    }
    outcomes
}

/// Runs every stage of a verification in its order, with a key store that holds the case's one credential.
///
/// # Errors
/// When the message is refused.
pub fn admit<M: Sample>(dialect: &Dialect, case: &Case<M>, message: &M, inputs: &Inputs) -> Result<Intact, Refusal> {
    let fresh = dialect.claim(message, inputs)?.check_clock(case.now, &case.policy)?;
    let known = [&case.credential];
    let keys = if is_asked_for(fresh.claim().key_lookup(), &case.credential) { Keys::Known(&known) } else { Keys::Unknown };
    fresh.verify(keys)?.require(&case.policy)?.check_body(message.bytes())
}

/// Whether the store's one credential is the one that the claim names. A secret is left to the comparison of tags.
fn is_asked_for(lookup: KeyLookup<'_>, credential: &Credential) -> bool {
    match lookup {
        KeyLookup::ById(id) => id == credential.key_id(),
        _ => true,
    }
}

fn same_verdict(expect: Expect, verdict: &Result<Intact, Refusal>) -> Result<(), String> {
    // Vectors say what a peer may learn, where an unknown key looks like a wrong signature.
    let got = verdict.as_ref().err().map(|refusal| refusal.reason().public());
    let expected = match expect {
        Expect::Accepted => None,
        Expect::Refused(reason) => Some(reason.public()),
    };
    if got == expected {
        return Ok(());
    }
    let detail = verdict.as_ref().err().map_or(String::new(), |refusal| format!(" ({})", refusal.detail()));
    Err(format!("{expect} expected, got {}{detail}", got.map_or("accepted", Reason::as_str)))
}
