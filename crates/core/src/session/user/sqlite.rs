//! Users in the embedded store.

use countersign_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::row::{COLUMNS, LOGIN_COLUMNS, UserRow, seal, to_json};
use super::rules::{check_external, check_new, check_rights};
use super::{ExternalUser, Login, NewUser, User, UserStatus, UserStore, unknown};
use crate::error::StoreError;
use crate::session::UserId;
use crate::session::password::PasswordHash;
use crate::session::store::LIVE;
use crate::session::totp::TotpSecret;
use crate::store::{Answer, PAGE, SqliteStore};

impl UserStore for SqliteStore {
    fn user_named<'a>(&'a self, name: &'a str) -> Answer<'a, Option<User>> {
        let name = name.to_owned();
        self.listing(move |db, _| find(db, "name", &name))
    }

    fn user(&self, id: UserId) -> Answer<'_, Option<User>> {
        self.listing(move |db, _| find(db, "id", &id.to_string()))
    }

    fn users<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<User>> {
        let after = after.to_owned();
        self.listing(move |db, _| {
            let sql = format!("SELECT {COLUMNS} FROM users WHERE name > ?1 ORDER BY name LIMIT {PAGE}");
            db.prepare_cached(&sql)?.query_map([&after], user_row)?.map(|row| row?.user()).collect()
        })
    }

    fn has_no_user(&self) -> Answer<'_, bool> {
        self.listing(|db, _| Ok(db.query_row("SELECT NOT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))?))
    }

    fn login<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Login>> {
        let name = name.to_owned();
        self.listing(move |db, key| {
            let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS}, {LOGIN_COLUMNS} FROM users WHERE name = ?1"))?;
            let found = statement.query_row([&name], |row| Ok((user_row(row)?, row.get(12)?, row.get(13)?))).optional()?;
            found.map(|(user, password, totp)| user.login(password, totp, key)).transpose()
        })
    }

    fn add_user(&self, new: NewUser, now: Timestamp) -> Answer<'_, User> {
        self.write(move |db, _| {
            check_new(&new)?;
            insert(db, new, None, now)
        })
    }

    fn external_user(&self, told: ExternalUser, now: Timestamp) -> Answer<'_, User> {
        Box::pin(async move {
            check_external(&told)?;
            let subject = told.subject.clone();
            let Some(user) = self.listing(move |db, _| find(db, "external", &subject)).await? else {
                return self
                    .write(move |db, _| match find(db, "external", &told.subject)? {
                        // Another login was faster.
                        Some(user) => Ok(user),
                        None => insert(db, told.clone().into_new(), Some(&told.subject), now),
                    })
                    .await;
            };
            let Some(changed) = told.changes(&user) else { return Ok(user) };
            let User { id, display_name, scopes, roles, .. } = changed;
            self.change_sessions(move |db, _| {
                let sql = "UPDATE users SET display_name = ?2, scopes = ?3, roles = ?4 WHERE id = ?1";
                update(db, id, sql, params![id.to_string(), display_name, to_json(&scopes), to_json(&roles)])?;
                find(db, "id", &id.to_string())?.ok_or_else(|| unknown(id))
            })
            .await
        })
    }

    fn set_user_status(&self, id: UserId, status: UserStatus) -> Answer<'_, ()> {
        self.change_sessions(move |db, _| {
            let raise = i64::from(status == UserStatus::Disabled);
            let sql = "UPDATE users SET status = ?2, epoch = epoch + ?3 WHERE id = ?1";
            update(db, id, sql, params![id.to_string(), status.as_str(), raise])
        })
    }

    fn set_password(&self, id: UserId, password: Option<PasswordHash>, now: Timestamp) -> Answer<'_, ()> {
        self.change_sessions(move |db, _| {
            let sql = "UPDATE users SET password = ?2, password_changed = ?3, epoch = epoch + 1 WHERE id = ?1";
            update(db, id, sql, params![id.to_string(), password.map(|hash| hash.to_phc()), now.millis()])
        })
    }

    fn renew_hash<'a>(&'a self, id: UserId, old: &'a PasswordHash, new: &'a PasswordHash) -> Answer<'a, bool> {
        let (old, new) = (old.to_phc(), new.to_phc());
        self.write(move |db, _| {
            Ok(db.execute("UPDATE users SET password = ?3 WHERE id = ?1 AND password = ?2", params![id.to_string(), old, new])? == 1)
        })
    }

    fn set_rights(&self, id: UserId, scopes: Vec<String>, roles: Vec<String>) -> Answer<'_, ()> {
        self.change_sessions(move |db, _| {
            check_rights(&scopes, &roles)?;
            let sql = "UPDATE users SET scopes = ?2, roles = ?3 WHERE id = ?1";
            update(db, id, sql, params![id.to_string(), to_json(&scopes), to_json(&roles)])
        })
    }

    fn set_totp(&self, id: UserId, secret: Option<TotpSecret>) -> Answer<'_, ()> {
        self.change_sessions(move |db, key| {
            let sealed = secret.map(|secret| seal(key, id, &secret)).transpose()?;
            update(db, id, "UPDATE users SET totp = ?2, totp_step = 0 WHERE id = ?1", params![id.to_string(), sealed])
        })
    }

    fn use_totp_step(&self, id: UserId, step: i64) -> Answer<'_, bool> {
        self.write(move |db, _| {
            let sql = "UPDATE users SET totp_step = ?2 WHERE id = ?1 AND totp_step < ?2 AND totp IS NOT NULL";
            Ok(db.prepare_cached(sql)?.execute(params![id.to_string(), step])? == 1)
        })
    }

    fn raise_epoch(&self, id: UserId) -> Answer<'_, u64> {
        self.change_sessions(move |db, _| {
            update(db, id, "UPDATE users SET epoch = epoch + 1 WHERE id = ?1", params![id.to_string()])?;
            find(db, "id", &id.to_string())?.map(|user| user.epoch).ok_or_else(|| unknown(id))
        })
    }

    fn end_sessions(&self, id: UserId, now: Timestamp) -> Answer<'_, u64> {
        self.change_sessions(move |db, _| {
            let sql = format!("SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = $1 AND {LIVE}");
            let ended: i64 = db.query_row(&sql, params![id.to_string(), now.millis()], |row| row.get(0))?;
            update(db, id, "UPDATE users SET epoch = epoch + 1 WHERE id = ?1", params![id.to_string()])?;
            Ok(ended.unsigned_abs())
        })
    }
}

fn find(db: &Connection, column: &str, value: &str) -> Result<Option<User>, StoreError> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE {column} = ?1"))?;
    statement.query_row([value], user_row).optional()?.map(UserRow::user).transpose()
}

fn insert(db: &Connection, new: NewUser, external: Option<&str>, now: Timestamp) -> Result<User, StoreError> {
    let id = UserId::random()?;
    let NewUser { name, display_name, scopes, roles, password } = new;
    let sql = "INSERT OR IGNORE INTO users (id, name, display_name, status, scopes, roles, password, password_changed, created, external)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let (changed, phc) = (password.as_ref().map(|_| now.millis()), password.map(|hash| hash.to_phc()));
    let active = UserStatus::Active.as_str();
    let values =
        params![id.to_string(), name, display_name, active, to_json(&scopes), to_json(&roles), phc, changed, now.millis(), external];
    if db.execute(sql, values)? == 0 {
        return Err(StoreError::UserExists(name));
    }
    find(db, "id", &id.to_string())?.ok_or_else(|| unknown(id))
}

fn update(db: &Connection, id: UserId, sql: &str, values: &[&dyn ToSql]) -> Result<(), StoreError> {
    if db.execute(sql, values)? == 0 { Err(unknown(id)) } else { Ok(()) }
}

/// The columns of a user, from the first one on.
fn user_row(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        id: row.get(0)?,
        name: row.get(1)?,
        display_name: row.get(2)?,
        status: row.get(3)?,
        scopes: row.get(4)?,
        roles: row.get(5)?,
        password_changed: row.get(6)?,
        epoch: row.get(7)?,
        created: row.get(8)?,
        external: row.get(9)?,
        has_password: row.get(10)?,
        has_totp: row.get(11)?,
    })
}
