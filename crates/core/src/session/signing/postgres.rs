//! Signing keys in the shared store.

use countersign_protocol::Timestamp;
use deadpool_postgres::Transaction;
use tokio_postgres::Row;

use super::SigningKey;
use super::row::{COLUMNS, KeyRow};
use super::store::{KEPT, KeyChange, MOST_KEYS, SigningKeyStore, unknown};
use crate::error::StoreError;
use crate::store::postgres::{change_sessions, unavailable};
use crate::store::{Answer, PostgresStore};

impl SigningKeyStore for PostgresStore {
    fn signing_keys(&self, at: Timestamp) -> Answer<'_, Vec<SigningKey>> {
        self.within(async move {
            let sql = format!(
                "SELECT {COLUMNS} FROM signing_key WHERE verifies_until > $1 ORDER BY revoked IS NOT NULL, signs_from DESC LIMIT {MOST_KEYS}"
            );
            let rows = self.client().await?.query(&sql, &[&at.millis()]).await.map_err(|e| unavailable(&e))?;
            rows.iter().map(|row| key_row(row).key(self.master_key())).collect()
        })
    }

    fn change_signing_keys(&self, change: KeyChange) -> Answer<'_, bool> {
        self.within(async move {
            let KeyChange { add, end, mut seen, at } = change;
            seen.sort();
            let mut client = self.client().await?;
            // The row of the revision is locked from here on, so that of two who do this at once the later one sees what the other did.
            let transaction = change_sessions(&mut client).await?;
            if verifying(&transaction, at).await? != seen {
                return Ok(false);
            }
            if let Some(end) = end {
                let sql = "UPDATE signing_key SET signs_until = $2, verifies_until = $3 WHERE kid = $1";
                let ended = transaction.execute(sql, &[&end.kid, &end.signs_until.millis(), &end.verifies_until.millis()]).await;
                ended.map_err(|e| unavailable(&e))?;
            }
            if let Some(key) = add {
                insert(&transaction, &KeyRow::of(&key, self.master_key())?).await?;
            }
            let gone = "DELETE FROM signing_key WHERE verifies_until < $1";
            transaction.execute(gone, &[&at.minus(KEPT).millis()]).await.map_err(|e| unavailable(&e))?;
            transaction.commit().await.map_err(|e| unavailable(&e))?;
            Ok(true)
        })
    }

    fn revoke_signing_key<'a>(&'a self, kid: &'a str, at: Timestamp) -> Answer<'a, ()> {
        self.within(async move {
            let mut client = self.client().await?;
            let transaction = change_sessions(&mut client).await?;
            let sql = "UPDATE signing_key SET revoked = coalesce(revoked, $2) WHERE kid = $1";
            if transaction.execute(sql, &[&kid, &at.millis()]).await.map_err(|e| unavailable(&e))? == 0 {
                return Err(unknown(kid));
            }
            transaction.commit().await.map_err(|e| unavailable(&e))
        })
    }

    fn signing_revision(&self) -> Answer<'_, u64> {
        self.session_revision()
    }
}

/// The names of the keys that verify at this instant or later.
async fn verifying(transaction: &Transaction<'_>, at: Timestamp) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT kid FROM signing_key WHERE verifies_until > $1 AND revoked IS NULL";
    let rows = transaction.query(sql, &[&at.millis()]).await.map_err(|e| unavailable(&e))?;
    let mut names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    // The server may sort by the rules of a language.
    names.sort();
    Ok(names)
}

async fn insert(transaction: &Transaction<'_>, row: &KeyRow) -> Result<(), StoreError> {
    let KeyRow { kid, algorithm, public, sealed, published, signs_from, signs_until, verifies_until, revoked } = row;
    let sql = format!("INSERT INTO signing_key ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] =
        [kid, algorithm, public, sealed, published, signs_from, signs_until, verifies_until, revoked];
    transaction.execute(&sql, &values).await.map_err(|e| unavailable(&e))?;
    Ok(())
}

fn key_row(row: &Row) -> KeyRow {
    KeyRow {
        kid: row.get(0),
        algorithm: row.get(1),
        public: row.get(2),
        sealed: row.get(3),
        published: row.get(4),
        signs_from: row.get(5),
        signs_until: row.get(6),
        verifies_until: row.get(7),
        revoked: row.get(8),
    }
}
