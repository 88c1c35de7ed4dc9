//! What every store of users must do, run on each of them.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::master_key::MasterKey;
use crate::session::password::PasswordHash;
use crate::store::SqliteStore;

const PHC: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
const OTHER: &str = "$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

fn hash(phc: &str) -> Option<PasswordHash> {
    Some(PasswordHash::parse(phc).unwrap())
}

fn sqlite(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("store.db"), Arc::new(MasterKey::open_or_create(&folder.join("master.key")).unwrap())).unwrap()
}

/// A store, and its number that rises when something ends.
trait Told: UserStore {
    fn told(&self) -> Answer<'_, u64>;
}

impl Told for SqliteStore {
    fn told(&self) -> Answer<'_, u64> {
        self.session_revision()
    }
}

#[cfg(feature = "postgres")]
impl Told for crate::store::PostgresStore {
    /// What the database itself says: what is told of it comes later.
    fn told(&self) -> Answer<'_, u64> {
        Box::pin(async move {
            let sql = "SELECT value::bigint FROM meta WHERE name = 'session revision'";
            Ok(self.client().await?.query_one(sql, &[]).await.unwrap().get::<_, i64>(0).unsigned_abs())
        })
    }
}

macro_rules! on_each {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&super::sqlite(folder.path())).await;
            })*
        }

        /// All of them on one server, each with a database of its own.
        #[cfg(feature = "postgres")]
        #[tokio::test]
        async fn each_case_on_postgres() {
            use crate::store::{PostgresOptions, PostgresStore};
            let server = countersign_testbed::Postgres::start();
            $({
                let key = Arc::new(MasterKey::ephemeral().unwrap());
                let url = server.new_database(stringify!($name));
                $name(&PostgresStore::open(&url, key, PostgresOptions::default()).await.unwrap()).await;
            })*
        }
    };
}

on_each!(
    what_is_added_is_found,
    misshapen_values_are_refused,
    names_that_look_alike_are_refused,
    what_ends_a_right_raises_the_epoch_or_is_told,
    a_hash_is_renewed_once,
    a_step_is_used_once,
    an_external_user_is_made_at_the_first_login,
    who_is_unknown_is_not_changed,
    listings_go_on_where_they_ended,
);

async fn what_is_added_is_found(store: &dyn Told) {
    assert!(store.has_no_user().await.unwrap());
    let mut new = NewUser::new("Ann@example.org", hash(PHC));
    (new.display_name, new.scopes, new.roles) = (Some("Änn".to_owned()), vec!["read".to_owned()], vec!["clerk".to_owned()]);
    let user = store.add_user(new, at(7)).await.unwrap();
    assert_eq!((user.name.as_str(), user.display_name.as_deref(), user.status), ("Ann@example.org", Some("Änn"), UserStatus::Active));
    assert_eq!((user.scopes.as_slice(), user.roles.as_slice()), (&["read".to_owned()][..], &["clerk".to_owned()][..]));
    assert_eq!((user.epoch, user.created, user.password_changed), (0, at(7), Some(at(7))));
    assert!(user.has_password && !user.has_totp && user.external.is_none());
    assert!(!store.has_no_user().await.unwrap());
    assert_eq!(store.user_named("Ann@example.org").await.unwrap().as_ref(), Some(&user));
    assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(&user));
    assert_eq!(store.user_named("ann@example.org").await.unwrap(), None, "the case counts");
    let login = store.login("Ann@example.org").await.unwrap().unwrap();
    assert_eq!((&login.user, &login.password, &login.totp), (&user, &hash(PHC), &None));
    assert!(store.login("nobody").await.unwrap().is_none());
    assert!(!format!("{login:?}").contains("CTFhFdXPJO1"), "{login:?}");
}

async fn misshapen_values_are_refused(store: &dyn Told) {
    for name in ["", "a b", "änn", "a\u{200b}", "a/b", "a\0", &"a".repeat(65)] {
        let refused = store.add_user(NewUser::new(name, None), at(0)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Invalid { field: "user", .. }), "{name:?}: {refused}");
    }
    let with = |scopes: &[&str], roles: &[&str]| {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        NewUser { scopes: list(scopes), roles: list(roles), ..NewUser::new("a", None) }
    };
    let many: Vec<&str> = vec!["s"; 65];
    for new in
        [with(&["a b"], &[]), with(&[""], &[]), with(&many, &[]), with(&[], &["\"x"]), with(&[], &[&"x".repeat(1_025)]), with(&["é"], &[])]
    {
        let told = format!("{new:?}");
        assert!(matches!(store.add_user(new, at(0)).await, Err(StoreError::Invalid { .. })), "{told}");
    }
    let long = NewUser { display_name: Some("x\ny".to_owned()), ..NewUser::new("a", None) };
    assert!(matches!(store.add_user(long, at(0)).await, Err(StoreError::Invalid { field: "display name", .. })));
    let user = store.add_user(NewUser::new(&*"a".repeat(64), None), at(0)).await.unwrap();
    assert!(store.set_rights(user.id, vec!["a b".to_owned()], Vec::new()).await.is_err());
}

async fn names_that_look_alike_are_refused(store: &dyn Told) {
    store.add_user(NewUser::new("admin", None), at(0)).await.unwrap();
    for name in ["admin", "Admin", "ADMIN"] {
        assert_eq!(store.add_user(NewUser::new(name, None), at(0)).await, Err(StoreError::UserExists(name.to_owned())));
    }
    assert_eq!(store.users("").await.unwrap().len(), 1);
}

async fn what_ends_a_right_raises_the_epoch_or_is_told(store: &dyn Told) {
    let id = store.add_user(NewUser::new("ann", hash(PHC)), at(0)).await.unwrap().id;
    let mut before = store.told().await.unwrap();
    let mut epoch = 0;
    for (what, raises) in [("disable", 1), ("enable", 0), ("password", 1), ("no password", 1), ("rights", 0), ("totp", 0), ("no totp", 0)] {
        // Made one after the other: the embedded store begins when it is asked.
        let change = match what {
            "disable" => store.set_user_status(id, UserStatus::Disabled),
            "enable" => store.set_user_status(id, UserStatus::Active),
            "password" => store.set_password(id, hash(OTHER), at(9)),
            "no password" => store.set_password(id, None, at(10)),
            "rights" => store.set_rights(id, vec!["s".to_owned()], vec!["r".to_owned()]),
            "totp" => store.set_totp(id, Some(TotpSecret::random().unwrap())),
            _ => store.set_totp(id, None),
        };
        change.await.unwrap();
        epoch += raises;
        let (user, told) = (store.user(id).await.unwrap().unwrap(), store.told().await.unwrap());
        assert_eq!(user.epoch, epoch, "{what}");
        assert!(told > before, "{what}");
        before = told;
    }
    assert_eq!(store.raise_epoch(id).await.unwrap(), epoch + 1);
    assert!(store.told().await.unwrap() > before);
    let user = store.user(id).await.unwrap().unwrap();
    assert_eq!((user.epoch, user.password_changed, user.has_password, user.has_totp), (epoch + 1, Some(at(10)), false, false));
    assert_eq!((user.scopes, user.roles, user.status), (vec!["s".to_owned()], vec!["r".to_owned()], UserStatus::Active));
}

async fn a_hash_is_renewed_once(store: &dyn Told) {
    let id = store.add_user(NewUser::new("ann", hash(PHC)), at(0)).await.unwrap().id;
    let (old, new) = (hash(PHC).unwrap(), hash(OTHER).unwrap());
    assert!(store.renew_hash(id, &old, &new).await.unwrap());
    assert!(!store.renew_hash(id, &old, &old).await.unwrap(), "a password that was changed meanwhile stays");
    let login = store.login("ann").await.unwrap().unwrap();
    assert_eq!((login.password, login.user.epoch, login.user.password_changed), (hash(OTHER), 0, Some(at(0))));
}

async fn a_step_is_used_once(store: &dyn Told) {
    let id = store.add_user(NewUser::new("ann", None), at(0)).await.unwrap().id;
    assert!(!store.use_totp_step(id, 5).await.unwrap(), "there is no secret");
    let secret = TotpSecret::random().unwrap();
    store.set_totp(id, Some(secret.clone())).await.unwrap();
    assert_eq!(store.login("ann").await.unwrap().unwrap().totp, Some(secret));
    let [one, other] = [store.use_totp_step(id, 5), store.use_totp_step(id, 5)];
    let (one, other) = tokio::join!(one, other);
    assert_eq!(u8::from(one.unwrap()) + u8::from(other.unwrap()), 1);
    assert!(!store.use_totp_step(id, 4).await.unwrap(), "nor the one before it");
    assert!(store.use_totp_step(id, 6).await.unwrap());
    store.set_totp(id, Some(TotpSecret::random().unwrap())).await.unwrap();
    assert!(store.use_totp_step(id, 5).await.unwrap(), "a new secret has new steps");
}

async fn an_external_user_is_made_at_the_first_login(store: &dyn Told) {
    let told = |subject: &str, name: &str| ExternalUser {
        subject: subject.to_owned(),
        name: name.to_owned(),
        display_name: None,
        scopes: Some(vec!["read".to_owned()]),
        roles: None,
    };
    store.add_user(NewUser::new("local", hash(PHC)), at(0)).await.unwrap();
    let user = store.external_user(told("s-1", "ann"), at(3)).await.unwrap();
    assert_eq!((user.name.as_str(), user.external.as_deref(), user.has_password, user.created), ("ann", Some("s-1"), false, at(3)));
    let before = store.told().await.unwrap();
    assert_eq!(store.external_user(told("s-1", "ann"), at(4)).await.unwrap(), user);
    assert_eq!(store.told().await.unwrap(), before, "nothing was changed");
    let narrowed = ExternalUser { scopes: Some(Vec::new()), display_name: Some("Ann".to_owned()), ..told("s-1", "renamed") };
    let changed = store.external_user(narrowed, at(5)).await.unwrap();
    assert_eq!((changed.id, changed.name.as_str(), changed.display_name.as_deref()), (user.id, "ann", Some("Ann")));
    assert!(changed.scopes.is_empty() && store.told().await.unwrap() > before);
    // Who controls the service controls no user of another origin.
    for name in ["local", "LOCAL", "ann"] {
        assert_eq!(store.external_user(told("s-2", name), at(6)).await, Err(StoreError::UserExists(name.to_owned())), "{name}");
    }
    for misshapen in [told("", "x"), told("s-3", "a b"), told("s-3", "")] {
        assert!(matches!(store.external_user(misshapen, at(6)).await, Err(StoreError::Invalid { .. })));
    }
    let (one, other) = tokio::join!(store.external_user(told("s-4", "bob"), at(7)), store.external_user(told("s-4", "bob"), at(7)));
    assert_eq!(one.unwrap().id, other.unwrap().id);
}

async fn who_is_unknown_is_not_changed(store: &dyn Told) {
    let id = UserId::from_bytes([7; 16]);
    let before = store.told().await.unwrap();
    for change in [
        store.set_user_status(id, UserStatus::Disabled),
        store.set_password(id, None, at(0)),
        store.set_rights(id, Vec::new(), Vec::new()),
        store.set_totp(id, None),
    ] {
        assert_eq!(change.await, Err(StoreError::UnknownUser(id.to_string())));
    }
    assert_eq!(store.raise_epoch(id).await, Err(StoreError::UnknownUser(id.to_string())));
    assert_eq!(store.end_sessions(id, at(0)).await, Err(StoreError::UnknownUser(id.to_string())));
    assert_eq!(store.user(id).await, Ok(None));
    assert_eq!(store.told().await.unwrap(), before);
}

async fn listings_go_on_where_they_ended(store: &dyn Told) {
    for name in ["b", "A", "a.x", "c"] {
        store.add_user(NewUser::new(name, None), at(0)).await.unwrap();
    }
    let names = |users: Vec<User>| users.into_iter().map(|user| user.name).collect::<Vec<_>>();
    assert_eq!(names(store.users("").await.unwrap()), ["A", "a.x", "b", "c"]);
    assert_eq!(names(store.users("a.x").await.unwrap()), ["b", "c"]);
}

/// A secret, and a code that was used, are the same under another master key.
async fn rewrapped(store: &dyn UserStore, id: UserId, secret: &TotpSecret) {
    assert_eq!(store.login("ann").await.unwrap().unwrap().totp.as_ref(), Some(secret));
    assert!(!store.use_totp_step(id, 5).await.unwrap() && store.use_totp_step(id, 6).await.unwrap());
}

async fn enrolled(store: &dyn UserStore) -> (UserId, TotpSecret) {
    let (id, secret) = (store.add_user(NewUser::new("ann", hash(PHC)), at(0)).await.unwrap().id, TotpSecret::random().unwrap());
    store.set_totp(id, Some(secret.clone())).await.unwrap();
    assert!(store.use_totp_step(id, 5).await.unwrap());
    (id, secret)
}

#[tokio::test]
async fn a_rewrap_keeps_the_secrets_of_codes() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let (id, secret) = enrolled(&store).await;
    let new = Arc::new(MasterKey::ephemeral().unwrap());
    store.rewrap(Arc::clone(&new)).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&folder.path().join("store.db"), new).unwrap();
    rewrapped(&store, id, &secret).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_rewrap_keeps_the_secrets_of_codes_on_postgres() {
    use crate::store::{PostgresOptions, PostgresStore};
    let server = countersign_testbed::Postgres::start();
    let open = async |key| PostgresStore::open(&server.url(), key, PostgresOptions::default()).await.unwrap();
    let store = open(Arc::new(MasterKey::ephemeral().unwrap())).await;
    let (id, secret) = enrolled(&store).await;
    let new = Arc::new(MasterKey::ephemeral().unwrap());
    store.rewrap(&new).await.unwrap();
    rewrapped(&open(new).await, id, &secret).await;
}

/// A sealed secret that is moved to another user's row opens nothing.
#[tokio::test]
async fn a_secret_of_codes_belongs_to_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let (id, secret) = enrolled(&store).await;
    store.add_user(NewUser::new("bob", hash(PHC)), at(0)).await.unwrap();
    let db = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    db.execute("UPDATE users SET totp = (SELECT totp FROM users WHERE id = ?1) WHERE name = 'bob'", [id.to_string()]).unwrap();
    assert!(matches!(store.login("bob").await, Err(StoreError::Corrupt { .. })));
    let stored: Vec<u8> = db.query_row("SELECT totp FROM users WHERE name = 'ann'", [], |row| row.get(0)).unwrap();
    assert!(!stored.windows(secret.expose().len()).any(|w| w == secret.expose()));
}
