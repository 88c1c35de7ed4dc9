//! Why a caller is refused: told to the operator, redacted, bounded, and found by key id.

use countersign_core::app::{NewCredential, Terms};
use countersign_core::store::CredentialStore;
use countersign_protocol::{Credential, KeyMaterial};

use crate::fixture::{KEY, SECRET, Setup, at, house};
use crate::support::{Operated, problem};

#[tokio::test]
async fn the_exact_reason_is_found_by_key_id() {
    let operated = Operated::house().await;
    let gateway = &operated.gateway;
    let unknown = gateway.sign_as("house", gateway.request("GET", "/a"), &Credential::hmac("nobody", SECRET), &gateway.options());
    let answer = gateway.send(&unknown).await;
    answer.refuses(401, "signature_mismatch");
    let old = gateway.sign("house", gateway.request("GET", "/b"));
    gateway.advance(400);
    gateway.send(&old).await.refuses(401, "too_old");
    let repeated = gateway.sign("house", gateway.request("GET", "/c"));
    assert_eq!(gateway.send(&repeated).await.status, 200);
    gateway.send(&repeated).await.refuses(409, "replayed");

    let told = operated.get("/refusals?key_id=nobody").await;
    let [only] = told["refusals"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((only["reason"].as_str(), only["status"].as_u64(), only["app"].as_str()), (Some("unknown_key"), Some(401), Some("")));
    assert_eq!(only["id"].as_str(), answer.header("x-request-id"));
    let told = operated.get(&format!("/refusals?key_id={KEY}")).await;
    let reasons: Vec<_> = told["refusals"].as_array().unwrap().iter().map(|refusal| refusal["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["replayed", "too_old"]);
    let late = &told["refusals"][1];
    assert_eq!(
        (late["clock_offset_millis"].as_i64(), late["dialect"].as_str(), late["target"].as_str()),
        (Some(-400_000), Some("house"), Some("/b"))
    );
    let told = operated.get("/refusals?app=shop&reason=replayed&limit=1").await;
    assert_eq!(told["refusals"].as_array().unwrap().len(), 1);
    for query in ["reason=bad_luck", "limit=0", "limit=1001", "colour=red"] {
        problem(&operated.ask("GET", &format!("/refusals?{query}"), None).await, 400, "invalid");
    }
}

#[tokio::test]
async fn refusals_are_redacted_by_what_the_dialects_carry() {
    let config = house("loopback_is_tls = true").replace("[\"house\"]", "[\"house\", \"api-key\"]");
    let operated = Operated::start(&config, "", Setup { terms: Terms::new(["house"]), ..Setup::default() }).await;
    let gateway = &operated.gateway;
    let api_key = "canary-of-an-api-key-0123456789";
    let mut terms = Terms::new(["api-key"]);
    terms.not_after = Some(at(1));
    let stored = NewCredential::new("reader", KeyMaterial::Hmac(api_key.into()), terms);
    gateway.store.add_credential("shop", stored, at(0)).await.unwrap();
    gateway.send(&gateway.request("GET", &format!("/?api_key={api_key}&plain=canary"))).await.refuses(401, "key_expired");
    gateway.send(&gateway.request("GET", &format!("/?api_key=x{api_key}"))).await.refuses(401, "signature_mismatch");
    gateway.send(&gateway.request("GET", &format!("/?Signature={api_key}"))).await.refuses(401, "missing_signature");
    let known = gateway.sign("house", gateway.request("GET", "/"));
    let mut changed = known.clone();
    changed.headers.iter_mut().find(|(name, _)| name == "X-House-Nonce").unwrap().1 = b"other".to_vec();
    gateway.send(&changed).await.refuses(401, "signature_mismatch");
    let told = operated.get("/refusals").await.to_string();
    let signature = known.headers.iter().find(|(name, _)| name == "X-House-Signature").unwrap().1.clone();
    for secret in [api_key, SECRET, std::str::from_utf8(&signature).unwrap()] {
        assert!(!told.contains(secret), "{told}");
    }
    assert!(told.contains("api_key=***&plain=canary"), "{told}");
}

#[tokio::test]
async fn refusals_are_bounded_in_number_and_length() {
    let operated = Operated::start(&house(""), "refusals = 20", Setup::default()).await;
    for n in 0..50 {
        let target = format!("/{n}/{}", "x".repeat(5_000));
        operated.gateway.send(&operated.gateway.request("GET", &target)).await.refuses(401, "missing_signature");
    }
    let told = operated.get("/refusals?limit=1000").await;
    let targets: Vec<_> = told["refusals"].as_array().unwrap().iter().map(|refusal| refusal["target"].as_str().unwrap()).collect();
    assert_eq!(targets.len(), 20);
    assert!(targets[0].starts_with("/49/") && targets[19].starts_with("/30/"));
    assert!(targets.iter().all(|target| target.len() < 600));
}
