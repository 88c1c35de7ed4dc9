//! What a route asks of its requests.

use std::sync::Arc;

use countersign_protocol::{Dialect, Inputs, Policy, ReplayMode};

use super::user::UserRule;
use crate::app::Registered;

/// The most credentials that a route without key ids may try.
pub const MOST_KEYS: usize = 16;

/// What a route accepts.
#[derive(Debug, Clone)]
pub struct RouteRules {
    /// The route's name in the audit log.
    pub name: String,
    /// The dialects.
    pub dialects: Vec<Dialect>,
    /// Inputs of the dialects that the route pins.
    pub inputs: Inputs,
    /// What must be signed, and within which window.
    pub policy: Policy,
    /// The protection against replays; absent: the dialect's own.
    pub replay: Option<ReplayMode>,
    /// The most bytes of a body.
    pub body_limit: usize,
    /// Where credentials come from.
    pub keys: RouteKeys,
    /// The scopes that an app needs.
    pub scopes: Vec<String>,
    /// What is asked of a user's session; absent: the route has no users, and an access token is a header like others.
    pub user: Option<UserRule>,
    /// Whether what stands behind judges access tokens by itself, as a session API does: there the key of a session signs without its token too.
    pub judges_later: bool,
}

impl RouteRules {
    /// The dialects' own rules, for these dialects, with bodies of at most 8 MiB.
    #[must_use]
    pub fn new(dialects: Vec<Dialect>) -> Self {
        Self {
            name: String::new(),
            dialects,
            inputs: Inputs::new(),
            policy: Policy::default(),
            replay: None,
            body_limit: 8 << 20,
            keys: RouteKeys::ByClaim,
            scopes: Vec::new(),
            user: None,
            judges_later: false,
        }
    }

    /// By what a repeated request of this dialect is recognised.
    #[must_use]
    pub fn mode(&self, dialect: &Dialect) -> ReplayMode {
        self.replay.unwrap_or_else(|| dialect.replay())
    }

    /// Whether a caller that the rules admit has still to prove who it is: it signed with a key that it brought, and a password is judged later.
    pub(super) const fn proves_later(&self) -> bool {
        self.judges_later && matches!(self.keys, RouteKeys::Given(_))
    }
}

/// Which credentials a route tries.
#[derive(Debug, Clone)]
pub enum RouteKeys {
    /// The one that the message names, by key id or by the secret itself.
    ByClaim,
    /// These, by key id, at most [`MOST_KEYS`]: for webhooks, which name none.
    Fixed(Vec<String>),
    /// These, as they stand here, at most [`MOST_KEYS`]: for a caller who signs with the key that it brings.
    Given(Vec<Arc<Registered>>),
}

impl PartialEq for RouteKeys {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ByClaim, Self::ByClaim) => true,
            (Self::Fixed(own), Self::Fixed(others)) => own == others,
            (Self::Given(own), Self::Given(others)) => own.len() == others.len() && own.iter().zip(others).all(|(a, b)| Arc::ptr_eq(a, b)),
            _ => false,
        }
    }
}

impl Eq for RouteKeys {}
