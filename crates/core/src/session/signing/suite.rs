//! What signing keys must do, on each store: follow each other without a gap, end when they are revoked, and show nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign_protocol::{Secret, Timestamp};

use super::{
    KeyChange, KeyHolder, KeyRing, KeyState, KeyTimes, RotationPolicy, SigningAlgorithm, SigningKey, SigningKeyStore, TokenError, revoke,
    rotate,
};
use crate::error::StoreError;
use crate::master_key::MasterKey;
use crate::session::token::suite::{at, rules, token};
use crate::session::token::{AccessToken, TokenFault, mint, verify};
use crate::store::{Answer, SqliteStore};

const NOW: u64 = 1_739_437_548;
const MINUTE: u64 = 60;

fn policy() -> RotationPolicy {
    RotationPolicy { every: Duration::from_hours(6), ..RotationPolicy::new(rules().max_ttl, rules().skew) }
}

fn sqlite(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("store.db"), Arc::new(MasterKey::open_or_create(&folder.join("master.key")).unwrap())).unwrap()
}

macro_rules! on_each {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[tokio::test]
            async fn sqlite() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&super::sqlite(folder.path())).await;
            }
        })*

        /// All of them on one server, each with a database of its own.
        #[cfg(feature = "postgres")]
        #[tokio::test]
        async fn each_case_on_postgres() {
            let server = countersign_testbed::Postgres::start();
            $({
                let key = Arc::new(MasterKey::ephemeral().unwrap());
                let url = server.new_database(stringify!($name));
                let store = crate::store::PostgresStore::open(&url, key, crate::store::PostgresOptions::default()).await.unwrap();
                while store.signing_revision().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                $name(&store).await;
            })*
        }
    };
}

on_each!(
    a_drill_of_rotations_fails_no_token,
    a_late_rotation_leaves_no_gap,
    a_revoked_key_is_cut_and_another_one_signs,
    of_two_who_rotate_at_once_one_makes_the_key,
    an_early_rotation_publishes_before_it_signs,
    another_algorithm_takes_its_turn,
    a_key_is_added_once_and_unknown_ones_are_told,
);

async fn ring(store: &dyn SigningKeyStore, now: Timestamp) -> KeyRing {
    KeyRing::new(store.signing_keys(now).await.unwrap()).unwrap()
}

fn published(ring: &KeyRing, now: Timestamp) -> Vec<String> {
    let keys = ring.jwks(now)["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn said(now: u64) -> AccessToken {
    AccessToken { auth_time: now, ..token(now) }
}

/// Two days, every five minutes: each token is verified until its end by whoever holds keys that are five minutes old.
async fn a_drill_of_rotations_fails_no_token(store: &dyn SigningKeyStore) {
    let (mut tokens, mut names, mut copy) = (Vec::<(u64, String)>::new(), Vec::<String>::new(), Vec::new());
    for step in 0..576 {
        let now = NOW + step * 5 * MINUTE;
        rotate(store, at(now), &policy()).await.unwrap();
        let ring = ring(store, at(now)).await;
        let key = ring.signing(at(now)).expect("a key signs at every instant");
        if step > 0 {
            assert!(copy.iter().any(|kid| kid == key.kid()), "a copy that is five minutes old has the key that signs");
        }
        if names.last().is_none_or(|last| last != key.kid()) {
            names.push(key.kid().to_owned());
        }
        tokens.push((now, mint(key, &said(now)).unwrap()));
        tokens.retain(|(iat, _)| now < iat + 600);
        for (_, text) in &tokens {
            assert!(verify(text, &ring, &rules(), at(now)).is_ok());
        }
        copy = published(&ring, at(now));
        for kid in &names {
            assert_eq!(ring.verifying(kid, at(now)).is_some(), copy.contains(kid), "what is published is what verifies");
        }
        assert!(copy.len() <= 2 && copy.iter().all(|kid| ring.verifying(kid, at(now)).is_some()));
    }
    assert_eq!(names.len(), 8, "a new key every six hours");
    // The first key is long gone: a token that it signs now is refused, whatever it says.
    let all = ring(store, at(NOW)).await;
    let now = NOW + 576 * 5 * MINUTE;
    assert_eq!(ring(store, at(now)).await.verifying(&names[0], at(now)).map(SigningKey::kid), None);
    let first = all.verifying(&names[0], at(NOW)).unwrap();
    let late = mint(first, &said(now)).unwrap();
    assert_eq!(verify(&late, &all, &rules(), at(now)), Err(TokenFault::Invalid("no key of its kid verifies")));
}

async fn a_late_rotation_leaves_no_gap(store: &dyn SigningKeyStore) {
    rotate(store, at(NOW), &policy()).await.unwrap();
    let late = NOW + 6 * 3_600 + MINUTE;
    assert!(ring(store, at(late)).await.signing(at(late)).is_none());
    let first = ring(store, at(late)).await.published(at(late))[0].kid().to_owned();
    let rotated = rotate(store, at(late), &policy()).await.unwrap().unwrap();
    let now = ring(store, at(late)).await;
    assert_eq!(now.signing(at(late)).unwrap().kid(), first, "it signs on until others have its successor");
    assert_eq!(rotated.signs_from, at(late + 15 * MINUTE));
    let then = at(late + 15 * MINUTE);
    assert_eq!(Some(now.signing(then).unwrap().kid().to_owned()), rotated.added);
    // So late that no key is left: the new one signs at once.
    let much_later = at(late + 86_400);
    let rotated = rotate(store, much_later, &policy()).await.unwrap().unwrap();
    assert_eq!(rotated.signs_from, much_later);
}

async fn a_revoked_key_is_cut_and_another_one_signs(store: &dyn SigningKeyStore) {
    let before = store.signing_revision().await.unwrap();
    let first = rotate(store, at(NOW), &policy()).await.unwrap().unwrap().added.unwrap();
    let text = mint(ring(store, at(NOW)).await.signing(at(NOW)).unwrap(), &said(NOW)).unwrap();
    assert!(verify(&text, &ring(store, at(NOW)).await, &rules(), at(NOW)).is_ok());
    let next = revoke(store, &first, at(NOW + 1), &policy()).await.unwrap().unwrap();
    let now = ring(store, at(NOW + 1)).await;
    assert_eq!(verify(&text, &now, &rules(), at(NOW + 1)), Err(TokenFault::Invalid("no key of its kid verifies")));
    assert_eq!(Some(now.signing(at(NOW + 1)).unwrap().kid().to_owned()), next.added);
    assert_eq!(published(&now, at(NOW + 1)), [next.added.unwrap()]);
    // By a clock that is behind, too.
    assert!(now.verifying(&first, at(NOW)).is_none());
    let begun = std::time::Instant::now();
    while store.signing_revision().await.unwrap_or(before) <= before {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn of_two_who_rotate_at_once_one_makes_the_key(store: &dyn SigningKeyStore) {
    for round in 0..4 {
        let now = at(NOW + round * 5 * 3_600);
        let policy = policy();
        let (a, b, c) = tokio::join!(rotate(store, now, &policy), rotate(store, now, &policy), rotate(store, now, &policy));
        let made = [a, b, c].into_iter().filter(|rotated| rotated.as_ref().unwrap().is_some()).count();
        assert_eq!(made, 1, "round {round}");
    }
    let now = at(NOW);
    let policy = policy();
    let keys = store.signing_keys(now).await.unwrap().len();
    let (a, b) = tokio::join!(policy.rotate_early(store, at(NOW + 86_400)), policy.rotate_early(store, at(NOW + 86_400)));
    assert_eq!([a, b].into_iter().filter(|rotated| rotated.as_ref().unwrap().is_some()).count(), 1);
    assert_eq!(store.signing_keys(now).await.unwrap().len(), keys + 1);
}

async fn an_early_rotation_publishes_before_it_signs(store: &dyn SigningKeyStore) {
    let first = rotate(store, at(NOW), &policy()).await.unwrap().unwrap().added.unwrap();
    let second = policy().rotate_early(store, at(NOW + 60)).await.unwrap().unwrap();
    assert_eq!(second.signs_from, at(NOW + 60 + 15 * MINUTE));
    assert_eq!(policy().rotate_early(store, at(NOW + 61)).await.unwrap(), None, "one is waiting already");
    let keys = ring(store, at(NOW + 60)).await;
    let second = second.added.unwrap();
    let state = |kid: &str, now: u64| keys.keys_named(kid).times().state(at(now));
    assert_eq!((state(&first, NOW + 60), state(&second, NOW + 60)), (KeyState::Active, KeyState::Pending));
    let switch = NOW + 60 + 15 * MINUTE;
    assert_eq!((state(&first, switch - 1), state(&second, switch - 1)), (KeyState::Active, KeyState::Pending));
    assert_eq!((state(&first, switch), state(&second, switch)), (KeyState::Retiring, KeyState::Active));
    let gone = switch + 600 + 30 + 300;
    assert_eq!((state(&first, gone - 1), state(&first, gone)), (KeyState::Retiring, KeyState::Gone));
}

async fn another_algorithm_takes_its_turn(store: &dyn SigningKeyStore) {
    rotate(store, at(NOW), &policy()).await.unwrap();
    for (turn, algorithm) in [(1, SigningAlgorithm::Es256), (2, SigningAlgorithm::Hs256)] {
        let now = NOW + turn * 3_600;
        let policy = RotationPolicy { algorithm, ..policy() };
        let rotated = rotate(store, at(now), &policy).await.unwrap().unwrap();
        let then = rotated.signs_from;
        assert_eq!(then, at(now + 15 * MINUTE));
        let keys = ring(store, then).await;
        let key = keys.signing(then).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(published(&keys, then).contains(&key.kid().to_owned()), algorithm.is_asymmetric(), "a shared secret is never published");
        assert!(!keys.jwks(then).to_string().contains("oct"));
        let text = mint(key, &said(now + 15 * MINUTE)).unwrap();
        assert!(verify(&text, &keys, &rules(), then).is_ok());
    }
}

async fn a_key_is_added_once_and_unknown_ones_are_told(store: &dyn SigningKeyStore) {
    let key = |seed: u8| {
        let times =
            KeyTimes { published: at(NOW), signs_from: at(NOW), signs_until: at(NOW + 9), verifies_until: at(NOW + 99), revoked: None };
        SigningKey::from_parts("k_same".to_owned(), SigningAlgorithm::Hs256, Secret::new([seed; 32]), &[], times).unwrap()
    };
    let change =
        |add, seen: &[&str]| KeyChange { add: Some(add), end: None, seen: seen.iter().map(|&kid| kid.to_owned()).collect(), at: at(NOW) };
    assert!(store.change_signing_keys(change(key(1), &[])).await.unwrap());
    assert!(!store.change_signing_keys(change(key(2), &[])).await.unwrap(), "decided on what is no more");
    assert!(store.change_signing_keys(change(key(2), &["k_same"])).await.is_err(), "the name is taken");
    let kept = ring(store, at(NOW)).await;
    let text = mint(kept.signing(at(NOW)).unwrap(), &said(NOW)).unwrap();
    assert_eq!(text, mint(&key(1), &said(NOW)).unwrap());
    let unknown = store.revoke_signing_key("k_other", at(NOW)).await.unwrap_err().to_string();
    assert!(unknown.contains("k_other") && unknown.contains("session key list"), "{unknown}");
    assert!(store.signing_keys(at(NOW + 99)).await.unwrap().is_empty());
}

/// Two handles of one store, each on a thread of its own, round for round: one of them makes each key, and both see the same.
async fn race(one: Arc<dyn SigningKeyStore>, other: Arc<dyn SigningKeyStore>) {
    for round in 0..20 {
        let now = at(NOW + round * 6 * 3_600);
        let racing = [Arc::clone(&one), Arc::clone(&other)].map(|store| tokio::spawn(async move { rotate(&*store, now, &policy()).await }));
        let mut made = 0;
        for racer in racing {
            made += usize::from(racer.await.unwrap().unwrap().is_some());
        }
        assert_eq!(made, 1, "round {round}");
        let seen = [published(&ring(&*one, now).await, now), published(&ring(&*other, now).await, now)];
        assert_eq!(seen[0], seen[1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_file_make_one_key() {
    let folder = tempfile::tempdir().unwrap();
    race(Arc::new(sqlite(folder.path())), Arc::new(sqlite(folder.path()))).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_postgres_make_one_key() {
    use crate::store::{PostgresOptions, PostgresStore};

    let server = countersign_testbed::Postgres::start();
    let key = Arc::new(MasterKey::ephemeral().unwrap());
    let url = server.url();
    let open = || PostgresStore::open(&url, Arc::clone(&key), PostgresOptions::default());
    let (one, other) = (open().await.unwrap(), open().await.unwrap());
    race(Arc::new(one), Arc::new(other)).await;
}

impl KeyRing {
    fn keys_named(&self, kid: &str) -> &SigningKey {
        self.published(at(NOW + 60)).into_iter().find(|key| key.kid() == kid).unwrap()
    }
}

#[test]
fn the_same_name_twice_is_no_ring() {
    let times = KeyTimes { published: at(1), signs_from: at(1), signs_until: at(2), verifies_until: at(3), revoked: None };
    let key = |name: &str| SigningKey::from_parts(name.to_owned(), SigningAlgorithm::Hs256, Secret::new([7; 32]), &[], times).unwrap();
    let refused = KeyRing::new([key("a"), key("a")]).unwrap_err();
    assert!(refused.to_string().contains("same name"), "{refused}");
    assert!(KeyRing::new((0..=super::MOST_KEYS).map(|n| key(&format!("k{n}")))).is_err());
}

#[test]
fn halves_that_do_not_belong_together_are_refused_and_debug_shows_no_key() {
    let times = KeyTimes { published: at(1), signs_from: at(1), signs_until: at(2), verifies_until: at(3), revoked: None };
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256] {
        let (one, other) = (SigningKey::generate(algorithm, times).unwrap(), SigningKey::generate(algorithm, times).unwrap());
        let torn = SigningKey::from_parts("k".to_owned(), algorithm, one.private.clone(), &other.public, times);
        assert!(torn.unwrap_err().to_string().contains("belong together"));
        // The neutral element, for which anybody can sign.
        let low = [&[1_u8][..], &[0; 31]].concat();
        assert!(SigningKey::from_parts("k".to_owned(), algorithm, one.private.clone(), &low, times).is_err());
        let shown = format!("{one:?}");
        assert!(!shown.contains("private") && !shown.contains("half") && !shown.contains("decoding"), "{shown}");
    }
    for name in ["", "../../dev/null", "a b", "é", "a'--", &"k".repeat(65)] {
        assert!(SigningKey::from_parts(name.to_owned(), SigningAlgorithm::Hs256, Secret::new([7; 32]), &[], times).is_err(), "{name}");
    }
    let backwards = KeyTimes { signs_until: at(0), ..times };
    assert!(SigningKey::generate(SigningAlgorithm::EdDsa, backwards).is_err());
}

#[tokio::test]
async fn a_row_opens_in_its_own_place_and_for_its_own_algorithm_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    rotate(&store, at(NOW), &policy()).await.unwrap();
    let edit = |sql: &'static str| {
        let store = &store;
        async move { store.write(move |db, _| Ok(db.execute_batch(sql)?)).await.unwrap() }
    };
    let fault = || async { store.signing_keys(at(NOW)).await.map(|keys| keys.len()).map_err(|error| error.to_string()) };
    edit("CREATE TABLE saved AS SELECT * FROM signing_key").await;
    for (sql, words) in [
        ("UPDATE signing_key SET algorithm = 'HS256', public = x''", "another algorithm"),
        ("UPDATE signing_key SET kid = 'k_other'", "does not open"),
        ("UPDATE signing_key SET public = x'0100000000000000000000000000000000000000000000000000000000000000'", "belong together"),
        ("UPDATE signing_key SET verifies_until = signs_from + 1, signs_until = signs_from + 2", "order"),
    ] {
        edit(sql).await;
        let told = fault().await.unwrap_err();
        assert!(told.contains(words), "{sql}: {told}");
        edit("DELETE FROM signing_key; INSERT INTO signing_key SELECT * FROM saved").await;
    }
    assert_eq!(fault().await, Ok(1));
}

#[tokio::test]
async fn another_master_key_keeps_the_keys_and_no_file_shows_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    rotate(&store, at(NOW), &RotationPolicy { algorithm: SigningAlgorithm::Hs256, ..policy() }).await.unwrap();
    let keys = ring(&store, at(NOW)).await;
    let key = keys.signing(at(NOW)).unwrap();
    let text = mint(key, &said(NOW)).unwrap();
    let new = Arc::new(MasterKey::open_or_create(&folder.path().join("new.key")).unwrap());
    store.rewrap(Arc::clone(&new)).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&folder.path().join("store.db"), new).unwrap();
    assert!(verify(&text, &ring(&store, at(NOW)).await, &rules(), at(NOW)).is_ok());
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(32).any(|window| window == key.private.expose()));
    }
}

/// A store that counts how often it is read, and answers or not.
#[derive(Debug)]
struct Counting {
    store: SqliteStore,
    reads: AtomicUsize,
    is_down: AtomicBool,
}

impl SigningKeyStore for Counting {
    fn signing_keys(&self, at: Timestamp) -> Answer<'_, Vec<SigningKey>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.is_down.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::Unavailable("down".to_owned()))));
        }
        self.store.signing_keys(at)
    }

    fn change_signing_keys(&self, change: KeyChange) -> Answer<'_, bool> {
        self.store.change_signing_keys(change)
    }

    fn revoke_signing_key<'a>(&'a self, kid: &'a str, at: Timestamp) -> Answer<'a, ()> {
        self.store.revoke_signing_key(kid, at)
    }

    fn signing_revision(&self) -> Answer<'_, u64> {
        if self.is_down.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::Unavailable("down".to_owned()))));
        }
        self.store.signing_revision()
    }
}

/// A holder before a store with one key, and a token of it.
async fn held(folder: &Path) -> (Arc<Counting>, KeyHolder, String) {
    let store = Arc::new(Counting { store: sqlite(folder), reads: AtomicUsize::new(0), is_down: AtomicBool::new(false) });
    rotate(&*store, at(NOW), &policy()).await.unwrap();
    store.reads.store(0, Ordering::SeqCst);
    let holder = KeyHolder::new(Arc::clone(&store) as Arc<dyn SigningKeyStore>);
    let text = mint(&holder.signing(at(NOW)).await.unwrap(), &said(NOW)).unwrap();
    (store, holder, text)
}

fn after(millis: i64) -> Timestamp {
    Timestamp::from_millis(at(NOW).millis() + millis).unwrap()
}

#[tokio::test]
async fn keys_are_read_when_they_changed_and_every_few_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let (store, holder, text) = held(folder.path()).await;
    let reads = || store.reads.load(Ordering::SeqCst);
    for millis in [0, 100, 300, 2_000, 4_900] {
        assert!(holder.verify(&text, &rules(), after(millis)).await.is_ok());
    }
    assert_eq!(reads(), 1);
    assert!(holder.verify(&text, &rules(), after(5_000)).await.is_ok());
    assert_eq!(reads(), 2);
    let kid = holder.signing(after(5_000)).await.unwrap().kid().to_owned();
    store.revoke_signing_key(&kid, after(5_000)).await.unwrap();
    let told = holder.verify(&text, &rules(), after(5_250)).await;
    assert_eq!(told, Err(TokenError::Fault(TokenFault::Invalid("no key of its kid verifies"))));
    assert!(holder.signing(after(5_500)).await.unwrap_err().to_string().contains("session key rotate"));
}

#[tokio::test]
async fn an_unknown_name_has_the_keys_read_at_most_every_thirty_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let (store, holder, _) = held(folder.path()).await;
    let times = holder.signing(at(NOW)).await.unwrap().times();
    let foreign = SigningKey::generate(SigningAlgorithm::EdDsa, times).unwrap();
    let text = mint(&foreign, &said(NOW)).unwrap();
    for _ in 0..50 {
        assert!(matches!(holder.verify(&text, &rules(), after(100)).await, Err(TokenError::Fault(_))));
    }
    assert_eq!(store.reads.load(Ordering::SeqCst), 2, "the first reading, and one for the name");
    for _ in 0..50 {
        assert!(holder.verify(&text, &rules(), after(30_100)).await.is_err());
    }
    assert_eq!(store.reads.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_store_that_is_gone_closes_the_door_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let (store, holder, text) = held(folder.path()).await;
    store.is_down.store(true, Ordering::SeqCst);
    assert!(holder.verify(&text, &rules(), after(4_900)).await.is_ok());
    assert!(matches!(holder.verify(&text, &rules(), after(5_200)).await, Err(TokenError::Store(_))));
    let reads = store.reads.load(Ordering::SeqCst);
    for _ in 0..20 {
        assert!(holder.verify(&text, &rules(), after(5_300)).await.is_err());
    }
    assert_eq!(store.reads.load(Ordering::SeqCst), reads, "a store that is gone is not asked by each caller");
    store.is_down.store(false, Ordering::SeqCst);
    assert!(holder.verify(&text, &rules(), after(5_600)).await.is_ok());
}

#[tokio::test]
async fn many_at_once_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, text) = held(folder.path()).await;
    store.reads.store(0, Ordering::SeqCst);
    let holder = Arc::new(KeyHolder::new(Arc::clone(&store) as Arc<dyn SigningKeyStore>));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (holder, text) = (Arc::clone(&holder), text.clone());
        all.spawn(async move { holder.verify(&text, &rules(), at(NOW)).await.is_ok() });
    }
    assert!(all.join_all().await.into_iter().all(|held| held));
    assert_eq!(store.reads.load(Ordering::SeqCst), 1);
}
