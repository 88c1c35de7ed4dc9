//! Rotating the keys: a new one is published before it signs, and the old one verifies until its last token is over.

use std::time::Duration;

use countersign_protocol::Timestamp;

use super::store::{Ending, KeyChange, SigningKeyStore};
use super::{KeyState, KeyTimes, SigningAlgorithm, SigningKey};
use crate::error::StoreError;

/// How long before the end of a key its successor is looked for, so that no single attempt decides.
const EARLY: Duration = Duration::from_hours(24);
/// What is added to the life of a token and the skew before a key is gone: the age of a copy of the published keys.
const COPIES: Duration = Duration::from_mins(5);
/// How often a change is tried again that another process forestalled.
const TRIES: usize = 3;

/// When keys follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationPolicy {
    /// How a new key signs.
    pub algorithm: SigningAlgorithm,
    /// How long a key signs.
    pub every: Duration,
    /// How long a key is published before it signs.
    pub pending: Duration,
    /// How long a key verifies after it signed last.
    pub retiring: Duration,
}

/// What came of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The name of the new key; `None` where there was one already, or the key before it signs on until it begins.
    pub added: Option<String>,
    /// When it begins to sign.
    pub signs_from: Timestamp,
}

impl RotationPolicy {
    /// The defaults for tokens that live so long, at clocks that differ by so much: Ed25519, a new key every 30 days, published 15 minutes
    /// before it signs, and gone 5 minutes after the last token that it signed.
    #[must_use]
    pub const fn new(max_ttl: Duration, skew: Duration) -> Self {
        let retiring = max_ttl.saturating_add(skew).saturating_add(COPIES);
        Self { algorithm: SigningAlgorithm::EdDsa, every: Duration::from_hours(30 * 24), pending: Duration::from_mins(15), retiring }
    }

    fn times(&self, published: Timestamp, signs_from: Timestamp, signs_until: Timestamp) -> KeyTimes {
        KeyTimes { published, signs_from, signs_until, verifies_until: signs_until.plus(self.retiring), revoked: None }
    }

    fn ending(&self, key: &SigningKey, signs_until: Timestamp) -> Ending {
        Ending { kid: key.kid().to_owned(), signs_until, verifies_until: signs_until.plus(self.retiring) }
    }

    fn is_due(&self, key: &SigningKey, now: Timestamp) -> bool {
        let early = EARLY.min(self.every / 2).max(self.pending);
        key.algorithm() != self.algorithm || key.times().signs_until <= now.plus(early)
    }
}

/// Sees to it that a key signs, and that its successor is published in time: what was done, if anything. Any number of processes may do this
/// at once and as often as they like; one of them makes the key.
///
/// # Errors
/// When the store does not answer.
pub async fn rotate(store: &dyn SigningKeyStore, now: Timestamp, policy: &RotationPolicy) -> Result<Option<Rotated>, StoreError> {
    settle(store, now, policy, false).await
}

impl RotationPolicy {
    /// Publishes a new key now, whether or not it is time; nothing where one is waiting to sign already.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn rotate_early(&self, store: &dyn SigningKeyStore, now: Timestamp) -> Result<Option<Rotated>, StoreError> {
        settle(store, now, self, true).await
    }
}

/// Ends a key at once, with every token that it signed, and sees to it that another one signs.
///
/// # Errors
/// When there is no such key, or the store does not answer.
pub async fn revoke(
    store: &dyn SigningKeyStore,
    kid: &str,
    now: Timestamp,
    policy: &RotationPolicy,
) -> Result<Option<Rotated>, StoreError> {
    store.revoke_signing_key(kid, now).await?;
    rotate(store, now, policy).await
}

async fn settle(store: &dyn SigningKeyStore, now: Timestamp, policy: &RotationPolicy, asked: bool) -> Result<Option<Rotated>, StoreError> {
    for _ in 0..TRIES {
        let mut keys = store.signing_keys(now).await?;
        keys.retain(|key| key.times().revoked.is_none());
        let Some(plan) = plan(&keys, now, policy, asked) else { return Ok(None) };
        let add = plan.add.map(|times| SigningKey::generate(policy.algorithm, times)).transpose()?;
        let rotated = Rotated { added: add.as_ref().map(|key| key.kid().to_owned()), signs_from: plan.signs_from };
        let seen = keys.iter().map(|key| key.kid().to_owned()).collect();
        if store.change_signing_keys(KeyChange { add, end: plan.end, seen, at: now }).await? {
            return Ok(Some(rotated));
        }
        // Another process was first. What it did is most likely what was meant, also where it was asked for.
        if asked {
            return Ok(None);
        }
    }
    Err(StoreError::Busy)
}

/// What is to be changed.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    add: Option<KeyTimes>,
    end: Option<Ending>,
    signs_from: Timestamp,
}

/// Decides by the keys that are not revoked.
fn plan(keys: &[SigningKey], now: Timestamp, policy: &RotationPolicy, asked: bool) -> Option<Plan> {
    let of = |state| keys.iter().filter(move |key| key.times().state(now) == state);
    let next = of(KeyState::Pending).min_by_key(|key| key.times().signs_from);
    if let Some(active) = of(KeyState::Active).max_by_key(|key| key.times().signs_from) {
        if next.is_some() || !(asked || policy.is_due(active, now)) {
            return None;
        }
        let published = now.plus(policy.pending);
        let in_turn = !asked && active.algorithm() == policy.algorithm;
        let signs_from = if in_turn { published.max(active.times().signs_until) } else { published };
        let add = Some(policy.times(now, signs_from, signs_from.plus(policy.every)));
        return Some(Plan { add, end: Some(policy.ending(active, signs_from)), signs_from });
    }
    // Nothing signs. A key that others still have signs on until they can have the next one; without one, the next one signs at once.
    let begins = next.map(|key| key.times().signs_from);
    if let Some(last) = of(KeyState::Retiring).max_by_key(|key| key.times().signs_until) {
        let signs_from = begins.unwrap_or_else(|| now.plus(policy.pending));
        let add = begins.is_none().then(|| policy.times(now, signs_from, signs_from.plus(policy.every)));
        return Some(Plan { add, end: Some(policy.ending(last, signs_from)), signs_from });
    }
    let until = begins.unwrap_or_else(|| now.plus(policy.every));
    Some(Plan { add: Some(policy.times(now, now, until)), end: None, signs_from: now })
}
