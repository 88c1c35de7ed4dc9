//! URLs as text: origin and target, and whether the target is sent as it is written.

use countersign_protocol::Scheme;

use crate::error::{ClientError, url_fault};

/// Splits the text into scheme and authority, and the target.
pub(crate) fn split(url: &str) -> Result<(&str, &str), ClientError> {
    let start = url.find("://").ok_or_else(|| url_fault("the URL has no scheme; write https://host/path"))? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    let (origin, target) = url.split_at(end);
    if origin.contains('@') {
        return Err(url_fault("the URL holds user information; the dialect signs, so leave it out"));
    }
    match target.bytes().next() {
        None => Ok((origin, "/")),
        Some(b'/') if !target.contains('#') => Ok((origin, target)),
        Some(b'/') => Err(url_fault("the URL holds a fragment, which is never sent; write '#' as %23, or leave it out")),
        Some(_) => Err(url_fault("the URL has no path; write '/' before the query")),
    }
}

/// The scheme of a URL, and the Host that goes with it: in lower case, without the scheme's default port.
pub(crate) fn scheme_and_host(scheme: &str, authority: &str) -> Result<(Scheme, String), ClientError> {
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => return Err(url_fault(format!("the URL's scheme '{other}' is neither http nor https"))),
    };
    if authority.contains('@') {
        return Err(url_fault("the URL holds user information; the dialect signs, so leave it out"));
    }
    let authority = authority.to_ascii_lowercase();
    let default = format!(":{}", scheme.default_port());
    let host = authority.strip_suffix(&default).or_else(|| authority.strip_suffix(':')).unwrap_or(&authority);
    if host.is_empty() || host.starts_with(':') {
        return Err(url_fault("the URL has no host"));
    }
    Ok((scheme, host.to_owned()))
}

/// Whether every client sends this target as it is written: only characters of RFC 3986, no dot segment, and no apostrophe, which some escape.
pub(crate) fn is_stable(target: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&()*+,;=:@/?%".contains(&b);
    let path = target.split('?').next().unwrap_or_default();
    let is_dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    target.starts_with('/') && target.bytes().all(is_plain) && !path.split('/').any(is_dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_is_refused() {
        for bad in ["", "h/", "https://u:p@h/", "https://h?a", "https://h/#f"] {
            assert!(matches!(split(bad), Err(ClientError::Url { .. })), "{bad}");
        }
        for (scheme, authority) in [("ftp", "h"), ("https", ""), ("https", "u@h"), ("https", ":443")] {
            assert!(scheme_and_host(scheme, authority).is_err(), "{scheme} {authority}");
        }
    }

    #[test]
    fn only_the_default_port_is_left_out() {
        let host = |scheme, authority| scheme_and_host(scheme, authority).unwrap().1;
        assert_eq!(
            [host("https", "H:443"), host("http", "h:443"), host("http", "h:80"), host("https", "[::1]:8443")].join(" "),
            "h h:443 h [::1]:8443"
        );
    }

    #[test]
    fn targets_that_a_client_would_change_are_not_stable() {
        assert!(["/", "/a%2Fb//c?x=+&x=%20&y", "/a.b/..c?d=.."].into_iter().all(is_stable));
        let changed = ["", "a", "/a/../b", "/%2e%2E/x", "/.", "/a b", "/ü", "/?'", "/\"", "/a\\b", "/a#b", "/{a}", "/|"];
        assert!(!changed.into_iter().any(is_stable));
    }
}
