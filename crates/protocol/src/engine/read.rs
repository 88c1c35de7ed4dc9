//! Reads what a message claims: each carried entry matched backwards, bounded, nothing trusted.

use super::fields;
use super::lists;
use super::names;
use super::scene::Texts;
use crate::dialect::Inputs;
use crate::dialect::Part;
use crate::dialect::plan::*;
use crate::encoding::{self, Decoding, decode};
use crate::message::{Body, MessageView, trim};
use crate::reason::{Reason, Refusal};
use crate::secret::{Secret, Tag};

/// The longest key id, in bytes.
pub const MOST_KEY_ID: usize = 128;
/// The longest nonce, in bytes.
pub const MOST_NONCE: usize = 128;
/// The longest signature text, in bytes.
pub const MOST_SIGNATURE: usize = 1024;
/// The most headers that a message may list as signed.
pub const MOST_SIGNED_HEADERS: usize = 64;
/// The most parameters in query and form together.
pub const MOST_PARAMETERS: usize = 256;
/// The most signatures that stand side by side.
pub const MOST_SIGNATURES: usize = 16;
/// The longest text of any other carried value, in bytes.
pub(crate) const MOST_TEXT: usize = 8 * 1024;

/// Everything that a message claims.
#[derive(Default)]
pub(crate) struct Reading<'p> {
    pub(crate) texts: Texts,
    /// From which entry each claim was read.
    pub(crate) carriers: Vec<(Claimed, usize)>,
    /// Inputs that the verifier gave.
    pub(crate) pinned: Vec<usize>,
    pub(crate) tags: Vec<Tag>,
    /// Secrets that were sent, to be compared with the credential's.
    pub(crate) secrets: Vec<(Claimed, Secret)>,
    /// Computed texts, and what was read in their place.
    pub(crate) computed: Vec<(&'p Program, String)>,
    pub(crate) names: Vec<String>,
    /// What makes the request ambiguous, as far as reading shows it.
    pub(crate) ambiguous: Option<String>,
}

fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Reason::MalformedClaim, detail)
}

/// Reads every carried entry.
pub(crate) fn read<'p>(plan: &'p Plan, message: &dyn MessageView, body: Body<'_>, inputs: &Inputs) -> Result<Reading<'p>, Refusal> {
    let mut reading = Reading::default();
    for (index, input) in plan.inputs.iter().enumerate() {
        if let Some(value) = inputs.get(&input.name) {
            reading.texts.set(Claimed::Input(index), value);
            reading.pinned.push(index);
        }
    }
    check_parameters(message, body)?;
    if plan.carry.iter().any(|e| e.place.in_body() || e.place == Place::Params) && message.values("content-type").count() > 1 {
        reading.ambiguous = Some("Content-Type is there more than once, and says where the claim rides".to_owned());
    }
    // Without a signature there is no claim: say so before anything else is found wrong.
    let (signing, others): (Vec<_>, Vec<_>) = plan.carry.iter().enumerate().partition(|(_, e)| e.holds(Claimed::Signature));
    for (_, entry) in &signing {
        presence(plan, message, body, entry)?;
    }
    for (index, entry) in others.into_iter().chain(signing) {
        read_entry(plan, message, body, index, entry, &mut reading)?;
    }
    finish(plan, message, &mut reading)?;
    Ok(reading)
}

/// More parameters than anybody sends are not looked at, nor signed.
pub(crate) fn check_parameters(message: &dyn MessageView, body: Body<'_>) -> Result<(), Refusal> {
    let form = match body {
        Body::Bytes(bytes) if message.is_form() => lists::split(bytes).take(MOST_PARAMETERS + 1).count(),
        _ => 0,
    };
    if lists::split(message.query()).take(MOST_PARAMETERS + 1).count() + form > MOST_PARAMETERS {
        return Err(malformed(format!("more than {MOST_PARAMETERS} parameters")));
    }
    Ok(())
}

/// Whether the carrier of the signature is there in the dialect's own form.
fn presence(plan: &Plan, message: &dyn MessageView, body: Body<'_>, entry: &Entry) -> Result<(), Refusal> {
    let missing =
        || Refusal::new(Reason::MissingSignature, format!("{} {} carries no signature of {}", entry.place.as_str(), entry.name, plan.id));
    let found = fields::find(message, body, entry)?;
    let Some(value) = found.values.first() else { return Err(missing()) };
    let fits = match &entry.shape {
        Shape::Parameters(parameters) => strip_scheme(parameters, value).is_some(),
        Shape::Pattern(pattern) => begins(pattern, value, plan.signature.several.as_deref()),
        Shape::Constant(_) => true,
    };
    if fits { Ok(()) } else { Err(missing()) }
}

/// Whether a value begins as the pattern does: another beginning is another scheme.
fn begins(pattern: &Pattern, value: &[u8], several: Option<&str>) -> bool {
    let Some(Slot::Literal(first)) = pattern.0.first() else { return true };
    match several {
        Some(separator) => split_text(value, separator.as_bytes()).any(|item| trim(item).starts_with(first)),
        None => trim(value).starts_with(first),
    }
}

fn split_text<'t>(text: &'t [u8], separator: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match text.windows(separator.len()).position(|w| w == separator) {
            Some(at) => {
                rest = Some(&text[at + separator.len()..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}

fn read_entry<'p>(
    plan: &'p Plan,
    message: &dyn MessageView,
    body: Body<'_>,
    index: usize,
    entry: &'p Entry,
    reading: &mut Reading<'p>,
) -> Result<(), Refusal> {
    let found = fields::find(message, body, entry)?;
    if reading.ambiguous.is_none() {
        reading.ambiguous = found.ambiguous;
    }
    // Where the raw body is signed, what stands twice is judged once the tag held: the first is the one that counts.
    let by_first = matches!(entry.place, Place::Json | Place::Body);
    let value = match (&found.values[..], by_first) {
        ([], _) => return absent(entry, reading),
        ([value], _) | ([value, ..], true) => trim(value).to_vec(),
        _ => return Err(malformed(format!("{} {} is there more than once", entry.place.as_str(), entry.name))),
    };
    if value.len() > MOST_TEXT {
        return Err(malformed(format!("{} is longer than {MOST_TEXT} bytes", entry.name)));
    }
    let text = || std::str::from_utf8(&value).map_err(|_| malformed(format!("{} is not UTF-8", entry.name)));
    match &entry.shape {
        Shape::Constant(constant) if value == *constant => Ok(()),
        Shape::Constant(_) => Err(malformed(format!("{} is not the constant that the dialect says", entry.name))),
        Shape::Pattern(pattern) => read_pattern(plan, index, entry, pattern, text()?, reading),
        Shape::Parameters(parameters) => read_parameters(plan, index, entry, parameters, &value, reading),
    }
}

fn absent(entry: &Entry, reading: &Reading<'_>) -> Result<(), Refusal> {
    let known = |what: &Claimed| reading.texts.get(*what).is_some() || reading.secrets.iter().any(|(w, _)| w == what);
    if entry.optional || !entry.holds.is_empty() && entry.holds.iter().all(known) {
        return Ok(());
    }
    let reason = if entry.holds(Claimed::Secret) { Reason::MissingSignature } else { Reason::MalformedClaim };
    Err(Refusal::new(reason, format!("{} {} is missing", entry.place.as_str(), entry.name)))
}

fn read_pattern<'p>(
    plan: &'p Plan,
    index: usize,
    entry: &Entry,
    pattern: &'p Pattern,
    text: &str,
    reading: &mut Reading<'p>,
) -> Result<(), Refusal> {
    let misshapen = || malformed(format!("{} has another shape than the dialect says", entry.name));
    let Some(separator) = plan.signature.several.as_deref().filter(|_| entry.holds(Claimed::Signature)) else {
        let slots = match_pattern(pattern, text).ok_or_else(misshapen)?;
        return take_all(index, pattern, slots, reading, plan);
    };
    let mut matched = false;
    for item in text.split(separator).map(|item| item.trim_matches([' ', '\t'])) {
        // Other versions of a signature may stand beside ours.
        if let Some(slots) = match_pattern(pattern, item) {
            matched = true;
            take_all(index, pattern, slots, reading, plan)?;
        }
    }
    if matched { Ok(()) } else { Err(misshapen()) }
}

fn read_parameters<'p>(
    plan: &'p Plan,
    index: usize,
    entry: &Entry,
    parameters: &'p Parameters,
    value: &[u8],
    reading: &mut Reading<'p>,
) -> Result<(), Refusal> {
    let another = || Refusal::new(Reason::MissingSignature, format!("{} has another scheme", entry.name));
    let pairs = split_parameters(parameters, value, &entry.name)?.ok_or_else(another)?;
    for parameter in &parameters.list {
        let values: Vec<_> = pairs.iter().filter(|(name, _)| *name == parameter.name).map(|(_, v)| v.as_str()).collect();
        let signs = parameter.value.0.iter().any(|s| matches!(s, Slot::Claim { what: Claimed::Signature, .. }));
        match values.len() {
            0 if parameter.optional => continue,
            0 => return Err(malformed(format!("{} lacks {}", entry.name, parameter.name))),
            1 => {}
            _ if signs && plan.signature.several.is_some() => {}
            _ => return Err(malformed(format!("{} has {} more than once", entry.name, parameter.name))),
        }
        for value in values.iter().filter(|v| !(v.is_empty() && parameter.optional)) {
            let slots = match_pattern(&parameter.value, value)
                .ok_or_else(|| malformed(format!("{} of {} has another shape", parameter.name, entry.name)))?;
            take_all(index, &parameter.value, slots, reading, plan)?;
        }
    }
    Ok(())
}

fn strip_scheme<'t>(parameters: &Parameters, value: &'t [u8]) -> Option<&'t [u8]> {
    let value = trim(value);
    if parameters.scheme.is_empty() {
        return Some(value);
    }
    let (word, rest) = value.split_at_checked(parameters.scheme.len())?;
    (word.eq_ignore_ascii_case(parameters.scheme.as_bytes()) && rest.starts_with(b" ")).then(|| trim(rest))
}

/// Splits `Scheme name=value, name="value"`; `None` when the scheme is another one. Every piece must be a pair.
pub(crate) fn split_parameters(parameters: &Parameters, value: &[u8], header: &str) -> Result<Option<Vec<(String, String)>>, Refusal> {
    let Some(rest) = strip_scheme(parameters, value) else { return Ok(None) };
    let rest = std::str::from_utf8(rest).map_err(|_| malformed(format!("{header} is not UTF-8")))?;
    let mut pairs = Vec::new();
    for piece in split_outside_quotes(rest, parameters.separator).into_iter().map(str::trim).filter(|p| !p.is_empty()) {
        let (name, value) = piece.split_once('=').ok_or_else(|| malformed(format!("{header} holds a piece that is no name=value")))?;
        let value = value.trim();
        let bare = match value.strip_prefix('"') {
            Some(open) => open.strip_suffix('"').ok_or_else(|| malformed(format!("{header} holds an unclosed quote")))?,
            None => value,
        };
        if bare.contains('"') || pairs.len() >= MOST_PARAMETERS {
            return Err(malformed(format!("{header} holds a stray quote or too many parameters")));
        }
        pairs.push((name.trim().to_owned(), bare.to_owned()));
    }
    Ok(Some(pairs))
}

fn split_outside_quotes(text: &str, separator: u8) -> Vec<&str> {
    let (mut pieces, mut start, mut quoted) = (Vec::new(), 0, false);
    for (i, byte) in text.bytes().enumerate() {
        if byte == b'"' {
            quoted = !quoted;
        } else if byte == separator && !quoted {
            pieces.push(&text[start..i]);
            start = i + 1;
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// Matches from the right, so that only the first slot may hold the literal that follows it. The last slot comes first.
pub(crate) fn match_pattern<'t>(pattern: &Pattern, text: &'t str) -> Option<Vec<(usize, &'t str)>> {
    let mut rest = text;
    let mut found = Vec::new();
    for (i, slot) in pattern.0.iter().enumerate().rev() {
        match slot {
            Slot::Literal(literal) => rest = rest.strip_suffix(std::str::from_utf8(literal).ok()?)?,
            Slot::Claim { .. } | Slot::Computed(_) => {
                let start = match i.checked_sub(1).map(|before| &pattern.0[before]) {
                    Some(Slot::Literal(literal)) => {
                        let literal = std::str::from_utf8(literal).ok()?;
                        // What the text begins with stands there once, whatever follows.
                        let at = if i == 1 { rest.starts_with(literal).then_some(0) } else { rest.rfind(literal) };
                        at? + literal.len()
                    }
                    _ => 0,
                };
                let value = &rest[start..];
                match (value.is_empty(), slot) {
                    (false, _) => found.push((i, value)),
                    (true, Slot::Claim { may_be_empty: true, .. }) => {}
                    (true, _) => return None,
                }
                rest = &rest[..start];
            }
        }
    }
    rest.is_empty().then_some(found)
}

fn take_all<'p>(
    index: usize,
    pattern: &'p Pattern,
    slots: Vec<(usize, &str)>,
    reading: &mut Reading<'p>,
    plan: &'p Plan,
) -> Result<(), Refusal> {
    for (i, text) in slots {
        match &pattern.0[i] {
            Slot::Literal(_) => {}
            Slot::Computed(program) => reading.computed.push((program, text.to_owned())),
            Slot::Claim { what, percent, .. } => {
                let text = if *percent {
                    let decoded = decode(text.as_bytes(), Decoding::Percent);
                    String::from_utf8(decoded).map_err(|_| malformed("a percent-encoded claim is not UTF-8"))?
                } else {
                    text.to_owned()
                };
                take(index, *what, text, reading, plan)?;
            }
        }
    }
    Ok(())
}

fn take(index: usize, what: Claimed, text: String, reading: &mut Reading<'_>, plan: &Plan) -> Result<(), Refusal> {
    if text.chars().any(char::is_control) {
        return Err(malformed("a claim holds a control character"));
    }
    match what {
        Claimed::Signature => return take_signature(&text, reading, plan),
        Claimed::Secret | Claimed::SecretPart(_) => {
            let secret = Secret::from(text.as_str());
            return match reading.secrets.iter().find(|(w, _)| *w == what) {
                Some((_, before)) if *before != secret => Err(malformed("a secret is carried twice, differently")),
                Some(_) => Ok(()),
                None => {
                    reading.secrets.push((what, secret));
                    Ok(())
                }
            };
        }
        _ => {}
    }
    check_length(plan, what, &text)?;
    match reading.texts.get(what) {
        Some(_) if what == Claimed::Time => {}
        Some(before) if before == text => note_carrier(index, what, reading),
        Some(_) => return Err(malformed(format!("{} is carried twice, or not as configured", name_of(plan, what)))),
        None => {
            reading.texts.set(what, text);
            note_carrier(index, what, reading);
        }
    }
    Ok(())
}

/// What holds of every claim, read or about to be written.
pub(crate) fn check_length(plan: &Plan, what: Claimed, text: &str) -> Result<(), Refusal> {
    let most = match what {
        Claimed::KeyId => MOST_KEY_ID,
        Claimed::Nonce => MOST_NONCE,
        _ => MOST_TEXT,
    };
    if text.len() > most { Err(malformed(format!("{} is longer than {most} bytes", name_of(plan, what)))) } else { Ok(()) }
}

fn note_carrier(index: usize, what: Claimed, reading: &mut Reading<'_>) {
    if !reading.carriers.iter().any(|(w, _)| *w == what) {
        reading.carriers.push((what, index));
    }
}

fn name_of(plan: &Plan, what: Claimed) -> String {
    crate::dialect::compile::part_of(plan, &Source::Claim(what)).map_or_else(String::new, |p: Part| p.to_string())
}

fn take_signature(text: &str, reading: &mut Reading<'_>, plan: &Plan) -> Result<(), Refusal> {
    if text.len() > MOST_SIGNATURE || reading.tags.len() >= MOST_SIGNATURES {
        return Err(malformed(format!("a signature longer than {MOST_SIGNATURE} bytes, or more than {MOST_SIGNATURES}")));
    }
    let bytes = match plan.signature.encoding {
        SignatureEncoding::Hex => encoding::from_lower_hex(text.as_bytes()),
        SignatureEncoding::Base64 => encoding::from_base64(text.as_bytes()),
        SignatureEncoding::Base64Url => encoding::from_base64url(text.as_bytes()),
    };
    reading.tags.push(Tag::new(bytes.ok_or_else(|| malformed("the signature is not in its one canonical encoding"))?));
    Ok(())
}

/// Encodes a tag as the dialect carries it.
pub(crate) fn encode_signature(how: SignatureEncoding, tag: &[u8]) -> Vec<u8> {
    match how {
        SignatureEncoding::Hex => encoding::hex(tag),
        SignatureEncoding::Base64 => encoding::base64(tag),
        SignatureEncoding::Base64Url => encoding::base64url(tag),
    }
}

/// What must hold between the entries: inputs, the algorithm's word, the list of names.
fn finish(plan: &Plan, message: &dyn MessageView, reading: &mut Reading<'_>) -> Result<(), Refusal> {
    for (index, input) in plan.inputs.iter().enumerate() {
        if !input.optional && reading.texts.get(Claimed::Input(index)).is_none() {
            return Err(Refusal::new(Reason::Internal, format!("the input {} is neither carried nor configured", input.name)));
        }
    }
    if let (AlgorithmRule::Named(words), Some(word)) = (&plan.algorithm, reading.texts.get(Claimed::Algorithm))
        && !words.iter().any(|(w, _)| w == word)
    {
        return Err(malformed("the algorithm is none of the dialect's"));
    }
    reading.names = match reading.texts.get(Claimed::SignedHeaders) {
        Some(text) => split_names(plan, text)?,
        None => names::select(plan, message, &plan.headers.default),
    };
    Ok(())
}

fn split_names(plan: &Plan, text: &str) -> Result<Vec<String>, Refusal> {
    let separator = if plan.headers.names == " " { " " } else { plan.headers.names.trim() };
    let names: Vec<String> = text.split(separator).map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect();
    check_names(plan, &names.iter().map(String::as_str))?;
    Ok(names)
}

/// What holds of every list of signed headers, read or about to be written.
pub(crate) fn check_names<'n>(plan: &Plan, names: &(impl Iterator<Item = &'n str> + Clone)) -> Result<(), Refusal> {
    for (i, name) in names.clone().enumerate() {
        if i >= MOST_SIGNED_HEADERS {
            return Err(malformed(format!("more than {MOST_SIGNED_HEADERS} signed headers")));
        }
        let pseudo = plan.headers.pseudo.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !pseudo && !is_token(name) {
            return Err(malformed("a signed header's name is no name"));
        }
        if names.clone().take(i).any(|n| n.eq_ignore_ascii_case(name)) {
            return Err(malformed(format!("the header {name} is listed twice")));
        }
    }
    Ok(())
}

/// A token of RFC 9110, section 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether every required entry is there and every constant is equal: the message is of this dialect.
pub(crate) fn marks(plan: &Plan, message: &dyn MessageView, body: Body<'_>) -> bool {
    let held = |what: &Claimed, but: usize| {
        let others = plan.carry.iter().enumerate().filter(|(i, e)| *i != but && e.holds(*what));
        others.into_iter().any(|(_, e)| is_there(plan, message, body, e))
    };
    plan.carry.iter().enumerate().all(|(i, entry)| {
        entry.optional || is_there(plan, message, body, entry) || !entry.holds.is_empty() && entry.holds.iter().all(|what| held(what, i))
    })
}

fn is_there(plan: &Plan, message: &dyn MessageView, body: Body<'_>, entry: &Entry) -> bool {
    let Ok(found) = fields::find(message, body, entry) else { return false };
    found.values.first().is_some_and(|value| match &entry.shape {
        Shape::Constant(constant) => trim(value) == constant,
        Shape::Parameters(parameters) => strip_scheme(parameters, value).is_some(),
        Shape::Pattern(pattern) => begins(pattern, value, plan.signature.several.as_deref().filter(|_| entry.holds(Claimed::Signature))),
    })
}
