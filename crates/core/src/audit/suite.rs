//! What the audit log must do, on real files: chains, tampering, crashes, admissions and evidence.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_protocol::Timestamp;
use rusqlite::Connection;

use super::{Audit, AuditFile, AuditKey, AuditLimits, AuditLog, AuditPaths, Call, Event, Fault, OnFailure, Proof, Report, SqliteAudit};
use crate::admission::BodyProof;
use crate::master_key::MasterKey;

mod admissions;
mod chain;
mod crash;
mod evidence;
mod tampering;
#[cfg(feature = "sessions")]
mod users;

/// The present of these tests, in milliseconds.
const NOW: i64 = 1_739_437_548_000;

/// A folder with a log, and a clock that the test sets.
struct World {
    folder: tempfile::TempDir,
    master: Arc<MasterKey>,
    clock: Arc<AtomicI64>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let master = Arc::new(MasterKey::open_or_create(&folder.path().join("master.key")).unwrap());
        Self { folder, master, clock: Arc::new(AtomicI64::new(NOW)) }
    }

    fn paths(&self) -> AuditPaths {
        AuditPaths::within(self.folder.path())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    fn open_with(&self, paths: &AuditPaths, limits: AuditLimits) -> Result<SqliteAudit, crate::error::StoreError> {
        let clock = Arc::clone(&self.clock);
        let now = move || Timestamp::from_millis(clock.load(Ordering::SeqCst)).unwrap();
        SqliteAudit::open(paths, Arc::clone(&self.master), limits, Arc::new(now))
    }

    /// The log, with a head after every ten records.
    fn open(&self) -> SqliteAudit {
        self.open_with(&self.paths(), limits()).unwrap()
    }

    async fn append(&self, log: &SqliteAudit, count: usize) {
        for _ in 0..count {
            log.append(self.now(), admitted("shop", Proof::SharedSecret)).await.unwrap();
        }
    }

    /// A log with so many records that was closed in order.
    async fn with_records(count: usize) -> Self {
        let world = Self::new();
        let log = world.open();
        world.append(&log, count).await;
        world
    }

    fn key(&self) -> AuditKey {
        AuditKey::open(&self.paths().key, Arc::clone(&self.master)).unwrap()
    }

    fn verify_with(&self, anchor: Option<&Path>) -> Result<Report, Fault> {
        let key = self.key();
        AuditFile::open(&self.paths().log).unwrap().verify(key.pinned(), Some(&key), anchor).unwrap()
    }

    fn verify(&self) -> Result<Report, Fault> {
        self.verify_with(None)
    }

    /// Without the master key: what an auditor can do who has only the public key.
    fn verify_from_outside(&self) -> Result<Report, Fault> {
        let key = self.key();
        AuditFile::open(&self.paths().log).unwrap().verify(key.pinned(), None, None).unwrap()
    }

    /// The hand of somebody who can write the file.
    fn tamper(&self, sql: &str) {
        Connection::open(self.paths().log).unwrap().execute_batch(sql).unwrap();
    }
}

fn limits() -> AuditLimits {
    AuditLimits { head_records: 10, ..AuditLimits::default() }
}

fn call(app: &str, proof: Proof) -> Call {
    Call { app: app.to_owned(), key_id: "key-1".to_owned(), dialect: "house".to_owned(), route: "/".to_owned(), digest: [7; 32], proof }
}

fn admitted(app: &str, proof: Proof) -> Event {
    Event::Admitted { call: call(app, proof), body: BodyProof::Intact }
}

fn audit(log: &Arc<SqliteAudit>, on_failure: OnFailure) -> Audit {
    Audit::new(Arc::clone(log) as Arc<dyn AuditLog>, on_failure, &limits())
}
