//! Sessions in the embedded store.

use countersign_protocol::{Secret, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{COLUMNS, LIVE, SessionRow, UNCONFIRMED, bound_key, list};
use super::{Refresh, SessionStore};
use crate::error::StoreError;
use crate::session::{Ended, Known, Rotation, Session, SessionId, UserId};
use crate::store::{Answer, PAGE, SqliteStore};

impl SessionStore for SqliteStore {
    fn session_key(&self) -> &Secret {
        Self::session_key(self)
    }

    fn begin(&self, session: Session, most: usize) -> Answer<'_, Vec<SessionId>> {
        self.write(move |db, _| {
            insert(db, &session)?;
            let live = live(db, session.user, session.created)?;
            Ok(live.into_iter().skip(most).rev().map(|session| session.sid).collect())
        })
    }

    fn session(&self, sid: SessionId) -> Answer<'_, Option<Known>> {
        self.listing(move |db, _| find(db, sid))
    }

    fn refresh(&self, refresh: Refresh) -> Answer<'_, Option<(Rotation, Known)>> {
        self.write(move |db, _| {
            let Some(mut known) = find(db, refresh.sid)? else { return Ok(None) };
            let (rotation, moved) = refresh.judge(&mut known);
            if moved {
                let Session { sid, generation, rotated, idle_ends, address_last, .. } = &known.session;
                let sql = "UPDATE sessions SET generation = ?2, rotated = ?3, last_seen = ?3, idle_ends = ?4, address_last = ?5
                    WHERE sid = ?1";
                let values = params![sid.as_bytes(), generation.cast_signed(), rotated.millis(), idle_ends.millis(), address_last];
                db.prepare_cached(sql)?.execute(values)?;
            }
            Ok(Some((rotation, known)))
        })
    }

    fn confirm(&self, sid: SessionId, generation: u64) -> Answer<'_, ()> {
        self.write(move |db, _| {
            let sql = "UPDATE sessions SET confirmed = ?2 WHERE sid = ?1 AND confirmed < ?2 AND generation >= ?2";
            db.prepare_cached(sql)?.execute(params![sid.as_bytes(), generation.cast_signed()])?;
            Ok(())
        })
    }

    fn end(&self, sid: SessionId, why: Ended, now: Timestamp) -> Answer<'_, bool> {
        self.change_sessions(move |db, _| {
            let sql = "UPDATE sessions SET revoked = ?2, revoke_reason = ?3 WHERE sid = ?1 AND revoked IS NULL";
            Ok(db.prepare_cached(sql)?.execute(params![sid.as_bytes(), now.millis(), why.as_str()])? > 0)
        })
    }

    fn sessions_of(&self, user: UserId, now: Timestamp) -> Answer<'_, Vec<Session>> {
        self.listing(move |db, _| live(db, user, now))
    }

    fn count_sessions(&self, now: Timestamp) -> Answer<'_, u64> {
        self.listing(move |db, _| {
            let sql = format!("SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE $1 AND {LIVE}");
            let count: i64 = db.prepare_cached(&sql)?.query_row(params![true, now.millis()], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
    }

    fn forget_sessions(&self, before: Timestamp) -> Answer<'_, usize> {
        self.write(move |db, _| {
            let sql = format!(
                "DELETE FROM sessions WHERE sid IN (SELECT sid FROM sessions WHERE ends < ?1 OR idle_ends < ?1 OR revoked < ?1 LIMIT {PAGE})"
            );
            Ok(db.prepare_cached(&sql)?.execute([before.millis()])?)
        })
    }

    fn session_revision(&self) -> Answer<'_, u64> {
        Self::session_revision(self)
    }
}

fn find(db: &Connection, sid: SessionId) -> Result<Option<Known>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.sid = ?1");
    let row = db.prepare_cached(&sql)?.query_row([sid.as_bytes()], read).optional()?;
    row.map(SessionRow::known).transpose()
}

/// The sessions of a user that are not over, the one that was used last first.
fn live(db: &Connection, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = $1 AND {LIVE}
         ORDER BY s.last_seen DESC, s.created DESC, s.sid LIMIT {PAGE}"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![user.to_string(), now.millis()], read)?;
    rows.map(|row| Ok(row?.known()?.session)).collect()
}

fn insert(db: &Connection, session: &Session) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO sessions (sid, user_id, app, salt, created, authenticated, last_seen, idle_ends, ends, generation, rotated, confirmed,
         epoch, binding, bound_key, scopes, methods, agent, address_first, address_last)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";
    let confirmed = session.confirmed.map_or(UNCONFIRMED, u64::cast_signed);
    db.prepare_cached(sql)?.execute(params![
        session.sid.as_bytes(),
        session.user.to_string(),
        session.app,
        session.salt,
        session.created.millis(),
        session.authenticated.millis(),
        session.last_seen.millis(),
        session.idle_ends.millis(),
        session.ends.millis(),
        session.generation.cast_signed(),
        session.rotated.millis(),
        confirmed,
        session.epoch.cast_signed(),
        session.binding.as_str(),
        bound_key(&session.binding),
        list(&session.scopes),
        list(&session.methods),
        session.agent,
        session.address_first,
        session.address_last,
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let mut numbers = [0; 9];
    for (at, number) in numbers.iter_mut().enumerate() {
        *number = row.get(4 + at)?;
    }
    Ok(SessionRow {
        sid: row.get(0)?,
        user: row.get(1)?,
        app: row.get(2)?,
        salt: row.get(3)?,
        numbers,
        binding: row.get(13)?,
        bound_key: row.get(14)?,
        scopes: row.get(15)?,
        methods: row.get(16)?,
        notes: [row.get(17)?, row.get(18)?, row.get(19)?],
        revoked: row.get(20)?,
        revoke_reason: row.get(21)?,
        user_status: row.get(22)?,
        user_epoch: row.get(23)?,
    })
}
