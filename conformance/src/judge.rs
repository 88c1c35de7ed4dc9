//! Compares an adapter's answers with a vector, by the rules of the vectors' own checker.

use countersign_protocol::{Algorithm, Credential, Dialect, Part, Reason};
use countersign_vectors::check::{admit, same_message, same_signature, same_stage};
use countersign_vectors::{Case, Expect, Sample, Signing};

use crate::answer::{Answer, Hello, Signed};
use crate::link::Fault;
use crate::report::{Cell, Verdict};
use crate::run::Reasons;
use crate::smoke::wrong;

/// One comparison: the cell it belongs to, what was compared, and how it went.
pub(crate) type Judged = (Cell, String, Verdict);

/// The promise to show every stage.
pub(crate) const STAGES: &str = "stages";

/// Every stage, the signature and the placed message.
pub(crate) fn sign<M: Sample>(
    dialect: &Dialect,
    case: &Case<M>,
    signing: &Signing<M>,
    hello: &Hello,
    answer: &Answer,
) -> Result<Vec<Judged>, Fault> {
    let signed = match answer {
        Answer::Signed(signed) => signed,
        Answer::Unsupported(why) => return Ok(vec![(Cell::Sign, "sign".to_owned(), Verdict::Skipped(format!("unsupported: {why}")))]),
        Answer::Error(message) => return Ok(vec![(Cell::Sign, "sign".to_owned(), Verdict::Failed(format!("error: {message}")))]),
        other => return Err(wrong("sign", other, "signed")),
    };
    let mut judged = stages(signing, hello, signed);
    let is_random = is_randomised(dialect, &signing.credential);
    let signature = match (&signing.signature, &signed.signature) {
        (Some(_), None) => Some(Verdict::Skipped("the adapter shows no signature".to_owned())),
        (Some(expected), Some(got)) if !is_random => Some(same_signature(expected, got).into()),
        _ => None,
    };
    judged.extend(signature.map(|verdict| (Cell::Sign, "signature".to_owned(), verdict)));
    let placed = match signed.message.clone().map(M::of) {
        None => Verdict::Skipped("the adapter shows no placed message".to_owned()),
        Some(None) => Verdict::Failed(format!("the message that it shows is no {}", M::KIND)),
        // No two signatures of such an algorithm are equal: the verifier says whether this one holds.
        Some(Some(got)) if is_random => holds(dialect, case, &got),
        Some(Some(got)) => same_message(&case.placed, &got).into(),
    };
    judged.push((Cell::Sign, "placed".to_owned(), placed));
    Ok(judged)
}

fn stages<M>(signing: &Signing<M>, hello: &Hello, signed: &Signed) -> Vec<Judged> {
    let judge = |name: &str, expected| match signed.stage(name) {
        Some(got) => same_stage(expected, got, &signing.credential).into(),
        None if hello.has(STAGES) => Verdict::Failed("it is not shown, and the adapter promises every stage".to_owned()),
        None => Verdict::Skipped("the adapter does not show it".to_owned()),
    };
    signing.stages.iter().map(|(name, expected)| (Cell::Stages, name.clone(), judge(name, expected))).collect()
}

/// Whether no two signatures under this key are equal: every algorithm that it can sign by takes a new random number.
pub(crate) fn is_randomised(dialect: &Dialect, credential: &Credential) -> bool {
    let registered = credential.algorithms();
    let fits = |algorithm: &Algorithm| {
        algorithm.family() == credential.material().family() && (registered.is_empty() || registered.contains(algorithm))
    };
    let possible: Vec<Algorithm> = dialect.algorithms().into_iter().filter(fits).collect();
    let is_random =
        |algorithm: &Algorithm| matches!(algorithm, Algorithm::EcdsaP256Sha256 | Algorithm::EcdsaP256Sha256Der | Algorithm::RsaPssSha512);
    !possible.is_empty() && possible.iter().all(is_random)
}

fn holds<M: Sample>(dialect: &Dialect, case: &Case<M>, placed: &M) -> Verdict {
    match admit(dialect, case, placed, &case.inputs) {
        Ok(_) => Verdict::Passed,
        Err(refusal) => Verdict::Failed(format!("its message is refused here: {} ({})", refusal.reason(), refusal.detail())),
    }
}

/// The verdict, the reason as far as it is asked for, and the covered parts where they are told.
pub(crate) fn verify(expect: Expect, covers: &[Part], reasons: Reasons, answer: &Answer) -> Result<Vec<(String, Verdict)>, Fault> {
    let verdict = |verdict| Ok(vec![("verdict".to_owned(), verdict)]);
    match (expect, answer) {
        (_, Answer::Unsupported(why)) => verdict(Verdict::Skipped(format!("unsupported: {why}"))),
        (_, Answer::Error(message)) => verdict(Verdict::Failed(format!("error: {message}"))),
        (Expect::Accepted, Answer::Accepted { covers: told }) => {
            let mut judged = vec![("verdict".to_owned(), Verdict::Passed)];
            if let (Some(told), false) = (told, covers.is_empty()) {
                judged.push(("covers".to_owned(), covered(covers, told)));
            }
            Ok(judged)
        }
        (Expect::Accepted, Answer::Rejected { reason, detail }) => {
            let reason = reason.as_deref().unwrap_or("no reason told");
            verdict(Verdict::Failed(format!("accepted expected, got rejected: {reason} {detail}").trim_end().to_owned()))
        }
        (Expect::Refused(reason), Answer::Accepted { .. }) => verdict(Verdict::Failed(format!("{reason} expected, got accepted"))),
        (Expect::Refused(reason), Answer::Rejected { reason: told, .. }) => verdict(same_reason(reason, told.as_deref(), reasons)),
        (_, other) => Err(wrong("verify", other, "accepted` or `rejected")),
    }
}

fn same_reason(expected: Reason, told: Option<&str>, reasons: Reasons) -> Verdict {
    // An unknown key looks like a wrong signature to a peer: that is what vectors and adapters say.
    let expected = expected.public().as_str();
    match (reasons, told) {
        (_, Some(told)) if told == expected => Verdict::Passed,
        (Reasons::Exact, _) => Verdict::Failed(format!("{expected} expected, got {}", told.unwrap_or("no reason"))),
        (Reasons::Class, Some(told)) => Verdict::Noted(format!("{expected} expected, got {told}")),
        (Reasons::Class, None) | (Reasons::Ignore, _) => Verdict::Passed,
    }
}

fn covered(expected: &[Part], told: &[String]) -> Verdict {
    let lost: Vec<String> = expected.iter().map(ToString::to_string).filter(|part| !told.contains(part)).collect();
    if lost.is_empty() { Verdict::Passed } else { Verdict::Failed(format!("{lost:?} not covered, only {told:?}")) }
}

impl From<Result<(), String>> for Verdict {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}
