//! Rows of users, read back: the same for every database.

use countersign_protocol::Timestamp;
use zeroize::Zeroizing;

use super::{Login, User, UserStatus};
use crate::error::StoreError;
use crate::master_key::{MasterKey, Place};
use crate::session::UserId;
use crate::session::password::PasswordHash;
use crate::session::totp::TotpSecret;

/// The columns of a [`UserRow`].
pub(super) const COLUMNS: &str = "id, name, display_name, status, scopes, roles, password_changed, epoch, created, external, \
     password IS NOT NULL, totp IS NOT NULL";
/// The columns that a login has beside them.
pub(super) const LOGIN_COLUMNS: &str = "password, totp";

/// A user as stored.
pub(super) struct UserRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) display_name: Option<String>,
    pub(super) status: String,
    pub(super) scopes: String,
    pub(super) roles: String,
    pub(super) password_changed: Option<i64>,
    pub(super) epoch: i64,
    pub(super) created: i64,
    pub(super) external: Option<String>,
    pub(super) has_password: bool,
    pub(super) has_totp: bool,
}

impl UserRow {
    pub(super) fn user(self) -> Result<User, StoreError> {
        let damaged = |fault| StoreError::Corrupt { row: format!("user {:?}", self.id), fault };
        let changed = self.password_changed.map(|millis| Timestamp::from_millis(millis).ok_or_else(|| damaged("its password's date")));
        Ok(User {
            id: UserId::parse(&self.id).ok_or_else(|| damaged("its id"))?,
            status: UserStatus::from_name(&self.status).ok_or_else(|| damaged("its status"))?,
            scopes: serde_json::from_str(&self.scopes).map_err(|_| damaged("its scopes"))?,
            roles: serde_json::from_str(&self.roles).map_err(|_| damaged("its roles"))?,
            epoch: u64::try_from(self.epoch).map_err(|_| damaged("its epoch"))?,
            password_changed: changed.transpose()?,
            created: Timestamp::from_millis(self.created).ok_or_else(|| damaged("its date"))?,
            name: self.name,
            display_name: self.display_name,
            external: self.external,
            has_password: self.has_password,
            has_totp: self.has_totp,
        })
    }

    pub(super) fn login(self, password: Option<String>, totp: Option<Vec<u8>>, key: &MasterKey) -> Result<Login, StoreError> {
        let user = self.user()?;
        let password = password.map(Zeroizing::new);
        let damaged = |fault| StoreError::Corrupt { row: format!("user {:?}", user.id.to_string()), fault };
        let password = password.map(|text| PasswordHash::parse(&text).ok_or_else(|| damaged("its password"))).transpose()?;
        let totp = totp.map(|sealed| open(key, user.id, &sealed).ok_or_else(|| damaged("the secret of its codes"))).transpose()?;
        Ok(Login { user, password, totp })
    }
}

/// Seals the secret of one-time codes for this user's row.
pub(super) fn seal(key: &MasterKey, id: UserId, secret: &TotpSecret) -> Result<Vec<u8>, StoreError> {
    key.seal(&place(&id.to_string()), secret.expose())
}

fn open(key: &MasterKey, id: UserId, sealed: &[u8]) -> Option<TotpSecret> {
    TotpSecret::from_bytes(&key.open_sealed(&place(&id.to_string()), sealed)?)
}

/// The one under which a rewrap seals it again.
const fn place(id: &str) -> Place<'_> {
    Place { table: "users", app: "", credential: id }
}

/// The text of a list. It holds nothing that JSON cannot write.
pub(super) fn to_json(list: &[String]) -> String {
    serde_json::to_string(list).unwrap_or_default()
}
