//! A store of users whose changes by an operator are recorded before they are made. What a login changes by itself is none of them.

use std::sync::Arc;

use countersign_protocol::Timestamp;

use super::Audit;
use super::operator::Operator;
use crate::clock::Clock;
use crate::error::StoreError;
use crate::session::UserId;
use crate::session::password::PasswordHash;
use crate::session::totp::TotpSecret;
use crate::session::user::{ExternalUser, Login, NewUser, User, UserStatus, UserStore};
use crate::store::Answer;

/// Records each change, then makes it. A change that fails after its record gets a second one that says so, so that none is made unrecorded.
#[derive(Debug)]
pub struct AuditedUsers {
    users: Arc<dyn UserStore>,
    operator: Operator,
}

impl AuditedUsers {
    /// Changes of these users are recorded as made by this operator, such as `cli` or a name.
    #[must_use]
    pub fn new(users: Arc<dyn UserStore>, audit: Audit, clock: Arc<dyn Clock>, by: impl Into<String>) -> Self {
        Self { users, operator: Operator::new(audit, clock, by.into()) }
    }

    async fn recorded<T>(&self, action: &'static str, id: UserId, detail: &str, made: Answer<'_, T>) -> Result<T, StoreError> {
        let name = self.users.user(id).await?.map(|user| user.name).unwrap_or_default();
        let change = self.operator.change(action, "", "", format!("user {name:?}, id {id}{detail}"));
        self.operator.recorded(change, made).await
    }
}

impl UserStore for AuditedUsers {
    fn user_named<'a>(&'a self, name: &'a str) -> Answer<'a, Option<User>> {
        self.users.user_named(name)
    }

    fn user(&self, id: UserId) -> Answer<'_, Option<User>> {
        self.users.user(id)
    }

    fn users<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<User>> {
        self.users.users(after)
    }

    fn has_no_user(&self) -> Answer<'_, bool> {
        self.users.has_no_user()
    }

    fn login<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Login>> {
        self.users.login(name)
    }

    fn add_user(&self, new: NewUser, now: Timestamp) -> Answer<'_, User> {
        Box::pin(async move {
            let NewUser { name, scopes, roles, password, .. } = &new;
            let detail = format!("user {name:?}, scopes {scopes:?}, roles {roles:?}, password {}", password.is_some());
            let change = self.operator.change("add user", "", "", detail);
            self.operator.recorded(change, Box::pin(async move { self.users.add_user(new, now).await })).await
        })
    }

    fn external_user(&self, told: ExternalUser, now: Timestamp) -> Answer<'_, User> {
        self.users.external_user(told, now)
    }

    fn set_user_status(&self, id: UserId, status: UserStatus) -> Answer<'_, ()> {
        Box::pin(async move {
            let made = Box::pin(async move { self.users.set_user_status(id, status).await });
            self.recorded("set user status", id, &format!(", status {status}"), made).await
        })
    }

    fn set_password(&self, id: UserId, password: Option<PasswordHash>, now: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            let detail = format!(", password {}", password.is_some());
            let made = Box::pin(async move { self.users.set_password(id, password, now).await });
            self.recorded("set password", id, &detail, made).await
        })
    }

    fn renew_hash<'a>(&'a self, id: UserId, old: &'a PasswordHash, new: &'a PasswordHash) -> Answer<'a, bool> {
        self.users.renew_hash(id, old, new)
    }

    fn set_rights(&self, id: UserId, scopes: Vec<String>, roles: Vec<String>) -> Answer<'_, ()> {
        Box::pin(async move {
            let detail = format!(", scopes {scopes:?}, roles {roles:?}");
            let made = Box::pin(async move { self.users.set_rights(id, scopes, roles).await });
            self.recorded("set rights", id, &detail, made).await
        })
    }

    fn set_totp(&self, id: UserId, secret: Option<TotpSecret>) -> Answer<'_, ()> {
        Box::pin(async move {
            let detail = format!(", codes {}", secret.is_some());
            let made = Box::pin(async move { self.users.set_totp(id, secret).await });
            self.recorded("set one-time codes", id, &detail, made).await
        })
    }

    fn use_totp_step(&self, id: UserId, step: i64) -> Answer<'_, bool> {
        self.users.use_totp_step(id, step)
    }

    fn raise_epoch(&self, id: UserId) -> Answer<'_, u64> {
        Box::pin(async move {
            let made = Box::pin(async move { self.users.raise_epoch(id).await });
            self.recorded("end sessions", id, "", made).await
        })
    }

    fn end_sessions(&self, id: UserId, now: Timestamp) -> Answer<'_, u64> {
        Box::pin(async move {
            let made = Box::pin(async move { self.users.end_sessions(id, now).await });
            self.recorded("end sessions", id, "", made).await
        })
    }
}
