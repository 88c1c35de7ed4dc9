//! What only a store in PostgreSQL must do: be shared, tell of changes, and be there again after a crash.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_testbed::Postgres;

use super::{at, by_id, secret_credential};
use crate::app::{App, Status};
use crate::error::StoreError;
use crate::master_key::MasterKey;
use crate::store::{CacheLimits, CachedStore, CredentialStore, LookupKey, PostgresOptions, PostgresStore};

fn key(folder: &std::path::Path, name: &str) -> Arc<MasterKey> {
    Arc::new(MasterKey::open_or_create(&folder.join(name)).unwrap())
}

pub(super) async fn store(url: &str) -> PostgresStore {
    PostgresStore::open(url, Arc::new(MasterKey::ephemeral().unwrap()), PostgresOptions::default()).await.unwrap()
}

/// Two gateways on one database, each with its cache, and a credential `k`.
async fn two(url: &str, stale: Duration) -> [CachedStore<PostgresStore>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path(), "master.key");
    let limits = CacheLimits { found_for: stale, ask_every: Duration::from_millis(50), ..CacheLimits::default() };
    let mut stores = Vec::new();
    for _ in 0..2 {
        let store = PostgresStore::open(url, Arc::clone(&key), PostgresOptions::default()).await.unwrap();
        stores.push(CachedStore::new(store, limits));
    }
    stores[0].add_app(App::new("a", at(0))).await.unwrap();
    stores[0].add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
    for store in &stores {
        // Both changes were told.
        while super::revision(store).await < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    stores.try_into().unwrap()
}

async fn status(store: &dyn CredentialStore) -> Status {
    store.find(&by_id("k")).await.unwrap().unwrap().stored.terms.status
}

/// How long it takes until this store sees the credential disabled.
async fn seen_disabled(store: &dyn CredentialStore) -> Duration {
    let begun = Instant::now();
    while status(store).await != Status::Disabled {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn what_one_gateway_disables_another_refuses_within_a_second() {
    let server = Postgres::start();
    let [one, other] = two(&server.url(), Duration::from_secs(60)).await;
    for _ in 0..3 {
        one.set_credential_status("k", Status::Active).await.unwrap();
        while status(&other).await != Status::Active {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        one.set_credential_status("k", Status::Disabled).await.unwrap();
        let took = seen_disabled(&other).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test]
async fn a_cut_link_is_made_again_and_no_change_is_missed() {
    let server = Postgres::start();
    let [one, other] = two(&server.url(), Duration::from_secs(60)).await;
    assert_eq!(status(&other).await, Status::Active);
    server.cut_connections();
    let begun = Instant::now();
    while one.set_credential_status("k", Status::Disabled).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen_disabled(&other).await;
}

/// A transaction that raised the revision before another one and commits after it: its change is seen all the same.
#[tokio::test]
async fn a_change_that_becomes_visible_late_is_not_skipped() {
    let server = Postgres::start();
    let [one, other] = two(&server.url(), Duration::from_secs(60)).await;
    assert_eq!(status(&other).await, Status::Active);
    let late = std::thread::spawn({
        let server_sql = "BEGIN; UPDATE meta SET value = (value::bigint + 1)::text WHERE name = 'revision';
            UPDATE credential SET status = 'disabled' WHERE key_id = 'k'; SELECT pg_sleep(0.7); COMMIT;";
        let server = server.url();
        move || {
            let run = std::process::Command::new("psql").args(["-X", "-q", "-d", &server, "-c", server_sql]).output().unwrap();
            assert!(run.status.success(), "{run:?}");
        }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Begun later: it waits for the row that the first one holds, so that revisions become visible in their order.
    one.add_app(App::new("b", at(0))).await.unwrap();
    late.join().unwrap();
    assert!(seen_disabled(&other).await < Duration::from_secs(1));
}

#[tokio::test]
async fn without_the_server_cached_credentials_work_for_a_bounded_time_and_then_nobody_is_admitted() {
    let mut server = Postgres::start();
    let [store, _] = two(&server.url(), Duration::from_secs(2)).await;
    assert_eq!(status(&store).await, Status::Active);
    server.kill();
    let killed = Instant::now();
    assert!(matches!(store.find(&by_id("unknown")).await, Err(StoreError::Unavailable(_))));
    let refused = loop {
        match store.find(&by_id("k")).await {
            Ok(found) => assert!(found.is_some()),
            Err(error) => break error,
        }
        assert!(killed.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert!(killed.elapsed() > Duration::from_millis(1_500), "{:?}", killed.elapsed());
    server.restart();
    let begun = Instant::now();
    while store.find(&by_id("k")).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_database_belongs_to_one_master_key_and_takes_another() {
    let server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (key(folder.path(), "old"), key(folder.path(), "new"));
    let open = async |key: &Arc<MasterKey>| PostgresStore::open(&server.url(), Arc::clone(key), PostgresOptions::default()).await;
    let store = open(&old).await.unwrap();
    assert!(matches!(open(&new).await, Err(StoreError::WrongMasterKey { .. })));
    store.add_app(App::new("a", at(0))).await.unwrap();
    store.add_credential("a", secret_credential("k", "s"), at(0)).await.unwrap();
    assert_eq!(store.rewrap(&new).await.unwrap(), 1);
    assert!(matches!(open(&old).await, Err(StoreError::WrongMasterKey { .. })));
    let again = open(&new).await.unwrap();
    assert_eq!(again.replay_key(), store.replay_key(), "what was seen before is still known");
    super::rewrapped(&again).await;
}

#[tokio::test]
async fn no_row_holds_a_secret() {
    let server = Postgres::start();
    let store = store(&server.url()).await;
    store.add_app(App::new("a", at(0))).await.unwrap();
    store.add_credential("a", secret_credential("visible-key-id", "canary-secret"), at(0)).await.unwrap();
    let index = LookupKey::SecretIndex(store.secret_index(&"canary-secret".into()));
    assert!(store.find(&index).await.unwrap().is_some());
    server.run(
        "DO $$ BEGIN ASSERT (SELECT bool_and(c::text LIKE '%visible-key-id%' AND c::text NOT LIKE '%canary%') FROM credential c); END $$",
    );
    let hex: String = b"canary".iter().map(|byte| format!("{byte:02x}")).collect();
    server.run(&format!("DO $$ BEGIN ASSERT (SELECT bool_and(c::text NOT LIKE '%{hex}%') FROM credential c); END $$"));
}

#[tokio::test]
async fn an_address_that_makes_no_sense_is_refused_without_showing_it() {
    let key = Arc::new(MasterKey::ephemeral().unwrap());
    for url in ["", "postgres://", "postgres:///db", "mysql://user:canary@h/db", "postgres://user:canary@h:port/db"] {
        let refused = PostgresStore::open(url, Arc::clone(&key), PostgresOptions::default()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Invalid { field: "postgres", .. }), "{url}: {refused}");
        assert!(!refused.to_string().contains("canary"));
    }
    let nobody = format!("postgres://user:canary@127.0.0.1:{}/db", countersign_testbed::free_port());
    let refused = PostgresStore::open(&nobody, key, PostgresOptions::default()).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Unavailable(why) if !why.contains("canary")), "{refused}");
}
