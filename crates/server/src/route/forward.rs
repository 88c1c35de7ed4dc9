//! How an admitted request is passed on: what becomes of its body, whether it may become a tunnel, and who signs it anew.

use std::sync::Arc;

use crate::identity::Identity;

/// How a route passes requests on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forwarding {
    pub(crate) body: BodyMode,
    /// Whether WebSocket handshakes are passed on.
    pub(crate) upgrades: bool,
    /// Signs what goes upstream.
    pub(crate) identity: Option<Arc<Identity>>,
}

/// What becomes of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum BodyMode {
    /// It is read whole and checked before anything goes upstream.
    #[default]
    Buffered,
    /// It goes upstream while it is checked; its last piece when the digest held.
    Streamed,
    /// Nobody looks at it.
    Unsigned,
}

impl BodyMode {
    /// The mode of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "buffered" => Some(Self::Buffered),
            "streamed" => Some(Self::Streamed),
            "unsigned" => Some(Self::Unsigned),
            _ => None,
        }
    }
}
