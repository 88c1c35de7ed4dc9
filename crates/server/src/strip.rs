//! What is taken off a request before it is forwarded, and the identity that is put on.
//!
//! An upstream may trust what it receives: no header of ours that a peer wrote, no credential, no leftover of a
//! protocol that nobody verified, and nothing that would make it see another method or path than the verified one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use countersign_core::admission::{Admitted, BodyProof};
use countersign_protocol::{Dialect, Part, Place, Reason};

use crate::forwarded::is_of_the_way;
use crate::head::Head;
use crate::route::decoded;
use crate::session::cookie::without;
use crate::tls::Fingerprint;

/// The prefix of the headers that tell an upstream who called.
pub(crate) const IDENTITY_PREFIX: &str = "x-countersign-";
/// The header that carries the request's id.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// Headers that speak of one connection only (RFC 9110, section 7.6.1), and the framing, which is written anew.
const HOP_BY_HOP: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers with which a peer asks an upstream to see another request than the one on the wire.
const OVERRIDES: [&str; 5] = ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Headers that have a meaning of their own, even where a dialect reads them: they are always forwarded.
const STANDARD: [&str; 12] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "content-digest",
    "content-encoding",
    "content-md5",
    "content-type",
    "date",
    "digest",
    "host",
    "range",
    "user-agent",
];

/// The places in which dialects carry their claims.
#[derive(Debug, Default, Clone)]
pub(crate) struct Carried {
    headers: BTreeSet<String>,
    parameters: BTreeSet<String>,
}

impl Carried {
    pub(crate) fn by<'a>(dialects: impl IntoIterator<Item = &'a Dialect>) -> Self {
        let mut carried = Self::default();
        for carrier in dialects.into_iter().flat_map(Dialect::carriers) {
            match carrier.place {
                Place::Header => drop(carried.headers.insert(plain_name(carrier.name))),
                Place::Query | Place::Params => drop(carried.parameters.insert(carrier.name.to_owned())),
                _ => {}
            }
        }
        carried.headers.retain(|name| !STANDARD.contains(&name.as_str()));
        carried
    }

    /// What a caller without a signature carries.
    pub(crate) fn authorization() -> Self {
        Self { headers: BTreeSet::from(["authorization".to_owned()]), parameters: BTreeSet::new() }
    }

    /// Whether something that is carried stands in this head, an `Authorization` line apart: it may be of any other scheme.
    pub(crate) fn is_begun_in(&self, head: &Head) -> bool {
        let carries = |name: &str| self.headers.contains(&plain_name(name)) && !name.eq_ignore_ascii_case("authorization");
        let (_, query) = split_target(&head.target);
        head.headers.iter().any(|(name, _)| carries(name))
            || query.is_some_and(|query| query.split(|b| *b == b'&').any(|pair| self.has_parameter(pair)))
    }

    fn has_parameter(&self, pair: &[u8]) -> bool {
        std::str::from_utf8(&parameter_name(pair)).is_ok_and(|name| self.parameters.contains(name))
    }

    /// The target with the values of these parameters hidden, for logs.
    pub(crate) fn redacted(&self, target: &[u8]) -> String {
        let (path, query) = split_target(target);
        let hide = |pair: &[u8]| match pair.iter().position(|b| *b == b'=') {
            Some(equals) if self.has_parameter(pair) => [&pair[..=equals], b"***"].concat(),
            _ => pair.to_vec(),
        };
        let query = query.map(|query| query.split(|b| *b == b'&').map(hide).collect::<Vec<_>>().join(&b'&'));
        String::from_utf8_lossy(&join_target(path, query)).into_owned()
    }
}

/// As whose request one goes upstream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Standing<'a> {
    /// Of an admitted caller.
    Admitted(&'a Admitted),
    /// Of nobody: a route in shadow mode would refuse it for this reason.
    Unproved(Reason),
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) client: IpAddr,
    /// The certificate that the peer showed.
    pub(crate) certificate: Option<Fingerprint>,
    /// Whether the headers that tell of the way are a trusted proxy's.
    pub(crate) trusted: bool,
}

/// What one request loses and gains on its way.
#[derive(Debug)]
pub(crate) struct Stripping<'a> {
    pub(crate) standing: Standing<'a>,
    pub(crate) way: Way,
    /// Where the admitted dialect carries its claim; where any does, for a request of nobody.
    pub(crate) own: &'a Carried,
    /// Whether that is forwarded.
    pub(crate) keeps_own: bool,
    /// Where any known dialect carries its claim.
    pub(crate) known: &'a Carried,
    /// Where the gateway's own signature will stand: nothing of the peer's stays there.
    pub(crate) replaced: Option<&'a Carried>,
    /// The header of access tokens, where they are not forwarded.
    pub(crate) token: Option<&'a str>,
    /// The cookies of sessions, where they are not forwarded.
    pub(crate) cookies: &'a [&'a str],
}

impl Stripping<'_> {
    /// The header lines that go upstream, in their order, with the identity at the end.
    pub(crate) fn headers(&self, head: &Head, request_id: &str) -> Vec<(String, Vec<u8>)> {
        let kept = head.headers.iter().filter(|(name, _)| self.keeps_header(name));
        let mut lines: Vec<(String, Vec<u8>)> = kept.filter_map(|line| self.without_cookies(line)).collect();
        let mut tell = |name: &str, value: String| lines.push((format!("{IDENTITY_PREFIX}{name}"), value.into_bytes()));
        match self.standing {
            Standing::Admitted(admitted) => {
                for (name, value) in identity(admitted, admitted.covers()) {
                    tell(name, value);
                }
                for (name, value) in user(admitted) {
                    tell(name, value);
                }
                tell("body", body_word(admitted.body()).to_owned());
            }
            // What a peer may learn: an upstream could show it.
            Standing::Unproved(reason) => tell("shadow", reason.public().as_str().to_owned()),
        }
        tell("client", self.way.client.to_string());
        if let Some(certificate) = self.way.certificate {
            tell("client-certificate", certificate.to_string());
        }
        lines.push((REQUEST_ID.to_owned(), request_id.as_bytes().to_vec()));
        lines
    }

    /// The target that goes upstream: the raw one, less the claim's own parameters.
    pub(crate) fn target(&self, head: &Head) -> Vec<u8> {
        let (path, query) = split_target(&head.target);
        let Some(query) = query else { return head.target.clone() };
        let kept: Vec<&[u8]> = query.split(|b| *b == b'&').filter(|pair| self.keeps_parameter(pair)).collect();
        let kept = (!kept.is_empty()).then(|| kept.join(&b'&'));
        join_target(path, kept)
    }

    /// The line without the cookies of sessions; nothing when no other is left.
    fn without_cookies(&self, (name, value): &(String, Vec<u8>)) -> Option<(String, Vec<u8>)> {
        if self.cookies.is_empty() || plain_name(name) != "cookie" {
            return Some((name.clone(), value.clone()));
        }
        without(value, self.cookies).map(|value| (name.clone(), value))
    }

    fn covers(&self, part: &Part) -> bool {
        match self.standing {
            Standing::Admitted(admitted) => admitted.covers().contains(part),
            Standing::Unproved(_) => false,
        }
    }

    fn keeps_header(&self, name: &str) -> bool {
        let plain = plain_name(name);
        if HOP_BY_HOP.contains(&plain.as_str()) || plain.starts_with(IDENTITY_PREFIX) || plain == REQUEST_ID {
            return false;
        }
        if self.token.is_some_and(|token| plain_name(token) == plain) {
            return false;
        }
        if self.replaced.is_some_and(|replaced| replaced.headers.contains(&plain)) {
            return false;
        }
        // An untrusted peer may sign them, and still not say who stands before it. In another spelling they are the client's
        // also where a trusted proxy passes them on.
        if is_of_the_way(&plain) && (!self.way.trusted || name.contains('_')) {
            return false;
        }
        if self.own.headers.contains(&plain) {
            return self.keeps_own;
        }
        let signed = self.covers(&Part::Header(name.to_ascii_lowercase()));
        signed || !(OVERRIDES.contains(&plain.as_str()) || self.known.headers.contains(&plain))
    }

    fn keeps_parameter(&self, pair: &[u8]) -> bool {
        if self.replaced.is_some_and(|replaced| replaced.has_parameter(pair)) {
            return false;
        }
        if self.own.has_parameter(pair) {
            return self.keeps_own;
        }
        let signed = || self.covers(&Part::QueryParameter(String::from_utf8_lossy(&parameter_name(pair)).into_owned()));
        self.covers(&Part::Query) || !self.known.has_parameter(pair) || signed()
    }
}

/// What an upstream is told of the body.
const fn body_word(proof: BodyProof) -> &'static str {
    match proof {
        BodyProof::Intact => "intact",
        BodyProof::Pending => "pending",
        // Also whatever a later version of the core may know less of.
        _ => "unchecked",
    }
}

/// Who called, and what the signature covers: each name without its prefix, each value visible ASCII.
pub(crate) fn identity<'a>(admitted: &Admitted, covers: impl IntoIterator<Item = &'a Part>) -> [(&'static str, String); 4] {
    let covers = covers.into_iter().map(|part| visible(&part.to_string(), b",")).collect::<Vec<_>>();
    [
        ("app", visible(&admitted.app().name, b"")),
        ("key-id", visible(admitted.key_id(), b"")),
        ("dialect", admitted.dialect().to_owned()),
        ("covers", covers.join(",")),
    ]
}

/// What is told of a user, without the prefix.
pub(crate) const USER_NAMES: [&str; 5] = ["user", "user-name", "user-scopes", "user-roles", "session"];

/// The user, where an access token came: each of [`USER_NAMES`], each value visible ASCII.
pub(crate) fn user(admitted: &Admitted) -> Vec<(&'static str, String)> {
    let Some(user) = admitted.user() else { return Vec::new() };
    let list = |items: &[String]| items.iter().map(|item| visible(item, b",")).collect::<Vec<_>>().join(",");
    let values = [user.id.clone(), visible(&user.name, b""), list(&user.scopes), list(&user.roles), user.session.clone()];
    USER_NAMES.into_iter().zip(values).collect()
}

/// The decoded name of a query parameter.
fn parameter_name(pair: &[u8]) -> Vec<u8> {
    decoded(pair.split(|b| *b == b'=').next().unwrap_or_default())
}

/// A header name as a CGI-like upstream would see it: lower case, `_` and `-` alike.
pub(crate) fn plain_name(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

fn split_target(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|b| *b == b'?') {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    }
}

fn join_target(path: &[u8], query: Option<Vec<u8>>) -> Vec<u8> {
    match query {
        Some(query) => [path, b"?", &query].concat(),
        None => path.to_vec(),
    }
}

/// The text as visible ASCII: other bytes, `%` and these are percent-encoded.
fn visible(text: &str, and: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && !and.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use countersign_protocol::Dialects;

    use super::*;

    #[test]
    fn what_dialects_carry_is_redacted_however_it_is_spelt() {
        let known = Carried::by(Dialects::builtin().unwrap().iter());
        assert_eq!(known.redacted(b"/a?api_key=s&b=c&X-Amz-Signature=t"), "/a?api_key=***&b=c&X-Amz-Signature=***");
        assert_eq!(known.redacted(b"/a?api%5Fkey=s&%61pi_key=t=u"), "/a?api%5Fkey=***&%61pi_key=***");
        assert_eq!(known.redacted(b"/a?api_key"), "/a?api_key");
        assert_eq!(known.redacted(b"/api_key=s"), "/api_key=s");
    }

    #[test]
    fn standard_headers_are_no_carriers() {
        let known = Carried::by(Dialects::builtin().unwrap().iter());
        assert!(STANDARD.iter().all(|name| !known.headers.contains(*name)));
        assert!(known.headers.contains("authorization"));
    }

    #[test]
    fn identities_are_visible_ascii() {
        assert_eq!(visible("caf\u{e9} 100%\r\n", b""), "caf%C3%A9%20100%25%0D%0A");
        assert_eq!(visible("query.a,b", b","), "query.a%2Cb");
    }
}
