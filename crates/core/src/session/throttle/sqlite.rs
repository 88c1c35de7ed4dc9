//! Guesses counted in the embedded store.

use countersign_protocol::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::{Bucket, Rule, Subject, Tally, ThrottleStore};
use crate::error::StoreError;
use crate::store::{Answer, SqliteStore};

impl ThrottleStore for SqliteStore {
    fn bucket(&self, subject: Subject<'_>) -> Bucket {
        Bucket::of(self.session_key(), subject)
    }

    fn count(&self, bucket: Bucket, rule: Rule, now: Timestamp) -> Answer<'_, Result<Tally, Timestamp>> {
        self.write(move |db, _| {
            let sql = "SELECT fails, next_at, reset_at FROM login_throttle WHERE bucket = ?1";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let before = db.prepare_cached(sql)?.query_row([bucket.as_bytes()], row).optional()?;
            let counted = rule.decide(before.and_then(tally), now);
            if let Ok(Tally { guesses, next_at, reset_at }) = &counted {
                let sql = "INSERT OR REPLACE INTO login_throttle (bucket, fails, next_at, reset_at) VALUES (?1, ?2, ?3, ?4)";
                db.prepare_cached(sql)?.execute(params![bucket.as_bytes(), guesses, next_at.millis(), reset_at.millis()])?;
            }
            Ok(counted)
        })
    }

    fn forget(&self, bucket: Bucket) -> Answer<'_, ()> {
        self.write(move |db, _| {
            db.prepare_cached("DELETE FROM login_throttle WHERE bucket = ?1")?.execute([bucket.as_bytes()])?;
            Ok(())
        })
    }

    fn tidy(&self, now: Timestamp, most: u32) -> Answer<'_, ()> {
        self.write(move |db, _| {
            db.execute("DELETE FROM login_throttle WHERE reset_at <= ?1", [now.millis()])?;
            let count: i64 = db.query_row("SELECT count(*) FROM login_throttle", [], |row| row.get(0))?;
            let over = count - i64::from(most);
            if over > 0 {
                let sql =
                    "DELETE FROM login_throttle WHERE bucket IN (SELECT bucket FROM login_throttle ORDER BY fails, reset_at LIMIT ?1)";
                db.execute(sql, [over])?;
            }
            Ok::<(), StoreError>(())
        })
    }
}

/// A row that makes no sense counts as none.
pub(super) fn tally((guesses, next_at, reset_at): (i64, i64, i64)) -> Option<Tally> {
    let (next_at, reset_at) = (Timestamp::from_millis(next_at)?, Timestamp::from_millis(reset_at)?);
    Some(Tally { guesses: u32::try_from(guesses).ok()?, next_at, reset_at })
}
