//! The shared store: PostgreSQL with secrets sealed under the master key. Any number of gateways may use one database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::{KeyMaterial, Secret, Timestamp};
use deadpool_postgres::{GenericClient, Object, Pool, Transaction};
use tokio_postgres::Row;

use self::connect::Connector;
use self::watch::Watch;
use super::rewrap::{self, KeptKeys};
use super::row::{APP_COLUMNS, AppRow, CREDENTIAL_COLUMNS, CredentialRow, to_json};
use super::rules::{check_app, check_credential, check_removal};
use super::sealed::seal;
use super::{Answer, CredentialStore, LookupKey, PAGE, key_bytes};
use crate::app::{App, NewCredential, Registered, Status};
use crate::error::StoreError;
use crate::master_key::MasterKey;
use crate::side::Side;

mod connect;
mod watch;

/// Where changes are told.
const CHANNEL: &str = "countersign";

/// How a PostgreSQL is used.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// How long an answer, or a connection, may take. Beyond: `store_unavailable`.
    pub timeout: Duration,
    /// Connections at one time.
    pub connections: usize,
    /// Requests at one time, those that wait for a connection included. Beyond: `store_unavailable`.
    pub pending: usize,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(2), connections: 8, pending: 4_096 }
    }
}

/// Apps and credentials in a PostgreSQL database.
pub struct PostgresStore {
    key: Arc<MasterKey>,
    kept: KeptKeys,
    pool: Pool,
    watch: Arc<Watch>,
    waiting: tokio::sync::Semaphore,
    timeout: Duration,
    side: Side,
}

impl PostgresStore {
    /// Looks at a URL without connecting.
    ///
    /// # Errors
    /// It is none of a PostgreSQL.
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        connect::parsed(url).map(drop)
    }

    /// Opens the database, and makes the tables where there are none.
    ///
    /// # Errors
    /// When the URL is none, the database does not answer, or it belongs to another master key or a later version.
    pub async fn open(url: &str, key: Arc<MasterKey>, options: PostgresOptions) -> Result<Self, StoreError> {
        let connector = Connector::new(url, &options)?;
        let side = Side::start("countersign-store")?;
        let pool = connector.pool(&options)?;
        let opening = pool.clone();
        let id = key.id().to_owned();
        let (stored, rows) = side.run(async move { begin(&opening, &id).await }).await?;
        if stored != key.id() {
            return Err(StoreError::WrongMasterKey { stored, given: key.id().to_owned() });
        }
        let kept = KeptKeys::open(&key, &rows)?;
        let watch = Arc::new(Watch::new());
        drop(side.spawn(Arc::clone(&watch).look(connector, options.timeout)));
        let waiting = tokio::sync::Semaphore::new(options.pending);
        Ok(Self { key, kept, pool, watch, waiting, timeout: options.timeout, side })
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

    /// The key under which everything is sealed.
    #[cfg(feature = "sessions")]
    pub(crate) fn master_key(&self) -> &MasterKey {
        &self.key
    }

    /// Seals everything under another master key, all or nothing. From then on the database opens under that one only.
    ///
    /// # Errors
    /// When a row cannot be opened, or the database does not answer.
    pub async fn rewrap(&self, new: &MasterKey) -> Result<usize, StoreError> {
        let mut client = self.client().await?;
        let transaction = change(&mut client).await?;
        let rows = transaction.query("SELECT app, key_id, sealed FROM credential FOR UPDATE", &[]).await.map_err(|e| unavailable(&e))?;
        for row in &rows {
            let (app, key_id, sealed): (String, String, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
            let again = rewrap::row(&self.key, new, &app, &key_id, &sealed)?;
            let sql = "UPDATE credential SET sealed = $2, fingerprint = $3, secret_index = $4 WHERE key_id = $1";
            let index = again.secret_index.as_ref().map(|index| &index[..]);
            transaction.execute(sql, &[&key_id, &again.sealed, &&again.fingerprint[..], &index]).await.map_err(|e| unavailable(&e))?;
        }
        for (table, id, column) in rewrap::SEALED {
            let sql = format!("SELECT {id}, {column} FROM {table} WHERE {column} IS NOT NULL FOR UPDATE");
            for row in transaction.query(&sql, &[]).await.map_err(|e| unavailable(&e))? {
                let (name, sealed): (String, Vec<u8>) = (row.get(0), row.get(1));
                let again = rewrap::value(&self.key, new, table, &name, &sealed)?;
                let sql = format!("UPDATE {table} SET {column} = $2 WHERE {id} = $1");
                transaction.execute(&sql, &[&name, &again]).await.map_err(|e| unavailable(&e))?;
            }
        }
        for (name, value) in self.kept.meta(new)? {
            let sql = "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            transaction.execute(sql, &[&name, &value]).await.map_err(|e| unavailable(&e))?;
        }
        transaction.commit().await.map_err(|e| unavailable(&e))?;
        Ok(rows.len())
    }

    /// A number that changes when sessions, users or signing keys end, also by another process.
    #[cfg(feature = "sessions")]
    pub(crate) fn session_revision(&self) -> Answer<'_, u64> {
        let seen = self.watch.revisions().ok_or_else(not_seen).map(|seen| seen.sessions);
        Box::pin(std::future::ready(seen))
    }

    /// A connection of the pool, made beside the callers so that it outlives them.
    pub(crate) async fn client(&self) -> Result<Object, StoreError> {
        let pool = self.pool.clone();
        self.side.run(async move { pool.get().await.map_err(|error| StoreError::Unavailable(format!("postgres: {error}"))) }).await
    }

    /// An answer that comes in time, or not at all.
    pub(crate) fn within<'a, T: Send + 'a>(&'a self, work: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> Answer<'a, T> {
        Box::pin(async move {
            let _waiting = self.waiting.try_acquire().map_err(|_| StoreError::Busy)?;
            // Twice: for the connection, and for what is asked over it.
            let answer = tokio::time::timeout(self.timeout * 2, work).await;
            answer.unwrap_or_else(|_| Err(StoreError::Unavailable("postgres did not answer in time".to_owned())))
        })
    }

    async fn set_status(&self, sql: &str, name: &str, status: Status) -> Result<bool, StoreError> {
        let mut client = self.client().await?;
        let transaction = change(&mut client).await?;
        if transaction.execute(sql, &[&name, &status.as_str()]).await.map_err(|e| unavailable(&e))? == 0 {
            return Ok(false);
        }
        transaction.commit().await.map_err(|e| unavailable(&e))?;
        Ok(true)
    }
}

impl CredentialStore for PostgresStore {
    fn find<'a>(&'a self, key: &'a LookupKey) -> Answer<'a, Option<Arc<Registered>>> {
        self.within(async move { find(&self.client().await?, &self.key, key).await })
    }

    fn secret_index(&self, secret: &Secret) -> [u8; 32] {
        self.key.secret_index(secret)
    }

    fn revision(&self) -> Answer<'_, u64> {
        let seen = self.watch.revisions().ok_or_else(not_seen).map(|seen| seen.store);
        Box::pin(std::future::ready(seen))
    }

    fn is_empty(&self) -> Answer<'_, bool> {
        self.within(async move {
            let row = self.client().await?.query_one("SELECT NOT EXISTS (SELECT 1 FROM credential)", &[]).await;
            Ok(row.map_err(|e| unavailable(&e))?.get(0))
        })
    }

    fn app<'a>(&'a self, name: &'a str) -> Answer<'a, Option<App>> {
        self.within(async move { app(&self.client().await?, name).await })
    }

    fn apps<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<App>> {
        self.within(async move {
            let sql = format!("SELECT {APP_COLUMNS} FROM app a WHERE a.name > $1 ORDER BY a.name LIMIT {PAGE}");
            let rows = self.client().await?.query(&sql, &[&after]).await.map_err(|e| unavailable(&e))?;
            rows.iter().map(|row| app_row(row).app()).collect()
        })
    }

    fn count_apps(&self, status: Status) -> Answer<'_, u64> {
        self.within(async move {
            let sql = "SELECT count(*) FROM app WHERE status = $1";
            let row = self.client().await?.query_one(sql, &[&status.as_str()]).await.map_err(|e| unavailable(&e))?;
            Ok(row.get::<_, i64>(0).unsigned_abs())
        })
    }

    fn credentials<'a>(&'a self, app: &'a str, after: &'a str) -> Answer<'a, Vec<Arc<Registered>>> {
        self.within(async move {
            let sql = format!("{} WHERE c.app = $1 AND c.key_id > $2 ORDER BY c.key_id LIMIT {PAGE}", joined());
            let rows = self.client().await?.query(&sql, &[&app, &after]).await.map_err(|e| unavailable(&e))?;
            rows.iter().map(|row| registered(row, &self.key)).collect()
        })
    }

    fn add_app(&self, app: App) -> Answer<'_, ()> {
        self.within(async move {
            check_app(&app)?;
            let AppRow { name, status, labels, scopes, addresses, rate_per_second, rate_burst, created } = AppRow::of(&app);
            let mut client = self.client().await?;
            let transaction = change(&mut client).await?;
            let sql = "INSERT INTO app (name, status, labels, scopes, addresses, rate_per_second, rate_burst, created)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
                [&name, &status, &labels, &scopes, &addresses, &rate_per_second, &rate_burst, &created];
            if transaction.execute(sql, &values).await.map_err(|e| unavailable(&e))? == 0 {
                return Err(StoreError::AppExists(name));
            }
            transaction.commit().await.map_err(|e| unavailable(&e))
        })
    }

    fn update_app(&self, app: App) -> Answer<'_, ()> {
        self.within(async move {
            check_app(&app)?;
            let AppRow { name, labels, scopes, addresses, rate_per_second, rate_burst, .. } = AppRow::of(&app);
            let mut client = self.client().await?;
            let transaction = change(&mut client).await?;
            let sql = "UPDATE app SET labels = $2, scopes = $3, addresses = $4, rate_per_second = $5, rate_burst = $6 WHERE name = $1";
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                [&name, &labels, &scopes, &addresses, &rate_per_second, &rate_burst];
            if transaction.execute(sql, &values).await.map_err(|e| unavailable(&e))? == 0 {
                return Err(StoreError::UnknownApp(name));
            }
            transaction.commit().await.map_err(|e| unavailable(&e))
        })
    }

    fn add_credential<'a>(&'a self, app: &'a str, credential: NewCredential, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        self.within(async move {
            let mut client = self.client().await?;
            let transaction = change(&mut client).await?;
            let added = insert(&transaction, &self.key, app, credential, now).await?;
            transaction.commit().await.map_err(|e| unavailable(&e))?;
            Ok(added)
        })
    }

    fn rotate<'a>(&'a self, key_id: &'a str, successor: NewCredential, ends: Timestamp, now: Timestamp) -> Answer<'a, Arc<Registered>> {
        self.within(async move {
            let mut client = self.client().await?;
            let transaction = change(&mut client).await?;
            let owner = transaction.query_opt("SELECT app FROM credential WHERE key_id = $1", &[&key_id]).await;
            let owner = owner.map_err(|e| unavailable(&e))?.ok_or_else(|| StoreError::UnknownKeyId(key_id.to_owned()))?;
            let added = insert(&transaction, &self.key, owner.get(0), successor, now).await?;
            let sql = "UPDATE credential SET not_after = least(coalesce(not_after, $2), $2) WHERE key_id = $1";
            transaction.execute(sql, &[&key_id, &ends.millis()]).await.map_err(|e| unavailable(&e))?;
            transaction.commit().await.map_err(|e| unavailable(&e))?;
            Ok(added)
        })
    }

    fn set_app_status<'a>(&'a self, app: &'a str, status: Status) -> Answer<'a, ()> {
        self.within(async move {
            let changed = self.set_status("UPDATE app SET status = $2 WHERE name = $1", app, status).await?;
            if changed { Ok(()) } else { Err(StoreError::UnknownApp(app.to_owned())) }
        })
    }

    fn set_credential_status<'a>(&'a self, key_id: &'a str, status: Status) -> Answer<'a, ()> {
        self.within(async move {
            let changed = self.set_status("UPDATE credential SET status = $2 WHERE key_id = $1", key_id, status).await?;
            if changed { Ok(()) } else { Err(StoreError::UnknownKeyId(key_id.to_owned())) }
        })
    }

    fn remove_credential<'a>(&'a self, key_id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        self.within(async move {
            let mut client = self.client().await?;
            let transaction = change(&mut client).await?;
            let found = find(&transaction, &self.key, &LookupKey::KeyId(key_id.to_owned())).await?;
            check_removal(&found.ok_or_else(|| StoreError::UnknownKeyId(key_id.to_owned()))?.stored, now)?;
            transaction.execute("DELETE FROM credential WHERE key_id = $1", &[&key_id]).await.map_err(|e| unavailable(&e))?;
            transaction.commit().await.map_err(|e| unavailable(&e))
        })
    }

    fn touch(&self, key_id: &str, dialect: &str, at: Timestamp) {
        let (pool, key_id, dialect, at) = (self.pool.clone(), key_id.to_owned(), dialect.to_owned(), at.millis());
        // Nobody waits: a note that is lost is made again a minute later.
        drop(self.side.spawn(async move {
            let sql = "UPDATE credential SET last_used = $2, last_used_with = $3 WHERE key_id = $1 AND coalesce(last_used, 0) <= $2";
            if let Ok(client) = pool.get().await
                && let Err(error) = client.execute(sql, &[&key_id, &at, &dialect]).await
            {
                tracing::debug!(%error, "a use was not noted");
            }
        }));
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Makes the tables where there are none: the id of the master key, and the rows of the keys that are kept.
async fn begin(pool: &Pool, key: &str) -> Result<(String, Vec<(String, String)>), StoreError> {
    connect::migrate(pool).await?;
    let client = pool.get().await.map_err(|error| StoreError::Unavailable(format!("postgres: {error}")))?;
    let read = async {
        client.execute("INSERT INTO meta VALUES ('master key', $1) ON CONFLICT DO NOTHING", &[&key]).await?;
        let stored: String = client.query_one("SELECT value FROM meta WHERE name = 'master key'", &[]).await?.get(0);
        let kept = client.query(rewrap::KEPT, &[]).await?;
        Ok::<_, tokio_postgres::Error>((stored, kept.iter().map(|row| (row.get(0), row.get(1))).collect()))
    };
    read.await.map_err(|error| unavailable(&error))
}

/// A transaction that raises the revision first: its row is locked until the end, so that changes come one after the other.
async fn change(client: &mut Object) -> Result<Transaction<'_>, StoreError> {
    raising(client, "revision").await
}

/// The same, where sessions, users or signing keys end.
#[cfg(feature = "sessions")]
pub(crate) async fn change_sessions(client: &mut Object) -> Result<Transaction<'_>, StoreError> {
    raising(client, "session revision").await
}

async fn raising<'c>(client: &'c mut Object, revision: &str) -> Result<Transaction<'c>, StoreError> {
    let transaction = client.transaction().await.map_err(|e| unavailable(&e))?;
    let raise = "UPDATE meta SET value = (value::bigint + 1)::text WHERE name = $1";
    transaction.execute(raise, &[&revision]).await.map_err(|e| unavailable(&e))?;
    transaction.batch_execute(&format!("NOTIFY {CHANNEL}")).await.map_err(|e| unavailable(&e))?;
    Ok(transaction)
}

async fn app(client: &impl GenericClient, name: &str) -> Result<Option<App>, StoreError> {
    let statement = client.prepare_cached(&format!("SELECT {APP_COLUMNS} FROM app a WHERE a.name = $1")).await;
    let row = client.query_opt(&statement.map_err(|e| unavailable(&e))?, &[&name]).await.map_err(|e| unavailable(&e))?;
    row.map(|row| app_row(&row).app()).transpose()
}

async fn find(client: &impl GenericClient, key: &MasterKey, wanted: &LookupKey) -> Result<Option<Arc<Registered>>, StoreError> {
    let by = |column: &str| format!("{} WHERE c.{column} = $1", joined());
    let row = match wanted {
        LookupKey::KeyId(id) => {
            let statement = client.prepare_cached(&by("key_id")).await.map_err(|e| unavailable(&e))?;
            client.query_opt(&statement, &[id]).await
        }
        LookupKey::SecretIndex(index) => {
            let statement = client.prepare_cached(&by("secret_index")).await.map_err(|e| unavailable(&e))?;
            client.query_opt(&statement, &[&&index[..]]).await
        }
    };
    row.map_err(|e| unavailable(&e))?.map(|row| registered(&row, key)).transpose()
}

async fn insert(
    transaction: &Transaction<'_>,
    key: &MasterKey,
    name: &str,
    new: NewCredential,
    now: Timestamp,
) -> Result<Arc<Registered>, StoreError> {
    check_credential(&new)?;
    let owner = app(transaction, name).await?.ok_or_else(|| StoreError::UnknownApp(name.to_owned()))?;
    let fingerprint = key.fingerprint(&key_bytes(&new.material)?);
    let sql = "SELECT EXISTS (SELECT 1 FROM credential WHERE key_id = $1), EXISTS (SELECT 1 FROM credential WHERE fingerprint = $2)";
    let taken = transaction.query_one(sql, &[&new.key_id, &&fingerprint[..]]).await.map_err(|e| unavailable(&e))?;
    match (taken.get(0), taken.get(1)) {
        (true, _) => return Err(StoreError::KeyIdExists(new.key_id)),
        (false, true) => return Err(StoreError::SecretInUse),
        (false, false) => {}
    }
    let index = match &new.material {
        KeyMaterial::Hmac(secret) => Some(key.secret_index(secret)),
        _ => None,
    };
    let sealed = seal(key, name, &new)?;
    let stored = new.stored(name, now);
    let algorithms: Vec<&str> = stored.credential.algorithms().iter().map(|algorithm| algorithm.as_str()).collect();
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    let terms = &stored.terms;
    let sql = "INSERT INTO credential (key_id, app, sealed, fingerprint, secret_index, algorithms, dialects, inputs, diagnostics, status,
        not_before, not_after, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 13] = [
        &stored.credential.key_id(),
        &name,
        &sealed,
        &&fingerprint[..],
        &index.as_ref().map(|index| &index[..]),
        &to_json(&algorithms),
        &to_json(&terms.dialects),
        &to_json(&terms.inputs),
        &terms.diagnostics,
        &terms.status.as_str(),
        &millis(terms.not_before),
        &millis(terms.not_after),
        &now.millis(),
    ];
    transaction.execute(sql, &values).await.map_err(|e| unavailable(&e))?;
    Ok(Arc::new(Registered::new(owner, stored)))
}

fn joined() -> String {
    format!("SELECT {APP_COLUMNS}, {CREDENTIAL_COLUMNS} FROM credential c JOIN app a ON a.name = c.app")
}

/// The columns of an app, from the first one on.
fn app_row(row: &Row) -> AppRow {
    AppRow {
        name: row.get(0),
        status: row.get(1),
        labels: row.get(2),
        scopes: row.get(3),
        addresses: row.get(4),
        rate_per_second: row.get(5),
        rate_burst: row.get(6),
        created: row.get(7),
    }
}

/// The columns of an app, and behind them those of a credential.
fn registered(row: &Row, key: &MasterKey) -> Result<Arc<Registered>, StoreError> {
    let credential = CredentialRow {
        key_id: row.get(8),
        sealed: row.get(9),
        algorithms: row.get(10),
        dialects: row.get(11),
        inputs: row.get(12),
        diagnostics: row.get(13),
        status: row.get(14),
        not_before: row.get(15),
        not_after: row.get(16),
        created: row.get(17),
        last_used: row.get(18),
        last_used_with: row.get(19),
    };
    credential.registered(app_row(row).app()?, key).map(Arc::new)
}

fn not_seen() -> StoreError {
    StoreError::Unavailable("postgres does not answer".to_owned())
}

/// The server's own words, and what caused them.
pub(crate) fn unavailable(error: &tokio_postgres::Error) -> StoreError {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    StoreError::Unavailable(format!("postgres: {error}{cause}"))
}
