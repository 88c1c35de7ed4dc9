//! Derives requests with one part changed from an accepted vector. A change of the canonical value of a signed part must
//! be refused, with the right reason; a change of any other part must pass, and must not be reported as covered.

use std::collections::BTreeSet;

use countersign_protocol::{BodyNeed, Dialect, Inputs, Intact, Part, Place, Reason, Refusal, Request, Scheme};

use super::verify::admit;
use super::{Kind, Outcome};
use crate::case::Case;
use crate::written::Expect;
use body::Bodies;
use edit::{add_parameter, change_first_parameter, change_header, change_parameter};

mod body;
mod claim;
mod edit;

/// One changed request, with what must become of it.
struct Mutant {
    what: String,
    part: Part,
    request: Request,
    inputs: Option<Inputs>,
    due: Due,
}

/// What must become of a changed request.
#[derive(Clone, Copy)]
enum Due {
    /// It is refused for one of these reasons.
    Refused(&'static [Reason]),
    /// Its signature holds. Where the dialect could have signed the part, it is refused as unsigned.
    Unsigned,
}

const MISMATCH: Due = Due::Refused(&[Reason::SignatureMismatch]);
const DIGEST: Due = Due::Refused(&[Reason::BodyDigestMismatch]);
const EITHER: Due = Due::Refused(&[Reason::SignatureMismatch, Reason::BodyDigestMismatch]);
/// A carried entry is read before anything is computed.
const CARRIED: Due = Due::Refused(&[
    Reason::MissingSignature,
    Reason::MalformedClaim,
    Reason::TooOld,
    Reason::FromTheFuture,
    Reason::SignatureMismatch,
    Reason::BodyDigestMismatch,
]);

/// Runs every mutation that can be derived; nothing for a vector that is refused or that starts from another.
#[must_use]
pub fn mutate(dialect: &Dialect, case: &Case) -> Vec<Outcome> {
    if case.expect != Expect::Accepted || case.signing.is_none() {
        return Vec::new();
    }
    let intact = match admit(dialect, case, &case.placed, &case.inputs) {
        Ok(intact) => intact,
        Err(refusal) => return vec![Outcome::new(Kind::Mutation, "mutate: origin", Err(refusal.to_string()))],
    };
    let plan = Plan { dialect, case, covers: intact.verified().covers() };
    let run = |mutant: Mutant| {
        let verdict = admit(dialect, case, &mutant.request, mutant.inputs.as_ref().unwrap_or(&case.inputs));
        Outcome::new(Kind::Mutation, format!("mutate: {}", mutant.what), judge(&mutant, &verdict))
    };
    plan.mutants().into_iter().map(run).collect()
}

/// The changes of signed parts that are accepted, of those that can be derived from an accepted case; `is_tried` says of each, by its place,
/// whether it is looked at. That a change is refused for another reason than in a vector is no matter here.
pub fn let_through(dialect: &Dialect, case: &Case, is_tried: impl Fn(usize, usize) -> bool) -> Vec<String> {
    let Ok(intact) = admit(dialect, case, &case.placed, &case.inputs) else { return Vec::new() };
    let mutants = Plan { dialect, case, covers: intact.verified().covers() }.mutants();
    let count = mutants.len();
    let tried = mutants.into_iter().enumerate().filter(|(place, _)| is_tried(*place, count)).map(|(_, mutant)| mutant);
    let accepted = tried.filter(|mutant| {
        let inputs = mutant.inputs.as_ref().unwrap_or(&case.inputs);
        let Ok(intact) = admit(dialect, case, &mutant.request, inputs) else { return false };
        matches!(mutant.due, Due::Refused(_)) || intact.verified().covers().contains(&mutant.part)
    });
    accepted.map(|mutant| format!("{} may be changed and is said to be covered: {}", mutant.part, mutant.what)).collect()
}

fn judge(mutant: &Mutant, verdict: &Result<Intact, Refusal>) -> Result<(), String> {
    match (mutant.due, verdict) {
        (Due::Refused(reasons), Err(refusal)) if reasons.contains(&refusal.reason().public()) => Ok(()),
        (Due::Refused(reasons), Err(refusal)) => Err(format!("{reasons:?} expected, got {refusal}")),
        (Due::Refused(reasons), Ok(_)) => {
            Err(format!("{reasons:?} expected, got accepted: {} is reported as covered and is not", mutant.part))
        }
        (Due::Unsigned, Err(refusal)) if refusal.reason() == Reason::RequiredPartUnsigned => Ok(()),
        // Plain HTTP may be refused whatever is signed, and a digest that was sent is recomputed also where nothing signs it.
        (Due::Unsigned, Err(refusal)) if mutant.part == Part::Scheme && refusal.reason() == Reason::InsecureTransport => Ok(()),
        (Due::Unsigned, Err(refusal)) if mutant.part == Part::Body && refusal.reason() == Reason::BodyDigestMismatch => Ok(()),
        (Due::Unsigned, Err(refusal)) => Err(format!("{} is not reported as covered, yet its change gives {refusal}", mutant.part)),
        (Due::Unsigned, Ok(intact)) if intact.verified().covers().contains(&mutant.part) => {
            Err(format!("accepted, with {} as covered", mutant.part))
        }
        (Due::Unsigned, Ok(_)) => Ok(()),
    }
}

/// What is known of the accepted request.
struct Plan<'a> {
    dialect: &'a Dialect,
    case: &'a Case,
    covers: &'a BTreeSet<Part>,
}

impl Plan<'_> {
    fn mutants(&self) -> Vec<Mutant> {
        let mut all = self.line();
        all.extend(self.query());
        all.extend(self.headers());
        all.extend(self.single_values());
        all.extend(self.body());
        all.extend(claim::mutants(self));
        all.extend(self.inputs());
        all
    }

    fn mutant(&self, what: impl Into<String>, part: Part, request: Request) -> Mutant {
        let due = if self.covers.contains(&part) { MISMATCH } else { Due::Unsigned };
        Mutant { what: what.into(), part, request, inputs: None, due }
    }

    fn placed(&self) -> Request {
        self.case.placed.clone()
    }

    /// The method, the path and the scheme.
    fn line(&self) -> Vec<Mutant> {
        let placed = &self.case.placed;
        let method = if placed.method == "PUT" { "PATCH" } else { "PUT" };
        let mut target = placed.target.clone();
        let end = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
        target.insert(end, b'x');
        let scheme = if placed.scheme == Scheme::Https { Scheme::Http } else { Scheme::Https };
        let mut all = vec![
            self.mutant("method", Part::Method, Request { method: method.to_owned(), ..self.placed() }),
            self.mutant("path", Part::Path, Request { target, ..self.placed() }),
        ];
        // A dialect that shows its secret refuses plain HTTP whatever is signed. A port is dropped from a signed host where
        // it is the scheme's own, so that the scheme is signed in part.
        let in_part = !self.covers.contains(&Part::Scheme) && edit::has_port(placed);
        if !self.dialect.carries_secret() && !in_part {
            all.push(self.mutant("scheme", Part::Scheme, Request { scheme, ..self.placed() }));
        }
        all
    }

    /// A further parameter, and another value of one that is there.
    fn query(&self) -> Vec<Mutant> {
        // A list that leaves items out signs its source in part; a request with such items is ambiguous.
        let in_part = self.case.policy.allow_ambiguous || edit::has_empty_value(&self.case.placed.target);
        if in_part && !self.covers.contains(&Part::Query) {
            return Vec::new();
        }
        let target = add_parameter(&self.case.placed.target);
        let mut all = vec![self.mutant("query, a further parameter", Part::Query, Request { target, ..self.placed() })];
        let is_free = |name: &str| !self.is_carried(Place::Query, name) && !self.is_carried(Place::Params, name);
        if let Some(target) = change_first_parameter(&self.case.placed.target, |name| is_free(name) && !self.signs_parameter(name)) {
            all.push(self.mutant("query, another value", Part::Query, Request { target, ..self.placed() }));
        }
        all
    }

    fn signs_parameter(&self, name: &str) -> bool {
        self.covers.contains(&Part::QueryParameter(name.to_owned()))
    }

    /// Each header that is there or signed, the host, and one that nobody knows.
    fn headers(&self) -> Vec<Mutant> {
        let present = self.case.placed.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
        let signed = self.covers.iter().filter_map(|part| if let Part::Header(name) = part { Some(name.clone()) } else { None });
        let names: BTreeSet<String> = present.chain(signed).filter(|name| name != "host").collect();
        let mut all: Vec<_> = names.iter().filter_map(|name| self.header(name)).collect();
        let host = if self.covers.contains(&Part::Header("host".to_owned())) { Part::Header("host".to_owned()) } else { Part::Host };
        all.push(self.mutant("host", host, change_header(&self.case.placed, "host")));
        let further = self.placed().with_header("X-Unheard-Of", "1");
        all.push(self.mutant("a header that nobody knows", Part::Header("x-unheard-of".to_owned()), further));
        all
    }

    fn header(&self, name: &str) -> Option<Mutant> {
        let part = Part::Header(name.to_owned());
        let (signed, carried) = (self.covers.contains(&part), self.is_carried(Place::Header, name));
        // What is carried and unsigned says something of its own; the vectors' own faults speak of it.
        if carried && !signed {
            return None;
        }
        // A header that is left out of a text while it is empty is signed as soon as it is not.
        if !signed && edit::is_empty_header(&self.case.placed, name) {
            return None;
        }
        // The media type decides where parameters and claims are looked for: unsigned, it gets a parameter of its own.
        let is_type = name == "content-type";
        let request =
            if is_type && !signed { edit::append_to_header(&self.case.placed, name) } else { change_header(&self.case.placed, name) };
        let mut mutant = self.mutant(format!("header {name}"), part, request);
        if carried || (is_type && signed && self.reads_bodies()) {
            mutant.due = CARRIED;
        }
        Some(mutant)
    }

    fn reads_bodies(&self) -> bool {
        self.dialect.carriers().any(|c| matches!(c.place, Place::Form | Place::Params | Place::Json | Place::Body))
    }

    /// Parameters that are signed by name.
    fn single_values(&self) -> Vec<Mutant> {
        let of = |part: &Part| {
            let request = match part {
                Part::QueryParameter(name) => Request { target: change_parameter(&self.case.placed.target, name)?, ..self.placed() },
                Part::FormField(name) => Request { body: edit::change_field(&self.case.placed.body, name)?, ..self.placed() },
                _ => return None,
            };
            Some(Mutant { due: CARRIED, ..self.mutant(part.to_string(), part.clone(), request) })
        };
        self.covers.iter().filter_map(of).collect()
    }

    /// Another body; and, where the body is unsigned, another body with its own digest.
    fn body(&self) -> Vec<Mutant> {
        let bodies = Bodies::of(self.dialect, &self.case.placed);
        let alone = self.mutant("body", Part::Body, bodies.changed());
        let signed = self.covers.contains(&Part::Body);
        let due = match (signed, self.dialect.body_need(), bodies.has_digest()) {
            (_, BodyNeed::Digest, true) => DIGEST,
            (true, _, _) if !self.dialect.carries_body_digest() => MISMATCH,
            // The tag is looked at first, and so is any digest that it holds: the one that was sent, or the body's own.
            (true, _, _) => EITHER,
            (false, _, true) => return vec![self.mutant("body with its digest", Part::Body, bodies.changed_with_digest())],
            (false, _, false) => alone.due,
        };
        let mut all = vec![Mutant { due, ..alone }];
        if bodies.has_digest() {
            let due = if signed { MISMATCH } else { Due::Unsigned };
            all.push(Mutant { due, ..self.mutant("body with its digest", Part::Body, bodies.changed_with_digest()) });
        }
        all
    }

    /// Inputs of the verifier, where they reach the string to sign or the key.
    fn inputs(&self) -> Vec<Mutant> {
        let of = |part: &Part| {
            let Part::Input(name) = part else { return None };
            let old = self.case.inputs.get(name)?;
            let inputs = Some(self.case.inputs.clone().with(name, format!("{old}x")));
            let due = Due::Refused(&[Reason::SignatureMismatch, Reason::MalformedClaim]);
            Some(Mutant { inputs, due, ..self.mutant(part.to_string(), part.clone(), self.placed()) })
        };
        self.covers.iter().filter_map(of).collect()
    }

    fn is_carried(&self, place: Place, name: &str) -> bool {
        self.dialect.carriers().any(|c| c.place == place && c.name.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::Dialects;

    use super::*;

    fn first(id: &str) -> (Dialect, Case) {
        let dialect = Dialects::builtin().unwrap().get(id).unwrap().clone();
        let cases = crate::cases(id).unwrap().unwrap();
        (dialect, cases.into_iter().find(|case| case.expect == Expect::Accepted && case.signing.is_some()).unwrap())
    }

    fn judged(dialect: &Dialect, case: &Case, part: Part, request: &Request, due: Due) -> Result<(), String> {
        let mutant = Mutant { what: String::new(), part, request: request.clone(), inputs: None, due };
        judge(&mutant, &admit(dialect, case, request, &case.inputs))
    }

    #[test]
    fn every_part_of_a_request_is_changed() {
        let (dialect, case) = first("hmac-sha256");
        let outcomes = mutate(&dialect, &case);
        let names: Vec<_> = outcomes.iter().map(|outcome| outcome.what.as_str()).collect();
        for part in ["method", "path", "query, a further parameter", "host", "body", "time", "nonce", "a header that nobody knows"] {
            assert!(names.contains(&format!("mutate: {part}").as_str()), "{part} in {names:?}");
        }
    }

    #[test]
    fn a_signed_part_that_may_change_is_a_failure() {
        let (dialect, case) = first("hmac-sha256");
        assert!(judged(&dialect, &case, Part::Method, &case.placed, MISMATCH).is_err());
        let put = Request { method: "PUT".to_owned(), ..case.placed.clone() };
        assert_eq!(judged(&dialect, &case, Part::Method, &put, MISMATCH), Ok(()));
        assert!(judged(&dialect, &case, Part::Method, &put, DIGEST).is_err());
    }

    #[test]
    fn a_part_that_is_signed_and_not_reported_is_a_failure() {
        let (dialect, case) = first("hmac-sha256");
        let put = Request { method: "PUT".to_owned(), ..case.placed.clone() };
        assert!(judged(&dialect, &case, Part::Method, &put, Due::Unsigned).is_err());
        assert!(judged(&dialect, &case, Part::Method, &case.placed, Due::Unsigned).is_err());
        let further = case.placed.clone().with_header("X-Unheard-Of", "1");
        assert_eq!(judged(&dialect, &case, Part::Header("x-unheard-of".to_owned()), &further, Due::Unsigned), Ok(()));
    }
}
