//! The exact edge of every rule about heads, clocks and sizes: what is just allowed, and what is just refused.

use std::time::Duration;

use countersign_protocol::{
    Algorithm, Claim, Credential, DigestAlgorithm, Inputs, Keys, Policy, Reason, Request, SignOptions, Timestamp, Window,
};

use crate::{dialect, key, now, sign, verdict};

const PLAIN: &str = "string_to_sign: \"{method} {target}\\n{time}\"\ncarry: { header: { T: \"{time}\", S: \"{signature}\" } }\n";

#[test]
fn a_head_is_read_in_one_way_or_not_at_all() {
    let dialect = dialect(PLAIN);
    let get = || Request::new("GET", "/a").with_header("Host", "h");
    let line = |method: &str, target: &str| Request::new(method, target).with_header("Host", "h");
    let host = |host: &str| Request::new("GET", "/a").with_header("Host", host);
    let value = |bytes: &[u8]| {
        let mut request = get();
        request.headers.push(("X-A".to_owned(), bytes.to_vec()));
        request
    };
    let fine = [
        get(),
        line("M-SEARCH", "/"),
        line("OPTIONS", "*"),
        line("OPTIONS", "/"),
        line("GET", "/~!$&'()*+,;=:@%7f?a/?"),
        host("a.example:8080"),
        host("[::1]:80"),
        host(" h "),
        host("h:"),
        value(b"a\tb"),
        value(b"\x80\xff"),
        value(b""),
        get().with_header("X-Host", "?"),
    ];
    let malformed = [
        line("", "/"),
        line("GE T", "/"),
        line("GET", ""),
        line("GET", "*"),
        line("OPTIONS", "**"),
        line("GET", "http://h/"),
        line("GET", "a"),
        line("GET", "/a b"),
        line("GET", "/a\t"),
        line("GET", "/a\u{1f}"),
        line("GET", "/a\u{7f}"),
        line("GET", "/a#b"),
        line("GET", "/a%"),
        line("GET", "/a%2"),
        line("GET", "/a%2g"),
        get().with_header("HOST", "h"),
        host("a@h"),
        host("h/"),
        host("a b"),
        host("h:8o"),
        value(b"a\0"),
        value(b"a\x08"),
        value(b"a\x0a"),
        value(b"a\x1f"),
        value(b"a\x7f"),
        get().with_header("", "a"),
        get().with_header("X A", "a"),
        get().with_header("X:A", "a"),
    ];
    let reason = |request: &Request| dialect.claim(request, &Inputs::new()).map(drop).unwrap_err().reason();
    for request in &fine {
        assert_ne!(reason(request), Reason::MalformedRequest, "{request:?}");
    }
    for request in &malformed {
        assert_eq!(reason(request), Reason::MalformedRequest, "{request:?}");
    }
}

#[test]
fn a_window_holds_to_the_second_and_a_policy_may_set_another() {
    let dialect = dialect(PLAIN);
    let signed = sign(&dialect, Request::new("GET", "/").with_header("Host", "h"), &SignOptions::new(now()));
    let at = |seconds: i64, policy: &Policy| {
        verdict(&dialect, &signed, Timestamp::from_seconds(1_767_323_045 + seconds).expect("a time"), policy)
    };
    let own = Policy::default();
    let wide = Policy { window: Some(Window { past: Duration::from_secs(100), future: Duration::ZERO }), ..Policy::default() };
    for (seconds, of_own, of_wide) in [
        (0, Ok(()), Ok(())),
        (60, Ok(()), Ok(())),
        (61, Err(Reason::TooOld), Ok(())),
        (100, Err(Reason::TooOld), Ok(())),
        (101, Err(Reason::TooOld), Err(Reason::TooOld)),
        (-1, Ok(()), Err(Reason::FromTheFuture)),
        (-30, Ok(()), Err(Reason::FromTheFuture)),
        (-31, Err(Reason::FromTheFuture), Err(Reason::FromTheFuture)),
    ] {
        assert_eq!((at(seconds, &own), at(seconds, &wide)), (of_own, of_wide), "{seconds} s");
    }
}

const SPAN: &str = "string_to_sign: \"{method} {target}\\n{time}\\n{expires}\"\n\
    carry: { header: { T: \"{time}\", E: \"{expires}\", S: \"{signature}\" } }\nexpires: { unit: s, default: 100s, max: 1h }\n";

#[test]
fn a_span_ends_a_claim_to_the_second_and_is_at_most_what_dialect_and_policy_say() {
    let dialect = dialect(SPAN);
    let signed = |expires: &str| {
        let options = SignOptions { expires: Some(expires.to_owned()), ..SignOptions::new(now()) };
        sign(&dialect, Request::new("GET", "/").with_header("Host", "h"), &options)
    };
    let after = |seconds: u64| now().plus(Duration::from_secs(seconds));
    let most = |seconds: u64| Policy { max_expires: Some(Duration::from_secs(seconds)), ..Policy::default() };
    let (ok, old, malformed) = (Ok(()), Err(Reason::TooOld), Err(Reason::MalformedClaim));
    // The past window of the time does not count where the claim has an end of its own.
    for (expires, seconds, policy, expected) in [
        ("100", 100, Policy::default(), ok),
        ("100", 101, Policy::default(), old),
        ("1", 2, Policy::default(), old),
        ("0", 0, Policy::default(), malformed),
        ("3600", 0, Policy::default(), ok),
        ("3601", 0, Policy::default(), malformed),
        ("100", 0, most(100), ok),
        ("101", 0, most(100), malformed),
        ("3601", 0, most(9999), malformed),
        ("000000003600", 0, Policy::default(), ok),
        ("0000000003600", 0, Policy::default(), malformed),
        ("1e3", 0, Policy::default(), malformed),
    ] {
        assert_eq!(verdict(&dialect, &signed(expires), after(seconds), &policy), expected, "{expires} s, {seconds} s later");
    }
    let claimed = signed("100");
    let claim: Claim<'_> = dialect.claim(&claimed, &Inputs::new()).expect("a claim");
    assert_eq!((claim.time(), claim.expires_at(), claim.dialect().id()), (Some(now()), Some(after(100)), "a"));
    let fresh = claim.check_clock(now(), &Policy::default()).expect("in time");
    assert_eq!((fresh.claim().time(), fresh.claim().nonce()), (Some(now()), None));
    let verified = fresh.verify(Keys::Known(&[&key()])).expect("verified");
    assert_eq!((verified.time(), verified.expires_at(), verified.nonce()), (Some(now()), Some(after(100)), None));
    assert_eq!(verified.algorithm(), Some(Algorithm::Hmac(DigestAlgorithm::Sha256)));
    assert_eq!((verified.dialect().id(), verified.key_id(), verified.credential_index()), ("a", "key-1", 0));
    assert!(!verified.require(&Policy::default()).expect("sound").awaits_body());
}

#[test]
fn a_span_may_be_in_thousandths() {
    let dialect = dialect(&SPAN.replace("unit: s", "unit: ms"));
    let options = SignOptions { expires: Some("1500".to_owned()), ..SignOptions::new(now()) };
    let signed = sign(&dialect, Request::new("GET", "/").with_header("Host", "h"), &options);
    let at = |millis: u64| verdict(&dialect, &signed, now().plus(Duration::from_millis(millis)), &Policy::default());
    assert_eq!((at(1500), at(1501)), (Ok(()), Err(Reason::TooOld)));
}

/// A dialect whose carriers hold one of everything that has a bound.
const BOUNDED: &str = "inputs: [\"[who]\"]\nstring_to_sign: \"{method} {target}\\n{time}\\n{nonce}\\n{who}\\n{body | sha256 | hex}\\n{headers}\"\n\
    headers: { sign: [host], default: [host], missing: skip }\nsignature: { encoding: hex, several: \" \" }\n\
    carry: { header: { T: \"{time}\", K: \"{key_id}\", N: \"{nonce}\", W: \"[{who}]\", H: \"[{signed_headers}]\", S: \"v1={signature}\" } }\n";

#[test]
fn what_is_carried_is_bounded_and_the_bound_itself_is_within() {
    let dialect = dialect(BOUNDED);
    let options = SignOptions::new(now()).with_nonce("n");
    let signed = sign(&dialect, Request::new("GET", "/").with_header("Host", "h"), &options);
    // What is no longer what was signed is refused for that, unless it is refused for its form.
    let with = |name: &str, value: &str| {
        let mut request = signed.clone();
        request.headers.retain(|(n, _)| n != name);
        verdict(&dialect, &request.with_header(name, value), now(), &Policy::default())
    };
    let (within, beyond) = (Err(Reason::SignatureMismatch), Err(Reason::MalformedClaim));
    let names = |count: usize| (0..count).map(|i| format!("x-{i}")).collect::<Vec<_>>().join(";");
    let tags = |count: usize| vec![format!("v1={}", "00".repeat(32)); count].join(" ");
    let hex = |length: usize| format!("v1={}", "0".repeat(length));
    for (name, edge, over) in [
        ("N", "n".repeat(128), "n".repeat(129)),
        ("W", "w".repeat(8192), "w".repeat(8193)),
        ("H", names(64), names(65)),
        ("S", tags(16), tags(17)),
        ("S", hex(1024), hex(1026)),
    ] {
        assert_eq!((with(name, &edge), with(name, &over)), (within, beyond), "{name}");
    }
    // The key id only names the key.
    assert_eq!((with("K", &"k".repeat(128)), with("K", &"k".repeat(129))), (Ok(()), beyond));
    assert_eq!(with("K", "a\u{85}b"), beyond, "a control character");
    assert_eq!(with("S", "v2=00"), Err(Reason::MissingSignature), "another version of a signature alone");
    assert_eq!((with("S", ""), with("S", "v1=")), (Err(Reason::MissingSignature), beyond));
    let own = String::from_utf8(signed.headers.iter().find(|(n, _)| n == "S").expect("signed").1.clone()).expect("text");
    for several in [format!("v2=zz {own}"), format!("{own} v1={}", "00".repeat(32)), format!("v1=00 {own} v1=11"), format!("{own} {own}")] {
        assert_eq!(with("S", &several), Ok(()), "{several}");
    }
    assert_eq!(with("S", &own.to_uppercase().replace("V1", "v1")), beyond, "one spelling of a signature");
    for (listed, expected) in [("host;HOST", beyond), ("a b", beyond), ("x(y", beyond), ("host", Ok(())), (" host ; ", Ok(()))] {
        assert_eq!(with("H", listed), expected, "{listed}");
    }
}

#[test]
fn the_pairs_of_key_and_signature_that_are_tried_are_bounded() {
    let dialect = dialect(BOUNDED);
    let signed = sign(&dialect, Request::new("GET", "/").with_header("Host", "h"), &SignOptions::new(now()).with_nonce("n"));
    let own = String::from_utf8(signed.headers.iter().find(|(n, _)| n == "S").expect("signed").1.clone()).expect("text");
    let other = Credential::hmac("key-1", "another");
    let tried = |tags: usize, keys: usize| {
        let mut request = signed.clone();
        request.headers.retain(|(n, _)| n != "S");
        let request = request.with_header("S", format!("{}{own}", format!("v1={} ", "00".repeat(32)).repeat(tags - 1)));
        let own_key = key();
        let mut keys = vec![&other; keys - 1];
        keys.push(&own_key);
        let verdict = dialect.verify(&request, &Inputs::new(), &keys, now(), &Policy::default());
        verdict.map(|intact| intact.verified().credential_index()).map_err(|refusal| refusal.reason())
    };
    assert_eq!((tried(2, 8), tried(16, 1), tried(1, 16)), (Ok(7), Ok(0), Ok(15)));
    assert_eq!((tried(2, 9), tried(1, 17)), (Err(Reason::MalformedClaim), Err(Reason::MalformedClaim)));
}

#[test]
fn parameters_of_query_and_form_are_counted_together() {
    let dialect =
        dialect("string_to_sign: \"{method} {target}\\n{time}\\n{body}\"\ncarry: { header: { T: \"{time}\", S: \"{signature}\" } }\n");
    let list = |count: usize| vec!["a=1"; count].join("&");
    let judged = |query: usize, form: usize, kind: &str| {
        let request = Request::new("POST", format!("/?{}", list(query))).with_header("Host", "h").with_header("Content-Type", kind);
        let request = request.with_body(list(form)).with_header("T", "1767323045").with_header("S", "00".repeat(32));
        verdict(&dialect, &request, now(), &Policy::default())
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    let (within, beyond) = (Err(Reason::SignatureMismatch), Err(Reason::MalformedClaim));
    for (query, form, kind, expected) in [
        (256, 0, FORM, within),
        (257, 0, FORM, beyond),
        (200, 56, FORM, within),
        (200, 57, FORM, beyond),
        (0, 257, FORM, beyond),
        (200, 57, "text/plain", within),
    ] {
        assert_eq!(judged(query, form, kind), expected, "{query} in the query, {form} in a body of {kind}");
    }
}

#[test]
fn a_list_of_parameters_in_a_header_is_read_strictly() {
    let dialect = dialect(
        "string_to_sign: \"{method} {target}\\n{time}\\n{nonce}\"\n\
         carry: { header: { Authorization: 'Acme key={key_id}, at={time}, [nonce=\"{nonce}\"], sig={signature}' } }\n",
    );
    let signed = sign(&dialect, Request::new("GET", "/").with_header("Host", "h"), &SignOptions::new(now()).with_nonce("n,1"));
    let own = String::from_utf8(signed.headers[1].1.clone()).expect("text");
    let tag = own.rsplit('=').next().expect("a signature").to_owned();
    assert_eq!(own, format!("Acme key=key-1, at=1767323045, nonce=\"n,1\", sig={tag}"));
    let with = |value: &str| {
        let value = value.replace("TAG", &tag);
        verdict(&dialect, &Request::new("GET", "/").with_header("Host", "h").with_header("Authorization", value), now(), &Policy::default())
    };
    let pieces = |count: usize| "x=1, ".repeat(count);
    let (ok, missing, malformed, other) =
        (Ok(()), Err(Reason::MissingSignature), Err(Reason::MalformedClaim), Err(Reason::SignatureMismatch));
    for (value, expected) in [
        ("ACME key=key-1,at=1767323045,nonce=\"n,1\",sig=TAG", ok),
        (" Acme  sig=TAG , nonce = \"n,1\" ,, at=1767323045, key=\"key-1\", ", ok),
        ("Acme key=key-1, at=1767323045, nonce=\"n,1\", sig=TAG, more=1", ok),
        ("Acme key=key-1, at=1767323045, sig=TAG", other),
        ("Acme key=key-1, at=1767323045, nonce=\"\", sig=TAG", other),
        ("Acmekey=key-1, at=1767323045, nonce=\"n,1\", sig=TAG", missing),
        ("Acm key=key-1, at=1767323045, nonce=\"n,1\", sig=TAG", missing),
        ("Other key=key-1", missing),
        ("Acme key=key-1, nonce=\"n,1\", sig=TAG", malformed),
        ("Acme at=1767323045, nonce=\"n,1\", sig=TAG", malformed),
        ("Acme key=key-1, key=key-1, at=1767323045, nonce=\"n,1\", sig=TAG", malformed),
        ("Acme key=key-1, at=1767323045, nonce=\"n,1\", sig=TAG, sig=TAG", malformed),
        ("Acme key=key-1, at=1767323045, nonce=\"n,1, sig=TAG", malformed),
        ("Acme key=key-1, at=1767323045, nonce=n\"1, sig=TAG", malformed),
        ("Acme key=key-1, at=1767323045, nonce=\"n\"1\", sig=TAG", malformed),
        ("Acme key=key-1, at=1767323045, nonce, sig=TAG", malformed),
        ("Acme key=, at=1767323045, nonce=\"n,1\", sig=TAG", malformed),
    ] {
        assert_eq!(with(value), expected, "{value}");
    }
    let rest = "key=key-1, at=1767323045, nonce=\"n,1\", sig=TAG";
    assert_eq!((with(&format!("Acme {}{rest}", pieces(252))), with(&format!("Acme {}{rest}", pieces(253)))), (ok, malformed));
}
