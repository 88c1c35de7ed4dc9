//! What filters take away: an end that is cut off is not signed, and two values that are made one need a guard or a word of warning.

use super::super::error::LoadError;
use super::super::hazard::Hazard;
use super::super::part::Part;
use super::super::plan::*;
use super::influence;

/// The fewest bits of a digest that still stand for what was digested.
const LEAST_BITS: usize = 128;

/// Headers whose values HTTP itself reads without regard to case, wholly or but for parameters.
pub(crate) const CASELESS: [&str; 9] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "connection",
    "content-encoding",
    "content-type",
    "date",
    "transfer-encoding",
];

/// One use of a value in what is signed.
pub(super) struct Use {
    source: Source,
    filters: Vec<Filter>,
    /// The list of which it is an item's name or value.
    list: Option<Source>,
}

/// Every use of a value in the string to sign and in the key.
pub(super) fn uses(plan: &Plan) -> Vec<Use> {
    let mut found = Vec::new();
    let digest = plan.digest.iter().map(|rule| &rule.is);
    for program in plan.text.iter().chain([&plan.key.from]).chain(&plan.key.chain).chain(digest) {
        visit(plan, program, None, &mut found);
    }
    found
}

fn visit(plan: &Plan, program: &Program, list: Option<&Source>, found: &mut Vec<Use>) {
    for op in &program.ops {
        let Op::Put { source, filters } = op else { continue };
        match source {
            Source::Let(index) => visit(plan, &plan.lets[*index].program, list, found),
            Source::Headers => {
                visit(plan, &plan.headers.each, Some(source), found);
                plan.headers.pseudo.iter().for_each(|(_, line)| visit(plan, line, None, found));
            }
            other => {
                if let Some(pairs) = list_of(plan, other) {
                    visit(plan, &pairs.each, Some(other), found);
                }
            }
        }
        if !filters.is_empty() {
            let (source, filters) = through(plan, source, filters);
            let list = list.filter(|_| matches!(source, Source::ItemName | Source::ItemValue)).cloned();
            found.push(Use { source, filters, list });
        }
    }
}

/// The pairs that a source lists.
pub(crate) const fn list_of<'p>(plan: &'p Plan, source: &Source) -> Option<&'p PairList> {
    match source {
        Source::QueryList => Some(&plan.query),
        Source::FormList => Some(&plan.form),
        Source::ParamsList => Some(&plan.params),
        _ => None,
    }
}

/// A value with all the filters that it went through: a named text of one value, and a body digest, are that value.
fn through(plan: &Plan, source: &Source, filters: &[Filter]) -> (Source, Vec<Filter>) {
    let inner = match source {
        Source::Let(index) => Some(&plan.lets[*index].program),
        Source::Claim(Claimed::BodyDigest) => plan.digest.as_ref().map(|rule| &rule.is),
        _ => None,
    };
    match inner.map(|program| &program.ops[..]) {
        Some([Op::Put { source, filters: before }]) => through(plan, source, &[before, filters].concat()),
        _ => (source.clone(), filters.to_vec()),
    }
}

/// Whether so many bytes of what a value is after these filters stand for all of it: they are enough of a digest.
pub(crate) fn stands_for_all(plan: &Plan, source: &Source, before: &[Filter], count: usize) -> bool {
    bits(&through(plan, source, before).1, count).is_some_and(|bits| bits >= LEAST_BITS)
}

/// The bits of a digest that so many bytes of its text hold; `None` for what is no digest.
fn bits(filters: &[Filter], count: usize) -> Option<usize> {
    // In sixty-fourths of a bit for each byte, and whether the case of letters says nothing.
    let density = filters.iter().fold(None, |density: Option<(usize, bool)>, filter| match filter {
        Filter::Digest(_) | Filter::Hmac => Some((512, false)),
        Filter::Hex => density.map(|(bits, _)| (bits / 2, true)),
        Filter::Base64 | Filter::Base64Url => density.map(|(bits, _)| (bits * 3 / 4, false)),
        Filter::Lower | Filter::Upper => density.map(|(bits, caseless)| (if caseless { bits } else { bits * 5 / 6 }, caseless)),
        Filter::First(_) => density,
        _ => None,
    });
    density.map(|(density, _)| density.saturating_mul(count) / 64)
}

/// The length up to which the values of a text are not cut short: none where nothing is cut, 0 where always too little of a digest is left.
pub(crate) fn cut_at(plan: &Plan, program: &Program) -> Option<usize> {
    let of_op = |op: &Op| {
        let Op::Put { source, filters } = op else { return None };
        let (source, filters) = through(plan, source, filters);
        let cut = |(at, filter): (usize, &Filter)| match filter {
            Filter::First(count) => match bits(&filters[..at], *count) {
                None => Some(*count),
                Some(bits) => (bits < LEAST_BITS).then_some(0),
            },
            _ => None,
        };
        let inner = if let Source::Let(index) = source { cut_at(plan, &plan.lets[index].program) } else { None };
        filters.iter().enumerate().filter_map(cut).chain(inner).min()
    };
    program.ops.iter().filter_map(of_op).min()
}

/// Whether a use never says enough of its value to sign it.
pub(super) fn never_signs(plan: &Plan, source: &Source, filters: &[Filter]) -> bool {
    cuts(plan, source, filters, false)
}

/// Whether a use says too little of some values to sign them.
pub(super) fn may_cut(plan: &Plan, source: &Source, filters: &[Filter]) -> bool {
    cuts(plan, source, filters, true)
}

fn cuts(plan: &Plan, source: &Source, filters: &[Filter], of_no_digest: bool) -> bool {
    let (_, filters) = through(plan, source, filters);
    let cut = |(at, filter): (usize, &Filter)| match filter {
        Filter::First(count) => bits(&filters[..at], *count).map_or(of_no_digest, |bits| bits < LEAST_BITS),
        _ => false,
    };
    filters.iter().enumerate().any(cut)
}

/// What is found of all uses: guards, and hazards.
///
/// # Errors
/// When two values become one and nothing could tell.
pub(super) fn judge(plan: &Plan, name: impl Fn(&Source) -> String) -> Result<(Vec<Guard>, Vec<Hazard>), LoadError> {
    let (mut guards, mut hazards) = (Vec::new(), Vec::new());
    let whole = influence::whole(plan);
    for used in uses(plan) {
        for (at, filter) in used.filters.iter().enumerate() {
            let before = &used.filters[..at];
            if let Filter::First(count) = filter
                && bits(before, *count).is_none_or(|bits| bits < LEAST_BITS)
                && !parts_of(plan, &used.source).is_some_and(|parts| parts.iter().all(|part| whole.contains(part)))
            {
                let what = if bits(before, *count).is_some() { "a digest of " } else { "" };
                add(&mut hazards, Hazard::CutShort(format!("{what}{{{}}} is cut to {count} bytes", name(&used.source))));
            }
            if before.iter().any(|filter| matches!(filter, Filter::Digest(_) | Filter::Hmac)) {
                continue;
            }
            let shown = || format!("{{{} | {}}}", name(&used.source), super::super::listing::filter(filter));
            match loss(plan, &used, filter) {
                Loss::None => {}
                Loss::Told => add(&mut hazards, Hazard::MadeOne(shown())),
                Loss::Guarded => {
                    let filters = used.filters[..=at].to_vec();
                    add(&mut guards, Guard::Lost { source: used.source.clone(), list: used.list.clone(), filters });
                }
                Loss::Refused => {
                    let fault = format!("{} makes different requests one text, and what was lost cannot be looked for", shown());
                    return Err(LoadError::new("string_to_sign", fault, "put the filter on the values that the text is made of"));
                }
            }
        }
    }
    Ok((guards, hazards))
}

/// The parts that a source is, where it is parts.
fn parts_of(plan: &Plan, source: &Source) -> Option<Vec<Part>> {
    let of_pairs = |from: &PairSource| match from {
        PairSource::Query => Part::Query,
        PairSource::Form => Part::Body,
        PairSource::Authorization => Part::Authorization,
    };
    match source {
        Source::Body | Source::BodyWithoutSignature => Some(vec![Part::Body]),
        Source::Target => Some(vec![Part::Path, Part::Query]),
        _ => match list_of(plan, source) {
            Some(pairs) => Some(pairs.from.iter().map(of_pairs).collect()),
            None => influence::part_of(plan, source).map(|part| vec![part]),
        },
    }
}

fn add<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// What becomes of two values that a filter makes one.
enum Loss {
    /// Nothing is lost, or nothing that means anything, or another guard looks.
    None,
    /// Clients send such values: it is told.
    Told,
    /// A request with such a value is ambiguous.
    Guarded,
    /// It cannot be looked for.
    Refused,
}

fn loss(plan: &Plan, used: &Use, filter: &Filter) -> Loss {
    let case = matches!(filter, Filter::Lower | Filter::Upper);
    let blanks = matches!(filter, Filter::Trim | Filter::Squeeze);
    match filter {
        Filter::Lower
        | Filter::Upper
        | Filter::Trim
        | Filter::Squeeze
        | Filter::Decode
        | Filter::Normalize
        | Filter::ClosingSlash
        | Filter::FromHex
        | Filter::FromBase64
        | Filter::Without(_)
        | Filter::Drop(_)
        | Filter::MediaType => {}
        _ => return Loss::None,
    }
    match &used.source {
        Source::Secret | Source::SecretPart(_) | Source::Status | Source::HttpVersion | Source::StringToSign => Loss::None,
        Source::Scheme | Source::Port if case || blanks => Loss::None,
        Source::Host | Source::Hostname | Source::Authority if case || blanks => Loss::None,
        // Paths have guards of their own for these, and two spellings of a path that mean one are one.
        Source::Path | Source::Target if matches!(filter, Filter::Decode | Filter::Normalize | Filter::ClosingSlash) => Loss::None,
        Source::Claim(what) => of_claim(plan, *what),
        Source::Header(name) => of_header(name, filter),
        Source::ItemName if used.list == Some(Source::Headers) => Loss::None,
        Source::ItemValue if used.list == Some(Source::Headers) => {
            if blanks {
                Loss::None
            } else {
                Loss::Told
            }
        }
        // Vendors sign names of parameters in small letters, and clients send capitals.
        Source::ItemName if case => Loss::Told,
        Source::Headers if case => Loss::Told,
        Source::QueryList | Source::FormList | Source::ParamsList if case => Loss::Guarded,
        Source::Headers
        | Source::QueryList
        | Source::FormList
        | Source::ParamsList
        | Source::Let(_)
        | Source::Scheme
        | Source::Port
        | Source::Hostname
        | Source::Authority => Loss::Refused,
        Source::Method
        | Source::Host
        | Source::Path
        | Source::Target
        | Source::Body
        | Source::BodyWithoutSignature
        | Source::Query(_)
        | Source::Form(_)
        | Source::ItemName
        | Source::ItemValue => Loss::Guarded,
    }
}

/// What a verifier holds against its own, or reads in one way only, is certain; other claims are whatever was sent.
fn of_claim(plan: &Plan, what: Claimed) -> Loss {
    match what {
        Claimed::Nonce => Loss::Guarded,
        Claimed::Input(_) if plan.carry.iter().any(|entry| entry.holds(what)) => Loss::Guarded,
        _ => Loss::None,
    }
}

/// A header's value has no outer blanks, and of inner ones HTTP does not say how many there are.
fn of_header(name: &str, filter: &Filter) -> Loss {
    match filter {
        Filter::Trim | Filter::Squeeze => Loss::None,
        Filter::Lower | Filter::Upper if name == "host" => Loss::None,
        // No body and a body of no bytes are one.
        Filter::Drop(text) if name == "content-length" && text == b"0" => Loss::None,
        Filter::Lower | Filter::Upper if CASELESS.contains(&name) => Loss::Told,
        Filter::MediaType | Filter::Drop(_) => Loss::Told,
        _ => Loss::Guarded,
    }
}
