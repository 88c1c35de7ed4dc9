//! Who called, as the layer tells it to the handler.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use countersign_core::admission::{Admitted, BodyProof, SignedIn};
use countersign_core::app::App;
use countersign_protocol::{Part, Reason, ReplayMode, Timestamp};

use super::extract::Rejection;

/// The caller of an admitted request. It is made of an [`Admitted`], which only an admission makes.
///
/// ```compile_fail,E0423
/// let forged = countersign_server::layer::Caller(unimplemented());
/// # fn unimplemented<T>() -> T { panic!() }
/// ```
///
/// The tests of a handler make one by `Admitted::for_testing` of `countersign-core` with its feature `testing`, and put it into the extensions of a request.
#[derive(Clone)]
pub struct Caller(Arc<Facts>);

struct Facts {
    app: App,
    key_id: String,
    dialect: String,
    covers: BTreeSet<Part>,
    replay: ReplayMode,
    time: Option<Timestamp>,
    body: BodyProof,
    user: Option<SignedIn>,
}

/// The layer let a request pass that makes no claim at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anonymous;

impl Caller {
    /// The caller of this request.
    #[must_use]
    pub fn of(admitted: &Admitted) -> Self {
        Self(Arc::new(Facts {
            app: admitted.app().clone(),
            key_id: admitted.key_id().to_owned(),
            dialect: admitted.dialect().to_owned(),
            covers: admitted.covers().clone(),
            replay: admitted.replay(),
            time: admitted.time(),
            body: admitted.body(),
            user: admitted.user().cloned(),
        }))
    }

    /// The app.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.0.app
    }

    /// The key id of the credential that it used.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.0.key_id
    }

    /// The id of the dialect in which it signed.
    #[must_use]
    pub fn dialect(&self) -> &str {
        &self.0.dialect
    }

    /// Whether the signature covers this part of the request. What it does not cover may have been written by anyone on the way.
    #[must_use]
    pub fn covers(&self, part: &Part) -> bool {
        self.0.covers.contains(part)
    }

    /// Exactly the parts that the signature covers.
    #[must_use]
    pub fn covered(&self) -> &BTreeSet<Part> {
        &self.0.covers
    }

    /// Which protection against replays held.
    #[must_use]
    pub fn replay(&self) -> ReplayMode {
        self.0.replay
    }

    /// The signed time.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.0.time
    }

    /// What is known of the body.
    #[must_use]
    pub fn body(&self) -> BodyProof {
        self.0.body
    }

    /// The user whose access token came with the request, where the rules ask for one.
    #[must_use]
    pub fn user(&self) -> Option<&SignedIn> {
        self.0.user.as_ref()
    }

    /// Whether the app has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.app.scopes.iter().any(|own| own == scope)
    }

    /// Passes if and only if the app has this scope.
    ///
    /// # Errors
    /// `insufficient_scope`, which a handler returns as its answer: 403 with a problem body.
    pub fn require(&self, scope: &str) -> Result<(), Rejection> {
        if self.has_scope(scope) {
            return Ok(());
        }
        tracing::info!(target: "countersign::layer", app = %self.0.app.name, key_id = %self.0.key_id, scope, "the app lacks a scope");
        Err(Rejection::new(Reason::InsufficientScope))
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts { app, key_id, dialect, replay, .. } = &*self.0;
        f.debug_struct("Caller")
            .field("app", &app.name)
            .field("key_id", key_id)
            .field("dialect", dialect)
            .field("replay", replay)
            .finish_non_exhaustive()
    }
}
