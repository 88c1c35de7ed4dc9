//! Sessions in the shared store.

use countersign_protocol::{Secret, Timestamp};
use deadpool_postgres::GenericClient;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::row::{COLUMNS, LIVE, SessionRow, UNCONFIRMED, bound_key, list};
use super::{Refresh, SessionStore};
use crate::error::StoreError;
use crate::session::{Ended, Known, Rotation, Session, SessionId, UserId};
use crate::store::postgres::{change_sessions, unavailable};
use crate::store::{Answer, PAGE, PostgresStore};

impl SessionStore for PostgresStore {
    fn session_key(&self) -> &Secret {
        Self::session_key(self)
    }

    fn begin(&self, session: Session, most: usize) -> Answer<'_, Vec<SessionId>> {
        self.within(async move {
            let mut client = self.client().await?;
            let transaction = client.transaction().await.map_err(|e| unavailable(&e))?;
            insert(&transaction, &session).await?;
            let live = live(&transaction, session.user, session.created).await?;
            transaction.commit().await.map_err(|e| unavailable(&e))?;
            Ok(live.into_iter().skip(most).rev().map(|session| session.sid).collect())
        })
    }

    fn session(&self, sid: SessionId) -> Answer<'_, Option<Known>> {
        self.within(async move { find(&self.client().await?, sid, "").await })
    }

    fn refresh(&self, refresh: Refresh) -> Answer<'_, Option<(Rotation, Known)>> {
        self.within(async move {
            let mut client = self.client().await?;
            let transaction = client.transaction().await.map_err(|e| unavailable(&e))?;
            // The row stays locked until the commit: of two refreshes, or a refresh and a logout, one sees what the other did.
            let Some(mut known) = find(&transaction, refresh.sid, "FOR UPDATE OF s").await? else { return Ok(None) };
            let (rotation, moved) = refresh.judge(&mut known);
            if moved {
                let Session { sid, generation, rotated, idle_ends, address_last, .. } = &known.session;
                let sql = "UPDATE sessions SET generation = $2, rotated = $3, last_seen = $3, idle_ends = $4, address_last = $5
                    WHERE sid = $1";
                let values: [&(dyn ToSql + Sync); 5] =
                    [&&sid.as_bytes()[..], &generation.cast_signed(), &rotated.millis(), &idle_ends.millis(), address_last];
                transaction.execute(sql, &values).await.map_err(|e| unavailable(&e))?;
                transaction.commit().await.map_err(|e| unavailable(&e))?;
            }
            Ok(Some((rotation, known)))
        })
    }

    fn confirm(&self, sid: SessionId, generation: u64) -> Answer<'_, ()> {
        self.within(async move {
            let sql = "UPDATE sessions SET confirmed = $2 WHERE sid = $1 AND confirmed < $2 AND generation >= $2";
            let client = self.client().await?;
            client.execute(sql, &[&&sid.as_bytes()[..], &generation.cast_signed()]).await.map_err(|e| unavailable(&e))?;
            Ok(())
        })
    }

    fn end(&self, sid: SessionId, why: Ended, now: Timestamp) -> Answer<'_, bool> {
        self.within(async move {
            let mut client = self.client().await?;
            let transaction = change_sessions(&mut client).await?;
            let sql = "UPDATE sessions SET revoked = $2, revoke_reason = $3 WHERE sid = $1 AND revoked IS NULL";
            let ended = transaction.execute(sql, &[&&sid.as_bytes()[..], &now.millis(), &why.as_str()]).await;
            let ended = ended.map_err(|e| unavailable(&e))?;
            transaction.commit().await.map_err(|e| unavailable(&e))?;
            Ok(ended > 0)
        })
    }

    fn sessions_of(&self, user: UserId, now: Timestamp) -> Answer<'_, Vec<Session>> {
        self.within(async move { live(&self.client().await?, user, now).await })
    }

    fn count_sessions(&self, now: Timestamp) -> Answer<'_, u64> {
        self.within(async move {
            let sql = format!("SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE $1 AND {LIVE}");
            let row = self.client().await?.query_one(&sql, &[&true, &now.millis()]).await.map_err(|e| unavailable(&e))?;
            Ok(row.get::<_, i64>(0).unsigned_abs())
        })
    }

    fn forget_sessions(&self, before: Timestamp) -> Answer<'_, usize> {
        self.within(async move {
            let sql = format!(
                "DELETE FROM sessions WHERE sid IN (SELECT sid FROM sessions WHERE ends < $1 OR idle_ends < $1 OR revoked < $1 LIMIT {PAGE})"
            );
            let forgotten = self.client().await?.execute(&sql, &[&before.millis()]).await.map_err(|e| unavailable(&e))?;
            Ok(usize::try_from(forgotten).unwrap_or(usize::MAX))
        })
    }

    fn session_revision(&self) -> Answer<'_, u64> {
        Self::session_revision(self)
    }
}

async fn find(client: &impl GenericClient, sid: SessionId, lock: &str) -> Result<Option<Known>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.sid = $1 {lock}");
    let statement = client.prepare_cached(&sql).await.map_err(|e| unavailable(&e))?;
    let row = client.query_opt(&statement, &[&&sid.as_bytes()[..]]).await.map_err(|e| unavailable(&e))?;
    row.map(|row| read(&row).known()).transpose()
}

/// The sessions of a user that are not over, the one that was used last first.
async fn live(client: &impl GenericClient, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = $1 AND {LIVE}
         ORDER BY s.last_seen DESC, s.created DESC, s.sid LIMIT {PAGE}"
    );
    let statement = client.prepare_cached(&sql).await.map_err(|e| unavailable(&e))?;
    let rows = client.query(&statement, &[&user.to_string(), &now.millis()]).await.map_err(|e| unavailable(&e))?;
    rows.iter().map(|row| Ok(read(row).known()?.session)).collect()
}

async fn insert(client: &impl GenericClient, session: &Session) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO sessions (sid, user_id, app, salt, created, authenticated, last_seen, idle_ends, ends, generation, rotated, confirmed,
         epoch, binding, bound_key, scopes, methods, agent, address_first, address_last)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";
    let values: [&(dyn ToSql + Sync); 20] = [
        &&session.sid.as_bytes()[..],
        &session.user.to_string(),
        &session.app,
        &&session.salt[..],
        &session.created.millis(),
        &session.authenticated.millis(),
        &session.last_seen.millis(),
        &session.idle_ends.millis(),
        &session.ends.millis(),
        &session.generation.cast_signed(),
        &session.rotated.millis(),
        &session.confirmed.map_or(UNCONFIRMED, u64::cast_signed),
        &session.epoch.cast_signed(),
        &session.binding.as_str(),
        &bound_key(&session.binding),
        &list(&session.scopes),
        &list(&session.methods),
        &session.agent,
        &session.address_first,
        &session.address_last,
    ];
    client.execute(sql, &values).await.map_err(|e| unavailable(&e))?;
    Ok(())
}

fn read(row: &Row) -> SessionRow {
    let mut numbers = [0; 9];
    for (at, number) in numbers.iter_mut().enumerate() {
        *number = row.get(4 + at);
    }
    SessionRow {
        sid: row.get(0),
        user: row.get(1),
        app: row.get(2),
        salt: row.get(3),
        numbers,
        binding: row.get(13),
        bound_key: row.get(14),
        scopes: row.get(15),
        methods: row.get(16),
        notes: [row.get(17), row.get(18), row.get(19)],
        revoked: row.get(20),
        revoke_reason: row.get(21),
        user_status: row.get(22),
        user_epoch: row.get(23),
    }
}
