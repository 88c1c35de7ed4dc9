//! Admissions end to end over real stores and guards: each refusal of steps 2 to 8, their order, and replays.

mod changed;
mod sessions;
mod twice;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_protocol::{
    Algorithm, Body, Credential, Dialect, Dialects, Inputs, KeyMaterial, Part, Policy, Reason, ReplayMode, Request, RequestView, Scheme,
    Secret, SignOptions, Timestamp, Window,
};

use super::once::Acceptance;
use super::{Admission, Admitted, Authentic, BodyProof, Denial, RouteKeys, RouteRules, Step};
use crate::app::{App, NewCredential, Status, Terms};
use crate::replay::{Epoch, MemoryGuard, ReplayGuard, ReplayLimits};
use crate::store::CredentialStore;
use crate::store::suite::CountingStore;

/// The present of these tests, in seconds.
const NOW: i64 = 1_739_437_548;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

fn dialect(id: &str) -> Dialect {
    Dialects::builtin().unwrap().get(id).unwrap().clone()
}

fn rules(ids: &[&str]) -> RouteRules {
    RouteRules::new(ids.iter().map(|id| dialect(id)).collect())
}

/// One app with one credential `k`, a guard and a clock that the test sets.
struct World {
    store: Arc<CountingStore>,
    admission: Admission,
    clock: Arc<AtomicI64>,
}

impl World {
    async fn new(terms: Terms) -> Self {
        Self::with(NewCredential::new("k", KeyMaterial::Hmac(SECRET.into()), terms)).await
    }

    async fn with(credential: NewCredential) -> Self {
        let guard = MemoryGuard::new(ReplayLimits::default(), Epoch::begin(at(NOW - 1_000_000), true));
        Self::guarded(credential, Arc::new(guard)).await
    }

    async fn guarded(credential: NewCredential, guard: Arc<dyn ReplayGuard>) -> Self {
        countersign_testbed::keep_log();
        let (store, clock) = (Arc::new(CountingStore::new()), Arc::new(AtomicI64::new(NOW)));
        store.add_app(App::new("a", at(0))).await.unwrap();
        store.add_credential("a", credential, at(NOW - 500_000)).await.unwrap();
        let hand = Arc::clone(&clock);
        let now = move || at(hand.load(Ordering::SeqCst));
        let credentials: Arc<dyn CredentialStore> = Arc::<CountingStore>::clone(&store);
        let admission = Admission::new(credentials, guard, Arc::new(now), &Secret::from("replay key"));
        Self { store, admission, clock }
    }

    fn set_clock(&self, seconds: i64) {
        self.clock.store(seconds, Ordering::SeqCst);
    }

    async fn run(&self, rules: &RouteRules, request: &Request) -> Result<Admitted, Denial> {
        self.admission.run(rules, request).await
    }

    async fn refused(&self, rules: &RouteRules, request: &Request) -> Reason {
        match self.run(rules, request).await {
            Ok(admitted) => panic!("{admitted:?}"),
            Err(denial) => denial.reason(),
        }
    }

    async fn accepted(&self, rules: &RouteRules, request: &Request) -> Admitted {
        self.run(rules, request).await.unwrap_or_else(|denial| panic!("{denial}"))
    }
}

fn plain() -> Request {
    Request::new("POST", "/v1/items?a=1").with_header("Host", "api.example.com").with_body("{}")
}

fn options(nonce: &str) -> SignOptions {
    SignOptions::new(at(NOW)).with_nonce(nonce)
}

fn sign_as(id: &str, key: &Credential, request: Request, options: &SignOptions) -> Request {
    dialect(id).sign(request, key, options).unwrap().into_message().into_request().unwrap()
}

fn sign(id: &str, request: Request, options: &SignOptions) -> Request {
    sign_as(id, &Credential::hmac("k", SECRET), request, options)
}

fn signed(nonce: &str) -> Request {
    sign("hmac-sha256", plain(), &options(nonce))
}

async fn authentic<'m>(world: &World, rules: &'m RouteRules, head: &'m RequestView<'m>) -> Authentic<'m> {
    let Step::Begun(begun) = world.admission.begin(rules, head).unwrap() else { panic!("the claim is in the head") };
    world.admission.authenticate(begun).await.unwrap()
}

#[tokio::test]
async fn an_honest_request_is_admitted_once() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256", "x-ca-labelled"]));
    let mut admitted = world.accepted(&rules, &signed("n")).await;
    assert_eq!((admitted.app().name.as_str(), admitted.key_id(), admitted.dialect()), ("a", "k", "hmac-sha256"));
    assert_eq!((admitted.replay(), admitted.time()), (ReplayMode::Nonce, Some(at(NOW))));
    for part in [Part::Method, Part::Path, Part::Query, Part::Body, Part::Time, Part::Nonce, Part::Header("host".to_owned())] {
        assert!(admitted.covers().contains(&part), "{part}");
    }
    admitted.commit().await.unwrap();
    assert_eq!(world.refused(&rules, &signed("n")).await, Reason::Replayed);
    world.accepted(&rules, &signed("another")).await;
}

#[tokio::test]
async fn what_carries_no_claim_or_half_of_one() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["x-ca-labelled", "hmac-sha256"]));
    assert_eq!(world.refused(&rules, &plain()).await, Reason::MissingSignature);
    let half = plain().with_header("X-Content-SHA256", "00").with_header("Authorization", "HMAC-SHA256 Credential=k");
    assert_eq!(world.refused(&rules, &half).await, Reason::MalformedClaim);
}

#[tokio::test]
async fn a_peer_cannot_choose_by_adding_headers() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256", "x-ca-labelled"]));
    let both = sign("x-ca-labelled", signed("n"), &options("m"));
    assert_eq!(world.refused(&rules, &both).await, Reason::AmbiguousClaim);
}

#[tokio::test]
async fn the_clock_is_held_before_anything_is_looked_up() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    let asked = world.store.finds();
    for (now, reason) in [(NOW + 301, Reason::TooOld), (NOW - 301, Reason::FromTheFuture)] {
        world.set_clock(now);
        let denial = world.run(&rules, &signed("n")).await.unwrap_err();
        assert_eq!(denial.reason(), reason);
        let note = denial.clock().unwrap();
        assert_eq!((note.server_time, note.offset_millis), (at(now), Some((NOW - now) * 1_000)));
    }
    assert_eq!(world.store.finds(), asked);
    world.set_clock(NOW + 300);
    world.accepted(&rules, &signed("n")).await;
}

#[tokio::test]
async fn an_unknown_key_costs_what_a_wrong_signature_costs() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    let wrong = sign_as("hmac-sha256", &Credential::hmac("k", "wrong"), plain(), &options("n"));
    let unknown = sign_as("hmac-sha256", &Credential::hmac("unknown", SECRET), plain(), &options("n"));
    let mut calls = Vec::new();
    for (request, reason) in [(wrong, Reason::SignatureMismatch), (unknown, Reason::UnknownKey)] {
        let before = world.store.finds();
        let denial = world.run(&rules, &request).await.unwrap_err();
        assert_eq!((denial.reason(), denial.reason().public()), (reason, Reason::SignatureMismatch));
        assert!(denial.app().is_none() && denial.diagnostics().is_none());
        calls.push(world.store.finds() - before);
    }
    assert_eq!(calls, [1, 1]);
}

#[tokio::test]
async fn a_forged_request_uses_no_nonce_up() {
    let guard = Arc::new(MemoryGuard::new(ReplayLimits::default(), Epoch::begin(at(NOW - 1_000_000), true)));
    let credential = NewCredential::new("k", KeyMaterial::Hmac(SECRET.into()), Terms::new(["hmac-sha256"]));
    let kept: Arc<dyn ReplayGuard> = Arc::<MemoryGuard>::clone(&guard);
    let (world, mut rules) = (World::guarded(credential, kept).await, rules(&["hmac-sha256"]));
    rules.policy.require.push(Part::Header("x-tenant".to_owned()));
    let forged = [
        (sign_as("hmac-sha256", &Credential::hmac("k", "wrong"), plain(), &options("n")), Reason::SignatureMismatch),
        (sign_as("hmac-sha256", &Credential::hmac("unknown", SECRET), plain(), &options("n")), Reason::UnknownKey),
        (signed("n").with_header("X-Tenant", "t"), Reason::RequiredPartUnsigned),
    ];
    let used = async || guard.occupancy().await.unwrap().unwrap().entries;
    for (request, reason) in forged {
        assert_eq!(world.refused(&rules, &request).await, reason);
        assert_eq!(used().await, 0, "{reason:?}");
    }
    world.accepted(&rules, &signed("n")).await;
    assert_eq!(used().await, 1);
}

#[tokio::test]
async fn standing_is_told_to_the_holder_only() {
    let rules = rules(&["hmac-sha256"]);
    let mut terms = Terms::new(["hmac-sha256"]);
    terms.not_before = Some(at(NOW + 1));
    assert_eq!(World::new(terms.clone()).await.refused(&rules, &signed("n")).await, Reason::KeyNotYetValid);
    (terms.not_before, terms.not_after) = (None, Some(at(NOW - 1)));
    let world = World::new(terms).await;
    assert_eq!(world.refused(&rules, &signed("n")).await, Reason::KeyExpired);
    world.store.set_credential_status("k", Status::Disabled).await.unwrap();
    assert_eq!(world.refused(&rules, &signed("n")).await, Reason::KeyDisabled);
    let wrong = sign_as("hmac-sha256", &Credential::hmac("k", "wrong"), plain(), &options("n"));
    assert_eq!(world.refused(&rules, &wrong).await, Reason::SignatureMismatch);

    for status in [Status::Pending, Status::Disabled] {
        let world = World::new(Terms::new(["hmac-sha256"])).await;
        world.store.set_app_status("a", status).await.unwrap();
        assert_eq!(world.refused(&rules, &signed("n")).await, Reason::KeyDisabled);
    }
}

#[tokio::test]
async fn a_credential_is_bound_to_its_dialects() {
    let second = sign("x-ca-labelled-2", plain(), &options("n"));
    let both = rules(&["x-ca-labelled", "x-ca-labelled-2"]);
    let world = World::new(Terms::new(["x-ca-labelled"])).await;
    assert_eq!(world.refused(&both, &second).await, Reason::VersionNotAllowed);
    let world = World::new(Terms::new(["hmac-sha256"])).await;
    assert_eq!(world.refused(&both, &second).await, Reason::DialectNotAllowed);
    world.accepted(&rules(&["hmac-sha256"]), &signed("n")).await;

    let alone = rules(&["x-ca-labelled-2"]);
    let mut world = World::new(Terms::new(["x-ca-labelled"])).await;
    world.admission = world.admission.knowing(&Dialects::builtin().unwrap());
    assert_eq!(world.refused(&alone, &second).await, Reason::VersionNotAllowed, "known from the registry");
}

#[tokio::test]
async fn an_algorithm_that_is_not_registered_is_refused() {
    let yaml = "countersign: 1\ndialect: chosen\ntitle: An algorithm by name\nstring_to_sign: |-\n  {algorithm}\n  {method}\n  {target}\n  {time}\n  {body}\n\
        algorithm: { strong: hmac-sha512, weak: hmac-sha256 }\ncarry:\n  header:\n    X-Sign: K={key_id}, T={time}, A={algorithm}, S={signature}\n\
        time: { format: unix, window: 5m }\n";
    let chosen = Dialect::from_yaml(yaml).unwrap();
    let named = |name: &str| Algorithm::from_name(name).unwrap();
    let mut new = NewCredential::new("k", KeyMaterial::Hmac(SECRET.into()), Terms::new(["chosen"]));
    new.algorithms.push(named("hmac-sha512"));
    let (world, rules) = (World::with(new).await, RouteRules::new(vec![chosen.clone()]));
    for (algorithm, refused) in [("hmac-sha256", Some(Reason::AlgorithmNotAllowed)), ("hmac-sha512", None)] {
        let key = Credential::hmac("k", SECRET).with_algorithm(named(algorithm));
        let request = chosen.sign(plain(), &key, &options("n")).unwrap().into_message().into_request().unwrap();
        assert_eq!(world.run(&rules, &request).await.err().map(|denial| denial.reason()), refused, "{algorithm}");
    }
}

#[tokio::test]
async fn cover_and_ambiguity_are_judged_for_the_holder() {
    let world = World::new(Terms::new(["hmac-sha256"])).await;
    let mut strict = rules(&["hmac-sha256"]);
    strict.policy.require.push(Part::Header("x-tenant".to_owned()));
    assert_eq!(world.refused(&strict, &signed("n").with_header("X-Tenant", "t")).await, Reason::RequiredPartUnsigned);
    world.accepted(&strict, &sign("hmac-sha256", plain(), &options("n"))).await;

    let world = World::with(NewCredential::new("k", KeyMaterial::Hmac("MfKQ9r8GKYqrTwjU".into()), Terms::new(["standard-webhooks"]))).await;
    let hooks = RouteRules { keys: RouteKeys::Fixed(vec!["k".to_owned()]), ..rules(&["standard-webhooks"]) };
    let dotted = sign_as("standard-webhooks", &Credential::hmac("", "MfKQ9r8GKYqrTwjU"), plain(), &options("msg.1"));
    assert_eq!(world.refused(&hooks, &dotted).await, Reason::AmbiguousRequest);

    let world = World::new(Terms::new(["aws-sigv1"])).await;
    let mut open = rules(&["aws-sigv1"]);
    let request = sign("aws-sigv1", Request::new("GET", "/?Action=List").with_header("Host", "h"), &options("n"));
    assert_eq!(world.refused(&open, &request).await, Reason::DialectNotAllowed, "unsafe by construction");
    open.policy.allow_unsafe = true;
    world.accepted(&open, &request).await;
}

#[tokio::test]
async fn the_body_is_held_against_its_digest_before_the_nonce_is_burnt() {
    let (world, mut rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    let honest = signed("n");
    let tampered = Request { body: b"[]".to_vec(), ..honest.clone() };
    assert_eq!(world.refused(&rules, &tampered).await, Reason::BodyDigestMismatch);
    rules.body_limit = 1;
    assert_eq!(world.refused(&rules, &honest).await, Reason::BodyTooLarge);
    rules.body_limit = 2;
    world.accepted(&rules, &honest).await;
}

#[tokio::test]
async fn a_body_may_follow_the_head() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    let request = signed("n");
    let lines = request.header_lines();
    let head = RequestView { body: Body::Pending, ..request.view(&lines) };
    let begin = || match world.admission.begin(&rules, &head).unwrap() {
        Step::Begun(begun) => begun,
        Step::NeedsBody => panic!("nothing rides in the body"),
    };
    assert!(!begin().needs_body(), "the digest was sent");
    let authentic = world.admission.authenticate(begin()).await.unwrap();
    assert!(authentic.needs_body());
    let unread = world.admission.admit(authentic).await.unwrap_err();
    assert_eq!(unread.reason(), Reason::Internal);
    let authentic = world.admission.authenticate(begin()).await.unwrap().with_body(b"[]");
    assert_eq!(world.admission.admit(authentic).await.unwrap_err().reason(), Reason::BodyDigestMismatch);
    let authentic = world.admission.authenticate(begin()).await.unwrap().with_body(b"{}");
    world.admission.admit(authentic).await.unwrap();
}

#[tokio::test]
async fn a_body_that_goes_by_is_known_after_its_last_byte() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    for (nonce, body, holds) in [("honest", "{}", true), ("tampered", "[]", false)] {
        let request = signed(nonce);
        let lines = request.header_lines();
        let head = RequestView { body: Body::Pending, ..request.view(&lines) };
        let (admitted, mut check) = world.admission.admit_pending(authentic(&world, &rules, &head).await).await.unwrap();
        assert_eq!((admitted.body(), admitted.covers().contains(&Part::Body)), (BodyProof::Pending, true));
        check.update(body.as_bytes());
        let verdict = check.finish().map(drop).map_err(|refusal| refusal.reason());
        assert_eq!(verdict, if holds { Ok(()) } else { Err(Reason::BodyDigestMismatch) });
        // It was reserved before its body, and whoever was given the body may have acted on it.
        assert_eq!(world.refused(&rules, &signed(nonce)).await, Reason::Replayed);
    }
}

#[tokio::test]
async fn a_body_that_nobody_sees_is_not_covered() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    let request = signed("n");
    let lines = request.header_lines();
    let head = RequestView { body: Body::Pending, ..request.view(&lines) };
    let admitted = world.admission.admit_without_body(authentic(&world, &rules, &head).await).await.unwrap();
    assert_eq!((admitted.body(), admitted.covers().contains(&Part::Body)), (BodyProof::Unchecked, false));
    assert!(admitted.covers().contains(&Part::Path));
}

#[tokio::test]
async fn a_body_that_was_given_cannot_be_exchanged() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    let request = signed("n");
    let lines = request.header_lines();
    let head = RequestView { body: Body::Pending, ..request.view(&lines) };
    let Step::Begun(begun) = world.admission.begin(&rules, &head).unwrap() else { panic!("nothing rides in the body") };
    let authentic = world.admission.authenticate(begun.with_body(b"[]")).await.unwrap().with_body(b"{}");
    assert_eq!(world.admission.admit(authentic).await.unwrap_err().reason(), Reason::BodyDigestMismatch);
}

#[tokio::test]
async fn a_body_that_was_given_is_the_one_that_is_measured() {
    let (world, mut rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    rules.body_limit = 1;
    let request = signed("n");
    let Step::Begun(begun) = world.admission.begin(&rules, &request).unwrap() else { panic!("the body is at hand") };
    let authentic = world.admission.authenticate(begun).await.unwrap().with_body(b"");
    assert_eq!(world.admission.admit(authentic).await.unwrap_err().reason(), Reason::BodyTooLarge);
}

#[tokio::test]
async fn a_fixed_key_answers_to_its_own_id_only() {
    let world = World::new(Terms::new(["hmac-sha256"])).await;
    let fixed = RouteRules { keys: RouteKeys::Fixed(vec!["k".to_owned()]), ..rules(&["hmac-sha256"]) };
    world.accepted(&fixed, &signed("n")).await;
    let posing = sign_as("hmac-sha256", &Credential::hmac("other", SECRET), plain(), &options("m"));
    assert_eq!(world.refused(&fixed, &posing).await, Reason::UnknownKey);
}

#[tokio::test]
async fn a_method_that_is_not_signed_is_not_exempt() {
    let yaml = "countersign: 1\ndialect: bare\ntitle: No method\nstring_to_sign: |-\n  {target}\n  {time}\n  {body}\nalgorithm: hmac-sha256\n\
        carry:\n  header:\n    X-Sign: K={key_id}, T={time}, S={signature}\ntime: { format: unix, window: 5m }\nwaive: [method]\n";
    let bare = Dialect::from_yaml(yaml).unwrap();
    let world = World::new(Terms::new(["bare"])).await;
    let rules = RouteRules { replay: Some(ReplayMode::SafeMethodsExempt), ..RouteRules::new(vec![bare.clone()]) };
    let request = Request::new("GET", "/a").with_header("Host", "h");
    let request = bare.sign(request, &Credential::hmac("k", SECRET), &options("n")).unwrap().into_message().into_request().unwrap();
    assert_eq!(world.accepted(&rules, &request).await.replay(), ReplayMode::Signature);
    assert_eq!(world.refused(&rules, &request).await, Reason::Replayed);
}

#[test]
fn an_entry_lives_until_signed_time_and_both_windows() {
    let (request, inputs) = (signed("n"), Inputs::new());
    let signing = dialect("hmac-sha256");
    let claim = signing.claim(&request, &inputs).unwrap();
    let until = |policy: Policy| Acceptance::of(&claim, &RouteRules { policy, ..rules(&[]) }, Duration::ZERO, at(NOW + 200)).until;
    assert_eq!(until(Policy::default()), at(NOW + 600), "not from arrival");
    let window = Window { past: Duration::from_secs(60), future: Duration::from_secs(5) };
    assert_eq!(until(Policy { window: Some(window), ..Policy::default() }), at(NOW + 65));
}

#[tokio::test]
async fn a_claim_in_the_body_waits_for_it() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256-body"])).await, rules(&["hmac-sha256-body", "hmac-sha256"]));
    let json = plain().with_header("Content-Type", "application/json");
    let request = sign("hmac-sha256-body", json, &options("n"));
    let lines = request.header_lines();
    let head = RequestView { body: Body::Pending, ..request.view(&lines) };
    assert!(matches!(world.admission.begin(&rules, &head).unwrap(), Step::NeedsBody));
    world.accepted(&rules, &request).await;
    let tampered = Request {
        target: b"/v1/items?a=2".to_vec(),
        ..sign("hmac-sha256-body", plain().with_header("Content-Type", "application/json"), &options("m"))
    };
    assert_eq!(world.refused(&rules, &tampered).await, Reason::SignatureMismatch);
}

#[tokio::test]
async fn released_comes_again_committed_and_dropped_do_not() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    world.accepted(&rules, &signed("n")).await.release().await;
    let mut admitted = world.accepted(&rules, &signed("n")).await;
    admitted.commit().await.unwrap();
    admitted.release().await;
    assert_eq!(world.refused(&rules, &signed("n")).await, Reason::Replayed);
    drop(world.accepted(&rules, &signed("m")).await);
    assert_eq!(world.refused(&rules, &signed("m")).await, Reason::Replayed);
}

#[tokio::test]
async fn a_nonce_is_one_app_s_and_not_one_request_s() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    world.store.add_app(App::new("b", at(0))).await.unwrap();
    world
        .store
        .add_credential("b", NewCredential::new("k2", KeyMaterial::Hmac("other".into()), Terms::new(["hmac-sha256"])), at(0))
        .await
        .unwrap();
    world.accepted(&rules, &signed("n")).await;
    let other_request = sign("hmac-sha256", Request { target: b"/other".to_vec(), ..plain() }, &options("n"));
    assert_eq!(world.refused(&rules, &other_request).await, Reason::Replayed);
    let other_app = sign_as("hmac-sha256", &Credential::hmac("k2", "other"), plain(), &options("n"));
    world.accepted(&rules, &other_app).await;
}

#[tokio::test]
async fn without_nonce_only_safe_methods_repeat() {
    let (world, rules) = (World::new(Terms::new(["qlm-open"])).await, rules(&["qlm-open"]));
    let request = |method: &str| {
        let head = Request::new(method, "/V1/a").with_header("Host", "h").with_header("Content-Type", "application/json; charset=UTF-8");
        sign("qlm-open", head, &SignOptions::new(at(NOW)))
    };
    for _ in 0..2 {
        assert_eq!(world.accepted(&rules, &request("GET")).await.replay(), ReplayMode::SafeMethodsExempt);
    }
    assert_eq!(world.accepted(&rules, &request("POST")).await.replay(), ReplayMode::Signature);
    assert_eq!(world.refused(&rules, &request("POST")).await, Reason::Replayed);
    let all = RouteRules { replay: Some(ReplayMode::Signature), ..rules.clone() };
    world.accepted(&all, &request("GET")).await;
    assert_eq!(world.refused(&all, &request("GET")).await, Reason::Replayed);
    let none = RouteRules { replay: Some(ReplayMode::None), ..rules };
    world.accepted(&none, &request("POST")).await;
}

#[tokio::test]
async fn a_method_that_is_safe_is_not_exempt_where_it_asks_for_an_upgrade() {
    let (world, rules) = (World::new(Terms::new(["qlm-open"])).await, rules(&["qlm-open"]));
    let head = Request::new("GET", "/V1/a").with_header("Host", "h").with_header("Content-Type", "application/json; charset=UTF-8");
    let handshake = sign("qlm-open", head, &SignOptions::new(at(NOW))).with_header("upgrade", "websocket");
    assert_eq!(world.accepted(&rules, &handshake).await.replay(), ReplayMode::Signature);
    assert_eq!(world.refused(&rules, &handshake).await, Reason::Replayed);
}

#[tokio::test]
async fn an_event_is_delivered_until_its_handler_succeeds() {
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let world = World::with(NewCredential::new("hook", KeyMaterial::Hmac(key.into()), Terms::new(["standard-webhooks"]))).await;
    let rules = RouteRules { keys: RouteKeys::Fixed(vec!["gone".to_owned(), "hook".to_owned()]), ..rules(&["standard-webhooks"]) };
    let delivery = |seconds: i64| {
        let options = SignOptions::new(at(seconds)).with_nonce("msg_1");
        sign_as("standard-webhooks", &Credential::hmac("", key), plain(), &options)
    };
    let first = world.accepted(&rules, &delivery(NOW)).await;
    assert_eq!((first.key_id(), first.replay()), ("hook", ReplayMode::Event));
    let meanwhile = world.run(&rules, &delivery(NOW + 1)).await.unwrap_err();
    assert_eq!((meanwhile.reason(), meanwhile.is_duplicate()), (Reason::Replayed, false), "the first one may still fail");
    first.release().await;
    let mut second = world.accepted(&rules, &delivery(NOW + 2)).await;
    second.commit().await.unwrap();
    let third = world.run(&rules, &delivery(NOW + 3)).await.unwrap_err();
    assert_eq!((third.reason(), third.is_duplicate()), (Reason::Replayed, true));
    let forged = sign_as("standard-webhooks", &Credential::hmac("", "whsec_AAAA"), plain(), &SignOptions::new(at(NOW)).with_nonce("msg_1"));
    let forged = world.run(&rules, &forged).await.unwrap_err();
    assert_eq!((forged.reason(), forged.is_duplicate()), (Reason::SignatureMismatch, false));
}

#[tokio::test]
async fn a_presigned_request_is_reusable_until_it_ends() {
    let terms = Terms::new(["aws-sigv4-presigned"]).with_input("region", "us-east-1").with_input("service", "s");
    let (world, rules) = (World::new(terms).await, rules(&["aws-sigv4-presigned"]));
    let mut options = SignOptions::new(at(NOW)).with_input("region", "us-east-1").with_input("service", "s");
    options.expires = Some("600".to_owned());
    let request = sign("aws-sigv4-presigned", Request::new("GET", "/a").with_header("Host", "h"), &options);
    for now in [NOW, NOW + 1, NOW + 600] {
        world.set_clock(now);
        assert_eq!(world.accepted(&rules, &request).await.replay(), ReplayMode::UntilExpiry);
    }
    world.set_clock(NOW + 601);
    assert_eq!(world.refused(&rules, &request).await, Reason::TooOld);
}

#[tokio::test]
async fn what_a_credential_pins_is_not_an_oracle() {
    let terms = Terms::new(["aws-sigv4"]).with_input("region", "us-east-1");
    let (world, rules) = (World::new(terms).await, rules(&["aws-sigv4"]));
    let request = |key: &Credential, region: &str| {
        let options = SignOptions::new(at(NOW)).with_input("region", region).with_input("service", "s");
        sign_as("aws-sigv4", key, Request::new("GET", "/a").with_header("Host", "h"), &options)
    };
    let key = Credential::hmac("k", SECRET);
    world.accepted(&rules, &request(&key, "us-east-1")).await;
    let elsewhere = world.run(&rules, &request(&key, "eu-west-1")).await.unwrap_err();
    let unknown = world.run(&rules, &request(&Credential::hmac("unknown", SECRET), "eu-west-1")).await.unwrap_err();
    assert_eq!((elsewhere.reason(), unknown.reason().public()), (Reason::SignatureMismatch, Reason::SignatureMismatch));
    assert!(elsewhere.detail().contains("pins"), "the log knows better: {elsewhere}");
    let mut other = rules.clone();
    other.inputs = other.inputs.with("region", "eu-west-1");
    assert_eq!(world.refused(&other, &request(&key, "eu-west-1")).await, Reason::SignatureMismatch, "route and credential disagree");
}

#[tokio::test]
async fn an_api_key_is_found_by_its_secret_and_needs_tls() {
    let (world, mut rules) = (World::new(Terms::new(["api-key"])).await, rules(&["api-key"]));
    let request = Request::new("GET", "/a").with_header("Host", "h").with_header("X-Api-Key", SECRET);
    assert_eq!(world.accepted(&rules, &request).await.key_id(), "k");
    let wrong = Request::new("GET", "/a").with_header("Host", "h").with_header("X-Api-Key", "wrong");
    assert_eq!(world.refused(&rules, &wrong).await, Reason::UnknownKey);
    let open = Request { scheme: Scheme::Http, ..request };
    assert_eq!(world.refused(&rules, &open).await, Reason::InsecureTransport);
    rules.policy.allow_cleartext = true;
    world.accepted(&rules, &open).await;
}

#[tokio::test]
async fn a_lack_of_scope_does_not_use_the_request_up() {
    let (world, mut rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    rules.scopes.push("write".to_owned());
    assert_eq!(world.refused(&rules, &signed("n")).await, Reason::InsufficientScope);
    rules.scopes.clear();
    world.accepted(&rules, &signed("n")).await;
}

#[tokio::test]
async fn after_a_loss_older_requests_wait_for_a_new_signature() {
    let credential = || NewCredential::new("k", KeyMaterial::Hmac(SECRET.into()), Terms::new(["hmac-sha256"]));
    let guard = |store_is_empty| Arc::new(MemoryGuard::new(ReplayLimits::default(), Epoch::begin(at(NOW + 10), store_is_empty)));
    let rules = rules(&["hmac-sha256"]);
    let world = World::guarded(credential(), guard(false)).await;
    world.set_clock(NOW + 20);
    assert_eq!(world.refused(&rules, &signed("n")).await, Reason::StoreRecovering);
    let signed_at = |seconds, nonce| sign("hmac-sha256", plain(), &SignOptions::new(at(seconds)).with_nonce(nonce));
    // Signed as far ahead of the clock as is allowed, it may have been accepted before the loss.
    let ahead = NOW + 10 + 300;
    assert_eq!(world.refused(&rules, &signed_at(ahead - 1, "ahead")).await, Reason::StoreRecovering);
    world.accepted(&rules, &signed_at(ahead, "n")).await;
    let mut narrow = rules.clone();
    narrow.policy.window = Some(Window { past: Duration::from_secs(300), future: Duration::from_secs(5) });
    world.accepted(&narrow, &signed_at(NOW + 15, "narrow")).await;
    let fresh = NewCredential::new("k2", KeyMaterial::Hmac("fresh".into()), Terms::new(["hmac-sha256"]));
    world.store.add_credential("a", fresh, at(NOW + 15)).await.unwrap();
    world.accepted(&rules, &sign_as("hmac-sha256", &Credential::hmac("k2", "fresh"), plain(), &options("n2"))).await;

    let world = World::guarded(credential(), guard(true)).await;
    world.accepted(&rules, &signed("n")).await;
}

#[tokio::test]
async fn a_full_guard_refuses() {
    let limits = ReplayLimits { total: 10, per_app: 1 };
    let guard = MemoryGuard::new(limits, Epoch::begin(at(0), true));
    let credential = NewCredential::new("k", KeyMaterial::Hmac(SECRET.into()), Terms::new(["hmac-sha256"]));
    let (world, rules) = (World::guarded(credential, Arc::new(guard)).await, rules(&["hmac-sha256"]));
    world.accepted(&rules, &signed("n")).await;
    assert_eq!(world.refused(&rules, &signed("m")).await, Reason::StoreUnavailable);
}

#[tokio::test]
async fn diagnostics_are_for_holders_who_asked() {
    for asked in [true, false] {
        let mut terms = Terms::new(["hmac-sha256"]);
        terms.diagnostics = asked;
        let (world, rules) = (World::new(terms).await, rules(&["hmac-sha256"]));
        world.accepted(&rules, &signed("n")).await;
        let denial = world.run(&rules, &signed("n")).await.unwrap_err();
        assert_eq!(denial.diagnostics().is_some(), asked);
        if let Some(stages) = denial.diagnostics() {
            let text = String::from_utf8(stages.get("string_to_sign").unwrap().to_vec()).unwrap();
            assert!(text.starts_with("HMAC-SHA256\n") && !text.contains(SECRET));
        }
        let mut changed = signed("o");
        changed.target = b"/changed".to_vec();
        let mismatch = world.run(&rules, &changed).await.unwrap_err();
        assert_eq!(mismatch.reason(), Reason::SignatureMismatch);
        let shown = mismatch.diagnostics().and_then(|stages| stages.get("string_to_sign"));
        assert_eq!(shown.is_some_and(|text| text.windows(9).any(|w| w == b"\n/changed")), asked, "where it is needed most");
    }
}

#[tokio::test]
async fn the_likely_cause_is_for_those_who_asked_and_not_beside_passwords() {
    for (asked, beside_passwords) in [(true, false), (false, false), (true, true)] {
        let mut terms = Terms::new(["hmac-sha256"]);
        terms.diagnostics = asked;
        let (world, mut rules) = (World::new(terms).await, rules(&["hmac-sha256"]));
        rules.judges_later = beside_passwords;
        let mut changed = signed("n");
        changed.method.make_ascii_lowercase();
        let denial = world.run(&rules, &changed).await.unwrap_err();
        assert_eq!(denial.reason(), Reason::SignatureMismatch);
        let told = denial.likely_cause().is_some_and(|cause| cause.contains("the method in upper case"));
        assert_eq!(told, asked && !beside_passwords, "{:?}", denial.likely_cause());
        assert!(asked || denial.likely_cause().is_none());
        changed.target = b"/nowhere/near".to_vec();
        assert_eq!(world.run(&rules, &changed).await.unwrap_err().likely_cause(), None, "never a false one");
    }
}

#[tokio::test]
async fn a_use_is_noted() {
    let (world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    world.accepted(&rules, &signed("n")).await;
    let found = world.store.credentials("a", "").await.unwrap();
    assert_eq!(found[0].stored.last_used, Some(at(NOW)));
}
