//! What is the same in every attempt of a request, and how one attempt is made of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_protocol::{Dialect, Request};
use http::{Method, Uri};
use reqwest::Url;

use crate::draft::{Draft, Sealing};
use crate::error::{ClientError, url_fault};
use crate::presented::Presented;
use crate::request::header_map;
use crate::signer::{Payload, Signer, Unsigned};
use crate::stream::StreamBody;
use crate::target::{scheme_and_host, split};

/// A request that is not signed yet.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// Headers to sign besides those of the dialect.
    pub(crate) also: Vec<String>,
    pub(crate) body: Content,
    pub(crate) digest_word: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) version: Option<http::Version>,
}

/// A body as the caller gave it.
#[derive(Clone)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Stream(StreamBody),
    /// Of a request that others built: it is passed on as it is, once.
    #[cfg_attr(not(feature = "middleware"), expect(dead_code, reason = "only others build such requests"))]
    Opaque(Arc<Mutex<Option<reqwest::Body>>>),
}

/// One signed attempt.
pub(crate) struct Attempt {
    pub(crate) request: reqwest::Request,
    pub(crate) draft: Draft,
    pub(crate) string_to_sign: Vec<u8>,
    /// Scheme and authority, by which the server's clock is known.
    pub(crate) origin: String,
}

impl Template {
    pub(crate) const fn new(method: Method, url: String) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            also: Vec::new(),
            body: Content::Bytes(Vec::new()),
            digest_word: None,
            timeout: None,
            version: None,
        }
    }

    /// Whether another attempt has the same body.
    pub(crate) const fn is_repeatable(&self) -> bool {
        match &self.body {
            Content::Bytes(_) => true,
            Content::Stream(stream) => stream.is_repeatable(),
            Content::Opaque(_) => false,
        }
    }

    /// Signs one attempt, reading a body that is sent in pieces for its digest.
    pub(crate) async fn attempt(&self, signer: &Signer, sealing: &Sealing, presented: &Presented) -> Result<Attempt, ClientError> {
        let has_word = self.digest_word.is_some();
        match &self.body {
            Content::Bytes(_) => self.attempt_now(signer, sealing, presented),
            Content::Stream(stream) => {
                sealing.refuse_stream()?;
                let signed = stream.digests(signer.dialect(), has_word).await?;
                let payload = signed.clone().map_or(Payload::Unread, Payload::Digests);
                let mut attempt = self.sign(signer, presented, Draft::plain(&self.headers), payload)?;
                *attempt.request.body_mut() = Some(stream.pieces(signer.dialect(), signed).await?);
                Ok(attempt)
            }
            Content::Opaque(body) => {
                let mut attempt = self.sign(signer, presented, Draft::plain(&self.headers), Payload::Unread)?;
                *attempt.request.body_mut() = body.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok(attempt)
            }
        }
    }

    /// Signs one attempt whose body is here.
    pub(crate) fn attempt_now(&self, signer: &Signer, sealing: &Sealing, presented: &Presented) -> Result<Attempt, ClientError> {
        let Content::Bytes(body) = &self.body else {
            return Err(ClientError::Body { fault: "it is read when it is sent; use `send`".to_owned() });
        };
        let mut draft = sealing.draft(&self.headers, body)?;
        let payload = Payload::Bytes(std::mem::take(&mut draft.body));
        self.sign(signer, presented, draft, payload)
    }

    fn sign(&self, signer: &Signer, presented: &Presented, draft: Draft, payload: Payload) -> Result<Attempt, ClientError> {
        let (origin, target) = split(&self.url)?;
        let url = exact_url(origin, target)?;
        let (scheme, host) = scheme_and_host(url.scheme(), url.authority())?;
        let origin_key = format!("{}://{host}", scheme.as_str());
        let unsigned = Unsigned {
            method: self.method.as_str().to_owned(),
            scheme: Some(scheme),
            origin: origin_key.clone(),
            target: target.as_bytes().to_vec(),
            headers: headers_as_sent(&draft.headers, host),
            payload,
            also: self.also.iter().chain(&draft.also).cloned().collect(),
            digest_word: self.digest_word.clone(),
            expires: None,
        };
        let signed = signer.sign(unsigned, presented)?;
        let mut request = self.as_sent(signer.dialect(), presented, origin, &signed.request)?;
        *request.timeout_mut() = self.timeout;
        if let Some(version) = self.version {
            *request.version_mut() = version;
        }
        Ok(Attempt { request, draft, string_to_sign: signed.string_to_sign, origin: origin_key })
    }

    fn as_sent(&self, dialect: &Dialect, presented: &Presented, origin: &str, signed: &Request) -> Result<reqwest::Request, ClientError> {
        let target = std::str::from_utf8(&signed.target).map_err(|_| url_fault("the signed target is no text"))?;
        let mut request = reqwest::Request::new(self.method.clone(), exact_url(origin, target)?);
        *request.headers_mut() = header_map(dialect, presented, signed)?;
        if !signed.body.is_empty() {
            *request.body_mut() = Some(signed.body.clone().into());
        }
        Ok(request)
    }
}

/// The caller's headers with those that would be added on the way: they are signed too where the dialect says so.
fn headers_as_sent(own: &[(String, Vec<u8>)], host: String) -> Vec<(String, Vec<u8>)> {
    let mut headers = own.to_vec();
    let missing = |name: &str| !own.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if missing("host") {
        headers.insert(0, ("Host".to_owned(), host.into_bytes()));
    }
    if missing("accept") {
        headers.push(("Accept".to_owned(), b"*/*".to_vec()));
    }
    headers
}

/// The URL, if the HTTP stack sends its target exactly as written.
fn exact_url(origin: &str, target: &str) -> Result<Url, ClientError> {
    let url = Url::parse(&format!("{origin}{target}")).map_err(|e| url_fault(format!("the URL cannot be read: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(url_fault(format!("the URL's scheme '{}' is neither http nor https", url.scheme())));
    }
    // The URL is parsed twice on its way: by `url`, which normalises, and by `http`.
    let sent = url.as_str().parse::<Uri>().map_err(|e| url_fault(format!("the URL cannot be sent: {e}")))?;
    let sent = sent.path_and_query().map_or("/", |target| target.as_str());
    if sent == target { Ok(url) } else { Err(ClientError::UrlChanged { written: target.to_owned(), sent: sent.to_owned() }) }
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
