//! Can a signed text be taken apart in one way only? Where it cannot, some requests of the class are refused.
//!
//! A piece is delimited on a side if its length is fixed, or if the byte beside it cannot occur in it. A text is sound
//! if some piece can be named such that every piece before it ends, and every piece after it begins, without doubt.
//! Where a piece before it does not, its value may not hold the byte that follows it.

use std::collections::BTreeSet;

use super::super::error::LoadError;
use super::super::hazard::Hazard;
use super::super::listing;
use super::super::plan::*;
use super::{lists, loss};

/// Adds the guards and hazards that the texts of a plan need. `names` are spelled as in the file.
///
/// # Errors
/// When a guard is needed that cannot look into its value.
pub(super) fn guard(plan: &mut Plan, names: &BTreeSet<String>) -> Result<(), LoadError> {
    let name = |source: &Source| {
        let known = listing::name(plan, source);
        names.iter().find(|written| written.eq_ignore_ascii_case(&known)).cloned().unwrap_or(known)
    };
    let mut found = Found::default();
    found.guards.extend(escapes(plan));
    for (path, program) in texts(plan) {
        judge(&flatten(plan, program), &path, &name, &mut found)?;
    }
    for (list, name) in [(&plan.query, "query"), (&plan.form, "form"), (&plan.params, "params")] {
        found.hazards.extend(lists::hazard(list, name));
    }
    found.guards.extend(closing_slashes(plan));
    let (guards, hazards) = loss::judge(plan, name)?;
    plan.guards = found.guards;
    plan.guards.extend(guards);
    plan.hazards.extend(found.hazards);
    plan.hazards.extend(hazards);
    Ok(())
}

/// Every text that is signed, digested or makes the key, as a whole and as a named part of one, with its place in the file.
fn texts(plan: &Plan) -> Vec<(String, &Program)> {
    let mut texts: Vec<(String, &Program)> = plan.text.iter().map(|text| ("string_to_sign".to_owned(), text)).collect();
    texts.push(("key".to_owned(), &plan.key.from));
    texts.extend(plan.key.chain.iter().map(|text| ("key.hmac".to_owned(), text)));
    texts.extend(plan.digest.iter().map(|digest| ("body_digest.is".to_owned(), &digest.is)));
    let named: BTreeSet<usize> = texts.iter().flat_map(|(_, text)| text.needs.iter().copied()).collect();
    texts.extend(named.into_iter().map(|index| (format!("let.{}", plan.lets[index].name), &plan.lets[index].program)));
    texts
}

/// Every program whose text is signed, or makes the key.
fn programs(plan: &Plan) -> impl Iterator<Item = &Program> {
    let pseudo = plan.headers.pseudo.iter().map(|(_, program)| program);
    plan.text.iter().chain(plan.lets.iter().map(|l| &l.program)).chain(pseudo).chain([&plan.key.from]).chain(&plan.key.chain)
}

/// A path that gets a slash at its end where there is none: two paths have one text.
fn closing_slashes(plan: &Plan) -> Vec<Guard> {
    let mut guards = Vec::new();
    for op in programs(plan).flat_map(|program| &program.ops) {
        let Op::Put { source: Source::Path, filters } = op else { continue };
        let Some(at) = filters.iter().position(|filter| *filter == Filter::ClosingSlash) else { continue };
        let guard = Guard::ClosingSlash { before: filters[..at].to_vec() };
        if !guards.contains(&guard) {
            guards.push(guard);
        }
    }
    guards
}

/// Where a path is signed decoded, an escape of what parts it would be lost: `/a%2Fb` and `/a/b` have one text.
fn escapes(plan: &Plan) -> impl Iterator<Item = Guard> {
    let decoded = |wanted: Source, bytes: &'static [u8]| {
        let mut ops = programs(plan).flat_map(|p| &p.ops);
        ops.any(|op| matches!(op, Op::Put { source, filters } if *source == wanted && filters.contains(&Filter::Decode)))
            .then_some(Guard::Escape { source: wanted, bytes })
    };
    [decoded(Source::Path, b"/"), decoded(Source::Target, b"/?&=+")].into_iter().flatten()
}

#[derive(Default)]
struct Found {
    guards: Vec<Guard>,
    hazards: Vec<Hazard>,
}

enum Item {
    Literal(Vec<u8>),
    Piece(Piece),
}

struct Piece {
    source: Source,
    filters: Vec<Filter>,
    class: Class,
}

/// Which bytes a piece may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Its length is known, or whoever changes it changes the key.
    Fixed,
    Digits,
    Token,
    Letters,
    /// Letters, digits and these.
    Letters64(&'static [u8]),
    /// Letters, digits, `-._~%` and the separators of an encoded list.
    Encoded {
        separators: bool,
    },
    /// Everything but controls, blanks, `#`; with or without `?`; begins with `/`.
    Target {
        query: bool,
    },
    Authority,
    /// Everything but controls, of which a tab is none: a header's value or a claim.
    Line,
    /// Lines of a header list.
    Headers,
    Anything,
}

impl Class {
    fn may_hold(self, byte: u8) -> bool {
        let target = byte > b' ' && byte != 0x7f && byte != b'#';
        match self {
            Self::Fixed => false,
            Self::Digits => byte.is_ascii_digit(),
            Self::Token => byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte),
            Self::Letters => byte.is_ascii_alphabetic(),
            Self::Letters64(further) => byte.is_ascii_alphanumeric() || further.contains(&byte),
            Self::Encoded { separators } => byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte) || separators && b"=&".contains(&byte),
            Self::Target { query } => target && (query || byte != b'?'),
            Self::Authority => target && !b"/?".contains(&byte),
            Self::Line => byte == b'\t' || byte >= b' ' && byte != 0x7f,
            Self::Headers | Self::Anything => true,
        }
    }
}

fn flatten(plan: &Plan, program: &Program) -> Vec<Item> {
    let mut items = Vec::new();
    for op in &program.ops {
        match op {
            Op::Literal(text) => match items.last_mut() {
                Some(Item::Literal(before)) => before.extend_from_slice(text),
                _ => items.push(Item::Literal(text.clone())),
            },
            Op::Put { source: Source::Let(index), filters } if filters.is_empty() => {
                items.extend(flatten(plan, &plan.lets[*index].program))
            }
            Op::Put { source, filters } => {
                let class = class(plan, source, filters);
                items.push(Item::Piece(Piece { source: source.clone(), filters: filters.clone(), class }));
            }
            Op::Begin | Op::End => {}
        }
    }
    items
}

/// The bytes that a value may hold after its filters: the last one that writes an alphabet of its own decides.
fn class(plan: &Plan, source: &Source, filters: &[Filter]) -> Class {
    filters.iter().fold(of_source(plan, source), |class, filter| match (class, filter) {
        (Class::Fixed, _) | (_, Filter::Digest(_) | Filter::Hmac | Filter::Time(_)) => Class::Fixed,
        (_, Filter::Percent) => Class::Encoded { separators: false },
        (_, Filter::Hex) => Class::Letters64(b""),
        (_, Filter::Base64) => Class::Letters64(b"+/="),
        (_, Filter::Base64Url) => Class::Letters64(b"-_="),
        (_, Filter::PercentPath) if *source == Source::Path => Class::Target { query: false },
        (_, Filter::PercentPath | Filter::Decode | Filter::FromHex | Filter::FromBase64) => Class::Anything,
        // What a path begins with may be gone.
        (Class::Target { .. }, Filter::Without(_) | Filter::Drop(_) | Filter::UnlessHeader(_)) => Class::Line,
        (class, _) => class,
    })
}

fn of_source(plan: &Plan, source: &Source) -> Class {
    match source {
        Source::Secret | Source::SecretPart(_) | Source::Status | Source::Port | Source::HttpVersion => Class::Fixed,
        Source::Method => Class::Token,
        Source::Scheme => Class::Letters,
        Source::Host | Source::Hostname | Source::Authority => Class::Authority,
        Source::Path => Class::Target { query: false },
        Source::Target => Class::Target { query: true },
        Source::Header(_) => Class::Line,
        Source::Headers => Class::Headers,
        Source::QueryList => pairs(&plan.query),
        Source::FormList => pairs(&plan.form),
        Source::ParamsList => pairs(&plan.params),
        Source::Claim(what) => claim(plan, *what),
        _ => Class::Anything,
    }
}

fn claim(plan: &Plan, what: Claimed) -> Class {
    match what {
        Claimed::KeyId | Claimed::BodyDigest | Claimed::Algorithm => Class::Fixed,
        Claimed::Time => match plan.time.as_ref().map(|t| &t.formats[0]) {
            Some(crate::time::TimeFormat::Unix | crate::time::TimeFormat::UnixMillis) => Class::Digits,
            _ => Class::Fixed,
        },
        Claimed::Expires => match plan.expires.as_ref().map(|e| &e.form) {
            Some(ExpiresForm::At(_)) => Class::Fixed,
            _ => Class::Digits,
        },
        // What no message says is the verifier's own.
        Claimed::Input(_) if !plan.carry.iter().any(|e| e.holds(what)) => Class::Fixed,
        _ => Class::Line,
    }
}

fn pairs(list: &PairList) -> Class {
    let encoded = list.name_guard.is_empty() && list.value_guard.is_empty() && list.name_filters.contains(&Filter::Percent);
    if encoded && list.join == b"&" { Class::Encoded { separators: true } } else { Class::Anything }
}

/// Whether the end of the piece at `at` shows in what follows it.
fn ends(items: &[Item], at: usize) -> bool {
    let Item::Piece(piece) = &items[at] else { return true };
    match (piece.class, items.get(at + 1)) {
        (Class::Fixed, _) | (_, None) => true,
        (Class::Headers, Some(Item::Literal(text))) => {
            // No header line is empty, and none begins with a slash.
            text.starts_with(b"\n\n") || text.starts_with(b"\n/") || text == b"\n" && items.get(at + 2).is_some_and(begins_with_slash)
        }
        (class, Some(Item::Literal(text))) => text.first().is_some_and(|b| !class.may_hold(*b)),
        (class, Some(next)) => begins_with_slash(next) && !class.may_hold(b'/'),
    }
}

fn begins_with_slash(item: &Item) -> bool {
    matches!(item, Item::Piece(p) if matches!(p.class, Class::Target { .. }))
}

/// Whether the beginning of the piece at `at` shows in what precedes it.
fn begins(items: &[Item], at: usize) -> bool {
    let Item::Piece(piece) = &items[at] else { return true };
    match (piece.class, at.checked_sub(1).map(|i| &items[i])) {
        (Class::Fixed, _) | (_, None) => true,
        (class, Some(Item::Literal(text))) => text.last().is_some_and(|b| !class.may_hold(*b)),
        (_, Some(Item::Piece(_))) => false,
    }
}

fn judge(items: &[Item], path: &str, name: &impl Fn(&Source) -> String, found: &mut Found) -> Result<(), LoadError> {
    let pieces: Vec<usize> = (0..items.len()).filter(|i| matches!(items[*i], Item::Piece(_))).collect();
    // The last pivot whose followers all begin without doubt needs the most guards before it, the first one the fewest.
    let pivots = (0..pieces.len()).filter(|k| pieces[k + 1..].iter().all(|i| begins(items, *i)));
    let doubtful = |k: usize| pieces[..k].iter().copied().filter(|i| !ends(items, *i)).collect::<Vec<_>>();
    let Some(open) = pivots.map(doubtful).min_by_key(Vec::len) else { return Ok(()) };
    for at in open {
        let Item::Piece(piece) = &items[at] else { continue };
        match needed(items, piece, at) {
            Needed::Guard(guard) if found.guards.contains(&guard) => {}
            Needed::Guard(guard) => found.guards.push(guard),
            Needed::RunTogether => found.hazards.push(Hazard::RunTogether(format!("{{{}}} and what follows it", name(&piece.source)))),
            Needed::Unseen(byte) => {
                let fault = format!(
                    "{{{}}} may hold the '{}' that follows it, and nothing can look for it",
                    name(&piece.source),
                    byte.escape_ascii()
                );
                return Err(LoadError::new(path, fault, "put something behind it that it cannot hold, such as a newline"));
            }
        }
    }
    Ok(())
}

/// What makes the end of a doubtful piece certain.
enum Needed {
    Guard(Guard),
    /// Nothing does.
    RunTogether,
    /// A guard against this byte, in what no guard can look into.
    Unseen(u8),
}

fn needed(items: &[Item], piece: &Piece, at: usize) -> Needed {
    let Some(Item::Literal(next)) = items.get(at + 1) else { return Needed::RunTogether };
    let Some(byte) = next.first().copied() else { return Needed::RunTogether };
    match &piece.source {
        Source::Headers => label(next).map_or(Needed::RunTogether, |name| Needed::Guard(Guard::ListedHeader(name))),
        Source::Body | Source::BodyWithoutSignature => Needed::RunTogether,
        source if can_look_into(source, &piece.filters) => {
            Needed::Guard(Guard::Byte { source: source.clone(), filters: piece.filters.clone(), byte })
        }
        _ => Needed::Unseen(byte),
    }
}

/// A line that begins with this label would be taken for what follows the list of headers.
fn label(next: &[u8]) -> Option<String> {
    let label = next.strip_prefix(b"\n")?.split(|b| *b == b':').next()?;
    let name = std::str::from_utf8(label).ok().filter(|l| !l.is_empty() && next.contains(&b':'))?;
    Some(name.to_ascii_lowercase())
}

/// Whether a guard sees what these filters make of this source. Of a list it sees names and values as they were before it was written.
fn can_look_into(source: &Source, filters: &[Filter]) -> bool {
    let plain = |filter: &Filter| matches!(filter, Filter::Lower | Filter::Upper);
    let encodes = |filter: &Filter| matches!(filter, Filter::Hex | Filter::Base64 | Filter::Base64Url | Filter::Percent);
    match source {
        Source::QueryList | Source::FormList | Source::ParamsList => filters.iter().all(plain),
        Source::Claim(_)
        | Source::Header(_)
        | Source::Query(_)
        | Source::Form(_)
        | Source::Path
        | Source::Target
        | Source::Host
        | Source::Hostname
        | Source::Authority
        | Source::Method => !filters.iter().any(encodes),
        _ => false,
    }
}
