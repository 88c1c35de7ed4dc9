//! Admissions and operators' changes as they are recorded, and what happens when they cannot be.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_protocol::{Credential, Dialects, KeyMaterial, Reason, Request, Secret, SignOptions, Timestamp};
use rusqlite::Connection;

use super::super::{AuditFile, AuditLog, AuditedStore, Change, Filter, OnFailure, Proof, Record, SqliteAudit};
use super::{World, admitted, audit};
use crate::admission::{Admission, Admitted, Denial, RouteKeys, RouteRules};
use crate::app::{App, NewCredential, Registered, Status, Terms};
use crate::replay::{Epoch, MemoryGuard, ReplayLimits};
use crate::store::{CredentialStore, MemoryStore};

const SECRET: &str = "canary-0123456789abcdef0123456789abcdef";

/// Admissions of one app over a real log.
struct Gate {
    world: World,
    log: Arc<SqliteAudit>,
    admission: Admission,
    rules: RouteRules,
}

impl Gate {
    async fn new(on_failure: OnFailure) -> Self {
        let world = World::new();
        let log = Arc::new(world.open());
        let store = MemoryStore::new().unwrap();
        store.add_app(App::new("shop", world.now())).await.unwrap();
        let credential = NewCredential::new("key-1", KeyMaterial::Hmac(SECRET.into()), Terms::new(["hmac-sha256"]));
        store.add_credential("shop", credential, world.now()).await.unwrap();
        let guard = MemoryGuard::new(ReplayLimits::default(), Epoch::begin(world.now(), true));
        let hand = Arc::clone(&world.clock);
        let now = move || Timestamp::from_millis(hand.load(Ordering::SeqCst)).unwrap();
        let admission = Admission::new(Arc::new(store), Arc::new(guard), Arc::new(now), &Secret::from("replay"));
        let admission = admission.with_audit(audit(&log, on_failure));
        let dialect = Dialects::builtin().unwrap().get("hmac-sha256").unwrap().clone();
        Self { world, log, admission, rules: RouteRules { name: "/v1".to_owned(), ..RouteRules::new(vec![dialect]) } }
    }

    async fn send(&self, key_id: &str, secret: &str, nonce: &str) -> Result<Admitted, Denial> {
        let request = Request::new("POST", "/v1/items").with_header("Host", "a").with_body("{}");
        let options = SignOptions::new(self.world.now()).with_nonce(nonce);
        let signed = self.rules.dialects[0].sign(request, &Credential::hmac(key_id, secret), &options).unwrap();
        self.admission.run(&self.rules, &signed.into_message().into_request().unwrap()).await
    }

    async fn refused(&self, key_id: &str, secret: &str, nonce: &str) -> Reason {
        self.send(key_id, secret, nonce).await.unwrap_err().reason()
    }

    fn records(&self) -> Vec<Record> {
        records(&self.world)
    }

    /// Holds the log's file until this is dropped, and fills the queue to it.
    fn hold(&self) -> Connection {
        let other = Connection::open(self.world.paths().log).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..5_000 {
            drop(self.log.append(self.world.now(), admitted("filler", Proof::SharedSecret)));
        }
        other
    }
}

fn records(world: &World) -> Vec<Record> {
    AuditFile::open(&world.paths().log).unwrap().list(&Filter { limit: 10_000, ..Filter::default() }).unwrap()
}

#[tokio::test]
async fn what_is_admitted_is_on_disk_before_it_can_be_used() {
    let gate = Gate::new(OnFailure::Refuse).await;
    let admitted = gate.send("key-1", SECRET, "n-1").await.unwrap();
    let records = gate.records();
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(admitted.record(), Some(record.sequence));
    assert_eq!((record.kind.as_str(), record.app.as_str(), record.key_id.as_str()), ("admitted", "shop", "key-1"));
    assert_eq!((record.dialect.as_str(), record.route.as_str(), record.body.as_str()), ("hmac-sha256", "/v1", "intact"));
    assert_eq!((record.digest.len(), record.proof.as_str()), (64, "shared_secret"));
    assert_eq!(gate.world.verify().unwrap().last, 1);
}

#[tokio::test]
async fn a_key_holder_is_recorded_with_the_reason_and_a_stranger_is_not() {
    let mut gate = Gate::new(OnFailure::Refuse).await;
    gate.send("key-1", SECRET, "n-1").await.unwrap();
    assert_eq!(gate.refused("key-1", SECRET, "n-1").await, Reason::Replayed);
    gate.rules.scopes.push("admin".to_owned());
    assert_eq!(gate.refused("key-1", SECRET, "n-2").await, Reason::InsufficientScope);
    gate.admission.store().set_credential_status("key-1", Status::Disabled).await.unwrap();
    assert_eq!(gate.refused("key-1", SECRET, "n-3").await, Reason::KeyDisabled);
    let kinds: Vec<_> = gate.records().into_iter().map(|record| (record.kind, record.reason)).collect();
    let expected = [("admitted", ""), ("refused", "replayed"), ("refused", "insufficient_scope"), ("refused", "key_disabled")];
    assert_eq!(kinds, expected.map(|(kind, reason)| (kind.to_owned(), reason.to_owned())));
    for n in 0..300 {
        assert_eq!(gate.refused("key-1", "another secret", &n.to_string()).await, Reason::SignatureMismatch);
        assert_eq!(gate.refused("unknown", SECRET, &n.to_string()).await, Reason::UnknownKey);
    }
    assert_eq!(gate.records().len(), 4, "who holds no key writes nothing");
}

#[tokio::test]
async fn who_has_still_to_prove_who_it_is_is_recorded_once_it_has() {
    let mut gate = Gate::new(OnFailure::Refuse).await;
    gate.rules.judges_later = true;
    for _ in 0..3 {
        gate.admission.admit_unproved(&gate.rules, "shop", None).await.unwrap();
    }
    let mut narrow = gate.rules.clone();
    narrow.scopes.push("admin".to_owned());
    assert_eq!(gate.admission.admit_unproved(&narrow, "shop", None).await.unwrap_err().reason(), Reason::InsufficientScope);
    // One that signs with a key that it brought.
    let shop = gate.admission.store().app("shop").await.unwrap().unwrap();
    let credential = NewCredential::new("self:shop", KeyMaterial::Hmac("its own".into()), Terms::new(["hmac-sha256"]));
    let own = Arc::new(Registered::brought(shop, credential, gate.world.now()));
    let by_claim = std::mem::replace(&mut gate.rules.keys, RouteKeys::Given(vec![own]));
    let unproved = gate.send("self:shop", "its own", "n-1").await.unwrap();
    assert_eq!(gate.refused("self:shop", "its own", "n-1").await, Reason::Replayed);
    assert!(gate.records().is_empty(), "{:?}", gate.records());

    gate.admission.record_proved(&unproved).await.unwrap();
    gate.admission.admit_plain(&gate.rules, "shop", None).await.unwrap();
    gate.rules.keys = by_claim;
    let signed = gate.send("key-1", SECRET, "n-2").await.unwrap();
    gate.admission.record_proved(&signed).await.unwrap();
    let records: Vec<_> = gate.records().into_iter().map(|record| (record.kind, record.key_id, record.dialect)).collect();
    let expected = [("self:shop", "hmac-sha256"), ("", "bearer"), ("key-1", "hmac-sha256")];
    assert_eq!(records, expected.map(|(key_id, dialect)| ("admitted".to_owned(), key_id.to_owned(), dialect.to_owned())));
}

#[tokio::test]
async fn refused_logins_are_bounded_by_address_and_counted() {
    let gate = Gate::new(OnFailure::Refuse).await;
    let audit = gate.admission.audit().unwrap();
    let change = |detail: &str| Change {
        by: "session api".to_owned(),
        action: "refuse a login",
        app: "shop".to_owned(),
        key_id: String::new(),
        detail: detail.to_owned(),
    };
    for _ in 0..100 {
        audit.refused_login(gate.world.now(), change("unknown_user"), "192.0.2.1".parse().unwrap()).await.unwrap();
    }
    audit.refused_login(gate.world.now(), change("wrong_password"), "192.0.2.2".parse().unwrap()).await.unwrap();
    let records: Vec<_> = gate.records().into_iter().map(|record| (record.kind, record.detail, record.unrecorded)).collect();
    let expected = |detail: &str, unrecorded| ("change".to_owned(), detail.to_owned(), unrecorded);
    assert_eq!(records, [vec![expected("unknown_user", 0); 10], vec![expected("wrong_password", 90)]].concat());
}

#[tokio::test]
async fn refusals_of_one_app_are_bounded_and_counted() {
    let gate = Gate::new(OnFailure::Refuse).await;
    gate.send("key-1", SECRET, "n").await.unwrap();
    for _ in 0..200 {
        assert_eq!(gate.refused("key-1", SECRET, "n").await, Reason::Replayed);
    }
    let bound = super::limits().refusals_per_minute as usize;
    assert_eq!(gate.records().len(), 1 + bound);
    gate.world.advance(61);
    gate.send("key-1", SECRET, "m").await.unwrap();
    assert_eq!(gate.refused("key-1", SECRET, "m").await, Reason::Replayed);
    let last = gate.records().pop().unwrap();
    assert_eq!((last.kind.as_str(), last.unrecorded), ("refused", 200 - bound as u64));
}

#[tokio::test]
async fn a_full_queue_refuses_and_gives_the_nonce_back() {
    let gate = Gate::new(OnFailure::Refuse).await;
    let held = gate.hold();
    let denial = gate.send("key-1", SECRET, "n").await.unwrap_err();
    assert_eq!(denial.reason(), Reason::StoreUnavailable);
    assert!(denial.detail().contains("audit"), "{denial}");
    drop(held);
    // The queue is worked off; the same request is still new.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while let Err(denial) = gate.send("key-1", SECRET, "n").await {
        assert_eq!(denial.reason(), Reason::StoreUnavailable, "{denial}");
        assert!(std::time::Instant::now() < end, "the queue stays full");
        tokio::task::yield_now().await;
    }
    let record = gate.records().pop().unwrap();
    assert!(record.lost > 0 && record.kind == "admitted", "what is missing is told: {record:?}");
}

#[tokio::test]
async fn a_full_queue_goes_on_where_the_policy_says_so() {
    let gate = Gate::new(OnFailure::Continue).await;
    let held = gate.hold();
    let admitted = gate.send("key-1", SECRET, "n").await.unwrap();
    assert_eq!(admitted.record(), None);
    assert_eq!(gate.refused("key-1", SECRET, "n").await, Reason::Replayed);
    drop(held);
}

#[tokio::test]
async fn changes_are_recorded_with_who_made_them_and_without_secrets() {
    let world = World::new();
    let log = Arc::new(world.open());
    let now = world.now();
    let inner: Arc<dyn CredentialStore> = Arc::new(MemoryStore::new().unwrap());
    let store = AuditedStore::new(Arc::clone(&inner), audit(&log, OnFailure::Refuse), Arc::new(move || now), "alice");
    let credential = |key_id: &str, secret: &str| NewCredential::new(key_id, KeyMaterial::Hmac(secret.into()), Terms::new(["d"]));
    store.add_app(App::new("shop", now)).await.unwrap();
    store.add_credential("shop", credential("k1", SECRET), now).await.unwrap();
    store.rotate("k1", credential("k2", "canary-another-secret-000000"), now, now).await.unwrap();
    store.set_credential_status("k1", Status::Disabled).await.unwrap();
    store.set_app_status("shop", Status::Disabled).await.unwrap();
    assert!(store.add_app(App::new("shop", now)).await.is_err());
    let records = records(&world);
    let told: Vec<_> = records.iter().map(|r| (r.kind.as_str(), r.action.as_str(), r.app.as_str(), r.key_id.as_str())).collect();
    assert_eq!(
        told,
        [
            ("change", "add app", "shop", ""),
            ("change", "add credential", "shop", "k1"),
            ("change", "rotate credential", "shop", "k1"),
            ("change", "set credential status", "shop", "k1"),
            ("change", "set app status", "shop", ""),
            ("change", "add app", "shop", ""),
            ("change_failed", "add app", "shop", ""),
        ]
    );
    assert!(records.iter().all(|record| record.by == "alice"));
    assert!(records[2].detail.contains("k2") && records[6].detail.contains("already"), "{records:?}");
    let all = format!("{records:?} {:?}", std::fs::read(world.paths().log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    assert!(!all.contains("canary") && all.contains("alice"));
}

#[cfg(feature = "sessions")]
#[tokio::test]
async fn changes_of_signing_keys_are_recorded_before_they_are_made() {
    use crate::audit::AuditedKeys;
    use crate::session::signing::{RotationPolicy, SigningKeyStore, revoke, rotate};
    use crate::store::SqliteStore;

    let world = World::new();
    let log = Arc::new(world.open());
    let now = world.now();
    let folder = tempfile::tempdir().unwrap();
    let key = Arc::new(crate::master_key::MasterKey::ephemeral().unwrap());
    let store: Arc<dyn SigningKeyStore> = Arc::new(SqliteStore::open(&folder.path().join("store.db"), key).unwrap());
    let keys = AuditedKeys::new(Arc::clone(&store), audit(&log, OnFailure::Refuse), Arc::new(move || now), "alice");
    let policy = RotationPolicy::new(std::time::Duration::from_secs(600), std::time::Duration::from_secs(30));
    let first = rotate(&keys, now, &policy).await.unwrap().unwrap().added.unwrap();
    let second = revoke(&keys, &first, now, &policy).await.unwrap().unwrap().added.unwrap();
    assert!(revoke(&keys, "k_unknown", now, &policy).await.is_err());
    let records = records(&world);
    let told: Vec<_> = records.iter().map(|r| (r.kind.as_str(), r.action.as_str(), r.key_id.as_str(), r.by.as_str())).collect();
    assert_eq!(
        told,
        [
            ("change", "rotate signing key", first.as_str(), "alice"),
            ("change", "revoke signing key", first.as_str(), "alice"),
            ("change", "rotate signing key", second.as_str(), "alice"),
            ("change", "revoke signing key", "k_unknown", "alice"),
            ("change_failed", "revoke signing key", "k_unknown", "alice"),
        ]
    );
    assert_eq!(store.signing_keys(now).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_is_not_made() {
    let gate = Gate::new(OnFailure::Refuse).await;
    let inner = Arc::clone(gate.admission.store());
    let now = gate.world.now();
    let policy = |on_failure| AuditedStore::new(Arc::clone(&inner), audit(&gate.log, on_failure), Arc::new(move || now), "cli");
    let held = gate.hold();
    assert!(policy(OnFailure::Refuse).add_app(App::new("late", now)).await.is_err());
    assert!(inner.app("late").await.unwrap().is_none());
    policy(OnFailure::Continue).add_app(App::new("late", now)).await.unwrap();
    assert!(inner.app("late").await.unwrap().is_some());
    drop(held);
}
