//! Properties of every built-in dialect, with the keys and inputs of its vectors: what was signed verifies, a change of
//! what is covered does not, and no input panics. `PROPTEST_CASES` says how many requests are tried.
#![expect(clippy::unwrap_used, reason = "a test may stop at what its own data rules out")]

use std::sync::LazyLock;

use countersign_protocol::{Credential, Dialect, Dialects, KeyMaterial, Message, Part, Reason, Request};
use countersign_vectors::{Case, Expect, Signing, cases, check};
use proptest::prelude::*;
use proptest::sample::Index;

/// Each built-in dialect with one of its accepted vectors that a signer can make, and every placed request of its file.
struct Subject {
    dialect: Dialect,
    case: Case,
    signing: Signing,
    placed: Vec<Request>,
}

static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let dialects = Dialects::builtin().unwrap();
    dialects.iter().map(subject).collect()
});

fn subject(dialect: &Dialect) -> Subject {
    let all = cases(dialect.id()).unwrap().unwrap();
    let is_fit = |case: &&Case| case.expect == Expect::Accepted && case.signing.as_ref().is_some_and(|signing| signing.skip.is_none());
    let case = all.iter().find(is_fit).unwrap().clone();
    let mut signing = case.signing.clone().unwrap();
    // Those of the vector's own request.
    (signing.options.headers, signing.options.body_digest) = (None, None);
    // Small requests, so that many can be tried.
    let placed = all.into_iter().map(|case| case.placed).filter(|request| request.body.len() < 4096).collect();
    Subject { dialect: dialect.clone(), case, signing, placed }
}

/// A text out of what separates, escapes and decodes in some dialect or other.
fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec!["a", "B", "0", "-", "~", "%20", "%2F", "%3d", "%E4%BD%A0", "+", ".", "..", ":", ",", "*", "!"]),
        0..5,
    )
    .prop_map(|pieces| pieces.concat())
}

fn target() -> impl Strategy<Value = String> {
    let query = prop::collection::vec((text(), prop::option::of(text())), 0..4);
    (prop::collection::vec(text(), 0..4), prop::option::of(query)).prop_map(|(segments, query)| {
        let pair = |(name, value): (String, Option<String>)| value.map_or(name.clone(), |value| format!("{name}={value}"));
        let query = query.map(|pairs| pairs.into_iter().map(pair).collect::<Vec<_>>().join("&"));
        format!("/{}{}", segments.join("/"), query.map_or(String::new(), |query| format!("?{query}")))
    })
}

fn request() -> impl Strategy<Value = Request> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "OPTIONS"]);
    let body = prop_oneof![
        Just((None, Vec::new())),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|body| (Some("application/octet-stream"), body)),
        text().prop_map(|value| (Some("application/x-www-form-urlencoded"), format!("a={value}").into_bytes())),
        "[a-z\u{e9}]{0,8}".prop_map(|value| (Some("application/json"), format!("{{\"a\":\"{value}\"}}").into_bytes())),
    ];
    let headers = prop::collection::vec(("X-[A-Z][a-z]{1,4}", "[ -~]{0,10}"), 0..3);
    (method, target(), body, headers).prop_map(|(method, target, (media, body), headers)| {
        let mut request = Request::new(method, target).with_header("Host", "api.example.com").with_body(body);
        if let Some(media) = media {
            request = request.with_header("Content-Type", media);
        }
        headers.into_iter().fold(request, |request, (name, value)| request.with_header(name, value))
    })
}

impl Subject {
    fn sign(&self, request: Request) -> Option<Request> {
        let signed = self.dialect.sign(request, &self.signing.credential, &self.signing.options).ok()?;
        match signed.into_message() {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        }
    }

    fn verdict(&self, request: &Request) -> Result<(), Reason> {
        self.verdict_of(request, &self.case)
    }

    /// The verdict on the signature alone: nothing is required, and ambiguity is no matter.
    fn bare_verdict(&self, request: &Request) -> Result<(), Reason> {
        let mut case = self.case.clone();
        case.policy.allow_ambiguous = true;
        case.policy.waive = ["method", "path", "query", "body", "time", "nonce", "host"].into_iter().filter_map(Part::parse).collect();
        self.verdict_of(request, &case)
    }

    fn verdict_of(&self, request: &Request, case: &Case) -> Result<(), Reason> {
        check::admit(&self.dialect, case, request, &case.inputs).map(drop).map_err(|refusal| refusal.reason())
    }
}

/// One edit of a request's bytes.
#[derive(Debug, Clone)]
struct Edit {
    place: Index,
    at: Index,
    length: usize,
    bytes: Vec<u8>,
}

fn edit() -> impl Strategy<Value = Edit> {
    let special = prop::sample::select(b"\"\\{}[]=&;,:%+/?#\r\n\0 \xff".to_vec());
    let bytes = prop::collection::vec(prop_oneof![any::<u8>(), special], 0..6);
    (any::<Index>(), any::<Index>(), 0..4_usize, bytes).prop_map(|(place, at, length, bytes)| Edit { place, at, length, bytes })
}

impl Edit {
    fn apply(&self, request: &mut Request) {
        let mut places: Vec<&mut Vec<u8>> = request.headers.iter_mut().map(|(_, value)| value).collect();
        places.push(&mut request.target);
        places.push(&mut request.body);
        let count = places.len();
        let place = &mut places[self.place.index(count)];
        let start = self.at.index(place.len() + 1);
        let end = (start + self.length).min(place.len());
        place.splice(start..end, self.bytes.iter().copied());
    }
}

proptest! {
    // Nothing is written beside the source: a failure prints its smallest request, which then becomes a vector.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_signed_verifies(request in request()) {
        for subject in SUBJECTS.iter() {
            let Some(signed) = subject.sign(request.clone()) else { continue };
            prop_assert_eq!(subject.bare_verdict(&signed), Ok(()), "{} for {:?}", subject.dialect.id(), signed);
            // Another request may have the same string to sign, or the dialect may sign this kind of body in part or not at all.
            let verdict = subject.verdict(&signed);
            prop_assert!(matches!(verdict, Ok(()) | Err(Reason::AmbiguousRequest | Reason::RequiredPartUnsigned)), "{}: {verdict:?} for {signed:?}", subject.dialect.id());
        }
    }

    #[test]
    fn another_key_gives_no_signature(request in request()) {
        for subject in SUBJECTS.iter().filter(|subject| !subject.dialect.carries_secret()) {
            let other = match subject.signing.credential.material() {
                KeyMaterial::Hmac(_) => Credential::hmac(subject.case.credential.key_id(), "another secret"),
                _ => continue,
            };
            let Some(signed) = subject.sign(request.clone()) else { continue };
            let case = Case { credential: other, ..subject.case.clone() };
            prop_assert_eq!(subject.verdict_of(&signed, &case), Err(Reason::SignatureMismatch), "{}", subject.dialect.id());
        }
    }

    #[test]
    fn no_input_panics(which in any::<Index>(), edits in prop::collection::vec(edit(), 1..4)) {
        for subject in SUBJECTS.iter() {
            let mut request = which.get(&subject.placed).clone();
            edits.iter().for_each(|edit| edit.apply(&mut request));
            let _ = subject.dialect.marks(&request);
            let _ = subject.verdict(&request);
            let _ = subject.sign(request);
        }
    }
}

#[test]
fn most_requests_can_be_signed() {
    let plain = Request::new("POST", "/a?b=c")
        .with_header("Host", "api.example.com")
        .with_header("Content-Type", "application/json")
        .with_body("{\"a\":\"1\"}");
    for subject in SUBJECTS.iter() {
        let signed = subject.sign(plain.clone());
        assert_eq!(signed.as_ref().map(|request| subject.bare_verdict(request)), Some(Ok(())), "{}", subject.dialect.id());
    }
}
