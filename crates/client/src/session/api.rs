//! The session API of a server, called through the app's client.

use std::net::IpAddr;
use std::time::Duration;

use countersign_protocol::{Credential, Scheme};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::grant::Grant;
use super::{Keeping, Login, PATIENCE, SessionError};
use crate::answers::gather;
use crate::client::SigningClient;
use crate::credentials::Credentials;
use crate::draft::Sealing;
use crate::error::{ClientError, url_fault};
use crate::outgoing::OutgoingRequest;
use crate::presented::Presented;
use crate::refused::ServerRefusal;
use crate::retry::RetryPolicy;
use crate::target::{scheme_and_host, split};

/// The most bytes of an answer.
const MOST_ANSWER: usize = 64 * 1024;
/// The header in which a server gives refresh tokens that it does not give in the body.
const REFRESH_HEADER: &str = "x-refresh-token";
/// How often what may be done twice is tried.
const ATTEMPTS: u32 = 4;

/// Where the API is, and through whom it is called.
pub(crate) struct Api {
    client: SigningClient,
    base: String,
    origin: String,
    patience: Duration,
}

impl Api {
    pub(super) fn new(client: &SigningClient, base_url: &str, keeping: &Keeping) -> Result<Self, SessionError> {
        let (own, _) = split(base_url)?;
        let (scheme, authority) = own.split_once("://").ok_or_else(|| url_fault("the URL has no scheme; write https://host"))?;
        let (scheme, host) = scheme_and_host(scheme, authority)?;
        let is_private = scheme == Scheme::Https || is_loopback(&host) || client.signer().allows_plain_http();
        if !is_private {
            return Err(url_fault("passwords and tokens would be shown on the wire; use an https URL").into());
        }
        let base = format!("{}{}", base_url.trim_end_matches('/'), keeping.path);
        Ok(Self { client: client.clone(), base, origin: format!("{}://{host}", scheme.as_str()), patience: keeping.patience })
    }

    /// Through whom it is called.
    pub(super) const fn client(&self) -> &SigningClient {
        &self.client
    }

    /// The URL of the whole API, by which a token file knows its server.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Scheme and authority of the server.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn url(&self, below: &str) -> String {
        format!("{}{below}", self.base)
    }

    /// Logs in: once, for it may have been done.
    pub(super) async fn login(&self, login: &Login) -> Result<Grant, SessionError> {
        let body = login.body().map_err(|fault| SessionError::Key { fault })?;
        let client = match &login.public_app {
            None => self.through(None),
            Some(app) => {
                let own = login.bind.own_key();
                let own = own.ok_or(SessionError::Key { fault: "the login of an app without a secret needs `Bind::Client`" })?;
                self.through(Some(Credential::new(format!("self:{app}"), own).into()))
            }
        };
        Grant::of_answer(&self.post(&client, "/login", &body, PATIENCE).await?)
    }

    /// Asks for the next pair of tokens. The same question has the same answer, so one that was lost is asked again.
    pub(super) async fn refresh(&self, before: &Grant, key: Option<Credential>) -> Result<Grant, SessionError> {
        let token = std::str::from_utf8(before.refresh_token.expose()).map_err(|_| SessionError::Answer { fault: "a token is no text" })?;
        let quoted = Zeroizing::new(serde_json::to_vec(token).map_err(|_| SessionError::Answer { fault: "a token is no text" })?);
        let body = Zeroizing::new([b"{\"refresh_token\":", &quoted[..], b"}"].concat());
        let client = self.through(key.map(Presented::from)).with_retries(self.persistence());
        let each = self.patience / ATTEMPTS;
        let answer = match self.post(&client, "/refresh", &body, each).await {
            // The head came, and the body did not.
            Err(SessionError::Client(error)) if matches!(*error, ClientError::Send(_)) => {
                self.post(&client, "/refresh", &body, each).await?
            }
            other => other?,
        };
        Grant::of_refresh(&answer, before)
    }

    /// Logs out, showing this token and no other.
    pub(super) async fn logout(&self, presented: Presented) -> Result<(), SessionError> {
        let client = self.through(Some(presented)).with_retries(self.persistence());
        self.done(&client.request(Method::POST, self.url("/logout")).timeout(PATIENCE)).await
    }

    /// Sends what has no answer but that it was done.
    pub(super) async fn done(&self, request: &OutgoingRequest) -> Result<(), SessionError> {
        self.whole(request).await.map(drop)
    }

    /// Sends, and reads the answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, request: &OutgoingRequest) -> Result<T, SessionError> {
        let body = self.whole(request).await?;
        serde_json::from_slice(&body).map_err(|_| SessionError::Answer { fault: "it is not of the form of one" })
    }

    async fn post(&self, client: &SigningClient, below: &str, body: &[u8], each: Duration) -> Result<Zeroizing<Vec<u8>>, SessionError> {
        let request = client.request(Method::POST, self.url(below)).header("Content-Type", "application/json").body(body).timeout(each);
        let (headers, body) = self.answer(&request).await?;
        Ok(with_tokens(&headers, body))
    }

    async fn whole(&self, request: &OutgoingRequest) -> Result<Zeroizing<Vec<u8>>, SessionError> {
        self.answer(request).await.map(|(_, body)| body)
    }

    async fn answer(&self, request: &OutgoingRequest) -> Result<(HeaderMap, Zeroizing<Vec<u8>>), SessionError> {
        let (head, body) = gather(request.send().await?, MOST_ANSWER).await?;
        let body = Zeroizing::new(body);
        if matches!(head.status(), StatusCode::OK | StatusCode::NO_CONTENT) {
            return Ok((head.headers().clone(), body));
        }
        // No string to sign: it would hold the digest of a password.
        Err(SessionError::of(ServerRefusal::new(self.client.signer().dialect(), head.status(), head.headers(), &body, &[])))
    }

    /// The client that signs with this, or as the app does. Bodies of the API are not encrypted but by TLS.
    fn through(&self, presented: Option<Presented>) -> SigningClient {
        let mut client = self.client.clone();
        client.rules.sealing = Sealing::default();
        client.rules.retries = None;
        if let Some(presented) = presented {
            client.signer = client.signer.with_credentials(Credentials::fixed(presented));
        }
        client
    }

    fn persistence(&self) -> RetryPolicy {
        RetryPolicy::default().with_attempts(ATTEMPTS).with_total(self.patience).for_every_method()
    }
}

/// The grant with the tokens that came in headers, where the server gives them there.
fn with_tokens(headers: &HeaderMap, body: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    #[derive(Deserialize)]
    struct Named {
        header: String,
    }
    let named = || serde_json::from_slice::<Named>(&body).ok();
    let tokens =
        headers.get(REFRESH_HEADER).and_then(|refresh| Some((headers.get(named()?.header.as_str())?.as_bytes(), refresh.as_bytes())));
    let Some((access, refresh)) = tokens else { return body };
    let is_plain = |token: &[u8]| token.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
    match body.trim_ascii_end().strip_suffix(b"}").filter(|_| is_plain(access) && is_plain(refresh)) {
        Some(open) => {
            let parts = [open, b",\"access_token\":\"", access, b"\",\"refresh_token\":\"", refresh, b"\"}"];
            Zeroizing::new(parts.concat())
        }
        None => body,
    }
}

/// Whether a host with or without a port is this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn tokens_in_headers_are_those_of_the_grant() {
        let given = |body: &str, names: &[(&'static str, &'static str)]| {
            let headers = names.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
            String::from_utf8(with_tokens(&headers, Zeroizing::new(body.as_bytes().to_vec())).to_vec()).unwrap()
        };
        let (access, refresh) = (("x-access-token", "at"), ("x-refresh-token", "rt"));
        let body = "{\"header\":\"x-access-token\"}";
        let whole = "{\"header\":\"x-access-token\",\"access_token\":\"at\",\"refresh_token\":\"rt\"}";
        assert_eq!(given(body, &[access, refresh]), whole);
        for names in [&[][..], &[access], &[refresh], &[access, ("x-refresh-token", "r\"t")], &[("x-access-token", "a\\"), refresh]] {
            assert_eq!(given(body, names), body, "{names:?}");
        }
        assert_eq!(given("{\"header\":\"no header\"}", &[access, refresh]), "{\"header\":\"no header\"}");
    }

    #[test]
    fn only_this_machine_is_the_loopback() {
        for host in ["localhost", "localhost:8080", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "127.0.0.1.example.com:80", "[::2]:1", "10.0.0.1", "::1.example", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
