//! A process that is killed in the middle of writing leaves a chain that holds, and has every record that it was told of.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::super::AuditLog;
use super::super::Proof;
use super::{World, admitted, limits};
use crate::audit::{AuditPaths, SqliteAudit};
use crate::clock::SystemClock;
use crate::master_key::MasterKey;

/// Names the folder in which the child of this test writes.
const FOLDER: &str = "COUNTERSIGN_TEST_AUDIT_FOLDER";
/// How often the child is killed; more often when this is set.
const ROUNDS: &str = "COUNTERSIGN_TEST_KILLS";

#[test]
fn a_killed_writer_loses_nothing_that_it_answered() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write_until_killed(folder.as_ref());
    }
    let world = World::new();
    let rounds = std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok()).unwrap_or(3_u64);
    let mut answered = 0;
    for round in 0..rounds {
        answered = kill_after(&world, 40 + round * 37);
        let report = world.verify().unwrap();
        assert!(report.last >= answered && report.signed <= report.last, "{answered} were answered: {report:?}");
    }
    assert!(answered > 40 * rounds);
    drop(world.open_with(&world.paths(), limits()).unwrap());
    let report = world.verify().unwrap();
    assert_eq!(report.signed, report.last, "the next start signs what the killed one left");
}

/// Runs this test once more as a child that writes, and kills it after so many answers; the last record that was answered.
fn kill_after(world: &World, answers: u64) -> u64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "audit::suite::crash::a_killed_writer_loses_nothing_that_it_answered", "--nocapture"]);
    let mut child = command.env(FOLDER, world.folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut last = 0;
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(number) = line.unwrap().strip_prefix("answered ") {
            last = number.parse().unwrap();
            seen += 1;
        }
        if seen == answers {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= answers, "the child ended by itself after {seen} answers");
    last
}

fn write_until_killed(folder: &std::path::Path) {
    let master = std::sync::Arc::new(MasterKey::open(&folder.join("master.key")).unwrap());
    let log = SqliteAudit::open(&AuditPaths::within(folder), master, limits(), std::sync::Arc::new(SystemClock)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let now = || crate::clock::Clock::now(&SystemClock);
    loop {
        let group: Vec<_> = (0..5).map(|_| log.append(now(), admitted("shop", Proof::SharedSecret))).collect();
        for answer in group {
            println!("answered {}", runtime.block_on(answer).unwrap());
        }
    }
}
