//! An operator's changes of users, as they are recorded.

use std::sync::Arc;

use super::super::{AuditFile, AuditedUsers, Filter, OnFailure};
use super::{World, audit};
use crate::error::StoreError;
use crate::session::password::PasswordHash;
use crate::session::totp::TotpSecret;
use crate::session::user::{NewUser, UserStatus, UserStore};
use crate::store::SqliteStore;

const PHC: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

#[tokio::test]
async fn changes_of_users_are_recorded_with_who_made_them_and_without_secrets() {
    let world = World::new();
    let log = Arc::new(world.open());
    let now = world.now();
    let store = SqliteStore::open(&world.folder.path().join("store.db"), Arc::clone(&world.master)).unwrap();
    let users = AuditedUsers::new(Arc::new(store), audit(&log, OnFailure::Refuse), Arc::new(move || now), "alice");
    let hash = PasswordHash::parse(PHC);
    let id = users.add_user(NewUser::new("ann", hash.clone()), now).await.unwrap().id;
    users.set_password(id, hash, now).await.unwrap();
    let secret = TotpSecret::from_bytes(b"canary-canary-canary").unwrap();
    users.set_totp(id, Some(secret)).await.unwrap();
    users.set_rights(id, vec!["read".to_owned()], Vec::new()).await.unwrap();
    users.set_user_status(id, UserStatus::Disabled).await.unwrap();
    users.raise_epoch(id).await.unwrap();
    assert_eq!(users.end_sessions(id, now).await, Ok(0));
    assert_eq!(users.add_user(NewUser::new("ann", None), now).await, Err(StoreError::UserExists("ann".to_owned())));
    // What a login does by itself is no change by an operator.
    assert!(users.use_totp_step(id, 7).await.unwrap());
    let records = AuditFile::open(&world.paths().log).unwrap().list(&Filter { limit: 100, ..Filter::default() }).unwrap();
    let told: Vec<_> = records.iter().map(|record| (record.kind.as_str(), record.action.as_str())).collect();
    let change = |action| ("change", action);
    let expected = [
        change("add user"),
        change("set password"),
        change("set one-time codes"),
        change("set rights"),
        change("set user status"),
        change("end sessions"),
        change("end sessions"),
        change("add user"),
        ("change_failed", "add user"),
    ];
    assert_eq!(told, expected);
    assert!(records[4].detail.contains("\"ann\"") && records[4].detail.contains("disabled") && records[3].detail.contains("read"));
    let file = String::from_utf8_lossy(&std::fs::read(world.paths().log).unwrap()).into_owned();
    let all = format!("{records:?} {file}");
    assert!(all.contains("alice") && !all.contains("canary") && !all.contains("CTFhFdXP"));
}

#[tokio::test]
async fn a_change_of_a_user_that_cannot_be_recorded_is_not_made() {
    let world = World::new();
    let log = Arc::new(world.open());
    let now = world.now();
    let store = Arc::new(SqliteStore::open(&world.folder.path().join("store.db"), Arc::clone(&world.master)).unwrap());
    let id = store.add_user(NewUser::new("ann", None), now).await.unwrap().id;
    let users = AuditedUsers::new(Arc::clone(&store) as _, audit(&log, OnFailure::Refuse), Arc::new(move || now), "cli");
    world.tamper("DROP TABLE record");
    assert!(users.set_password(id, PasswordHash::parse(PHC), now).await.is_err());
    assert!(users.add_user(NewUser::new("bob", None), now).await.is_err());
    assert!(!store.user(id).await.unwrap().unwrap().has_password && store.user_named("bob").await.unwrap().is_none());
}
