//! Routes: which requests go where, and under which rules.

pub(crate) mod forward;

use std::sync::Arc;

use countersign_core::admission::RouteRules;
use countersign_protocol::Scheme;

use self::forward::Forwarding;
use crate::decide::DecideBody;
use crate::envelope::RouteEnvelope;
use crate::head::Head;
use crate::response::ResponseSigner;
use crate::tls::Fingerprint;
use crate::upstream::Servers;

/// One route.
#[derive(Debug)]
#[non_exhaustive]
pub struct Route {
    /// For logs: host and prefix.
    pub name: String,
    /// The host that it answers, lower case; any when absent. A port counts only if it is written here.
    pub host: Option<String>,
    /// The path prefix, on borders of segments: `/V1` serves `/V1` and `/V1/a`, not `/V10`.
    pub prefix: String,
    /// The methods; any when empty.
    pub methods: Vec<String>,
    /// Where admitted requests go.
    pub upstream: Upstream,
    /// How a request is admitted.
    pub rules: RouteRules,
    /// How an admitted request is passed on.
    pub(crate) forward: Forwarding,
    /// Whether the credentials that a request carries are forwarded.
    pub keep_credentials: bool,
    /// Under which scheme and host the outer peer addressed the gateway.
    pub authority: ExternalAuthority,
    /// How encrypted bodies are opened.
    pub(crate) envelope: Option<RouteEnvelope>,
    /// What a proxy in front took off the path that the outer peer used; it is verified, and does not go upstream.
    pub external_prefix: Option<String>,
    /// What becomes of a request that is not admitted.
    pub mode: Mode,
    /// Whether the connection has to bring a client's certificate.
    pub client_certificate: ClientCertificate,
    /// In decide mode: what becomes of requests with bodies.
    pub decide_body: DecideBody,
    /// Signs the answers that go to the peer.
    pub sign_response: Option<ResponseSigner>,
}

/// What becomes of a request that is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It goes upstream without an identity, and the log tells why it would be refused. Limits of size and number hold.
    Shadow,
}

/// Whether the connection has to bring a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ClientCertificate {
    /// It need not.
    #[default]
    NotNeeded,
    /// One that a listener's authority issued.
    Any,
    /// And it is one of these.
    OneOf(Vec<Fingerprint>),
}

impl ClientCertificate {
    /// Whether a connection with this certificate fulfils it.
    pub(crate) fn takes(&self, shown: Option<&Fingerprint>) -> bool {
        match self {
            Self::NotNeeded => true,
            Self::Any => shown.is_some(),
            Self::OneOf(pins) => shown.is_some_and(|shown| pins.contains(shown)),
        }
    }
}

/// Where admitted requests go.
#[derive(Debug, Clone)]
pub enum Upstream {
    /// The built-in echo.
    Echo,
    /// One of these servers.
    Servers(Arc<Servers>),
}

impl Upstream {
    /// Whether nobody on a network can read what goes there.
    pub(crate) fn is_private(&self) -> bool {
        match self {
            Self::Echo => true,
            Self::Servers(servers) => servers.definition().servers.iter().all(|address| address.tls || address.is_loopback()),
        }
    }
}

/// Where scheme and host of a request come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ExternalAuthority {
    /// From the connection and the Host header.
    #[default]
    Wire,
    /// From the `Forwarded` or `X-Forwarded-*` headers of a trusted proxy; as the connection says where it tells nothing,
    /// and for everyone else.
    Forwarded,
    /// As configured: a proxy in front ends TLS or changes the host.
    Fixed {
        /// The scheme that the outer peer used.
        scheme: Scheme,
        /// The host that the outer peer used; the Host header's when absent.
        host: Option<String>,
    },
}

/// The routes of a gateway.
#[derive(Debug, Default)]
pub struct Routes(Vec<Route>);

/// What the table says of a request.
#[derive(Debug)]
pub(crate) enum Found<'r> {
    /// It goes here.
    Route(&'r Route),
    /// It goes nowhere.
    Nothing,
    /// A reader that resolves dots or escapes would take it elsewhere.
    Unclear,
}

impl Routes {
    /// A table of these routes.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// The routes, as configured.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// The route of this request: a route for its host before one for any, then the longest prefix. `told` is the host that a
    /// trusted proxy tells of: it counts for the routes that take their authority from there.
    pub(crate) fn find(&self, head: &Head, told: Option<&str>) -> Found<'_> {
        let wire = String::from_utf8_lossy(head.host()).to_ascii_lowercase();
        let told = told.map(str::to_ascii_lowercase);
        let forwarded = told.as_ref().unwrap_or(&wire);
        let host = |route: &Route| if route.authority == ExternalAuthority::Forwarded { forwarded } else { &wire };
        let index = |path: &[u8]| self.index(&host, path, &head.method);
        let found = index(head.path());
        // The raw path goes on as it is. If the upstream resolved `/V1/..%2fV2/x`, rules of V1 would open V2.
        if found != index(&resolved(head.path())) {
            return Found::Unclear;
        }
        found.map_or(Found::Nothing, |i| Found::Route(&self.0[i]))
    }

    fn index<'h>(&self, host: &impl Fn(&Route) -> &'h String, path: &[u8], method: &str) -> Option<usize> {
        let fits = |route: &Route| route.takes(host(route), path, method);
        let rank = |route: &Route| (route.host.is_some(), route.prefix.len());
        let fitting = self.0.iter().enumerate().filter(|(_, route)| fits(route));
        fitting.max_by_key(|(_, route)| rank(route)).map(|(i, _)| i)
    }
}

impl Route {
    fn takes(&self, host: &str, path: &[u8], method: &str) -> bool {
        let same_host = self.host.as_deref().is_none_or(|own| own == host || own == without_port(host));
        same_host && self.covers_path(path) && (self.methods.is_empty() || self.methods.iter().any(|m| m == method))
    }

    fn covers_path(&self, path: &[u8]) -> bool {
        let prefix = self.prefix.trim_end_matches('/').as_bytes();
        let whole = self.prefix.len() > prefix.len();
        match path.strip_prefix(prefix) {
            Some(rest) => rest.first() == Some(&b'/') || (rest.is_empty() && !whole),
            None => false,
        }
    }
}

/// Whether it is a path that every reader reads alike: no escapes, doubled slashes or dot segments.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/!$&'()*+,;=:@".contains(c);
    let dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
    path.starts_with('/') && !path.contains("//") && !dots && path.chars().all(plain)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The path as the most eager reader would see it: escapes decoded, `\` as `/`, doubled slashes and dot segments gone.
fn resolved(path: &[u8]) -> Vec<u8> {
    let decoded = decoded(&decoded(path));
    let slashes = decoded.into_iter().map(|b| if b == b'\\' { b'/' } else { b }).collect::<Vec<_>>();
    let mut kept: Vec<&[u8]> = Vec::new();
    let open = slashes.ends_with(b"/") || slashes.ends_with(b"/.") || slashes.ends_with(b"/..");
    for segment in slashes.split(|b| *b == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            // Path parameters end a segment for some readers: `/V1/..;/V2`.
            _ if segment.starts_with(b"..;") => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let mut path = b"/".to_vec();
    path.extend(kept.join(&b'/'));
    if open && path.len() > 1 {
        path.push(b'/');
    }
    path
}

/// Percent-decoding; what is no escape stays.
pub(crate) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let escape = text.get(at + 1..at + 3).filter(|_| text[at] == b'%').and_then(hex_byte);
        out.push(escape.unwrap_or(text[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    out
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn route(host: Option<&str>, prefix: &str, methods: &[&str]) -> Route {
        Route {
            name: format!("{}{prefix}", host.unwrap_or_default()),
            host: host.map(str::to_owned),
            prefix: prefix.to_owned(),
            methods: methods.iter().map(|m| (*m).to_owned()).collect(),
            upstream: Upstream::Echo,
            rules: RouteRules::new(Vec::new()),
            forward: Forwarding::default(),
            keep_credentials: false,
            authority: ExternalAuthority::Wire,
            envelope: None,
            external_prefix: None,
            mode: Mode::Enforce,
            client_certificate: ClientCertificate::NotNeeded,
            decide_body: DecideBody::Refuse,
            sign_response: None,
        }
    }

    fn found(routes: &Routes, method: &str, host: &str, target: &str) -> String {
        let head = Head::from_http1(format!("{method} {target} HTTP/1.1\r\nHost: {host}").as_bytes(), &Limits::default()).unwrap();
        match routes.find(&head, None) {
            Found::Route(route) => route.name.clone(),
            Found::Nothing => "-".to_owned(),
            Found::Unclear => "?".to_owned(),
        }
    }

    #[test]
    fn the_host_then_the_longest_prefix_decide() {
        let routes = Routes::new(vec![
            route(None, "/", &[]),
            route(None, "/V1", &[]),
            route(None, "/V1/deep/", &[]),
            route(Some("api.example.com"), "/V2", &[]),
            route(None, "/post", &["POST"]),
        ]);
        let get = |host: &str, target: &str| found(&routes, "GET", host, target);
        assert_eq!(get("h", "/V1"), "/V1");
        assert_eq!(get("h", "/V1/x?y"), "/V1");
        assert_eq!(get("h", "/V10"), "/");
        assert_eq!(get("h", "/V1/deep"), "/V1");
        assert_eq!(get("h", "/V1/deep/x"), "/V1/deep/");
        assert_eq!(get("API.example.com:8080", "/V2/x"), "api.example.com/V2");
        assert_eq!(get("h", "/V2/x"), "/");
        assert_eq!(get("h", "/post"), "/");
        assert_eq!(found(&routes, "POST", "h", "/post"), "/post");
    }

    #[test]
    fn a_host_that_a_proxy_tells_of_counts_where_the_route_says_so() {
        let forwarded = Route { authority: ExternalAuthority::Forwarded, ..route(Some("api.example.com"), "/", &[]) };
        let routes = Routes::new(vec![forwarded, route(Some("inner"), "/", &[])]);
        let head = |host: &str| Head::from_http1(format!("GET / HTTP/1.1\r\nHost: {host}").as_bytes(), &Limits::default()).unwrap();
        let name = |host: &str, told: Option<&str>| match routes.find(&head(host), told) {
            Found::Route(route) => route.name.clone(),
            _ => "-".to_owned(),
        };
        assert_eq!(name("proxied", Some("API.example.com")), "api.example.com/");
        assert_eq!(name("proxied", Some("inner")), "-");
        assert_eq!(name("api.example.com", None), "api.example.com/");
        assert_eq!(name("inner", Some("other")), "inner/");
    }

    #[test]
    fn a_path_that_another_reader_takes_elsewhere_is_unclear() {
        let routes = Routes::new(vec![route(None, "/V1", &[]), route(None, "/V2", &[])]);
        for path in
            ["/V1/../V2/x", "/V1/%2e%2e/V2/x", "/V1/..%2fV2/x", "/V1/..%5CV2", "/V1/%252e%252e/V2/", "/V1/..;/V2/x", "/V1/..", "/x/../V2"]
        {
            assert_eq!(found(&routes, "GET", "h", path), "?", "{path}");
        }
        for path in ["/V1/a/../b", "/V1//a", "/V1/./", "/V1/a%2Fb", "/V1/100%"] {
            assert_eq!(found(&routes, "GET", "h", path), "/V1", "{path}");
        }
    }
}
