//! Logging in: who an attempt's user is, or that it is refused, without telling why.
//!
//! A peer must not learn which names exist. So every refusal is the same, and each costs the same: exactly one hash, whether the name is
//! unknown, the password wrong, the user switched off or the account waiting; and none for a password that nobody can have.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};

use super::UserId;
use super::password::{MOST_BYTES, PasswordError, PasswordHash, Passwords};
use super::throttle::{Throttle, TooMany};
use super::user::{Login, User, UserStatus, UserStore, is_user_name};
use crate::error::StoreError;
use crate::store::Answer;

/// An attempt to log in. `Debug` shows neither password nor code.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// The name, as it was sent.
    pub username: &'a str,
    /// The password, as it was sent.
    pub password: &'a Secret,
    /// The one-time code, where one was sent.
    pub totp: Option<&'a str>,
    /// The app that signed the request.
    pub app: &'a str,
    /// The peer's address.
    pub address: IpAddr,
    /// Whether it was counted already, by [`Authenticator::arrive`].
    pub is_counted: bool,
    /// The current time.
    pub now: Timestamp,
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, app, address, now, .. } = self;
        let mut shown = f.debug_struct("Attempt");
        shown.field("username", username).field("app", app).field("address", address).field("now", now).finish_non_exhaustive()
    }
}

/// A user who has proved to be it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The user, as of the moment at which the password was looked up: a later epoch ends what begins with it.
    pub user: User,
    /// How: `pwd`, and `otp` where a code was asked for (RFC 8176).
    pub methods: Vec<&'static str>,
    /// Whether an external login service said so.
    pub external: bool,
}

/// What becomes of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The user is known.
    Authenticated(Box<Authenticated>),
    /// It is refused. All that a peer may learn is that.
    Rejected(Rejected),
    /// It was not looked at: too many come from this address, or to this gateway.
    TooMany(TooMany),
    /// It was not looked at: too many passwords are being checked.
    Busy,
}

/// A refusal. Its text is the same for every reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    reason: LoginReason,
    user: Option<UserId>,
}

impl Rejected {
    /// A refusal for this reason, of this user if there is one.
    #[must_use]
    pub const fn new(reason: LoginReason, user: Option<UserId>) -> Self {
        Self { reason, user }
    }

    /// Why: for the audit log only, never for the peer.
    #[must_use]
    pub const fn reason(&self) -> LoginReason {
        self.reason
    }

    /// Whose name it was: for the audit log only, never for the peer.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        self.user
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name, the password or the code is wrong, or this user may not log in now")
    }
}

/// Why an attempt was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginReason {
    /// There is no user of this name.
    UnknownUser,
    /// The password is another one.
    WrongPassword,
    /// The password is empty or longer than any may be.
    PasswordSize,
    /// The user logs in elsewhere.
    NoPassword,
    /// The user is switched off.
    Disabled,
    /// There were too many guesses, and the account waits. The password may have been right.
    Throttled,
    /// The password was right, and a one-time code is missing.
    TotpMissing,
    /// The password was right, and the one-time code is wrong.
    TotpWrong,
    /// The password was right, and the one-time code was used before.
    TotpUsed,
    /// The external login service refused it.
    External,
    /// The external login service names a user whose name another user has here.
    NameTaken,
}

impl LoginReason {
    /// The word in records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::PasswordSize => "password_size",
            Self::NoPassword => "no_password",
            Self::Disabled => "disabled",
            Self::Throttled => "throttled",
            Self::TotpMissing => "totp_missing",
            Self::TotpWrong => "totp_wrong",
            Self::TotpUsed => "totp_used",
            Self::External => "external",
            Self::NameTaken => "name_taken",
        }
    }
}

/// What decides who an attempt's user is.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// Decides. A store or service that does not answer is an error: then nobody logs in.
    fn authenticate<'a>(&'a self, attempt: Attempt<'a>) -> Answer<'a, Outcome>;

    /// Counts an attempt from this address, before anything is spent on it: see [`Attempt::is_counted`]. Without a throttle of its own none is too many.
    fn arrive(&self, _address: IpAddr, _now: Timestamp) -> Answer<'_, Result<(), TooMany>> {
        Box::pin(std::future::ready(Ok(Ok(()))))
    }
}

/// Whether a password has no bytes, or more than any may have. It is refused before a hash is spent on it, for every name alike.
#[must_use]
pub fn is_no_password(password: &Secret) -> bool {
    password.is_empty() || password.expose().len() > MOST_BYTES
}

/// Logins with the names, passwords and one-time codes of a store.
#[derive(Debug)]
pub struct PasswordAuthenticator {
    users: Arc<dyn UserStore>,
    passwords: Arc<Passwords>,
    throttle: Arc<Throttle>,
}

impl PasswordAuthenticator {
    /// Logins of these users.
    #[must_use]
    pub const fn new(users: Arc<dyn UserStore>, passwords: Arc<Passwords>, throttle: Arc<Throttle>) -> Self {
        Self { users, passwords, throttle }
    }

    async fn decide(&self, attempt: Attempt<'_>) -> Result<Outcome, StoreError> {
        if let Err(too_many) = self.throttle.arrive_once(&attempt).await? {
            return Ok(Outcome::TooMany(too_many));
        }
        if is_no_password(attempt.password) {
            return Ok(Outcome::Rejected(Rejected::new(LoginReason::PasswordSize, None)));
        }
        // Before the guess is counted: who floods the queue does not make accounts wait.
        let Ok(turn) = self.passwords.turn().await else { return Ok(Outcome::Busy) };
        let may_guess = self.throttle.begin(attempt.username, attempt.now).await?;
        let login = if is_user_name(attempt.username) { self.users.login(attempt.username).await? } else { None };
        let hash = login.as_ref().and_then(|login| login.password.as_ref());
        // Whatever is known by now, one hash is computed, and nothing is decided before it.
        let is_right = self.passwords.check(turn, attempt.password, hash).await.map_err(|error| unavailable(&error))?;
        match permitted(may_guess, login.as_ref(), is_right) {
            Ok(login) => self.second_factor(attempt, login).await,
            Err(reason) => Ok(Outcome::Rejected(Rejected::new(reason, login.as_ref().map(|login| login.user.id)))),
        }
    }

    async fn second_factor(&self, attempt: Attempt<'_>, login: &Login) -> Result<Outcome, StoreError> {
        let id = login.user.id;
        let rejected = |reason| Ok(Outcome::Rejected(Rejected::new(reason, Some(id))));
        let mut methods = vec!["pwd"];
        if let Some(secret) = &login.totp {
            let Some(code) = attempt.totp else { return rejected(LoginReason::TotpMissing) };
            let Some(step) = secret.step_of(code, attempt.now) else { return rejected(LoginReason::TotpWrong) };
            if !self.users.use_totp_step(id, step).await? {
                return rejected(LoginReason::TotpUsed);
            }
            methods.push("otp");
        }
        self.throttle.succeeded(attempt.username).await?;
        if let Some(hash) = login.password.as_ref().filter(|hash| self.passwords.is_outdated(hash)) {
            self.renew(id, attempt.password, hash).await;
        }
        Ok(Outcome::Authenticated(Box::new(Authenticated { user: login.user.clone(), methods, external: false })))
    }

    /// Makes the hash anew, at today's cost. If that cannot be done now, the next login does it.
    async fn renew(&self, id: UserId, password: &Secret, old: &PasswordHash) {
        let Ok(new) = self.passwords.make_again(password).await else { return };
        if let Err(error) = self.users.renew_hash(id, old, &new).await {
            tracing::warn!(%error, "a password's hash was not renewed");
        }
    }
}

impl Authenticator for PasswordAuthenticator {
    fn authenticate<'a>(&'a self, attempt: Attempt<'a>) -> Answer<'a, Outcome> {
        Box::pin(self.decide(attempt))
    }

    fn arrive(&self, address: IpAddr, now: Timestamp) -> Answer<'_, Result<(), TooMany>> {
        Box::pin(self.throttle.arrive(address, now))
    }
}

/// Whose password it is, where all that is known permits it.
fn permitted(may_guess: bool, login: Option<&Login>, is_right: bool) -> Result<&Login, LoginReason> {
    match login {
        _ if !may_guess => Err(LoginReason::Throttled),
        None => Err(LoginReason::UnknownUser),
        Some(Login { password: None, .. }) => Err(LoginReason::NoPassword),
        Some(login) if login.user.status != UserStatus::Active => Err(LoginReason::Disabled),
        Some(_) if !is_right => Err(LoginReason::WrongPassword),
        Some(login) => Ok(login),
    }
}

fn unavailable(error: &PasswordError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests;
