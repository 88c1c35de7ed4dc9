//! Under which scheme, host and path the outer peer addressed the gateway: what dialects verify.

use countersign_protocol::{Refusal, Scheme};

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
    /// Puts the outer peer's host and path into the head. `wire` is the scheme of the connection.
    ///
    /// # Errors
    /// `malformed_request`: a trusted proxy tells two ports.
    pub(crate) fn outer(&self, head: &mut Head, wire: Scheme, origin: &Origin) -> Result<Outer, Refusal> {
        let scheme = match &self.authority {
            ExternalAuthority::Wire => wire,
            ExternalAuthority::Fixed { scheme, host } => {
                host.iter().for_each(|host| head.set_host(host));
                *scheme
            }
            ExternalAuthority::Forwarded => {
                let scheme = origin.scheme.unwrap_or(wire);
                origin.authority(head.host(), scheme)?.iter().for_each(|host| head.set_host(host));
                scheme
            }
        };
        let told = origin.prefix.as_deref().filter(|_| self.authority == ExternalAuthority::Forwarded);
        let prefix = self.external_prefix.as_deref().or(told).unwrap_or_default();
        head.target.splice(..0, prefix.bytes());
        Ok(Outer { scheme, prefix: prefix.len() })
    }
}
