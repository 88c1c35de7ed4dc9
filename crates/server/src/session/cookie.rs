//! Tokens in cookies: giving and taking them, and what a request with one has to show.
//!
//! A browser sends a cookie with whatever page asks for it. So a request that changes something names the page's origin, which must be ours or a listed one, and
//! shows the CSRF token of the session, which only a page that may read our answers knows (double submit, bound to the session).

use std::sync::Arc;

use countersign_core::admission::{CookieRule, Csrf, changes_nothing};
use countersign_protocol::{Reason, Refusal, Scheme, Secret};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::head::{Head, malformed};

/// In which header a page shows the CSRF token.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// The most bytes of a cookie with its attributes: browsers drop longer ones without a word.
const MOST_COOKIE: usize = 4_096;

/// From where browsers send a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// From pages of the same site only.
    Strict,
    /// Also where a link of another site leads here.
    Lax,
}

impl SameSite {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
        }
    }
}

/// The cookies of a session. They are `HttpOnly` and `Secure`, and have no domain: no other host is sent them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CookieSettings {
    /// The access token's, and which pages may send it.
    pub access: Arc<CookieRule>,
    /// Under which path browsers send it.
    pub path: String,
    /// The refresh token's, which browsers send to the API only.
    pub refresh: CookieRule,
    /// The path of the API.
    pub refresh_path: String,
    /// From where browsers send them.
    pub same_site: SameSite,
}

impl CookieSettings {
    /// Puts both tokens, for so many seconds, on an answer.
    pub(super) fn give(&self, headers: &mut HeaderMap, access: &Secret, refresh: &Secret, seconds: i64) -> Result<(), Refusal> {
        for (rule, path, token) in [(&*self.access, &self.path, access), (&self.refresh, &self.refresh_path, refresh)] {
            headers.append(SET_COOKIE, self.line(rule, path, token.expose(), seconds)?);
        }
        Ok(())
    }

    /// Takes both tokens away.
    pub(super) fn take(&self, headers: &mut HeaderMap) -> Result<(), Refusal> {
        for (rule, path) in [(&*self.access, &self.path), (&self.refresh, &self.refresh_path)] {
            headers.append(SET_COOKIE, self.line(rule, path, b"", 0)?);
        }
        Ok(())
    }

    fn line(&self, rule: &CookieRule, path: &str, value: &[u8], seconds: i64) -> Result<HeaderValue, Refusal> {
        let unfit = |detail: &'static str| Refusal::new(Reason::Internal, detail);
        let attributes = format!("; Path={path}; Max-Age={seconds}; Secure; HttpOnly; SameSite={}", self.same_site.as_str());
        let line = zeroize::Zeroizing::new([rule.name.as_bytes(), b"=", value, attributes.as_bytes()].concat());
        if line.len() > MOST_COOKIE {
            return Err(unfit("the access token does not fit into a cookie; give the user fewer scopes and roles"));
        }
        let mut line = HeaderValue::from_bytes(&line).map_err(|_| unfit("a token cannot stand in a cookie"))?;
        line.set_sensitive(true);
        Ok(line)
    }

    /// The names of both.
    pub(crate) fn names(&self) -> [&str; 2] {
        [&self.access.name, &self.refresh.name]
    }

    /// Removes from an answer of an upstream what would set one of them.
    pub(crate) fn guard(&self, headers: &mut HeaderMap) {
        let is_ours = |line: &HeaderValue| {
            let name = line.as_bytes().split(|b| matches!(b, b'=' | b';')).next().unwrap_or_default().trim_ascii();
            self.names().iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name))
        };
        if headers.get_all(SET_COOKIE).iter().any(is_ours) {
            let kept: Vec<_> = headers.get_all(SET_COOKIE).iter().filter(|line| !is_ours(line)).cloned().collect();
            headers.remove(SET_COOKIE);
            headers.extend(kept.into_iter().map(|line| (SET_COOKIE, line)));
        }
    }
}

/// The token in a cookie, if it is there; once, or the request can be read in more than one way.
pub(crate) fn one<'h>(rule: &'h CookieRule, head: &'h Head) -> Result<Option<&'h str>, Refusal> {
    let mut values = rule.values(head.values("cookie"));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            std::str::from_utf8(value).map(Some).map_err(|_| Refusal::new(Reason::TokenMalformed, "the token is no text"))
        }
        (Some(_), Some(_)) => Err(malformed(format!("the cookie {} came more than once", rule.name))),
    }
}

/// A `Cookie` line without the cookies of these names; nothing when no other is left.
pub(crate) fn without(line: &[u8], names: &[&str]) -> Option<Vec<u8>> {
    let is_ours = |pair: &&[u8]| {
        let name = pair.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii();
        names.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name))
    };
    let kept: Vec<&[u8]> = line.split(|b| *b == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty() && !is_ours(pair)).collect();
    (!kept.is_empty()).then(|| kept.join(&b"; "[..]))
}

/// What a request with a cookie shows for itself: nothing where it changes nothing; else its page is one that may ask, and it has the CSRF token that is held
/// against the session's.
pub(crate) fn csrf<'h>(head: &'h Head, scheme: Scheme, rule: &CookieRule) -> Result<Csrf<'h>, Refusal> {
    let names = head.headers.iter().map(|(name, _)| name.as_str());
    // What pages send that only look at something.
    if matches!(head.method.as_str(), "GET" | "HEAD") && changes_nothing(&head.method, names) {
        return Ok(Csrf::NotNeeded);
    }
    check_page(head, scheme, rule)?;
    let mut shown = head.values(CSRF_HEADER);
    match (shown.next(), shown.next()) {
        (Some(shown), None) => Ok(Csrf::Shown(shown)),
        _ => Err(Refusal::new(Reason::CrossSiteRequest, "there is no CSRF token, or more than one")),
    }
}

/// That the page which asks is one of the request's own origin, or a listed one.
pub(crate) fn check_page(head: &Head, scheme: Scheme, rule: &CookieRule) -> Result<(), Refusal> {
    let refused = |detail: &'static str| Err(Refusal::new(Reason::CrossSiteRequest, detail));
    let mut origins = head.values("origin");
    let (Some(origin), None) = (origins.next(), origins.next()) else { return refused("no Origin tells which page asks, or several do") };
    let own = [scheme.as_str().as_bytes(), b"://", &head.host().to_ascii_lowercase()].concat();
    let is_listed = rule.origins.iter().any(|listed| listed.as_bytes() == origin);
    if !is_listed && origin != own {
        return refused("the page that asks is not listed");
    }
    // What the browser itself says of page and request; older ones say nothing.
    let mut sites = head.values("sec-fetch-site");
    match (sites.next(), sites.next()) {
        (None, _) | (Some(b"same-origin"), None) => Ok(()),
        (Some(b"same-site"), None) if is_listed && origin != own => Ok(()),
        _ => refused("the browser says that another site asks"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Framing;

    fn rule() -> CookieRule {
        CookieRule::new("__Host-session", vec!["https://app.example.com".to_owned()])
    }

    fn settings() -> CookieSettings {
        CookieSettings {
            access: Arc::new(rule()),
            path: "/".to_owned(),
            refresh: CookieRule::new("__Secure-session-refresh", Vec::new()),
            refresh_path: "/session".to_owned(),
            same_site: SameSite::Strict,
        }
    }

    fn head(method: &str, headers: &[(&str, &str)]) -> Head {
        let mut headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        headers.push(("host".to_owned(), b"api.example.com".to_vec()));
        Head { method: method.to_owned(), target: b"/a".to_vec(), version: "HTTP/1.1", headers, framing: Framing::Length(0) }
    }

    #[test]
    fn a_request_that_changes_something_shows_page_and_token() {
        let shows = |method: &str, headers: &[(&str, &str)]| csrf(&head(method, headers), Scheme::Https, &rule()).is_ok();
        let (own, listed, token) = (("origin", "https://api.example.com"), ("origin", "https://app.example.com"), (CSRF_HEADER, "t"));
        let site = |site| ("sec-fetch-site", site);
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "REPORT"] {
            assert!(shows(method, &[own, token]) && shows(method, &[listed, token]), "{method}");
            assert!(!shows(method, &[own]) && !shows(method, &[token]), "{method}");
        }
        assert!(shows("POST", &[own, token, site("same-origin")]) && shows("POST", &[listed, token, site("same-site")]));
        for site in [site("same-site"), site("cross-site"), site("none"), site("")] {
            assert!(!shows("POST", &[own, token, site]), "{site:?}");
        }
        assert!(!shows("POST", &[listed, token, site("cross-site")]));
        assert!(!shows("POST", &[own, token, site("same-origin"), site("same-origin")]));
        for origin in [
            "https://evil.example",
            "http://api.example.com",
            "null",
            "",
            "https://api.example.com.evil.example",
            "https://api.example.com:8443",
        ] {
            assert!(!shows("POST", &[("origin", origin), token]), "{origin}");
        }
        assert!(!shows("POST", &[own, own, token]) && !shows("POST", &[own, token, token]));
        assert!(shows("GET", &[]) && shows("HEAD", &[("origin", "https://evil.example"), site("cross-site")]));
        assert!(!shows("GET", &[("upgrade", "websocket"), ("origin", "https://evil.example")]));
    }

    #[test]
    fn a_cookie_is_read_once() {
        let read = |cookies: &[&str]| {
            let lines: Vec<_> = cookies.iter().map(|line| ("cookie", *line)).collect();
            one(&rule(), &head("GET", &lines)).map(|found| found.map(str::to_owned)).map_err(|refusal| refusal.reason())
        };
        assert_eq!(read(&["a=b; __Host-session=x"]), Ok(Some("x".to_owned())));
        assert_eq!(read(&["a=b"]), Ok(None));
        let crumbs = http::Request::builder().uri("http://h/").header("cookie", "a=b").header("cookie", "__Host-session=x").body(());
        let head = Head::from_http2(&crumbs.unwrap().into_parts().0, &crate::limits::Limits::default()).unwrap();
        assert_eq!(one(&rule(), &head).unwrap(), Some("x"));
        for twice in [&["__Host-session=x; __Host-session=x"][..], &["__Host-session=x", "__Host-session=y"]] {
            assert_eq!(read(twice), Err(Reason::MalformedRequest));
        }
    }

    #[test]
    fn our_cookies_go_to_no_upstream_and_come_from_none() {
        let names = settings();
        let kept = |line: &str| without(line.as_bytes(), &names.names()).map(|line| String::from_utf8(line).unwrap());
        assert_eq!(kept("a=b; __Host-session=x; c=d"), Some("a=b; c=d".to_owned()));
        assert_eq!(kept("__host-session=x;__Secure-session-refresh=y"), None);
        assert_eq!(kept("__Host-sessions=x; =__Host-session"), Some("__Host-sessions=x; =__Host-session".to_owned()));
        let mut answer = HeaderMap::new();
        for line in
            ["a=b; Path=/", "__Host-session=evil; Path=/; Secure", "__host-session =evil", "__Secure-session-refresh", "c=__Host-session=x"]
        {
            answer.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        names.guard(&mut answer);
        assert_eq!(answer.get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["a=b; Path=/", "c=__Host-session=x"]);
    }

    #[test]
    fn a_cookie_is_closed_to_scripts_and_to_open_wires_and_fits() {
        let mut answer = HeaderMap::new();
        settings().give(&mut answer, &Secret::from("at"), &Secret::from("rt"), 60).unwrap();
        settings().take(&mut answer).unwrap();
        let lines: Vec<_> = answer.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap()).collect();
        let expected = [
            "__Host-session=at; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict",
            "__Secure-session-refresh=rt; Path=/session; Max-Age=60; Secure; HttpOnly; SameSite=Strict",
            "__Host-session=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict",
            "__Secure-session-refresh=; Path=/session; Max-Age=0; Secure; HttpOnly; SameSite=Strict",
        ];
        assert_eq!(lines, expected);
        assert!(!format!("{answer:?}").contains("=at"), "no log shows it");
        let long = settings().give(&mut HeaderMap::new(), &Secret::new(vec![b'a'; 4_050]), &Secret::from("rt"), 60);
        assert_eq!(long.unwrap_err().reason(), Reason::Internal);
    }
}
