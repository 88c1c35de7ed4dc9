//! What only a guard in Redis must do: be shared, and notice that its server has forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_testbed::{Redis, RedisCluster};

use super::{LIMITS, at, epoch, key};
use crate::error::StoreError;
use crate::limit::{Rate, RateLimiter, RedisLimiter};
use crate::redis::{RedisLink, RedisOptions};
use crate::replay::{Age, Entry, Epoch, RedisGuard, ReplayGuard, ReplayLimits, Reserve};

/// The times of these tests are not those of the server.
fn options(prefix: &str) -> RedisOptions {
    RedisOptions { prefix: prefix.to_owned(), compares_clocks: false, skew: Duration::from_secs(120), ..RedisOptions::default() }
}

fn link(server: &Redis, options: RedisOptions) -> Arc<RedisLink> {
    Arc::new(RedisLink::new(&[&server.url()], options).unwrap())
}

pub(super) async fn guard(server: &Redis, prefix: &str, epoch: Epoch) -> RedisGuard {
    RedisGuard::open(link(server, options(prefix)), LIMITS, epoch).await.unwrap()
}

pub(super) async fn cluster_guard(cluster: &RedisCluster, prefix: &str, limits: ReplayLimits, epoch: Epoch) -> RedisGuard {
    let urls = cluster.urls();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let options = RedisOptions { timeout: Duration::from_secs(5), ..options(prefix) };
    RedisGuard::open(Arc::new(RedisLink::new(&urls, options).unwrap()), limits, epoch).await.unwrap()
}

/// A request that was signed at this second and comes at that one, under a credential that is older than any epoch of these tests.
async fn asked(guard: &RedisGuard, n: u8, signed: i64, now: i64) -> Result<Reserve, StoreError> {
    let age = Age { signed: Some(at(signed)), credential: at(0), span: Duration::from_secs(600), ahead: Duration::from_secs(30) };
    guard.reserve(Entry { key: key(n), app: "a", expires_at: at(signed + 600), now: at(now), age }).await
}

fn is_reserved(reserve: &Result<Reserve, StoreError>) -> bool {
    matches!(reserve, Ok(Reserve::Reserved(_)))
}

/// Asks until the server is there again.
async fn asked_until_there(guard: &RedisGuard, n: u8, signed: i64, now: i64) -> Reserve {
    let begun = Instant::now();
    loop {
        match asked(guard, n, signed, now).await {
            Ok(reserve) => return reserve,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_that_was_flushed_begins_a_new_epoch_in_the_same_step() {
    let server = Redis::start();
    let guard = guard(&server, "p", epoch()).await;
    assert!(is_reserved(&asked(&guard, 1, 1_200, 1_201).await));
    assert_eq!(server.command(&["FLUSHALL"]), "+OK\r\n");
    assert_eq!(asked(&guard, 1, 1_200, 1_202).await, Ok(Reserve::Doubted));
    assert_eq!(guard.epoch(), Some(Epoch::begin(at(1_202), false)));
    // 30 s ahead of a clock that stood 120 s ahead of this one.
    assert_eq!(asked(&guard, 2, 1_351, 1_352).await, Ok(Reserve::Doubted), "it was acceptable before");
    assert!(is_reserved(&asked(&guard, 2, 1_352, 1_352).await), "what was signed since passes");
}

#[tokio::test]
async fn a_server_that_was_killed_is_waited_for_and_begins_a_new_epoch() {
    let mut server = Redis::start();
    let guard = guard(&server, "p", epoch()).await;
    assert!(is_reserved(&asked(&guard, 1, 1_200, 1_201).await));
    server.kill();
    let begun = Instant::now();
    for _ in 0..50 {
        assert!(matches!(asked(&guard, 1, 1_200, 1_202).await, Err(StoreError::Unavailable(_))));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "nobody waits longer than the time-out");
    server.restart();
    assert_eq!(asked_until_there(&guard, 1, 1_200, 1_203).await, Reserve::Doubted);
    assert!(is_reserved(&asked(&guard, 2, 1_353, 1_354).await));
}

/// A server that comes back with its data from a disk or a replica may lack the last entries.
#[tokio::test]
async fn another_process_with_the_same_data_begins_a_new_epoch() {
    let server = Redis::start();
    let guard = guard(&server, "p", epoch()).await;
    assert!(is_reserved(&asked(&guard, 1, 1_200, 1_201).await));
    assert_eq!(server.command(&["HSET", "p:{0}:memory", "process", "another"]), ":0\r\n");
    assert_eq!(asked(&guard, 3, 1_200, 1_202).await, Ok(Reserve::Doubted));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let server = Redis::start();
    let guard = guard(&server, "p", epoch()).await;
    server.pause();
    let begun = Instant::now();
    let asking: Vec<_> = (0..4).map(|n| asked(&guard, n, 1_200, 1_201)).collect();
    for asked in asking {
        assert!(matches!(asked.await, Err(StoreError::Unavailable(_))));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    server.resume();
    assert!(matches!(asked_until_there(&guard, 30, 1_300, 1_301).await, Reserve::Reserved(_)));
}

#[tokio::test]
async fn a_server_that_may_throw_keys_away_is_refused() {
    let server = Redis::start_evicting();
    let refused = RedisGuard::open(link(&server, options("p")), LIMITS, epoch()).await.unwrap_err();
    assert!(refused.to_string().contains("maxmemory-policy allkeys-lru"), "{refused}");
}

#[tokio::test]
async fn a_gateway_whose_clock_is_wrong_is_refused() {
    let server = Redis::start();
    let comparing = RedisOptions { compares_clocks: true, ..options("p") };
    let guard = RedisGuard::open(link(&server, comparing), LIMITS, epoch()).await.unwrap();
    // 1970 is far from the server's time.
    let refused = asked(&guard, 1, 1_200, 1_201).await.unwrap_err();
    assert!(refused.to_string().contains("clock"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_gateways_one_reserves_each_nonce() {
    const NONCES: u16 = 2_000;
    let server = Redis::start();
    let limits = ReplayLimits { total: 10_000, per_app: 10_000 };
    let guards: Vec<_> = {
        let mut guards = Vec::new();
        for _ in 0..2 {
            guards.push(Arc::new(RedisGuard::open(link(&server, options("p")), limits, epoch()).await.unwrap()));
        }
        guards
    };
    let key = |n: u16| std::array::from_fn(|i| if i < 2 { n.to_be_bytes()[i] } else { 7 });
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let guard = Arc::clone(&guards[task % 2]);
            tokio::spawn(async move {
                let mut won = Vec::new();
                for n in 0..NONCES {
                    let age = Age { signed: Some(at(1_400)), credential: at(0), span: Duration::from_secs(600), ahead: Duration::ZERO };
                    let entry = Entry { key: key(n), app: "a", expires_at: at(1_700), now: at(1_201), age };
                    won.extend(matches!(guard.reserve(entry).await.unwrap(), Reserve::Reserved(_)).then_some(n));
                }
                won
            })
        })
        .collect();
    let mut won = Vec::new();
    for task in tasks {
        won.extend(task.await.unwrap());
    }
    won.sort_unstable();
    assert_eq!(won, (0..NONCES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_rate_holds_over_two_gateways() {
    let server = Redis::start();
    let limiters = [(); 2].map(|()| RedisLimiter::new(link(&server, options("p"))));
    let count = |n| std::num::NonZeroU32::new(n).unwrap();
    let rate = Rate { per_second: count(1), burst: count(5) };
    let mut taken = 0;
    for i in 0..20 {
        taken += u32::from(limiters[i % 2].takes("a", rate, at(0)).await.unwrap());
    }
    // A second may begin while these run.
    assert!((5..=6).contains(&taken), "{taken}");
    assert!(limiters[0].takes("b", rate, at(0)).await.unwrap());
}

#[tokio::test]
async fn without_the_server_each_process_limits_by_itself() {
    let server = Redis::start();
    let limiter = RedisLimiter::new(link(&server, options("p")));
    drop(server);
    let count = |n| std::num::NonZeroU32::new(n).unwrap();
    let rate = Rate { per_second: count(1), burst: count(2) };
    let mut taken = 0;
    for _ in 0..5 {
        taken += u32::from(limiter.takes("a", rate, at(0)).await.unwrap());
    }
    assert_eq!(taken, 2);
}

#[tokio::test]
async fn entries_lie_on_every_node_of_a_cluster_and_each_is_new_once() {
    let cluster = RedisCluster::start();
    let limits = ReplayLimits { total: 1_000, per_app: 1_000 };
    let guards = [cluster_guard(&cluster, "p", limits, epoch()).await, cluster_guard(&cluster, "p", limits, epoch()).await];
    for n in 0..200 {
        assert!(is_reserved(&asked(&guards[usize::from(n) % 2], n, 1_200, 1_201).await), "{n}");
        assert_eq!(asked(&guards[usize::from(n + 1) % 2], n, 1_200, 1_201).await, Ok(Reserve::Seen { committed: false }), "{n}");
    }
    let sizes: Vec<_> = cluster.nodes().iter().map(|node| node.command(&["DBSIZE"])).collect();
    assert!(sizes.iter().all(|size| size != ":0\r\n"), "{sizes:?}");
    assert_eq!(guards[0].occupancy().await.unwrap().unwrap().entries, 200);
}

/// Each part of a cluster has a memory of its own, and another process in the place of its node begins a new one.
#[tokio::test]
async fn another_process_behind_a_cluster_begins_a_new_epoch() {
    let cluster = RedisCluster::start();
    let guard = cluster_guard(&cluster, "p", LIMITS, epoch()).await;
    assert!(is_reserved(&asked(&guard, 1, 1_200, 1_201).await));
    for node in cluster.nodes() {
        let keys = node.command(&["KEYS", "p:{*}:memory"]);
        for key in keys.split("\r\n").filter(|line| line.starts_with("p:{")) {
            assert_eq!(node.command(&["HSET", key, "process", "another"]), ":0\r\n");
        }
    }
    for n in 2..40 {
        assert_eq!(asked(&guard, n, 1_200, 1_202).await, Ok(Reserve::Doubted), "{n}");
    }
}

#[tokio::test]
async fn a_node_that_was_lost_closes_what_lay_on_it() {
    let mut cluster = RedisCluster::start();
    let limits = ReplayLimits { total: 10_000, per_app: 10_000 };
    let guard = cluster_guard(&cluster, "p", limits, epoch()).await;
    assert!(is_reserved(&asked(&guard, 1, 1_200, 1_201).await));
    cluster.kill(0);
    let mut answers = [0, 0];
    for n in 2..60 {
        match asked(&guard, n, 1_300, 1_301).await {
            Ok(Reserve::Reserved(_)) => answers[0] += 1,
            Err(StoreError::Unavailable(_)) => answers[1] += 1,
            other => panic!("{n}: {other:?}"),
        }
    }
    assert!(answers[1] > 0, "what lay on the lost node is closed: {answers:?}");
}
