//! What an access token must be, and what no verifier may take for one.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_protocol::{Secret, Timestamp};
use proptest::prelude::*;

use super::{AccessToken, Confirmation, MOST_BYTES, TokenFault, TokenRules, TokenUser, mint, verify, verify_ended};
use crate::session::signing::{KeyRing, KeyTimes, SigningAlgorithm, SigningKey};
use crate::session::{SessionId, TokenId, UserId};

const NOW: u64 = 1_739_437_548;
const TTL: u64 = 600;
const SKEW: u64 = 30;
const ALL: [SigningAlgorithm; 3] = [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256, SigningAlgorithm::Hs256];

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds.try_into().unwrap()).unwrap()
}

pub(crate) fn rules() -> TokenRules {
    TokenRules {
        issuer: "https://gateway.example".to_owned(),
        audience: "api".to_owned(),
        max_ttl: Duration::from_secs(TTL),
        skew: Duration::from_secs(SKEW),
    }
}

pub(crate) fn token(now: u64) -> AccessToken {
    AccessToken {
        iss: rules().issuer,
        aud: rules().audience,
        sub: UserId::from_bytes([1; 16]),
        client_id: "billing".to_owned(),
        sid: SessionId::from_bytes([2; 16]),
        jti: TokenId::from_bytes([3; 16]),
        iat: now,
        exp: now + TTL,
        auth_time: now - 5,
        scope: "read orders:write".to_owned(),
        rtg: 7,
        ep: 1,
        cnf: Some(Confirmation::Kid("ck_1".to_owned())),
        bearer: false,
        u: TokenUser { name: "Zoë \"quoted\"".to_owned(), roles: vec!["editor".to_owned()] },
        amr: vec!["pwd".to_owned()],
    }
}

fn times() -> KeyTimes {
    let published = at(NOW - 86_400);
    let ends = at(NOW + 86_400);
    KeyTimes { published, signs_from: published, signs_until: ends, verifies_until: ends.plus(Duration::from_secs(930)), revoked: None }
}

fn ring(algorithm: SigningAlgorithm) -> KeyRing {
    KeyRing::new([SigningKey::generate(algorithm, times()).unwrap()]).unwrap()
}

/// Signs any header and payload.
fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn parts(token: &str) -> [String; 2] {
    let mut parts = token.split('.').map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap_or_default()).unwrap_or_default());
    [parts.next().unwrap(), parts.next().unwrap()]
}

#[test]
fn what_is_minted_is_verified() {
    for algorithm in ALL {
        let ring = ring(algorithm);
        let key = ring.signing(at(NOW)).unwrap();
        let bare = AccessToken { cnf: None, amr: Vec::new(), scope: String::new(), ..token(NOW) };
        let jkt = AccessToken { cnf: Some(Confirmation::Jkt("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".to_owned())), ..token(NOW) };
        for said in [token(NOW), bare, jkt] {
            let text = mint(key, &said).unwrap();
            assert_eq!(verify(&text, &ring, &rules(), at(NOW)), Ok(said));
        }
    }
    let said = token(NOW);
    assert_eq!(said.scopes().collect::<Vec<_>>(), ["read", "orders:write"]);
}

#[test]
fn the_edges_of_time_are_exact() {
    let ring = ring(SigningAlgorithm::EdDsa);
    let key = ring.signing(at(NOW)).unwrap();
    let text = mint(key, &token(NOW)).unwrap();
    let told = |now: Timestamp| verify(&text, &ring, &rules(), now).map_err(TokenFault::as_str).err();
    assert_eq!(told(at(NOW + TTL + SKEW - 1)), None);
    assert_eq!(told(Timestamp::from_millis(at(NOW + TTL + SKEW).millis() - 1).unwrap()), None);
    assert_eq!(told(at(NOW + TTL + SKEW)), Some("token_expired"));
    assert_eq!(told(at(NOW - SKEW)), None);
    assert_eq!(told(Timestamp::from_millis(at(NOW - SKEW).millis() - 1).unwrap()), Some("token_not_yet_valid"));
    assert!(verify_ended(&text, &ring, &rules(), at(NOW + 3_600)).is_ok());
    assert_eq!(verify_ended(&text, &ring, &rules(), at(NOW + 2 * 86_400)).map_err(TokenFault::as_str), Err("token_invalid"));
    let long = AccessToken { exp: NOW + TTL + 1, ..token(NOW) };
    assert_eq!(verify(&mint(key, &long).unwrap(), &ring, &rules(), at(NOW)).map_err(TokenFault::as_str), Err("token_invalid"));
}

#[test]
fn a_key_that_leaks_after_its_time_makes_no_valid_token() {
    let key = SigningKey::generate(SigningAlgorithm::EdDsa, KeyTimes { signs_until: at(NOW - 300), ..times() }).unwrap();
    let ring = KeyRing::new([key]).unwrap();
    let key = ring.verifying(ring.published(at(NOW))[0].kid(), at(NOW)).unwrap();
    let text = |iat| mint(key, &AccessToken { auth_time: iat, ..token(iat) }).unwrap();
    assert!(verify(&text(NOW - 400), &ring, &rules(), at(NOW)).is_ok());
    assert_eq!(verify(&text(NOW), &ring, &rules(), at(NOW)), Err(TokenFault::Invalid("its key did not sign at iat")));
}

#[test]
fn an_array_is_no_header_and_no_payload() {
    let ring = ring(SigningAlgorithm::EdDsa);
    let key = ring.signing(at(NOW)).unwrap();
    let [header, payload] = parts(&mint(key, &token(NOW)).unwrap());
    let told = |header: &str, payload: &str| verify(&signed(key, header, payload), &ring, &rules(), at(NOW)).map_err(TokenFault::as_str);
    assert!(told(&header, &payload).is_ok());
    let array = format!("[\"EdDSA\",\"{}\",\"at+jwt\"]", key.kid());
    assert_eq!(told(&array, &payload), Err("token_malformed"));
    assert_eq!(told(&header, &payload.replace("{\"name\":", "[").replace(",\"roles\":", ",").replace("]}", "]]")), Err("token_malformed"));
}

#[test]
fn what_no_verifier_would_take_is_not_minted() {
    let ring = ring(SigningAlgorithm::EdDsa);
    let key = ring.signing(at(NOW)).unwrap();
    let good = || token(NOW);
    let user = |name: &str, roles: Vec<String>| TokenUser { name: name.to_owned(), roles };
    let bad = [
        AccessToken { iss: String::new(), ..good() },
        AccessToken { aud: "a\nb".to_owned(), ..good() },
        AccessToken { client_id: "a b".to_owned(), ..good() },
        AccessToken { scope: "a  b".to_owned(), ..good() },
        AccessToken { scope: " a".to_owned(), ..good() },
        AccessToken { scope: "\"a\"".to_owned(), ..good() },
        AccessToken { exp: NOW, ..good() },
        AccessToken { rtg: 1 << 53, ..good() },
        AccessToken { cnf: Some(Confirmation::Jkt("AA".to_owned())), ..good() },
        AccessToken { bearer: true, ..good() },
        AccessToken { u: user("", Vec::new()), ..good() },
        AccessToken { u: user("a", vec!["r".repeat(1_024)]), ..good() },
        AccessToken { amr: vec!["a b".to_owned()], ..good() },
    ];
    for said in bad {
        assert!(mint(key, &said).is_err(), "{said:?}");
    }
    let most = AccessToken { scope: "s".repeat(1_024), u: user("a", vec!["r".repeat(900)]), ..good() };
    assert!(mint(key, &most).unwrap().len() <= MOST_BYTES);
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let ring = ring(SigningAlgorithm::EdDsa);
    let key = ring.signing(at(NOW)).unwrap();
    let secret = Secret::new(key.public());
    let forger = SigningKey::from_parts(key.kid().to_owned(), SigningAlgorithm::Hs256, secret, &[], times()).unwrap();
    let told = verify(&mint(&forger, &token(NOW)).unwrap(), &ring, &rules(), at(NOW));
    assert_eq!(told, Err(TokenFault::Invalid("its alg is not that of its key")));
    // The same with the name of the right algorithm.
    let [_, payload] = parts(&mint(key, &token(NOW)).unwrap());
    let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"{}\",\"typ\":\"at+jwt\"}}", key.kid());
    let told = verify(&signed(&forger, &header, &payload), &ring, &rules(), at(NOW));
    assert_eq!(told, Err(TokenFault::Invalid("its signature does not hold")));
}

#[test]
fn no_fault_shows_the_token() {
    let ring = ring(SigningAlgorithm::EdDsa);
    let text = mint(ring.signing(at(NOW)).unwrap(), &token(NOW)).unwrap();
    let fault = verify(&text, &KeyRing::default(), &rules(), at(NOW)).unwrap_err();
    assert_eq!(fault.to_string(), "token_invalid: no key of its kid verifies");
}

/// A ring of one key of each algorithm, made once.
fn rings() -> &'static [KeyRing; 3] {
    static RINGS: std::sync::OnceLock<[KeyRing; 3]> = std::sync::OnceLock::new();
    RINGS.get_or_init(|| ALL.map(ring))
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(text in ".{0,200}", header in ".{0,80}", payload in ".{0,200}", which in 0..3_usize) {
        let ring = &rings()[which];
        let key = ring.signing(at(NOW)).unwrap();
        prop_assert!(verify(&text, ring, &rules(), at(NOW)).is_err());
        prop_assert!(verify(&signed(key, &header, &payload), ring, &rules(), at(NOW)).is_err());
        // Behind a good header, so that the payload is reached.
        let [header, _] = parts(&mint(key, &token(NOW)).unwrap());
        prop_assert!(verify(&signed(key, &header, &payload), ring, &rules(), at(NOW)).is_err());
    }

    #[test]
    fn a_changed_byte_is_refused(place in 0..10_000_usize, byte in any::<u8>(), which in 0..3_usize) {
        let ring = &rings()[which];
        let text = mint(ring.signing(at(NOW)).unwrap(), &token(NOW)).unwrap();
        let mut changed = text.clone().into_bytes();
        let place = place % changed.len();
        changed[place] = byte;
        let Ok(changed) = String::from_utf8(changed) else { return Ok(()) };
        prop_assert_eq!(verify(&changed, ring, &rules(), at(NOW)).is_ok(), changed == text);
    }

    #[test]
    fn no_token_verifies_after_its_end_or_for_others(
        life in 1..=TTL, late in 0..100_000_u64, issuer in "[a-z:/.]{1,24}", audience in "[a-z]{1,8}", which in 0..3_usize
    ) {
        let ring = &rings()[which];
        let said = AccessToken { exp: NOW + life, ..token(NOW) };
        let text = mint(ring.signing(at(NOW)).unwrap(), &said).unwrap();
        let told = |rules: &TokenRules, now| verify(&text, ring, rules, at(now)).map_err(TokenFault::as_str).err();
        prop_assert_eq!(told(&rules(), NOW + life + SKEW + late).is_some(), true);
        prop_assert_eq!(told(&rules(), NOW + life - 1), None);
        prop_assert_eq!(told(&TokenRules { issuer, ..rules() }, NOW), Some("token_invalid"));
        prop_assert_eq!(told(&TokenRules { audience: format!("{audience}-other"), ..rules() }, NOW), Some("token_invalid"));
    }
}
