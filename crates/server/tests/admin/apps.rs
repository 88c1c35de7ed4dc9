//! Apps and credentials through the API: each change holds at once, and a secret is shown once.

use countersign_protocol::Credential;
use serde_json::{Value, json};

use crate::fixture::{Fixture, KEY, SECRET};
use crate::support::{Operated, problem};

impl Fixture {
    /// The status of the fixture's app and of its credential.
    pub(crate) async fn store_statuses(&self) -> [String; 2] {
        use countersign_core::store::{CredentialStore, LookupKey};
        let found = self.store.find(&LookupKey::KeyId(KEY.to_owned())).await.unwrap().unwrap();
        [found.app.status.to_string(), found.stored.terms.status.to_string()]
    }

    async fn called_with(&self, key_id: &str, secret: &str) -> u16 {
        let signed = self.sign_as("house", self.request("GET", "/"), &Credential::hmac(key_id, secret), &self.options());
        self.send(&signed).await.status
    }
}

async fn created(operated: &Operated, path: &str, body: Value) -> Value {
    let answer = operated.ask("POST", path, Some(&body)).await;
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

#[tokio::test]
async fn an_app_is_made_called_changed_and_switched_off() {
    let operated = Operated::house().await;
    let new = json!({ "name": "billing", "labels": { "team": "a" }, "scopes": ["read"] });
    let app = created(&operated, "/apps", new.clone()).await;
    assert_eq!((app["status"].as_str(), app["created"].as_str()), (Some("active"), Some("2026-01-01T00:00:00Z")));
    problem(&operated.ask("POST", "/apps", Some(&new)).await, 409, "conflict");
    problem(&operated.ask("POST", "/apps", Some(&json!({ "name": "a b" }))).await, 400, "invalid");
    let made = created(&operated, "/apps/billing/credentials", json!({ "dialects": ["house"] })).await;
    let (key_id, secret) = (made["key_id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!(operated.gateway.called_with(key_id, secret).await, 200);

    let change = json!({ "labels": { "team": "b" }, "scopes": ["read", "write"] });
    let changed = operated.ask("PATCH", "/apps/billing", Some(&change)).await.json();
    assert_eq!((&changed["labels"], &changed["scopes"], &changed["status"]), (&change["labels"], &change["scopes"], &json!("active")));
    let off = operated.ask("DELETE", "/apps/billing", None).await.json();
    assert_eq!(off["status"], "disabled");
    assert_eq!(operated.gateway.called_with(key_id, secret).await, 401);
    operated.ask("PATCH", "/apps/billing", Some(&json!({ "status": "active" }))).await;
    assert_eq!(operated.gateway.called_with(key_id, secret).await, 200);
    assert_eq!(operated.get("/apps/billing").await["scopes"], json!(["read", "write"]));
    for (method, body) in [("GET", None), ("PATCH", Some(json!({}))), ("DELETE", None)] {
        problem(&operated.ask(method, "/apps/nobody", body.as_ref()).await, 404, "not_found");
    }
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let operated = Operated::house().await;
    let made = created(&operated, "/apps/shop/credentials", json!({ "dialects": ["house"], "key_id": "a/b c" })).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 64);
    let rotated = created(&operated, "/apps/shop/credentials/a%2Fb%20c/rotate", json!({ "overlap_seconds": 60 })).await;
    let second = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(secret, second);
    let mut shown = String::new();
    for path in ["/apps", "/apps/shop", "/apps/shop/credentials", "/refusals", "/config", "/metrics"] {
        shown += &String::from_utf8(operated.ask("GET", path, None).await.body).unwrap();
    }
    let path = "/apps/shop/credentials/a%2Fb%20c";
    shown += &String::from_utf8(operated.ask("PATCH", path, Some(&json!({ "status": "active" }))).await.body).unwrap();
    shown += &String::from_utf8(operated.ask("DELETE", path, None).await.body).unwrap();
    assert!(shown.contains("a/b c") && shown.contains(rotated["key_id"].as_str().unwrap()));
    for secret in [secret.as_str(), &second, SECRET] {
        assert!(!shown.contains(secret));
    }
}

#[tokio::test]
async fn a_rotation_overlaps_and_ends() {
    let operated = Operated::house().await;
    let made = created(&operated, &format!("/apps/shop/credentials/{KEY}/rotate"), json!({ "overlap_seconds": 60 })).await;
    let (key_id, secret) = (made["key_id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let gateway = &operated.gateway;
    assert_eq!((gateway.called_with(KEY, SECRET).await, gateway.called_with(key_id, secret).await), (200, 200));
    gateway.advance(61);
    assert_eq!((gateway.called_with(KEY, SECRET).await, gateway.called_with(key_id, secret).await), (401, 200));
    let path = format!("/apps/shop/credentials/{key_id}/rotate");
    problem(&operated.ask("POST", &path, Some(&json!({ "overlap_seconds": 90 * 86_400 + 1 }))).await, 400, "invalid");
    problem(&operated.ask("POST", &path, Some(&json!({ "overlap_seconds": -1 }))).await, 400, "invalid");
}

#[tokio::test]
async fn a_credential_is_switched_off_and_on_by_its_own_app() {
    let operated = Operated::house().await;
    created(&operated, "/apps", json!({ "name": "other" })).await;
    let own = format!("/apps/shop/credentials/{KEY}");
    for path in [format!("/apps/other/credentials/{KEY}"), "/apps/shop/credentials/nobody".to_owned()] {
        problem(&operated.ask("DELETE", &path, None).await, 404, "not_found");
        problem(&operated.ask("PATCH", &path, Some(&json!({ "status": "disabled" }))).await, 404, "not_found");
        problem(&operated.ask("POST", &format!("{path}/rotate"), Some(&json!({ "overlap_seconds": 1 }))).await, 404, "not_found");
    }
    assert_eq!(operated.gateway.called_with(KEY, SECRET).await, 200);
    assert_eq!(operated.ask("DELETE", &own, None).await.json()["status"], "disabled");
    assert_eq!(operated.gateway.called_with(KEY, SECRET).await, 401);
    operated.ask("PATCH", &own, Some(&json!({ "status": "active" }))).await;
    assert_eq!(operated.gateway.called_with(KEY, SECRET).await, 200);
}

#[tokio::test]
async fn a_public_key_is_registered_without_a_secret() {
    let operated = Operated::house().await;
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let new = json!({ "dialects": ["house"], "public_key": pem, "not_after": "2027-01-01T00:00:00Z", "diagnostics": true });
    let made = created(&operated, "/apps/shop/credentials", new.clone()).await;
    assert_eq!(
        (made["key"].as_str(), made.get("secret"), made["not_after"].as_str()),
        (Some("ed25519"), None, Some("2027-01-01T00:00:00Z"))
    );
    problem(&operated.ask("POST", "/apps/shop/credentials", Some(&new)).await, 409, "conflict");
    let path = format!("/apps/shop/credentials/{}/rotate", made["key_id"].as_str().unwrap());
    problem(&operated.ask("POST", &path, Some(&json!({ "overlap_seconds": 1 }))).await, 400, "invalid");
    for wrong in [
        json!({ "dialects": [] }),
        json!({ "dialects": ["nowhere"] }),
        json!({ "dialects": ["house"], "public_key": "no key" }),
        json!({ "dialects": ["house"], "algorithms": ["none"] }),
        json!({ "dialects": ["house"], "not_before": "tomorrow" }),
        json!({ "dialects": ["house"], "secret": "chosen by the caller" }),
    ] {
        problem(&operated.ask("POST", "/apps/shop/credentials", Some(&wrong)).await, 400, "invalid");
    }
    problem(&operated.ask("POST", "/apps/nobody/credentials", Some(&json!({ "dialects": ["house"] }))).await, 404, "not_found");
}

#[tokio::test]
async fn pages_go_on_where_they_ended() {
    let operated = Operated::house().await;
    for n in 0..5 {
        created(&operated, "/apps", json!({ "name": format!("app-{n}") })).await;
        created(&operated, "/apps/shop/credentials", json!({ "dialects": ["house"], "key_id": format!("k-{n}") })).await;
    }
    for (path, rows, name, all) in [("/apps", "apps", "name", 6), ("/apps/shop/credentials", "credentials", "key_id", 6)] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = operated.get(&format!("{path}?limit=2&after={after}")).await;
            let names = page[rows].as_array().unwrap().iter().map(|row| row[name].as_str().unwrap().to_owned());
            seen.extend(names);
            let Some(next) = page["next"].as_str() else { break };
            after = next.to_owned();
        }
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((seen.len(), &sorted), (all, &seen));
    }
}

#[tokio::test]
async fn addresses_and_rate_hold_from_the_next_request_on() {
    let operated = Operated::house().await;
    let limits = json!({ "addresses": ["127.0.0.1", "2001:db8::/32"], "rate": { "per_second": 1, "burst": 1 } });
    let app = operated.ask("PATCH", "/apps/shop", Some(&limits)).await.json();
    assert_eq!((&app["addresses"], &app["rate"]), (&json!(["127.0.0.1/32", "2001:db8::/32"]), &limits["rate"]));
    assert_eq!(operated.gateway.called_with(KEY, SECRET).await, 200);
    assert_eq!(operated.gateway.called_with(KEY, SECRET).await, 429);
    let app = operated.ask("PATCH", "/apps/shop", Some(&json!({ "rate": null, "addresses": ["192.0.2.1"] }))).await.json();
    assert_eq!((&app["rate"], &app["addresses"]), (&Value::Null, &json!(["192.0.2.1/32"])));
    assert_eq!(operated.gateway.called_with(KEY, SECRET).await, 403);
    assert_eq!(operated.ask("PATCH", "/apps/shop", Some(&json!({ "addresses": [] }))).await.status, 200);
    assert_eq!(operated.gateway.called_with(KEY, SECRET).await, 200);
    problem(&operated.ask("PATCH", "/apps/shop", Some(&json!({ "addresses": ["10.0.0.0/33"] }))).await, 400, "invalid");
    problem(&operated.ask("PATCH", "/apps/shop", Some(&json!({ "rate": { "per_second": 0, "burst": 1 } }))).await, 400, "invalid");
}

#[tokio::test]
async fn a_public_key_may_be_a_jwk() {
    let operated = Operated::house().await;
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }).to_string();
    let made = created(&operated, "/apps/shop/credentials", json!({ "dialects": ["house"], "public_key": jwk })).await;
    assert_eq!((&made["key"], &made["secret"]), (&json!("ed25519"), &Value::Null));
    let private = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "AA" }).to_string();
    let refused = operated.ask("POST", "/apps/shop/credentials", Some(&json!({ "dialects": ["house"], "public_key": private }))).await;
    problem(&refused, 400, "invalid");
}
