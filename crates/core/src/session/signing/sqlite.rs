//! Signing keys in the embedded store.

use countersign_protocol::Timestamp;
use rusqlite::{Connection, Row, params};

use super::SigningKey;
use super::row::{COLUMNS, KeyRow};
use super::store::{KEPT, KeyChange, MOST_KEYS, SigningKeyStore};
use crate::error::StoreError;
use crate::store::{Answer, SqliteStore};

impl SigningKeyStore for SqliteStore {
    fn signing_keys(&self, at: Timestamp) -> Answer<'_, Vec<SigningKey>> {
        self.listing(move |db, master| {
            let sql = format!(
                "SELECT {COLUMNS} FROM signing_key WHERE verifies_until > ?1 ORDER BY revoked IS NOT NULL, signs_from DESC LIMIT {MOST_KEYS}"
            );
            let mut statement = db.prepare_cached(&sql)?;
            statement.query_map([at.millis()], key_row)?.map(|row| row?.key(master)).collect()
        })
    }

    fn change_signing_keys(&self, change: KeyChange) -> Answer<'_, bool> {
        self.change_sessions(move |db, master| {
            let KeyChange { add, end, mut seen, at } = change;
            seen.sort();
            if verifying(db, at)? != seen {
                return Ok(false);
            }
            if let Some(end) = end {
                let sql = "UPDATE signing_key SET signs_until = ?2, verifies_until = ?3 WHERE kid = ?1";
                db.execute(sql, params![end.kid, end.signs_until.millis(), end.verifies_until.millis()])?;
            }
            if let Some(key) = add {
                insert(db, KeyRow::of(&key, master)?)?;
            }
            db.execute("DELETE FROM signing_key WHERE verifies_until < ?1", [at.minus(KEPT).millis()])?;
            Ok(true)
        })
    }

    fn revoke_signing_key<'a>(&'a self, kid: &'a str, at: Timestamp) -> Answer<'a, ()> {
        let kid = kid.to_owned();
        self.change_sessions(move |db, _| {
            let changed = db.execute("UPDATE signing_key SET revoked = ifnull(revoked, ?2) WHERE kid = ?1", params![kid, at.millis()])?;
            if changed == 0 { Err(super::store::unknown(&kid)) } else { Ok(()) }
        })
    }

    fn signing_revision(&self) -> Answer<'_, u64> {
        self.session_revision()
    }
}

/// The names of the keys that verify at this instant or later.
fn verifying(db: &Connection, at: Timestamp) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached("SELECT kid FROM signing_key WHERE verifies_until > ?1 AND revoked IS NULL ORDER BY kid")?;
    Ok(statement.query_map([at.millis()], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn insert(db: &Connection, row: KeyRow) -> Result<(), StoreError> {
    let KeyRow { kid, algorithm, public, sealed, published, signs_from, signs_until, verifies_until, revoked } = row;
    db.execute(
        &format!("INSERT INTO signing_key ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
        params![kid, algorithm, public, sealed, published, signs_from, signs_until, verifies_until, revoked],
    )?;
    Ok(())
}

fn key_row(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    Ok(KeyRow {
        kid: row.get(0)?,
        algorithm: row.get(1)?,
        public: row.get(2)?,
        sealed: row.get(3)?,
        published: row.get(4)?,
        signs_from: row.get(5)?,
        signs_until: row.get(6)?,
        verifies_until: row.get(7)?,
        revoked: row.get(8)?,
    })
}
