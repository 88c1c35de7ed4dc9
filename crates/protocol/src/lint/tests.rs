//! The rules on dialects made for the purpose, and what becomes of a statement that is not so.

use super::finding::{Draft, FindingId, Severity};
use super::lab::Lab;
use super::proof::Shows;
use super::*;
use crate::Dialects;
use crate::algorithm::Algorithm;
use crate::digest::DigestAlgorithm;
use crate::message::Message;

fn made(id: &str, yaml: &str) -> Dialect {
    Dialect::from_yaml(&format!("countersign: 1\ndialect: {id}\ntitle: made for a test\n{yaml}")).unwrap()
}

fn builtin(id: &str) -> Dialect {
    Dialects::builtin().unwrap().get(id).unwrap().clone()
}

fn report(dialect: &Dialect) -> Report {
    let report = lint(dialect).unwrap();
    assert!(report.unproved.is_empty(), "{:?}", report.unproved);
    report
}

/// The findings, as `id part`.
fn found(report: &Report) -> Vec<String> {
    let text = |finding: &Finding| match finding.part() {
        Some(part) => format!("{} {part}", finding.id()),
        None => finding.id().to_string(),
    };
    report.findings.iter().map(text).collect()
}

#[track_caller]
fn assert_found(report: &Report, expected: &[&str]) {
    let found = found(report);
    for text in expected {
        assert!(found.iter().any(|f| f == text), "{text} in {found:?}");
    }
}

fn find(report: &Report, id: FindingId) -> &Finding {
    report.findings.iter().find(|finding| finding.id() == id).unwrap()
}

/// The body alone is signed, with no time: the form of many webhooks.
const WEBHOOK: &str = r#"
string_to_sign: "{body}"
algorithm: hmac-sha256
carry: { header: { X-Webhook-Signature: "sha256={signature}" } }
"#;

#[test]
fn what_signs_everything_has_no_finding_of_weight() {
    for id in ["hmac-sha256", "signed-sha256"] {
        let report = report(&builtin(id));
        let grave: Vec<_> = report.findings.iter().filter(|finding| finding.severity() >= Severity::Medium).collect();
        assert!(grave.is_empty(), "{id}: {grave:?}");
        for part in [Part::Method, Part::Host, Part::Path, Part::Query, Part::Time, Part::Nonce] {
            assert!(report.parts.contains(&(part.clone(), Standing::Signed)), "{id}: {part} in {:?}", report.parts);
        }
        assert!(report.parts.contains(&(Part::Body, Standing::Digest)), "{id}: {:?}", report.parts);
        assert_eq!(report.replay, ReplayMode::Nonce);
    }
}

#[test]
fn a_webhook_that_signs_its_body_only() {
    let report = report(&made("webhook", WEBHOOK));
    let expected = ["no-time time", "no-replay-protection", "method-unsigned method", "path-unsigned path", "query-unsigned query"];
    assert_found(&report, &expected);
    assert_found(&report, &["host-unsigned host", "header-free header.content-type"]);
    assert!(report.parts.contains(&(Part::Body, Standing::Signed)), "{:?}", report.parts);
    assert!(!found(&report).contains(&"body-unsigned body".to_owned()));
    let proof = find(&report, FindingId::NoTime).proof();
    let [one, later] = proof.exhibits();
    assert!(one.message() == later.message() && later.at().seconds() - one.at().seconds() > 9 * 365 * 86_400);
}

#[test]
fn a_digest_that_nothing_signs_lets_the_body_be_replaced() {
    let report = report(&builtin("qlm-open"));
    assert_found(&report, &["body-unsigned body", "host-unsigned host"]);
    let [one, other] = find(&report, FindingId::BodyUnsigned).proof().exhibits();
    let digest = |message: &Message| message.view().values("content-md5").next().map(<[u8]>::to_vec);
    assert_ne!(digest(one.message()), digest(other.message()), "the digest goes with the body");
}

#[test]
fn names_and_values_that_run_together_collide() {
    let report = report(&builtin("aws-sigv1"));
    assert_found(&report, &["collision query", "collision body", "method-unsigned method", "weak-mac"]);
    let collision = find(&report, FindingId::Collision);
    assert_eq!(collision.severity(), Severity::High);
    assert!(collision.proof().policy().allow_unsafe && !collision.proof().policy().allow_ambiguous);
}

#[test]
fn decoded_separators_collide_where_the_policy_lets_them_through() {
    let report = report(&builtin("x-ca"));
    let collision = report.findings.iter().find(|f| f.id() == FindingId::Collision && f.part() == Some(&Part::Query)).unwrap();
    assert_eq!(collision.severity(), Severity::Info);
    assert!(collision.proof().policy().allow_ambiguous);
    assert!(collision.note().contains("ambiguous_request"), "{}", collision.note());
}

#[test]
fn a_listed_header_stands_for_what_follows_the_list() {
    let yaml = r#"
string_to_sign: "{time}\n{method}\n{target}\n{headers}\nbody:{body}"
headers: { sign: [host], order: as-is }
algorithm: hmac-sha256
carry: { header: { X-Tag: "t={time},h={signed_headers},s={signature}" } }
time: { format: unix }
"#;
    let report = report(&made("labels", yaml));
    let collision = find(&report, FindingId::Collision);
    assert_eq!((collision.part(), collision.severity()), (Some(&Part::Body), Severity::Info));
    assert!(collision.note().contains("a header body is signed"), "{}", collision.note());
}

#[test]
fn a_list_of_headers_may_leave_out_what_nothing_requires() {
    let yaml = r#"
string_to_sign: "{time}\n{nonce}\n{method}\n{target}\n{headers}\n\n{body | sha256 | hex}"
headers: { sign: [host, x-role] }
algorithm: hmac-sha256
carry: { header: { X-Tag: "t={time},n={nonce},h={signed_headers},s={signature}" } }
time: { format: unix }
"#;
    let open = report(&made("open-list", yaml));
    assert_found(&open, &["list-open host", "list-open header.x-role", "header-free header.x-role"]);
    assert_eq!(open.findings.iter().find(|f| f.part() == Some(&Part::Host)).map(Finding::severity), Some(Severity::Medium));
    let closed = report(&made("closed-list", &format!("{yaml}require: [host, header.x-role]\n")));
    assert!(!found(&closed).iter().any(|text| text.starts_with("list-open")), "{:?}", found(&closed));
}

#[test]
fn what_lies_behind_the_first_bytes_of_a_body_is_free() {
    let yaml = r#"
string_to_sign: "{time}\n{method}\n{authority}\n{target}\n{body | first 100 | sha256 | hex}"
algorithm: hmac-sha256
carry: { header: { X-Time: "{time}", X-Tag: "{signature}" } }
time: { format: unix }
require: [host]
waive: [body]
"#;
    let report = report(&made("first-bytes", yaml));
    assert_found(&report, &["body-unsigned body", "no-nonce"]);
}

#[test]
fn a_secret_in_front_lets_the_digest_be_extended() {
    for digest in ["md5", "sha1", "sha256", "sha512", "sm3"] {
        let yaml = format!(
            "string_to_sign: \"{{secret}}{{time}}{{body}}\"\nalgorithm: {digest}\ncarry: {{ header: {{ X-Time: \"{{time}}\", X-Tag: \"{{signature}}\" }} }}\ntime: {{ format: unix }}\n"
        );
        let report = report(&made("secret-first", &yaml));
        let finding = find(&report, FindingId::UnkeyedDigest);
        assert_eq!(finding.proof().shows(), &Shows::Extended, "{digest}: {}", finding.note());
        let [one, other] = finding.proof().exhibits();
        assert!(other.message().body_bytes().starts_with(one.message().body_bytes()), "{digest}");
        assert!(other.message().body_bytes().ends_with(b"&further=1"), "{digest}");
    }
}

#[test]
fn a_secret_behind_lets_two_texts_of_one_digest_pass() {
    let yaml = |digest: &str| {
        format!(
            "string_to_sign: \"{{body}}{{time}}{{secret}}\"\nalgorithm: {digest}\ncarry: {{ header: {{ X-Time: \"{{time}}\", X-Tag: \"{{signature}}\" }} }}\ntime: {{ format: unix }}\n"
        )
    };
    for digest in ["md5", "sha1"] {
        let report = report(&made("secret-last", &yaml(digest)));
        let finding = find(&report, FindingId::UnkeyedDigest);
        assert_eq!(finding.proof().shows(), &Shows::OneSignature(vec![Part::Body]), "{digest}: {}", finding.note());
    }
    let report = report(&made("secret-last", &yaml("sha256")));
    let finding = find(&report, FindingId::UnkeyedDigest);
    assert_eq!(finding.proof().shows(), &Shows::BareDigests);
    assert!(finding.note().contains("the secret ends the text"), "{}", finding.note());
}

#[test]
fn a_broken_digest_of_the_body_is_shown_by_two_bodies() {
    let report = report(&builtin("qlm-open-md5"));
    let finding = find(&report, FindingId::WeakHash);
    assert_eq!((finding.severity(), finding.part()), (Severity::Medium, Some(&Part::Body)));
    let [one, other] = finding.proof().exhibits();
    assert_ne!(one.message().body_bytes(), other.message().body_bytes());
}

#[test]
fn a_shown_secret_makes_any_other_request() {
    let report = report(&builtin("api-key"));
    assert_found(&report, &["secret-in-clear", "no-time time", "no-replay-protection"]);
    assert!(report.parts.iter().all(|(_, standing)| *standing == Standing::Free));
}

#[test]
fn a_response_whose_status_is_not_signed() {
    let yaml = r#"
message: response
string_to_sign: "{time}\n{body}"
algorithm: hmac-sha256
carry: { header: { X-Time: "{time}", X-Tag: "{signature}" } }
time: { format: unix }
"#;
    let report = report(&made("answer", yaml));
    assert_found(&report, &["status-unsigned status"]);
    assert!(!found(&report).iter().any(|text| text.starts_with("method-unsigned") || text.starts_with("host-unsigned")));
}

#[test]
fn two_dialects_of_the_same_marks_overlap() {
    let (plain, md5) = (builtin("qlm-open"), builtin("qlm-open-md5"));
    let report = pair(&plain, &md5);
    assert!(report.unproved.is_empty());
    let ids: Vec<_> = report.findings.iter().map(Finding::id).collect();
    assert_eq!(ids, [FindingId::Overlap]);
    let [one, other] = report.findings[0].proof().exhibits();
    assert!(one.message() == other.message() && one.dialect() != other.dialect());
    let apart = pair(&builtin("hmac-sha256"), &builtin("x-ca"));
    assert!(apart.findings.is_empty() && apart.unproved.is_empty(), "{apart:?}");
}

#[test]
fn a_signature_passes_from_one_dialect_to_another() {
    // Whatever the first signs can be the body of the second.
    let report = pair(&builtin("standard-webhooks"), &made("webhook", &WEBHOOK.replace("carry", "key: \"{secret | from-base64}\"\ncarry")));
    let finding = report.findings.iter().find(|finding| finding.id() == FindingId::Downgrade).unwrap();
    assert_eq!(finding.severity(), Severity::High);
    let [one, other] = finding.proof().exhibits();
    assert_ne!(one.dialect(), other.dialect());
    assert!(report.unproved.is_empty());
}

/// Statements that are not so, each of the form that a broken rule would make.
fn untrue(lab: &Lab<'_>) -> Vec<Draft> {
    let shape = &lab.shapes[0];
    let changed = |method: &str| {
        let Message::Request(mut request) = shape.signed.clone() else { panic!("a request") };
        request.method = method.to_owned();
        Message::Request(request)
    };
    let other = lab.shapes[1].signed.clone();
    let of = |id, one: &Message, other: &Message, shows| Draft {
        id,
        severity: Severity::High,
        part: Some(Part::Method),
        note: String::new(),
        proof: lab.proof(one, other, &lab.policy, shows),
    };
    let signed = &shape.signed;
    let sha256 = Algorithm::Hmac(DigestAlgorithm::Sha256);
    vec![
        // The second is refused.
        of(FindingId::MethodUnsigned, signed, &changed("PUT"), Shows::OneSignature(vec![Part::Method])),
        // The first is refused.
        of(FindingId::MethodUnsigned, &changed("PUT"), signed, Shows::OneSignature(vec![Part::Method])),
        // They are one message.
        of(FindingId::MethodUnsigned, signed, signed, Shows::OneSignature(vec![Part::Method])),
        // No part is named.
        of(FindingId::MethodUnsigned, signed, signed, Shows::OneSignature(Vec::new())),
        // Both were signed with the key.
        of(FindingId::Collision, signed, &other, Shows::OneSignature(vec![Part::Body])),
        of(FindingId::SpellingFree, signed, signed, Shows::OneSignatureTwoSpellings(Part::Path)),
        of(FindingId::NoTime, signed, signed, Shows::AcceptedAgain),
        // A nonce is signed.
        of(FindingId::NoReplayProtection, signed, signed, Shows::Replayed),
        of(FindingId::NoReplayProtection, signed, &other, Shows::Replayed),
        of(FindingId::UnkeyedDigest, signed, signed, Shows::Extended),
        of(FindingId::UnkeyedDigest, signed, &other, Shows::BareDigests),
        of(FindingId::WeakMac, signed, &other, Shows::Accepted(Algorithm::Hmac(DigestAlgorithm::Md5))),
        of(FindingId::WeakMac, signed, signed, Shows::Accepted(sha256)),
        of(FindingId::SecretInClear, signed, &other, Shows::OneSecret),
        of(FindingId::Overlap, signed, &other, Shows::BothMarks),
        of(FindingId::Downgrade, signed, signed, Shows::AcrossDialects),
    ]
}

#[test]
fn a_statement_that_is_not_so_is_no_finding() {
    let dialect = builtin("hmac-sha256");
    let lab = Lab::new(&dialect).unwrap();
    let count = untrue(&lab).len();
    let (findings, unproved) = prove(untrue(&lab));
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(unproved.len(), count);
    let [first, ..] = &unproved[..] else { panic!("{unproved:?}") };
    assert!(first.to_string().contains("the second message is refused"), "{first}");
}

#[test]
fn a_message_that_is_touched_takes_the_proof_away() {
    let report = report(&builtin("qlm-open"));
    for finding in &report.findings {
        let mut proof = finding.proof().clone();
        assert_eq!(proof.check(), Ok(()), "{}", finding.id());
        // The signature is over the method here.
        let Message::Request(request) = &mut proof.exhibits[1].message else { panic!("a request") };
        request.method.push('X');
        assert!(proof.check().is_err(), "{}", finding.id());
    }
}

#[test]
fn the_document_has_one_row_for_each_finding() {
    let document = include_str!("../../../../docs/LINT.md");
    let rows: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for id in FindingId::all() {
        assert_eq!(rows.iter().filter(|row| **row == id.as_str()).count(), 1, "{id}");
    }
}
