//! Signs and verifies a known answer of a dialect of responses.

use countersign_protocol::{Dialect, Keys, Message, Refusal, Response};

use super::sign::{header_text, same, same_signature, stages};
use super::verify::{is_asked_for, same_verdict};
use super::{Kind, Outcome};
use crate::answer::Answer;

/// What a signer of responses gave, ours or another's.
#[derive(Debug, Clone)]
pub struct GivenAnswer {
    /// The stages by name.
    pub stages: Vec<(String, Vec<u8>)>,
    /// The signature's text.
    pub signature: String,
    /// The response with everything in its place.
    pub placed: Response,
}

/// Signs the response and verifies the placed one; every stage, the signature, the verdict and the covers are compared.
#[must_use]
pub fn answer(dialect: &Dialect, known: &Answer) -> Vec<Outcome> {
    let mut outcomes = sign(dialect, known);
    let verdict = admit(dialect, known);
    outcomes.push(Outcome::new(Kind::Verify, "verify: verdict", same_verdict(known.expect, &verdict)));
    let Ok(intact) = verdict else { return outcomes };
    let covered = intact.verified().covers();
    let lost: Vec<_> = known.covers.iter().filter(|part| !covered.contains(part)).map(ToString::to_string).collect();
    let result = if lost.is_empty() { Ok(()) } else { Err(format!("{lost:?} not covered")) };
    outcomes.push(Outcome::new(Kind::Verify, "verify: covers", result));
    outcomes
}

fn admit(dialect: &Dialect, known: &Answer) -> Result<countersign_protocol::Intact, Refusal> {
    let fresh = dialect.claim(&known.placed, &countersign_protocol::Inputs::new())?.check_clock(known.now, &known.policy)?;
    let key = [&known.credential];
    let keys = if is_asked_for(fresh.claim().key_lookup(), &known.credential) { Keys::Known(&key) } else { Keys::Unknown };
    fresh.verify(keys)?.require(&known.policy)?.check_body(&known.placed.body)
}

fn sign(dialect: &Dialect, known: &Answer) -> Vec<Outcome> {
    let Some(signing) = &known.signing else { return Vec::new() };
    match dialect.sign(signing.response.clone(), &signing.credential, &signing.options) {
        Ok(signed) => {
            let stages = signed.stages().iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
            let signature = signed.signature().to_owned();
            match signed.into_message() {
                Message::Response(placed) => given_answer(known, &GivenAnswer { stages, signature, placed }),
                Message::Request(_) => vec![Outcome::new(Kind::Sign, "sign", Err("a request where a response was signed".to_owned()))],
            }
        }
        Err(error) => vec![Outcome::new(Kind::Sign, "sign", Err(error.to_string()))],
    }
}

/// Compares what a signer gave with what is known; nothing for an answer that is only verified.
#[must_use]
pub fn given_answer(known: &Answer, given: &GivenAnswer) -> Vec<Outcome> {
    let Some(signing) = &known.signing else { return Vec::new() };
    let got = |name: &str| given.stages.iter().find(|(n, _)| n == name).map(|(_, bytes)| &bytes[..]);
    let mut outcomes = stages("sign", got, &signing.stages, &signing.credential);
    outcomes.push(Outcome::new(Kind::Sign, "sign: signature", same_signature(&signing.signature, &given.signature)));
    outcomes.push(Outcome::new(Kind::Sign, "sign: placed", same_response(&known.placed, &given.placed)));
    outcomes
}

fn same_response(expected: &Response, got: &Response) -> Result<(), String> {
    same("status", expected.status.to_string().as_bytes(), got.status.to_string().as_bytes())?;
    same("body", &expected.body, &got.body)?;
    same("headers", &header_text(&expected.headers), &header_text(&got.headers))
}
