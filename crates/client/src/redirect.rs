//! Redirects that may be followed: to the same origin only, by the rules of RFC 9110.

use http::{HeaderMap, Method, StatusCode, header::LOCATION};
use reqwest::Url;

/// Where an answer sends the request on, if it may go there: with which method, to which URL, and whether its body goes along.
pub(crate) struct Onward {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) keeps_body: bool,
}

/// Where this answer leads; `None` where it leads nowhere, to another origin, or to what cannot be read in one way.
pub(crate) fn onward(method: &Method, from: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Onward> {
    let mut locations = headers.get_all(LOCATION).iter();
    let (Some(location), None) = (locations.next(), locations.next()) else { return None };
    let mut url = from.join(location.to_str().ok()?).ok()?;
    url.set_fragment(None);
    let is_same_origin = url.origin() == from.origin() && url.username().is_empty() && url.password().is_none();
    if !is_same_origin {
        return None;
    }
    let (method, keeps_body) = match status {
        // RFC 9110, section 15.4.4: whatever it was, it is fetched.
        StatusCode::SEE_OTHER if *method == Method::HEAD => (Method::HEAD, false),
        StatusCode::SEE_OTHER => (Method::GET, false),
        // RFC 9110, sections 15.4.2 and 15.4.3: a POST may become a GET, as everyone does.
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if *method == Method::POST => (Method::GET, false),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
            (method.clone(), true)
        }
        _ => return None,
    };
    Some(Onward { method, url, keeps_body })
}

/// Whether a header speaks of the body, and goes with it (RFC 9110, section 15.4).
pub(crate) fn is_of_body(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("content-") || matches!(name.as_str(), "digest" | "last-modified" | "transfer-encoding" | "expect" | "trailer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(method: &Method, status: u16, locations: &[&str]) -> Option<(String, String, bool)> {
        let headers = locations.iter().map(|location| (LOCATION, location.parse().unwrap())).collect();
        let from = Url::parse("https://h:8443/a/b?c").unwrap();
        let onward = onward(method, &from, StatusCode::from_u16(status).unwrap(), &headers)?;
        Some((onward.method.to_string(), onward.url.to_string(), onward.keeps_body))
    }

    #[test]
    fn only_the_same_origin_is_followed() {
        for elsewhere in [
            "https://h/x",
            "http://h:8443/x",
            "https://other:8443/x",
            "//other:8443/x",
            "https://u@h:8443/x",
            "https://h:8443.evil/x",
            "ftp://h/",
        ] {
            assert_eq!(follow(&Method::GET, 307, &[elsewhere]), None, "{elsewhere}");
        }
        for (location, url) in [("/x?y#z", "https://h:8443/x?y"), ("x", "https://h:8443/a/x"), ("https://H:8443/x", "https://h:8443/x")] {
            assert_eq!(follow(&Method::GET, 307, &[location]).unwrap().1, url);
        }
        assert_eq!(follow(&Method::GET, 307, &[]), None);
        assert_eq!(follow(&Method::GET, 307, &["/x", "/y"]), None);
    }

    #[test]
    fn the_method_follows_rfc_9110() {
        let to = |method, status| follow(&method, status, &["/x"]).map(|(method, _, keeps_body)| (method, keeps_body));
        let get = Some(("GET".to_owned(), false));
        assert_eq!((to(Method::POST, 301), to(Method::POST, 302), to(Method::PUT, 303)), (get.clone(), get.clone(), get));
        assert_eq!(to(Method::HEAD, 303), Some(("HEAD".to_owned(), false)));
        assert_eq!((to(Method::PUT, 302), to(Method::POST, 307)), (Some(("PUT".to_owned(), true)), Some(("POST".to_owned(), true))));
        assert_eq!((to(Method::GET, 300), to(Method::GET, 304), to(Method::GET, 200)), (None, None, None));
    }
}
