//! Who may use the admin listener: the name by which it is called, then the token.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_protocol::Secret;
use http::header::{AUTHORIZATION, CACHE_CONTROL, HOST, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use super::{Admin, ApiProblem};
use crate::rate::{AddressLimit, AddressRate};

/// Wrong tokens of one address: so many at once, and one more each second. Beyond: no token of that address is looked at.
const WRONG_TOKENS: AddressRate = AddressRate { per_second: 1, burst: 10 };

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub(super) SocketAddr);

/// Counts wrong tokens.
#[derive(Debug)]
pub(super) struct FailedTokens(AddressLimit);

impl Default for FailedTokens {
    fn default() -> Self {
        Self(AddressLimit::new(WRONG_TOKENS))
    }
}

/// Lets an operator in: the name is known, and the token is right.
pub(super) async fn operator(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match admin.named(request.headers()).and_then(|()| admin.proved(&request)) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Lets in whoever reads metrics: as an operator, unless they are open.
pub(super) async fn scraper(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let open = admin.settings().metrics_open;
    match admin.named(request.headers()).and_then(|()| if open { Ok(()) } else { admin.proved(&request) }) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Nothing of this listener is kept on the way or read as anything else than it is.
pub(super) async fn plainly(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

impl Admin {
    /// A page that a browser has open can make a name of its own lead here. It cannot change the name that is sent.
    fn named(&self, headers: &HeaderMap) -> Result<(), ApiProblem> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).filter(|_| hosts.next().is_none());
        if host.is_some_and(|host| self.is_called(without_port(host))) { Ok(()) } else { Err(ApiProblem::unknown_host()) }
    }

    fn proved(&self, request: &Request) -> Result<(), ApiProblem> {
        let Some(token) = &self.settings().token else { return Err(ApiProblem::no_token()) };
        let address = request.extensions().get::<Caller>().map_or(IpAddr::from([0; 4]), |caller| caller.0.ip());
        let failed = &self.0.failed.0;
        // Before the token is looked at: otherwise a guess that is right would be told apart by its answer.
        if !failed.would_take(address, Instant::now()) {
            return Err(ApiProblem::too_many_wrong_tokens());
        }
        let mut lines = request.headers().get_all(AUTHORIZATION).iter();
        let shown = lines.next().filter(|_| lines.next().is_none()).and_then(|line| bearer(line.as_bytes()));
        match shown {
            Some(shown) if digest(shown) == digest(token.expose()) => Ok(()),
            Some(_) => {
                failed.takes(address, Instant::now());
                self.shared().observers.metrics.wrong_tokens.add(1);
                tracing::warn!(target: "countersign::admin", %address, "a wrong token");
                Err(ApiProblem::unauthorized())
            }
            None => Err(ApiProblem::unauthorized()),
        }
    }
}

/// Of one length, so that the comparison does not tell how long the token is.
fn digest(token: &[u8]) -> Secret {
    Secret::new(Sha256::digest(token).to_vec())
}

/// The token of `Bearer <token>` (RFC 6750, section 2.1).
fn bearer(line: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = line.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_a_name() {
        for (host, name) in [("a:1", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a:b", "a:b")] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn only_bearer_tokens_are_read() {
        assert_eq!(bearer(b"bearer abc"), Some(&b"abc"[..]));
        for line in ["", "Bearer", "Basic abc", "abc"] {
            assert_eq!(bearer(line.as_bytes()), None, "{line}");
        }
    }
}
