//! A chain in an SQLite file: many records share one commit, and an answer follows it. Several processes may append to one file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_protocol::{Secret, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::event::Event;
use super::head::{Head, SignedHead};
use super::key::AuditKey;
use super::read::AuditFile;
use super::record::{Record, link};
use super::ticker::Ticker;
use super::{AuditLimits, AuditLog};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::master_key::MasterKey;
use crate::store::Answer;
use crate::worker::{Sharing, State, Worker, connect, migrate};

/// The schema, one step per version. A step that was released is never changed.
const SCHEMA: &[&str] = &["
    CREATE TABLE record (sequence INTEGER PRIMARY KEY, line TEXT NOT NULL, link BLOB NOT NULL, seal BLOB NOT NULL, evidence BLOB) STRICT;
    CREATE TABLE head (id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, text TEXT NOT NULL, signature BLOB NOT NULL) STRICT;
    CREATE INDEX head_sequence ON head (sequence);
"];
/// How many times the records between two heads one head may forget, so that forgetting keeps up with writing.
const PRUNE: u64 = 4;

/// Where the parts of a log lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPaths {
    /// Records and heads.
    pub log: PathBuf,
    /// The key that signs heads.
    pub key: PathBuf,
    /// A file to which heads are appended too, best on another machine.
    pub anchor: Option<PathBuf>,
}

/// A log in an SQLite file. Dropping it signs a last head.
#[derive(Debug)]
pub struct SqliteAudit {
    writer: Arc<Writer>,
    _ticker: Ticker,
}

/// What appends, signs and forgets.
#[derive(Debug)]
pub(super) struct Writer {
    worker: Worker<Tail>,
    key: Arc<AuditKey>,
    limits: AuditLimits,
    /// Records that could not be written since the start.
    lost: Arc<AtomicU64>,
}

/// Where the chain ends, in memory.
pub(super) struct Tail {
    sequence: u64,
    link: [u8; 32],
    head: Option<Head>,
    /// SQLite's count of the changes of other processes.
    version: i64,
}

impl SqliteAudit {
    /// Opens the log, or begins a new chain with a new key where there is neither. What no head holds yet is checked, then signed.
    ///
    /// # Errors
    /// When one of log and key is missing, when the end of the chain was changed, or when a file is not as it must be.
    pub fn open(paths: &AuditPaths, master: Arc<MasterKey>, limits: AuditLimits, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let has_key = paths.key.exists();
        let gone = || StoreError::File {
            path: paths.log.clone(),
            fault: "the audit log is gone, but not its key".to_owned(),
            mend: "restore the log; or, to begin a new chain, move the key away and keep it",
        };
        if has_key && !paths.log.exists() {
            return Err(gone());
        }
        // The log comes first: whoever is interrupted between the two finds an empty log without a key, which begins anew.
        let mut connection = connect(&paths.log, Sharing::Shared)?;
        migrate(&mut connection, SCHEMA)?;
        let empty = connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM head)", [], |row| row.get(0))?;
        if empty && has_key {
            return Err(gone());
        }
        let key = if empty { AuditKey::open_or_create(&paths.key, master)? } else { AuditKey::open(&paths.key, master)? };
        let key = Arc::new(key);
        if !empty {
            AuditFile::open(&paths.log)?.check_end(&key)?;
        }
        let worker = Worker::start("countersign-audit", connection)?;
        let writer = Arc::new(Writer { worker, key, limits, lost: Arc::default() });
        let ticker = Ticker::start(Arc::clone(&writer), clock, paths.anchor.clone())?;
        Ok(Self { writer, _ticker: ticker })
    }

    /// What a verifier must know of the chain.
    #[must_use]
    pub fn key(&self) -> &AuditKey {
        &self.writer.key
    }
}

impl AuditPaths {
    /// The files in a folder, without an anchor.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
        Self { log: folder.join("audit.db"), key: folder.join("audit.key"), anchor: None }
    }
}

impl AuditLog for SqliteAudit {
    fn append(&self, at: Timestamp, event: Event) -> Answer<'_, u64> {
        let writer = &self.writer;
        let (key, limits, lost) = (Arc::clone(&writer.key), writer.limits.clone(), Arc::clone(&writer.lost));
        let answer = writer.worker.write(move |db, tail| tail.append(db, &key, &limits, at, lost.load(Ordering::Relaxed), &event));
        Box::pin(async move {
            let result = answer.await;
            if result.is_err() {
                writer.lost.fetch_add(1, Ordering::Relaxed);
            }
            result
        })
    }

    fn digest_key(&self) -> &Secret {
        self.writer.key.digest_key()
    }
}

impl Writer {
    pub(super) const fn limits(&self) -> &AuditLimits {
        &self.limits
    }

    pub(super) fn chain(&self) -> &str {
        self.key.chain()
    }

    /// Signs a head over what no head holds yet, and forgets what is too old or too much.
    pub(super) fn sign(&self, at: Timestamp) -> Answer<'static, ()> {
        let (key, limits) = (Arc::clone(&self.key), self.limits.clone());
        self.worker.write(move |db, tail| {
            tail.refresh(db)?;
            tail.sign(db, &key, &limits, at)
        })
    }

    /// Heads after this record, in their order, at most a thousand. They are committed.
    pub(super) fn heads_after(&self, sequence: i64) -> Answer<'static, Vec<SignedHead>> {
        self.worker.read(move |db, _| {
            let mut statement = db.prepare_cached("SELECT text, signature FROM head WHERE sequence > ?1 ORDER BY id LIMIT 1000")?;
            let heads = statement.query_map([sequence], |row| Ok(SignedHead { text: row.get(0)?, signature: row.get(1)? }))?;
            Ok(heads.collect::<Result<_, _>>()?)
        })
    }

    /// The record of the last head; -1 when there is none.
    pub(super) fn last_head(&self) -> Answer<'static, i64> {
        self.worker.read(|db, _| Ok(db.query_row("SELECT ifnull(max(sequence), -1) FROM head", [], |row| row.get(0))?))
    }
}

impl State for Tail {
    fn load(db: &Connection) -> Result<Self, StoreError> {
        let version = version(db)?;
        let sql = "SELECT text FROM head ORDER BY id DESC LIMIT 1";
        let text: Option<String> = db.query_row(sql, [], |row| row.get(0)).optional()?;
        let head = text.map(|text| Head::from_text(&text).ok_or_else(|| damaged("head"))).transpose()?;
        let sql = "SELECT sequence, link FROM record ORDER BY sequence DESC LIMIT 1";
        let last = db.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))).optional()?;
        let (sequence, link) = last.or(head.as_ref().map(|head| (head.sequence, head.link))).unwrap_or_default();
        Ok(Self { sequence, link, head, version })
    }
}

impl Tail {
    /// Takes over what another process has appended. Inside a transaction that writes nobody else can append.
    fn refresh(&mut self, db: &Connection) -> Result<(), StoreError> {
        if db.is_autocommit() {
            // SQLite has rolled the group back by itself: a record that is written now would stand after a gap.
            return Err(StoreError::Unavailable("the audit log could not be written".to_owned()));
        }
        if version(db)? != self.version {
            *self = Self::load(db)?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        db: &Connection,
        key: &AuditKey,
        limits: &AuditLimits,
        at: Timestamp,
        lost: u64,
        event: &Event,
    ) -> Result<u64, StoreError> {
        self.refresh(db)?;
        let sequence = self.sequence + 1;
        let line = Record::new(key.chain(), sequence, at, lost, event).to_line();
        let link = link(&self.link, &line);
        let lines = event.call().and_then(|call| call.proof.lines());
        let evidence = lines.map(|lines| key.seal_evidence(sequence, &lines)).transpose()?;
        let sql = "INSERT INTO record (sequence, line, link, seal, evidence) VALUES (?1, ?2, ?3, ?4, ?5)";
        db.prepare_cached(sql)?.execute(params![sequence.cast_signed(), line, link, key.seal_of(&link), evidence])?;
        (self.sequence, self.link) = (sequence, link);
        let held = self.head.as_ref().map_or(0, |head| head.sequence);
        if sequence - held >= limits.head_records {
            // The record stands; what is not signed now is signed with the next one.
            if let Err(error) = self.sign(db, key, limits, at) {
                tracing::error!(%error, "a head of the audit log could not be written");
            }
        }
        Ok(sequence)
    }

    fn sign(&mut self, db: &Connection, key: &AuditKey, limits: &AuditLimits, at: Timestamp) -> Result<(), StoreError> {
        let kept = self.head.as_ref().map_or((0, [0; 32]), |head| (head.pruned, head.pruned_link));
        let pruned = self.prunable(db, limits, at)?.unwrap_or(kept);
        let nothing_new = self.head.as_ref().is_some_and(|head| head.sequence == self.sequence && head.pruned == pruned.0);
        if nothing_new {
            return Ok(());
        }
        let head = Head::new(key.chain(), (self.sequence, self.link), pruned, at);
        let signed = key.sign(&head);
        let sql = "INSERT INTO head (sequence, text, signature) VALUES (?1, ?2, ?3)";
        db.prepare_cached(sql)?.execute(params![self.sequence.cast_signed(), signed.text, signed.signature])?;
        self.head = Some(head);
        // The head that says so is there first: what is not deleted for a fault is not read any more, and deleted with the next one.
        let last = pruned.0.cast_signed();
        db.prepare_cached("DELETE FROM record WHERE sequence <= ?1")?.execute([last])?;
        db.prepare_cached("DELETE FROM head WHERE sequence < ?1")?.execute([last])?;
        Ok(())
    }

    /// The last record to forget now, with its link; `None` when none is.
    fn prunable(&self, db: &Connection, limits: &AuditLimits, at: Timestamp) -> Result<Option<(u64, [u8; 32])>, StoreError> {
        let oldest = at.minus(limits.keep).millis();
        let too_much = used_bytes(db)? > limits.most_bytes;
        let most = limits.head_records.saturating_mul(PRUNE);
        let mut statement = db.prepare_cached("SELECT sequence, link, line FROM record ORDER BY sequence LIMIT ?1")?;
        let mut rows = statement.query([most.min(u64::from(u32::MAX)).cast_signed()])?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            let line: String = row.get(2)?;
            let time = Record::from_line(&line).and_then(|record| record.millis());
            if !too_much && time.is_none_or(|time| time >= oldest) {
                break;
            }
            last = Some((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?));
        }
        Ok(last)
    }
}

impl Event {
    const fn call(&self) -> Option<&super::Call> {
        match self {
            Self::Admitted { call, .. } | Self::Refused { call, .. } => Some(call),
            Self::Change(_) | Self::LoginRefused { .. } | Self::ChangeFailed(_) => None,
        }
    }
}

fn version(db: &Connection) -> Result<i64, StoreError> {
    Ok(db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
}

/// The bytes of the pages that hold something.
fn used_bytes(db: &Connection) -> Result<u64, StoreError> {
    let number = |name: &str| -> Result<i64, StoreError> { Ok(db.pragma_query_value(None, name, |row| row.get(0))?) };
    let pages = number("page_count")? - number("freelist_count")?;
    Ok(pages.saturating_mul(number("page_size")?).max(0).unsigned_abs())
}

fn damaged(row: &str) -> StoreError {
    StoreError::Corrupt { row: format!("audit {row}"), fault: "it was changed" }
}
