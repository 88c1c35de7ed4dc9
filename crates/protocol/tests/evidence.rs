//! What a proof shows to a third party: a signature under a public key, and never anything of a shared secret.
#![cfg(feature = "asymmetric")]

use countersign_protocol::{
    Algorithm, Credential, Dialect, Inputs, KeyMaterial, KeyPair, Policy, Request, SignOptions, Tag, Timestamp, Verified,
};

/// The private key of RFC 8410, section 10.3.
const ED25519: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----";
const HOUSE: &str = r#"
countersign: 1
dialect: house
title: In-house
SECRETSstring_to_sign: "{method}\n{target}\n{time}TEXT"
algorithm: [ed25519, hmac-sha256]
carry:
  header:
    X-Key: "{key_id}"
    X-Time: "{time}"
    X-Signature: "{signature}"
time: { format: unix, window: 5m }
"#;

fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_323_045).expect("a time")
}

fn proof(text: &str, credential: &Credential) -> Verified {
    let secrets = if text.is_empty() { "" } else { "secrets: [pin]\n" };
    let dialect = Dialect::from_yaml(&HOUSE.replace("TEXT", text).replace("SECRETS", secrets)).expect("it makes sense");
    let request = Request::new("GET", "/a?b=c").with_header("Host", "a");
    let signed = dialect.sign(request, credential, &SignOptions::new(now())).expect("signable").into_message();
    let request = signed.into_request().expect("a request");
    let claim = dialect.claim(&request, &Inputs::new()).expect("a claim");
    let keys = [credential];
    claim.check_clock(now(), &Policy::default()).expect("in time").verify(countersign_protocol::Keys::Known(&keys)).expect("verified")
}

fn pair() -> KeyPair {
    KeyPair::from_private_pem(ED25519).expect("a key")
}

#[test]
fn a_signature_under_a_public_key_is_shown_with_exactly_what_was_signed() {
    let proof = proof("", &Credential::new("k", KeyMaterial::Pair(pair())));
    let evidence = proof.evidence().expect("evidence");
    assert_eq!(evidence.algorithm, Algorithm::Ed25519);
    assert_eq!(evidence.message, b"GET\n/a?b=c\n1767323045");
    assert_eq!(evidence.public_key, pair().public_der());
    assert_eq!(Tag::new(evidence.signature).as_bytes().len(), 64);
    assert_eq!(format!("{evidence:?}"), "Evidence { algorithm: Ed25519, .. }");
}

#[test]
fn a_shared_secret_shows_nothing() {
    assert!(proof("", &Credential::hmac("k", "canary-secret")).evidence().is_none());
}

#[test]
fn a_text_that_holds_a_secret_is_not_shown() {
    let credential = Credential::new("k", KeyMaterial::Pair(pair())).with_part("pin", "canary-pin");
    assert!(proof("{pin}", &credential).evidence().is_none());
    assert!(proof("", &credential).evidence().is_some());
}
