//! What stands before the credential store and the replay guard, and measures them.

use std::sync::Arc;
use std::time::Instant;

use countersign_core::app::{App, NewCredential, Registered, Status};
use countersign_core::replay::{Entry, Epoch, Occupancy, Owner, ReplayGuard, ReplayKey, Reserve};
use countersign_core::store::{Answer, CredentialStore, LookupKey};
use countersign_protocol::{Secret, Timestamp};

use super::series::{Counter, Histogram};
use super::text::Text;

/// What is measured of both.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    find: Operation,
    change: Operation,
    reserve: Operation,
    settle: Operation,
    full: Counter,
}

#[derive(Debug)]
struct Operation {
    took: Histogram,
    failures: Counter,
}

impl Default for Operation {
    fn default() -> Self {
        Self { took: Histogram::of_durations(), failures: Counter::default() }
    }
}

impl Operation {
    fn watch<'a, T: 'a>(&'a self, answer: Answer<'a, T>) -> Answer<'a, T> {
        let started = Instant::now();
        Box::pin(async move {
            let result = answer.await;
            self.took.note_time(started.elapsed());
            self.failures.add(u64::from(result.is_err()));
            result
        })
    }
}

impl Stores {
    pub(crate) fn write(&self, text: &mut Text) {
        let operations = [
            ("credentials", "find", &self.find),
            ("credentials", "change", &self.change),
            ("replay", "reserve", &self.reserve),
            ("replay", "settle", &self.settle),
        ];
        let mut family = text
            .histogram("countersign_store_duration_seconds", "Answers of the credential store, caches included, and of the replay guard.");
        for (store, operation, series) in operations {
            family.values_of(&[("store", store), ("operation", operation)], &series.took);
        }
        let mut family =
            text.counter("countersign_store_failures_total", "Answers that were errors. Refused changes of an operator count too.");
        for (store, operation, series) in operations {
            family.value(&[("store", store), ("operation", operation)], series.failures.get());
        }
        text.counter("countersign_replay_full_total", "Reservations for which there was no room, in all or for the app.")
            .value(&[], self.full.get());
    }
}

/// A credential store that is measured.
#[derive(Debug)]
pub(crate) struct ObservedStore {
    store: Arc<dyn CredentialStore>,
    stores: Arc<Stores>,
}

impl ObservedStore {
    pub(crate) const fn new(store: Arc<dyn CredentialStore>, stores: Arc<Stores>) -> Self {
        Self { store, stores }
    }
}

impl CredentialStore for ObservedStore {
    fn find<'a>(&'a self, key: &'a LookupKey) -> Answer<'a, Option<Arc<Registered>>> {
        self.stores.find.watch(self.store.find(key))
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
        self.stores.change.watch(self.store.add_app(app))
    }

    fn update_app(&self, app: App) -> Answer<'_, ()> {
        self.stores.change.watch(self.store.update_app(app))
    }

    fn count_apps(&self, status: Status) -> Answer<'_, u64> {
        self.store.count_apps(status)
    }

    fn add_credential<'a>(&'a self, app: &'a str, credential: NewCredential, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        self.stores.change.watch(self.store.add_credential(app, credential, now))
    }

    fn rotate<'a>(&'a self, key_id: &'a str, successor: NewCredential, ends: Timestamp, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        self.stores.change.watch(self.store.rotate(key_id, successor, ends, now))
    }

    fn set_app_status<'a>(&'a self, app: &'a str, status: Status) -> Answer<'a, ()> {
        self.stores.change.watch(self.store.set_app_status(app, status))
    }

    fn set_credential_status<'a>(&'a self, key_id: &'a str, status: Status) -> Answer<'a, ()> {
        self.stores.change.watch(self.store.set_credential_status(key_id, status))
    }

    fn remove_credential<'a>(&'a self, key_id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        self.stores.change.watch(self.store.remove_credential(key_id, now))
    }

    fn touch(&self, key_id: &str, dialect: &str, at: Timestamp) {
        self.store.touch(key_id, dialect, at);
    }
}

/// A replay guard that is measured.
#[derive(Debug)]
pub(crate) struct ObservedGuard {
    guard: Arc<dyn ReplayGuard>,
    stores: Arc<Stores>,
}

impl ObservedGuard {
    pub(crate) const fn new(guard: Arc<dyn ReplayGuard>, stores: Arc<Stores>) -> Self {
        Self { guard, stores }
    }
}

impl ReplayGuard for ObservedGuard {
    fn reserve<'a>(&'a self, entry: Entry<'a>) -> Answer<'a, Reserve> {
        let answer = self.stores.reserve.watch(self.guard.reserve(entry));
        Box::pin(async move {
            let reserve = answer.await?;
            self.stores.full.add(u64::from(reserve == Reserve::Full));
            Ok(reserve)
        })
    }

    fn commit(&self, key: ReplayKey, owner: Owner) -> Answer<'_, ()> {
        self.stores.settle.watch(self.guard.commit(key, owner))
    }

    fn release<'a>(&'a self, key: ReplayKey, app: &'a str, owner: Owner) -> Answer<'a, ()> {
        self.stores.settle.watch(self.guard.release(key, app, owner))
    }

    fn epoch(&self) -> Option<Epoch> {
        self.guard.epoch()
    }

    fn occupancy(&self) -> Answer<'_, Option<Occupancy>> {
        self.guard.occupancy()
    }
}
