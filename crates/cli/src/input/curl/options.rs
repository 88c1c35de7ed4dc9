//! The table of curl's options, and what each means for the request.

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Method,
    Url,
    Header,
    Data,
    DataRaw,
    DataBinary,
    DataUrlencode,
    Json,
    Get,
    Head,
    Agent,
    Referer,
    Bearer,
    Cookie,
    PathAsIs,
    GlobOff,
    Http10,
    /// Changes nothing that is signed.
    Ignored,
    /// The same, with a value.
    IgnoredValue,
    /// Left out, and the reader is told why.
    Noted(&'static str),
    /// The same, with a value.
    NotedValue(&'static str),
    /// The request would be another one.
    Refused(&'static str),
}

impl Meaning {
    pub(super) const fn takes_value(self) -> bool {
        use Meaning::{
            Agent, Bearer, Cookie, Data, DataBinary, DataRaw, DataUrlencode, Header, IgnoredValue, Json, Method, NotedValue, Referer, Url,
        };
        matches!(
            self,
            Method
                | Url
                | Header
                | Data
                | DataRaw
                | DataBinary
                | DataUrlencode
                | Json
                | Agent
                | Referer
                | Bearer
                | Cookie
                | IgnoredValue
                | NotedValue(_)
        )
    }
}

const SIGNED_ANEW: &str = "the request is signed in the dialect that you name";
const BY_VERSION: &str = "the header that it adds depends on curl's version; name it with -H";

/// Letter (or blank), long name, meaning.
const OPTIONS: &[(u8, &str, Meaning)] = &[
    (b'X', "request", Meaning::Method),
    (b' ', "url", Meaning::Url),
    (b'H', "header", Meaning::Header),
    (b'd', "data", Meaning::Data),
    (b' ', "data-ascii", Meaning::Data),
    (b' ', "data-raw", Meaning::DataRaw),
    (b' ', "data-binary", Meaning::DataBinary),
    (b' ', "data-urlencode", Meaning::DataUrlencode),
    (b' ', "json", Meaning::Json),
    (b'G', "get", Meaning::Get),
    (b'I', "head", Meaning::Head),
    (b'A', "user-agent", Meaning::Agent),
    (b'e', "referer", Meaning::Referer),
    (b' ', "oauth2-bearer", Meaning::Bearer),
    (b'b', "cookie", Meaning::Cookie),
    (b' ', "path-as-is", Meaning::PathAsIs),
    (b'g', "globoff", Meaning::GlobOff),
    (b'0', "http1.0", Meaning::Http10),
    (b'u', "user", Meaning::NotedValue(SIGNED_ANEW)),
    (b' ', "basic", Meaning::Noted(SIGNED_ANEW)),
    (b' ', "digest", Meaning::Noted(SIGNED_ANEW)),
    (b' ', "aws-sigv4", Meaning::NotedValue(SIGNED_ANEW)),
    (b' ', "compressed", Meaning::Noted(BY_VERSION)),
    (b'L', "location", Meaning::Noted("a signature never follows a redirect")),
    (b' ', "location-trusted", Meaning::Noted("a signature never follows a redirect")),
    (b'F', "form", Meaning::Refused("its boundary is random; send the body with --data-binary and a Content-Type")),
    (b' ', "form-string", Meaning::Refused("its boundary is random; send the body with --data-binary and a Content-Type")),
    (b'T', "upload-file", Meaning::Refused("use -X PUT --data-binary @FILE")),
    (b'r', "range", Meaning::Refused("use -H 'Range: bytes=..'")),
    (b'z', "time-cond", Meaning::Refused("use -H 'If-Modified-Since: ..'")),
    (b'K', "config", Meaning::Refused("write its options on the command line")),
    (b':', "next", Meaning::Refused("give one request only")),
    (b' ', "request-target", Meaning::Refused("write the target into the URL, with --path-as-is")),
    (b' ', "url-query", Meaning::Refused("write the query into the URL")),
    (b's', "silent", Meaning::Ignored),
    (b'S', "show-error", Meaning::Ignored),
    (b'v', "verbose", Meaning::Ignored),
    (b'i', "include", Meaning::Ignored),
    (b'k', "insecure", Meaning::Ignored),
    (b'f', "fail", Meaning::Ignored),
    (b'N', "no-buffer", Meaning::Ignored),
    (b'#', "progress-bar", Meaning::Ignored),
    (b'O', "remote-name", Meaning::Ignored),
    (b'J', "remote-header-name", Meaning::Ignored),
    (b'4', "ipv4", Meaning::Ignored),
    (b'6', "ipv6", Meaning::Ignored),
    (b'q', "disable", Meaning::Ignored),
    (b' ', "http1.1", Meaning::Ignored),
    (b' ', "http2", Meaning::Ignored),
    (b' ', "http2-prior-knowledge", Meaning::Ignored),
    (b' ', "fail-with-body", Meaning::Ignored),
    (b' ', "no-progress-meter", Meaning::Ignored),
    (b' ', "tlsv1.2", Meaning::Ignored),
    (b' ', "tlsv1.3", Meaning::Ignored),
    (b'o', "output", Meaning::IgnoredValue),
    (b'w', "write-out", Meaning::IgnoredValue),
    (b'D', "dump-header", Meaning::IgnoredValue),
    (b'c', "cookie-jar", Meaning::IgnoredValue),
    (b'm', "max-time", Meaning::IgnoredValue),
    (b'x', "proxy", Meaning::IgnoredValue),
    (b'E', "cert", Meaning::IgnoredValue),
    (b' ', "key", Meaning::IgnoredValue),
    (b' ', "cacert", Meaning::IgnoredValue),
    (b' ', "capath", Meaning::IgnoredValue),
    (b' ', "connect-timeout", Meaning::IgnoredValue),
    (b' ', "connect-to", Meaning::IgnoredValue),
    (b' ', "resolve", Meaning::IgnoredValue),
    (b' ', "retry", Meaning::IgnoredValue),
    (b' ', "noproxy", Meaning::IgnoredValue),
    (b' ', "interface", Meaning::IgnoredValue),
    (b' ', "limit-rate", Meaning::IgnoredValue),
    (b' ', "max-redirs", Meaning::IgnoredValue),
    (b' ', "unix-socket", Meaning::IgnoredValue),
];

/// The option of this long name.
pub(super) fn long(name: &str) -> Option<Meaning> {
    OPTIONS.iter().find(|(_, long, _)| *long == name).map(|(_, _, meaning)| *meaning)
}

/// The option of this letter.
pub(super) fn short(letter: u8) -> Option<Meaning> {
    OPTIONS.iter().find(|(short, ..)| *short == letter && letter != b' ').map(|(_, _, meaning)| *meaning)
}
