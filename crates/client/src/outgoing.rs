//! One request: built by the caller, signed anew for each attempt, sent as signed.

use std::fmt;

use countersign_protocol::{Request, Scheme, SignOptions};
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Method, Uri};
use reqwest::Url;

use crate::client::SigningClient;
use crate::draft::Draft;
use crate::error::ClientError;

/// A request that is not signed yet.
#[derive(Clone)]
pub struct OutgoingRequest {
    client: SigningClient,
    method: Method,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl OutgoingRequest {
    pub(crate) const fn new(client: SigningClient, method: Method, url: String) -> Self {
        Self { client, method, url, headers: Vec::new(), body: Vec::new() }
    }

    /// The same with one more header line.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Signs with a new time and nonce, and sends. Each call is an attempt of its own.
    ///
    /// # Errors
    /// When the request cannot be sent exactly as it would be signed, cannot be signed, or gets no answer.
    pub async fn send(&self) -> Result<reqwest::Response, ClientError> {
        let draft = self.draft()?;
        let request = self.sign_draft(&draft)?;
        let answer = self.client.http.execute(request).await.map_err(|e| ClientError::Send(e.without_url()))?;
        draft.read(&self.client, &self.method, answer).await
    }

    /// Signs with a new time and nonce, without sending. Where the body is encrypted, an encrypted answer to this request cannot be read.
    ///
    /// # Errors
    /// When the request cannot be sent exactly as it would be signed, or cannot be signed.
    pub fn sign(&self) -> Result<reqwest::Request, ClientError> {
        self.sign_draft(&self.draft()?)
    }

    fn draft(&self) -> Result<Draft, ClientError> {
        Draft::of(&self.client, &self.headers, &self.body)
    }

    fn sign_draft(&self, draft: &Draft) -> Result<reqwest::Request, ClientError> {
        let (origin, target) = split(&self.url)?;
        let url = exact_url(origin, target)?;
        let scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
        if self.client.dialect.carries_secret() && scheme == Scheme::Http && !self.client.allow_plain_http {
            return Err(ClientError::InsecureTransport);
        }
        let mut request = Request::new(self.method.as_str(), target.as_bytes()).with_body(draft.body.clone());
        request.scheme = scheme;
        request.headers = headers_as_sent(&draft.headers, &url)?;
        let options = SignOptions { also: draft.also.clone(), ..self.client.options()? };
        let signed = self.client.dialect.sign(request, &self.client.credential, &options).map_err(ClientError::Sign)?;
        let signed = signed.into_message().into_request();
        as_sent(origin, &self.method, &signed.ok_or_else(|| fault("a signer gave a response for a request"))?)
    }
}

impl fmt::Debug for OutgoingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL and the headers may hold secrets of the caller's.
        f.debug_struct("OutgoingRequest").field("method", &self.method).field("client", &self.client).finish_non_exhaustive()
    }
}

/// The caller's headers with those that would be added on the way: they are signed too where the dialect says so.
fn headers_as_sent(own: &[(String, Vec<u8>)], url: &Url) -> Result<Vec<(String, Vec<u8>)>, ClientError> {
    let mut headers = own.to_vec();
    let missing = |name: &str| !own.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if missing("host") {
        headers.insert(0, ("Host".to_owned(), host_of(url)?.into_bytes()));
    }
    if missing("accept") {
        headers.push(("Accept".to_owned(), b"*/*".to_vec()));
    }
    Ok(headers)
}

fn fault(text: impl Into<String>) -> ClientError {
    ClientError::Url { fault: text.into() }
}

/// Splits the text into scheme and authority, and the target.
fn split(url: &str) -> Result<(&str, &str), ClientError> {
    let start = url.find("://").ok_or_else(|| fault("the URL has no scheme; write https://host/path"))? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    let (origin, target) = url.split_at(end);
    if origin.contains('@') {
        return Err(fault("the URL holds user information; the dialect signs, so leave it out"));
    }
    match target.bytes().next() {
        None => Ok((origin, "/")),
        Some(b'/') if !target.contains('#') => Ok((origin, target)),
        Some(b'/') => Err(fault("the URL holds a fragment, which is never sent; write '#' as %23, or leave it out")),
        Some(_) => Err(fault("the URL has no path; write '/' before the query")),
    }
}

/// The URL, if the HTTP stack sends its target exactly as written.
fn exact_url(origin: &str, target: &str) -> Result<Url, ClientError> {
    let url = Url::parse(&format!("{origin}{target}")).map_err(|e| fault(format!("the URL cannot be read: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(fault(format!("the URL's scheme '{}' is neither http nor https", url.scheme())));
    }
    // The URL is parsed twice on its way: by `url`, which normalises, and by `http`.
    let sent = url.as_str().parse::<Uri>().map_err(|e| fault(format!("the URL cannot be sent: {e}")))?;
    let sent = sent.path_and_query().map_or("/", |target| target.as_str());
    if sent == target { Ok(url) } else { Err(ClientError::UrlChanged { written: target.to_owned(), sent: sent.to_owned() }) }
}

/// The Host that goes with the URL: without the scheme's default port.
fn host_of(url: &Url) -> Result<String, ClientError> {
    let host = url.host_str().ok_or_else(|| fault("the URL has no host"))?;
    Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn as_sent(origin: &str, method: &Method, signed: &Request) -> Result<reqwest::Request, ClientError> {
    let target = std::str::from_utf8(&signed.target).map_err(|_| fault("the signed target is no text"))?;
    let mut request = reqwest::Request::new(method.clone(), exact_url(origin, target)?);
    for (name, value) in &signed.headers {
        let malformed = || ClientError::Header { name: name.clone() };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
        let value = HeaderValue::from_bytes(value).map_err(|_| malformed())?;
        if key == HOST && request.headers().contains_key(HOST) {
            return Err(malformed());
        }
        request.headers_mut().append(key, value);
    }
    if !signed.body.is_empty() {
        *request.body_mut() = Some(signed.body.clone().into());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<String, ClientError> {
        let (origin, target) = split(url)?;
        exact_url(origin, target).map(|_| target.to_owned())
    }

    #[test]
    fn targets_that_survive_are_kept() {
        for kept in ["/", "/a%2Fb//c?x=+&x=%20&y", "/%E4%BD%A0?q=%e4", "/a?", "/a;b=c,d?e='f'|g"] {
            match target(&format!("https://h{kept}")) {
                Ok(sent) => assert_eq!(sent, kept),
                Err(ClientError::UrlChanged { .. }) => assert!(kept.contains('\''), "{kept}"),
                Err(other) => panic!("{kept}: {other}"),
            }
        }
    }

    #[test]
    fn targets_that_would_change_are_refused() {
        for changed in ["/a/../b", "/./a", "/a b", "/ü", "/?ü", "/a\\b", "/\"", "/%2e%2e/x", "/?'", "/a\tb"] {
            assert!(matches!(target(&format!("https://h{changed}")), Err(ClientError::UrlChanged { .. })), "{changed}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for bad in ["", "h/", "ftp://h/", "https://", "https://u:p@h/", "https://h?a", "https://h/#f", "https://h:99999/"] {
            assert!(matches!(target(bad), Err(ClientError::Url { .. })), "{bad}");
        }
    }
}
