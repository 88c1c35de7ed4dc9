//! The embedded store: SQLite with secrets sealed under the master key. Several processes may use one file.

use std::path::Path;
use std::sync::Arc;

use countersign_protocol::{KeyMaterial, Secret, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::row::{APP_COLUMNS, JOINED, read_app, read_registered, to_json};
use super::rules::{check_app, check_credential};
use super::sealed::seal;
use super::{Answer, CredentialStore, LookupKey, PAGE, key_bytes};
use crate::app::{App, NewCredential, Registered, Status};
use crate::error::StoreError;
use crate::master_key::MasterKey;
use crate::worker::{Sharing, Worker, connect, migrate};

/// The schema, one step per version. A step that was released is never changed.
const SCHEMA: &[&str] = &["
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
"];

/// Apps and credentials in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    key: Arc<MasterKey>,
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
        Ok(Self { key, worker: Worker::start("countersign-store", connection)? })
    }

    fn listing<T: Send + 'static>(
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
        let key = Arc::clone(&self.key);
        self.worker.write_whole(move |db, ()| {
            let done = change(db, &key)?;
            db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'revision'", [])?;
            Ok(done)
        })
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
        self.listing(|db, _| {
            let value: i64 =
                db.prepare_cached("SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'revision'")?.query_row([], |row| row.get(0))?;
            Ok(value.unsigned_abs())
        })
    }

    fn is_empty(&self) -> Answer<'_, bool> {
        self.listing(|db, _| Ok(db.query_row("SELECT NOT EXISTS (SELECT 1 FROM credential)", [], |row| row.get(0))?))
    }

    fn app<'a>(&'a self, name: &'a str) -> Answer<'a, Option<App>> {
        let name = name.to_owned();
        self.listing(move |db, _| {
            let sql = format!("SELECT {APP_COLUMNS} FROM app a WHERE a.name = ?1");
            db.prepare_cached(&sql)?.query_row([&name], |row| Ok(read_app(row))).optional()?.transpose()
        })
    }

    fn apps<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<App>> {
        let after = after.to_owned();
        self.listing(move |db, _| {
            let sql = format!("SELECT {APP_COLUMNS} FROM app a WHERE a.name > ?1 ORDER BY a.name LIMIT {PAGE}");
            db.prepare_cached(&sql)?.query_map([&after], |row| Ok(read_app(row)))?.map(|row| row?).collect()
        })
    }

    fn credentials<'a>(&'a self, app: &'a str, after: &'a str) -> Answer<'a, Vec<Arc<Registered>>> {
        let (app, after) = (app.to_owned(), after.to_owned());
        self.listing(move |db, key| {
            let sql = format!("{JOINED} WHERE c.app = ?1 AND c.key_id > ?2 ORDER BY c.key_id LIMIT {PAGE}");
            let mut statement = db.prepare_cached(&sql)?;
            let rows = statement.query_map([&app, &after], |row| Ok(read_registered(row, key)))?;
            rows.map(|row| row?.map(Arc::new)).collect()
        })
    }

    fn add_app(&self, app: App) -> Answer<'_, ()> {
        self.change(move |db, _| {
            check_app(&app)?;
            let sql = "INSERT OR IGNORE INTO app (name, status, labels, scopes, created) VALUES (?1, ?2, ?3, ?4, ?5)";
            let values = params![app.name, app.status.as_str(), to_json(&app.labels), to_json(&app.scopes), app.created.millis()];
            if db.execute(sql, values)? == 0 { Err(StoreError::AppExists(app.name)) } else { Ok(()) }
        })
    }

    fn set_app(&self, app: App) -> Answer<'_, ()> {
        self.change(move |db, _| {
            check_app(&app)?;
            let sql = "UPDATE app SET status = ?2, labels = ?3, scopes = ?4 WHERE name = ?1";
            let changed = db.execute(sql, params![app.name, app.status.as_str(), to_json(&app.labels), to_json(&app.scopes)])?;
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

    fn touch(&self, key_id: &str, at: Timestamp) {
        let key_id = key_id.to_owned();
        // Not awaited: the job is queued when the call returns. A note that is lost is made again a minute later.
        drop(self.worker.write(move |db, ()| {
            let sql = "UPDATE credential SET last_used = max(ifnull(last_used, 0), ?2) WHERE key_id = ?1";
            Ok(db.prepare_cached(sql)?.execute(params![key_id, at.millis()])?)
        }));
    }
}

fn find(db: &Connection, key: &MasterKey, wanted: &LookupKey) -> Result<Option<Arc<Registered>>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok(read_registered(row, key));
    let found = match wanted {
        LookupKey::KeyId(id) => db.prepare_cached(&format!("{JOINED} WHERE c.key_id = ?1"))?.query_row([id], read),
        LookupKey::SecretIndex(index) => db.prepare_cached(&format!("{JOINED} WHERE c.secret_index = ?1"))?.query_row([index], read),
    };
    Ok(found.optional()?.transpose()?.map(Arc::new))
}

fn insert(db: &Connection, key: &MasterKey, app: &str, new: NewCredential, now: Timestamp) -> Result<Arc<Registered>, StoreError> {
    check_credential(&new)?;
    let sql = format!("SELECT {APP_COLUMNS} FROM app a WHERE a.name = ?1");
    let owner = db.query_row(&sql, [app], |row| Ok(read_app(row))).optional()?.transpose()?;
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
