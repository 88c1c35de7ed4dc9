//! Users: who may log in, what they may do, and the trait of the stores that keep them.
//!
//! Whatever ends a right (switching off, another password, narrower scopes, a raised epoch) is told to every process that shares the store.

use std::fmt;

use countersign_protocol::Timestamp;

use super::UserId;
use super::password::PasswordHash;
use super::totp::TotpSecret;
use crate::error::StoreError;
use crate::store::Answer;

#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod rules;
mod sqlite;

pub use rules::is_user_name;

/// Whether a user may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserStatus {
    /// In use.
    #[default]
    Active,
    /// Switched off.
    Disabled,
}

impl UserStatus {
    /// `active` or `disabled`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Disabled].into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for UserStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A user, as everybody may see them who may list users.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// What stays when everything else changes.
    pub id: UserId,
    /// What the user logs in with. No two differ by the case of letters only.
    pub name: String,
    /// What the user is called.
    pub display_name: Option<String>,
    /// Whether the user may log in.
    pub status: UserStatus,
    /// What the user's sessions may at most do.
    pub scopes: Vec<String>,
    /// What upstreams are told about the user.
    pub roles: Vec<String>,
    /// Sessions and tokens of an earlier epoch have ended.
    pub epoch: u64,
    /// When the password was last set or taken away.
    pub password_changed: Option<Timestamp>,
    /// When the user was added.
    pub created: Timestamp,
    /// What an external login service calls the user, if one does.
    pub external: Option<String>,
    /// Whether there is a password here.
    pub has_password: bool,
    /// Whether a one-time code is asked for too.
    pub has_totp: bool,
}

/// A user, and what a login is checked against. `Debug` shows none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The user.
    pub user: User,
    /// The hash of the password.
    pub password: Option<PasswordHash>,
    /// The secret of the one-time codes.
    pub totp: Option<TotpSecret>,
}

/// A user to add.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewUser {
    /// 1 to 64 ASCII letters, digits and `.`, `_`, `@`, `-`: see [`is_user_name`].
    pub name: String,
    /// What the user is called.
    pub display_name: Option<String>,
    /// What the user's sessions may at most do.
    pub scopes: Vec<String>,
    /// What upstreams are told about the user.
    pub roles: Vec<String>,
    /// The hash of the password; without one nobody logs in here under this name.
    pub password: Option<PasswordHash>,
}

impl NewUser {
    /// A user of this name with this password, and no scopes.
    #[must_use]
    pub fn new(name: impl Into<String>, password: Option<PasswordHash>) -> Self {
        Self { name: name.into(), display_name: None, scopes: Vec::new(), roles: Vec::new(), password }
    }
}

/// What an external login service says of a user. What it leaves out stays as it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalUser {
    /// The service's own name for the user, which never becomes another user's: 1 to 255 bytes.
    pub subject: String,
    /// The name that the user gets at the first login. Later ones change nothing.
    pub name: String,
    /// What the user is called.
    pub display_name: Option<String>,
    /// What the user's sessions may at most do.
    pub scopes: Option<Vec<String>>,
    /// What upstreams are told about the user.
    pub roles: Option<Vec<String>>,
}

impl ExternalUser {
    /// What is changed by it, if anything is.
    fn changes(&self, user: &User) -> Option<User> {
        let mut changed = user.clone();
        if self.display_name.is_some() {
            changed.display_name.clone_from(&self.display_name);
        }
        for (told, kept) in [(&self.scopes, &mut changed.scopes), (&self.roles, &mut changed.roles)] {
            if let Some(told) = told {
                kept.clone_from(told);
            }
        }
        (changed != *user).then_some(changed)
    }

    fn into_new(self) -> NewUser {
        let Self { name, display_name, scopes, roles, .. } = self;
        NewUser { name, display_name, scopes: scopes.unwrap_or_default(), roles: roles.unwrap_or_default(), password: None }
    }
}

/// A store of users.
pub trait UserStore: fmt::Debug + Send + Sync {
    /// The user of this name, letters compared with their case.
    fn user_named<'a>(&'a self, name: &'a str) -> Answer<'a, Option<User>>;

    /// The user with this id.
    fn user(&self, id: UserId) -> Answer<'_, Option<User>>;

    /// At most [`PAGE`](crate::store::PAGE) users by name, those after this name.
    fn users<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<User>>;

    /// Whether there is no user at all.
    fn has_no_user(&self) -> Answer<'_, bool>;

    /// The user of this name, and what a login is checked against.
    fn login<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Login>>;

    /// Adds a user.
    fn add_user(&self, new: NewUser, now: Timestamp) -> Answer<'_, User>;

    /// The user whom an external login service calls so, changed to what it says; added at the first login. A name that another user has is
    /// refused, however that one logs in.
    fn external_user(&self, told: ExternalUser, now: Timestamp) -> Answer<'_, User>;

    /// Switches a user on or off. Switching off raises the epoch.
    fn set_user_status(&self, id: UserId, status: UserStatus) -> Answer<'_, ()>;

    /// Sets another password, or takes it away, and raises the epoch.
    fn set_password(&self, id: UserId, password: Option<PasswordHash>, now: Timestamp) -> Answer<'_, ()>;

    /// Puts another hash of the same password in the place of this one, if it is still there. The epoch stays.
    fn renew_hash<'a>(&'a self, id: UserId, old: &'a PasswordHash, new: &'a PasswordHash) -> Answer<'a, bool>;

    /// Changes what the user may do and is called.
    fn set_rights(&self, id: UserId, scopes: Vec<String>, roles: Vec<String>) -> Answer<'_, ()>;

    /// Asks for one-time codes of this secret from now on, or for none.
    fn set_totp(&self, id: UserId, secret: Option<TotpSecret>) -> Answer<'_, ()>;

    /// Uses up a step of one-time codes with all before it: `false` if it was used up already, by whichever process.
    fn use_totp_step(&self, id: UserId, step: i64) -> Answer<'_, bool>;

    /// Ends every session of the user: the new epoch.
    fn raise_epoch(&self, id: UserId) -> Answer<'_, u64>;

    /// Ends every session of the user: how many were not over.
    fn end_sessions(&self, id: UserId, now: Timestamp) -> Answer<'_, u64>;
}

fn unknown(id: UserId) -> StoreError {
    StoreError::UnknownUser(id.to_string())
}

#[cfg(test)]
mod suite;
