//! Under which scheme, host and path the outer peer addressed the gateway: what dialects verify.

use countersign_protocol::Scheme;

use crate::forwarded::Origin;
use crate::head::Head;
use crate::route::{ExternalAuthority, Route};

/// What a head cannot say of how it was addressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outer {
    pub(crate) scheme: Scheme,
    /// Bytes at the start of the head's target that were not on the wire, and do not go upstream.
    pub(crate) prefix: usize,
}

impl Route {
    /// Puts the outer peer's host and path into the head. `wire` is the scheme of the connection, `told` the host that a
    /// trusted proxy tells of.
    pub(crate) fn outer(&self, head: &mut Head, wire: Scheme, origin: &Origin, told: Option<&str>) -> Outer {
        let (scheme, host) = match &self.authority {
            ExternalAuthority::Wire => (wire, None),
            ExternalAuthority::Fixed { scheme, host } => (*scheme, host.as_deref()),
            ExternalAuthority::Forwarded => (origin.scheme.unwrap_or(wire), told),
        };
        host.into_iter().for_each(|host| head.set_host(host));
        let told_prefix = origin.prefix.as_deref().filter(|_| self.authority == ExternalAuthority::Forwarded);
        let prefix = self.external_prefix.as_deref().or(told_prefix).unwrap_or_default();
        head.target.splice(..0, prefix.bytes());
        Outer { scheme, prefix: prefix.len() }
    }
}
