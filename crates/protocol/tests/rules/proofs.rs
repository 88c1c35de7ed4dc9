//! What a proof says, and what it takes: secrets that were sent, words in place of digests, and claims that nobody signed.

use countersign_protocol::{Dialect, Inputs, Keys, Part, Policy, Reason, ReplayMode, Request, Scheme, Secret, SignOptions};

use crate::{dialect, key, now, sign, verdict};

#[test]
fn what_is_claimed_is_proved_only_where_it_is_signed() {
    let file = |text: &str| {
        format!(
            "inputs: [who]\nstring_to_sign: \"{{method}} {{target}}\\n{text}\"\n\
             carry: {{ header: {{ T: \"{{time}}\", N: \"{{nonce}}\", W: \"{{who}}\", S: \"{{signature}}\" }} }}\n"
        )
    };
    let dialect = dialect(&file("{time}\\n{nonce}\\n{who}"));
    let options = SignOptions::new(now()).with_nonce("n-1").with_input("who", "me");
    let signed = sign(&dialect, Request::new("GET", "/").with_header("Host", "h"), &options);
    let claim = dialect.claim(&signed, &Inputs::new()).expect("a claim");
    assert_eq!((claim.nonce(), claim.key_id(), claim.input("who"), claim.input("else")), (Some("n-1"), None, Some("me"), None));
    let verified = claim.check_clock(now(), &Policy::default()).and_then(|fresh| fresh.verify(Keys::Known(&[&key()]))).expect("verified");
    assert_eq!((verified.nonce(), verified.inputs().get("who")), (Some("n-1"), Some("me")));
    for part in ["method", "path", "query", "time", "nonce", "input.who"] {
        assert!(verified.covers().contains(&Part::parse(part).expect("a part")), "{part}");
    }
    assert!(!verified.covers().contains(&Part::Body));
}

#[test]
fn a_shown_secret_is_compared_whole_over_any_transport_that_the_policy_takes() {
    let dialect = Dialect::from_yaml("countersign: 1\ndialect: a\ntitle: t\ncarry: { header: { K: \"{secret}\" } }\n").expect("a dialect");
    let open = Policy { allow_unsafe: true, allow_cleartext: true, ..Policy::default() };
    let verdict = |secret: &str, scheme: Scheme, policy: &Policy| {
        let request = Request { scheme, ..Request::new("GET", "/").with_header("Host", "h").with_header("K", secret) };
        dialect.verify(&request, &Inputs::new(), &[&key()], now(), policy).map(drop).map_err(|refusal| refusal.reason())
    };
    assert_eq!(verdict("secret-1", Scheme::Http, &open), Ok(()));
    assert_eq!(verdict("secret-", Scheme::Http, &open), Err(Reason::SignatureMismatch));
    assert_eq!(verdict("secret-12", Scheme::Http, &open), Err(Reason::SignatureMismatch));
    assert!(Secret::from("").is_empty() && !Secret::from("0").is_empty());
    let protected = Policy { allow_cleartext: false, ..open };
    assert_eq!(verdict("secret-1", Scheme::Http, &protected), Err(Reason::InsecureTransport));
    assert_eq!(verdict("secret-1", Scheme::Https, &protected), Ok(()));
}

#[test]
fn every_secret_that_is_sent_is_the_credentials_own() {
    let parts = "secrets: [pin, code]\ncarry: { header: { P: \"{pin}\", K: \"{secret}\", C: \"{code}\" } }\n";
    let shown = Dialect::from_yaml(&format!("countersign: 1\ndialect: a\ntitle: t\n{parts}")).expect("a dialect");
    let signing = dialect(
        "secrets: [pin, code]\nstring_to_sign: \"{method} {target}\\n{time}\"\n\
         carry: { header: { P: \"{pin}\", C: \"{code}\", T: \"{time}\", S: \"{signature}\" } }\n",
    );
    let owner = key().with_part("pin", "1111").with_part("code", "2222");
    let policy = Policy { allow_unsafe: true, ..Policy::default() };
    for (dialect, own_secret) in [(&shown, "K"), (&signing, "S")] {
        let signed = dialect.sign(Request::new("GET", "/").with_header("Host", "h"), &owner, &SignOptions::new(now())).expect("signable");
        let signed = signed.into_message().into_request().expect("a request");
        let with = |wrong: &[&str]| {
            let mut request = signed.clone();
            request.headers.iter_mut().filter(|(name, _)| wrong.contains(&name.as_str())).for_each(|(_, value)| value[0] ^= 1);
            dialect.verify(&request, &Inputs::new(), &[&owner], now(), &policy).map(drop).map_err(|refusal| refusal.reason())
        };
        assert_eq!(with(&[]), Ok(()));
        for wrong in [&["P"][..], &["C"], &["P", "C"], &[own_secret], &["P", own_secret], &["P", "C", own_secret]] {
            let expected = if own_secret == "S" && wrong.contains(&"S") { with(&["S"]) } else { Err(Reason::SignatureMismatch) };
            assert!(with(wrong) == expected && expected.is_err(), "{wrong:?}");
        }
        let nobody = key().with_part("pin", "1111");
        let verdict = dialect.verify(&signed, &Inputs::new(), &[&nobody], now(), &policy);
        assert_eq!(verdict.unwrap_err().reason(), Reason::SignatureMismatch, "a credential without that part");
    }
}

#[test]
fn only_where_the_method_is_signed_are_its_safe_ones_told_apart() {
    let modes = |text: &str| {
        let waived = "carry: { header: { T: \"{time}\", S: \"{signature}\" } }\nwaive: [method, path, query, body]\n";
        let dialect = dialect(&format!("string_to_sign: \"{text}\"\n{waived}"));
        let signed = sign(&dialect, Request::new("GET", "/").with_header("Host", "h"), &SignOptions::new(now()));
        dialect.verify(&signed, &Inputs::new(), &[&key()], now(), &Policy::default()).expect("accepted").verified().replay_modes()
    };
    assert_eq!(modes("{time}"), [ReplayMode::Signature, ReplayMode::None]);
    assert_eq!(modes("{method} {time}"), [ReplayMode::Signature, ReplayMode::SafeMethodsExempt, ReplayMode::None]);
}

#[test]
fn a_word_in_place_of_the_bodys_digest_needs_a_protected_connection() {
    let dialect = dialect(
        "string_to_sign: \"{method} {target}\\n{time}\\n{body_digest}\"\nbody_digest: { is: \"{body | sha256 | hex}\", unsigned: [NONE] }\n\
         carry: { header: { T: \"{time}\", D: \"{body_digest}\", S: \"{signature}\" } }\n",
    );
    let judged = |word: Option<&str>, body: &str, scheme: Scheme, policy: &Policy| {
        let request = Request { scheme, ..Request::new("POST", "/").with_header("Host", "h").with_body(body) };
        let options = SignOptions { body_digest: word.map(str::to_owned), ..SignOptions::new(now()) };
        verdict(&dialect, &sign(&dialect, request, &options), now(), policy)
    };
    let (strict, waived) = (Policy::default(), Policy { waive: vec![Part::Body], ..Policy::default() });
    let open = Policy { allow_cleartext: true, ..waived.clone() };
    for (word, body, scheme, policy, expected) in [
        (None, "b", Scheme::Http, &strict, Ok(())),
        (Some("NONE"), "b", Scheme::Https, &strict, Err(Reason::RequiredPartUnsigned)),
        (Some("NONE"), "b", Scheme::Https, &waived, Ok(())),
        (Some("NONE"), "b", Scheme::Http, &waived, Err(Reason::InsecureTransport)),
        (Some("NONE"), "", Scheme::Http, &waived, Ok(())),
        (Some("NONE"), "b", Scheme::Http, &open, Ok(())),
        (Some("OTHER"), "b", Scheme::Https, &waived, Err(Reason::BodyDigestMismatch)),
    ] {
        assert_eq!(judged(word, body, scheme, policy), expected, "{word:?} {body:?} {scheme:?}");
    }
}
