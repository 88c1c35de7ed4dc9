//! Routes: which requests go where, and under which rules.

use http::uri::Authority;

use countersign_core::admission::RouteRules;
use countersign_protocol::Scheme;

use crate::decide::DecideBody;
use crate::head::Head;
use crate::response::ResponseSigner;

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
    /// Whether the credentials that a request carries are forwarded.
    pub keep_credentials: bool,
    /// Under which scheme and host the outer peer addressed the gateway.
    pub authority: ExternalAuthority,
    /// In decide mode: what becomes of requests with bodies.
    pub decide_body: DecideBody,
    /// Signs the answers that go to the peer.
    pub sign_response: Option<ResponseSigner>,
}

/// Where admitted requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// The built-in echo.
    Echo,
    /// A server at this host and port, over plain HTTP.
    Http(Authority),
}

/// Where scheme and host of a request come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ExternalAuthority {
    /// From the connection and the Host header.
    #[default]
    Wire,
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

    /// The route of this request: a route for its host before one for any, then the longest prefix.
    pub(crate) fn find(&self, head: &Head) -> Found<'_> {
        let host = String::from_utf8_lossy(head.host()).to_ascii_lowercase();
        let index = |path: &[u8]| self.index(&host, path, &head.method);
        let found = index(head.path());
        // The raw path goes on as it is. If the upstream resolved `/V1/..%2fV2/x`, rules of V1 would open V2.
        if found != index(&resolved(head.path())) {
            return Found::Unclear;
        }
        found.map_or(Found::Nothing, |i| Found::Route(&self.0[i]))
    }

    fn index(&self, host: &str, path: &[u8], method: &str) -> Option<usize> {
        let fits = |route: &Route| route.takes(host, path, method);
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
            keep_credentials: false,
            authority: ExternalAuthority::Wire,
            decide_body: DecideBody::Refuse,
            sign_response: None,
        }
    }

    fn found(routes: &Routes, method: &str, host: &str, target: &str) -> String {
        let head = Head::from_http1(format!("{method} {target} HTTP/1.1\r\nHost: {host}").as_bytes(), &Limits::default()).unwrap();
        match routes.find(&head) {
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
