//! Filters left out, doubled, or taken for others, wherever a template has them.

use super::super::place::{self, Home};
use super::super::process::Process;
use super::{Mutation, op_mut};
use crate::dialect::plan::{Filter, Op, Source};
use crate::digest::DigestAlgorithm;

pub(super) fn of_home(base: &Process, home: Home) -> Vec<Mutation> {
    let mut all = Vec::new();
    let Some(program) = home.program(base.plan()) else { return all };
    for (index, op) in program.ops.iter().enumerate() {
        let Op::Put { source, filters } = op else { continue };
        let name = place::template(base.plan(), &[Op::Put { source: source.clone(), filters: Vec::new() }]);
        let rule = place::rule(base.plan(), home, index);
        for (place, filter) in filters.iter().enumerate() {
            for (id, cost, what, by) in others(source, filter, &name) {
                let (like, rule) = (op.clone(), rule.clone());
                let filter = filter.clone();
                let is_omission = by.is_empty();
                let put = Mutation::new(id, cost, rule, what, move |process| {
                    let Op::Put { filters, .. } = op_mut(process, home, index, &like)? else { return None };
                    (filters.get(place) == Some(&filter)).then(|| drop(filters.splice(place..=place, by.clone())))
                });
                all.push(if is_omission { put.omitting() } else { put });
            }
        }
    }
    all
}

/// What may have been done in the place of a filter: an id, its cost, a sentence, and the filters.
type Other = (&'static str, u8, String, Vec<Filter>);

/// What may have been done in the place of a filter.
fn others(source: &Source, filter: &Filter, name: &str) -> Vec<Other> {
    let left_out = |id, cost, what: &str| vec![(id, cost, format!("the signer did not {what} {name}"), Vec::new())];
    match filter {
        Filter::Lower => case(source, left_out("lower-case-left-out", 1, "write in lower case"), Filter::Upper),
        Filter::Upper => case(source, left_out("upper-case-left-out", 1, "write in upper case"), Filter::Lower),
        Filter::Trim => left_out("trim-left-out", 2, "trim"),
        Filter::Squeeze => vec![("trim-left-out", 2, format!("the signer did not trim {name}"), Vec::new())],
        Filter::Percent | Filter::PercentPath => {
            let id = if matches!(source, Source::Path | Source::Target) { "path-not-encoded" } else { "encoding-left-out" };
            let mut all = left_out(id, 1, "percent-encode");
            let twice = format!("the signer percent-encoded {name} twice");
            let id = if matches!(source, Source::Path | Source::Target) { "path-encoded-again" } else { "encoded-twice" };
            all.push((id, 1, twice, vec![filter.clone(), filter.clone()]));
            all
        }
        Filter::Decode => left_out("decoding-left-out", 1, "percent-decode"),
        Filter::Normalize => left_out("path-not-normalized", 1, "remove dot segments and doubled slashes from"),
        Filter::ClosingSlash => left_out("path-slash-removed", 1, "write a slash at the end of"),
        Filter::FromHex | Filter::FromBase64 => {
            let what = format!("the signer used the text of {name}, not the bytes that it stands for");
            vec![(if matches!(source, Source::Secret) { "secret-not-decoded" } else { "decoding-left-out" }, 1, what, Vec::new())]
        }
        Filter::Without(_) => {
            let what = format!("the signer kept the prefix of {name}");
            vec![(if matches!(source, Source::Secret) { "secret-with-prefix" } else { "prefix-kept" }, 1, what, Vec::new())]
        }
        Filter::Drop(_) | Filter::UnlessHeader(_) => {
            vec![("value-kept", 1, format!("the signer kept {name} where the dialect drops it"), Vec::new())]
        }
        Filter::MediaType => left_out("content-type-otherwise", 1, "reduce to the media type"),
        Filter::First(count) => {
            vec![("value-not-cut", 2, format!("the signer took all of {name}, not its first {count} bytes"), Vec::new())]
        }
        Filter::Digest(own) => digests(*own, name),
        Filter::Hex => vec![
            ("digest-encoding", 1, format!("the signer wrote the digest of {name} in base64"), vec![Filter::Base64]),
            (
                "digest-upper-case",
                1,
                format!("the signer wrote the digest of {name} in upper-case hexadecimal"),
                vec![Filter::Hex, Filter::Upper],
            ),
        ],
        Filter::Base64 => vec![
            ("digest-encoding", 1, format!("the signer wrote the digest of {name} in hexadecimal"), vec![Filter::Hex]),
            (
                "digest-hex-in-base64",
                1,
                format!("the signer wrote the hexadecimal text of the digest of {name} in base64"),
                vec![Filter::Hex, Filter::Base64],
            ),
            ("digest-encoding", 2, format!("the signer wrote the digest of {name} in URL-safe base64"), vec![Filter::Base64Url]),
        ],
        Filter::Base64Url => vec![("digest-encoding", 1, format!("the signer wrote the digest of {name} in base64"), vec![Filter::Base64])],
        Filter::Hmac | Filter::Time(_) => Vec::new(),
    }
}

/// A method is spelled in either case, whatever it is on the wire.
fn case(source: &Source, mut others: Vec<Other>, by: Filter) -> Vec<Other> {
    if matches!(source, Source::Method) {
        let (id, case) = if by == Filter::Lower { ("method-lower-case", "lower") } else { ("method-upper-case", "upper") };
        others.push((id, 1, format!("the signer wrote the method in {case} case"), vec![by]));
    }
    others
}

fn digests(own: DigestAlgorithm, name: &str) -> Vec<Other> {
    let known = DigestAlgorithm::ALL.into_iter().filter(|d| *d != own);
    known
        .map(|other| {
            let what = format!("the signer took the {} of {name}, not the {}", other.as_str(), own.as_str());
            ("digest-other-hash", 2, what, vec![Filter::Digest(other)])
        })
        .collect()
}
