//! Every way in which a login ends, with the number of hashes that it costs.

use std::time::Duration;

use super::*;
use crate::master_key::MasterKey;
use crate::session::password::tests::{CHEAP, Counting, cheap};
use crate::session::password::{Hasher, Parameters, PasswordOptions};
use crate::session::throttle::ThrottleLimits;
use crate::session::totp::TotpSecret;
use crate::session::user::NewUser;
use crate::store::SqliteStore;

const RIGHT: &str = "correct horse";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

struct Site {
    store: Arc<SqliteStore>,
    hasher: Arc<Counting>,
    passwords: Arc<Passwords>,
    logins: PasswordAuthenticator,
    folder: tempfile::TempDir,
}

impl Site {
    fn new(options: PasswordOptions, limits: ThrottleLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(MasterKey::open_or_create(&folder.path().join("master.key")).unwrap());
        let store = Arc::new(SqliteStore::open(&folder.path().join("store.db"), key).unwrap());
        let hasher = Arc::new(Counting::default());
        let passwords = Arc::new(Passwords::with_hasher(options, Arc::clone(&hasher) as Arc<dyn Hasher>).unwrap());
        let throttle = Arc::new(Throttle::new(Arc::clone(&store) as _, limits));
        let logins = PasswordAuthenticator::new(Arc::clone(&store) as _, Arc::clone(&passwords), throttle);
        Self { store, hasher, passwords, logins, folder }
    }

    /// One with `ann`, whose password is right, and many guesses from one address.
    async fn with_ann() -> (Self, UserId) {
        let site = Self::new(cheap(), ThrottleLimits { per_address: Some(10_000), per_gateway: 10_000, ..ThrottleLimits::default() });
        let id = site.add("ann").await;
        (site, id)
    }

    async fn add(&self, name: &str) -> UserId {
        let hash = self.passwords.make(&RIGHT.into(), name).await.unwrap();
        self.hasher.take();
        self.store.add_user(NewUser::new(name, Some(hash)), at(0)).await.unwrap().id
    }

    async fn login(&self, username: &str, password: &str, totp: Option<&str>, now: i64) -> Outcome {
        let password = Secret::from(password);
        let address = "192.0.2.1".parse().unwrap();
        let attempt = Attempt { username, password: &password, totp, app: "web", address, is_counted: false, now: at(now) };
        assert!(!format!("{attempt:?}").contains(RIGHT));
        self.logins.authenticate(attempt).await.unwrap()
    }

    /// Why it was refused, and how many hashes that cost.
    async fn refused(&self, username: &str, password: &str, totp: Option<&str>, now: i64) -> (&'static str, usize) {
        match self.login(username, password, totp, now).await {
            Outcome::Rejected(rejected) => {
                let said = rejected.to_string();
                assert_eq!(said, Rejected::new(LoginReason::UnknownUser, None).to_string(), "the same for every reason");
                (rejected.reason().as_str(), self.hasher.take())
            }
            other => panic!("{other:?}"),
        }
    }

    async fn methods(&self, username: &str, totp: Option<&str>, now: i64) -> Vec<&'static str> {
        match self.login(username, RIGHT, totp, now).await {
            Outcome::Authenticated(who) => {
                assert_eq!((who.user.name.as_str(), who.external), (username, false));
                who.methods
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn each_refusal_costs_one_hash() {
    let (site, ann) = Site::with_ann().await;
    let off = site.add("off").await;
    site.store.set_user_status(off, UserStatus::Disabled).await.unwrap();
    site.store.add_user(NewUser::new("elsewhere", None), at(0)).await.unwrap();
    assert_eq!(site.methods("ann", None, 0).await, ["pwd"]);
    assert_eq!(site.hasher.take(), 1);
    let long = "x".repeat(1_024);
    for (username, password, reason) in [
        ("nobody", RIGHT, "unknown_user"),
        ("ANN", RIGHT, "unknown_user"),
        ("", RIGHT, "unknown_user"),
        ("ann\0", RIGHT, "unknown_user"),
        (&*"n".repeat(100_000), RIGHT, "unknown_user"),
        ("' OR 1=1 --", RIGHT, "unknown_user"),
        ("ann", "wrong horse", "wrong_password"),
        ("ann", "x", "wrong_password"),
        ("ann", &long, "wrong_password"),
        ("off", RIGHT, "disabled"),
        ("off", "wrong horse", "disabled"),
        ("elsewhere", RIGHT, "no_password"),
    ] {
        assert_eq!(site.refused(username, password, None, 0).await, (reason, 1), "{username:.20} {password:.20}");
    }
    // Three guesses were counted: the account waits, and the right password looks like a wrong one.
    assert_eq!(site.refused("ann", RIGHT, None, 0).await, ("throttled", 1));
    assert_eq!(site.refused("ann", "wrong horse", None, 0).await, ("throttled", 1));
    assert_eq!(site.methods("ann", None, 1).await, ["pwd"], "and then it is right again");
    assert_eq!(site.hasher.take(), 1);
    // A name that nobody has waits as well.
    for _ in 0..2 {
        assert_eq!(site.refused("nobody", RIGHT, None, 0).await, ("unknown_user", 1));
    }
    assert_eq!(site.refused("nobody", RIGHT, None, 0).await, ("throttled", 1));
    site.store.set_totp(ann, Some(TotpSecret::random().unwrap())).await.unwrap();
    site.hasher.take();
    assert_eq!(site.refused("ann", RIGHT, None, 1).await, ("totp_missing", 1));
    assert_eq!(site.refused("ann", RIGHT, Some("000"), 1).await, ("totp_wrong", 1));
}

#[tokio::test]
async fn what_nobody_can_have_costs_no_hash() {
    let (site, _) = Site::with_ann().await;
    let long = "x".repeat(1_025);
    for username in ["ann", "nobody", ""] {
        for password in ["", &long] {
            assert_eq!(site.refused(username, password, None, 0).await, ("password_size", 0), "{username}");
        }
    }
}

#[tokio::test]
async fn what_nobody_can_have_is_counted_too() {
    let limits = ThrottleLimits { per_address: Some(2), ..ThrottleLimits::default() };
    let site = Site::new(cheap(), limits);
    for _ in 0..2 {
        assert_eq!(site.refused("ann", "", None, 0).await, ("password_size", 0));
    }
    let wait = TooMany { retry_after: Duration::from_secs(60) };
    assert_eq!(site.login("ann", "", None, 0).await, Outcome::TooMany(wait));
    // One that was counted when it came is not counted again.
    let site = Site::new(cheap(), limits);
    let address = "192.0.2.1".parse().unwrap();
    let password = Secret::from("");
    let attempt = Attempt { username: "ann", password: &password, totp: None, app: "web", address, is_counted: true, now: at(0) };
    for _ in 0..3 {
        assert!(matches!(site.logins.authenticate(attempt).await.unwrap(), Outcome::Rejected(_)));
    }
    for counted in [Ok(()), Ok(()), Err(wait)] {
        assert_eq!(site.logins.arrive(address, at(0)).await.unwrap(), counted);
    }
}

#[tokio::test]
async fn a_success_forgets_the_guesses_of_that_account_only() {
    let (site, _) = Site::with_ann().await;
    site.add("bob").await;
    for name in ["ann", "ann", "bob", "bob"] {
        assert_eq!(site.refused(name, "wrong horse", None, 0).await.0, "wrong_password");
    }
    site.methods("ann", None, 0).await;
    for _ in 0..2 {
        assert_eq!(site.refused("ann", "wrong horse", None, 0).await.0, "wrong_password");
    }
    assert_eq!(site.refused("bob", "wrong horse", None, 0).await.0, "wrong_password");
    assert_eq!(site.refused("bob", RIGHT, None, 0).await.0, "throttled");
}

#[tokio::test]
async fn a_code_is_used_once_and_not_by_a_wrong_password() {
    let (site, ann) = Site::with_ann().await;
    let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
    site.store.set_totp(ann, Some(secret)).await.unwrap();
    // RFC 6238, appendix B: at 59 s.
    let code = Some("287082");
    assert_eq!(site.refused("ann", "wrong horse", code, 59).await, ("wrong_password", 1));
    assert_eq!(site.refused("ann", RIGHT, Some("287083"), 59).await, ("totp_wrong", 1));
    assert_eq!(site.methods("ann", code, 59).await, ["pwd", "otp"]);
    site.hasher.take();
    assert_eq!(site.refused("ann", RIGHT, code, 60).await, ("totp_used", 1));
    // RFC 4226, appendix D, count 0: the step before the one that was used.
    assert_eq!(site.refused("ann", RIGHT, Some("755224"), 29).await, ("totp_used", 1));
}

#[tokio::test]
async fn who_guesses_codes_waits() {
    let (site, ann) = Site::with_ann().await;
    site.store.set_totp(ann, Some(TotpSecret::random().unwrap())).await.unwrap();
    let mut looked_at = 0;
    for _ in 0..50 {
        looked_at += usize::from(site.refused("ann", RIGHT, Some("000000"), 5).await.0 != "throttled");
    }
    assert_eq!(looked_at, 3);
}

#[tokio::test]
async fn one_code_at_two_places_is_one_login() {
    let (site, ann) = Site::with_ann().await;
    site.store.set_totp(ann, Some(TotpSecret::from_bytes(b"12345678901234567890").unwrap())).await.unwrap();
    let (one, other) = tokio::join!(site.login("ann", RIGHT, Some("287082"), 59), site.login("ann", RIGHT, Some("287082"), 59));
    let succeeded = [one, other].iter().filter(|outcome| matches!(outcome, Outcome::Authenticated(_))).count();
    assert_eq!(succeeded, 1);
}

#[tokio::test]
async fn too_many_from_one_address_are_not_looked_at() {
    let site = Site::new(cheap(), ThrottleLimits { per_address: Some(2), ..ThrottleLimits::default() });
    site.add("ann").await;
    for _ in 0..2 {
        assert_eq!(site.refused("nobody", RIGHT, None, 0).await.1, 1);
    }
    for name in ["ann", "nobody"] {
        let outcome = site.login(name, RIGHT, None, 0).await;
        assert_eq!(outcome, Outcome::TooMany(TooMany { retry_after: Duration::from_secs(60) }));
    }
    assert_eq!(site.hasher.take(), 0);
    assert_eq!(site.methods("ann", None, 60).await, ["pwd"]);
}

#[tokio::test]
async fn a_full_queue_is_told_and_no_guess_is_counted() {
    let site = Site::new(PasswordOptions { at_once: 1, queue: 0, ..cheap() }, ThrottleLimits::default());
    site.add("ann").await;
    let held = site.passwords.turn().await.unwrap();
    for _ in 0..10 {
        assert_eq!(site.login("ann", RIGHT, None, 0).await, Outcome::Busy);
    }
    drop(held);
    assert_eq!(site.methods("ann", None, 0).await, ["pwd"]);
}

#[tokio::test]
async fn a_hash_of_another_cost_is_renewed() {
    let (site, id) = Site::with_ann().await;
    let dearer = PasswordOptions { parameters: Parameters::new(16, 1, 1).unwrap(), ..cheap() };
    let passwords = Arc::new(Passwords::with_hasher(dearer, Arc::clone(&site.hasher) as Arc<dyn Hasher>).unwrap());
    let throttle = Arc::new(Throttle::new(Arc::clone(&site.store) as _, ThrottleLimits::default()));
    let site = Site { logins: PasswordAuthenticator::new(Arc::clone(&site.store) as _, passwords, throttle), ..site };
    let cost = async || site.store.login("ann").await.unwrap().unwrap().password.unwrap().parameters();
    assert_eq!(site.refused("ann", "wrong horse", None, 0).await, ("wrong_password", 1));
    assert_eq!(cost().await, CHEAP);
    for hashes in [2, 1] {
        site.methods("ann", None, 0).await;
        assert_eq!(site.hasher.take(), hashes);
        assert_eq!(cost().await, Parameters::new(16, 1, 1).unwrap());
    }
    assert_eq!(site.store.user(id).await.unwrap().unwrap().epoch, 0, "nobody is logged out");
}

/// A row that somebody made unreadable lets nobody in, and is no refusal either.
#[tokio::test]
async fn a_damaged_row_is_an_error() {
    let (site, _) = Site::with_ann().await;
    let db = rusqlite::Connection::open(site.folder.path().join("store.db")).unwrap();
    db.execute("UPDATE users SET password = replace(password, 'm=8,', 'm=4000000,')", []).unwrap();
    let password = Secret::from(RIGHT);
    let attempt = Attempt {
        username: "ann",
        password: &password,
        totp: None,
        app: "web",
        address: "192.0.2.1".parse().unwrap(),
        is_counted: false,
        now: at(0),
    };
    let refused = site.logins.authenticate(attempt).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert_eq!(site.hasher.take(), 0, "no memory is spent on what a row says");
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn without_the_store_nobody_logs_in() {
    use crate::store::{PostgresOptions, PostgresStore};
    let mut server = countersign_testbed::Postgres::start();
    let options = PostgresOptions { timeout: Duration::from_millis(500), ..PostgresOptions::default() };
    let store = Arc::new(PostgresStore::open(&server.url(), Arc::new(MasterKey::ephemeral().unwrap()), options).await.unwrap());
    let passwords = Arc::new(Passwords::new(cheap()).unwrap());
    let hash = passwords.make(&RIGHT.into(), "ann").await.unwrap();
    store.add_user(NewUser::new("ann", Some(hash)), at(0)).await.unwrap();
    let throttle = Arc::new(Throttle::new(Arc::clone(&store) as _, ThrottleLimits::default()));
    let logins = PasswordAuthenticator::new(store, passwords, throttle);
    let password = Secret::from(RIGHT);
    let attempt = Attempt {
        username: "ann",
        password: &password,
        totp: None,
        app: "web",
        address: "192.0.2.1".parse().unwrap(),
        is_counted: false,
        now: at(0),
    };
    assert!(matches!(logins.authenticate(attempt).await, Ok(Outcome::Authenticated(_))));
    server.kill();
    assert!(matches!(logins.authenticate(attempt).await, Err(StoreError::Unavailable(_))));
}
