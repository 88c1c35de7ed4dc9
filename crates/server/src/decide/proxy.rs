//! What each proxy tells of the request about which it asks: one style at a time, under its own documented names.

use countersign_protocol::{Refusal, Scheme};

use crate::head::{Framing, Head, malformed};
use crate::limits::Limits;

/// The proxy that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// nginx with `auth_request`: method and target under names that its configuration sets, `Host` as the peer sent it.
    Nginx,
    /// Traefik with `ForwardAuth`: everything under `X-Forwarded-*`.
    Traefik,
    /// Caddy with `forward_auth`: everything under `X-Forwarded-*`.
    Caddy,
    /// Envoy with `ext_authz` over HTTP: the request's own method, target and host, the target behind a prefix.
    Envoy {
        /// Its `path_prefix`; empty when it has none.
        path_prefix: String,
    },
}

/// The names under which a proxy tells one request.
struct Names {
    method: Option<&'static str>,
    target: Option<&'static str>,
    host: Option<&'static str>,
    /// Further lines of the proxy's own, which the peer did not send.
    more: &'static [&'static str],
}

const SCHEME: &str = "x-forwarded-proto";
const LENGTH: &str = "x-original-content-length";
const CODING: &str = "x-original-transfer-encoding";
/// Lines that speak of the proxy's connection to here.
const OWN_CONNECTION: [&str; 4] = ["connection", "content-length", "transfer-encoding", "expect"];

const NGINX: Names = Names { method: Some("x-original-method"), target: Some("x-original-uri"), host: None, more: &[LENGTH, CODING] };
const FORWARDED: Names =
    Names { method: Some("x-forwarded-method"), target: Some("x-forwarded-uri"), host: Some("x-forwarded-host"), more: &[] };
const ENVOY: Names = Names { method: None, target: None, host: None, more: &[] };

/// The request of the outer peer, as the proxy tells it.
#[derive(Debug)]
pub(super) struct Original {
    pub(super) head: Head,
    pub(super) scheme: Scheme,
    /// Whether the proxy's question shows that the request has a body. Not every proxy can.
    pub(super) shows_body: bool,
}

impl Proxy {
    const fn names(&self) -> &'static Names {
        match self {
            Self::Nginx => &NGINX,
            Self::Traefik | Self::Caddy => &FORWARDED,
            Self::Envoy { .. } => &ENVOY,
        }
    }

    /// Reads the request about which the proxy asks.
    pub(super) fn original(&self, asked: &Head, limits: &Limits) -> Result<Original, Refusal> {
        let names = self.names();
        let method = names.method.map_or(Ok(asked.method.as_bytes()), |name| one(asked, name))?;
        let target = names.target.map_or_else(|| self.target_of(asked), |name| one(asked, name))?;
        let host = names.host.map_or(Ok(asked.host()), |name| one(asked, name))?;
        let scheme = scheme(one(asked, SCHEME)?)?;
        let told = [names.method, names.target, names.host, Some(SCHEME)];
        let of_proxy = |name: &str| {
            let mut own = told.iter().flatten().chain(names.more).chain(&OWN_CONNECTION);
            own.any(|own| name.eq_ignore_ascii_case(own))
        };
        let kept = asked.headers.iter().filter(|(name, _)| !of_proxy(name));
        let headers = kept.map(|(name, value)| (name.clone(), if is_host(name) { host.to_vec() } else { value.clone() }));
        let head = Head::told(method, target, asked.version, headers.collect(), limits)?;
        Ok(Original { head, scheme, shows_body: shows_body(asked, names) })
    }

    fn target_of<'a>(&self, asked: &'a Head) -> Result<&'a [u8], Refusal> {
        let Self::Envoy { path_prefix } = self else { return Ok(&asked.target) };
        let target = asked.target.strip_prefix(path_prefix.as_bytes());
        target.ok_or_else(|| malformed("the target does not begin with path_prefix: write the same one here and in the proxy"))
    }

    /// Whether it can be told to give the body with its question.
    pub(crate) const fn gives_bodies(&self) -> bool {
        matches!(self, Self::Traefik | Self::Envoy { .. })
    }

    /// Whether it hands the status of any refusal on to its peer; else it knows 401 and 403 only.
    pub(super) const fn hands_on_refusals(&self) -> bool {
        !matches!(self, Self::Nginx)
    }
}

fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host")
}

/// What the proxy alone may tell stands there exactly once: two lines could be one of the proxy and one of its peer.
fn one<'a>(asked: &'a Head, name: &'static str) -> Result<&'a [u8], Refusal> {
    let mut lines = asked.values(name);
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(line),
        (None, _) => Err(malformed(format!("{name} is missing: the proxy must set it"))),
        (Some(_), Some(_)) => Err(malformed(format!("{name} is there more than once: the proxy must set it, not add to it"))),
    }
}

fn scheme(text: &[u8]) -> Result<Scheme, Refusal> {
    match text {
        b"http" | b"ws" => Ok(Scheme::Http),
        b"https" | b"wss" => Ok(Scheme::Https),
        _ => Err(malformed("x-forwarded-proto is neither http nor https")),
    }
}

fn shows_body(asked: &Head, names: &Names) -> bool {
    let told = names.more.contains(&LENGTH) && (asked.values(LENGTH).any(|length| length != b"0") || asked.values(CODING).next().is_some());
    told || asked.framing != Framing::Length(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(proxy: &Proxy, text: &str) -> Result<Original, Refusal> {
        let limits = Limits::default();
        proxy.original(&Head::from_http1(text.as_bytes(), &limits).unwrap(), &limits)
    }

    fn told(proxy: &Proxy, text: &str) -> String {
        let Original { head, scheme, shows_body } = original(proxy, text).unwrap();
        let target = String::from_utf8_lossy(&head.target).into_owned();
        let names: Vec<&str> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
        let host = String::from_utf8_lossy(head.host()).into_owned();
        format!("{} {} {target} {host} [{}] {shows_body}", head.method, scheme.as_str(), names.join(" "))
    }

    #[test]
    fn each_proxy_is_read_under_its_own_names() {
        let nginx = "GET /decide HTTP/1.0\r\nHost: api\r\nConnection: close\r\nX-Original-Method: PUT\r\nX-Original-URI: /a%2F//b?c=+\r\nX-Forwarded-Proto: https\r\nX-A: 1";
        assert_eq!(told(&Proxy::Nginx, nginx), "PUT https /a%2F//b?c=+ api [Host X-A] false");
        let forwarded = "GET /decide HTTP/1.1\r\nHost: decider:9000\r\nX-Forwarded-Method: PUT\r\nX-Forwarded-Uri: /a?b\r\nX-Forwarded-Host: api:8443\r\nX-Forwarded-Proto: wss\r\nX-Forwarded-For: 192.0.2.1\r\nX-A: 1";
        for proxy in [Proxy::Traefik, Proxy::Caddy] {
            assert_eq!(told(&proxy, forwarded), "PUT https /a?b api:8443 [Host X-Forwarded-For X-A] false");
        }
        let envoy = "PUT /decide/a?b HTTP/1.1\r\nhost: api\r\ncontent-length: 0\r\nx-forwarded-proto: http\r\nx-a: 1";
        assert_eq!(told(&Proxy::Envoy { path_prefix: "/decide".to_owned() }, envoy), "PUT http /a?b api [host x-a] false");
        assert!(original(&Proxy::Envoy { path_prefix: "/other".to_owned() }, envoy).is_err());
    }

    #[test]
    fn the_names_of_another_proxy_mean_nothing() {
        let nginx = "GET / HTTP/1.1\r\nHost: api\r\nX-Original-Method: PUT\r\nX-Original-URI: /a\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Uri: /b\r\nX-Forwarded-Method: DELETE";
        assert!(told(&Proxy::Nginx, nginx).starts_with("PUT http /a api"));
        assert!(original(&Proxy::Traefik, nginx).unwrap_err().detail().contains("x-forwarded-host is missing"));
    }

    #[test]
    fn what_is_missing_doubled_or_no_request_is_refused() {
        let lines = ["X-Original-Method: GET", "X-Original-URI: /a", "X-Forwarded-Proto: http"];
        let with = |changed: &[&str]| original(&Proxy::Nginx, &format!("GET / HTTP/1.1\r\nHost: api\r\n{}", changed.join("\r\n")));
        assert!(with(&lines).is_ok());
        for at in 0..3 {
            let mut missing = lines.to_vec();
            missing.remove(at);
            assert!(with(&missing).unwrap_err().detail().contains("is missing"));
            let doubled = [&lines[..], &[lines[at]]].concat();
            assert!(with(&doubled).unwrap_err().detail().contains("more than once"));
        }
        for (at, other) in [
            (0, "X-Original-Method: GET PUT"),
            (0, "X-Original-Method:"),
            (0, "X-Original-Method: CONNECT"),
            (1, "X-Original-URI: a"),
            (1, "X-Original-URI: http://h/a"),
            (1, "X-Original-URI: /a b"),
            (1, "X-Original-URI: /a#b"),
            (1, "X-Original-URI: /\u{e9}"),
            (2, "X-Forwarded-Proto: http, https"),
        ] {
            let mut changed = lines.to_vec();
            changed[at] = other;
            assert!(with(&changed).is_err(), "{other}");
        }
    }

    #[test]
    fn a_body_shows_where_the_proxy_tells_of_it() {
        let with = |more: &str| {
            format!("GET / HTTP/1.1\r\nHost: api\r\nX-Original-Method: PUT\r\nX-Original-URI: /\r\nX-Forwarded-Proto: http{more}")
        };
        let shows = |more: &str| original(&Proxy::Nginx, &with(more)).unwrap().shows_body;
        assert!(!shows("") && !shows("\r\nX-Original-Content-Length: 0"));
        for more in
            ["X-Original-Content-Length: 5", "X-Original-Transfer-Encoding: chunked", "Content-Length: 5", "Transfer-Encoding: chunked"]
        {
            assert!(shows(&format!("\r\n{more}")), "{more}");
        }
    }
}
