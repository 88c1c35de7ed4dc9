//! Takes a URL apart without changing a byte of it.

use countersign_protocol::{Request, Scheme};

/// Where a request is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    /// Host and port as written, without user information.
    pub(crate) authority: Vec<u8>,
}

impl Origin {
    /// The `Host` that goes with it: the authority without the scheme's default port.
    pub(crate) fn host_header(&self) -> Vec<u8> {
        let default = format!(":{}", self.scheme.default_port());
        self.authority.strip_suffix(default.as_bytes()).unwrap_or(&self.authority).to_vec()
    }

    /// The origin that a request without a URL names: its `Host`.
    pub(crate) fn of_host(request: &Request) -> Option<Self> {
        let (_, host) = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"))?;
        is_authority(host).then(|| Self { scheme: request.scheme, authority: host.clone() })
    }

    /// `https://example.com`.
    pub(crate) fn text(&self) -> Vec<u8> {
        [self.scheme.as_str().as_bytes(), b"://", &self.authority].concat()
    }
}

/// A URL of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) origin: Origin,
    /// Path and query, byte for byte; `/` goes before a query without a path.
    pub(crate) target: Vec<u8>,
    /// Whether user information stood before the host. It is no part of the origin.
    pub(crate) userinfo: bool,
    /// Whether a fragment followed. It is no part of the target.
    pub(crate) fragment: bool,
}

impl Url {
    /// Splits the text. Without a scheme it is `http`, as curl reads it.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        if let Some(at) = text.iter().position(|b| *b <= b' ' || *b == 0x7f) {
            return Err(format!("the URL holds a blank or control character at byte {}; percent-encode it", at + 1));
        }
        let (scheme, rest) = scheme_of(text)?;
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let at = authority.iter().rposition(|b| *b == b'@');
        let host = at.map_or(authority, |i| &authority[i + 1..]);
        if !is_authority(host) {
            return Err(format!("the URL names no host: '{}'", String::from_utf8_lossy(text)));
        }
        let mark = rest.iter().position(|b| *b == b'#');
        let rest = mark.map_or(rest, |i| &rest[..i]);
        let target = if rest.starts_with(b"/") { rest.to_vec() } else { [b"/", rest].concat() };
        let origin = Origin { scheme, authority: host.to_vec() };
        Ok(Self { origin, target, userinfo: at.is_some(), fragment: mark.is_some() })
    }
}

fn scheme_of(text: &[u8]) -> Result<(Scheme, &[u8]), String> {
    let Some(at) = text.windows(3).position(|w| w == b"://") else {
        return Ok((Scheme::Http, text));
    };
    // `host/?next=http://..` has no scheme of its own.
    if text[..at].iter().any(|b| matches!(b, b'/' | b'?' | b'#')) {
        return Ok((Scheme::Http, text));
    }
    let scheme = match text[..at].to_ascii_lowercase().as_slice() {
        b"http" => Scheme::Http,
        b"https" => Scheme::Https,
        other => return Err(format!("the URL's scheme '{}' is neither http nor https", String::from_utf8_lossy(other))),
    };
    Ok((scheme, &text[at + 3..]))
}

fn is_authority(host: &[u8]) -> bool {
    let named = |b: &u8| b.is_ascii_alphanumeric() || b"-._~:[]%".contains(b) || !b.is_ascii();
    !host.is_empty() && !host.starts_with(b":") && host.iter().all(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String) {
        let url = Url::parse(text.as_bytes()).unwrap();
        (String::from_utf8(url.origin.text()).unwrap(), String::from_utf8(url.target).unwrap())
    }

    #[test]
    fn nothing_is_normalised() {
        for (text, origin, target) in [
            ("https://Example.com", "https://Example.com", "/"),
            ("HTTP://h:8080/a/../%2f//b?x=+&x#f", "http://h:8080", "/a/../%2f//b?x=+&x"),
            ("h?a=http://b/", "http://h", "/?a=http://b/"),
            ("https://u:p@h/ü", "https://h", "/ü"),
            ("http://[::1]:80/?", "http://[::1]:80", "/?"),
        ] {
            assert_eq!(parts(text), (origin.to_owned(), target.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_default_port_leaves_the_host_header() {
        let host = |text: &str| String::from_utf8(Url::parse(text.as_bytes()).unwrap().origin.host_header()).unwrap();
        assert_eq!(host("https://h:443/"), "h");
        assert_eq!(host("http://h:443/"), "h:443");
        assert_eq!(host("http://[::1]:80/"), "[::1]");
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for bad in ["", "http://", "ftp://h/", "http://h/a b", "http://h/\n", "/path", "http://:80/", "http://a,b/"] {
            assert!(Url::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
