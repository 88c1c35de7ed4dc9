//! What every store of guesses must do, run on each of them, and the throttle over one.

use super::*;
use crate::master_key::MasterKey;
use crate::store::SqliteStore;

const ACCOUNT: Rule = Rule::Account(Delays::USUAL);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

fn sqlite(folder: &std::path::Path) -> SqliteStore {
    SqliteStore::open(&folder.join("store.db"), Arc::new(MasterKey::open_or_create(&folder.join("master.key")).unwrap())).unwrap()
}

macro_rules! on_each {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(std::sync::Arc::new(super::sqlite(folder.path()))).await;
            })*
        }

        /// All of them on one server, each with a database of its own.
        #[cfg(feature = "postgres")]
        #[tokio::test]
        async fn each_case_on_postgres() {
            use crate::store::{PostgresOptions, PostgresStore};
            let server = countersign_testbed::Postgres::start();
            $({
                let key = Arc::new(MasterKey::ephemeral().unwrap());
                let url = server.new_database(stringify!($name));
                $name(Arc::new(PostgresStore::open(&url, key, PostgresOptions::default()).await.unwrap())).await;
            })*
        }
    };
}

on_each!(
    of_many_guesses_at_one_time_few_are_looked_at,
    who_waits_and_who_comes_is_told_apart,
    one_address_uses_up_nobody_elses_guesses,
    a_gateway_takes_so_many_guesses,
    what_is_over_goes_first_and_then_what_was_guessed_at_least,
);

async fn of_many_guesses_at_one_time_few_are_looked_at(store: Arc<dyn ThrottleStore>) {
    let bucket = store.bucket(Subject::Account("ann"));
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.count(bucket, ACCOUNT, at(0)).await.unwrap() })
        })
        .collect();
    let mut looked_at = 0;
    for task in tasks {
        looked_at += usize::from(task.await.unwrap().is_ok());
    }
    assert_eq!(looked_at, 3, "then the account waits for a second");
}

async fn who_waits_and_who_comes_is_told_apart(store: Arc<dyn ThrottleStore>) {
    let throttle = Throttle::new(store, ThrottleLimits::default());
    for _ in 0..3 {
        assert!(throttle.begin("ann", at(0)).await.unwrap());
    }
    assert!(!throttle.begin("ann", at(0)).await.unwrap());
    assert!(throttle.begin("Ann", at(0)).await.unwrap(), "another name");
    assert!(throttle.begin("ann", at(1)).await.unwrap());
    assert!(!throttle.begin("ann", at(1)).await.unwrap());
    throttle.succeeded("ann").await.unwrap();
    for _ in 0..3 {
        assert!(throttle.begin("ann", at(1)).await.unwrap());
    }
}

async fn one_address_uses_up_nobody_elses_guesses(store: Arc<dyn ThrottleStore>) {
    let throttle = Throttle::new(store, ThrottleLimits { per_gateway: 30, ..ThrottleLimits::default() });
    let arrive = async |address: &str, now| throttle.arrive(address.parse().unwrap(), at(now)).await.unwrap();
    for i in 0..100 {
        let refused = arrive(&format!("2001:db8::{i:x}"), 15).await;
        assert_eq!(refused.is_ok(), i < 20, "one network is one peer: {i}");
    }
    let refused = arrive("2001:db8::ffff:1", 30).await;
    assert_eq!(refused, Err(TooMany { retry_after: Duration::from_secs(45) }));
    for other in ["2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.1"] {
        assert_eq!(arrive(other, 30).await, Ok(()), "{other}");
    }
    assert_eq!(arrive("2001:db8::1", 75).await, Ok(()));
}

async fn a_gateway_takes_so_many_guesses(store: Arc<dyn ThrottleStore>) {
    let throttle = Throttle::new(store, ThrottleLimits { per_gateway: 5, per_address: None, ..ThrottleLimits::default() });
    let arrive = async |now| throttle.arrive("192.0.2.1".parse().unwrap(), at(now)).await.unwrap();
    for _ in 0..5 {
        assert_eq!(arrive(0).await, Ok(()));
    }
    assert_eq!(arrive(20).await, Err(TooMany { retry_after: Duration::from_secs(40) }));
    assert_eq!(arrive(60).await, Ok(()));
}

async fn what_is_over_goes_first_and_then_what_was_guessed_at_least(store: Arc<dyn ThrottleStore>) {
    let (victim, over) = (store.bucket(Subject::Account("victim")), store.bucket(Subject::Account("over")));
    store.count(over, ACCOUNT, at(0)).await.unwrap().unwrap();
    let now = at(80_000);
    for _ in 0..3 {
        store.count(victim, ACCOUNT, now).await.unwrap().unwrap();
    }
    let others: Vec<String> = (0..20).map(|i| format!("other-{i}")).collect();
    let count = async |name: &str, now| store.count(store.bucket(Subject::Account(name)), ACCOUNT, now).await.unwrap();
    for name in &others {
        count(name, now).await.unwrap();
    }
    let later = at(86_400);
    store.tidy(later, 22).await.unwrap();
    assert_eq!(store.count(over, ACCOUNT, later).await.unwrap().unwrap().guesses, 1);
    // Many others cannot make an account forget that it was guessed at.
    store.tidy(later, 4).await.unwrap();
    assert_eq!(store.count(victim, ACCOUNT, later).await.unwrap().unwrap().guesses, 4);
    let mut kept = 0;
    for name in &others {
        kept += u32::from(count(name, later).await.unwrap().guesses == 2);
    }
    assert!(kept <= 3, "{kept}");
}

#[tokio::test]
async fn what_is_remembered_tells_no_name_and_no_address() {
    let folder = tempfile::tempdir().unwrap();
    let throttle = Throttle::new(Arc::new(sqlite(folder.path())), ThrottleLimits::default());
    throttle.arrive("203.0.113.77".parse().unwrap(), at(0)).await.unwrap().unwrap();
    throttle.begin("canary-name", at(0)).await.unwrap();
    drop(throttle);
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for canary in [&b"canary-name"[..], b"203.0.113.77", &[203, 0, 113, 77]] {
            assert!(!bytes.windows(canary.len()).any(|w| w == canary));
        }
        files += 1;
    }
    assert!(files >= 2);
    let other = tempfile::tempdir().unwrap();
    let subject = Subject::Account("canary-name");
    assert_ne!(sqlite(folder.path()).bucket(subject), sqlite(other.path()).bucket(subject), "the digest is keyed");
}
