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
        self.authority.outer(head, self.external_prefix.as_deref(), wire, origin, told)
    }
}

impl ExternalAuthority {
    /// As [`Route::outer`], where proxies take this prefix off, or the one that they tell of.
    pub(crate) fn outer(&self, head: &mut Head, prefix: Option<&str>, wire: Scheme, origin: &Origin, told: Option<&str>) -> Outer {
        let (scheme, host) = match self {
            Self::Wire => (wire, None),
            Self::Fixed { scheme, host } => (*scheme, host.as_deref()),
            Self::Forwarded => (origin.scheme.unwrap_or(wire), told),
        };
        host.into_iter().for_each(|host| head.set_host(host));
        let told_prefix = origin.prefix.as_deref().filter(|_| *self == Self::Forwarded);
        let prefix = prefix.or(told_prefix).unwrap_or_default();
        head.target.splice(..0, prefix.bytes());
        Outer { scheme, prefix: prefix.len() }
    }
}
