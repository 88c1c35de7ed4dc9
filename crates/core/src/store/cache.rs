//! A bounded cache before a store: what was found is remembered until the store changes, and what was not, for less.
//!
//! The store is asked again and again whether it has changed; if so, everything is forgotten. While it does not answer that question, what was
//! found is used for a bounded time after its last answer; then the store itself is asked, and where it does not answer, nobody is admitted.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_protocol::{Secret, Timestamp};

use super::{Answer, CredentialStore, LookupKey};
use crate::app::{App, NewCredential, Registered, Status};

/// How much is remembered and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// The most credentials that are remembered.
    pub found: usize,
    /// How long a remembered credential may be used after the store last said that nothing has changed.
    pub found_for: Duration,
    /// The most unknown keys that are remembered.
    pub missing: usize,
    /// How long an unknown key stays unknown.
    pub missing_for: Duration,
    /// How often at most the store is asked for changes.
    pub ask_every: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            found: 100_000,
            found_for: Duration::from_secs(60),
            missing: 10_000,
            missing_for: Duration::from_secs(30),
            ask_every: Duration::from_secs(1),
        }
    }
}

/// A store behind a cache.
#[derive(Debug)]
pub struct CachedStore<S> {
    store: S,
    limits: CacheLimits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    found: Generations<LookupKey, Arc<Registered>>,
    missing: Generations<LookupKey, ()>,
    revision: Option<u64>,
    asked: Option<Instant>,
    /// When the store was asked, the last time that it said that nothing has changed.
    confirmed: Option<Instant>,
    /// Raised whenever everything is forgotten: an answer that was asked for before that is not remembered.
    cleared: u64,
}

impl<S: CredentialStore> CachedStore<S> {
    /// Puts a cache with these limits before the store.
    #[must_use]
    pub fn new(store: S, limits: CacheLimits) -> Self {
        let (found, missing) = (Generations::new(limits.found), Generations::new(limits.missing));
        Self { store, limits, state: Mutex::new(State { found, missing, revision: None, asked: None, confirmed: None, cleared: 0 }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whatever a panic left here is either fresh or expires.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        let mut state = self.state();
        state.found.clear();
        state.missing.clear();
        state.cleared += 1;
    }

    async fn forget_changes(&self) {
        let asked = Instant::now();
        {
            let mut state = self.state();
            if state.asked.is_some_and(|asked| asked.elapsed() < self.limits.ask_every) {
                return;
            }
            state.asked = Some(asked);
        }
        let Ok(revision) = self.store.revision().await else { return };
        let before = {
            let mut state = self.state();
            state.confirmed = Some(asked);
            state.revision.replace(revision)
        };
        if before != Some(revision) {
            self.forget();
        }
    }

    fn remembered(&self, key: &LookupKey) -> Option<Option<Arc<Registered>>> {
        let mut state = self.state();
        // What is remembered has not changed since, as far as the store has said.
        let confirmed = state.confirmed;
        let found = state.found.get(key, |since| confirmed.map_or(since, |at| at.max(since)).elapsed() < self.limits.found_for);
        if let Some(found) = found {
            return Some(Some(found));
        }
        state.missing.get(key, |since| since.elapsed() < self.limits.missing_for).map(|()| None)
    }

    async fn changed<T>(&self, change: Answer<'_, T>) -> Result<T, crate::error::StoreError> {
        let result = change.await;
        self.forget();
        result
    }
}

impl<S: CredentialStore> CredentialStore for CachedStore<S> {
    fn find<'a>(&'a self, key: &'a LookupKey) -> Answer<'a, Option<Arc<Registered>>> {
        Box::pin(async move {
            self.forget_changes().await;
            if let Some(remembered) = self.remembered(key) {
                return Ok(remembered);
            }
            let (asked, cleared) = (Instant::now(), self.state().cleared);
            let answer = self.store.find(key).await?;
            let mut state = self.state();
            if state.cleared == cleared {
                match &answer {
                    Some(found) => state.found.insert(key.clone(), Arc::clone(found), asked),
                    None => state.missing.insert(key.clone(), (), asked),
                }
            }
            Ok(answer)
        })
    }

    fn secret_index(&self, secret: &Secret) -> [u8; 32] {
        self.store.secret_index(secret)
    }

    fn revision(&self) -> Answer<'_, u64> {
        self.store.revision()
    }

    fn is_empty(&self) -> Answer<'_, bool> {
        self.store.is_empty()
    }

    fn app<'a>(&'a self, name: &'a str) -> Answer<'a, Option<App>> {
        self.store.app(name)
    }

    fn apps<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<App>> {
        self.store.apps(after)
    }

    fn credentials<'a>(&'a self, app: &'a str, after: &'a str) -> Answer<'a, Vec<Arc<Registered>>> {
        self.store.credentials(app, after)
    }

    fn add_app(&self, app: App) -> Answer<'_, ()> {
        Box::pin(self.changed(self.store.add_app(app)))
    }

    fn update_app(&self, app: App) -> Answer<'_, ()> {
        Box::pin(self.changed(self.store.update_app(app)))
    }

    fn count_apps(&self, status: Status) -> Answer<'_, u64> {
        self.store.count_apps(status)
    }

    fn add_credential<'a>(&'a self, app: &'a str, credential: NewCredential, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        Box::pin(self.changed(self.store.add_credential(app, credential, now)))
    }

    fn rotate<'a>(&'a self, key_id: &'a str, successor: NewCredential, ends: Timestamp, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        Box::pin(self.changed(self.store.rotate(key_id, successor, ends, now)))
    }

    fn set_app_status<'a>(&'a self, app: &'a str, status: Status) -> Answer<'a, ()> {
        Box::pin(self.changed(self.store.set_app_status(app, status)))
    }

    fn set_credential_status<'a>(&'a self, key_id: &'a str, status: Status) -> Answer<'a, ()> {
        Box::pin(self.changed(self.store.set_credential_status(key_id, status)))
    }

    fn remove_credential<'a>(&'a self, key_id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(self.changed(self.store.remove_credential(key_id, now)))
    }

    fn touch(&self, key_id: &str, dialect: &str, at: Timestamp) {
        self.store.touch(key_id, dialect, at);
    }
}

/// A bounded map that forgets what was not asked for lately: two halves, of which the older one is dropped when the
/// younger one is full.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, (V, Instant)>,
    old: HashMap<K, (V, Instant)>,
    half: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> Generations<K, V> {
    fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (most / 2).max(1) }
    }

    fn get(&mut self, key: &K, is_fresh: impl Fn(Instant) -> bool) -> Option<V> {
        if let Some((value, since)) = self.young.get(key) {
            return is_fresh(*since).then(|| value.clone());
        }
        let (value, since) = self.old.remove(key)?;
        if !is_fresh(since) {
            return None;
        }
        self.insert(key.clone(), value.clone(), since);
        Some(value)
    }

    fn insert(&mut self, key: K, value: V, since: Instant) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, (value, since));
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StoreError;
    use crate::store::suite::{CountingStore, secret_credential};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    fn id(text: &str) -> LookupKey {
        LookupKey::KeyId(text.to_owned())
    }

    async fn cached(limits: CacheLimits) -> CachedStore<CountingStore> {
        let store = CachedStore::new(CountingStore::new(), limits);
        store.add_app(App::new("a", at(0))).await.unwrap();
        store.add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
        store
    }

    #[tokio::test]
    async fn hits_and_misses_ask_once() {
        let store = cached(CacheLimits::default()).await;
        for _ in 0..3 {
            assert!(store.find(&id("k")).await.unwrap().is_some());
            assert!(store.find(&id("unknown")).await.unwrap().is_none());
        }
        assert_eq!(store.store.finds(), 2);
    }

    #[tokio::test]
    async fn own_changes_are_seen_at_once() {
        let store = cached(CacheLimits::default()).await;
        assert!(store.find(&id("new")).await.unwrap().is_none());
        store.add_credential("a", secret_credential("new", "t"), at(0)).await.unwrap();
        assert!(store.find(&id("new")).await.unwrap().is_some());
        store.set_credential_status("k", Status::Disabled).await.unwrap();
        assert_eq!(store.find(&id("k")).await.unwrap().unwrap().stored.terms.status, Status::Disabled);
    }

    #[tokio::test]
    async fn changes_of_others_are_seen_when_the_store_is_asked() {
        let store = cached(CacheLimits { ask_every: Duration::ZERO, ..CacheLimits::default() }).await;
        assert!(store.find(&id("k")).await.unwrap().is_some());
        store.store.set_credential_status("k", Status::Disabled).await.unwrap();
        assert_eq!(store.find(&id("k")).await.unwrap().unwrap().stored.terms.status, Status::Disabled);
    }

    #[tokio::test]
    async fn what_is_stale_is_asked_for_again() {
        let store = cached(CacheLimits { found_for: Duration::ZERO, missing_for: Duration::ZERO, ..CacheLimits::default() }).await;
        for _ in 0..2 {
            store.find(&id("k")).await.unwrap();
            store.find(&id("unknown")).await.unwrap();
        }
        assert_eq!(store.store.finds(), 4);
    }

    #[tokio::test]
    async fn while_the_store_does_not_answer_what_is_known_is_used_for_a_bounded_time() {
        let limits = CacheLimits { found_for: Duration::from_millis(200), ask_every: Duration::ZERO, ..CacheLimits::default() };
        let store = cached(limits).await;
        assert!(store.find(&id("k")).await.unwrap().is_some());
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(store.find(&id("k")).await.unwrap().is_some());
        assert_eq!(store.store.finds(), 1, "the store has said that nothing has changed");
        store.store.cut();
        assert!(store.find(&id("k")).await.unwrap().is_some());
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(matches!(store.find(&id("k")).await, Err(StoreError::Unavailable(_))));
    }

    #[tokio::test]
    async fn an_answer_that_a_change_overtook_is_not_remembered() {
        let store = cached(CacheLimits::default()).await;
        let key = id("k");
        let held = store.store.wire.lock().await;
        let change = async {
            store.set_credential_status("k", Status::Disabled).await.unwrap();
            drop(held);
        };
        let (stale, ()) = tokio::join!(store.find(&key), change);
        assert_eq!(stale.unwrap().unwrap().stored.terms.status, Status::Active);
        assert_eq!(store.find(&key).await.unwrap().unwrap().stored.terms.status, Status::Disabled);
    }

    #[test]
    fn a_flood_stays_within_the_bound_and_keeps_what_is_used() {
        let mut map = Generations::new(100);
        map.insert(0, 0, Instant::now());
        for n in 1..10_000 {
            map.insert(n, n, Instant::now());
            assert_eq!(map.get(&0, |_| true), Some(0));
            assert!(map.len() <= 100);
        }
    }
}
