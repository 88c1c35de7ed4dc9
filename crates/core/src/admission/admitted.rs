//! The proof that a request was admitted: what a handler or an upstream may trust.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use countersign_protocol::{Part, ReplayMode, Timestamp, Verified};

use super::bearer::BEARER;
use super::user::SignedIn;
use crate::app::{App, Registered};
use crate::audit::Call;
use crate::error::StoreError;
use crate::replay::{Owner, ReplayGuard, ReplayKey};

/// A request that was verified, is fresh, no replay, and allowed here. Nothing but an admission makes one.
///
/// It is committed when the first byte goes upstream, before the handler is called, or for an event when the handler
/// has succeeded; it is released only when no byte went. Dropped without either, it stays used up.
pub struct Admitted {
    app: App,
    key_id: String,
    dialect: String,
    covers: BTreeSet<Part>,
    time: Option<Timestamp>,
    replay: ReplayMode,
    body: BodyProof,
    reservation: Option<Reservation>,
    pub(super) record: Option<u64>,
    /// What is to be recorded once the caller has proved who it is.
    pub(super) later: Option<Arc<Call>>,
    pub(super) user: Option<SignedIn>,
}

/// What is known of the body of an admitted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyProof {
    /// It is the one that was meant, as far as the signature covers it.
    Intact,
    /// It goes by: whether it is the one that was meant is known after its last byte.
    Pending,
    /// Nobody looked at it: it may be anything, and is not among the covered parts.
    Unchecked,
}

/// What the replay guard holds for a request.
pub(super) struct Reservation {
    guard: Arc<dyn ReplayGuard>,
    key: ReplayKey,
    owner: Owner,
    mode: ReplayMode,
}

impl Reservation {
    pub(super) fn new(guard: Arc<dyn ReplayGuard>, key: ReplayKey, owner: Owner, mode: ReplayMode) -> Self {
        Self { guard, key, owner, mode }
    }
}

impl Admitted {
    /// The one place where an admitted request is made, by the last step of an admission.
    pub(super) fn new(
        verified: &Verified,
        body: BodyProof,
        holder: &Registered,
        replay: ReplayMode,
        reservation: Option<Reservation>,
    ) -> Self {
        let mut covers = verified.covers().clone();
        if body == BodyProof::Unchecked {
            covers.remove(&Part::Body);
        }
        Self {
            app: holder.app.clone(),
            key_id: verified.key_id().to_owned(),
            dialect: verified.dialect().id().to_owned(),
            covers,
            time: verified.time(),
            replay,
            body,
            reservation,
            record: None,
            later: None,
            user: None,
        }
    }

    /// The one place where a request without a signature becomes an admitted one, by the last step of its admission.
    pub(super) fn of_bearer(app: App, user: Option<SignedIn>) -> Self {
        Self {
            app,
            key_id: String::new(),
            dialect: BEARER.to_owned(),
            covers: BTreeSet::new(),
            time: None,
            replay: ReplayMode::None,
            body: BodyProof::Unchecked,
            reservation: None,
            record: None,
            later: None,
            user,
        }
    }

    /// The app that called.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// The user whose access token came with it, where the route has users.
    #[must_use]
    pub const fn user(&self) -> Option<&SignedIn> {
        self.user.as_ref()
    }

    /// The key id of the credential that it used.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The id of the dialect in which it signed.
    #[must_use]
    pub fn dialect(&self) -> &str {
        &self.dialect
    }

    /// Exactly the parts of the request that the signature covers.
    #[must_use]
    pub const fn covers(&self) -> &BTreeSet<Part> {
        &self.covers
    }

    /// The signed time.
    #[must_use]
    pub const fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Which protection against replays held.
    #[must_use]
    pub const fn replay(&self) -> ReplayMode {
        self.replay
    }

    /// What is known of the body.
    #[must_use]
    pub const fn body(&self) -> BodyProof {
        self.body
    }

    /// The sequence number of its record in the audit log; `None` where there is no log, or the policy goes on without a record.
    #[must_use]
    pub const fn record(&self) -> Option<u64> {
        self.record
    }

    /// The request is being acted on, or the event was handled: from now on it is used up for good.
    ///
    /// # Errors
    /// When the guard cannot note that an event was handled. It stays reserved, so that it is not delivered twice.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        match self.reservation.take() {
            Some(held) if held.mode == ReplayMode::Event => held.guard.commit(held.key, held.owner).await,
            // The reservation stays; without its owner nobody can release it.
            Some(_) | None => Ok(()),
        }
    }

    /// Nothing was done with the request: the same signed request may come again. After a commit this does nothing.
    pub async fn release(mut self) {
        let Some(held) = self.reservation.take() else { return };
        if let Err(error) = held.guard.release(held.key, &self.app.name, held.owner).await {
            // It stays used up: a retry is refused, nothing is accepted twice.
            tracing::warn!(%error, app = %self.app.name, "a replay reservation could not be released");
        }
    }

    /// An admitted request out of nothing, for the tests of handlers.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn for_testing(app: App, key_id: impl Into<String>, dialect: impl Into<String>) -> Self {
        let (key_id, dialect) = (key_id.into(), dialect.into());
        Self {
            app,
            key_id,
            dialect,
            covers: BTreeSet::new(),
            time: None,
            replay: ReplayMode::None,
            body: BodyProof::Intact,
            reservation: None,
            user: None,
            record: None,
            later: None,
        }
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields =
            [("app", self.app.name.as_str()), ("key_id", &self.key_id), ("dialect", &self.dialect), ("replay", self.replay.as_str())];
        fields.iter().fold(&mut f.debug_struct("Admitted"), |shown, (name, value)| shown.field(name, value)).finish_non_exhaustive()
    }
}
