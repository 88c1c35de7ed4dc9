//! Vector files that make no sense are refused with the place and the fault; wrong vectors are seen by the checker.
#![expect(clippy::unwrap_used, reason = "a test may stop at what its own data rules out")]

use countersign_protocol::{Dialect, Dialects, Reason};
use countersign_vectors::check::{Outcome, sign, verify};
use countersign_vectors::{Case, Expect, Fault, StageBytes, cases, parse};

const FILE: &str = r#"
dialect: d
vectors:
- name: one
  why: a complete vector
  source: { transcript: rules, licence: MIT }
  at: "2026-01-02T03:04:05Z"
  credentials: { key_id: k, secret: s }
  request: { method: GET, target: /a }
  placed: { method: GET, target: /a?b=c, headers: [[Host, h], [X-A, "1"], [X-Bytes, { base64: "/w==" }]], body_repeat: { text: ab, times: 2 } }
  expect: accepted
- name: two
  from: one
  why: its twin
  change: CHANGE
  expect: signature_mismatch
"#;

fn changed(change: &str) -> Result<Vec<Case>, Fault> {
    parse("d", &FILE.replace("CHANGE", change)).map_err(|error| error.fault().clone())
}

#[test]
fn a_change_is_applied_to_the_placed_request() {
    let cases = changed("{ method: PUT, headers: { x-a: '2', X-B: '3' }, add_headers: [[X-A, '4']], remove_headers: [host], body: other }")
        .unwrap();
    let (one, two) = (&cases[0], &cases[1]);
    assert_eq!((one.placed.method.as_str(), &one.placed.body[..], &one.placed.headers[2].1[..]), ("GET", &b"abab"[..], &[0xff][..]));
    assert_eq!((two.placed.method.as_str(), &two.placed.body[..]), ("PUT", &b"other"[..]));
    let headers: Vec<_> = two.placed.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    assert_eq!(headers, [("X-A", &b"2"[..]), ("X-Bytes", &[0xff]), ("X-B", b"3"), ("X-A", b"4")]);
    assert_eq!(two.expect, Expect::Refused(Reason::SignatureMismatch));
    assert!(two.signing.is_none() && one.signing.is_some());
}

#[test]
fn a_replacement_is_made_once_and_must_occur() {
    let cases = changed("{ replace: { in: body, text: a, with: zz } }").unwrap();
    assert_eq!(cases[1].placed.body, b"zzbab");
    let cases = changed("[{ replace: { in: target, text: b=, with: c= } }, { replace: { in: header.x-a, text: '1', with: '' } }]").unwrap();
    assert_eq!((&cases[1].placed.target[..], &cases[1].placed.headers[1].1[..]), (&b"/a?c=c"[..], &b""[..]));
    assert_eq!(changed("{ replace: { in: body, text: q, with: z } }").unwrap_err(), Fault::NotThere("q".to_owned()));
    assert_eq!(changed("{ replace: { in: header.y, text: q, with: z } }").unwrap_err(), Fault::Place("header.y".to_owned()));
}

#[test]
fn clock_policy_and_key_are_replaced() {
    let cases = changed("{ now: '2026-01-02T03:04:06Z', policy: { unsafe: true, waive: [query] }, credentials: { secret: t } }").unwrap();
    let (one, two) = (&cases[0], &cases[1]);
    assert_eq!(two.now.millis() - one.now.millis(), 1000);
    assert!(two.policy.allow_unsafe && !one.policy.allow_unsafe && two.policy.waive.len() == 1);
    assert_eq!(two.credential.key_id(), "k");
    assert_ne!(format!("{:?}", two.credential), "");
}

#[test]
fn faults_are_named() {
    assert!(matches!(changed("{ metod: PUT }"), Err(Fault::Shape(words)) if words.contains("metod")));
    assert!(matches!(changed("{ now: yesterday }"), Err(Fault::Time(_))));
    assert!(matches!(changed("{ body_base64: '*' }"), Err(Fault::Base64)));
    assert!(matches!(changed("{ body: a, body_base64: YQ== }"), Err(Fault::Both("body", "body_base64"))));
    assert!(matches!(changed("{ remove_headers: [X-C] }"), Err(Fault::NotThere(_))));
    assert!(matches!(changed("{ policy: { waive: [cookie] } }"), Err(Fault::Part(_))));
    assert!(matches!(changed("{ credentials: { algorithm: rot13 } }"), Err(Fault::Algorithm(_))));
    assert!(matches!(changed("{ credentials: { public_key_pem: none } }"), Err(Fault::Key(_))));
    for times in ["8388609", "18446744073709551615"] {
        assert!(matches!(changed(&format!("{{ body_repeat: {{ text: a, times: {times} }} }}")), Err(Fault::TooLong(_))));
    }
    let with = |old: &str, new: &str| parse("d", &FILE.replace("CHANGE", "{}").replace(old, new)).map_err(|error| error.fault().clone());
    assert!(matches!(with("dialect: d", "dialect: e"), Err(Fault::Stem { .. })));
    assert!(matches!(with("name: two", "name: one"), Err(Fault::NameTwice)));
    assert!(matches!(with("from: one", "from: three"), Err(Fault::From(_))));
    assert!(matches!(with("from: one", "from: one\n  nonce: n"), Err(Fault::BesideFrom("nonce"))));
    assert!(matches!(with("  credentials: { key_id: k, secret: s }\n", ""), Err(Fault::Missing("credentials"))));
    assert!(matches!(with("expect: signature_mismatch", "expect: wrong"), Err(Fault::Shape(words)) if words.contains("wrong")));
}

fn first() -> (Dialect, Case) {
    let dialect = Dialects::builtin().unwrap().get("hmac-sha256").unwrap().clone();
    let case = cases("hmac-sha256").unwrap().unwrap().remove(0);
    assert!(fails(&sign(&dialect, &case)).is_empty() && fails(&verify(&dialect, &case)).is_empty());
    (dialect, case)
}

fn fails(outcomes: &[Outcome]) -> Vec<&str> {
    outcomes.iter().filter(|outcome| outcome.result.is_err()).map(|outcome| outcome.what.as_str()).collect()
}

#[test]
fn a_wrong_signature_placed_request_or_stage_is_seen() {
    let (dialect, mut case) = first();
    case.placed.headers.push(("X-More".to_owned(), Vec::new()));
    let signing = case.signing.as_mut().unwrap();
    signing.signature = Some("00".to_owned());
    signing.stages.push(("string_to_sign".to_owned(), StageBytes::Whole(b"other".to_vec())));
    signing.stages.push(("no_such_stage".to_owned(), StageBytes::Whole(Vec::new())));
    assert_eq!(fails(&sign(&dialect, &case)), ["sign: string_to_sign", "sign: no_such_stage", "sign: signature", "sign: placed"]);
    assert_eq!(fails(&verify(&dialect, &case)), ["verify: string_to_sign", "verify: no_such_stage"]);
}

#[test]
fn a_wrong_verdict_or_cover_is_seen() {
    let (dialect, case) = first();
    let wrong = Case { expect: Expect::Refused(Reason::TooOld), ..case.clone() };
    assert_eq!(fails(&verify(&dialect, &wrong)), ["verify: verdict"]);
    let wrong = Case { covers: vec![countersign_protocol::Part::Scheme], ..case };
    assert_eq!(fails(&verify(&dialect, &wrong)), ["verify: covers"]);
}
