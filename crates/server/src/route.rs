//! Routes: which requests go where, and under which rules.

pub(crate) mod forward;
mod readings;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use countersign_core::admission::RouteRules;
use countersign_protocol::Scheme;

use self::forward::Forwarding;
use crate::decide::DecideBody;
use crate::envelope::RouteEnvelope;
use crate::head::Head;
use crate::response::ResponseSigner;
use crate::tls::Fingerprint;
use crate::upstream::Servers;

pub(crate) use readings::decoded;

/// One route.
#[derive(Debug)]
#[non_exhaustive]
pub struct Route {
    /// For logs: host and prefix.
    pub name: String,
    /// The host that it answers, lower case; any when absent. A port counts only if it is written here.
    pub host: Option<String>,
    /// The path prefix, on borders of segments: `/V1` serves `/V1` and `/V1/a`, not `/V10`.
    pub prefix: String,
    /// The methods; any when empty.
    pub methods: Vec<String>,
    /// Where admitted requests go.
    pub upstream: Upstream,
    /// How a request is admitted.
    pub rules: RouteRules,
    /// How an admitted request is passed on.
    pub(crate) forward: Forwarding,
    /// Whether the credentials that a request carries are forwarded.
    pub keep_credentials: bool,
    /// Under which scheme and host the outer peer addressed the gateway.
    pub authority: ExternalAuthority,
    /// How encrypted bodies are opened.
    pub(crate) envelope: Option<RouteEnvelope>,
    /// What a proxy in front took off the path that the outer peer used; it is verified, and does not go upstream.
    pub external_prefix: Option<String>,
    /// What becomes of a request that is not admitted.
    pub mode: Mode,
    /// Whether the connection has to bring a client's certificate.
    pub client_certificate: ClientCertificate,
    /// In decide mode: what becomes of requests with bodies.
    pub decide_body: DecideBody,
    /// Signs the answers that go to the peer.
    pub sign_response: Option<ResponseSigner>,
}

/// What becomes of a request that is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It goes upstream without an identity, and the log tells why it would be refused. Limits of size and number hold.
    Shadow,
}

/// Whether the connection has to bring a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ClientCertificate {
    /// It need not.
    #[default]
    NotNeeded,
    /// One that a listener's authority issued.
    Any,
    /// And it is one of these.
    OneOf(Vec<Fingerprint>),
}

impl ClientCertificate {
    /// Whether a connection with this certificate fulfils it.
    pub(crate) fn takes(&self, shown: Option<&Fingerprint>) -> bool {
        match self {
            Self::NotNeeded => true,
            Self::Any => shown.is_some(),
            Self::OneOf(pins) => shown.is_some_and(|shown| pins.contains(shown)),
        }
    }
}

/// Where admitted requests go.
#[derive(Debug, Clone)]
pub enum Upstream {
    /// The built-in echo.
    Echo,
    /// One of these servers.
    Servers(Arc<Servers>),
}

impl Upstream {
    /// Whether nobody on a network can read what goes there.
    pub(crate) fn is_private(&self) -> bool {
        match self {
            Self::Echo => true,
            Self::Servers(servers) => servers.definition().servers.iter().all(|address| address.tls || address.is_loopback()),
        }
    }
}

/// Where scheme and host of a request come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ExternalAuthority {
    /// From the connection and the Host header.
    #[default]
    Wire,
    /// From the `Forwarded` or `X-Forwarded-*` headers of a trusted proxy; as the connection says where it tells nothing,
    /// and for everyone else.
    Forwarded,
    /// As configured: a proxy in front ends TLS or changes the host.
    Fixed {
        /// The scheme that the outer peer used.
        scheme: Scheme,
        /// The host that the outer peer used; the Host header's when absent.
        host: Option<String>,
    },
}

/// The routes of a gateway.
#[derive(Debug, Default)]
pub struct Routes(Vec<Route>);

/// What the table says of a request.
#[derive(Debug)]
pub(crate) enum Found<'r> {
    /// It goes here.
    Route(&'r Route),
    /// It goes nowhere.
    Nothing,
    /// Another reader of its path would take it elsewhere.
    Unclear,
}

impl Routes {
    /// A table of these routes.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// The routes, as configured.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// The route of this request: a route for its host before one for any, then the longest prefix. `told` is the host that a
    /// trusted proxy tells of: it counts for the routes that take their authority from there.
    pub(crate) fn find(&self, head: &Head, told: Option<&str>) -> Found<'_> {
        let wire = plain_host(&String::from_utf8_lossy(head.host()));
        let told = told.map(plain_host);
        let forwarded = told.as_ref().unwrap_or(&wire);
        let host = |route: &Route| if route.authority == ExternalAuthority::Forwarded { forwarded } else { &wire };
        let index = |path: &[u8]| self.index(&host, path, &head.method);
        let found = index(head.path());
        // The raw path goes on as it is. If the upstream resolved `/V1/..%2fV2/x`, rules of V1 would open V2.
        if !readings::all(head.path(), |reading| index(reading) == found) {
            return Found::Unclear;
        }
        found.map_or(Found::Nothing, |i| Found::Route(&self.0[i]))
    }

    fn index<'h>(&self, host: &impl Fn(&Route) -> &'h String, path: &[u8], method: &str) -> Option<usize> {
        let fits = |route: &Route| route.takes(host(route), path, method);
        let rank = |route: &Route| (route.host.is_some(), route.prefix.len());
        let fitting = self.0.iter().enumerate().filter(|(_, route)| fits(route));
        fitting.max_by_key(|(_, route)| rank(route)).map(|(i, _)| i)
    }
}

impl Route {
    fn takes(&self, host: &str, path: &[u8], method: &str) -> bool {
        let same_host = self.host.as_deref().is_none_or(|own| own == host || own == split_port(host).0);
        same_host && self.covers_path(path) && (self.methods.is_empty() || self.methods.iter().any(|m| m == method))
    }

    fn covers_path(&self, path: &[u8]) -> bool {
        let prefix = self.prefix.trim_end_matches('/').as_bytes();
        let whole = self.prefix.len() > prefix.len();
        match path.strip_prefix(prefix) {
            Some(rest) => rest.first() == Some(&b'/') || (rest.is_empty() && !whole),
            None => false,
        }
    }
}

/// Whether it is a path that every reader reads alike: no escapes, doubled slashes, dot segments or parameters.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/!$&'()*+,=:@".contains(c);
    let dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
    path.starts_with('/') && !path.contains("//") && !dots && path.chars().all(plain)
}

/// A host in the one form in which hosts are compared: in lower case, without the dot of the root, the port as a number.
pub(crate) fn plain_host(host: &str) -> String {
    let (name, port) = split_port(host);
    let port = port.filter(|port| !port.is_empty());
    let port = port.map(|port| port.parse::<u16>().map_or_else(|_| Cow::from(port), |port| port.to_string().into()));
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    port.map_or_else(|| name.clone(), |port| format!("{name}:{port}"))
}

fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (name, Some(port)),
        _ => (host, None),
    }
}
