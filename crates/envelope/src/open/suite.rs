//! Which envelopes are opened, with which key, and that failures cannot be told apart.

use super::*;
use crate::fields::Fields;
use crate::key::PublicKey;
use crate::seal::Sealer;

const PRIVATE: &str = include_str!("../../tests/keys/rsa2048.pem");
const PUBLIC: &str = include_str!("../../tests/keys/rsa2048.pub.pem");
const PRIVATE_3072: &str = include_str!("../../tests/keys/rsa3072.pem");
const PUBLIC_3072: &str = include_str!("../../tests/keys/rsa3072.pub.pem");
const PRIVATE_OTHER: &str = include_str!("../../tests/keys/rsa2048-other.pem");
const PUBLIC_OTHER: &str = include_str!("../../tests/keys/rsa2048-other.pub.pem");
const MOST: usize = 1 << 16;
const PLAIN: &[u8] = b"{\"a\":1}";
const LEGACY: [Scheme; 2] = [Scheme::Pkcs1Aes128Cbc, Scheme::Pkcs1Aes256Cbc];

fn private(pem: &str, id: &str) -> PrivateKey {
    let key = PrivateKey::from_pem(pem).unwrap();
    if id.is_empty() { key } else { key.with_id(id) }
}

fn named() -> Fields {
    Fields { key_id: Some("keyId".to_owned()), ..Fields::default() }
}

fn sealer(scheme: Scheme, public: &str) -> Sealer {
    Sealer::allowing_legacy(scheme, PublicKey::from_pem(public).unwrap(), named()).unwrap()
}

fn opener(scheme: Scheme, keys: Vec<PrivateKey>) -> Opener {
    Opener::allowing_legacy(scheme, keys, named(), MOST).unwrap()
}

fn parts(body: &[u8]) -> Parts {
    named().parse(body, MOST).unwrap()
}

#[test]
fn what_is_sealed_is_opened() {
    let large = format!("\"{}\"", "x".repeat(10_000));
    for scheme in Scheme::ALL {
        let (sealer, opener) = (sealer(scheme, PUBLIC), opener(scheme, vec![private(PRIVATE, "")]));
        for plain in [PLAIN, b"{}", b"[\"0123456789a\"]", b"[\"0123456789ab\"]", large.as_bytes()] {
            let opened = opener.open(&sealer.seal(plain).unwrap().body, None).unwrap();
            assert_eq!(opened.plain, plain, "{scheme}");
            assert_eq!(opened.answer_key.is_some(), !scheme.is_legacy());
        }
        assert_ne!(sealer.seal(PLAIN).unwrap().body, sealer.seal(PLAIN).unwrap().body, "{scheme}");
    }
}

#[test]
fn any_bytes_are_sealed_but_by_a_legacy_scheme() {
    let opener = opener(Scheme::OaepGcm, vec![private(PRIVATE, "")]);
    for plain in [&b""[..], b"\x00\xff", b"no json"] {
        assert_eq!(opener.open(&sealer(Scheme::OaepGcm, PUBLIC).seal(plain).unwrap().body, None).unwrap().plain, plain);
        assert!(sealer(LEGACY[0], PUBLIC).seal(plain).is_err());
    }
}

#[test]
fn sender_and_recipient_have_the_same_answer_key() {
    let sealed = sealer(Scheme::OaepGcm, PUBLIC).seal(PLAIN).unwrap();
    let opened = opener(Scheme::OaepGcm, vec![private(PRIVATE, "")]).open(&sealed.body, None).unwrap();
    let answer = opened.answer_key.unwrap().seal(200, "a/b", b"yes", &named()).unwrap();
    assert_eq!(sealed.answer_key.unwrap().open(200, "a/b", &answer, &named(), 3).unwrap(), b"yes");
}

#[test]
fn legacy_schemes_need_consent() {
    for scheme in LEGACY {
        assert_eq!(Opener::new(scheme, vec![private(PRIVATE, "")], Fields::default(), MOST).unwrap_err(), SetupError::Legacy);
        assert_eq!(Sealer::new(scheme, PublicKey::from_pem(PUBLIC).unwrap(), Fields::default()).unwrap_err(), SetupError::Legacy);
    }
}

#[test]
fn keys_are_rotated() {
    let keys = || vec![private(PRIVATE, "old"), private(PRIVATE_OTHER, "new"), private(PRIVATE_3072, "long")];
    let opener = opener(Scheme::OaepGcm, keys());
    for (public, id) in [(PUBLIC, "old"), (PUBLIC_OTHER, "new"), (PUBLIC_3072, "long")] {
        let unnamed = sealer(Scheme::OaepGcm, public).seal(PLAIN).unwrap().body;
        assert_eq!(opener.open(&unnamed, None).unwrap().plain, PLAIN, "{id}: every key is tried");
        assert_eq!(opener.open(&unnamed, Some(id)).unwrap().plain, PLAIN, "{id}: a header names it");
        let inside = sealer(Scheme::OaepGcm, public).with_key_id(id).unwrap().seal(PLAIN).unwrap().body;
        assert_eq!(opener.open(&inside, None).unwrap().plain, PLAIN, "{id}: the envelope names it");
        assert_eq!(opener.open(&inside, Some(id)).unwrap().plain, PLAIN);
        assert!(matches!(opener.open(&inside, Some("other")), Err(OpenError::Malformed(_))));
        assert_eq!(opener.open(&unnamed, Some("gone")).unwrap_err(), OpenError::UnknownKey);
    }
    let old = sealer(Scheme::OaepGcm, PUBLIC).seal(PLAIN).unwrap().body;
    assert_eq!(opener.open(&old, Some("new")).unwrap_err(), OpenError::NotOpened, "only the named key is tried");
}

#[test]
fn the_number_of_keys_is_bounded_and_ids_are_unique() {
    let setup = |scheme, keys| Opener::allowing_legacy(scheme, keys, Fields::default(), MOST).unwrap_err();
    let (a, b) = (|id| private(PRIVATE, id), |id| private(PRIVATE_OTHER, id));
    assert_eq!(setup(Scheme::OaepGcm, vec![]), SetupError::NoKey);
    assert_eq!(setup(Scheme::OaepGcm, (0..=MOST_KEYS).map(|_| a("")).collect()), SetupError::TooManyKeys);
    assert_eq!(setup(Scheme::OaepGcm, vec![a("1"), b("1")]), SetupError::SameKeyId);
    assert_eq!(setup(Scheme::OaepGcm, vec![a(" ")]), SetupError::KeyId);
    assert_eq!(setup(LEGACY[0], vec![a("1"), b("")]), SetupError::LegacyKeysNeedIds);
}

#[test]
fn a_wrapped_key_of_1024_bits_is_refused_by_name() {
    for scheme in Scheme::ALL {
        let opener = opener(scheme, vec![private(PRIVATE, "")]);
        let body = named().write(&Parts { content: vec![0; 48], wrapped: vec![1; 128], key_id: None });
        let error = opener.open(&body, None).unwrap_err();
        assert_eq!(error, OpenError::ShortKey { bits: 1024 }, "{scheme}");
        assert!(error.to_string().contains("1024 bits; use a key of 2048 bits"), "{error}");
    }
}

#[test]
fn a_wrong_key_and_a_changed_text_are_one_failure() {
    let opener = opener(Scheme::OaepGcm, vec![private(PRIVATE, "")]);
    let sealed = sealer(Scheme::OaepGcm, PUBLIC).seal(PLAIN).unwrap().body;
    let changed = |change: fn(&mut Parts)| {
        let mut parts = parts(&sealed);
        change(&mut parts);
        opener.open(&named().write(&parts), None).unwrap_err()
    };
    for change in [
        |parts: &mut Parts| parts.content[0] ^= 1,
        |parts: &mut Parts| parts.content[NONCE] ^= 1,
        |parts: &mut Parts| *parts.content.last_mut().unwrap() ^= 1,
        |parts: &mut Parts| parts.content.truncate(NONCE + TAG - 1),
        |parts: &mut Parts| parts.content.clear(),
        |parts: &mut Parts| parts.wrapped[255] ^= 1,
        |parts: &mut Parts| parts.wrapped.fill(0xff),
        |parts: &mut Parts| parts.wrapped.push(0),
        // A key of another length, wrapped rightly.
        |parts: &mut Parts| parts.wrapped = PublicKey::from_pem(PUBLIC).unwrap().wrap(Scheme::OaepGcm, &[0; 16]).unwrap(),
        |parts: &mut Parts| parts.wrapped = PublicKey::from_pem(PUBLIC).unwrap().wrap(Scheme::Pkcs1Aes256Cbc, &[0; 32]).unwrap(),
    ] {
        assert_eq!(changed(change), OpenError::NotOpened);
    }
    let other = sealer(Scheme::OaepGcm, PUBLIC_OTHER).seal(PLAIN).unwrap().body;
    assert_eq!(opener.open(&other, None).unwrap_err(), OpenError::NotOpened);
}

#[test]
fn the_plain_body_is_bounded() {
    for scheme in Scheme::ALL {
        let opener = Opener::allowing_legacy(scheme, vec![private(PRIVATE, "")], named(), 16).unwrap();
        for (length, taken) in [(16, true), (17, false), (50, false), (100_000, false)] {
            let plain = format!("\"{}\"", "x".repeat(length - 2));
            let opened = opener.open(&sealer(scheme, PUBLIC).seal(plain.as_bytes()).unwrap().body, None);
            assert_eq!(opened.err(), (!taken).then_some(OpenError::TooLarge), "{scheme} {length}");
        }
    }
}

/// Every way in which a legacy envelope can be wrong.
fn legacy_faults(scheme: Scheme) -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let sealed = sealer(scheme, PUBLIC).seal(PLAIN).unwrap().body;
    let key = [7; 32];
    let key = &key[..scheme.key_bytes()];
    let public = PublicKey::from_pem(PUBLIC).unwrap();
    let wrap = |key: &[u8]| public.wrap(scheme, key).unwrap();
    let with = |wrapped: Vec<u8>, content: Vec<u8>| named().write(&Parts { content, wrapped, key_id: None });
    let content = |plain: &[u8]| crate::legacy::encrypt(scheme, key, plain).unwrap();
    let unpadded = || {
        let mut text = content(b"{\"a\":1}");
        text[BLOCK - 1] ^= 0x55;
        text
    };
    let swapped = Parts { content: content(PLAIN), wrapped: parts(&sealed).wrapped, key_id: None };
    vec![
        ("another recipient", sealer(scheme, PUBLIC_OTHER).seal(PLAIN).unwrap().body, None),
        ("a wrapped key of another length", with(wrap(&[7; 24]), content(PLAIN)), None),
        ("no padding of PKCS#1", with(vec![3; 256], content(PLAIN)), None),
        ("a wrapped key beyond the modulus", with(vec![0xff; 256], content(PLAIN)), None),
        ("a longer wrapped key", with(vec![3; 384], content(PLAIN)), None),
        ("another content key", named().write(&swapped), None),
        ("no padding of PKCS#7", with(wrap(key), unpadded()), None),
        ("no whole block", with(wrap(key), content(PLAIN)[..31].to_vec()), None),
        ("no block", with(wrap(key), content(PLAIN)[..16].to_vec()), None),
        ("nothing", with(wrap(key), vec![]), None),
        ("no JSON inside", with(wrap(key), content(b"hello, world")), None),
        ("no JSON", b"hello".to_vec(), None),
        ("a member twice", b"{\"content\":\"AA==\",\"content\":\"AA==\"}".to_vec(), None),
        ("no base64", b"{\"content\":\"?\",\"encryptKey\":\"AA==\"}".to_vec(), None),
        ("a key that is not here", sealed, Some("gone")),
    ]
}

#[test]
fn legacy_failures_are_one_failure_at_the_same_work() {
    for scheme in LEGACY {
        let opener = opener(scheme, vec![private(PRIVATE, "here")]);
        let once = Work { unwrapped: 1, rejection_keys: 1, decrypted: 1, paddings: 1, read_as_json: 1 };
        let mut work = Work::default();
        let right = sealer(scheme, PUBLIC).seal(PLAIN).unwrap().body;
        assert_eq!(opener.open_legacy(&right, Some("here"), &mut work).unwrap().plain, PLAIN);
        assert_eq!(work, once, "a success");
        for (fault, body, id) in legacy_faults(scheme) {
            let mut work = Work::default();
            assert_eq!(opener.open_legacy(&body, id, &mut work).unwrap_err(), OpenError::NotOpened, "{scheme}: {fault}");
            assert_eq!(work, once, "{scheme}: {fault}");
        }
    }
}

#[test]
fn a_legacy_envelope_names_its_key_or_there_is_one() {
    let opener = opener(LEGACY[1], vec![private(PRIVATE, "a"), private(PRIVATE_OTHER, "b")]);
    let sealed = sealer(LEGACY[1], PUBLIC_OTHER).seal(PLAIN).unwrap().body;
    assert_eq!(opener.open(&sealed, Some("b")).unwrap().plain, PLAIN);
    for id in [None, Some("a"), Some("c")] {
        assert_eq!(opener.open(&sealed, id).unwrap_err(), OpenError::NotOpened, "{id:?}");
    }
}

#[test]
fn debug_shows_no_body_and_no_key() {
    let sealed = sealer(Scheme::OaepGcm, PUBLIC).seal(b"canary").unwrap();
    let opened = opener(Scheme::OaepGcm, vec![private(PRIVATE, "")]).open(&sealed.body, None).unwrap();
    assert_eq!(format!("{opened:?}"), "Opened { bytes: 6, .. }");
    assert!(!format!("{sealed:?}").contains("content"));
}
