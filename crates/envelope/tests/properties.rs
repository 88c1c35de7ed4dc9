//! No input panics, and a changed envelope is never opened as another body.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_envelope::{AnswerKey, Fields, Opener, PrivateKey, PublicKey, Scheme, Sealer};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::Index;

const PRIVATE: &str = include_str!("keys/rsa2048.pem");
const PUBLIC: &str = include_str!("keys/rsa2048.pub.pem");
const MOST: usize = 1 << 12;

fn opener(scheme: Scheme) -> Opener {
    let fields = Fields { key_id: Some("kid".to_owned()), ..Fields::default() };
    Opener::allowing_legacy(scheme, vec![PrivateKey::from_pem(PRIVATE).unwrap()], fields, MOST).unwrap()
}

fn sealed(scheme: Scheme, plain: &[u8]) -> Vec<u8> {
    Sealer::allowing_legacy(scheme, PublicKey::from_pem(PUBLIC).unwrap(), Fields::default()).unwrap().seal(plain).unwrap().body
}

fn schemes() -> impl Strategy<Value = Scheme> {
    prop_oneof![Just(Scheme::OaepGcm), Just(Scheme::Pkcs1Aes128Cbc), Just(Scheme::Pkcs1Aes256Cbc)]
}

/// Texts that look like an envelope, more or less.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let member = prop_oneof![Just("content"), Just("encryptKey"), Just("kid"), Just("c\\u006fntent"), Just("other")];
    let value = prop_oneof![
        vec(any::<u8>(), 0..300).prop_map(|bytes| format!("\"{}\"", STANDARD.encode(bytes))),
        Just("null".to_owned()),
        Just("\"*\"".to_owned()),
        Just("{}".to_owned())
    ];
    let object = vec((member, value), 0..4).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    });
    prop_oneof![vec(any::<u8>(), 0..300), object]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(scheme in schemes(), body in nearly(), named in proptest::option::of("[a-z]{0,3}")) {
        prop_assert_eq!(opener(scheme).open(&body, named.as_deref()).is_ok(), false);
    }

    #[test]
    fn what_is_sealed_is_opened(plain in vec(any::<u8>(), 0..MOST)) {
        prop_assert_eq!(opener(Scheme::OaepGcm).open(&sealed(Scheme::OaepGcm, &plain), None).unwrap().plain, plain);
    }

    #[test]
    fn a_changed_envelope_is_the_same_or_none(at in any::<Index>(), byte in any::<u8>(), plain in vec(any::<u8>(), 0..100)) {
        let mut body = sealed(Scheme::OaepGcm, &plain);
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(opened) = opener(Scheme::OaepGcm).open(&body, None) {
            prop_assert_eq!(opened.plain, plain);
        }
    }

    #[test]
    fn no_der_panics(bytes in vec(any::<u8>(), 0..200), at in any::<Index>(), byte in any::<u8>()) {
        let text = |label: &str, bytes: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes));
        let mut certificate = pem(include_str!("keys/rsa2048.cert.pem"));
        let at = at.index(certificate.len());
        certificate[at] = byte;
        for bytes in [&bytes, &certificate, &certificate[..at].to_vec()] {
            for label in ["PUBLIC KEY", "CERTIFICATE"] {
                drop(PublicKey::from_pem(&text(label, bytes)));
            }
            prop_assert_eq!(PrivateKey::from_pem(&text("PRIVATE KEY", bytes)).is_ok(), false);
        }
    }

    #[test]
    fn no_kept_key_panics(text in "(countersign-answer-key-1 )?[0-9a-f\u{e9} ]{0,140}") {
        drop(AnswerKey::from_text(&text));
    }
}

fn pem(text: &str) -> Vec<u8> {
    let lines: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(lines).unwrap()
}
