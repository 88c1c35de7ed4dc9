//! The stages of verifying, one promise each, on built-in dialects and on small ones written here.

use countersign_protocol::{
    Algorithm, Body, BodyHasher, BodyNeed, Credential, Dialect, Dialects, DigestAlgorithm, Hazard, Inputs, KeyLookup, Keys, Part, Policy,
    Reason, ReplayMode, Request, RequestView, Response, Scheme, Secret, SignError, SignOptions, Tag, Timestamp, Verified,
};

fn builtin(id: &str) -> Dialect {
    Dialects::builtin().expect("built-in dialects make sense").get(id).expect("built in").clone()
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_323_045).expect("a time")
}

fn key() -> Credential {
    Credential::hmac("key-1", "canary-secret")
}

fn request() -> Request {
    Request::new("POST", "/v1/items?a=1")
        .with_header("Host", "api.example.com")
        .with_header("Content-Type", "application/json")
        .with_body("{}")
}

fn sign(dialect: &Dialect, request: Request, options: &SignOptions) -> Request {
    dialect.sign(request, &key(), options).expect("signable").into_message().into_request().expect("a request")
}

fn verify(dialect: &Dialect, request: &Request) -> Result<(), Reason> {
    dialect.verify(request, &Inputs::new(), &[&key()], now(), &Policy::default()).map(drop).map_err(|r| r.reason())
}

fn verified(dialect: &Dialect, request: &Request) -> Verified {
    let claim = dialect.claim(request, &Inputs::new()).expect("a claim");
    claim.check_clock(now(), &Policy::default()).expect("in time").verify(Keys::Known(&[&key()])).expect("verified")
}

#[test]
fn the_key_may_be_elsewhere() {
    let dialect = builtin("qlm-open");
    let prepared = dialect.prepare(request(), &Credential::hmac("key-1", ""), &SignOptions::new(now())).expect("prepared");
    let text = prepared.string_to_sign().to_vec();
    assert!(text.starts_with(b"POST\n*/*\n1767323045000\n"));
    // What a key-management service would do with the text.
    let tag = {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"canary-secret").expect("any length");
        mac.update(&text);
        mac.finalize().into_bytes().to_vec()
    };
    let signed = prepared.finish(&Tag::new(tag)).expect("placed");
    let request = signed.into_message().into_request().expect("a request");
    assert_eq!(verify(&dialect, &request), Ok(()));
}

#[test]
fn a_body_may_come_last_and_in_pieces() {
    let dialect = builtin("qlm-open-md5");
    assert_eq!(dialect.body_need(), BodyNeed::Digest);
    let signed = sign(&dialect, request(), &SignOptions::new(now()));
    let lines = signed.header_lines();
    let head = RequestView { body: Body::Pending, ..signed.view(&lines) };
    for (pieces, expected) in [([&b"{"[..], b"}"], None), ([b"{", b"]"], Some(Reason::BodyDigestMismatch))] {
        let fresh = dialect.claim(&head, &Inputs::new()).and_then(|c| c.check_clock(now(), &Policy::default())).expect("in time");
        let sound = fresh.verify(Keys::Known(&[&key()])).and_then(|v| v.require(&Policy::default())).expect("sound");
        assert!(sound.awaits_body());
        let mut check = sound.body_check();
        pieces.iter().for_each(|piece| check.update(piece));
        assert_eq!(check.finish().err().map(|r| r.reason()), expected);
    }
    let refusal = dialect.verify(&head, &Inputs::new(), &[&key()], now(), &Policy::default()).unwrap_err();
    assert_eq!(refusal.reason(), Reason::Internal, "a pending body is never taken for a good one");
}

#[test]
fn digests_stand_in_for_a_body_that_went_by() {
    let dialect = builtin("aws-sigv4");
    assert_eq!((dialect.body_need(), dialect.body_digests()), (BodyNeed::Tag, vec![DigestAlgorithm::Sha256]));
    let options = SignOptions::new(now()).with_input("region", "r").with_input("service", "s");
    let signed = sign(&dialect, request(), &options);
    let lines = signed.header_lines();
    for (body, expected) in [("{}", None), ("{]", Some(Reason::SignatureMismatch))] {
        let mut hasher = BodyHasher::new(&dialect.body_digests());
        hasher.update(body.as_bytes());
        let digests = hasher.finish();
        let view = RequestView { body: Body::Digests(&digests), ..signed.view(&lines) };
        let verdict = dialect.verify(&view, &Inputs::new(), &[&key()], now(), &Policy::default());
        assert_eq!(verdict.err().map(|r| r.reason()), expected);
    }
}

#[test]
fn an_unknown_key_costs_what_a_known_one_does_and_looks_alike() {
    let dialect = builtin("qlm-open");
    let signed = sign(&dialect, request(), &SignOptions::new(now()));
    let fresh = || dialect.claim(&signed, &Inputs::new()).and_then(|c| c.check_clock(now(), &Policy::default())).expect("in time");
    let unknown = fresh().verify(Keys::Unknown).unwrap_err();
    assert_eq!((unknown.reason(), unknown.reason().public()), (Reason::UnknownKey, Reason::SignatureMismatch));
    assert_eq!(fresh().verify(Keys::Known(&[])).unwrap_err().reason(), Reason::UnknownKey);
    let other = Credential::hmac("key-1", "another");
    assert_eq!(fresh().verify(Keys::Known(&[&other])).unwrap_err().reason(), Reason::SignatureMismatch);
    let found = fresh().verify(Keys::Known(&[&other, &key()])).expect("the second key");
    assert_eq!(found.credential_index(), 1);
    let many = vec![&other; 17];
    assert_eq!(fresh().verify(Keys::Known(&many)).unwrap_err().reason(), Reason::MalformedClaim);
}

#[test]
fn keys_are_found_by_id_by_route_or_by_secret() {
    let signed = sign(&builtin("qlm-open"), request(), &SignOptions::new(now()));
    let qlm = builtin("qlm-open");
    assert_eq!(qlm.claim(&signed, &Inputs::new()).expect("a claim").key_lookup(), KeyLookup::ById("key-1"));
    let webhook = builtin("standard-webhooks");
    let hook =
        webhook.sign(request(), &Credential::hmac("", "whsec_c2VjcmV0"), &SignOptions::new(now()).with_nonce("msg_1")).expect("signable");
    let hook = hook.into_message().into_request().expect("a request");
    assert_eq!(webhook.claim(&hook, &Inputs::new()).expect("a claim").key_lookup(), KeyLookup::ByRoute);
    let api_key = builtin("api-key");
    let shown = sign(&api_key, request(), &SignOptions::new(now()));
    assert_eq!(api_key.claim(&shown, &Inputs::new()).expect("a claim").key_lookup(), KeyLookup::BySecret(&Secret::from("canary-secret")));
}

#[test]
fn fingerprints_tell_requests_and_keys_apart() {
    let dialect = builtin("qlm-open");
    let one = sign(&dialect, request(), &SignOptions::new(now()));
    let other = sign(&dialect, Request { target: b"/v1/items?a=2".to_vec(), ..request() }, &SignOptions::new(now()));
    let print = |r: &Request, key: &[u8]| verified(&dialect, r).fingerprint(key);
    assert_eq!(print(&one, b"pepper"), print(&one.clone(), b"pepper"));
    assert_ne!(print(&one, b"pepper"), print(&other, b"pepper"));
    assert_ne!(print(&one, b"pepper"), print(&one, b"salt"), "without its key a fingerprint is no offline oracle");
}

#[test]
fn nothing_that_is_debugged_shows_a_secret() {
    let api_key = builtin("api-key");
    let signed = api_key.sign(request(), &key(), &SignOptions::new(now())).expect("signable");
    let shown = signed.message().clone().into_request().expect("a request");
    let in_query = Request { target: b"/?api_key=canary-secret".to_vec(), ..request() };
    let labelled = builtin("x-ca-labelled");
    let options = SignOptions::new(now()).with_nonce("n").with_input("encrypted", "canary-secret");
    let prepared = labelled.prepare(request(), &key(), &options).expect("prepared");
    assert!(prepared.string_to_sign().windows(13).any(|w| w == b"canary-secret"), "the canary is there to be found");
    let placed = sign(&labelled, request(), &options);
    let proof = dialect_proof(&labelled, &placed);
    let claim = api_key.claim(&shown, &Inputs::new()).expect("a claim");
    let all = format!("{signed:?} {shown:?} {in_query:?} {options:?} {prepared:?} {:?} {claim:?} {proof:?} {:?}", key(), proof.stages());
    assert!(!all.contains("canary") && all.contains("key-1") && all.contains("Host"), "{all}");
    let text = proof.stages().get("string_to_sign").expect("a stage");
    assert!(text.ends_with(b"\nsecret:***"), "masked where the secret stands");
}

fn dialect_proof(dialect: &Dialect, request: &Request) -> Verified {
    let inputs = Inputs::new().with("encrypted", "canary-secret");
    let claim = dialect.claim(request, &inputs).expect("a claim");
    claim.check_clock(now(), &Policy::default()).expect("in time").verify(Keys::Known(&[&key()])).expect("verified")
}

#[test]
fn a_secret_is_shown_over_tls_only() {
    let dialect = builtin("api-key");
    let plain = Request { scheme: Scheme::Http, ..sign(&dialect, request(), &SignOptions::new(now())) };
    assert_eq!(verify(&dialect, &plain), Err(Reason::InsecureTransport));
    let loopback = Policy { allow_cleartext: true, ..Policy::default() };
    assert!(dialect.verify(&plain, &Inputs::new(), &[&key()], now(), &loopback).is_ok());
    let empty = Request { scheme: Scheme::Https, ..plain };
    assert_eq!(
        dialect.verify(&empty, &Inputs::new(), &[&Credential::hmac("", "")], now(), &Policy::default()).unwrap_err().reason(),
        Reason::SignatureMismatch
    );
}

#[test]
fn an_unsafe_dialect_is_verified_only_where_it_is_called_unsafe() {
    let dialect = builtin("aws-sigv1");
    assert!(dialect.is_unsafe());
    let get = Request { body: Vec::new(), method: "GET".to_owned(), ..request() };
    let signed = sign(&dialect, get, &SignOptions::new(now()));
    assert_eq!(verify(&dialect, &signed), Err(Reason::DialectNotAllowed));
}

const RESPONSE: &str = r#"
countersign: 1
dialect: answer
title: A signed answer
message: response
string_to_sign: "{time}\n{nonce}\n{status}\n{body}\n"
algorithm: hmac-sha256
signature: base64
carry:
  header:
    X-Time: "{time}"
    X-Nonce: "{nonce}"
    X-Signature: "{signature}"
time: { format: unix, window: 5m }
"#;

#[test]
fn responses_are_signed_and_verified_too() {
    let dialect = Dialect::from_yaml(RESPONSE).expect("a dialect");
    let answer = Response { status: 200, headers: vec![], body: b"ok".to_vec() };
    let options = SignOptions::new(now()).with_nonce("n-1");
    let signed = dialect.sign(answer, &key(), &options).expect("signable");
    let countersign_protocol::Message::Response(mut answer) = signed.into_message() else { panic!("a response") };
    let check =
        |answer: &Response| dialect.verify(answer, &Inputs::new(), &[&key()], now(), &Policy::default()).map(drop).map_err(|r| r.reason());
    assert_eq!(check(&answer), Ok(()));
    answer.status = 500;
    assert_eq!(check(&answer), Err(Reason::SignatureMismatch));
    assert_eq!(dialect.sign(request(), &key(), &options).unwrap_err(), SignError::WrongMessage);
    assert_eq!(verify(&dialect, &request()), Err(Reason::MalformedRequest));
    let refused = Dialect::from_yaml(&RESPONSE.replace("{status}", "{path}")).unwrap_err();
    assert_eq!(refused.fault(), "a response has no path");
}

#[test]
fn what_the_signer_lacks_is_named() {
    let sigv4 = builtin("aws-sigv4");
    let missing = sigv4.sign(request(), &key(), &SignOptions::new(now())).unwrap_err();
    assert_eq!(missing, SignError::MissingInput("region".to_owned()));
    let nonce = builtin("hmac-sha256").sign(request(), &key(), &SignOptions::new(now())).unwrap_err();
    assert_eq!(nonce, SignError::MissingNonce);
    let listed = SignOptions { headers: Some(vec!["x-absent".to_owned()]), ..SignOptions::new(now()).with_nonce("n") };
    assert!(builtin("hmac-sha256").sign(request(), &key(), &listed).unwrap_err().to_string().contains("x-absent is missing"));
    let body = builtin("hmac-sha256-body").sign(request().with_body("text"), &key(), &SignOptions::new(now()).with_nonce("n")).unwrap_err();
    assert!(body.to_string().contains("neither a form nor a JSON object"));
}

#[test]
fn headers_are_signed_besides_those_of_the_file_where_a_list_says_so() {
    let also = |names: &[&str]| SignOptions {
        also: names.iter().map(|name| (*name).to_owned()).collect(),
        ..SignOptions::new(now()).with_nonce("n").with_input("region", "eu").with_input("service", "s")
    };
    let marked = || request().with_header("X-Mark", "true");
    let covers = |id: &str, names: &[&str]| {
        let signed = sign(&builtin(id), marked(), &also(names));
        let intact = builtin(id).verify(&signed, &Inputs::new(), &[&key()], now(), &Policy::default()).expect("accepted");
        let parts = intact.verified().covers();
        (parts.contains(&Part::Host), parts.contains(&Part::Header("x-mark".to_owned())))
    };
    for id in ["hmac-sha256", "aws-sigv4"] {
        assert_eq!(covers(id, &[]), (true, false), "{id}");
        assert_eq!(covers(id, &["X-Mark", "x-mark", "HOST"]), (true, true), "{id}");
    }
    assert_eq!(covers("x-ca-labelled", &["X-Mark", "X-Ca-Key"]), (false, true));
    // Without a list, a verifier could not know.
    assert_eq!(covers("qlm-open", &["X-Mark"]), (false, false));
    let absent = builtin("hmac-sha256").sign(request(), &key(), &also(&["x-absent"])).unwrap_err();
    assert!(absent.to_string().contains("x-absent is missing"), "{absent}");
}

#[test]
fn an_input_that_is_pinned_must_be_the_one_read() {
    let dialect = builtin("aws-sigv4");
    let signed = sign(&dialect, request(), &SignOptions::new(now()).with_input("region", "eu").with_input("service", "s"));
    let with =
        |inputs: &Inputs| dialect.verify(&signed, inputs, &[&key()], now(), &Policy::default()).map(|i| i.verified().inputs().clone());
    assert_eq!(with(&Inputs::new().with("region", "us")).unwrap_err().reason(), Reason::MalformedClaim);
    assert_eq!(with(&Inputs::new()).expect("read").get("region"), Some("eu"));
}

#[test]
fn a_policy_may_ask_for_more_or_less() {
    let dialect = builtin("qlm-open");
    let signed = sign(&dialect, request(), &SignOptions::new(now()));
    let with = |policy: Policy| dialect.verify(&signed, &Inputs::new(), &[&key()], now(), &policy).map(drop).map_err(|r| r.reason());
    assert_eq!(with(Policy::default()), Ok(()));
    assert_eq!(with(Policy { require: vec![Part::Body], ..Policy::default() }), Err(Reason::RequiredPartUnsigned));
    assert_eq!(with(Policy { require: vec![Part::Host], ..Policy::default() }), Err(Reason::RequiredPartUnsigned));
}

#[cfg(feature = "asymmetric")]
mod asymmetric {
    use countersign_protocol::{Algorithm, KeyMaterial, KeyPair};

    use super::*;

    const PUBLIC: &str = include_str!("../../../vectors/record/rsa2048-test.pem");

    /// The private key of the vectors.
    fn pair() -> KeyPair {
        KeyPair::from_private_pem(PUBLIC).expect("a key of 2048 bits")
    }

    #[test]
    fn a_public_key_is_never_a_shared_secret() {
        let dialect = builtin("x-ca-labelled");
        let registered = Credential::new("key-1", KeyMaterial::Pair(pair())).with_algorithm(Algorithm::RsaSha256);
        let der = pair().public_der().to_vec();
        for stolen in [Secret::new(der), Secret::from(PUBLIC)] {
            let forger = Credential::hmac("key-1", "").with_algorithm(Algorithm::from_name("hmac-sha256").expect("named"));
            let forger = Credential::new(forger.key_id(), KeyMaterial::Hmac(stolen));
            let forged = dialect.sign(request(), &forger, &SignOptions::new(now()).with_nonce("n")).expect("signable");
            let forged = forged.into_message().into_request().expect("a request");
            let verdict = dialect.verify(&forged, &Inputs::new(), &[&registered], now(), &Policy::default());
            assert_eq!(verdict.unwrap_err().reason(), Reason::SignatureMismatch);
        }
    }

    #[test]
    fn the_message_never_chooses_the_algorithm() {
        let dialect = builtin("x-ca");
        let weak = key().with_algorithm(Algorithm::Hmac(DigestAlgorithm::Sha1));
        let options = SignOptions::new(now()).with_nonce("n");
        let signed = dialect.sign(request(), &weak, &options).expect("signable").into_message().into_request().expect("a request");
        let verdict = |credential: &Credential| {
            dialect.verify(&signed, &Inputs::new(), &[credential], now(), &Policy::default()).map(drop).map_err(|r| r.reason())
        };
        assert_eq!(verdict(&weak), Ok(()));
        assert_eq!(verdict(&key()), Err(Reason::AlgorithmNotAllowed), "SHA-1 is off unless it is registered");
    }
}

/// Whoever speaks HTTP/2 to the caller and HTTP/1.1 to us changes nothing, but where the vendor's protocol signs the version.
#[test]
fn no_dialect_signs_the_version_but_the_one_that_must() {
    let key = Credential::hmac("key-1", "c2VjcmV0LXNlY3JldC1zZWNyZXQ=");
    let policy = Policy { allow_unsafe: true, allow_ambiguous: true, waive: vec![Part::Body], ..Policy::default() };
    let reason = |dialect: &Dialect, request: &Request, version: &str| {
        let seen = Request { version: version.to_owned(), ..request.clone() };
        dialect.verify(&seen, &Inputs::new(), &[&key], now(), &policy).map(drop).map_err(|r| r.reason())
    };
    // What only a key pair signs is looked at by its vectors.
    let shared = |dialect: &&Dialect| {
        dialect.carries_secret() || dialect.algorithms().iter().any(|a| matches!(a, Algorithm::Hmac(_) | Algorithm::Plain(_)))
    };
    for dialect in Dialects::builtin().expect("sound").iter().filter(|dialect| !dialect.is_of_responses()).filter(shared) {
        let needed = dialect.inputs().iter().filter(|input| !input.optional);
        let options = needed.fold(SignOptions::new(now()).with_nonce("0123456789abcdef"), |o, input| o.with_input(&input.name, "sample"));
        let signed = [("application/json", "{}"), ("application/x-www-form-urlencoded", "c=d")].into_iter().filter_map(|(kind, body)| {
            let plain = Request::new("POST", "/v1/items?a=1").with_header("Host", "api.example.com");
            dialect.sign(plain.with_header("Content-Type", kind).with_body(body), &key, &options).ok()?.into_message().into_request()
        });
        let signed: Vec<Request> = signed.collect();
        assert!(!signed.is_empty(), "{}", dialect.id());
        let moved = if dialect.id() == "kong-hmac" { Err(Reason::SignatureMismatch) } else { Ok(()) };
        for request in &signed {
            assert_eq!((reason(dialect, request, "HTTP/1.1"), reason(dialect, request, "HTTP/2.0")), (Ok(()), moved), "{}", dialect.id());
        }
    }
    let kong = builtin("kong-hmac");
    let without = ["@request-target", "date", "digest"].map(str::to_owned).to_vec();
    let options = SignOptions { headers: Some(without), ..SignOptions::new(now()) };
    let signed = kong.sign(request(), &key, &options).expect("signable").into_message().into_request().expect("a request");
    assert_eq!((reason(&kong, &signed, "HTTP/1.1"), reason(&kong, &signed, "HTTP/2.0")), (Ok(()), Ok(())));
}

#[test]
fn a_bare_digest_is_verified_only_where_it_is_called_unsafe() {
    let dialect = Dialect::from_yaml(
        "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{method} {target}\\n{time}\\n{body}\\n{secret}\"\nalgorithm: md5\n\
         carry: { header: { S: \"{signature}\", T: \"{time}\" } }\ntime: { format: unix, window: 5m }\n",
    )
    .expect("a dialect");
    assert!(dialect.hazards().contains(&Hazard::UnkeyedDigest) && dialect.is_unsafe());
    let signed = sign(&dialect, request(), &SignOptions::new(now()));
    assert_eq!(verify(&dialect, &signed), Err(Reason::DialectNotAllowed));
    let open = Policy { allow_unsafe: true, ..Policy::default() };
    let reason = |request: &Request| dialect.verify(request, &Inputs::new(), &[&key()], now(), &open).map(drop).map_err(|r| r.reason());
    assert_eq!(reason(&signed), Ok(()));
    assert_eq!(reason(&Request { body: b"[]".to_vec(), ..signed }), Err(Reason::SignatureMismatch));
}

#[test]
fn an_expiry_holds_without_a_time_too() {
    let dialect = Dialect::from_yaml(
        "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{method}{path}\\n{expires}\"\nalgorithm: hmac-sha256\n\
         carry: { header: { S: \"{signature}\", E: \"{expires}\" } }\nexpires: { format: unix, default: 1h, max: 1h }\n",
    )
    .expect("a dialect");
    let signed = sign(&dialect, request(), &SignOptions::new(now()));
    let at = |seconds: u64| {
        let later = now().plus(std::time::Duration::from_secs(seconds));
        dialect.verify(&signed, &Inputs::new(), &[&key()], later, &Policy { waive: vec![Part::Query, Part::Body], ..Policy::default() })
    };
    let reason = |seconds| at(seconds).map(drop).map_err(|r| r.reason());
    assert_eq!((reason(0), reason(3_600), reason(3_601)), (Ok(()), Ok(()), Err(Reason::TooOld)));
    let far = sign(&dialect, request(), &SignOptions { expires: Some("1767999999".to_owned()), ..SignOptions::new(now()) });
    let verdict = dialect.verify(&far, &Inputs::new(), &[&key()], now(), &Policy::default());
    assert_eq!(verdict.unwrap_err().reason(), Reason::MalformedClaim, "later than an hour from now");
}

#[test]
fn the_verifier_can_show_its_stages_of_a_claim_that_does_not_hold() {
    let dialect = builtin("x-ca-labelled");
    let mut signed = sign(&dialect, request(), &SignOptions::new(now()).with_nonce("n"));
    signed.body = b"{ }".to_vec();
    let fresh = dialect.claim(&signed, &Inputs::new()).and_then(|c| c.check_clock(now(), &Policy::default())).expect("in time");
    let stages = fresh.stages(&key()).expect("stages");
    assert!(stages.get("string_to_sign").expect("a stage").ends_with(b"\nbody:{ }\nsecret:***"));
    assert_eq!(fresh.verify(Keys::Known(&[&key()])).unwrap_err().reason(), Reason::SignatureMismatch);
}

#[test]
fn a_view_may_cross_threads() {
    fn is_send<T: Send>(_: &T) {}
    let signed = sign(&builtin("qlm-open"), request(), &SignOptions::new(now()));
    let dialect = builtin("qlm-open");
    is_send(&dialect.claim(&signed, &Inputs::new()).expect("a claim"));
}

#[test]
fn no_value_can_end_a_header_line() {
    let nonce = builtin("hmac-sha256").sign(request(), &key(), &SignOptions::new(now()).with_nonce("a\r\nX-Admin: 1")).unwrap_err();
    assert!(nonce.to_string().contains("control character"), "{nonce}");
    let id = builtin("qlm-open").sign(request(), &Credential::hmac("a\nb", "s"), &SignOptions::new(now())).unwrap_err();
    assert!(id.to_string().contains("control character"), "{id}");
}

#[test]
fn a_body_that_two_readers_could_take_for_two_kinds_is_ambiguous() {
    let dialect = builtin("hmac-sha256-body");
    let mut signed = sign(&dialect, request(), &SignOptions::new(now()).with_nonce("n"));
    assert_eq!(verify(&dialect, &signed), Ok(()));
    signed.headers.push(("Content-Type".to_owned(), b"application/x-www-form-urlencoded".to_vec()));
    assert_eq!(verify(&dialect, &signed), Err(Reason::AmbiguousRequest));
}

#[test]
fn a_second_line_of_a_header_that_is_always_signed_is_ambiguous() {
    let dialect = Dialect::from_yaml(
        "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{method}\\n{target}\\n{time}\\n{headers}\"\nalgorithm: hmac-sha256\n\
         headers: { always: [X-A], repeated: first }\ncarry: { header: { S: \"{signature}\", T: \"{time}\" } }\ntime: { format: unix }\n",
    )
    .expect("a dialect");
    let mut signed = sign(&dialect, Request::new("GET", "/").with_header("Host", "h").with_header("X-A", "1"), &SignOptions::new(now()));
    assert_eq!(verify(&dialect, &signed), Ok(()));
    signed.headers.push(("x-a".to_owned(), b"evil".to_vec()));
    assert_eq!(verify(&dialect, &signed), Err(Reason::AmbiguousRequest));
}

#[test]
fn a_claim_twice_in_a_form_is_refused() {
    let dialect = Dialect::from_yaml(
        "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{method}\\n{target}\\n{form}\"\nalgorithm: hmac-sha256\n\
         carry: { form: { sig: \"{signature}\", t: \"{time}\" } }\ntime: { format: unix }\n",
    )
    .expect("a dialect");
    let form = Request::new("POST", "/").with_header("Host", "h").with_header("Content-Type", "application/x-www-form-urlencoded");
    let mut signed = sign(&dialect, form.with_body("a=1"), &SignOptions::new(now()));
    assert_eq!(verify(&dialect, &signed), Ok(()));
    signed.body.extend_from_slice(b"&sig=00");
    assert_eq!(verify(&dialect, &signed), Err(Reason::MalformedClaim));
}

#[test]
fn a_proof_says_which_protection_against_replays_is_possible() {
    let modes = |id: &str, options: SignOptions| {
        let dialect = builtin(id);
        verified(&dialect, &sign(&dialect, request(), &options)).replay_modes()
    };
    let by_time = vec![ReplayMode::Signature, ReplayMode::SafeMethodsExempt, ReplayMode::None];
    assert_eq!(modes("qlm-open", SignOptions::new(now())), by_time);
    assert_eq!(modes("hmac-sha256", SignOptions::new(now()).with_nonce("n"))[0], ReplayMode::Nonce);
    assert_eq!(modes("x-ca", SignOptions::new(now())), by_time, "no nonce was sent");
    assert_eq!(modes("api-key", SignOptions::new(now())), [ReplayMode::None]);
}

#[test]
fn an_unsigned_event_is_no_event() {
    let file = |event: &str| {
        format!(
            "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{{time}}.{{body}}\"\nalgorithm: hmac-sha256\nreplay: event\nevent: \"{event}\"\n\
             carry: {{ header: {{ S: \"{{signature}}\", T: \"{{time}}\" }} }}\ntime: {{ format: unix }}\n"
        )
    };
    for (event, expected) in [("{header.x-delivery}", false), ("{body | sha256 | hex}", true)] {
        let dialect = Dialect::from_yaml(&file(event)).expect("a dialect");
        let delivered = request().with_header("X-Delivery", "1");
        let proof = verified(&dialect, &sign(&dialect, delivered, &SignOptions::new(now())));
        assert_eq!(proof.event().is_some(), expected, "{event}");
    }
}

#[test]
fn a_body_that_was_there_cannot_be_changed_for_another() {
    let dialect = builtin("aws-sigv4");
    let options = SignOptions::new(now()).with_input("region", "r").with_input("service", "s");
    let changed = Request { body: b"[]".to_vec(), ..sign(&dialect, request(), &options) };
    let fresh = dialect.claim(&changed, &Inputs::new()).and_then(|c| c.check_clock(now(), &Policy::default())).expect("in time");
    let verdict = fresh.with_body(Body::Bytes(b"{}")).verify(Keys::Known(&[&key()]));
    assert_eq!(verdict.unwrap_err().reason(), Reason::SignatureMismatch);
}

#[test]
fn digests_sign_what_the_bytes_would() {
    for id in ["aws-sigv4", "hmac-sha256", "tencent-tc3"] {
        let dialect = builtin(id);
        let mut options = SignOptions::new(now()).with_nonce("n-1").with_input("region", "r").with_input("service", "s");
        let whole = sign(&dialect, request(), &options);
        let mut hasher = BodyHasher::new(&dialect.body_digests());
        hasher.update(&request().body);
        options.body = Some(hasher.finish());
        let bare = sign(&dialect, Request { body: Vec::new(), ..request() }, &options);
        assert_eq!(bare.headers, whole.headers, "{id}");
        // Whose digests would they be?
        assert_eq!(dialect.sign(request(), &key(), &options).unwrap_err(), SignError::TwoBodies);
    }
    let mut options = SignOptions::new(now()).with_nonce("n-1");
    options.body = Some(BodyHasher::new(&[]).finish());
    let bare = Request { body: Vec::new(), ..request() };
    assert!(
        matches!(builtin("hmac-sha256").sign(bare.clone(), &key(), &options), Err(SignError::Unsignable(_))),
        "a digest that is not there"
    );
    assert!(builtin("standard-webhooks").sign(bare, &key(), &options).is_err(), "the bytes are signed");
}

#[test]
fn what_stands_for_a_newline_is_escaped_elsewhere() {
    let dialect = builtin("x-ca");
    let shown = |text: &str| String::from_utf8(dialect.diagnostics(text.as_bytes()).unwrap().text).unwrap();
    assert_eq!(shown("GET\n\n/a"), "Invalid Signature, Server StringToSign:`GET##/a`");
    assert_eq!(shown("GET\n/a?b=#c"), "Invalid Signature, Server StringToSign:`GET#/a?b=%23c`");
}
