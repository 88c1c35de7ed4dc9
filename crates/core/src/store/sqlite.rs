//! The embedded store: SQLite with secrets sealed under the master key. Several processes may use one file.

use std::path::Path;
use std::sync::Arc;

use countersign_protocol::{KeyMaterial, Secret, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::rewrap::{self, KeptKeys};
use super::row::{APP_COLUMNS, AppRow, CREDENTIAL_COLUMNS, CredentialRow, to_json};
use super::rules::{check_app, check_credential, check_removal};
use super::sealed::seal;
use super::{Answer, CredentialStore, LookupKey, PAGE, key_bytes};
use crate::app::{App, NewCredential, Registered, Status};
use crate::error::StoreError;
use crate::master_key::MasterKey;
use crate::worker::{Sharing, Worker, connect, migrate};

/// The schema, one step per version. A step that was released is never changed.
const SCHEMA: &[&str] = &[
    "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('revision', '0');
    CREATE TABLE app (
        name TEXT PRIMARY KEY, status TEXT NOT NULL, labels TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE credential (
        key_id TEXT PRIMARY KEY, app TEXT NOT NULL REFERENCES app (name), sealed BLOB NOT NULL,
        fingerprint BLOB NOT NULL, secret_index BLOB,
        algorithms TEXT NOT NULL, dialects TEXT NOT NULL, inputs TEXT NOT NULL, diagnostics INTEGER NOT NULL,
        status TEXT NOT NULL, not_before INTEGER, not_after INTEGER, created INTEGER NOT NULL, last_used INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX credential_fingerprint ON credential (fingerprint);
    CREATE UNIQUE INDEX credential_secret ON credential (secret_index) WHERE secret_index IS NOT NULL;
    CREATE INDEX credential_app ON credential (app, key_id);
",
    "
    ALTER TABLE app ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE app ADD COLUMN rate_per_second INTEGER;
    ALTER TABLE app ADD COLUMN rate_burst INTEGER;
    ALTER TABLE credential ADD COLUMN last_used_with TEXT;
",
    "
    INSERT INTO meta VALUES ('session revision', '0');
    CREATE TABLE users (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, display_name TEXT, status TEXT NOT NULL, scopes TEXT NOT NULL, roles TEXT NOT NULL,
        password TEXT, password_changed INTEGER, totp BLOB, totp_step INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0,
        created INTEGER NOT NULL, external TEXT UNIQUE
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX users_look_alike ON users (lower(name));
    CREATE TABLE sessions (
        sid BLOB PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), app TEXT NOT NULL, salt BLOB NOT NULL,
        created INTEGER NOT NULL, authenticated INTEGER NOT NULL, last_seen INTEGER NOT NULL, idle_ends INTEGER NOT NULL, ends INTEGER NOT NULL,
        generation INTEGER NOT NULL, rotated INTEGER NOT NULL, confirmed INTEGER NOT NULL, epoch INTEGER NOT NULL,
        binding TEXT NOT NULL, bound_key BLOB, scopes TEXT NOT NULL, methods TEXT NOT NULL,
        agent TEXT, address_first TEXT, address_last TEXT, revoked INTEGER, revoke_reason TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_user ON sessions (user_id, revoked);
    CREATE INDEX sessions_ends ON sessions (ends);
    CREATE TABLE signing_key (
        kid TEXT PRIMARY KEY, algorithm TEXT NOT NULL, public BLOB NOT NULL, sealed BLOB NOT NULL, published INTEGER NOT NULL,
        signs_from INTEGER NOT NULL, signs_until INTEGER NOT NULL, verifies_until INTEGER NOT NULL, revoked INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE login_throttle (
        bucket BLOB PRIMARY KEY, fails INTEGER NOT NULL, next_at INTEGER NOT NULL, reset_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX login_throttle_reset ON login_throttle (reset_at);
",
];

/// Apps and credentials in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    key: Arc<MasterKey>,
    kept: KeptKeys,
    worker: Worker<()>,
}

impl SqliteStore {
    /// Opens the file, or creates it for its owner only.
    ///
    /// # Errors
    /// When others may read the file, when it belongs to another master key or a later version, or when SQLite refuses it.
    pub fn open(path: &Path, key: Arc<MasterKey>) -> Result<Self, StoreError> {
        let mut connection = connect(path, Sharing::Shared)?;
        migrate(&mut connection, SCHEMA)?;
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('master key', ?1)", [key.id()])?;
        let stored: String = connection.query_row("SELECT value FROM meta WHERE name = 'master key'", [], |row| row.get(0))?;
        if stored != key.id() {
            return Err(StoreError::WrongMasterKey { stored, given: key.id().to_owned() });
        }
        let rows = connection.prepare(rewrap::KEPT)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<_>, _>>()?;
        let kept = KeptKeys::open(&key, &rows)?;
        Ok(Self { key, kept, worker: Worker::start("countersign-store", connection)? })
    }

    /// The key under which replay entries are hashed. It stays the same when the master key is replaced.
    #[must_use]
    pub const fn replay_key(&self) -> &Secret {
        &self.kept.replay
    }

    /// The key from which refresh tokens and the signing keys of sessions are made. It stays the same when the master key is replaced.
    #[cfg(feature = "sessions")]
    pub(crate) const fn session_key(&self) -> &Secret {
        &self.kept.session
    }

    /// Seals everything under another master key, all or nothing. From then on the file opens under that one only.
    ///
    /// # Errors
    /// When a row cannot be opened, or the file cannot be written.
    pub async fn rewrap(&self, new: Arc<MasterKey>) -> Result<usize, StoreError> {
        let meta = self.kept.meta(&new)?;
        self.change(move |db, old| {
            let mut statement = db.prepare("SELECT app, key_id, sealed FROM credential")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let rows = rows.collect::<Result<Vec<(String, String, Vec<u8>)>, _>>()?;
            for (app, key_id, sealed) in &rows {
                let again = rewrap::row(old, &new, app, key_id, sealed)?;
                let sql = "UPDATE credential SET sealed = ?2, fingerprint = ?3, secret_index = ?4 WHERE key_id = ?1";
                db.execute(sql, params![key_id, again.sealed, again.fingerprint, again.secret_index])?;
            }
            for (table, id, column) in rewrap::SEALED {
                let mut statement = db.prepare(&format!("SELECT {id}, {column} FROM {table} WHERE {column} IS NOT NULL"))?;
                let values = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                for (name, sealed) in values.collect::<Result<Vec<(String, Vec<u8>)>, _>>()? {
                    let again = rewrap::value(old, &new, table, &name, &sealed)?;
                    db.execute(&format!("UPDATE {table} SET {column} = ?2 WHERE {id} = ?1"), params![name, again])?;
                }
            }
            for (name, value) in meta {
                db.execute(
                    "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    params![name, value],
                )?;
            }
            Ok(rows.len())
        })
        .await
    }

    /// Runs a job that only reads.
    pub(crate) fn listing<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection, &MasterKey) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let key = Arc::clone(&self.key);
        self.worker.read(move |db, ()| query(db, &key))
    }

    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection, &MasterKey) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        self.write(move |db, key| {
            let done = change(db, key)?;
            db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'revision'", [])?;
            Ok(done)
        })
    }

    /// Runs a job that ends what sessions, users or signing keys may do, and tells every process.
    #[cfg(feature = "sessions")]
    pub(crate) fn change_sessions<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection, &MasterKey) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        self.write(move |db, key| {
            let done = change(db, key)?;
            db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'session revision'", [])?;
            Ok(done)
        })
    }

    /// A number that changes when sessions, users or signing keys end, also by another process.
    #[cfg(feature = "sessions")]
    pub(crate) fn session_revision(&self) -> Answer<'_, u64> {
        self.listing(|db, _| revision(db, "session revision"))
    }

    /// Runs a job that writes all or nothing, and tells nobody.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection, &MasterKey) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let key = Arc::clone(&self.key);
        self.worker.write_whole(move |db, ()| write(db, &key))
    }
}

impl CredentialStore for SqliteStore {
    fn find<'a>(&'a self, key: &'a LookupKey) -> Answer<'a, Option<Arc<Registered>>> {
        let wanted = key.clone();
        self.listing(move |db, key| find(db, key, &wanted))
    }

    fn secret_index(&self, secret: &Secret) -> [u8; 32] {
        self.key.secret_index(secret)
    }

    fn revision(&self) -> Answer<'_, u64> {
        self.listing(|db, _| revision(db, "revision"))
    }

    fn is_empty(&self) -> Answer<'_, bool> {
        self.listing(|db, _| Ok(db.query_row("SELECT NOT EXISTS (SELECT 1 FROM credential)", [], |row| row.get(0))?))
    }

    fn app<'a>(&'a self, name: &'a str) -> Answer<'a, Option<App>> {
        let name = name.to_owned();
        self.listing(move |db, _| {
            let sql = format!("SELECT {APP_COLUMNS} FROM app a WHERE a.name = ?1");
            db.prepare_cached(&sql)?.query_row([&name], app_row).optional()?.map(AppRow::app).transpose()
        })
    }

    fn apps<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<App>> {
        let after = after.to_owned();
        self.listing(move |db, _| {
            let sql = format!("SELECT {APP_COLUMNS} FROM app a WHERE a.name > ?1 ORDER BY a.name LIMIT {PAGE}");
            db.prepare_cached(&sql)?.query_map([&after], app_row)?.map(|row| row?.app()).collect()
        })
    }

    fn credentials<'a>(&'a self, app: &'a str, after: &'a str) -> Answer<'a, Vec<Arc<Registered>>> {
        let (app, after) = (app.to_owned(), after.to_owned());
        self.listing(move |db, key| {
            let sql = format!("{} WHERE c.app = ?1 AND c.key_id > ?2 ORDER BY c.key_id LIMIT {PAGE}", joined());
            let mut statement = db.prepare_cached(&sql)?;
            let rows = statement.query_map([&app, &after], joined_row)?;
            rows.map(|row| registered(row?, key)).collect()
        })
    }

    fn add_app(&self, app: App) -> Answer<'_, ()> {
        self.change(move |db, _| {
            check_app(&app)?;
            let row = AppRow::of(&app);
            let sql = "INSERT OR IGNORE INTO app (name, status, labels, scopes, addresses, rate_per_second, rate_burst, created)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let AppRow { name, status, labels, scopes, addresses, rate_per_second, rate_burst, created } = row;
            let values = params![name, status, labels, scopes, addresses, rate_per_second, rate_burst, created];
            if db.execute(sql, values)? == 0 { Err(StoreError::AppExists(app.name)) } else { Ok(()) }
        })
    }

    fn update_app(&self, app: App) -> Answer<'_, ()> {
        self.change(move |db, _| {
            check_app(&app)?;
            let AppRow { name, labels, scopes, addresses, rate_per_second, rate_burst, .. } = AppRow::of(&app);
            let sql = "UPDATE app SET labels = ?2, scopes = ?3, addresses = ?4, rate_per_second = ?5, rate_burst = ?6 WHERE name = ?1";
            let changed = db.execute(sql, params![name, labels, scopes, addresses, rate_per_second, rate_burst])?;
            if changed == 0 { Err(StoreError::UnknownApp(app.name)) } else { Ok(()) }
        })
    }

    fn count_apps(&self, status: Status) -> Answer<'_, u64> {
        self.listing(move |db, _| {
            let sql = "SELECT count(*) FROM app WHERE status = ?1";
            let count: i64 = db.prepare_cached(sql)?.query_row([status.as_str()], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
    }

    fn add_credential<'a>(&'a self, app: &'a str, credential: NewCredential, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        let app = app.to_owned();
        self.change(move |db, key| insert(db, key, &app, credential, now))
    }

    fn rotate<'a>(&'a self, key_id: &'a str, successor: NewCredential, ends: Timestamp, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        let old = key_id.to_owned();
        self.change(move |db, key| {
            let app: Option<String> = db.query_row("SELECT app FROM credential WHERE key_id = ?1", [&old], |row| row.get(0)).optional()?;
            let app = app.ok_or_else(|| StoreError::UnknownKeyId(old.clone()))?;
            let added = insert(db, key, &app, successor, now)?;
            let sql = "UPDATE credential SET not_after = min(ifnull(not_after, ?2), ?2) WHERE key_id = ?1";
            db.execute(sql, params![old, ends.millis()])?;
            Ok(added)
        })
    }

    fn set_app_status<'a>(&'a self, app: &'a str, status: Status) -> Answer<'a, ()> {
        let app = app.to_owned();
        self.change(move |db, _| {
            let changed = db.execute("UPDATE app SET status = ?2 WHERE name = ?1", [app.as_str(), status.as_str()])?;
            if changed == 0 { Err(StoreError::UnknownApp(app)) } else { Ok(()) }
        })
    }

    fn set_credential_status<'a>(&'a self, key_id: &'a str, status: Status) -> Answer<'a, ()> {
        let key_id = key_id.to_owned();
        self.change(move |db, _| {
            let changed = db.execute("UPDATE credential SET status = ?2 WHERE key_id = ?1", [key_id.as_str(), status.as_str()])?;
            if changed == 0 { Err(StoreError::UnknownKeyId(key_id)) } else { Ok(()) }
        })
    }

    fn remove_credential<'a>(&'a self, key_id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        let wanted = LookupKey::KeyId(key_id.to_owned());
        self.change(move |db, key| {
            let LookupKey::KeyId(key_id) = &wanted else { return Ok(()) };
            let found = find(db, key, &wanted)?.ok_or_else(|| StoreError::UnknownKeyId(key_id.clone()))?;
            check_removal(&found.stored, now)?;
            db.execute("DELETE FROM credential WHERE key_id = ?1", [key_id])?;
            Ok(())
        })
    }

    fn touch(&self, key_id: &str, dialect: &str, at: Timestamp) {
        let (key_id, dialect) = (key_id.to_owned(), dialect.to_owned());
        // Not awaited: the job is queued when the call returns. A note that is lost is made again a minute later.
        drop(self.worker.write(move |db, ()| {
            let sql = "UPDATE credential SET last_used = ?2, last_used_with = ?3 WHERE key_id = ?1 AND ifnull(last_used, 0) <= ?2";
            Ok(db.prepare_cached(sql)?.execute(params![key_id, at.millis(), dialect])?)
        }));
    }
}

fn revision(db: &Connection, name: &str) -> Result<u64, StoreError> {
    let mut statement = db.prepare_cached("SELECT CAST(value AS INTEGER) FROM meta WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

fn joined() -> String {
    format!("SELECT {APP_COLUMNS}, {CREDENTIAL_COLUMNS} FROM credential c JOIN app a ON a.name = c.app")
}

/// The columns of an app, from the first one on.
fn app_row(row: &Row<'_>) -> rusqlite::Result<AppRow> {
    Ok(AppRow {
        name: row.get(0)?,
        status: row.get(1)?,
        labels: row.get(2)?,
        scopes: row.get(3)?,
        addresses: row.get(4)?,
        rate_per_second: row.get(5)?,
        rate_burst: row.get(6)?,
        created: row.get(7)?,
    })
}

/// The columns of an app, and behind them those of a credential.
fn joined_row(row: &Row<'_>) -> rusqlite::Result<(AppRow, CredentialRow)> {
    let credential = CredentialRow {
        key_id: row.get(8)?,
        sealed: row.get(9)?,
        algorithms: row.get(10)?,
        dialects: row.get(11)?,
        inputs: row.get(12)?,
        diagnostics: row.get(13)?,
        status: row.get(14)?,
        not_before: row.get(15)?,
        not_after: row.get(16)?,
        created: row.get(17)?,
        last_used: row.get(18)?,
        last_used_with: row.get(19)?,
    };
    Ok((app_row(row)?, credential))
}

fn registered((app, credential): (AppRow, CredentialRow), key: &MasterKey) -> Result<Arc<Registered>, StoreError> {
    credential.registered(app.app()?, key).map(Arc::new)
}

fn find(db: &Connection, key: &MasterKey, wanted: &LookupKey) -> Result<Option<Arc<Registered>>, StoreError> {
    let (column, value): (&str, &dyn ToSql) = match wanted {
        LookupKey::KeyId(id) => ("key_id", id),
        LookupKey::SecretIndex(index) => ("secret_index", index),
    };
    let mut statement = db.prepare_cached(&format!("{} WHERE c.{column} = ?1", joined()))?;
    statement.query_row([value], joined_row).optional()?.map(|row| registered(row, key)).transpose()
}

fn insert(db: &Connection, key: &MasterKey, app: &str, new: NewCredential, now: Timestamp) -> Result<Arc<Registered>, StoreError> {
    check_credential(&new)?;
    let sql = format!("SELECT {APP_COLUMNS} FROM app a WHERE a.name = ?1");
    let owner = db.query_row(&sql, [app], app_row).optional()?.map(AppRow::app).transpose()?;
    let owner = owner.ok_or_else(|| StoreError::UnknownApp(app.to_owned()))?;
    let fingerprint = key.fingerprint(&key_bytes(&new.material)?);
    refuse_taken(db, &new.key_id, &fingerprint)?;
    let index = match &new.material {
        KeyMaterial::Hmac(secret) => Some(key.secret_index(secret)),
        _ => None,
    };
    let sealed = seal(key, app, &new)?;
    let stored = new.stored(app, now);
    let algorithms: Vec<&str> = stored.credential.algorithms().iter().map(|algorithm| algorithm.as_str()).collect();
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    let terms = &stored.terms;
    db.execute(
        "INSERT INTO credential (key_id, app, sealed, fingerprint, secret_index, algorithms, dialects, inputs, diagnostics, status, not_before, not_after, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            stored.credential.key_id(), app, sealed, fingerprint, index, to_json(&algorithms), to_json(&terms.dialects), to_json(&terms.inputs),
            terms.diagnostics, terms.status.as_str(), millis(terms.not_before), millis(terms.not_after), now.millis()
        ],
    )?;
    Ok(Arc::new(Registered::new(owner, stored)))
}

fn refuse_taken(db: &Connection, key_id: &str, fingerprint: &[u8; 32]) -> Result<(), StoreError> {
    if db.query_row("SELECT EXISTS (SELECT 1 FROM credential WHERE key_id = ?1)", [key_id], |row| row.get(0))? {
        return Err(StoreError::KeyIdExists(key_id.to_owned()));
    }
    let used: bool = db.query_row("SELECT EXISTS (SELECT 1 FROM credential WHERE fingerprint = ?1)", [fingerprint], |row| row.get(0))?;
    if used { Err(StoreError::SecretInUse) } else { Ok(()) }
}
