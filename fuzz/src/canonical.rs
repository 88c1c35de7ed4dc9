//! The target `canonical`: what was signed verifies, both sides have the same texts, and what is accepted after a change means the same.

use std::collections::BTreeSet;

use countersign_protocol::{Intact, Message, Part, Policy, Reason, Refusal, Request, Signed};
use countersign_vectors::meaning::Meaning;
use countersign_vectors::{Case, Expect, Signing, check};

use crate::subject::Subject;
use crate::text;

/// The id of a dialect, a nonce, an edit, and the text of a request.
///
/// ```text
/// hmac-sha256
/// nonce-1
/// abcX            a place, a position in it, how much is taken out, and what is put in
/// POST https /path?query
/// ```
///
/// # Panics
/// When something does not hold.
pub fn canonical(data: &[u8]) {
    let (id, rest) = text::line(data);
    let (nonce, rest) = text::line(rest);
    let (edit, rest) = text::line(rest);
    let subject = Subject::named(id);
    let message = match text::message(rest) {
        Message::Response(_) if !subject.dialect.is_of_responses() => return,
        message => message,
    };
    // The nonce is the signer's own: one that no carrier can hold is no fault of the message.
    let nonce: String = nonce.iter().filter(|b| b.is_ascii_alphanumeric()).take(64).map(|b| char::from(*b)).collect();
    let options = subject.options(&nonce);
    let Ok(signed) = subject.dialect.sign(message.clone(), &subject.signing.credential, &options) else { return };
    let intact = match verified(subject, signed.message(), &subject.lenient()) {
        Ok(intact) => intact,
        // A prefix of headers may have to be signed whole, and no signature speaks of an empty one.
        Err(refusal) if refusal.reason() == Reason::RequiredPartUnsigned => return,
        // Where the caller's message says part of a claim by itself, it may say nonsense.
        Err(refusal) if refusal.reason() == Reason::MalformedClaim && claims_already(subject, &message) => return,
        Err(refusal) => panic!("{}: what was signed is refused: {refusal:?}: {}", subject.dialect.id(), rest.escape_ascii()),
    };
    assert_same_texts(subject, &signed, &intact);
    let (Message::Request(request), Message::Request(placed)) = (message, signed.into_message()) else { return };
    match verified(subject, &Message::Request(placed.clone()), &subject.case.policy) {
        Ok(intact) => {
            let case = case(subject, request, placed, options);
            assert_changes_are_seen(subject, &case, &intact, edit);
        }
        // Another request may have the same string to sign, or the dialect may sign this kind of request in part.
        Err(refusal) => assert!(
            matches!(refusal.reason(), Reason::AmbiguousRequest | Reason::RequiredPartUnsigned | Reason::InsecureTransport),
            "{}: {refusal:?}",
            subject.dialect.id()
        ),
    }
}

fn verified(subject: &Subject, message: &Message, policy: &Policy) -> Result<Intact, Refusal> {
    let view: &dyn countersign_protocol::MessageView = match message {
        Message::Request(request) => request,
        Message::Response(response) => response,
    };
    subject.dialect.verify(view, &subject.case.inputs, &[&subject.case.credential], subject.signing.options.at, policy)
}

/// Whether anything that the dialect carries may ride in a message that nobody signed yet.
fn claims_already(subject: &Subject, message: &Message) -> bool {
    let is_in = |text: &[u8], name: &str| text.windows(name.len().max(1)).any(|part| part.eq_ignore_ascii_case(name.as_bytes()));
    let target: &[u8] = if let Message::Request(request) = message { &request.target } else { b"" };
    // A name may be spelled with escapes.
    let is_escaped = [target, message.body_bytes()].iter().any(|text| text.contains(&b'%') || text.contains(&b'\\'));
    subject.dialect.carriers().any(|carrier| {
        let in_headers = message.headers().iter().any(|(name, _)| name.eq_ignore_ascii_case(carrier.name));
        in_headers || is_in(target, carrier.name) || is_in(message.body_bytes(), carrier.name)
    }) || is_escaped
}

fn assert_same_texts(subject: &Subject, signed: &Signed, intact: &Intact) {
    let stages = |stages: &countersign_protocol::Stages| -> Vec<(String, String)> {
        stages.iter().map(|(name, bytes)| (name.to_owned(), bytes.escape_ascii().to_string())).collect()
    };
    assert_eq!(stages(signed.stages()), stages(intact.verified().stages()), "{}: signer and verifier", subject.dialect.id());
}

/// The request as if it were a vector.
fn case(subject: &Subject, request: Request, placed: Request, options: countersign_protocol::SignOptions) -> Case {
    let signing = Signing { message: request, options, stages: Vec::new(), signature: None, ..subject.signing.clone() };
    Case {
        placed,
        signing: Some(signing),
        expect: Expect::Accepted,
        covers: Vec::new(),
        now: subject.signing.options.at,
        ..subject.case.clone()
    }
}

/// One change that is derived from what is signed, and one of any bytes.
fn assert_changes_are_seen(subject: &Subject, case: &Case, intact: &Intact, edit: &[u8]) {
    let [place, position, length, put @ ..] = edit else { return };
    let lost = check::let_through(&subject.dialect, case, |index, count| index == usize::from(*position) % count);
    assert!(lost.is_empty(), "{}: {lost:?}: {:?}", subject.dialect.id(), text::written(&case.placed).map(|t| t.escape_ascii().to_string()));
    let mut edited = case.placed.clone();
    splice(chosen(&mut edited, *place), usize::from(*position), usize::from(*length % 4), put);
    if edited == case.placed {
        return;
    }
    if let Ok(other) = verified(subject, &Message::Request(edited.clone()), &case.policy) {
        assert_same_meaning(subject, [(&case.placed, intact), (&edited, &other)]);
    }
}

/// The text that is changed: one of the values, the target or the body.
fn chosen(request: &mut Request, place: u8) -> &mut Vec<u8> {
    let count = request.headers.len();
    match usize::from(place) % (count + 2) {
        0 => &mut request.target,
        1 => &mut request.body,
        header => &mut request.headers[header - 2].1,
    }
}

fn splice(text: &mut Vec<u8>, position: usize, length: usize, put: &[u8]) {
    let start = position % (text.len() + 1);
    let end = (start + length).min(text.len());
    text.splice(start..end, put.iter().copied());
}

/// Two requests that are accepted under one signature.
fn assert_same_meaning(subject: &Subject, both: [(&Request, &Intact); 2]) {
    let covers = both.map(|(_, intact)| intact.verified().covers());
    let carried = |part: &Part| {
        let is_named = |name: &str| subject.dialect.carriers().any(|carrier| carrier.name.eq_ignore_ascii_case(name));
        matches!(part, Part::Header(name) | Part::QueryParameter(name) | Part::FormField(name) if is_named(name))
    };
    // What is carried is compared as what was read of it.
    let parts: BTreeSet<Part> = covers[0].union(covers[1]).filter(|part| !carried(part)).cloned().collect();
    let meanings = both.map(|(request, intact)| {
        let verified = intact.verified();
        Meaning::of(&subject.dialect, &subject.reading, &parts, request, verified.nonce().unwrap_or_default(), verified.inputs())
    });
    let differences = meanings[0].differences(&meanings[1], covers);
    let shown = || both.map(|(request, _)| text::written(request).map(|text| text.escape_ascii().to_string()));
    assert!(differences.is_empty(), "{}: {differences:?} differ under one signature: {:#?}", subject.dialect.id(), shown());
    let claims = both.map(|(_, intact)| (intact.verified().time(), intact.verified().expires_at(), intact.verified().key_id().to_owned()));
    assert_eq!(claims[0], claims[1], "{}: {:#?}", subject.dialect.id(), shown());
}
