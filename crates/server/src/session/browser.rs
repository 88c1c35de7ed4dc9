//! Browsers: the module that signs in a page, and which pages of other origins may call (CORS).
//!
//! What is allowed here is what a browser lets a page read. Whether a request is admitted is decided by its signature, for pages as for anyone.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use sha2::{Digest, Sha256};

use super::grant::REFRESH_HEADER;
use super::{PlainDelivery, SessionSettings, SignedDelivery, nothing};
use crate::head::Head;

/// The module.
const MODULE: &str = include_str!("browser.js");
/// Where it is, below the path of the API.
pub(super) const MODULE_PATH: &str = "/countersign.js";
/// With which methods a page may call.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// What a page may read of an answer besides the names that every page may.
const EXPOSED: &str = "date, retry-after, www-authenticate, x-request-id";
/// For how many seconds a browser need not ask again.
const MAX_AGE: &str = "600";
/// The most names and bytes of headers that a page announces.
const MOST_NAMES: usize = 64;
const MOST_BYTES: usize = 2 * 1024;

/// Why this is not the origin of a page as a browser writes it.
pub(crate) fn origin_fault(text: &str) -> Option<&'static str> {
    let Ok(uri) = text.parse::<Uri>() else { return Some("is no origin") };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Some("is no origin") };
    let (host, port) = (authority.host(), authority.port_u16());
    let host_is_plain = host.starts_with('[') || host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b));
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Some("has another scheme than https"),
    };
    let written = port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}"));
    if written != text || host.is_empty() || !host_is_plain || port == Some(default) {
        return Some("is not written as a browser sends it");
    }
    let is_local =
        host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback());
    // Whoever can change what comes over an open wire would be a listed page.
    (scheme == "http" && !is_local).then_some("is a page that anyone on its way can change")
}

/// The pages of other origins that may call.
#[derive(Debug)]
pub(super) struct Pages {
    origins: Vec<String>,
    /// Whether their requests may have cookies.
    with_cookies: bool,
    /// What they may read of an answer.
    exposed: HeaderValue,
}

impl Pages {
    pub(super) fn of(settings: &SessionSettings) -> Self {
        let plain = settings.plain.as_ref().map(|plain| &plain.deliver);
        let in_headers = settings.deliver == SignedDelivery::Header || matches!(plain, Some(PlainDelivery::Header));
        let tokens = if in_headers { format!(", {}, {REFRESH_HEADER}", settings.header) } else { String::new() };
        // The names of headers are visible ASCII.
        let exposed = HeaderValue::try_from(format!("{EXPOSED}{tokens}")).unwrap_or(HeaderValue::from_static(EXPOSED));
        Self { origins: settings.origins.clone(), with_cookies: matches!(plain, Some(PlainDelivery::Cookie(_))), exposed }
    }
}

/// What pages of other origins may do with the answer to one request.
#[derive(Debug)]
pub(crate) struct Cross {
    /// The listed origin of the page that asks, if one does.
    origin: Option<HeaderValue>,
    asks_first: bool,
    with_cookies: bool,
    exposed: HeaderValue,
}

impl Cross {
    /// Of this request, where such pages are listed.
    pub(super) fn of(head: &Head, pages: &Pages) -> Option<Self> {
        let Pages { origins: listed, with_cookies, exposed } = pages;
        if listed.is_empty() {
            return None;
        }
        let mut origins = head.values("origin");
        let origin = match (origins.next(), origins.next()) {
            (Some(origin), None) => {
                listed.iter().find(|listed| listed.as_bytes() == origin).and_then(|one| HeaderValue::try_from(one).ok())
            }
            _ => None,
        };
        let asks_first = origin.is_some() && head.method == "OPTIONS" && head.values("access-control-request-method").next().is_some();
        Some(Self { origin, asks_first, with_cookies: *with_cookies, exposed: exposed.clone() })
    }

    /// The head of the request that a page announces, for finding its route; nothing when this is no announcement of a listed page.
    pub(crate) fn announced(&self, head: &Head) -> Option<Head> {
        let method = head.values("access-control-request-method").next().and_then(|method| std::str::from_utf8(method).ok())?;
        self.asks_first.then(|| Head { method: method.to_owned(), ..head.clone() })
    }

    /// The answer to such an announcement.
    pub(crate) fn permission(&self, head: &Head) -> Response<Bytes> {
        let mut answer = nothing();
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        headers.extend(asked_headers(head).map(|names| (ACCESS_CONTROL_ALLOW_HEADERS, names)));
        headers.append(VARY, HeaderValue::from_static("access-control-request-method, access-control-request-headers"));
        self.allow(headers);
        answer
    }

    /// Says on an answer who may read it, in place of whatever stands there.
    pub(crate) fn allow(&self, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("origin"));
        headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
            if self.with_cookies {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
    }
}

/// The names that a page wants to send, if they are names.
fn asked_headers(head: &Head) -> Option<HeaderValue> {
    let asked = head.values("access-control-request-headers").collect::<Vec<_>>().join(&b", "[..]);
    let names = || asked.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    let fits = asked.len() <= MOST_BYTES && names().count() <= MOST_NAMES && names().all(|name| HeaderName::from_bytes(name).is_ok());
    fits.then(|| HeaderValue::from_bytes(&asked).ok()).flatten()
}

/// The module, or that the browser has it already.
pub(super) fn module(head: &Head) -> Response<Bytes> {
    let tag = tag();
    let known = head.values("if-none-match").any(|tags| tags.split(|b| *b == b',').any(|one| one.trim_ascii() == tag.as_bytes()));
    let mut answer = if known { Response::default() } else { Response::new(Bytes::from_static(MODULE.as_bytes())) };
    if known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (ETAG, tag)));
    answer
}

/// The strong tag of the module's bytes.
fn tag() -> String {
    let digest = Sha256::digest(MODULE);
    let text: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Framing;

    fn head(method: &str, headers: &[(&str, &str)]) -> Head {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Head { method: method.to_owned(), target: b"/a".to_vec(), version: "HTTP/1.1", headers, framing: Framing::Length(0) }
    }

    fn pages(origins: &[&str], with_cookies: bool) -> Pages {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Pages { origins, with_cookies, exposed: HeaderValue::from_static(EXPOSED) }
    }

    fn told(head: &Head) -> HeaderMap {
        told_by(head, false)
    }

    fn told_by(head: &Head, with_cookies: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        Cross::of(head, &pages(&["https://app.example.com"], with_cookies)).unwrap().allow(&mut headers);
        headers
    }

    #[test]
    fn an_origin_is_written_as_a_browser_sends_it() {
        for good in
            ["https://app.example.com", "https://app.example.com:8443", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:80801"]
        {
            let is_odd = good.ends_with("80801");
            assert_eq!(origin_fault(good).is_some(), is_odd, "{good}");
        }
        let bad = [
            "*",
            "null",
            "",
            "app.example.com",
            "https://",
            "https://app.example.com/",
            "https://app.example.com/a",
            "https://App.example.com",
            "https://app.example.com:443",
            "http://localhost:80",
            "https://*.example.com",
            "https://me@app.example.com",
            "http://app.example.com",
            "ftp://app.example.com",
            "https://app.example.com?",
            "https://a.example.com,https://b.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
        ];
        for bad in bad {
            assert!(origin_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_listed_origin_is_named_and_no_other() {
        let listed = told(&head("GET", &[("origin", "https://app.example.com")]));
        assert_eq!(listed[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.com");
        assert!(!listed.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
        let twice = [("origin", "https://app.example.com"), ("origin", "https://evil.example.com")];
        let others = ["https://evil.example.com", "https://app.example.com.evil.example.com", "https://APP.example.com", "null", "", "*"];
        let others = others.map(|origin| head("GET", &[("origin", origin)])).into_iter();
        for other in others.chain([head("GET", &[]), head("GET", &twice)]) {
            let headers = told(&other);
            assert_eq!(headers[VARY], "origin");
            assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{other:?}: {headers:?}");
            assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS) && !headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS));
        }
        assert!(Cross::of(&head("GET", &[("origin", "https://app.example.com")]), &pages(&[], true)).is_none());
        // Only where tokens are in cookies do listed pages send some, and no others ever.
        let with_cookies = told_by(&head("GET", &[("origin", "https://app.example.com")]), true);
        assert_eq!(with_cookies[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        let other = told_by(&head("GET", &[("origin", "https://evil.example.com")]), true);
        assert!(!other.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }

    #[test]
    fn only_a_listed_page_may_announce_a_request() {
        let announce = |origin: &str, method: &str| {
            let head = head(
                method,
                &[("origin", origin), ("access-control-request-method", "PUT"), ("access-control-request-headers", "x-a,x-b")],
            );
            let cross = Cross::of(&head, &pages(&["https://app.example.com"], false)).unwrap();
            cross.announced(&head).map(|announced| (announced.method, cross.permission(&head)))
        };
        let (method, answer) = announce("https://app.example.com", "OPTIONS").unwrap();
        assert_eq!((method.as_str(), answer.status()), ("PUT", StatusCode::NO_CONTENT));
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "x-a,x-b");
        assert!(announce("https://evil.example.com", "OPTIONS").is_none() && announce("https://app.example.com", "GET").is_none());
    }

    #[test]
    fn announced_names_are_names_and_few() {
        let asked = |names: &str| asked_headers(&head("OPTIONS", &[("access-control-request-headers", names)])).is_some();
        assert!(asked("authorization, x-access-token"));
        assert!(!asked("*, a b") && !asked("") && !asked(&vec!["x"; 65].join(",")) && !asked(&"x".repeat(MOST_BYTES + 1)));
    }

    #[test]
    fn the_module_is_sent_once() {
        let first = module(&head("GET", &[]));
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        assert_eq!((first.status(), &first.headers()[X_CONTENT_TYPE_OPTIONS]), (StatusCode::OK, &HeaderValue::from_static("nosniff")));
        let again = module(&head("GET", &[("if-none-match", &format!("\"x\", {tag}"))]));
        assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(module(&head("GET", &[("if-none-match", "\"x\"")])).status(), StatusCode::OK);
    }
}
