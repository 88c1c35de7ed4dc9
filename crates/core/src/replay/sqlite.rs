//! A guard on disk: each reservation is synced before it is answered, many of them together. One process per file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Entry, Epoch, Occupancy, Owner, ReplayGuard, ReplayKey, ReplayLimits, Reserve};
use crate::error::StoreError;
use crate::random::fill;
use crate::store::Answer;
use crate::worker::{Sharing, State, Worker, connect, migrate};

/// The schema, one step per version. A step that was released is never changed.
const SCHEMA: &[&str] = &["
    CREATE TABLE entry (
        key BLOB PRIMARY KEY, app TEXT NOT NULL, expires_at INTEGER NOT NULL, owner INTEGER NOT NULL, committed INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX entry_expiry ON entry (expires_at);
    CREATE TABLE memory (
        only INTEGER PRIMARY KEY CHECK (only = 1), started INTEGER NOT NULL, first INTEGER NOT NULL, high_water INTEGER NOT NULL
    ) STRICT;
"];
/// How often at most expired entries are forgotten, in milliseconds.
const PURGE_EVERY: i64 = 1_000;
/// The most entries that one purge forgets, so that no reservation waits long for it.
const PURGE: usize = 10_000;

/// Reservations in an SQLite file.
#[derive(Debug)]
pub struct SqliteGuard {
    worker: Worker<Counts>,
    epoch: Epoch,
    limits: ReplayLimits,
    owners: AtomicU64,
}

/// What is in the file, counted.
struct Counts {
    total: usize,
    apps: HashMap<String, usize>,
    /// The latest time at which expired entries were forgotten.
    high_water: i64,
    purged: i64,
}

impl SqliteGuard {
    /// Opens the file, or creates it for its owner only. A file that has no epoch yet begins this one, and keeps it.
    ///
    /// # Errors
    /// When another process has it open, when others may read it, or when SQLite refuses it.
    pub fn open(path: &Path, limits: ReplayLimits, epoch: Epoch) -> Result<Self, StoreError> {
        // Counts and the high-water mark are kept in memory: a second writer would make them wrong.
        let mut connection = connect(path, Sharing::Alone).map_err(|error| in_use(path, error))?;
        migrate(&mut connection, SCHEMA).map_err(|error| in_use(path, error))?;
        let started = epoch.started().millis();
        connection.execute("INSERT OR IGNORE INTO memory VALUES (1, ?1, ?2, ?1)", params![started, epoch.first])?;
        let (started, first) = connection.query_row("SELECT started, first FROM memory", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let started = Timestamp::from_millis(started).ok_or(StoreError::Corrupt { row: "epoch".to_owned(), fault: "it is no instant" })?;
        let mut seed = [0; 8];
        fill(&mut seed)?;
        // Two processes, one after the other, begin their owners at random places and never meet.
        let owners = AtomicU64::new(u64::from_le_bytes(seed));
        let worker = Worker::start("countersign-replay", connection)?;
        Ok(Self { worker, epoch: Epoch { started, first }, limits, owners })
    }
}

impl ReplayGuard for SqliteGuard {
    fn reserve<'a>(&'a self, entry: Entry<'a>) -> Answer<'a, Reserve> {
        if self.epoch.doubts(entry.age, entry.now) {
            return Box::pin(std::future::ready(Ok(Reserve::Doubted)));
        }
        let wanted = Wanted {
            key: entry.key,
            app: entry.app.to_owned(),
            expires_at: entry.expires_at.millis(),
            now: entry.now.millis(),
            owner: self.owners.fetch_add(1, Ordering::Relaxed),
            limits: self.limits,
        };
        self.worker.write(move |db, counts| wanted.reserve(db, counts))
    }

    fn commit(&self, key: ReplayKey, owner: Owner) -> Answer<'_, ()> {
        self.worker.write(move |db, _| {
            let sql = "UPDATE entry SET committed = 1 WHERE key = ?1 AND owner = ?2";
            db.prepare_cached(sql)?.execute(params![key, owner.0.cast_signed()])?;
            Ok(())
        })
    }

    fn release<'a>(&'a self, key: ReplayKey, _: &'a str, owner: Owner) -> Answer<'a, ()> {
        self.worker.write(move |db, counts| {
            let sql = "DELETE FROM entry WHERE key = ?1 AND owner = ?2 AND committed = 0 RETURNING app";
            let app: Option<String> =
                db.prepare_cached(sql)?.query_row(params![key, owner.0.cast_signed()], |row| row.get(0)).optional()?;
            if let Some(app) = app {
                counts.less(&app);
            }
            Ok(())
        })
    }

    fn epoch(&self) -> Option<Epoch> {
        Some(self.epoch)
    }

    fn occupancy(&self) -> Answer<'_, Option<Occupancy>> {
        let most = self.limits.total;
        self.worker.read(move |_, counts| Ok(Some(Occupancy { entries: counts.total, most })))
    }
}

struct Wanted {
    key: ReplayKey,
    app: String,
    expires_at: i64,
    now: i64,
    owner: u64,
    limits: ReplayLimits,
}

impl Wanted {
    fn reserve(self, db: &Connection, counts: &mut Counts) -> Result<Reserve, StoreError> {
        counts.purge_if_due(db, self.now)?;
        if self.expires_at < counts.high_water {
            return Ok(Reserve::SteppedBack);
        }
        if let Some((expires_at, committed)) = self.held(db)? {
            return if expires_at >= self.now { Ok(Reserve::Seen { committed }) } else { self.replace(db) };
        }
        if counts.total >= self.limits.total || counts.apps.get(&self.app).is_some_and(|held| *held >= self.limits.per_app) {
            return Ok(Reserve::Full);
        }
        let sql = "INSERT INTO entry (key, app, expires_at, owner, committed) VALUES (?1, ?2, ?3, ?4, 0)";
        db.prepare_cached(sql)?.execute(params![self.key, self.app, self.expires_at, self.owner.cast_signed()])?;
        counts.more(self.app);
        Ok(Reserve::Reserved(Owner(self.owner)))
    }

    fn held(&self, db: &Connection) -> Result<Option<(i64, bool)>, StoreError> {
        let mut statement = db.prepare_cached("SELECT expires_at, committed FROM entry WHERE key = ?1")?;
        Ok(statement.query_row([self.key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// Takes the place of an entry that has expired and was not forgotten yet.
    fn replace(&self, db: &Connection) -> Result<Reserve, StoreError> {
        let sql = "UPDATE entry SET expires_at = ?2, owner = ?3, committed = 0 WHERE key = ?1";
        db.prepare_cached(sql)?.execute(params![self.key, self.expires_at, self.owner.cast_signed()])?;
        Ok(Reserve::Reserved(Owner(self.owner)))
    }
}

impl State for Counts {
    fn load(db: &Connection) -> Result<Self, StoreError> {
        let mut statement = db.prepare("SELECT app, count(*) FROM entry GROUP BY app")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
        let mut apps = HashMap::new();
        for row in rows {
            let (app, held) = row?;
            apps.insert(app, usize::try_from(held).unwrap_or(usize::MAX));
        }
        let high_water = db.query_row("SELECT high_water FROM memory", [], |row| row.get(0)).optional()?.unwrap_or(i64::MIN);
        Ok(Self { total: apps.values().sum(), apps, high_water, purged: i64::MIN })
    }
}

impl Counts {
    fn more(&mut self, app: String) {
        self.total += 1;
        *self.apps.entry(app).or_default() += 1;
    }

    fn less(&mut self, app: &str) {
        self.total = self.total.saturating_sub(1);
        if let Some(held) = self.apps.get_mut(app) {
            *held -= 1;
            if *held == 0 {
                self.apps.remove(app);
            }
        }
    }

    /// Forgets expired entries, and in the same commit until when: a clock that is set back later finds the mark.
    fn purge_if_due(&mut self, db: &Connection, now: i64) -> Result<(), StoreError> {
        if now < self.purged.saturating_add(PURGE_EVERY) {
            return Ok(());
        }
        self.purged = now;
        if now <= self.high_water {
            return Ok(());
        }
        db.prepare_cached("UPDATE memory SET high_water = ?1")?.execute([now])?;
        self.high_water = now;
        let sql = format!("DELETE FROM entry WHERE key IN (SELECT key FROM entry WHERE expires_at < ?1 LIMIT {PURGE}) RETURNING app");
        let mut statement = db.prepare_cached(&sql)?;
        let apps = statement.query_map([now], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        for app in apps {
            self.less(&app);
        }
        Ok(())
    }
}

fn in_use(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) if why.contains("locked") => StoreError::File {
            path: path.to_owned(),
            fault: "another process has it open".to_owned(),
            mend: "stop the other gateway, or give this one its own data folder",
        },
        other => other,
    }
}
