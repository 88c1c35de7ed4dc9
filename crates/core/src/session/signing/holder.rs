//! The keys as a process holds them: read again when they changed, and every few seconds in any case.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_protocol::Timestamp;

use super::SigningKey;
use super::ring::KeyRing;
use super::store::SigningKeyStore;
use crate::error::StoreError;
use crate::session::token::{AccessToken, TokenFault, TokenRules, Unverified};

/// How often at most the store is asked whether keys changed.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How often at least they are read, and how long they are used while the store does not answer.
const READ_EVERY: Duration = Duration::from_secs(5);
/// How often at most an unknown name has them read.
const MISS_EVERY: Duration = Duration::from_secs(30);

/// Why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// The token is at fault.
    Fault(TokenFault),
    /// Which keys verify is not known.
    Store(StoreError),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TokenError {}

impl From<TokenFault> for TokenError {
    fn from(fault: TokenFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The keys of a store, at hand. What is revoked elsewhere is refused here within a quarter of a second after the store can tell.
#[derive(Debug)]
pub struct KeyHolder {
    store: Arc<dyn SigningKeyStore>,
    held: Mutex<Held>,
    /// Held by the one who asks the store; the others wait for what it learns.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    ring: Option<Arc<KeyRing>>,
    revision: Option<u64>,
    /// When the keys were read last.
    read: Option<Timestamp>,
    /// When the store was asked last, and what it failed with.
    asked: Option<Timestamp>,
    failed: Option<StoreError>,
    /// When an unknown name had the keys read.
    missed: Option<Timestamp>,
    /// How often the store was asked.
    rounds: u64,
}

impl KeyHolder {
    /// Holds the keys of this store. Nothing is read yet.
    #[must_use]
    pub fn new(store: Arc<dyn SigningKeyStore>) -> Self {
        Self { store, held: Mutex::new(Held::default()), asking: tokio::sync::Mutex::new(()) }
    }

    /// The keys as they are now.
    ///
    /// # Errors
    /// When the store has not answered for 5 seconds: a key may have been revoked.
    pub async fn ring(&self, now: Timestamp) -> Result<Arc<KeyRing>, StoreError> {
        self.current(now, false).await
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// When there is none, or the store does not answer.
    pub async fn signing(&self, now: Timestamp) -> Result<Arc<SigningKey>, StoreError> {
        let none = || StoreError::Unavailable("no key signs access tokens now; `countersign session key rotate` makes one".to_owned());
        self.ring(now).await?.signing(now).cloned().ok_or_else(none)
    }

    /// Verifies a token that must be valid now. A key that is not known is looked for in the store, at most every 30 seconds.
    ///
    /// # Errors
    /// When the token is refused, or which keys verify is not known.
    pub async fn verify(&self, token: &str, rules: &TokenRules, now: Timestamp) -> Result<AccessToken, TokenError> {
        let unverified = Unverified::read(token)?;
        let ring = self.ring_with(unverified.kid(), now).await?;
        Ok(unverified.verify(&ring, rules, now)?)
    }

    /// The same for a token that may be over; see [`verify_ended`](crate::session::token::verify_ended).
    ///
    /// # Errors
    /// When the token is refused, or which keys verify is not known.
    pub async fn verify_ended(&self, token: &str, rules: &TokenRules, now: Timestamp) -> Result<AccessToken, TokenError> {
        let unverified = Unverified::read(token)?;
        let ring = self.ring_with(unverified.kid(), now).await?;
        Ok(unverified.authentic(&ring, rules, now)?)
    }

    async fn ring_with(&self, kid: &str, now: Timestamp) -> Result<Arc<KeyRing>, StoreError> {
        let ring = self.ring(now).await?;
        if ring.verifying(kid, now).is_some() {
            return Ok(ring);
        }
        {
            let mut held = self.held();
            if held.missed.is_some_and(|at| is_within(at, now, MISS_EVERY)) {
                return Ok(ring);
            }
            held.missed = Some(now);
        }
        self.current(now, true).await
    }

    async fn current(&self, now: Timestamp, anew: bool) -> Result<Arc<KeyRing>, StoreError> {
        let rounds = {
            let held = self.held();
            let is_settled = held.failed.is_some() || held.recent(now).is_some();
            if !anew && is_settled && held.asked.is_some_and(|at| is_within(at, now, ASK_EVERY)) {
                return held.outcome(now);
            }
            held.rounds
        };
        let Ok(_asking) = self.asking.try_lock() else {
            // Another one asks. What is held is good enough until it knows more, if it is recent.
            let held = self.held().recent(now);
            if let Some(ring) = held.filter(|_| !anew) {
                return Ok(ring);
            }
            let _asking = self.asking.lock().await;
            if self.held().rounds == rounds {
                self.ask(now, anew).await;
            }
            return self.held().outcome(now);
        };
        self.ask(now, anew).await;
        self.held().outcome(now)
    }

    async fn ask(&self, now: Timestamp, anew: bool) {
        // Asked before the keys are read: what changes in between is seen the next time.
        let revision = self.store.signing_revision().await.ok();
        let is_current = !anew && self.held().is_current(revision, now);
        let keys = if is_current { None } else { Some(self.store.signing_keys(now).await.and_then(KeyRing::new)) };
        let mut held = self.held();
        (held.asked, held.failed, held.rounds) = (Some(now), None, held.rounds + 1);
        match keys {
            None => {}
            Some(Ok(ring)) => (held.ring, held.revision, held.read) = (Some(Arc::new(ring)), revision, Some(now)),
            Some(Err(error)) => {
                tracing::warn!(%error, "the signing keys were not read");
                held.failed = Some(error);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Whatever a panic left here is read again.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The keys, if they were read a few seconds ago at most.
    fn recent(&self, now: Timestamp) -> Option<Arc<KeyRing>> {
        self.ring.clone().filter(|_| self.read.is_some_and(|at| is_within(at, now, READ_EVERY)))
    }

    fn is_current(&self, revision: Option<u64>, now: Timestamp) -> bool {
        revision.is_some() && revision == self.revision && self.recent(now).is_some()
    }

    fn outcome(&self, now: Timestamp) -> Result<Arc<KeyRing>, StoreError> {
        let unknown = || self.failed.clone().unwrap_or_else(|| StoreError::Unavailable("the signing keys are not known".to_owned()));
        self.recent(now).ok_or_else(unknown)
    }
}

/// Whether the two instants lie that close together; a clock that was set back is no reason to believe what is old.
fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    now.millis().abs_diff(at.millis()) < u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
