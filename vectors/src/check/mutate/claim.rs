//! Changes of what the claim says: time, nonce and expiry. The request is signed anew with another value, and the old
//! signature is put in the place of the new one, so that the value changes wherever and however the dialect carries it.

use std::time::Duration;

use countersign_protocol::{Part, Request, SignOptions};

use super::{Mutant, Plan};
use crate::case::Signing;

/// One mutant for each claim value that this request carries.
pub(super) fn mutants(plan: &Plan<'_>) -> Vec<Mutant> {
    let Some(signing) = plan.case.signing.as_ref().filter(|signing| signing.skip.is_none()) else { return Vec::new() };
    let mut all = Vec::new();
    let is_omitted = |name: &str| signing.options.omit.iter().any(|o| o == name);
    if plan.dialect.carries_time() && !is_omitted("time") {
        all.extend(signed_with(plan, signing, Part::Time, &another_time(plan, signing)));
    }
    if let Some(nonce) = signing.options.nonce.as_ref().filter(|_| !is_omitted("nonce")) {
        all.extend(signed_with(plan, signing, Part::Nonce, &SignOptions { nonce: Some(format!("{nonce}0")), ..signing.options.clone() }));
    }
    if let Some(seconds) = signing.options.expires.as_ref().and_then(|text| text.parse::<u64>().ok()) {
        let expires = Some((seconds.saturating_sub(1)).to_string());
        all.extend(signed_with(plan, signing, Part::Expires, &SignOptions { expires, ..signing.options.clone() }));
    }
    all
}

/// A second away, towards the verifier's clock where that is another, so that the window still holds.
fn another_time(plan: &Plan<'_>, signing: &Signing) -> SignOptions {
    let second = Duration::from_secs(1);
    let at = signing.options.at;
    let at = if plan.case.now >= at { at.plus(second) } else { at.minus(second) };
    SignOptions { at, ..signing.options.clone() }
}

/// The request signed with these options, under the signature of the old ones. Nothing when the value does not ride in
/// the message: then both requests are one.
fn signed_with(plan: &Plan<'_>, signing: &Signing, part: Part, options: &SignOptions) -> Option<Mutant> {
    let sign = |options: &SignOptions| plan.dialect.sign(signing.message.clone(), &signing.credential, options).ok();
    let (old, new) = (sign(&signing.options)?, sign(options)?);
    let spellings = [(old.signature().to_owned(), new.signature().to_owned()), (percent(old.signature()), percent(new.signature()))];
    let mut request = new.into_message().into_request()?;
    for (old, new) in spellings.iter().rev() {
        put_instead(&mut request, new.as_bytes(), old.as_bytes());
    }
    let unchanged = old.into_message().into_request()? == request;
    (!unchanged).then(|| plan.mutant(part.to_string(), part, request))
}

/// Wherever it stands: a request may hold the text of a signature elsewhere, too.
fn put_instead(request: &mut Request, new: &[u8], old: &[u8]) {
    for value in request.headers.iter_mut().map(|(_, value)| value).chain([&mut request.target, &mut request.body]) {
        let mut from = 0;
        while let Some(at) = value[from..].windows(new.len().max(1)).position(|w| w == new).map(|at| from + at) {
            value.splice(at..at + new.len(), old.iter().copied());
            from = at + old.len();
        }
    }
}

fn percent(text: &str) -> String {
    let unreserved = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    text.bytes().map(|b| if unreserved(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
