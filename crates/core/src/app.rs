//! Apps and their credentials, as registered and as stored.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_protocol::{Algorithm, Credential, KeyMaterial, Secret, Timestamp};
use ipnet::IpNet;

use crate::limit::Rate;

/// How often at most a credential's last use is written down.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// Whether an app or credential may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// Registered, not approved yet.
    Pending,
    /// In use.
    #[default]
    Active,
    /// Switched off.
    Disabled,
}

impl Status {
    const NAMED: [(&'static str, Self); 3] = [("pending", Self::Pending), ("active", Self::Active), ("disabled", Self::Disabled)];

    /// `pending`, `active` or `disabled`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(n, _)| *n == name).map(|(_, status)| *status)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A registered caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The unique name: letters, digits, `.`, `_` and `-`, at most 64 of them.
    pub name: String,
    /// Whether its credentials may be used at all.
    pub status: Status,
    /// Free notes of the operator.
    pub labels: BTreeMap<String, String>,
    /// What it may do; routes ask for scopes.
    pub scopes: Vec<String>,
    /// From where it may call; from anywhere when empty.
    pub addresses: Vec<IpNet>,
    /// How often it may call; absent: as often as the gateway takes requests.
    pub rate: Option<Rate>,
    /// When it was registered.
    pub created: Timestamp,
}

impl App {
    /// An active app without labels, scopes or limits.
    #[must_use]
    pub fn new(name: impl Into<String>, created: Timestamp) -> Self {
        let name = name.into();
        Self { name, status: Status::Active, labels: BTreeMap::new(), scopes: Vec::new(), addresses: Vec::new(), rate: None, created }
    }

    /// Whether it may call from this address. Where it may not call from everywhere, an address that is not known is refused.
    #[must_use]
    pub fn may_call_from(&self, address: Option<IpAddr>) -> bool {
        let address = address.map(|address| address.to_canonical());
        self.addresses.is_empty() || address.is_some_and(|address| self.addresses.iter().any(|range| range.contains(&address)))
    }
}

/// What is registered with a credential beside its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The ids of the dialects that it is bound to.
    pub dialects: Vec<String>,
    /// Inputs of its dialects that it pins, such as a region.
    pub inputs: BTreeMap<String, String>,
    /// Whether it may be used.
    pub status: Status,
    /// Not used before this.
    pub not_before: Option<Timestamp>,
    /// Not used after this.
    pub not_after: Option<Timestamp>,
    /// Whether a refused caller is shown the exact reason and the masked string to sign.
    pub diagnostics: bool,
}

impl Terms {
    /// Active, without end, bound to these dialects.
    #[must_use]
    pub fn new(dialects: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            dialects: dialects.into_iter().map(Into::into).collect(),
            inputs: BTreeMap::new(),
            status: Status::Active,
            not_before: None,
            not_after: None,
            diagnostics: false,
        }
    }

    /// The same with an input that it pins.
    #[must_use]
    pub fn with_input(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inputs.insert(name.into(), value.into());
        self
    }
}

/// A credential to be registered.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// The unique key id, at most 128 bytes.
    pub key_id: String,
    /// The key.
    pub material: KeyMaterial,
    /// Further secret parts, by name.
    pub parts: Vec<(String, Secret)>,
    /// The algorithms that it is registered for; empty: the dialect's own choice.
    pub algorithms: Vec<Algorithm>,
    /// The rest.
    pub terms: Terms,
}

impl NewCredential {
    /// A credential with this key, without further parts or registered algorithms.
    #[must_use]
    pub fn new(key_id: impl Into<String>, material: KeyMaterial, terms: Terms) -> Self {
        Self { key_id: key_id.into(), material, parts: Vec::new(), algorithms: Vec::new(), terms }
    }

    /// The successor of a credential: another key id and key under the same terms, valid from now on.
    #[must_use]
    pub fn successor(of: &StoredCredential, key_id: impl Into<String>, material: KeyMaterial) -> Self {
        let terms = Terms { not_before: None, not_after: None, status: Status::Active, ..of.terms.clone() };
        let algorithms =
            if material.family() == of.credential.material().family() { of.credential.algorithms().to_vec() } else { Vec::new() };
        Self { key_id: key_id.into(), material, parts: of.parts.clone(), algorithms, terms }
    }

    pub(crate) fn stored(self, app: &str, created: Timestamp) -> StoredCredential {
        let mut credential = Credential::new(self.key_id, self.material);
        for (name, secret) in &self.parts {
            credential = credential.with_part(name.clone(), secret.clone());
        }
        for algorithm in self.algorithms {
            credential = credential.with_algorithm(algorithm);
        }
        StoredCredential {
            app: app.to_owned(),
            credential,
            parts: self.parts,
            terms: self.terms,
            created,
            last_used: None,
            last_used_with: None,
        }
    }
}

/// A credential as it is stored.
#[derive(Debug, Clone)]
pub struct StoredCredential {
    /// The name of the app that owns it.
    pub app: String,
    /// Key id, key, further parts and registered algorithms.
    pub credential: Credential,
    pub(crate) parts: Vec<(String, Secret)>,
    /// The rest of what was registered.
    pub terms: Terms,
    /// When it was registered.
    pub created: Timestamp,
    /// When it was last used, to the minute; `None` if never.
    pub last_used: Option<Timestamp>,
    /// The dialect of its last use.
    pub last_used_with: Option<String>,
}

impl StoredCredential {
    /// Whether nobody can use it any more: it is switched off, or its validity is over.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.terms.status == Status::Disabled || self.terms.not_after.is_some_and(|end| end < now)
    }
}

/// A credential together with its app: what a look-up finds.
#[derive(Debug)]
pub struct Registered {
    /// The app.
    pub app: App,
    /// The credential.
    pub stored: StoredCredential,
    touched: AtomicI64,
    brought: bool,
}

impl Registered {
    /// Joins the two.
    #[must_use]
    pub fn new(app: App, stored: StoredCredential) -> Self {
        let touched = AtomicI64::new(stored.last_used.map_or(i64::MIN, Timestamp::millis));
        Self { app, stored, touched, brought: false }
    }

    /// A credential that is in no store: a caller brought it, or it belongs to a session.
    #[must_use]
    pub fn brought(app: App, credential: NewCredential, now: Timestamp) -> Self {
        let stored = credential.stored(&app.name, now);
        Self { brought: true, ..Self::new(app, stored) }
    }

    /// Whether no store has it: then its uses are not written down.
    pub(crate) const fn is_brought(&self) -> bool {
        self.brought
    }

    /// Whether a use at this time is to be written down; true at most once a minute, for one caller.
    pub(crate) fn due(&self, now: Timestamp) -> bool {
        let before = self.touched.load(Ordering::Relaxed);
        let due = before <= now.minus(TOUCH_EVERY).millis();
        due && self.touched.compare_exchange(before, now.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    #[test]
    fn a_use_is_written_once_a_minute() {
        let stored = NewCredential::new("k", KeyMaterial::Hmac("s".into()), Terms::new(["d"])).stored("a", at(0));
        let registered = Registered::new(App::new("a", at(0)), stored);
        let due: Vec<bool> = [100, 101, 159, 160, 161].into_iter().map(|s| registered.due(at(s))).collect();
        assert_eq!(due, [true, false, false, true, false]);
    }

    #[test]
    fn an_app_calls_from_its_own_ranges() {
        let mut app = App::new("a", at(0));
        assert!(app.may_call_from(None));
        app.addresses = ["192.0.2.0/24", "2001:db8::/32"].map(|range| range.parse().unwrap()).to_vec();
        for (address, may) in
            [("192.0.2.9", true), ("192.0.3.9", false), ("2001:db8::1", true), ("2001:db9::1", false), ("::ffff:192.0.2.9", true)]
        {
            assert_eq!(app.may_call_from(Some(address.parse().unwrap())), may, "{address}");
        }
        assert!(!app.may_call_from(None));
    }

    #[test]
    fn status_names_are_read_back() {
        for (name, status) in Status::NAMED {
            assert_eq!((Status::from_name(name), status.as_str()), (Some(status), name));
        }
        assert_eq!(Status::from_name("Active"), None);
    }

    #[test]
    fn a_successor_keeps_the_terms_but_not_the_dates() {
        let mut terms = Terms::new(["d"]).with_input("region", "r");
        terms.not_after = Some(at(9));
        let old = NewCredential::new("k", KeyMaterial::Hmac("s".into()), terms).stored("a", at(0));
        let new = NewCredential::successor(&old, "k2", KeyMaterial::Hmac("t".into()));
        assert_eq!((new.terms.inputs.len(), new.terms.not_after, new.terms.dialects.len()), (1, None, 1));
    }
}
