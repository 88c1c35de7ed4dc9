//! The cookie in which an access token comes, and the pages that may send it.

/// Which cookie carries an access token, and from which pages requests with it are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CookieRule {
    /// The cookie's name, as it is written.
    pub name: String,
    /// The origins of pages that may send it, beside the one under which the request came: `https://app.example.com`.
    pub origins: Vec<String>,
}

impl CookieRule {
    /// The cookie of this name, from pages of the request's own origin and of these.
    #[must_use]
    pub fn new(name: impl Into<String>, origins: Vec<String>) -> Self {
        Self { name: name.into(), origins }
    }

    /// Every value that `Cookie` lines have for it (RFC 6265, section 5.4). The name counts as it is written, and a value is what stands there.
    pub fn values<'v>(&'v self, lines: impl Iterator<Item = &'v [u8]> + 'v) -> impl Iterator<Item = &'v [u8]> + 'v {
        cookies(lines).filter_map(|(name, value)| (name == self.name.as_bytes()).then_some(value))
    }
}

/// The names and values of `Cookie` lines.
fn cookies<'v>(lines: impl Iterator<Item = &'v [u8]> + 'v) -> impl Iterator<Item = (&'v [u8], &'v [u8])> + 'v {
    let pairs = lines.flat_map(|line| line.split(|b| *b == b';'));
    pairs.filter_map(|pair| {
        let equals = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = pair.split_at_checked(equals)?;
        Some((name.trim_ascii(), value.strip_prefix(b"=")?.trim_ascii()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(lines: &[&str]) -> Vec<String> {
        let rule = CookieRule::new("__Host-session", Vec::new());
        let found = rule.values(lines.iter().map(|line| line.as_bytes()));
        found.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    #[test]
    fn every_value_of_the_name_is_found_and_of_no_other() {
        assert_eq!(values(&["a=b; __Host-session=x.y.z; c=d"]), ["x.y.z"]);
        assert_eq!(values(&["__Host-session=1;__Host-session=2", "__Host-session=3"]), ["1", "2", "3"]);
        assert_eq!(values(&["__Host-session = a=b "]), ["a=b"]);
        assert_eq!(values(&["__Host-session="]), [""]);
        let others =
            ["__host-session=x; session=x; x__Host-session=x; __Host-session; =__Host-session=x", "", ";;", "\"__Host-session\"=x"];
        assert!(values(&others).is_empty(), "{:?}", values(&others));
    }
}
