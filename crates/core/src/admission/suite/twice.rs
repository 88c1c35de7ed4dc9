//! The same request twice: many at once, and at any two times.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use countersign_protocol::{KeyMaterial, Policy, Reason, ReplayMode, Request, SignOptions, Window};
use proptest::prelude::*;

use super::{NOW, SECRET, World, at, plain, rules, sign, signed};
use crate::admission::RouteRules;
use crate::app::{NewCredential, Terms};
use crate::replay::{Epoch, MemoryGuard, ReplayGuard, ReplayLimits, SqliteGuard};

/// Four threads with a runtime each, as the gateway has one per core; 16 tasks on each.
#[tokio::test]
async fn of_64_at_once_one_is_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let epoch = Epoch::begin(at(0), true);
    let guards: [Arc<dyn ReplayGuard>; 2] = [
        Arc::new(MemoryGuard::new(ReplayLimits::default(), epoch)),
        Arc::new(SqliteGuard::open(&folder.path().join("replay.db"), ReplayLimits::default(), epoch).unwrap()),
    ];
    for guard in guards {
        let credential = NewCredential::new("k", KeyMaterial::Hmac(SECRET.into()), Terms::new(["hmac-sha256"]));
        let world = Arc::new(World::guarded(credential, guard).await);
        let start = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (world, start) = (Arc::clone(&world), Arc::clone(&start));
                std::thread::spawn(move || race(&world, &start))
            })
            .collect();
        let verdicts: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(verdicts.len(), 64);
        assert_eq!(verdicts.iter().filter(|verdict| verdict.is_none()).count(), 1);
        assert!(verdicts.iter().flatten().all(|reason| *reason == Reason::Replayed), "{verdicts:?}");
    }
}

/// Sixteen copies of one request at once: `None` for each that was admitted.
fn race(world: &Arc<World>, start: &Barrier) -> Vec<Option<Reason>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        start.wait();
        let copies: Vec<_> = (0..16)
            .map(|_| {
                let world = Arc::clone(world);
                tokio::task::spawn_local(async move {
                    world.run(&rules(&["hmac-sha256"]), &signed("n")).await.err().map(|denial| denial.reason())
                })
            })
            .collect();
        let mut verdicts = Vec::new();
        for copy in copies {
            verdicts.push(copy.await.unwrap());
        }
        verdicts
    })
}

/// A signature that is sent escaped may be spelt in two ways: the second spelling is the same request.
#[tokio::test]
async fn another_spelling_of_a_signature_is_no_new_request() {
    for id in ["aws-sigv1", "oauth1"] {
        let world = World::new(Terms::new([id])).await;
        let mut rules = rules(&[id]);
        (rules.policy.allow_unsafe, rules.replay) = (id == "aws-sigv1", (id == "aws-sigv1").then_some(ReplayMode::Signature));
        let spelt = |n: usize| {
            let request = Request::new("GET", format!("/?Action=List{n}")).with_header("Host", "h");
            let first = sign(id, request, &SignOptions::new(at(NOW)).with_nonce(n.to_string()));
            let mut second = first.clone();
            let lower = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap().replace("%2B", "%2b").replace("%2F", "%2f").into_bytes();
            second.target = lower(&second.target);
            for (_, value) in &mut second.headers {
                *value = lower(value);
            }
            (first, second)
        };
        let (first, second) = (0..100).map(spelt).find(|(first, second)| first != second).unwrap();
        world.accepted(&rules, &first).await;
        assert_eq!(world.refused(&rules, &second).await, Reason::Replayed, "{id}");
        let (first, second) = (100..200).map(spelt).find(|(first, second)| first != second).unwrap();
        world.accepted(&rules, &second).await;
        assert_eq!(world.refused(&rules, &first).await, Reason::Replayed, "{id}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever the windows and whenever the two copies arrive: at most one of them is admitted.
    #[test]
    fn no_signed_request_is_admitted_twice(past in 0_u64..900, future in 0_u64..900, first in -1_000_i64..1_000, gap in 0_i64..2_500) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let admitted = runtime.block_on(async {
            let world = World::new(Terms::new(["hmac-sha256"])).await;
            let window = Window { past: Duration::from_secs(past), future: Duration::from_secs(future) };
            let rules = RouteRules { policy: Policy { window: Some(window), ..Policy::default() }, ..rules(&["hmac-sha256"]) };
            let mut admitted = 0;
            for now in [NOW + first, NOW + first + gap] {
                world.set_clock(now);
                admitted += usize::from(world.run(&rules, &signed("n")).await.is_ok());
                // Other traffic, so that expired entries are forgotten in between.
                let other = sign("hmac-sha256", plain(), &SignOptions::new(at(now)).with_nonce(now.to_string()));
                let _any = world.run(&rules, &other).await;
            }
            admitted
        });
        prop_assert!(admitted <= 1);
    }
}
