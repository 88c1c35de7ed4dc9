//! What a signer saw otherwise, or what was changed on the way: method, path, query, scheme and host.

use super::super::process::Process;
use super::{Mutation, places, replace_op, rewrite_op, rule_of};
use crate::dialect::plan::{Filter, Op, Source};
use crate::encoding::{self, Decoding};
use crate::engine::scene::split_port;
use crate::message::{Message, Request, Scheme, trim};

/// Methods that clients confuse, or that a proxy puts in the place of another.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"];
/// Headers in which proxies tell the host that a client spoke to.
const FORWARDED_HOST: [&str; 4] = ["x-forwarded-host", "x-original-host", "x-host", "x-forwarded-server"];

pub(super) fn mutations(base: &Process) -> Vec<Mutation> {
    let Message::Request(request) = base.message() else { return Vec::new() };
    let mut all = method(base, request);
    all.extend(path(base));
    all.extend(query(base));
    all.extend(scheme(base, request));
    all.extend(version(base, request));
    all.extend(host(base, request));
    all
}

fn request(process: &mut Process) -> Option<&mut Request> {
    match process.message_mut() {
        Message::Request(request) => Some(request),
        Message::Response(_) => None,
    }
}

fn method(base: &Process, request_now: &Request) -> Vec<Mutation> {
    let Some(rule) = rule_of(base, |s| *s == Source::Method) else { return Vec::new() };
    let put = |id, cost, what: String, method: String| {
        Mutation::new(id, cost, rule.clone(), what, move |process| {
            let request = request(process)?;
            (request.method != method).then(|| request.method = method.clone())
        })
        .on_axis("method")
    };
    let now = &request_now.method;
    let mut all = vec![
        put("method-lower-case", 1, "the signer wrote the method in lower case".to_owned(), now.to_ascii_lowercase()),
        put("method-upper-case", 1, "the signer wrote the method in upper case".to_owned(), now.to_ascii_uppercase()),
    ];
    for other in METHODS.iter().filter(|m| !m.eq_ignore_ascii_case(now)) {
        all.push(put(
            "method-other",
            2,
            format!("the method was signed as {other}: the signer or a proxy used another one"),
            (*other).to_owned(),
        ));
    }
    all
}

/// Changes the raw path and keeps the query.
fn change_path(process: &mut Process, change: impl Fn(&[u8]) -> Vec<u8>) -> Option<()> {
    let request = request(process)?;
    let end = request.target.iter().position(|b| *b == b'?').unwrap_or(request.target.len());
    let (path, rest) = request.target.split_at(end);
    let path = if path.is_empty() { b"/" } else { path };
    let changed = change(path);
    if changed == path {
        return None;
    }
    request.target = [&changed[..], rest].concat();
    Some(())
}

type Bytes = fn(&[u8]) -> Vec<u8>;

const PATHS: [(&str, u8, &str, Bytes); 9] =
    [
        ("path-encoded-again", 1, "the signer percent-encoded the path once more than the dialect says", |p| encode(p, b"/")),
        ("path-decoded", 1, "the signer signed the path percent-decoded", |p| encoding::decode(p, Decoding::Percent)),
        (
            "path-encoded-anew",
            1,
            "the signer decoded the path and encoded it anew: other characters are escaped, or in another case",
            |p| encode(&encoding::decode(p, Decoding::Percent), b"/"),
        ),
        ("path-normalized", 1, "the signer removed dot segments and doubled slashes from the path", encoding::normalize_path),
        ("path-slash-added", 2, "the path was signed with a slash at its end", |p| {
            if p.ends_with(b"/") { p.to_vec() } else { [p, b"/"].concat() }
        }),
        ("path-slash-removed", 2, "the path was signed without the slash at its end", |p| match p {
            [start @ .., b'/'] if !start.is_empty() => start.to_vec(),
            _ => p.to_vec(),
        }),
        ("path-lower-case", 2, "the path was signed in lower case", <[u8]>::to_ascii_lowercase),
        ("path-start-left-out", 2, "the path was signed without its first segment: a proxy put it there, or the signer left it out", |p| {
            match p.iter().skip(1).position(|b| *b == b'/') {
                Some(at) => p[at + 1..].to_vec(),
                None => p.to_vec(),
            }
        }),
        ("path-slash-encoded", 2, "the signer percent-encoded the slashes of the path", |p| encode(p, b"")),
    ];

fn encode(text: &[u8], also: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    encoding::percent(text, also, &mut out);
    out
}

fn path(base: &Process) -> Vec<Mutation> {
    let sees_path = |s: &Source| matches!(s, Source::Path | Source::Target);
    let Some(rule) = rule_of(base, sees_path) else { return Vec::new() };
    let mut all: Vec<Mutation> =
        PATHS.iter().map(|(id, cost, what, change)| Mutation::new(id, *cost, rule.clone(), *what, |p| change_path(p, *change))).collect();
    for (home, index, op) in places(base, |s| *s == Source::Path) {
        let rule = super::place::rule(base.plan(), home, index);
        let filters = |normalize: bool| if normalize { vec![Filter::Normalize, Filter::PercentPath] } else { vec![Filter::PercentPath] };
        let normalizes = matches!(&op, Op::Put { filters, .. } if filters.contains(&Filter::Normalize));
        let encoded = if normalizes {
            "the signer percent-encoded the path without normalising it"
        } else {
            "the signer percent-encoded the path, and not its slashes"
        };
        for (id, what, filters) in [
            ("path-encoded", encoded, filters(false)),
            ("path-encoded-and-normalized", "the signer normalised the path and percent-encoded it", filters(true)),
            ("path-as-sent", "the signer signed the path as it was sent", Vec::new()),
        ] {
            let like = op.clone();
            all.push(Mutation::new(id, 1, rule.clone(), what, move |process| {
                let Op::Put { filters: now, .. } = super::op_mut(process, home, index, &like)? else { return None };
                (*now != filters).then(|| *now = filters.clone())
            }));
        }
        let like = op.clone();
        all.push(Mutation::new(
            "path-with-query",
            1,
            rule.clone(),
            "the signer signed path and query where the path alone is meant",
            move |p| {
                let target = request(p)?.target.clone();
                target.contains(&b'?').then(|| replace_op(p, home, index, &like, target))?
            },
        ));
        let like = op.clone();
        all.push(Mutation::new("path-as-url", 2, rule, "the signer signed the whole URL where the path alone is meant", move |process| {
            let prefix = [request(process)?.scheme.as_str().as_bytes(), b"://", trim(process.header("host")?)].concat();
            rewrite_op(process, home, index, &like, |path| [&prefix[..], path].concat())
        }));
    }
    all
}

/// Changes the raw query and keeps the path.
fn change_query(process: &mut Process, change: impl Fn(&[u8]) -> Vec<u8>) -> Option<()> {
    let request = request(process)?;
    let mark = request.target.iter().position(|b| *b == b'?')?;
    let (path, query) = (&request.target[..mark], &request.target[mark + 1..]);
    let changed = change(query);
    if changed == query {
        return None;
    }
    let target = if changed.is_empty() { path.to_vec() } else { [path, b"?", &changed].concat() };
    request.target = target;
    Some(())
}

fn query(base: &Process) -> Vec<Mutation> {
    // Where the raw target is signed, the query is changed in the message; where pairs are, in the plan.
    let Some(rule) = rule_of(base, |s| *s == Source::Target) else { return Vec::new() };
    let change = |id, cost, what: &str, change: Bytes| Mutation::new(id, cost, rule.clone(), what, move |p| change_query(p, change));
    let mut all = vec![
        change("query-left-out", 1, "the signer left out the query", |_| Vec::new()),
        change("query-sorted", 1, "the signer sorted the query, and the dialect signs it as it is sent", |query| {
            let mut pairs: Vec<&[u8]> = query.split(|b| *b == b'&').collect();
            pairs.sort_unstable();
            pairs.join(&b'&')
        }),
        change("query-not-encoded", 1, "the signer signed the query percent-decoded", |query| encoding::decode(query, Decoding::Percent)),
        change("query-encoded-anew", 2, "the signer decoded the query and encoded it anew", |query| {
            encode(&encoding::decode(query, Decoding::Percent), b"=&")
        }),
        change("query-encoded-again", 2, "the signer percent-encoded the query once more", |query| encode(query, b"=&")),
        change("blank-as-plus", 1, "the signer wrote a blank of the query as +", |query| replace(query, b"%20", b"+")),
        change("plus-as-blank", 1, "the signer took a + of the query for a blank", |query| replace(query, b"+", b"%20")),
        change("plus-as-escaped-plus", 2, "the signer wrote a + of the query as %2B", |query| replace(query, b"+", b"%2B")),
        change("escape-lower-case", 2, "the signer wrote percent triplets in lower case", lower_triplets),
    ];
    all.push(Mutation::new("query-mark-kept", 2, rule, "the target was signed with a ? although there is no query", |process| {
        let request = request(process)?;
        (!request.target.contains(&b'?')).then(|| request.target.push(b'?'))
    }));
    all
}

/// Every occurrence of a text replaced.
pub(in super::super) fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        if rest.starts_with(from) && !from.is_empty() {
            out.extend_from_slice(to);
            rest = &rest[from.len()..];
        } else {
            out.push(*first);
            rest = &rest[1..];
        }
    }
    out
}

/// Percent triplets in lower case.
pub(super) fn lower_triplets(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    for at in 0..out.len() {
        if out[at] == b'%' && at + 3 <= out.len() {
            out[at + 1..at + 3].make_ascii_lowercase();
        }
    }
    out
}

fn scheme(base: &Process, request_now: &Request) -> Vec<Mutation> {
    let sees = |s: &Source| matches!(s, Source::Scheme | Source::Authority | Source::Port);
    let Some(rule) = rule_of(base, sees) else { return Vec::new() };
    let other = if request_now.scheme == Scheme::Http { Scheme::Https } else { Scheme::Http };
    let what = format!("the request was signed for {}: TLS begins or ends at a proxy", other.as_str());
    vec![Mutation::new("scheme-other", 1, rule, what, move |process| {
        request(process)?.scheme = other;
        Some(())
    })]
}

fn version(base: &Process, request_now: &Request) -> Vec<Mutation> {
    let Some(rule) = rule_of(base, |s| *s == Source::HttpVersion) else { return Vec::new() };
    let others = ["HTTP/1.1", "HTTP/2.0", "HTTP/2", "HTTP/1.0"].into_iter().filter(|v| *v != request_now.version);
    let put = |version: &'static str| {
        let what = format!("the request was signed as {version}: a proxy speaks another version than the signer");
        Mutation::new("http-version-other", 1, rule.clone(), what, move |process| {
            request(process)?.version = version.to_owned();
            Some(())
        })
        .on_axis("version")
    };
    others.map(put).collect()
}

fn host(base: &Process, request_now: &Request) -> Vec<Mutation> {
    let sees = |s: &Source| match s {
        Source::Host | Source::Hostname | Source::Authority => true,
        Source::Header(name) => name == "host",
        _ => false,
    };
    let listed = || base.signed_names().iter().chain(&base.plan().headers.always).any(|n| n.eq_ignore_ascii_case("host"));
    let in_list = super::place::signs_headers(base.plan()).filter(|_| listed()).map(|_| "headers.sign".to_owned());
    let Some(rule) = rule_of(base, sees).or(in_list) else { return Vec::new() };
    let now = trim(base.header("host").unwrap_or_default()).to_vec();
    let (name, port) = split_port(&now);
    let joined = |port: &str| [name, b":", port.as_bytes()].concat();
    let default = request_now.scheme.default_port();
    let mut hosts: Vec<(&'static str, u8, String, Vec<u8>)> = Vec::new();
    if port.is_some() {
        hosts.push(("host-without-port", 1, "the host was signed without its port".to_owned(), name.to_vec()));
    } else {
        hosts.push(("host-with-port", 1, format!("the host was signed with the port {default}"), joined(default)));
        let other = if default == "80" { "443" } else { "80" };
        hosts.push(("host-with-port", 2, format!("the host was signed with the port {other}"), joined(other)));
        hosts.push(("host-with-port", 2, "the host was signed with the port 8080".to_owned(), joined("8080")));
    }
    hosts.push(("host-lower-case", 1, "the host was signed in lower case".to_owned(), now.to_ascii_lowercase()));
    for header in FORWARDED_HOST {
        if let Some(told) = base.header(header) {
            let first = trim(told.split(|b| *b == b',').next().unwrap_or_default()).to_vec();
            hosts.push(("host-rewritten", 1, rewritten(&first, header), first));
        }
    }
    if let Some(told) = base.header("forwarded").and_then(forwarded_host) {
        hosts.push(("host-rewritten", 1, rewritten(&told, "forwarded"), told));
    }
    hosts.push(("host-empty", 2, "the host was empty when it was signed".to_owned(), Vec::new()));
    let put = |(id, cost, what, host): (&'static str, u8, String, Vec<u8>)| {
        Mutation::new(id, cost, rule.clone(), what, move |process| {
            (trim(process.header("host").unwrap_or_default()) != host).then(|| process.set_header("host", &host))
        })
        .on_axis("host")
    };
    hosts.into_iter().map(put).collect()
}

fn rewritten(host: &[u8], header: &str) -> String {
    format!("the host was signed as {}, which {header} tells: a proxy rewrote it", host.escape_ascii())
}

/// The host of the first element of a Forwarded header (RFC 7239).
fn forwarded_host(value: &[u8]) -> Option<Vec<u8>> {
    let first = value.split(|b| *b == b',').next()?;
    first.split(|b| *b == b';').map(trim).find_map(|pair| {
        let (name, value) = pair.split_at_checked(5)?;
        name.eq_ignore_ascii_case(b"host=").then(|| trim(value).iter().copied().filter(|b| *b != b'"').collect())
    })
}
