//! Every way to change a chain is found, at the record at which it was changed.

use std::fs;

use super::super::head::{Head, SignedHead};
use super::super::record::{Record, link};
use super::super::{AuditFile, AuditKey};
use super::World;

/// The record at which the verification breaks off, with the master key and without.
fn broken_at(world: &World) -> (u64, u64) {
    (world.verify().unwrap_err().sequence, world.verify_from_outside().unwrap_err().sequence)
}

#[tokio::test]
async fn each_change_is_found_at_its_record() {
    let untouched = World::with_records(25).await;
    for (what, sql, at) in [
        ("an edited record", "UPDATE record SET line = replace(line, 'shop', 'shep') WHERE sequence = 7", 7),
        ("an edited time", "UPDATE record SET line = replace(line, '2025-', '2024-') WHERE sequence = 1", 1),
        ("no record any more", "UPDATE record SET line = '{}' WHERE sequence = 9", 9),
        ("another link", "UPDATE record SET link = zeroblob(32) WHERE sequence = 4", 4),
        ("a deleted record", "DELETE FROM record WHERE sequence = 11", 11),
        ("the first record", "DELETE FROM record WHERE sequence = 1", 1),
        ("the tail", "DELETE FROM record WHERE sequence > 17", 18),
        ("every record", "DELETE FROM record", 1),
        ("a record in two places", "UPDATE record SET line = (SELECT line FROM record WHERE sequence = 3) WHERE sequence = 5", 5),
        ("added evidence", "UPDATE record SET evidence = x'00' WHERE sequence = 6", 6),
        (
            "two records exchanged",
            "UPDATE record SET sequence = 1000 WHERE sequence = 12; UPDATE record SET sequence = 12 WHERE sequence = 13;
             UPDATE record SET sequence = 13 WHERE sequence = 1000",
            12,
        ),
        ("an edited head", "UPDATE head SET text = replace(text, 'last 20', 'last 21') WHERE sequence = 20", 21),
        ("an edited signature", "UPDATE head SET signature = zeroblob(64) WHERE sequence = 20", 20),
        ("a head that allows to forget", "UPDATE head SET text = replace(text, 'kept after 0', 'kept after 5') WHERE sequence = 25", 25),
        ("a head in another's place", "UPDATE head SET sequence = 22 WHERE sequence = 10", 10),
    ] {
        let world = World { folder: copy(&untouched), master: untouched.master.clone(), clock: untouched.clock.clone() };
        assert_eq!(world.verify().unwrap().signed, 25);
        world.tamper(sql);
        let found = broken_at(&world);
        assert_eq!(found, (at, at), "{what}: {:?}", world.verify());
    }
}

fn copy(world: &World) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["audit.db", "audit.key", "master.key"] {
        fs::copy(world.folder.path().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// Rewrites every record from this one on with links that fit, as somebody would who knows how they are made.
fn rewrite_from(world: &World, first: i64) {
    let db = rusqlite::Connection::open(world.paths().log).unwrap();
    let mut previous: [u8; 32] = db.query_row("SELECT link FROM record WHERE sequence = ?1", [first - 1], |row| row.get(0)).unwrap();
    let last: i64 = db.query_row("SELECT max(sequence) FROM record", [], |row| row.get(0)).unwrap();
    for sequence in first..=last {
        let line: String = db.query_row("SELECT line FROM record WHERE sequence = ?1", [sequence], |row| row.get(0)).unwrap();
        let line = line.replace("shop", "shep");
        previous = link(&previous, &line);
        db.execute("UPDATE record SET line = ?2, link = ?3 WHERE sequence = ?1", rusqlite::params![sequence, line, previous]).unwrap();
    }
}

#[tokio::test]
async fn a_rewritten_chain_is_found_by_its_seals_and_by_the_next_head() {
    let world = World::with_records(25).await;
    rewrite_from(&world, 14);
    assert_eq!(broken_at(&world), (14, 20));
}

#[tokio::test]
async fn what_no_head_holds_yet_is_held_by_its_seals() {
    let world = World::with_records(10).await;
    let log = world.open();
    world.append(&log, 5).await;
    // The state of a moment at which the process is killed.
    let killed = World { folder: copy(&world), master: world.master.clone(), clock: world.clock.clone() };
    for extension in ["db-wal", "db-shm"] {
        let name = format!("audit.{extension}");
        fs::copy(world.folder.path().join(&name), killed.folder.path().join(&name)).unwrap();
    }
    assert_eq!(killed.verify().unwrap().signed, 10);
    rewrite_from(&killed, 13);
    assert_eq!(killed.verify().unwrap_err().sequence, 13);
    assert_eq!(killed.verify_from_outside().unwrap().signed, 10, "without the master key, only signed records hold");
    // A writer does not sign what was changed.
    let refused = killed.open_with(&killed.paths(), super::limits()).unwrap_err().to_string();
    assert!(refused.contains("record 13") && refused.contains("new chain"), "{refused}");
}

#[tokio::test]
async fn a_writer_refuses_a_log_whose_end_is_gone() {
    let world = World::with_records(10).await;
    world.tamper("DELETE FROM record WHERE sequence > 8");
    let refused = world.open_with(&world.paths(), super::limits()).unwrap_err().to_string();
    assert!(refused.contains("record 10"), "{refused}");
}

#[tokio::test]
async fn another_chain_is_no_substitute() {
    let (world, other) = (World::with_records(12).await, World::with_records(12).await);
    fs::copy(other.paths().log, world.paths().log).unwrap();
    let fault = world.verify().unwrap_err();
    assert!(fault.sequence == 12 && fault.fault.contains("another key"), "{fault}");
    // With its key it is complete, but the master key does not open it.
    fs::copy(other.paths().key, world.paths().key).unwrap();
    let refused = AuditKey::open(&world.paths().key, world.master.clone()).unwrap_err().to_string();
    assert!(refused.contains("master key"), "{refused}");
    assert!(world.open_with(&world.paths(), super::limits()).is_err());
}

#[tokio::test]
async fn heads_of_another_signing_key_are_found() {
    let (world, other) = (World::with_records(12).await, World::with_records(1).await);
    let key = other.key();
    let db = rusqlite::Connection::open(world.paths().log).unwrap();
    let text: String = db.query_row("SELECT text FROM head WHERE sequence = 12", [], |row| row.get(0)).unwrap();
    let SignedHead { signature, .. } = key.sign(&Head::from_text(&text).unwrap());
    db.execute("UPDATE head SET signature = ?1 WHERE sequence = 12", [signature]).unwrap();
    drop(db);
    assert_eq!(broken_at(&world), (12, 12));
}

#[tokio::test]
async fn a_record_of_another_chain_of_the_same_key_has_no_place() {
    let world = World::with_records(3).await;
    let mut record = Record::from_line(r#"{"chain":"other","sequence":2,"time":"2025-01-01T00:00:00.000Z","kind":"admitted"}"#).unwrap();
    record.app = "shop".to_owned();
    world.tamper(&format!("UPDATE record SET line = '{}' WHERE sequence = 2", record.to_line()));
    assert_eq!(broken_at(&world), (2, 2));
}

#[tokio::test]
async fn a_log_that_is_gone_is_not_begun_anew_by_itself() {
    let world = World::with_records(3).await;
    fs::remove_file(world.paths().log).unwrap();
    assert!(AuditFile::open(&world.paths().log).is_err());
    for _ in 0..2 {
        let refused = world.open_with(&world.paths(), super::limits()).unwrap_err().to_string();
        assert!(refused.contains("gone"), "{refused}");
        // Nor when an empty file is put in its place.
        fs::write(world.paths().log, b"").unwrap();
        fs::set_permissions(world.paths().log, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let lost_key = World::with_records(3).await;
    fs::remove_file(lost_key.paths().key).unwrap();
    assert!(lost_key.open_with(&lost_key.paths(), super::limits()).is_err());
}
