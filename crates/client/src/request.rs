//! Signing of `http::Request`, for whatever sends it.

use countersign_protocol::{Dialect, Place, Request};
use http::Uri;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;

use crate::error::{ClientError, url_fault};
use crate::presented::Presented;
use crate::signer::{Payload, Signer, Unsigned};
use crate::target::scheme_and_host;

impl Signer {
    /// The request with its signature, to be sent exactly as it is. `Host` is set where it is missing, so that what is signed is what is sent.
    ///
    /// Sign once for each attempt. What sends must not change the target, the headers that are signed, or the body.
    ///
    /// # Errors
    /// When the request cannot be signed, or the source of credentials has none or has to be awaited.
    pub fn sign_request<B: AsRef<[u8]> + From<Vec<u8>>>(&self, request: http::Request<B>) -> Result<http::Request<B>, ClientError> {
        let presented = self.credentials().current_now()?;
        self.sign_whole(request, &presented)
    }

    /// The same, with a source of credentials that is awaited.
    ///
    /// # Errors
    /// As [`Signer::sign_request`].
    pub async fn sign_request_async<B>(&self, request: http::Request<B>) -> Result<http::Request<B>, ClientError>
    where
        B: AsRef<[u8]> + From<Vec<u8>>,
    {
        let presented = self.credentials().current().await?;
        self.sign_whole(request, &presented)
    }

    /// Signs a head with its body, which is given back where signing changed it: in a dialect whose signature rides there.
    ///
    /// # Errors
    /// As [`Signer::sign_request`].
    pub fn sign_parts(&self, parts: &mut Parts, body: &[u8]) -> Result<Option<Vec<u8>>, ClientError> {
        let presented = self.credentials().current_now()?;
        self.sign_head(parts, Payload::Bytes(body.to_vec()), &presented).map(|signed| (signed != body).then_some(signed))
    }

    fn sign_whole<B>(&self, request: http::Request<B>, presented: &Presented) -> Result<http::Request<B>, ClientError>
    where
        B: AsRef<[u8]> + From<Vec<u8>>,
    {
        let (mut parts, body) = request.into_parts();
        let signed = self.sign_head(&mut parts, Payload::Bytes(body.as_ref().to_vec()), presented)?;
        let body = if signed == body.as_ref() { body } else { B::from(signed) };
        Ok(http::Request::from_parts(parts, body))
    }

    /// Signs a head, and gives the body's bytes back as they are to be sent; none where they were not given.
    pub(crate) fn sign_head(&self, parts: &mut Parts, payload: Payload, presented: &Presented) -> Result<Vec<u8>, ClientError> {
        let signed = self.sign(unsigned(parts, payload)?, presented)?.request;
        parts.uri = with_target(&parts.uri, &signed.target)?;
        parts.headers = header_map(self.dialect(), presented, &signed)?;
        if parts.headers.contains_key(CONTENT_LENGTH) && !signed.body.is_empty() {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(signed.body.len()));
        }
        Ok(signed.body)
    }
}

fn unsigned(parts: &Parts, payload: Payload) -> Result<Unsigned, ClientError> {
    let target = parts.uri.path_and_query().ok_or_else(|| url_fault("the request has no path to sign; give it one"))?;
    let mut headers = header_lines(&parts.headers);
    let (scheme, host) = match (parts.uri.scheme_str(), parts.uri.authority()) {
        (Some(scheme), Some(authority)) => scheme_and_host(scheme, authority.as_str()).map(|(scheme, host)| (Some(scheme), host))?,
        _ => {
            let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
            (None, host.ok_or_else(|| url_fault("the request has neither a full URL nor a Host; give it one of them"))?.to_owned())
        }
    };
    if !parts.headers.contains_key(HOST) {
        headers.insert(0, ("Host".to_owned(), host.clone().into_bytes()));
    }
    Ok(Unsigned {
        method: parts.method.as_str().to_owned(),
        scheme,
        origin: format!("{}://{host}", scheme.unwrap_or_default().as_str()),
        target: target.as_str().as_bytes().to_vec(),
        headers,
        payload,
        also: Vec::new(),
        digest_word: None,
        expires: None,
    })
}

/// The lines of a map, in its order.
pub(crate) fn header_lines(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// The lines of a signed request as a map. Signatures and secrets are marked, so that `Debug` of what sends them leaves them out.
pub(crate) fn header_map(dialect: &Dialect, presented: &Presented, signed: &Request) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::with_capacity(signed.headers.len());
    for (name, value) in &signed.headers {
        let malformed = || ClientError::Header { name: name.clone() };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
        let mut value = HeaderValue::from_bytes(value).map_err(|_| malformed())?;
        let holds =
            |name: &str| dialect.carriers().any(|c| c.is_sensitive && c.place == Place::Header && c.name.eq_ignore_ascii_case(name));
        value.set_sensitive(holds(name) || presented.holds(name));
        if key == HOST && headers.contains_key(HOST) {
            return Err(malformed());
        }
        headers.append(key, value);
    }
    Ok(headers)
}

/// The same URI with this target, if it is kept byte for byte.
fn with_target(uri: &Uri, target: &[u8]) -> Result<Uri, ClientError> {
    let changed = |sent: &str| ClientError::UrlChanged { written: String::from_utf8_lossy(target).into_owned(), sent: sent.to_owned() };
    let new = PathAndQuery::try_from(target).map_err(|_| changed("nothing"))?;
    if new.as_str().as_bytes() != target {
        return Err(changed(new.as_str()));
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(new);
    Uri::from_parts(parts).map_err(|e| url_fault(format!("the URL cannot be sent: {e}")))
}
