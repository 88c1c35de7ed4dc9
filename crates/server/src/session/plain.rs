//! Callers of the API that do not sign: apps that are listed as plain, whose sessions are bound to no key.
//!
//! Whoever has such a token is the user. So it goes over TLS or stays on this machine, and is taken on routes that say so only.

use std::net::IpAddr;

use countersign_core::admission::Csrf;
use countersign_core::session::{Presented, SessionFault};
use countersign_protocol::{Body as Known, Reason, Refusal, Scheme, Secret};
use serde::Deserialize;

use super::cookie::{self, CookieSettings};
use super::login::{Renewal, refused};
use super::{SessionDesk, invalid};
use crate::admit::Inbound;
use crate::head::{Head, malformed};
use crate::metrics::sessions::SessionSeries;
use crate::refused::Refused;

/// Which apps may let users log in without a signature, and how their tokens reach them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlainSettings {
    /// The apps.
    pub apps: Vec<String>,
    /// How tokens reach them.
    pub deliver: PlainDelivery,
}

/// How tokens reach a caller that does not sign.
#[derive(Debug, Clone)]
pub enum PlainDelivery {
    /// In the body of the answer.
    Body,
    /// In its headers.
    Header,
    /// In cookies.
    Cookie(CookieSettings),
}

/// A call that is not signed, of a plain app.
pub(super) struct PlainCall {
    pub(super) app: String,
    /// The access token that came with it.
    pub(super) access: Option<String>,
    /// The refresh token that came in a cookie or in the body.
    pub(super) refresh: Option<Secret>,
    /// Whether a browser sent a token by itself.
    pub(super) by_cookie: bool,
    /// Whether it is a login, which has no token yet.
    pub(super) is_login: bool,
}

/// The tokens of one request.
struct Tokens<'r> {
    access: Option<&'r str>,
    refresh: Option<Secret>,
    csrf: Option<Csrf<'r>>,
}

impl SessionDesk {
    /// The cookies of sessions, where tokens are given in cookies.
    pub(crate) fn cookies(&self) -> Option<&CookieSettings> {
        match &self.settings.plain.as_ref()?.deliver {
            PlainDelivery::Cookie(cookies) => Some(cookies),
            PlainDelivery::Body | PlainDelivery::Header => None,
        }
    }

    /// The call, if it is one of a plain app: no dialect claims it, and it is a login for such an app or has a token of its session.
    pub(super) async fn plain(
        &self,
        inbound: &Inbound<'_>,
        below: &str,
        body: &[u8],
        counts: &SessionSeries,
    ) -> Result<Option<PlainCall>, Refused> {
        let Some(plain) = &self.settings.plain else { return Ok(None) };
        let request = inbound.view(Known::Bytes(body));
        if self.settings.dialects.iter().any(|dialect| dialect.marks(&request)) {
            return Ok(None);
        }
        let head = inbound.head;
        if (head.method.as_str(), below) == ("POST", "/login") {
            let Some(app) = app_of(body).filter(|app| plain.apps.contains(app)) else { return Ok(None) };
            must_be_private(inbound.scheme, inbound.client)?;
            if let Some(cookies) = self.cookies() {
                cookie::check_page(head, inbound.scheme, &cookies.access)?;
            }
            return Ok(Some(PlainCall { app, access: None, refresh: None, by_cookie: false, is_login: true }));
        }
        let Some(Tokens { access, refresh, csrf }) = self.tokens(head, below, inbound.scheme, body)? else { return Ok(None) };
        let presented = match (&refresh, access) {
            (Some(refresh), _) => Presented::Refresh(refresh.expose()),
            (None, Some(access)) => Presented::Access(access),
            (None, None) => return Ok(None),
        };
        must_be_private(inbound.scheme, inbound.client)?;
        let session = self.sessions.unsigned_session(presented, self.now()).await;
        // A session of an app that is no longer listed is used by nobody.
        let session = session.and_then(|session| if plain.apps.contains(&session.app) { Ok(session) } else { Err(SessionFault::Binding) });
        let session = session.map_err(|fault| {
            if below == "/refresh" {
                counts.refresh::<()>(&Err(fault.clone()));
            }
            refused(&fault)
        })?;
        if let Some(csrf) = csrf {
            self.sessions.demand_csrf(&session, csrf).map_err(|fault| refused(&fault))?;
        }
        let access = access.map(str::to_owned);
        Ok(Some(PlainCall { app: session.app, access, refresh, by_cookie: csrf.is_some(), is_login: false }))
    }

    /// The tokens of a request, if the endpoint takes some without a signature.
    fn tokens<'r>(&'r self, head: &'r Head, below: &str, scheme: Scheme, body: &[u8]) -> Result<Option<Tokens<'r>>, Refusal> {
        let (takes_access, takes_refresh) = match (head.method.as_str(), below) {
            ("POST", "/refresh") | ("GET", "/csrf") => (false, true),
            ("POST", "/logout") => (true, true),
            ("POST", "/introspect" | "/revoke") => return Ok(None),
            _ => (true, false),
        };
        let bearer = crate::admit::bearer(head)?;
        let Some(cookies) = self.cookies() else {
            let refresh = if takes_refresh && below == "/refresh" { refresh_of(body) } else { None };
            return Ok(Some(Tokens { access: bearer.filter(|_| takes_access), refresh, csrf: None }));
        };
        let (access, refresh) = (cookie::one(&cookies.access, head)?, cookie::one(&cookies.refresh, head)?);
        let in_body = if below == "/refresh" { refresh_of(body) } else { None };
        if access.or(refresh).is_none() {
            return Ok(Some(Tokens { access: bearer.filter(|_| takes_access), refresh: in_body, csrf: None }));
        }
        let is_doubled = ["authorization", &self.settings.header].iter().any(|name| head.values(name).next().is_some());
        if is_doubled || in_body.is_some() {
            return Err(malformed("a token came in a cookie and in another place"));
        }
        let refresh = refresh.filter(|_| takes_refresh).map(|token| Secret::new(token.as_bytes()));
        let access = access.filter(|_| takes_access && refresh.is_none());
        let csrf = cookie::csrf(head, scheme, &cookies.access)?;
        Ok(Some(Tokens { access, refresh, csrf: Some(csrf) }))
    }
}

/// A password or a token that nothing protects goes over TLS, or stays on this machine.
fn must_be_private(scheme: Scheme, client: Option<IpAddr>) -> Result<(), Refusal> {
    let is_private = scheme == Scheme::Https || client.is_some_and(|client| client.to_canonical().is_loopback());
    let detail = "a caller without a signature, over an open wire; a proxy that speaks TLS has to be trusted and to tell the scheme";
    if is_private { Ok(()) } else { Err(Refusal::new(Reason::InsecureTransport, detail)) }
}

/// For which app a login is.
fn app_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Sketch {
        app: Option<String>,
    }
    serde_json::from_slice::<Sketch>(body).ok()?.app
}

/// The refresh token in a body.
fn refresh_of(body: &[u8]) -> Option<Secret> {
    serde_json::from_slice::<Renewal>(body).ok()?.refresh_token
}

impl super::Call<'_> {
    /// The CSRF token of the session whose cookie came, for a page that was loaded anew.
    pub(super) async fn csrf(&self) -> Result<http::Response<bytes::Bytes>, Refused> {
        let presented = self.plain.as_ref().filter(|plain| plain.by_cookie).and_then(|plain| plain.refresh.as_ref());
        let Some(refresh) = presented else { return Err(invalid("no cookie of a session came").into()) };
        let now = self.admission.now();
        let session =
            self.desk.sessions.unsigned_session(Presented::Refresh(refresh.expose()), now).await.map_err(|fault| refused(&fault))?;
        let token = self.desk.sessions.csrf_token(&session).map_err(|error| super::unavailable(&error))?;
        let body = serde_json::json!({ "csrf_token": String::from_utf8_lossy(token.expose()), "csrf_header": cookie::CSRF_HEADER });
        Ok(super::json(http::StatusCode::OK, &body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_signed_goes_over_tls_or_stays_on_this_machine() {
        let may = |scheme, client: &str| must_be_private(scheme, client.parse().ok()).is_ok();
        for (scheme, client, wanted) in [
            (Scheme::Https, "192.0.2.1", true),
            (Scheme::Http, "127.0.0.1", true),
            (Scheme::Http, "::1", true),
            (Scheme::Http, "::ffff:127.0.0.1", true),
            (Scheme::Http, "192.0.2.1", false),
            (Scheme::Http, "10.0.0.1", false),
            (Scheme::Http, "unknown", false),
        ] {
            assert_eq!(may(scheme, client), wanted, "{scheme:?} {client}");
        }
    }
}
