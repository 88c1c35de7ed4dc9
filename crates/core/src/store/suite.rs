//! What every store must do, run on each of them, and a store that counts what it is asked.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign_protocol::{Algorithm, KeyMaterial, KeyPair, Secret, Timestamp};

use super::{Answer, CredentialStore, LookupKey, MemoryStore, SqliteStore};
use crate::app::{App, NewCredential, Registered, Status, Terms};
use crate::error::StoreError;
use crate::limit::Rate;
use crate::master_key::MasterKey;
use crate::random::generate_key_id;

/// An Ed25519 public key (RFC 8410, section 10.1).
const ED25519_PEM: &str =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

pub(crate) fn secret_credential(key_id: &str, secret: &str) -> NewCredential {
    NewCredential::new(key_id, KeyMaterial::Hmac(secret.into()), Terms::new(["d"]))
}

fn by_id(text: &str) -> LookupKey {
    LookupKey::KeyId(text.to_owned())
}

fn sqlite(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&folder.join("store.db"), Arc::new(MasterKey::open_or_create(&folder.join("master.key"))?))
}

macro_rules! on_each {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[tokio::test]
            async fn memory() {
                super::$name(&super::MemoryStore::new().unwrap()).await;
            }

            #[tokio::test]
            async fn sqlite() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&super::sqlite(folder.path()).unwrap()).await;
            }
        })*

        /// All of them on one server, each with a database of its own.
        #[cfg(feature = "postgres")]
        #[tokio::test]
        async fn each_case_on_postgres() {
            let server = countersign_testbed::Postgres::start();
            $($name(&on_postgres::store(&server.new_database(stringify!($name))).await).await;)*
        }
    };
}

on_each!(
    what_is_registered_is_found,
    public_keys_are_typed,
    duplicates_are_refused,
    a_public_key_is_no_secret,
    misshapen_values_are_refused,
    key_ids_of_sessions_are_refused,
    rotation_overlaps,
    statuses_change,
    an_app_is_changed,
    only_what_is_over_is_removed,
    apps_are_counted_by_status,
    listings_go_on_where_they_ended,
    uses_are_noted
);

/// The revision is raised at once, or as soon as the change was told.
async fn has_changed(store: &dyn CredentialStore, before: u64) {
    let begun = std::time::Instant::now();
    while store.revision().await.unwrap() <= before {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20));
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// The revision, once it is known.
async fn revision(store: &dyn CredentialStore) -> u64 {
    loop {
        match store.revision().await {
            Ok(revision) => return revision,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
}

async fn what_is_registered_is_found(store: &dyn CredentialStore) {
    assert!(store.is_empty().await.unwrap());
    let mut app = App::new("billing", at(1));
    app.labels.insert("team".to_owned(), "a".to_owned());
    app.scopes.push("read".to_owned());
    app.addresses.push("192.0.2.0/24".parse().unwrap());
    app.rate = Some(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MAX });
    store.add_app(app.clone()).await.unwrap();
    let mut new = secret_credential("k", "s");
    new.parts.push(("token_secret".to_owned(), Secret::from("t")));
    new.algorithms.push(Algorithm::from_name("hmac-sha256").unwrap());
    new.terms = new.terms.with_input("region", "r");
    new.terms.not_after = Some(at(9));
    new.terms.diagnostics = true;
    let terms = new.terms.clone();
    store.add_credential("billing", new, at(2)).await.unwrap();
    assert!(!store.is_empty().await.unwrap());

    let found = store.find(&by_id("k")).await.unwrap().unwrap();
    assert_eq!((&found.app, &found.stored.terms, found.stored.created), (&app, &terms, at(2)));
    assert_eq!(found.stored.credential.algorithms().len(), 1);
    assert_eq!(found.stored.parts, [("token_secret".to_owned(), Secret::from("t"))]);
    assert!(matches!(found.stored.credential.material(), KeyMaterial::Hmac(secret) if *secret == Secret::from("s")));
    assert!(store.find(&by_id("other")).await.unwrap().is_none());

    let index = LookupKey::SecretIndex(store.secret_index(&Secret::from("s")));
    assert_eq!(store.find(&index).await.unwrap().unwrap().stored.credential.key_id(), "k");
    let index = LookupKey::SecretIndex(store.secret_index(&Secret::from("S")));
    assert!(store.find(&index).await.unwrap().is_none());
}

async fn public_keys_are_typed(store: &dyn CredentialStore) {
    store.add_app(App::new("a", at(0))).await.unwrap();
    let pair = KeyPair::from_public_pem(ED25519_PEM).unwrap();
    let mut new = NewCredential::new("k", KeyMaterial::Pair(pair.clone()), Terms::new(["d"]));
    new.algorithms.push(Algorithm::Ed25519);
    store.add_credential("a", new.clone(), at(0)).await.unwrap();
    let found = store.find(&by_id("k")).await.unwrap().unwrap();
    assert!(matches!(found.stored.credential.material(), KeyMaterial::Pair(read) if read.public_der() == pair.public_der()));
    assert_eq!(
        store.add_credential("a", NewCredential { key_id: "k2".to_owned(), ..new }, at(0)).await.unwrap_err(),
        StoreError::SecretInUse
    );

    let mut wrong = secret_credential("k3", "s");
    wrong.algorithms.push(Algorithm::Ed25519);
    assert!(matches!(store.add_credential("a", wrong, at(0)).await, Err(StoreError::Invalid { field: "algorithms", .. })));
}

async fn duplicates_are_refused(store: &dyn CredentialStore) {
    store.add_app(App::new("a", at(0))).await.unwrap();
    assert_eq!(store.add_app(App::new("a", at(0))).await, Err(StoreError::AppExists("a".to_owned())));
    store.add_app(App::new("b", at(0))).await.unwrap();
    store.add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
    let refused = |app: &'static str, key_id: &str, secret: &str| store.add_credential(app, secret_credential(key_id, secret), at(0));
    assert_eq!(refused("b", "k", "t").await.unwrap_err(), StoreError::KeyIdExists("k".to_owned()));
    assert_eq!(refused("b", "k2", "s").await.unwrap_err(), StoreError::SecretInUse);
    store.set_credential_status("k", Status::Disabled).await.unwrap();
    assert_eq!(refused("a", "k2", "s").await.unwrap_err(), StoreError::SecretInUse, "a disabled one counts too");
    assert_eq!(refused("c", "k2", "t").await.unwrap_err(), StoreError::UnknownApp("c".to_owned()));
    assert!(store.find(&by_id("k2")).await.unwrap().is_none(), "what is refused leaves nothing");
}

async fn a_public_key_is_no_secret(store: &dyn CredentialStore) {
    store.add_app(App::new("a", at(0))).await.unwrap();
    let der = KeyPair::from_public_pem(ED25519_PEM).unwrap().public_der().to_vec();
    let framed = format!("\n  {ED25519_PEM}").into_bytes();
    for bytes in [ED25519_PEM.as_bytes().to_vec(), der, framed] {
        let new = NewCredential::new("k", KeyMaterial::Hmac(Secret::new(bytes)), Terms::new(["d"]));
        assert_eq!(store.add_credential("a", new, at(0)).await.unwrap_err(), StoreError::PublicKeyAsSecret);
    }
}

async fn misshapen_values_are_refused(store: &dyn CredentialStore) {
    for name in ["", "a b", "a|b", "ä", &"a".repeat(65)] {
        assert!(matches!(store.add_app(App::new(name, at(0))).await, Err(StoreError::Invalid { field: "app", .. })), "{name}");
    }
    store.add_app(App::new("a", at(0))).await.unwrap();
    let unbound = NewCredential { terms: Terms::new([""; 0]), ..secret_credential("k", "s") };
    for new in [
        secret_credential("", "s"),
        secret_credential("k\n", "s"),
        secret_credential(&"k".repeat(129), "s"),
        secret_credential("k", ""),
        unbound,
    ] {
        assert!(matches!(store.add_credential("a", new, at(0)).await, Err(StoreError::Invalid { .. })));
    }
}

async fn key_ids_of_sessions_are_refused(store: &dyn CredentialStore) {
    store.add_app(App::new("a", at(0))).await.unwrap();
    let id = "-_v7-_v7-_v7-_v7-_v7-w";
    for key_id in [format!("sk_{id}"), format!("ck_{id}"), "self:a".to_owned(), "self:".to_owned()] {
        let refused = store.add_credential("a", secret_credential(&key_id, "s"), at(0)).await;
        assert!(matches!(refused, Err(StoreError::Invalid { field: "key id", .. })), "{key_id}");
    }
    for key_id in ["sk_live_0123456789", &format!("sk_{id}x"), &format!("pk_{id}"), "myself:a", &generate_key_id().unwrap()] {
        store.add_credential("a", secret_credential(key_id, key_id), at(0)).await.unwrap();
    }
}

async fn rotation_overlaps(store: &dyn CredentialStore) {
    store.add_app(App::new("a", at(0))).await.unwrap();
    let old = store.add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
    let next = |key_id: &str, secret: &str| NewCredential::successor(&old.stored, key_id, KeyMaterial::Hmac(secret.into()));
    assert_eq!(store.rotate("k", next("k2", "s"), at(100), at(1)).await.unwrap_err(), StoreError::SecretInUse);
    assert_eq!(store.find(&by_id("k")).await.unwrap().unwrap().stored.terms.not_after, None, "what is refused changes nothing");
    store.rotate("k", next("k2", "t"), at(100), at(1)).await.unwrap();
    assert_eq!(store.find(&by_id("k")).await.unwrap().unwrap().stored.terms.not_after, Some(at(100)));
    let successor = store.find(&by_id("k2")).await.unwrap().unwrap();
    assert_eq!((successor.app.name.as_str(), successor.stored.terms.not_after, successor.stored.created), ("a", None, at(1)));
    store.rotate("k", next("k3", "u"), at(200), at(2)).await.unwrap();
    assert_eq!(store.find(&by_id("k")).await.unwrap().unwrap().stored.terms.not_after, Some(at(100)), "an end is never moved back");
    assert_eq!(store.rotate("none", next("k4", "v"), at(200), at(2)).await.unwrap_err(), StoreError::UnknownKeyId("none".to_owned()));
}

async fn apps_are_counted_by_status(store: &dyn CredentialStore) {
    for (name, status) in [("a", Status::Active), ("b", Status::Pending), ("c", Status::Pending)] {
        store.add_app(App { status, ..App::new(name, at(1)) }).await.unwrap();
    }
    let mut counts = Vec::new();
    for status in [Status::Active, Status::Pending, Status::Disabled] {
        counts.push(store.count_apps(status).await.unwrap());
    }
    assert_eq!(counts, [1, 2, 0]);
}

async fn statuses_change(store: &dyn CredentialStore) {
    store.add_app(App::new("a", at(0))).await.unwrap();
    store.add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
    let before = revision(store).await;
    store.set_app_status("a", Status::Pending).await.unwrap();
    store.set_credential_status("k", Status::Disabled).await.unwrap();
    has_changed(store, before).await;
    let found = store.find(&by_id("k")).await.unwrap().unwrap();
    assert_eq!((found.app.status, found.stored.terms.status), (Status::Pending, Status::Disabled));
    assert_eq!(store.app("a").await.unwrap().unwrap().status, Status::Pending);
    assert_eq!(store.set_app_status("b", Status::Active).await, Err(StoreError::UnknownApp("b".to_owned())));
    assert_eq!(store.set_credential_status("l", Status::Active).await, Err(StoreError::UnknownKeyId("l".to_owned())));
}

async fn an_app_is_changed(store: &dyn CredentialStore) {
    store.add_app(App { status: Status::Pending, ..App::new("a", at(1)) }).await.unwrap();
    store.add_credential("a", secret_credential("k", "s"), at(1)).await.unwrap();
    let before = revision(store).await;
    let changed = App {
        labels: [("team".to_owned(), "b".to_owned())].into(),
        scopes: vec!["write".to_owned()],
        addresses: vec!["2001:db8::/32".parse().unwrap()],
        rate: Some(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN }),
        ..App::new("a", at(9))
    };
    store.update_app(changed.clone()).await.unwrap();
    has_changed(store, before).await;
    let expected = App { status: Status::Pending, created: at(1), ..changed };
    assert_eq!(store.app("a").await.unwrap(), Some(expected.clone()));
    assert_eq!(store.find(&by_id("k")).await.unwrap().unwrap().app, expected);
    assert_eq!(store.update_app(App::new("b", at(0))).await, Err(StoreError::UnknownApp("b".to_owned())));
    let shapeless = App { scopes: vec![String::new()], ..App::new("a", at(0)) };
    assert!(matches!(store.update_app(shapeless).await, Err(StoreError::Invalid { .. })));
}

async fn only_what_is_over_is_removed(store: &dyn CredentialStore) {
    store.add_app(App::new("a", at(0))).await.unwrap();
    let mut ended = secret_credential("ended", "t");
    ended.terms.not_after = Some(at(5));
    store.add_credential("a", ended, at(0)).await.unwrap();
    store.add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
    assert!(matches!(store.remove_credential("k", at(9)).await, Err(StoreError::Invalid { .. })), "it is in use");
    assert!(matches!(store.remove_credential("ended", at(5)).await, Err(StoreError::Invalid { .. })), "its last instant");
    store.remove_credential("ended", at(6)).await.unwrap();
    store.set_credential_status("k", Status::Disabled).await.unwrap();
    store.remove_credential("k", at(9)).await.unwrap();
    assert!(store.find(&by_id("k")).await.unwrap().is_none());
    assert_eq!(store.remove_credential("k", at(9)).await, Err(StoreError::UnknownKeyId("k".to_owned())));
    store.add_credential("a", secret_credential("again", "s"), at(9)).await.unwrap();
}

async fn listings_go_on_where_they_ended(store: &dyn CredentialStore) {
    for name in ["a", "b", "c"] {
        store.add_app(App::new(name, at(0))).await.unwrap();
    }
    for key_id in ["k1", "k2"] {
        store.add_credential("b", secret_credential(key_id, key_id), at(0)).await.unwrap();
    }
    let names = |apps: Vec<App>| apps.into_iter().map(|app| app.name).collect::<Vec<_>>();
    assert_eq!(names(store.apps("").await.unwrap()), ["a", "b", "c"]);
    assert_eq!(names(store.apps("a").await.unwrap()), ["b", "c"]);
    let ids = |found: Vec<Arc<Registered>>| found.iter().map(|r| r.stored.credential.key_id().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(store.credentials("b", "").await.unwrap()), ["k1", "k2"]);
    assert_eq!(ids(store.credentials("b", "k1").await.unwrap()), ["k2"]);
    assert_eq!(ids(store.credentials("a", "").await.unwrap()), [""; 0]);
}

async fn uses_are_noted(store: &dyn CredentialStore) {
    store.add_app(App::new("a", at(0))).await.unwrap();
    store.add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
    store.touch("k", "new", at(7));
    // Nobody waits for a note: it is there soon.
    while store.find(&by_id("k")).await.unwrap().unwrap().stored.last_used.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    store.touch("k", "old", at(5));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let found = store.find(&by_id("k")).await.unwrap().unwrap();
    assert_eq!((found.stored.last_used, found.stored.last_used_with.as_deref()), (Some(at(7)), Some("new")));
}

#[tokio::test]
async fn sqlite_keeps_everything_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path()).unwrap();
    store.add_app(App::new("a", at(0))).await.unwrap();
    store.add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
    drop(store);
    let store = sqlite(folder.path()).unwrap();
    assert!(store.find(&by_id("k")).await.unwrap().is_some());
    assert_eq!(store.add_credential("a", secret_credential("k2", "s"), at(0)).await.unwrap_err(), StoreError::SecretInUse);
}

#[tokio::test]
async fn two_processes_share_one_sqlite_file() {
    let folder = tempfile::tempdir().unwrap();
    let (serve, command) = (sqlite(folder.path()).unwrap(), sqlite(folder.path()).unwrap());
    let before = serve.revision().await.unwrap();
    command.add_app(App::new("a", at(0))).await.unwrap();
    command.add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
    assert!(serve.revision().await.unwrap() > before);
    assert!(serve.find(&by_id("k")).await.unwrap().is_some());
    serve.set_credential_status("k", Status::Disabled).await.unwrap();
    assert_eq!(command.find(&by_id("k")).await.unwrap().unwrap().stored.terms.status, Status::Disabled);
}

#[tokio::test]
async fn sqlite_opens_under_its_own_master_key_only() {
    let folder = tempfile::tempdir().unwrap();
    drop(sqlite(folder.path()).unwrap());
    let refused = SqliteStore::open(&folder.path().join("store.db"), Arc::new(MasterKey::ephemeral().unwrap()));
    assert!(matches!(refused, Err(StoreError::WrongMasterKey { .. })));
}

/// After another master key was given: the credential `k` of app `a` is there, and its secret is still known as taken.
async fn rewrapped(store: &dyn CredentialStore) {
    let found = store.find(&by_id("k")).await.unwrap().unwrap();
    assert!(matches!(found.stored.credential.material(), KeyMaterial::Hmac(secret) if *secret == Secret::from("s")));
    let index = LookupKey::SecretIndex(store.secret_index(&Secret::from("s")));
    assert!(store.find(&index).await.unwrap().is_some());
    assert_eq!(store.add_credential("a", secret_credential("k2", "s"), at(0)).await.unwrap_err(), StoreError::SecretInUse);
}

#[tokio::test]
async fn sqlite_takes_another_master_key_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path()).unwrap();
    store.add_app(App::new("a", at(0))).await.unwrap();
    store.add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
    store.add_credential("a", secret_credential("broken", "t"), at(0)).await.unwrap();
    let new = Arc::new(MasterKey::open_or_create(&folder.path().join("new.key")).unwrap());
    let file = folder.path().join("store.db");
    rusqlite::Connection::open(&file).unwrap().execute("UPDATE credential SET sealed = x'00' WHERE key_id = 'broken'", []).unwrap();
    assert!(matches!(store.rewrap(Arc::clone(&new)).await, Err(StoreError::Corrupt { .. })));
    drop(store);
    let store = sqlite(folder.path()).unwrap();
    assert!(store.find(&by_id("k")).await.unwrap().is_some(), "nothing was changed");
    rusqlite::Connection::open(&file).unwrap().execute("DELETE FROM credential WHERE key_id = 'broken'", []).unwrap();

    assert_eq!(store.rewrap(Arc::clone(&new)).await, Ok(1));
    let before = store.replay_key().clone();
    drop(store);
    assert!(matches!(sqlite(folder.path()), Err(StoreError::WrongMasterKey { .. })));
    let again = SqliteStore::open(&file, new).unwrap();
    assert_eq!(*again.replay_key(), before, "what was seen before is still known");
    rewrapped(&again).await;
}

#[tokio::test]
async fn no_sqlite_file_holds_a_secret_or_is_readable_by_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path()).unwrap();
    store.add_app(App::new("a", at(0))).await.unwrap();
    let mut new = secret_credential("visible-key-id", "canary-secret");
    new.parts.push(("token".to_owned(), Secret::from("canary-part")));
    store.add_credential("a", new, at(0)).await.unwrap();
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
        seen.extend(std::fs::read(&path).unwrap());
    }
    let holds = |text: &[u8]| seen.windows(text.len()).any(|w| w == text);
    assert!(holds(b"visible-key-id"), "the search finds what is not secret");
    assert!(!holds(b"canary"));
}

#[tokio::test]
async fn a_sealed_secret_moved_to_another_row_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path()).unwrap();
    store.add_app(App::new("a", at(0))).await.unwrap();
    for key_id in ["mine", "theirs"] {
        store.add_credential("a", secret_credential(key_id, key_id), at(0)).await.unwrap();
    }
    let intruder = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    let sql = "UPDATE credential SET sealed = (SELECT sealed FROM credential WHERE key_id = 'mine') WHERE key_id = 'theirs'";
    assert_eq!(intruder.execute(sql, []).unwrap(), 1);
    assert!(matches!(store.find(&by_id("theirs")).await, Err(StoreError::Corrupt { .. })));
    assert!(store.find(&by_id("mine")).await.is_ok());
}

/// A store in memory that counts look-ups.
#[derive(Debug)]
pub(crate) struct CountingStore {
    store: MemoryStore,
    finds: AtomicUsize,
    apps: AtomicUsize,
    /// Held by a test, answers that are made already wait for it on their way.
    pub(crate) wire: tokio::sync::Mutex<()>,
    is_cut: AtomicBool,
}

impl CountingStore {
    pub(crate) fn new() -> Self {
        Self {
            store: MemoryStore::new().unwrap(),
            finds: AtomicUsize::new(0),
            apps: AtomicUsize::new(0),
            wire: tokio::sync::Mutex::default(),
            is_cut: AtomicBool::new(false),
        }
    }

    pub(crate) fn finds(&self) -> usize {
        self.finds.load(Ordering::Relaxed)
    }

    /// How often it was asked for an app.
    pub(crate) fn apps_asked(&self) -> usize {
        self.apps.load(Ordering::Relaxed)
    }

    /// From now on it does not answer.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    fn unless_cut<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T> {
        match self.is_cut.load(Ordering::Relaxed) {
            true => Box::pin(std::future::ready(Err(StoreError::Unavailable("cut".to_owned())))),
            false => answer,
        }
    }
}

impl CredentialStore for CountingStore {
    fn find<'a>(&'a self, key: &'a LookupKey) -> Answer<'a, Option<Arc<Registered>>> {
        self.finds.fetch_add(1, Ordering::Relaxed);
        let answer = self.unless_cut(self.store.find(key));
        Box::pin(async move {
            drop(self.wire.lock().await);
            answer.await
        })
    }
    fn secret_index(&self, secret: &Secret) -> [u8; 32] {
        self.store.secret_index(secret)
    }
    fn revision(&self) -> Answer<'_, u64> {
        self.unless_cut(self.store.revision())
    }
    fn is_empty(&self) -> Answer<'_, bool> {
        self.store.is_empty()
    }
    fn app<'a>(&'a self, name: &'a str) -> Answer<'a, Option<App>> {
        self.apps.fetch_add(1, Ordering::Relaxed);
        self.store.app(name)
    }
    fn apps<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<App>> {
        self.store.apps(after)
    }
    fn credentials<'a>(&'a self, app: &'a str, after: &'a str) -> Answer<'a, Vec<Arc<Registered>>> {
        self.store.credentials(app, after)
    }
    fn add_app(&self, app: App) -> Answer<'_, ()> {
        self.store.add_app(app)
    }
    fn count_apps(&self, status: Status) -> Answer<'_, u64> {
        self.store.count_apps(status)
    }
    fn add_credential<'a>(&'a self, app: &'a str, credential: NewCredential, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        self.store.add_credential(app, credential, now)
    }
    fn rotate<'a>(&'a self, key_id: &'a str, successor: NewCredential, ends: Timestamp, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        self.store.rotate(key_id, successor, ends, now)
    }
    fn set_app_status<'a>(&'a self, app: &'a str, status: Status) -> Answer<'a, ()> {
        self.store.set_app_status(app, status)
    }
    fn set_credential_status<'a>(&'a self, key_id: &'a str, status: Status) -> Answer<'a, ()> {
        self.store.set_credential_status(key_id, status)
    }
    fn update_app(&self, app: App) -> Answer<'_, ()> {
        self.store.update_app(app)
    }
    fn remove_credential<'a>(&'a self, key_id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        self.store.remove_credential(key_id, now)
    }
    fn touch(&self, key_id: &str, dialect: &str, at: Timestamp) {
        self.store.touch(key_id, dialect, at);
    }
}

#[cfg(feature = "postgres")]
mod on_postgres;
