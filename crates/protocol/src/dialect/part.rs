//! The parts of a message of which a signature may speak.

use std::fmt;

/// A part of a message that a signature can cover.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The method.
    Method,
    /// `http` or `https`.
    Scheme,
    /// The host and port that the caller addressed.
    Host,
    /// The path.
    Path,
    /// The whole query.
    Query,
    /// The whole body.
    Body,
    /// The status of a response.
    Status,
    /// The protocol version.
    HttpVersion,
    /// The signed time.
    Time,
    /// The nonce.
    Nonce,
    /// The expiry.
    Expires,
    /// The key id.
    KeyId,
    /// The name of the algorithm.
    Algorithm,
    /// The list of signed headers.
    SignedHeaders,
    /// A header, by its lower-case name.
    Header(String),
    /// One query parameter, by its decoded name.
    QueryParameter(String),
    /// One form field, by its decoded name.
    FormField(String),
    /// The parameters of the authorization header.
    Authorization,
    /// The text of the body digest.
    BodyDigest,
    /// An input, by its name.
    Input(String),
}

impl Part {
    /// Reads the name of a part: `method`, `header.NAME`, `query.NAME`, `form.NAME`, ...
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "method" => Self::Method,
            "scheme" => Self::Scheme,
            "host" => Self::Host,
            "path" => Self::Path,
            "query" => Self::Query,
            "body" => Self::Body,
            "status" => Self::Status,
            "http_version" => Self::HttpVersion,
            "time" => Self::Time,
            "nonce" => Self::Nonce,
            "expires" => Self::Expires,
            "key_id" => Self::KeyId,
            "algorithm" => Self::Algorithm,
            "signed_headers" => Self::SignedHeaders,
            "authorization" => Self::Authorization,
            "body_digest" => Self::BodyDigest,
            _ => {
                let (kind, name) = text.split_once('.').filter(|(_, name)| !name.is_empty())?;
                match kind {
                    "header" => Self::Header(name.to_ascii_lowercase()),
                    "query" => Self::QueryParameter(name.to_owned()),
                    "form" => Self::FormField(name.to_owned()),
                    "input" => Self::Input(name.to_owned()),
                    _ => return None,
                }
            }
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Method => "method",
            Self::Scheme => "scheme",
            Self::Host => "host",
            Self::Path => "path",
            Self::Query => "query",
            Self::Body => "body",
            Self::Status => "status",
            Self::HttpVersion => "http_version",
            Self::Time => "time",
            Self::Nonce => "nonce",
            Self::Expires => "expires",
            Self::KeyId => "key_id",
            Self::Algorithm => "algorithm",
            Self::SignedHeaders => "signed_headers",
            Self::Authorization => "authorization",
            Self::BodyDigest => "body_digest",
            Self::Header(name) => return write!(f, "header.{name}"),
            Self::QueryParameter(name) => return write!(f, "query.{name}"),
            Self::FormField(name) => return write!(f, "form.{name}"),
            Self::Input(name) => return write!(f, "input.{name}"),
        };
        f.write_str(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in [
            "method",
            "scheme",
            "host",
            "path",
            "query",
            "body",
            "time",
            "nonce",
            "expires",
            "header.x-a",
            "query.A",
            "form.b",
            "input.region",
        ] {
            assert_eq!(Part::parse(name).map(|p| p.to_string()).as_deref(), Some(name));
        }
        assert_eq!(Part::parse("header.X-A"), Some(Part::Header("x-a".to_owned())));
        assert_eq!(Part::parse("header."), None);
        assert_eq!(Part::parse("cookie.a"), None);
    }
}
