//! Every vector that is signed, by the generated signer of each language: stages, signature and placed request are those of the vector.

use countersign_codegen::{Language, support};
use countersign_protocol::{Algorithm, Dialect, Dialects, Part, Policy, Response};
use countersign_vectors::written::{Credentials, Vector, VectorFile};
use countersign_vectors::{Case, Expect, Signing, answers, check};
use serde_json::{Value, json};

use crate::adapter::{self, Adapter};
use crate::own;

/// A vector as it is written and as it is worked out.
struct Known {
    written: Vector,
    case: Case,
}

fn known(stem: &str, text: &str) -> Vec<Known> {
    let file: VectorFile = serde_yaml::from_str(text).unwrap();
    let cases = countersign_vectors::parse(stem, text).unwrap();
    file.vectors.into_iter().zip(cases).map(|(written, case)| Known { written, case }).collect()
}

fn credential(of: &Credentials) -> Value {
    json!({
        "key_id": of.key_id,
        "secret": of.secret,
        "secret_base64": of.secret_base64,
        "private_key_pem": of.private_key_pem,
        "algorithm": of.algorithm,
        "parts": of.parts,
    })
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => object.into_iter().filter(|(_, v)| !v.is_null()).map(|(n, v)| (n, without_nulls(v))).collect(),
        other => other,
    }
}

fn line(dialect: &Dialect, known: &Known) -> Value {
    let signing = known.case.signing.as_ref().unwrap();
    let mut choices = known.written.sign.clone().unwrap_or_default();
    // A signer makes a nonce wherever one can be carried; the engine makes none.
    if known.written.nonce.is_none() && dialect.omittable().contains(&"nonce") {
        choices.omit.get_or_insert_default().push("nonce".to_owned());
    }
    without_nulls(json!({
        "id": known.case.name,
        "op": "sign",
        "dialect": dialect.id(),
        "credentials": [without_nulls(credential(known.written.credentials.as_ref().unwrap()))],
        "inputs": known.written.inputs,
        "at": known.written.at,
        "nonce": known.written.nonce,
        "message": adapter::written(&signing.message.clone().into()),
        "options": { "headers": choices.headers, "omit": choices.omit, "expires": choices.expires, "body_digest": choices.body_digest },
    }))
}

fn response_line(dialect: &str, known: &Case<Response>, signing: &Signing<Response>) -> Value {
    without_nulls(json!({
        "id": known.name,
        "op": "sign",
        "dialect": dialect,
        "credentials": [without_nulls(credential(&known.keys))],
        "at": signing.options.at.to_string(),
        "nonce": signing.options.nonce,
        "message": adapter::written(&signing.message.clone().into()),
        "inputs": {},
        "options": {},
    }))
}

/// Whether the algorithm's signatures differ from one to the next: then a vector's own cannot come out, and ours must verify.
const fn is_random(algorithm: Option<Algorithm>) -> bool {
    matches!(algorithm, Some(Algorithm::EcdsaP256Sha256 | Algorithm::EcdsaP256Sha256Der | Algorithm::RsaPssSha512))
}

/// Where a nonce may be carried, a signer that is given none makes one, and a verifier that asks for one accepts the message.
fn nonces(language: Language, dialects: &Dialects, adapter: &mut Adapter) -> usize {
    let mut made = 0;
    for (stem, text) in countersign_vectors::files() {
        let dialect = dialects.get(stem).unwrap();
        if !dialect.omittable().contains(&"nonce") || support(dialect, language).is_err() {
            continue;
        }
        let is_plain = |k: &Known| k.case.signing.is_some() && k.written.sign.as_ref().is_none_or(|s| s.omit.is_none());
        let accepted = |k: &&Known| k.case.expect == Expect::Accepted && k.written.nonce.is_some() && is_plain(k);
        let all = known(stem, text);
        let known = all.iter().find(accepted).unwrap();
        let mut line = line(dialect, known);
        line.as_object_mut().unwrap().remove("nonce");
        let place = format!("{language} {stem} {}", known.case.name);
        let answers = [adapter.ask(&line), adapter.ask(&line)];
        for answer in &answers {
            let given = adapter::read(answer);
            let policy = Policy { waive: Vec::new(), require: vec![Part::Nonce], ..known.case.policy.clone() };
            let verdict = dialect.verify(&given.placed, &known.case.inputs, &[&known.case.credential], known.case.now, &policy);
            assert!(verdict.is_ok(), "{place}: {verdict:?} {answer}");
        }
        assert_ne!(answers[0]["message"], answers[1]["message"], "{place}: the same nonce twice");
        made += 1;
    }
    made
}

/// Runs a language over everything: the vectors, and the dialects of our own.
fn run(language: Language) {
    let dialects = Dialects::builtin().unwrap();
    let own = own::all();
    let of_responses = answers().unwrap();
    let mut adapter = Adapter::over(language, dialects.iter().chain(&own).chain(of_responses.iter().map(|(dialect, _)| dialect)));
    let mut faults = Vec::new();
    let mut signed = 0;
    for (stem, text) in countersign_vectors::files() {
        let dialect = dialects.get(stem).unwrap();
        let Ok(support) = support(dialect, language) else { continue };
        for known in known(stem, text) {
            let Some(signing) = known.case.signing.as_ref() else { continue };
            let algorithm = dialect.prepare(signing.message.clone(), &signing.credential, &signing.options).map(|p| p.algorithm());
            let random = is_random(algorithm.clone().ok().flatten()) && known.case.expect == Expect::Accepted;
            if signing.skip.is_some() && !random {
                continue;
            }
            let place = format!("{language} {stem} {}", known.case.name);
            let answer = adapter.ask(&line(dialect, &known));
            if let Some(algorithm) = algorithm.unwrap()
                && !support.algorithms.contains(&algorithm)
            {
                assert_eq!(answer["result"], "error", "{place}: signs by {algorithm}, which it says it cannot: {answer}");
                continue;
            }
            if answer["result"] != "signed" {
                faults.push(format!("{place}: {answer}"));
                continue;
            }
            signed += 1;
            let given = adapter::read(&answer);
            let outcomes = check::given(&known.case, &given);
            faults.extend(outcomes.into_iter().filter_map(|o| o.result.err().map(|fault| format!("{place}: {}: {fault}", o.what))));
            if known.case.expect == Expect::Accepted {
                let key = [&known.case.credential];
                let verdict = dialect.verify(&given.placed, &known.case.inputs, &key, known.case.now, &known.case.policy);
                faults.extend(verdict.err().map(|refusal| format!("{place}: verified: {refusal:?}")));
            }
        }
    }
    for (dialect, all) in of_responses.iter().filter(|(dialect, _)| support(dialect, language).is_ok()) {
        for known in all {
            let Some(signing) = &known.signing else { continue };
            let answer = adapter.ask(&response_line(dialect.id(), known, signing));
            let place = format!("{language} {} {}", dialect.id(), known.name);
            if answer["result"] != "signed" {
                faults.push(format!("{place}: {answer}"));
                continue;
            }
            signed += 1;
            let outcomes = check::given(known, &adapter::read_response(&answer));
            faults.extend(outcomes.into_iter().filter_map(|o| o.result.err().map(|fault| format!("{place}: {}: {fault}", o.what))));
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults[..faults.len().min(80)].join("\n"));
    assert!(signed > 300, "{language}: {signed} vectors were signed");
    let made = nonces(language, &dialects, &mut adapter);
    assert!(made > 1, "{language}: {made} dialects may carry a nonce");
    let same = own::run(language, &mut adapter);
    assert!(same > 50, "{language}: {same} messages of our own were signed");
}

#[test]
fn python() {
    run(Language::Python);
}

#[test]
fn javascript() {
    run(Language::JavaScript);
}

#[test]
fn php() {
    run(Language::Php);
}

#[test]
fn java() {
    run(Language::Java);
}

#[test]
fn go() {
    run(Language::Go);
}

/// The comparison finds what a signer gets wrong: one with another first line is told at its stage, its signature and its placed request.
#[test]
fn a_wrong_signer_is_found() {
    let dialects = Dialects::builtin().unwrap();
    let dialect = dialects.get("hmac-sha256").unwrap();
    let mut adapter = Adapter::changed(Language::Python, dialect, |source| source.replace("b\"HMAC-SHA256\\n\"", "b\"HMAC-SHA255\\n\""));
    let text = countersign_vectors::files().find(|(stem, _)| *stem == "hmac-sha256").unwrap().1;
    let known = known("hmac-sha256", text).into_iter().find(|k| k.case.signing.as_ref().is_some_and(|s| s.skip.is_none())).unwrap();
    let outcomes = check::given(&known.case, &adapter::read(&adapter.ask(&line(dialect, &known))));
    let wrong: Vec<_> = outcomes.iter().filter(|o| o.result.is_err()).map(|o| o.what.as_str()).collect();
    assert_eq!(wrong, ["sign: string_to_sign", "sign: signature", "sign: placed"]);
}
