//! Lists that may be empty, lengths that are signed, paths that are signed decoded, and keys that are too short: each in a small dialect.
#![cfg(feature = "yaml")]

use countersign_protocol::{Credential, Dialect, Hazard, Inputs, Message, Part, Policy, Reason, Request, SignOptions, Timestamp};

const HEAD: &str = "countersign: 1\ndialect: a\ntitle: t\nalgorithm: hmac-sha256\ntime: { format: unix }\n";

fn dialect(file: &str) -> Dialect {
    Dialect::from_yaml(&format!("{HEAD}{file}")).unwrap_or_else(|e| panic!("{e}\n{file}"))
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_323_045).expect("a time")
}

fn key() -> Credential {
    Credential::hmac("key-1", "secret-1")
}

fn signed(dialect: &Dialect, request: Request, options: &SignOptions) -> Request {
    match dialect.sign(request, &key(), options).expect("signable").into_message() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn reason(dialect: &Dialect, request: &Request) -> Result<Vec<Part>, Reason> {
    let verdict = dialect.verify(request, &Inputs::new(), &[&key()], now(), &Policy::default());
    verdict.map(|intact| intact.verified().covers().iter().cloned().collect()).map_err(|refusal| refusal.reason())
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let line = request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    line.map(|(_, value)| std::str::from_utf8(value).expect("text"))
}

const LISTED: &str = "string_to_sign: \"{method} {target}\\n{time}\\n{headers}\"\n\
    headers: { sign: [host, x-a-*], default: [host, x-a-*] }\n\
    carry: { header: { T: \"{time}\", S: \"{key_id}/[{signed_headers}]/{signature}\" } }\n";

fn request() -> Request {
    Request::new("GET", "/").with_header("Host", "h").with_header("X-A-B", "1")
}

#[test]
fn a_list_of_names_may_be_empty_and_then_the_default_counts() {
    let dialect = dialect(LISTED);
    let with = signed(&dialect, request(), &SignOptions::new(now()));
    assert!(header(&with, "S").is_some_and(|text| text.starts_with("key-1/host;x-a-b/")), "{with:?}");
    let without = signed(&dialect, request(), &SignOptions { omit: vec!["signed_headers".to_owned()], ..SignOptions::new(now()) });
    assert!(header(&without, "S").is_some_and(|text| text.starts_with("key-1//")), "{without:?}");
    for request in [&with, &without] {
        let covers = reason(&dialect, request).expect("accepted");
        assert!(covers.contains(&Part::Host) && covers.contains(&Part::Header("x-a-b".to_owned())), "{covers:?}");
    }
    // Under the default, a header of the prefix cannot be added or taken away.
    assert_eq!(reason(&dialect, &without.clone().with_header("X-A-C", "1")), Err(Reason::SignatureMismatch));
    assert_eq!(reason(&dialect, &Request { headers: without.headers[1..].to_vec(), ..without.clone() }), Err(Reason::SignatureMismatch));
    let mut no_key = without;
    no_key.headers.iter_mut().filter(|(n, _)| n == "S").for_each(|(_, v)| v.drain(..5).for_each(drop));
    assert_eq!(reason(&dialect, &no_key), Err(Reason::MalformedClaim), "only what has a bracket may be empty");
}

#[test]
fn brackets_in_an_entry_go_around_one_name() {
    let fault = |entry: &str| {
        let file = LISTED.replace("{key_id}/[{signed_headers}]/{signature}", entry);
        let error = Dialect::from_yaml(&format!("{HEAD}{file}")).expect_err(entry);
        (error.path().to_owned(), error.fault().to_owned())
    };
    let at = "carry.header.S".to_owned();
    assert_eq!(fault("{key_id}[/{signed_headers}]/{signature}"), (at.clone(), "a bracket inside an entry".to_owned()));
    assert_eq!(fault("{key_id}/{signed_headers}/[{signature}]"), (at.clone(), "{signature} may not be empty".to_owned()));
    assert_eq!(
        fault("{key_id}[{signed_headers}]/{signature}"),
        (at, "{key_id}{signed_headers} cannot be read back, nothing parts them".to_owned())
    );
}

#[test]
fn a_length_that_is_signed_is_written_before_it_is_signed() {
    let named = dialect(
        "string_to_sign: \"{method} {target}\\n{time}\\n{header.Content-Length}\\n{body}\"\ncarry: { header: { T: \"{time}\", S: \"{signature}\" } }\n",
    );
    let plain = || Request::new("POST", "/").with_header("Host", "h").with_body("abc");
    let made = signed(&named, plain(), &SignOptions::new(now()));
    assert_eq!(header(&made, "Content-Length"), Some("3"));
    assert!(reason(&named, &made).expect("accepted").contains(&Part::Header("content-length".to_owned())));
    let chunked = signed(&named, plain().with_header("Transfer-Encoding", "chunked"), &SignOptions::new(now()));
    assert_eq!(header(&chunked, "Content-Length"), None, "framed otherwise");
    let empty = signed(&named, Request::new("GET", "/").with_header("Host", "h"), &SignOptions::new(now()));
    assert_eq!(header(&empty, "Content-Length"), None, "no body, no length");
    let unnamed =
        dialect("string_to_sign: \"{method} {target}\\n{time}\\n{body}\"\ncarry: { header: { T: \"{time}\", S: \"{signature}\" } }\n");
    assert_eq!(header(&signed(&unnamed, plain(), &SignOptions::new(now())), "Content-Length"), None, "a dialect that does not sign it");
}

#[test]
fn an_escape_that_is_lost_by_decoding_is_ambiguous() {
    let carry = "carry: { header: { T: \"{time}\", S: \"{signature}\" } }\n";
    let verdict = |text: &str, target: &str| {
        let dialect = dialect(&format!("string_to_sign: \"{text}\"\n{carry}"));
        assert!(!dialect.is_unsafe(), "{text}");
        let plain = Request::new("GET", target).with_header("Host", "h");
        reason(&dialect, &signed(&dialect, plain, &SignOptions::new(now()))).map(drop)
    };
    for text in ["{method}\\n{path | decode | percent-path}\\n{time}", "{method}\\n{path | decode}\\n{time}"] {
        for target in ["/a/b", "/a%20b%3F", "/a%252Fb"] {
            assert_eq!(verdict(text, target), Ok(()), "{text} {target}");
        }
        for target in ["/a%2Fb", "/a%2fb"] {
            assert_eq!(verdict(text, target), Err(Reason::AmbiguousRequest), "{text} {target}");
        }
    }
    assert_eq!(verdict("{method}\\n{path}\\n{time}", "/a%2Fb"), Ok(()), "a path that is signed as sent");
    for target in ["/a%3Fb", "/?a%26b=1", "/?a%3Db=1"] {
        assert_eq!(verdict("{method}\\n{target | decode}\\n{time}", target), Err(Reason::AmbiguousRequest), "{target}");
    }
}

#[test]
fn what_begins_with_a_slash_ends_a_list_of_headers() {
    let file = |resource: &str| {
        format!(
            "inputs: [\"[bucket]\"]\nstring_to_sign: |-\n  {{method}}\n  {{time}}\n  [{{headers}}]\n  {resource}\n\
             headers: {{ sign: [x-a-*] }}\ncarry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\" }} }}\n"
        )
    };
    assert!(!dialect(&file("[/{bucket}]{path}")).is_unsafe(), "no header begins with a slash, and the bucket is the verifier's own");
    assert!(dialect(&file("[{bucket}]{path}")).is_unsafe(), "a header may begin as a bucket does");
    let carried = file("[/{bucket}]{path}").replace("T: \"{time}\"", "T: \"{time}\", B: \"[{bucket}]\"");
    assert!(dialect(&carried).is_unsafe(), "a bucket that the message says runs together with the path");
}

#[test]
fn hazards_tell_of_short_keys() {
    let rsa = |key: &str| {
        let file = format!(
            "countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{{time}}\"\n{key}algorithm: [rsa-sha256, hmac-sha256]\n\
             carry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\" }} }}\ntime: {{ format: unix }}\n"
        );
        Dialect::from_yaml(&file)
    };
    let short = rsa("key: { rsa_bits: 1024 }\n").expect("a dialect");
    assert_eq!((short.least_rsa_bits(), short.hazards().contains(&Hazard::ShortKeys(1024)), short.is_unsafe()), (1024, true, false));
    let strict = rsa("key: { rsa_bits: 4096 }\n").expect("a dialect");
    assert_eq!((strict.least_rsa_bits(), strict.hazards().iter().any(|h| matches!(h, Hazard::ShortKeys(_)))), (4096, false));
    assert_eq!(rsa("").expect("a dialect").least_rsa_bits(), 2048);
    for bits in ["512", "1023", "8193"] {
        let error = rsa(&format!("key: {{ rsa_bits: {bits} }}\n")).expect_err(bits);
        assert_eq!((error.path(), error.fault()), ("key.rsa_bits", format!("{bits} is out of range").as_str()));
    }
    assert_eq!(rsa("key: { rsa_bits: \"1024\" }\n").expect_err("a text").fault(), "a text where a number belongs");
    let hmac = Dialect::from_yaml(&format!(
        "{HEAD}key: {{ rsa_bits: 1024 }}\nstring_to_sign: \"{{time}}\"\ncarry: {{ header: {{ T: \"{{time}}\", S: \"{{signature}}\" }} }}\n"
    ));
    assert_eq!(hmac.expect_err("no RSA").fault(), "no algorithm of the dialect takes an RSA key");
}

#[cfg(feature = "asymmetric")]
mod short_keys {
    use countersign_protocol::{Algorithm, Dialects, KeyError, KeyMaterial, KeyPair};

    use super::*;

    /// Key and request of draft-cavage-http-signatures-10, appendix C.3.
    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCFENGw33yGihy92pDjZQhl0C3\n\
        6rPJj+CvfSC8+q28hxA161QFNUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6\n\
        Z4UMR7EOcpfdUE9Hf3m/hs+FUR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJw\n\
        oYi+1hqp1fIekaxsyQIDAQAB\n\
        -----END PUBLIC KEY-----\n";

    fn published() -> Request {
        Request::new("POST", "/foo?param=value&pet=dog")
            .with_header("Host", "example.com")
            .with_header("Date", "Sun, 05 Jan 2014 21:31:40 GMT")
            .with_header("Content-Type", "application/json")
            .with_header("Digest", "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=")
            .with_header("Content-Length", "18")
            .with_header(
                "Authorization",
                "Signature keyId=\"Test\",algorithm=\"rsa-sha256\",headers=\"(request-target) host date content-type digest content-length\",signature=\"\
                 vSdrb+dS3EceC9bcwHSo4MlyKS59iFIrhgYkz8+oVLEEzmYZZvRs8rgOp+63LEM3v+MFHB32NfpB2bEKBIvB1q52LaEUHFv120V01IL+TAD48XaERZFukWgHoBTLMhYS2Gb51gWxpeIq8knRmPnYePbF5MOkR0Zkly4zKH7s1dE=\"",
            )
            .with_body("{\"hello\": \"world\"}")
    }

    #[test]
    fn a_short_key_verifies_where_the_dialect_says_so_and_nowhere_else() {
        let file = include_str!("../dialects/cavage.yaml");
        let strict = file.replacen("countersign: 1", "countersign: 1\nreplaces: cavage", 1).replace("rsa_bits: 1024", "rsa_bits: 2048");
        let dialects = Dialects::builtin().expect("sound");
        assert_eq!(KeyPair::from_public_pem(KEY).expect_err("short"), KeyError::TooShort { bits: 1024, least: 2048 });
        let pair = KeyPair::from_short_public_pem(KEY).expect("1024 bits");
        let key = Credential::new("Test", KeyMaterial::Pair(pair)).with_algorithm(Algorithm::RsaSha256);
        let at = Timestamp::parse_rfc3339("2014-01-05T21:31:40Z").expect("a time");
        let verdict = |dialect: &Dialect| {
            dialect.verify(&published(), &Inputs::new(), &[&key], at, &Policy::default()).map(drop).map_err(|refusal| refusal.reason())
        };
        assert_eq!(verdict(dialects.get("cavage").expect("built in")), Ok(()));
        assert_eq!(verdict(&Dialect::from_yaml(&strict).expect("a dialect")), Err(Reason::SignatureMismatch));
    }
}
