//! Guesses counted in the shared store.

use countersign_protocol::Timestamp;

use super::sqlite::tally;
use super::{Bucket, Rule, Subject, Tally, ThrottleStore};
use crate::store::postgres::unavailable;
use crate::store::{Answer, PostgresStore};

impl ThrottleStore for PostgresStore {
    fn bucket(&self, subject: Subject<'_>) -> Bucket {
        Bucket::of(self.session_key(), subject)
    }

    fn count(&self, bucket: Bucket, rule: Rule, now: Timestamp) -> Answer<'_, Result<Tally, Timestamp>> {
        self.within(async move {
            let bucket = &bucket.as_bytes()[..];
            let mut client = self.client().await?;
            let transaction = client.transaction().await.map_err(|e| unavailable(&e))?;
            // A row to lock, where there is none: of two first guesses the second waits for the first.
            let sql = "INSERT INTO login_throttle (bucket, fails, next_at, reset_at) VALUES ($1, 0, 0, 0) ON CONFLICT DO NOTHING";
            transaction.execute(sql, &[&bucket]).await.map_err(|e| unavailable(&e))?;
            let sql = "SELECT fails, next_at, reset_at FROM login_throttle WHERE bucket = $1 FOR UPDATE";
            let row = transaction.query_opt(sql, &[&bucket]).await.map_err(|e| unavailable(&e))?;
            let before = row.and_then(|row| tally((row.get(0), row.get(1), row.get(2))));
            let counted = rule.decide(before, now);
            if let Ok(Tally { guesses, next_at, reset_at }) = &counted {
                let sql = "INSERT INTO login_throttle (bucket, fails, next_at, reset_at) VALUES ($1, $2, $3, $4) ON CONFLICT (bucket)
                    DO UPDATE SET fails = excluded.fails, next_at = excluded.next_at, reset_at = excluded.reset_at";
                let (next_at, reset_at) = (next_at.millis(), reset_at.millis());
                transaction.execute(sql, &[&bucket, &i64::from(*guesses), &next_at, &reset_at]).await.map_err(|e| unavailable(&e))?;
            }
            transaction.commit().await.map_err(|e| unavailable(&e))?;
            Ok(counted)
        })
    }

    fn forget(&self, bucket: Bucket) -> Answer<'_, ()> {
        self.within(async move {
            let sql = "DELETE FROM login_throttle WHERE bucket = $1";
            self.client().await?.execute(sql, &[&&bucket.as_bytes()[..]]).await.map_err(|e| unavailable(&e))?;
            Ok(())
        })
    }

    fn tidy(&self, now: Timestamp, most: u32) -> Answer<'_, ()> {
        self.within(async move {
            let client = self.client().await?;
            // Rows that another gateway holds at this moment are left to it: two that tidy never wait for each other.
            let over = "DELETE FROM login_throttle WHERE bucket IN
                (SELECT bucket FROM login_throttle WHERE reset_at <= $1 FOR UPDATE SKIP LOCKED)";
            client.execute(over, &[&now.millis()]).await.map_err(|e| unavailable(&e))?;
            let rest = "DELETE FROM login_throttle WHERE bucket IN (SELECT bucket FROM login_throttle ORDER BY fails, reset_at
                LIMIT greatest(0, (SELECT count(*) FROM login_throttle) - $1) FOR UPDATE SKIP LOCKED)";
            client.execute(rest, &[&i64::from(most)]).await.map_err(|e| unavailable(&e))?;
            Ok(())
        })
    }
}
