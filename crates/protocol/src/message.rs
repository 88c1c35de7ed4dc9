//! What is signed and verified: the bytes of a request or response, as they are on the wire.
//!
//! Nothing here is decoded, normalised or put in another order. A verifier sees the raw request target and the header
//! lines in the order in which they came; a signer works on an owned [`Request`] or [`Response`].

use std::fmt;

use crate::digest::BodyDigests;

/// The scheme of the connection over which a request came, as the outer peer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Plain HTTP, default port 80.
    Http,
    /// HTTP over TLS, default port 443.
    #[default]
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is meant when none is written.
    #[must_use]
    pub const fn default_port(self) -> &'static str {
        match self {
            Self::Http => "80",
            Self::Https => "443",
        }
    }
}

/// One header line: the name in any case, and the value's bytes. `Debug` shows no value: it may be a credential.
#[derive(Clone, Copy)]
pub struct HeaderLine<'a> {
    /// The field name.
    pub name: &'a str,
    /// The field value, without the blanks around it or with them.
    pub value: &'a [u8],
}

/// A body, as far as it is known. `Debug` shows its length only.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// The bytes.
    Bytes(&'a [u8]),
    /// Its digests, computed while the bytes went by.
    Digests(&'a BodyDigests),
    /// Not read yet.
    Pending,
}

impl Default for Body<'_> {
    fn default() -> Self {
        Self::Bytes(b"")
    }
}

/// A message that can be verified: a [`RequestView`] or a [`ResponseView`].
pub trait MessageView: fmt::Debug + Sync + sealed::Sealed {
    /// The request line, if this is a request.
    fn request_line(&self) -> Option<RequestLine<'_>>;
    /// The status code, if this is a response.
    fn status(&self) -> Option<u16>;
    /// The number of header lines.
    fn header_count(&self) -> usize;
    /// The header line at this place, in the order of the wire.
    fn header(&self, index: usize) -> HeaderLine<'_>;
    /// The body.
    fn body(&self) -> Body<'_>;
}

/// The first line of a request, and the scheme that is not on the wire. `Debug` leaves the query out.
#[derive(Clone, Copy)]
pub struct RequestLine<'a> {
    /// The method, case-sensitive.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The raw request target in origin form: path, and `?` with the query if there is one.
    pub target: &'a [u8],
    /// The protocol version as text, such as `HTTP/1.1`.
    pub version: &'a str,
}

impl<'a> RequestLine<'a> {
    /// The raw path: the target up to the first `?`, and `/` when that is empty.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        match self.target.split(|b| *b == b'?').next() {
            Some(path) if !path.is_empty() => path,
            _ => b"/",
        }
    }

    /// The raw query: what follows the first `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'a [u8]> {
        let mark = self.target.iter().position(|b| *b == b'?')?;
        Some(&self.target[mark + 1..])
    }
}

/// A borrowed request. `Debug` leaves out what may be a credential: the query, header values and the body.
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    /// The method.
    pub method: &'a str,
    /// The scheme of the connection.
    pub scheme: Scheme,
    /// The raw request target.
    pub target: &'a [u8],
    /// The protocol version as text.
    pub version: &'a str,
    /// The header lines in their order.
    pub headers: &'a [HeaderLine<'a>],
    /// The body.
    pub body: Body<'a>,
}

impl MessageView for RequestView<'_> {
    fn request_line(&self) -> Option<RequestLine<'_>> {
        Some(RequestLine { method: self.method, scheme: self.scheme, target: self.target, version: self.version })
    }
    fn status(&self) -> Option<u16> {
        None
    }
    fn header_count(&self) -> usize {
        self.headers.len()
    }
    fn header(&self, index: usize) -> HeaderLine<'_> {
        self.headers[index]
    }
    fn body(&self) -> Body<'_> {
        self.body
    }
}

/// A borrowed response. `Debug` leaves out header values and the body.
#[derive(Clone, Copy)]
pub struct ResponseView<'a> {
    /// The status code.
    pub status: u16,
    /// The header lines in their order.
    pub headers: &'a [HeaderLine<'a>],
    /// The body.
    pub body: Body<'a>,
}

impl MessageView for ResponseView<'_> {
    fn request_line(&self) -> Option<RequestLine<'_>> {
        None
    }
    fn status(&self) -> Option<u16> {
        Some(self.status)
    }
    fn header_count(&self) -> usize {
        self.headers.len()
    }
    fn header(&self, index: usize) -> HeaderLine<'_> {
        self.headers[index]
    }
    fn body(&self) -> Body<'_> {
        self.body
    }
}

/// An owned request: what a signer takes and gives. `Debug` leaves out the query, header values and the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The scheme of the connection.
    pub scheme: Scheme,
    /// The raw request target.
    pub target: Vec<u8>,
    /// The protocol version as text.
    pub version: String,
    /// The header lines in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request over `https` and HTTP/1.1 without headers or body.
    #[must_use]
    pub fn new(method: impl Into<String>, target: impl Into<Vec<u8>>) -> Self {
        Self {
            method: method.into(),
            scheme: Scheme::Https,
            target: target.into(),
            version: "HTTP/1.1".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// The same with one more header line.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The header lines, borrowed, for a [`RequestView`].
    #[must_use]
    pub fn header_lines(&self) -> Vec<HeaderLine<'_>> {
        lines(&self.headers)
    }

    /// A view of this request over the lines that [`Request::header_lines`] gave.
    #[must_use]
    pub fn view<'a>(&'a self, headers: &'a [HeaderLine<'a>]) -> RequestView<'a> {
        RequestView {
            method: &self.method,
            scheme: self.scheme,
            target: &self.target,
            version: &self.version,
            headers,
            body: Body::Bytes(&self.body),
        }
    }
}

impl MessageView for Request {
    fn request_line(&self) -> Option<RequestLine<'_>> {
        Some(RequestLine { method: &self.method, scheme: self.scheme, target: &self.target, version: &self.version })
    }
    fn status(&self) -> Option<u16> {
        None
    }
    fn header_count(&self) -> usize {
        self.headers.len()
    }
    fn header(&self, index: usize) -> HeaderLine<'_> {
        let (name, value) = &self.headers[index];
        HeaderLine { name, value }
    }
    fn body(&self) -> Body<'_> {
        Body::Bytes(&self.body)
    }
}

/// An owned response: what a signer of responses takes and gives. `Debug` leaves out header values and the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header lines in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl MessageView for Response {
    fn request_line(&self) -> Option<RequestLine<'_>> {
        None
    }
    fn status(&self) -> Option<u16> {
        Some(self.status)
    }
    fn header_count(&self) -> usize {
        self.headers.len()
    }
    fn header(&self, index: usize) -> HeaderLine<'_> {
        let (name, value) = &self.headers[index];
        HeaderLine { name, value }
    }
    fn body(&self) -> Body<'_> {
        Body::Bytes(&self.body)
    }
}

/// An owned message of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// The header lines.
    #[must_use]
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        match self {
            Self::Request(m) => &m.headers,
            Self::Response(m) => &m.headers,
        }
    }

    /// The body.
    #[must_use]
    pub fn body_bytes(&self) -> &[u8] {
        match self {
            Self::Request(m) => &m.body,
            Self::Response(m) => &m.body,
        }
    }

    /// An owned copy of a message, with this body; `None` when the view is neither of a request nor of a response.
    #[must_use]
    pub fn of(view: &dyn MessageView, body: &[u8]) -> Option<Self> {
        let headers = view.lines().map(|line| (line.name.to_owned(), line.value.to_vec())).collect();
        if let Some(status) = view.status() {
            return Some(Self::Response(Response { status, headers, body: body.to_vec() }));
        }
        let line = view.request_line()?;
        let mut request = Request::new(line.method, line.target);
        (request.scheme, request.version, request.headers, request.body) = (line.scheme, line.version.to_owned(), headers, body.to_vec());
        Some(Self::Request(request))
    }

    /// The request, if it is one.
    #[must_use]
    pub fn into_request(self) -> Option<Request> {
        match self {
            Self::Request(request) => Some(request),
            Self::Response(_) => None,
        }
    }

    pub(crate) fn headers_mut(&mut self) -> &mut Vec<(String, Vec<u8>)> {
        match self {
            Self::Request(m) => &mut m.headers,
            Self::Response(m) => &mut m.headers,
        }
    }

    pub(crate) fn body_mut(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Request(m) => &mut m.body,
            Self::Response(m) => &mut m.body,
        }
    }

    pub(crate) fn view(&self) -> &dyn MessageView {
        match self {
            Self::Request(m) => m,
            Self::Response(m) => m,
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// The questions that the engine asks of a message.
impl<'a> dyn MessageView + 'a {
    pub(crate) fn lines(&self) -> impl Iterator<Item = HeaderLine<'_>> {
        (0..self.header_count()).map(|i| self.header(i))
    }

    /// Every value under this name, without the blanks around it.
    pub fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        self.lines().filter(move |line| line.name.eq_ignore_ascii_case(name)).map(|line| trim(line.value))
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    pub(crate) fn path(&self) -> &[u8] {
        self.request_line().map_or(b"", |line| line.path())
    }

    pub(crate) fn query(&self) -> &[u8] {
        self.request_line().and_then(|line| line.query()).unwrap_or_default()
    }

    /// Whether the content type says `application/x-www-form-urlencoded`.
    pub(crate) fn is_form(&self) -> bool {
        self.media_type_is(b"application/x-www-form-urlencoded")
    }

    pub(crate) fn media_type_is(&self, wanted: &[u8]) -> bool {
        let first = self.values("content-type").next().unwrap_or_default();
        trim(first.split(|b| *b == b';').next().unwrap_or_default()).eq_ignore_ascii_case(wanted)
    }
}

/// The value without blanks (SP and HTAB) at either end: RFC 9110, section 5.5.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !blank(b)).map_or(start, |i| i + 1);
    &value[start..end]
}

fn lines(headers: &[(String, Vec<u8>)]) -> Vec<HeaderLine<'_>> {
    headers.iter().map(|(name, value)| HeaderLine { name, value }).collect()
}

impl fmt::Debug for HeaderLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ({} bytes)", self.name, self.value.len())
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Digests(digests) => write!(f, "Digests(of {} bytes)", digests.length()),
            Self::Pending => f.write_str("Pending"),
        }
    }
}

impl fmt::Debug for RequestLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = if self.query().is_some() { "?..." } else { "" };
        write!(f, "{} {}{query} over {}", self.method, self.path().escape_ascii(), self.scheme.as_str())
    }
}

/// What `Debug` may show of a message: no value that could be a credential.
fn show(name: &str, message: &dyn MessageView, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut out = f.debug_struct(name);
    if let Some(line) = message.request_line() {
        out.field("line", &line);
    }
    if let Some(status) = message.status() {
        out.field("status", &status);
    }
    out.field("headers", &message.lines().collect::<Vec<_>>()).field("body", &message.body()).finish()
}

macro_rules! show_redacted {
    ($($kind:ty = $name:literal),*) => {$(
        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                show($name, self, f)
            }
        }
    )*};
}

show_redacted!(RequestView<'_> = "RequestView", ResponseView<'_> = "ResponseView", Request = "Request", Response = "Response");

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::RequestView<'_> {}
    impl Sealed for super::ResponseView<'_> {}
    impl Sealed for super::Request {}
    impl Sealed for super::Response {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_split_at_its_first_question_mark() {
        let line =
            |target: &'static str| RequestLine { method: "GET", scheme: Scheme::Https, target: target.as_bytes(), version: "HTTP/1.1" };
        assert_eq!((line("/a?b?c").path(), line("/a?b?c").query()), (&b"/a"[..], Some(&b"b?c"[..])));
        assert_eq!((line("").path(), line("").query()), (&b"/"[..], None));
        assert_eq!((line("?x").path(), line("?x").query()), (&b"/"[..], Some(&b"x"[..])));
    }

    #[test]
    fn only_space_and_tab_are_blanks() {
        assert_eq!(trim(b" \t a\tb \t"), b"a\tb");
        assert_eq!(trim("\u{a0}a".as_bytes()), "\u{a0}a".as_bytes());
        assert_eq!(trim(b" \t"), b"");
    }
}
