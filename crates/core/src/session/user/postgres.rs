//! Users in the shared store.

use countersign_protocol::Timestamp;
use deadpool_postgres::GenericClient;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::row::{COLUMNS, LOGIN_COLUMNS, UserRow, seal, to_json};
use super::rules::{check_external, check_new, check_rights};
use super::{ExternalUser, Login, NewUser, User, UserStatus, UserStore, unknown};
use crate::error::StoreError;
use crate::session::UserId;
use crate::session::password::PasswordHash;
use crate::session::store::LIVE;
use crate::session::totp::TotpSecret;
use crate::store::postgres::{change_sessions, unavailable};
use crate::store::{Answer, PAGE, PostgresStore};

type Value<'v> = &'v (dyn ToSql + Sync);

impl UserStore for PostgresStore {
    fn user_named<'a>(&'a self, name: &'a str) -> Answer<'a, Option<User>> {
        self.within(async move { find(&self.client().await?, "name", name).await })
    }

    fn user(&self, id: UserId) -> Answer<'_, Option<User>> {
        self.within(async move { find(&self.client().await?, "id", &id.to_string()).await })
    }

    fn users<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<User>> {
        self.within(async move {
            // By bytes, as the embedded store does.
            let sql = format!(r#"SELECT {COLUMNS} FROM users WHERE name > $1 COLLATE "C" ORDER BY name COLLATE "C" LIMIT {PAGE}"#);
            let rows = self.client().await?.query(&sql, &[&after]).await.map_err(|e| unavailable(&e))?;
            rows.iter().map(|row| user_row(row).user()).collect()
        })
    }

    fn has_no_user(&self) -> Answer<'_, bool> {
        self.within(async move {
            let row = self.client().await?.query_one("SELECT NOT EXISTS (SELECT 1 FROM users)", &[]).await;
            Ok(row.map_err(|e| unavailable(&e))?.get(0))
        })
    }

    fn login<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Login>> {
        self.within(async move {
            let client = self.client().await?;
            let sql = format!("SELECT {COLUMNS}, {LOGIN_COLUMNS} FROM users WHERE name = $1");
            let statement = client.prepare_cached(&sql).await.map_err(|e| unavailable(&e))?;
            let row = client.query_opt(&statement, &[&name]).await.map_err(|e| unavailable(&e))?;
            row.map(|row| user_row(&row).login(row.get(12), row.get(13), self.master_key())).transpose()
        })
    }

    fn add_user(&self, new: NewUser, now: Timestamp) -> Answer<'_, User> {
        self.within(async move {
            check_new(&new)?;
            insert(&self.client().await?, new, None, now).await
        })
    }

    fn external_user(&self, told: ExternalUser, now: Timestamp) -> Answer<'_, User> {
        self.within(async move {
            check_external(&told)?;
            let mut client = self.client().await?;
            let subject = told.subject.clone();
            let Some(user) = find(&client, "external", &subject).await? else {
                let added = insert(&client, told.into_new(), Some(&subject), now).await;
                // Another login of the same user may have been faster.
                return match added {
                    Err(StoreError::UserExists(name)) => find(&client, "external", &subject).await?.ok_or(StoreError::UserExists(name)),
                    added => added,
                };
            };
            let Some(changed) = told.changes(&user) else { return Ok(user) };
            let transaction = change_sessions(&mut client).await?;
            let sql = "UPDATE users SET display_name = $2, scopes = $3, roles = $4 WHERE id = $1";
            let values: [Value<'_>; 4] = [&user.id.to_string(), &changed.display_name, &to_json(&changed.scopes), &to_json(&changed.roles)];
            transaction.execute(sql, &values).await.map_err(|e| unavailable(&e))?;
            let now = find(&transaction, "id", &user.id.to_string()).await?.ok_or_else(|| unknown(user.id))?;
            transaction.commit().await.map_err(|e| unavailable(&e))?;
            Ok(now)
        })
    }

    fn set_user_status(&self, id: UserId, status: UserStatus) -> Answer<'_, ()> {
        self.within(async move {
            let raise = i64::from(status == UserStatus::Disabled);
            let sql = "UPDATE users SET status = $2, epoch = epoch + $3 WHERE id = $1";
            update(self, id, sql, &[&id.to_string(), &status.as_str(), &raise]).await
        })
    }

    fn set_password(&self, id: UserId, password: Option<PasswordHash>, now: Timestamp) -> Answer<'_, ()> {
        self.within(async move {
            let sql = "UPDATE users SET password = $2, password_changed = $3, epoch = epoch + 1 WHERE id = $1";
            update(self, id, sql, &[&id.to_string(), &password.map(|hash| hash.to_phc()), &now.millis()]).await
        })
    }

    fn renew_hash<'a>(&'a self, id: UserId, old: &'a PasswordHash, new: &'a PasswordHash) -> Answer<'a, bool> {
        self.within(async move {
            let sql = "UPDATE users SET password = $3 WHERE id = $1 AND password = $2";
            let changed = self.client().await?.execute(sql, &[&id.to_string(), &old.to_phc(), &new.to_phc()]).await;
            Ok(changed.map_err(|e| unavailable(&e))? == 1)
        })
    }

    fn set_rights(&self, id: UserId, scopes: Vec<String>, roles: Vec<String>) -> Answer<'_, ()> {
        self.within(async move {
            check_rights(&scopes, &roles)?;
            let sql = "UPDATE users SET scopes = $2, roles = $3 WHERE id = $1";
            update(self, id, sql, &[&id.to_string(), &to_json(&scopes), &to_json(&roles)]).await
        })
    }

    fn set_totp(&self, id: UserId, secret: Option<TotpSecret>) -> Answer<'_, ()> {
        self.within(async move {
            let sealed = secret.map(|secret| seal(self.master_key(), id, &secret)).transpose()?;
            update(self, id, "UPDATE users SET totp = $2, totp_step = 0 WHERE id = $1", &[&id.to_string(), &sealed]).await
        })
    }

    fn use_totp_step(&self, id: UserId, step: i64) -> Answer<'_, bool> {
        self.within(async move {
            let sql = "UPDATE users SET totp_step = $2 WHERE id = $1 AND totp_step < $2 AND totp IS NOT NULL";
            let changed = self.client().await?.execute(sql, &[&id.to_string(), &step]).await;
            Ok(changed.map_err(|e| unavailable(&e))? == 1)
        })
    }

    fn raise_epoch(&self, id: UserId) -> Answer<'_, u64> {
        self.within(async move {
            let mut client = self.client().await?;
            let transaction = change_sessions(&mut client).await?;
            let sql = "UPDATE users SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch";
            let row = transaction.query_opt(sql, &[&id.to_string()]).await.map_err(|e| unavailable(&e))?;
            let epoch: i64 = row.ok_or_else(|| unknown(id))?.get(0);
            transaction.commit().await.map_err(|e| unavailable(&e))?;
            Ok(epoch.unsigned_abs())
        })
    }

    fn end_sessions(&self, id: UserId, now: Timestamp) -> Answer<'_, u64> {
        self.within(async move {
            let mut client = self.client().await?;
            let transaction = change_sessions(&mut client).await?;
            let sql = format!("SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = $1 AND {LIVE}");
            let counted = transaction.query_one(&sql, &[&id.to_string(), &now.millis()]).await.map_err(|e| unavailable(&e))?;
            let ended: i64 = counted.get(0);
            let sql = "UPDATE users SET epoch = epoch + 1 WHERE id = $1";
            let changed = transaction.execute(sql, &[&id.to_string()]).await.map_err(|e| unavailable(&e))?;
            if changed == 0 {
                return Err(unknown(id));
            }
            transaction.commit().await.map_err(|e| unavailable(&e))?;
            Ok(ended.unsigned_abs())
        })
    }
}

async fn find(client: &impl GenericClient, column: &str, value: &str) -> Result<Option<User>, StoreError> {
    let statement = client.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE {column} = $1")).await;
    let row = client.query_opt(&statement.map_err(|e| unavailable(&e))?, &[&value]).await.map_err(|e| unavailable(&e))?;
    row.map(|row| user_row(&row).user()).transpose()
}

async fn insert(client: &impl GenericClient, new: NewUser, external: Option<&str>, now: Timestamp) -> Result<User, StoreError> {
    let id = UserId::random()?;
    let NewUser { name, display_name, scopes, roles, password } = new;
    let sql = format!(
        "INSERT INTO users (id, name, display_name, status, scopes, roles, password, password_changed, created, external)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING {COLUMNS}"
    );
    let (changed, phc) = (password.as_ref().map(|_| now.millis()), password.map(|hash| hash.to_phc()));
    let values: [Value<'_>; 10] = [
        &id.to_string(),
        &name,
        &display_name,
        &UserStatus::Active.as_str(),
        &to_json(&scopes),
        &to_json(&roles),
        &phc,
        &changed,
        &now.millis(),
        &external,
    ];
    let added = client.query_opt(&sql, &values).await.map_err(|e| unavailable(&e))?;
    user_row(&added.ok_or(StoreError::UserExists(name))?).user()
}

async fn update(store: &PostgresStore, id: UserId, sql: &str, values: &[Value<'_>]) -> Result<(), StoreError> {
    let mut client = store.client().await?;
    let transaction = change_sessions(&mut client).await?;
    if transaction.execute(sql, values).await.map_err(|e| unavailable(&e))? == 0 {
        return Err(unknown(id));
    }
    transaction.commit().await.map_err(|e| unavailable(&e))
}

/// The columns of a user, from the first one on.
fn user_row(row: &Row) -> UserRow {
    UserRow {
        id: row.get(0),
        name: row.get(1),
        display_name: row.get(2),
        status: row.get(3),
        scopes: row.get(4),
        roles: row.get(5),
        password_changed: row.get(6),
        epoch: row.get(7),
        created: row.get(8),
        external: row.get(9),
        has_password: row.get(10),
        has_totp: row.get(11),
    }
}
