//! What every store of sessions must do, run on each.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::Timestamp;

use super::{Refresh, SessionStore};
use crate::limit::Rate;
use crate::master_key::MasterKey;
use crate::session::user::UserStore;
use crate::session::{Binding, Ended, Known, RefreshLimit, Rotation, Session, SessionId, SessionPolicy, UserId};
use crate::store::SqliteStore;

const USER: UserId = UserId::from_bytes([1; 16]);
const OTHER: UserId = UserId::from_bytes([2; 16]);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

fn sid(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

/// A session that began at 1,000 and ends at 9,000, or at 5,000 unless it is refreshed.
pub(super) fn session(n: u8) -> Session {
    Session {
        sid: sid(n),
        user: USER,
        app: "shop".to_owned(),
        salt: [n; 16],
        binding: Binding::App,
        scopes: vec!["orders".to_owned(), "a \"b\"".to_owned()],
        methods: vec!["pwd".to_owned()],
        created: at(1_000),
        authenticated: at(1_000),
        last_seen: at(1_000),
        idle_ends: at(5_000),
        ends: at(9_000),
        generation: 0,
        rotated: at(1_000),
        confirmed: None,
        epoch: 0,
        agent: Some("curl/8 \u{e9}".to_owned()),
        address_first: Some("192.0.2.1".to_owned()),
        address_last: None,
        revoked: None,
    }
}

async fn refresh(store: &dyn SessionStore, n: u8, presented: u64, now: i64) -> Option<(Rotation, Known)> {
    let policy = SessionPolicy { idle: Duration::from_secs(4_000), ..SessionPolicy::default() };
    let limit = Arc::new(RefreshLimit::new());
    store.refresh(Refresh { sid: sid(n), presented, now: at(now), address: Some("192.0.2.2".to_owned()), policy, limit }).await.unwrap()
}

async fn rotation(store: &dyn SessionStore, n: u8, presented: u64, now: i64) -> (Rotation, u64) {
    let (rotation, known) = refresh(store, n, presented, now).await.unwrap();
    (rotation, known.session.generation)
}

async fn found(store: &dyn SessionStore, n: u8) -> Session {
    store.session(sid(n)).await.unwrap().unwrap().session
}

/// How a suite changes users, which are another store's.
pub(super) trait Users: SessionStore + UserStore {
    async fn sql(&self, sql: &'static str);
}

impl Users for SqliteStore {
    async fn sql(&self, sql: &'static str) {
        self.change_sessions(move |db, _| Ok(db.execute_batch(sql)?)).await.unwrap();
    }
}

pub(super) const ADD_USERS: &str = "INSERT INTO users (id, name, status, scopes, roles, created) VALUES
    ('AQEBAQEBAQEBAQEBAQEBAQ', 'ada', 'active', '[]', '[]', 0), ('AgICAgICAgICAgICAgICAg', 'bob', 'active', '[]', '[]', 0)";

pub(super) async fn sqlite(folder: &std::path::Path) -> SqliteStore {
    let store = SqliteStore::open(&folder.join("countersign.db"), Arc::new(MasterKey::ephemeral().unwrap())).unwrap();
    store.sql(ADD_USERS).await;
    store
}

macro_rules! on_each {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[tokio::test]
            async fn sqlite() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&super::sqlite(folder.path()).await).await;
            }
        })*

        /// All of them on one server, each from empty tables.
        #[cfg(feature = "postgres")]
        #[tokio::test]
        async fn each_case_on_postgres() {
            let server = countersign_testbed::Postgres::start();
            let store = on_postgres::store(&server.url()).await;
            $({
                store.sql("DELETE FROM sessions; DELETE FROM users").await;
                store.sql(ADD_USERS).await;
                $name(&store).await;
            })*
        }
    };
}

on_each!(
    a_session_is_read_as_it_was_kept,
    a_refresh_moves_the_generation_and_the_idle_end,
    a_refresh_that_changes_nothing_writes_nothing,
    only_a_refresh_that_moves_the_session_is_counted,
    what_is_over_is_not_refreshed,
    a_confirmation_only_rises,
    a_session_ends_once_and_every_process_is_told,
    what_a_user_is_ends_its_sessions,
    too_many_sessions_are_told_with_the_oldest_first,
    ended_sessions_are_forgotten,
);

async fn a_session_is_read_as_it_was_kept<S: Users>(store: &S) {
    let bindings = [Binding::App, Binding::Session, Binding::Client(vec![0, 1, 255]), Binding::Bearer];
    for (n, binding) in (1..).zip(bindings) {
        let session = Session { binding, confirmed: (n == 2).then_some(0), generation: u64::from(n), ..session(n) };
        assert!(store.begin(session.clone(), 20).await.unwrap().is_empty());
        assert_eq!(found(store, n).await, session);
    }
    assert_eq!(store.session(sid(9)).await.unwrap(), None);
    assert!(refresh(store, 9, 0, 1_001).await.is_none());
    assert_eq!(store.count_sessions(at(1_001)).await.unwrap(), 4);
}

async fn a_refresh_moves_the_generation_and_the_idle_end<S: Users>(store: &S) {
    store.begin(session(1), 20).await.unwrap();
    assert_eq!(rotation(store, 1, 0, 2_000).await, (Rotation::Rotated, 1));
    let read = found(store, 1).await;
    let moved = (read.generation, read.rotated, read.last_seen, read.idle_ends, read.address_last.as_deref());
    assert_eq!(moved, (1, at(2_000), at(2_000), at(6_000), Some("192.0.2.2")));
    assert_eq!(read.address_first.as_deref(), Some("192.0.2.1"));
    assert_eq!(rotation(store, 1, 1, 5_999).await, (Rotation::Rotated, 2));
    assert_eq!(found(store, 1).await.idle_ends, at(9_000), "never past the end");
    assert_eq!(rotation(store, 1, 7, 6_000).await, (Rotation::Adopted, 8));
    assert_eq!(found(store, 1).await.generation, 8);
}

async fn a_refresh_that_changes_nothing_writes_nothing<S: Users>(store: &S) {
    store.begin(session(1), 20).await.unwrap();
    assert_eq!(rotation(store, 1, 0, 2_000).await, (Rotation::Rotated, 1));
    assert_eq!(rotation(store, 1, 1, 2_000).await, (Rotation::Rotated, 2));
    let before = found(store, 1).await;
    assert_eq!(rotation(store, 1, 1, 2_030).await, (Rotation::Same, 2));
    assert_eq!(rotation(store, 1, 0, 2_030).await, (Rotation::Reused, 2));
    assert_eq!(found(store, 1).await, before);
}

async fn only_a_refresh_that_moves_the_session_is_counted<S: Users>(store: &S) {
    store.begin(session(1), 20).await.unwrap();
    let (once, limit) = (Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN }, Arc::new(RefreshLimit::new()));
    let policy = SessionPolicy { refreshes: once, ..SessionPolicy::default() };
    let refresh = async |presented, now| {
        let (policy, limit) = (policy.clone(), Arc::clone(&limit));
        let (rotation, known) =
            store.refresh(Refresh { sid: sid(1), presented, now: at(now), address: None, policy, limit }).await.unwrap().unwrap();
        (rotation, known.session.generation)
    };
    assert_eq!(refresh(0, 1_001).await, (Rotation::Rotated, 1));
    for _ in 0..5 {
        assert_eq!(refresh(0, 1_001).await, (Rotation::Same, 1));
    }
    for presented in [1, 4] {
        assert_eq!(refresh(presented, 1_001).await, (Rotation::TooMany, 1));
    }
    assert_eq!(refresh(0, 1_001).await, (Rotation::Same, 1));
    assert_eq!(refresh(1, 1_002).await, (Rotation::Rotated, 2));
}

async fn what_is_over_is_not_refreshed<S: Users>(store: &S) {
    store.begin(session(1), 20).await.unwrap();
    assert_eq!(rotation(store, 1, 0, 5_000).await, (Rotation::Over(Ended::Expired), 0));
    assert!(store.end(sid(1), Ended::Logout, at(1_500)).await.unwrap());
    assert_eq!(rotation(store, 1, 0, 1_500).await, (Rotation::Over(Ended::Logout), 0));
}

async fn a_confirmation_only_rises<S: Users>(store: &S) {
    store.begin(session(1), 20).await.unwrap();
    store.confirm(sid(1), 1).await.unwrap();
    assert_eq!(found(store, 1).await.confirmed, None, "no such generation was made");
    refresh(store, 1, 0, 1_001).await.unwrap();
    for (generation, confirmed) in [(0, 0), (1, 1), (0, 1)] {
        store.confirm(sid(1), generation).await.unwrap();
        assert_eq!(found(store, 1).await.confirmed, Some(confirmed));
    }
}

async fn a_session_ends_once_and_every_process_is_told<S: Users>(store: &S) {
    store.begin(session(1), 20).await.unwrap();
    let before = settled(store).await;
    assert!(store.end(sid(1), Ended::Reuse, at(1_500)).await.unwrap());
    let begun = std::time::Instant::now();
    while store.session_revision().await.unwrap() == before {
        assert!(begun.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(!store.end(sid(1), Ended::Logout, at(1_600)).await.unwrap());
    assert!(!store.end(sid(9), Ended::Logout, at(1_600)).await.unwrap());
    assert_eq!(found(store, 1).await.revoked, Some((at(1_500), Ended::Reuse)));
    assert!(store.sessions_of(USER, at(1_600)).await.unwrap().is_empty());
}

/// The revision, once what was changed before is seen.
async fn settled(store: &dyn SessionStore) -> u64 {
    tokio::time::sleep(Duration::from_millis(300)).await;
    store.session_revision().await.unwrap()
}

async fn what_a_user_is_ends_its_sessions<S: Users>(store: &S) {
    for n in [1, 2] {
        store.begin(session(n), 20).await.unwrap();
    }
    let live = async || store.sessions_of(USER, at(1_001)).await.unwrap().len();
    assert_eq!(live().await, 2);
    store.sql("UPDATE users SET status = 'disabled' WHERE name = 'ada'").await;
    assert_eq!(live().await, 0);
    assert_eq!(rotation(store, 1, 0, 1_001).await.0, Rotation::Over(Ended::UserDisabled));
    store.sql("UPDATE users SET status = 'active', epoch = 1 WHERE name = 'ada'").await;
    assert_eq!(live().await, 0);
    assert_eq!(rotation(store, 1, 0, 1_001).await.0, Rotation::Over(Ended::Everywhere));
    store.begin(Session { epoch: 1, ..session(3) }, 20).await.unwrap();
    assert_eq!(live().await, 1);
    assert_eq!(store.end_sessions(USER, at(1_001)).await, Ok(1), "those that were over are not counted");
    assert_eq!((live().await, store.end_sessions(USER, at(1_001)).await), (0, Ok(0)));
}

async fn too_many_sessions_are_told_with_the_oldest_first<S: Users>(store: &S) {
    for n in 1..=4 {
        let begun = at(1_000 + i64::from(n));
        let session = Session { created: begun, last_seen: begun, ..session(n) };
        assert!(store.begin(session, 4).await.unwrap().is_empty());
    }
    store.begin(Session { user: OTHER, ..session(9) }, 4).await.unwrap();
    // The first one is used again.
    refresh(store, 1, 0, 1_010).await.unwrap();
    let next = Session { created: at(1_020), last_seen: at(1_020), ..session(5) };
    assert_eq!(store.begin(next, 3).await.unwrap(), [sid(2), sid(3)]);
    let live: Vec<_> = store.sessions_of(USER, at(1_020)).await.unwrap().into_iter().map(|session| session.sid).collect();
    assert_eq!(live, [5, 1, 4, 3, 2].map(sid));
}

async fn ended_sessions_are_forgotten<S: Users>(store: &S) {
    for n in 1..=3 {
        store.begin(session(n), 20).await.unwrap();
    }
    store.end(sid(1), Ended::Logout, at(1_500)).await.unwrap();
    assert_eq!(store.forget_sessions(at(1_500)).await.unwrap(), 0);
    assert_eq!(store.forget_sessions(at(1_501)).await.unwrap(), 1);
    assert_eq!(store.session(sid(1)).await.unwrap(), None);
    assert_eq!(store.forget_sessions(at(5_001)).await.unwrap(), 2);
}

/// Each round: many hold the same token, and all refresh at once.
async fn many_at_once_give_one_generation(stores: &[Arc<dyn SessionStore>], rounds: u64) {
    stores[0].begin(Session { idle_ends: at(9_000), ..session(1) }, 20).await.unwrap();
    for round in 0..rounds {
        let refreshing: Vec<_> = (0..64)
            .map(|n| {
                let store = Arc::clone(&stores[n % stores.len()]);
                tokio::spawn(async move { rotation(&*store, 1, round, 1_001).await })
            })
            .collect();
        let mut rotated = 0;
        for refreshed in refreshing {
            let (rotation, generation) = refreshed.await.unwrap();
            assert!(matches!(rotation, Rotation::Rotated | Rotation::Same), "{rotation:?}");
            assert_eq!(generation, round + 1, "all have the same successor");
            rotated += u64::from(rotation == Rotation::Rotated);
        }
        assert_eq!(rotated, 1);
    }
    assert_eq!(found(&*stores[0], 1).await.revoked, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_refreshes_at_once_one_rotates() {
    let folder = tempfile::tempdir().unwrap();
    // Two processes on one file.
    let key = Arc::new(MasterKey::ephemeral().unwrap());
    let open = || SqliteStore::open(&folder.path().join("countersign.db"), Arc::clone(&key)).unwrap();
    let (one, other) = (open(), open());
    one.sql(ADD_USERS).await;
    many_at_once_give_one_generation(&[Arc::new(one), Arc::new(other)], 200).await;
}

/// Whoever logs out is logged out: no refresh that comes later, or at the same time and later in the store, brings it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_logout_was_answered_no_refresh_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(sqlite(folder.path()).await);
    for n in 1..=50 {
        store.begin(session(n), 100).await.unwrap();
        let racing = Arc::clone(&store);
        let refreshes = tokio::spawn(async move {
            for generation in 0..5 {
                rotation(&*racing, n, generation, 1_001).await;
            }
        });
        assert!(store.end(sid(n), Ended::Logout, at(1_001)).await.unwrap());
        let (after, generation) = rotation(&*store, n, found(&*store, n).await.generation, 1_001).await;
        assert_eq!(after, Rotation::Over(Ended::Logout));
        refreshes.await.unwrap();
        assert_eq!(found(&*store, n).await.generation, generation, "nothing moved after the logout");
    }
}

#[cfg(feature = "postgres")]
mod on_postgres {
    use super::*;
    use crate::store::{PostgresOptions, PostgresStore};

    pub(super) async fn store(url: &str) -> PostgresStore {
        store_with(url, Arc::new(MasterKey::ephemeral().unwrap())).await
    }

    async fn store_with(url: &str, key: Arc<MasterKey>) -> PostgresStore {
        let options = PostgresOptions { timeout: Duration::from_secs(20), ..PostgresOptions::default() };
        PostgresStore::open(url, key, options).await.unwrap()
    }

    impl Users for PostgresStore {
        async fn sql(&self, sql: &'static str) {
            let mut client = self.client().await.unwrap();
            let transaction = crate::store::postgres::change_sessions(&mut client).await.unwrap();
            transaction.batch_execute(sql).await.unwrap();
            transaction.commit().await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_64_refreshes_at_once_through_two_gateways_one_rotates() {
        let server = countersign_testbed::Postgres::start();
        let key = Arc::new(MasterKey::ephemeral().unwrap());
        let (one, other) = (store_with(&server.url(), Arc::clone(&key)).await, store_with(&server.url(), key).await);
        one.sql(ADD_USERS).await;
        many_at_once_give_one_generation(&[Arc::new(one), Arc::new(other)], 200).await;
    }
}
