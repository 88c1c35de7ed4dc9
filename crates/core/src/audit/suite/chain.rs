//! Chains that nobody touched: heads, restarts, several writers, forgetting, the anchor.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::super::{AuditFile, AuditLimits, AuditLog, Filter, Pinned, Proof};
use super::{World, admitted, limits};

#[tokio::test]
async fn a_chain_holds_and_is_signed_to_its_end() {
    let world = World::with_records(25).await;
    let report = world.verify().unwrap();
    assert_eq!((report.pruned, report.last, report.signed), (0, 25, 25));
    // One over nothing, two that were due, one at the end.
    assert_eq!((report.heads, report.sealed), (4, true));
    assert_eq!(world.verify_from_outside().unwrap().signed, 25);
    for file in [world.paths().log, world.paths().key] {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}

#[tokio::test]
async fn a_chain_goes_on_after_a_restart() {
    let world = World::with_records(3).await;
    for _ in 0..2 {
        let log = world.open();
        world.append(&log, 3).await;
    }
    assert_eq!(world.verify().unwrap().signed, 9);
}

#[tokio::test]
async fn two_writers_share_one_chain() {
    let world = World::new();
    let (one, other) = (world.open(), world.open());
    for _ in 0..20 {
        let (a, b) = tokio::join!(
            one.append(world.now(), admitted("one", Proof::SharedSecret)),
            other.append(world.now(), admitted("other", Proof::SharedSecret))
        );
        assert_ne!(a.unwrap(), b.unwrap());
    }
    drop((one, other));
    assert_eq!(world.verify().unwrap().signed, 40);
}

#[tokio::test]
async fn a_head_is_signed_when_its_time_has_come() {
    let world = World::new();
    let log = world.open_with(&world.paths(), AuditLimits { head_time: Duration::from_millis(20), ..limits() }).unwrap();
    world.append(&log, 3).await;
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while world.verify().unwrap().signed < 3 {
        assert!(std::time::Instant::now() < end, "no head came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn old_records_are_forgotten_and_a_head_says_so() {
    let world = World::with_records(15).await;
    world.advance(100);
    let log = world.open_with(&world.paths(), AuditLimits { keep: Duration::from_secs(50), ..limits() }).unwrap();
    world.append(&log, 4).await;
    drop(log);
    let report = world.verify().unwrap();
    assert_eq!((report.pruned, report.last, report.signed), (15, 19, 19));
    let file = AuditFile::open(&world.paths().log).unwrap();
    let kept = file.list(&Filter { limit: 100, ..Filter::default() }).unwrap();
    assert_eq!(kept.iter().map(|record| record.sequence).collect::<Vec<_>>(), [16, 17, 18, 19]);
    drop(file);
    // What no head speaks of is no forgetting.
    world.tamper("DELETE FROM record WHERE sequence = 16");
    assert_eq!(world.verify().unwrap_err().sequence, 16);
}

#[tokio::test]
async fn the_size_of_the_log_is_bounded() {
    let world = World::new();
    let most = AuditLimits { most_bytes: 64 << 10, ..limits() };
    let log = world.open_with(&world.paths(), most).unwrap();
    for _ in 0..1_000 {
        drop(log.append(world.now(), admitted("shop", Proof::SharedSecret)));
    }
    world.append(&log, 1).await;
    drop(log);
    let report = world.verify().unwrap();
    assert!(report.pruned > 500 && report.last == 1_001, "{report:?}");
    assert!(fs::metadata(world.paths().log).unwrap().len() < 1 << 20);
}

#[tokio::test]
async fn what_was_set_back_whole_shows_at_the_anchor() {
    let world = World::new();
    let mut paths = world.paths();
    paths.anchor = Some(world.folder.path().join("anchor"));
    let anchor = paths.anchor.clone().unwrap();
    let log = world.open_with(&paths, limits()).unwrap();
    world.append(&log, 12).await;
    drop(log);
    let earlier = fs::read(&paths.log).unwrap();
    let log = world.open_with(&paths, limits()).unwrap();
    world.append(&log, 9).await;
    drop(log);
    let report = world.verify_with(Some(&anchor)).unwrap();
    // Over nothing, at 10, at 12, at 21.
    assert_eq!((report.signed, report.anchored), (21, 4));
    fs::write(&paths.log, earlier).unwrap();
    assert_eq!(world.verify().unwrap().signed, 12, "alone, an old state looks like any other");
    assert_eq!(world.verify_with(Some(&anchor)).unwrap_err().sequence, 13);
    let refused = world.open_with(&paths, limits()).unwrap_err().to_string();
    assert!(refused.contains("set back"), "{refused}");
}

#[tokio::test]
async fn an_anchor_of_another_chain_vouches_for_nothing() {
    let (world, other) = (World::new(), World::new());
    for each in [&world, &other] {
        let mut paths = each.paths();
        paths.anchor = Some(each.folder.path().join("anchor"));
        let log = each.open_with(&paths, limits()).unwrap();
        each.append(&log, 2).await;
    }
    let fault = world.verify_with(Some(&other.folder.path().join("anchor"))).unwrap_err();
    assert!(fault.to_string().contains("no head of this chain"), "{fault}");
    // A line that a crash cut off is no fault; a changed one is.
    let own = world.folder.path().join("anchor");
    let text = fs::read_to_string(&own).unwrap();
    fs::write(&own, format!("{text}{{\"head\":\"cut")).unwrap();
    assert_eq!(world.verify_with(Some(&own)).unwrap().anchored, 2);
    fs::write(&own, text.replacen("last 2", "last 1", 1)).unwrap();
    assert!(world.verify_with(Some(&own)).is_err());
}

#[tokio::test]
async fn records_are_listed_by_app_and_time() {
    let world = World::new();
    let log = world.open();
    for (app, wait) in [("a", 1), ("b", 1), ("a", 10), ("a", 1)] {
        world.advance(wait);
        log.append(world.now(), admitted(app, Proof::SharedSecret)).await.unwrap();
    }
    let file = AuditFile::open(&world.paths().log).unwrap();
    let listed = |filter: Filter| file.list(&filter).unwrap().iter().map(|record| record.sequence).collect::<Vec<_>>();
    let all = Filter { limit: 100, ..Filter::default() };
    assert_eq!(listed(all.clone()), [1, 2, 3, 4]);
    assert_eq!(listed(Filter { app: Some("a".to_owned()), limit: 100, since: None }), [1, 3, 4]);
    assert_eq!(listed(Filter { since: Some(world.now().millis() - 5_000), ..all }), [3, 4]);
    assert_eq!(listed(Filter { limit: 1, ..Filter::default() }), [4]);
}

#[tokio::test]
async fn a_public_key_is_exported_and_pinned() {
    let (world, other) = (World::with_records(2).await, World::with_records(2).await);
    let pinned = Pinned::from_pem(&world.key().pinned().to_pem()).unwrap();
    let file = AuditFile::open(&world.paths().log).unwrap();
    assert_eq!(file.verify(&pinned, None, None).unwrap().unwrap().chain, world.key().chain());
    let foreign = Pinned::from_pem(&other.key().pinned().to_pem()).unwrap();
    let fault = file.verify(&foreign, None, None).unwrap().unwrap_err();
    assert!(fault.to_string().contains("signed by another key"), "{fault}");
    assert!(Pinned::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err());
}
