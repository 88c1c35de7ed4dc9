//! What every guard must do, run on each of them.

use std::path::Path;
use std::time::Duration;

use countersign_protocol::Timestamp;

use super::{Age, Entry, Epoch, MemoryGuard, Occupancy, Owner, ReplayGuard, ReplayLimits, Reserve, SqliteGuard};
use crate::error::StoreError;

const LIMITS: ReplayLimits = ReplayLimits { total: 6, per_app: 4 };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

fn epoch() -> Epoch {
    Epoch::begin(at(1_000), false)
}

fn sqlite(folder: &Path, epoch: Epoch) -> Result<SqliteGuard, StoreError> {
    SqliteGuard::open(&folder.join("replay.db"), LIMITS, epoch)
}

fn key(n: u8) -> [u8; 32] {
    std::array::from_fn(|i| n.wrapping_mul(31).wrapping_add(u8::try_from(i).unwrap()))
}

async fn reserve(guard: &dyn ReplayGuard, n: u8, app: &str, expires: i64, now: i64) -> Reserve {
    // Under a credential of the first second of these tests: nothing of it was lost.
    let age = Age { signed: None, credential: at(1_000), span: Duration::from_secs(600), ahead: Duration::ZERO };
    guard.reserve(Entry { key: key(n), app, expires_at: at(expires), now: at(now), age }).await.unwrap()
}

async fn reserved(guard: &dyn ReplayGuard, n: u8, app: &str, expires: i64, now: i64) -> Owner {
    match reserve(guard, n, app, expires, now).await {
        Reserve::Reserved(owner) => owner,
        other => panic!("{n}: {other:?}"),
    }
}

macro_rules! on_each {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[tokio::test]
            async fn memory() {
                super::$name(&super::MemoryGuard::new(super::LIMITS, super::epoch())).await;
            }

            #[tokio::test]
            async fn sqlite() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&super::sqlite(folder.path(), super::epoch()).unwrap()).await;
            }
        })*

        /// All of them on one server, each with keys of its own.
        #[cfg(feature = "redis")]
        #[tokio::test]
        async fn each_case_on_redis() {
            let server = countersign_testbed::Redis::start();
            $($name(&on_redis::guard(&server, stringify!($name), epoch()).await).await;)*
        }
    };
}

on_each!(
    a_key_is_reserved_once,
    an_entry_lives_to_its_last_instant,
    only_the_owner_releases,
    what_is_committed_stays,
    an_app_cannot_fill_the_guard,
    the_guard_is_bounded,
    it_tells_how_full_it_is,
    expired_entries_make_room,
    released_entries_make_room,
    a_clock_stepped_back_is_refused
);

async fn a_key_is_reserved_once(guard: &dyn ReplayGuard) {
    reserved(guard, 1, "a", 1_600, 1_000).await;
    assert_eq!(reserve(guard, 1, "a", 1_600, 1_000).await, Reserve::Seen { committed: false });
    reserved(guard, 2, "a", 1_600, 1_000).await;
}

async fn it_tells_how_full_it_is(guard: &dyn ReplayGuard) {
    let owner = reserved(guard, 1, "a", 1_600, 1_000).await;
    reserved(guard, 2, "a", 1_600, 1_000).await;
    assert_eq!(guard.occupancy().await.unwrap(), Some(Occupancy { entries: 2, most: LIMITS.total }));
    guard.release(key(1), "a", owner).await.unwrap();
    assert_eq!(guard.occupancy().await.unwrap(), Some(Occupancy { entries: 1, most: LIMITS.total }));
}

async fn an_entry_lives_to_its_last_instant(guard: &dyn ReplayGuard) {
    reserved(guard, 1, "a", 1_600, 1_000).await;
    assert_eq!(reserve(guard, 1, "a", 1_600, 1_600).await, Reserve::Seen { committed: false });
    reserved(guard, 1, "a", 2_200, 1_601).await;
    assert_eq!(reserve(guard, 1, "a", 2_200, 1_601).await, Reserve::Seen { committed: false });
}

async fn only_the_owner_releases(guard: &dyn ReplayGuard) {
    let first = reserved(guard, 1, "a", 1_600, 1_000).await;
    let second = reserved(guard, 1, "a", 2_300, 1_700).await;
    assert_ne!(first, second);
    guard.release(key(1), "a", first).await.unwrap();
    assert_eq!(reserve(guard, 1, "a", 2_300, 1_700).await, Reserve::Seen { committed: false });
    guard.release(key(1), "a", second).await.unwrap();
    reserved(guard, 1, "a", 2_300, 1_700).await;
}

async fn what_is_committed_stays(guard: &dyn ReplayGuard) {
    let owner = reserved(guard, 1, "a", 1_600, 1_000).await;
    guard.commit(key(1), owner).await.unwrap();
    guard.release(key(1), "a", owner).await.unwrap();
    assert_eq!(reserve(guard, 1, "a", 1_600, 1_000).await, Reserve::Seen { committed: true });
}

async fn an_app_cannot_fill_the_guard(guard: &dyn ReplayGuard) {
    for n in 0..4 {
        reserved(guard, n, "greedy", 1_600, 1_000).await;
    }
    assert_eq!(reserve(guard, 4, "greedy", 1_600, 1_000).await, Reserve::Full);
    reserved(guard, 4, "other", 1_600, 1_000).await;
}

async fn the_guard_is_bounded(guard: &dyn ReplayGuard) {
    for n in 0..6 {
        reserved(guard, n, if n < 3 { "a" } else { "b" }, 1_600, 1_000).await;
    }
    assert_eq!(reserve(guard, 6, "c", 1_600, 1_000).await, Reserve::Full);
    assert_eq!(reserve(guard, 0, "a", 1_600, 1_000).await, Reserve::Seen { committed: false }, "what is there is still known");
}

async fn expired_entries_make_room(guard: &dyn ReplayGuard) {
    for n in 0..4 {
        reserved(guard, n, "a", 1_600 + i64::from(n), 1_000).await;
    }
    assert_eq!(reserve(guard, 4, "a", 2_000, 1_600).await, Reserve::Full);
    reserved(guard, 4, "a", 2_000, 1_602).await;
    reserved(guard, 5, "a", 2_000, 1_602).await;
    assert_eq!(reserve(guard, 6, "a", 2_000, 1_602).await, Reserve::Full);
}

async fn released_entries_make_room(guard: &dyn ReplayGuard) {
    for n in 0..20 {
        let owner = reserved(guard, n, "a", 1_600, 1_000).await;
        guard.release(key(n), "a", owner).await.unwrap();
    }
}

async fn a_clock_stepped_back_is_refused(guard: &dyn ReplayGuard) {
    reserved(guard, 1, "a", 1_600, 1_000).await;
    reserved(guard, 2, "a", 9_000, 8_000).await;
    // At 8,000 the first entry was forgotten. A clock set back to 1,000 would accept its request again.
    assert_eq!(reserve(guard, 1, "a", 1_600, 1_000).await, Reserve::SteppedBack);
    // A small step forgets nothing that still counts.
    reserved(guard, 3, "a", 8_400, 7_900).await;
}

#[tokio::test]
async fn the_file_remembers_entries_epoch_and_high_water() {
    let folder = tempfile::tempdir().unwrap();
    let guard = sqlite(folder.path(), epoch()).unwrap();
    reserved(&guard, 1, "a", 1_600, 1_000).await;
    reserved(&guard, 2, "a", 9_000, 8_000).await;
    let released = reserved(&guard, 3, "a", 9_000, 8_000).await;
    drop(guard);

    let guard = sqlite(folder.path(), Epoch::begin(at(8_001), false)).unwrap();
    assert_eq!(guard.epoch(), Some(epoch()), "the sentinel is there: nothing was lost");
    assert_eq!(reserve(&guard, 2, "a", 9_000, 8_002).await, Reserve::Seen { committed: false });
    assert_eq!(reserve(&guard, 1, "a", 1_600, 1_000).await, Reserve::SteppedBack);
    guard.release(key(3), "a", Owner(released.0.wrapping_add(1))).await.unwrap();
    assert_eq!(reserve(&guard, 3, "a", 9_000, 8_002).await, Reserve::Seen { committed: false });
    for n in 4..6 {
        reserved(&guard, n, "a", 9_000, 8_002).await;
    }
    assert_eq!(reserve(&guard, 6, "a", 9_000, 8_002).await, Reserve::Full, "entries of the last run count");
}

#[tokio::test]
async fn a_lost_file_begins_a_new_epoch() {
    let folder = tempfile::tempdir().unwrap();
    drop(sqlite(folder.path(), epoch()).unwrap());
    std::fs::remove_file(folder.path().join("replay.db")).unwrap();
    let later = Epoch::begin(at(5_000), false);
    let guard = sqlite(folder.path(), later).unwrap();
    assert_eq!(guard.epoch(), Some(later));
    // The credential of these tests is older than this epoch.
    assert_eq!(reserve(&guard, 1, "a", 5_600, 5_001).await, Reserve::Doubted);
}

#[tokio::test]
async fn one_process_holds_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let held = sqlite(folder.path(), epoch()).unwrap();
    let refused = sqlite(folder.path(), epoch()).unwrap_err();
    assert!(refused.to_string().contains("another process has it open"), "{refused}");
    drop(held);
    sqlite(folder.path(), epoch()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_reserves() {
    let folder = tempfile::tempdir().unwrap();
    let guards: [std::sync::Arc<dyn ReplayGuard>; 2] =
        [std::sync::Arc::new(MemoryGuard::new(LIMITS, epoch())), std::sync::Arc::new(sqlite(folder.path(), epoch()).unwrap())];
    for guard in guards {
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let guard = std::sync::Arc::clone(&guard);
                tokio::spawn(async move { reserve(&*guard, 1, "a", 1_600, 1_000).await })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            won += usize::from(matches!(task.await.unwrap(), Reserve::Reserved(_)));
        }
        assert_eq!(won, 1);
    }
}

#[test]
fn an_epoch_doubts_what_is_older_than_itself() {
    let (lost, new) = (epoch(), Epoch::begin(at(1_000), true));
    let seconds = Duration::from_secs;
    let age =
        |signed: Option<i64>, credential| Age { signed: signed.map(at), credential: at(credential), span: seconds(300), ahead: seconds(0) };
    let ahead = |signed| Age { ahead: seconds(30), ..age(Some(signed), 0) };
    assert!(lost.doubts(age(Some(999), 0), at(1_001)));
    assert!(!lost.doubts(age(Some(1_000), 0), at(1_001)));
    assert!(lost.doubts(ahead(1_029), at(1_029)), "signed ahead of the clock, it was acceptable just before the loss");
    assert!(!lost.doubts(ahead(1_030), at(1_030)));
    assert!(!lost.doubts(age(Some(999), 1_000), at(1_001)), "the credential was created in this epoch");
    assert!(lost.doubts(age(None, 0), at(1_299)));
    assert!(!lost.doubts(age(None, 0), at(1_300)));
    assert!(!new.doubts(age(Some(999), 0), at(1_001)), "a store without credentials is new, not lost");
}

#[cfg(feature = "redis")]
mod on_redis;
