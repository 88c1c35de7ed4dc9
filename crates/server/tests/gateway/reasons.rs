//! Each reason of the verification order, provoked through the gateway.

use countersign_core::app::{NewCredential, Status, Terms};
use countersign_core::replay::{Epoch, ReplayLimits};
use countersign_core::store::CredentialStore;
use countersign_protocol::{Algorithm, Credential, KeyMaterial};

use crate::fixture::{Client, Fixture, KEY, NOW, SECRET, Setup, at, house, raw};

#[tokio::test]
async fn a_signed_request_passes() {
    let gateway = Fixture::house().await;
    let answer = gateway.send(&gateway.sign("house", gateway.request("POST", "/a?b=c").with_body("hello"))).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]));
    assert_eq!((answer.header("x-upstream"), answer.header("keep-alive")), (Some("yes"), None));
    assert!(answer.header("x-request-id").is_some() && answer.header("x-hop").is_none());
    assert!(gateway.upstream.only().ends_with("\r\n\r\nhello"));
}

#[tokio::test]
async fn head_too_large() {
    let gateway = Fixture::house().await;
    let long = gateway.request("GET", "/").with_header("X-Long", "a".repeat(33 * 1024));
    gateway.send(&long).await.refuses(431, "head_too_large");
    let many = (0..100).fold(gateway.request("GET", "/"), |request, n| request.with_header(format!("X-{n}"), "1"));
    gateway.send(&many).await.refuses(431, "head_too_large");
    gateway.send(&gateway.request("GET", &format!("/{}", "a".repeat(8192)))).await.refuses(431, "head_too_large");
    gateway.send(&gateway.request("GET", &format!("/?{}", "a&".repeat(256)))).await.refuses(431, "head_too_large");
    // A head that never ends is refused as soon as it is too long.
    let mut client = Client::connect(gateway.address).await;
    client.write(format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(40 * 1024)).as_bytes()).await;
    client.answer().await.unwrap().refuses(431, "head_too_large");
    assert!(client.is_closed().await);
    assert!(gateway.upstream.requests().is_empty());
}

#[tokio::test]
async fn rate_limited() {
    let config = house("[limits]\naddress_rate = { per_second = 1, burst = 2 }");
    let gateway = Fixture::start(&config, Setup::default()).await;
    for _ in 0..2 {
        assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    }
    let answer = gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await;
    answer.refuses(429, "rate_limited");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn missing_signature() {
    let gateway = Fixture::house().await;
    let answer = gateway.send(&gateway.request("GET", "/")).await;
    answer.refuses(401, "missing_signature");
    assert_eq!(answer.header("www-authenticate"), Some("Countersign error=\"missing_signature\""));
}

#[tokio::test]
async fn malformed_claim() {
    let gateway = Fixture::house().await;
    let mut request = gateway.sign("house", gateway.request("GET", "/"));
    request.headers.iter_mut().find(|(name, _)| name == "X-House-Time").unwrap().1 = b"yesterday".to_vec();
    gateway.send(&request).await.refuses(400, "malformed_claim");
    let mut twice = gateway.sign("house", gateway.request("GET", "/"));
    let signature = twice.headers.iter().find(|(name, _)| name == "X-House-Signature").unwrap().clone();
    twice.headers.push(signature);
    gateway.send(&twice).await.refuses(400, "malformed_claim");
}

#[tokio::test]
async fn ambiguous_claim() {
    let config = house("").replace("[\"house\"]", "[\"house\", \"hmac-sha256\"]");
    let gateway = Fixture::start(&config, Setup::default()).await;
    let both = gateway.sign("house", gateway.sign("hmac-sha256", gateway.request("GET", "/")));
    gateway.send(&both).await.refuses(400, "ambiguous_claim");
    assert_eq!(gateway.send(&gateway.sign("hmac-sha256", gateway.request("GET", "/"))).await.status, 200);
}

#[tokio::test]
async fn insecure_transport() {
    let config = house("").replace("[\"house\"]", "[\"api-key\"]");
    let gateway = Fixture::start(&config, Setup::default()).await;
    let request = gateway.request("GET", "/").with_header("X-Api-Key", SECRET.replace(' ', "-"));
    gateway.send(&request).await.refuses(403, "insecure_transport");
    let excused = house("loopback_is_tls = true").replace("[\"house\"]", "[\"api-key\"]");
    let gateway = Fixture::start(&excused, Setup { terms: Terms::new(["house"]), ..Setup::default() }).await;
    let key = NewCredential::new("api", KeyMaterial::Hmac("0123456789abcdef0123456789abcdef".into()), Terms::new(["api-key"]));
    gateway.store.add_credential("shop", key, at(0)).await.unwrap();
    let request = |key: &str| gateway.request("GET", "/").with_header("X-Api-Key", key);
    assert_eq!(gateway.send(&request("0123456789abcdef0123456789abcdef")).await.status, 200);
    gateway.send(&request("0123456789abcdef0123456789abcdee")).await.refuses(401, "signature_mismatch");
}

#[tokio::test]
async fn too_old_and_from_the_future() {
    let gateway = Fixture::house().await;
    let signed = |seconds: i64| {
        let options = countersign_protocol::SignOptions { at: at(NOW + seconds), ..gateway.options() };
        gateway.sign_as("house", gateway.request("GET", "/"), &Credential::hmac(KEY, SECRET), &options)
    };
    assert_eq!(gateway.send(&signed(-300)).await.status, 200);
    let old = gateway.send(&signed(-301)).await.refuses(401, "too_old");
    assert_eq!((old["server_time"].as_str(), old["offset_seconds"].as_i64()), (Some("2026-01-01T00:00:00Z"), Some(-301)));
    assert_eq!(gateway.send(&signed(300)).await.status, 200);
    let early = gateway.send(&signed(301)).await.refuses(401, "from_the_future");
    assert_eq!(early["offset_seconds"], 301);
}

#[tokio::test]
async fn a_wrong_signature_and_an_unknown_key_look_alike() {
    let gateway = Fixture::house().await;
    let mut tampered = gateway.sign("house", gateway.request("GET", "/a"));
    tampered.target = b"/b".to_vec();
    let unknown = Credential::hmac("nobody", SECRET);
    let unknown = gateway.sign_as("house", gateway.request("GET", "/a"), &unknown, &gateway.options());
    let answers = [gateway.send(&tampered).await, gateway.send(&unknown).await];
    let seen = answers.each_ref().map(|answer| {
        let mut body = answer.refuses(401, "signature_mismatch");
        body["instance"] = "".into();
        let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
        (body, names, answer.header("content-length").map(str::to_owned), answer.header("www-authenticate").map(str::to_owned))
    });
    assert_eq!(seen[0], seen[1]);
    assert!(gateway.upstream.requests().is_empty());
}

#[tokio::test]
async fn the_standing_of_a_key() {
    let gateway = Fixture::house().await;
    let mut keys = Vec::new();
    for (id, begins, ends) in [("later", Some(at(NOW + 10)), None), ("over", None, Some(at(NOW - 10))), ("off", None, None)] {
        let terms = Terms { not_before: begins, not_after: ends, ..Terms::new(["house"]) };
        let secret = format!("a secret for {id} of some length");
        let credential = NewCredential::new(id, KeyMaterial::Hmac(secret.as_str().into()), terms);
        gateway.store.add_credential("shop", credential, at(0)).await.unwrap();
        keys.push(Credential::hmac(id, secret.as_str()));
    }
    gateway.store.set_credential_status("off", Status::Disabled).await.unwrap();
    for (key, code) in keys.iter().zip(["key_not_yet_valid", "key_expired", "key_disabled"]) {
        let request = gateway.sign_as("house", gateway.request("GET", "/"), key, &gateway.options());
        gateway.send(&request).await.refuses(401, code);
        // Only who holds the key learns its standing.
        let thief = Credential::hmac(key.key_id(), "another secret");
        let request = gateway.sign_as("house", gateway.request("GET", "/"), &thief, &gateway.options());
        gateway.send(&request).await.refuses(401, "signature_mismatch");
    }
}

#[tokio::test]
async fn dialects_versions_and_algorithms_that_are_not_registered() {
    let config = house("").replace("[\"house\"]", "[\"house\", \"hmac-sha256\", \"x-ca-labelled\", \"x-ca-labelled-2\"]");
    let setup = Setup { terms: Terms::new(["house", "x-ca-labelled"]), ..Setup::default() };
    let gateway = Fixture::start(&config, setup).await;
    let signed = |dialect: &str| gateway.sign(dialect, gateway.request("GET", "/"));
    assert_eq!(gateway.send(&signed("x-ca-labelled")).await.status, 200);
    gateway.send(&signed("hmac-sha256")).await.refuses(403, "dialect_not_allowed");
    gateway.send(&signed("x-ca-labelled-2")).await.refuses(403, "version_not_allowed");
}

#[tokio::test]
async fn algorithm_not_allowed() {
    let named = r#"
countersign: 1
dialect: named
title: The algorithm is named on the wire
string_to_sign: "{method}\n{target}\n{time}\n{algorithm}"
algorithm: { small: hmac-sha256, large: hmac-sha512 }
carry:
  header:
    X-Named-Key: "{key_id}"
    X-Named-Time: "{time}"
    X-Named-Algorithm: "{algorithm}"
    X-Named-Signature: "{signature}"
time: { format: unix, window: 5m }
waive: [body]
"#;
    let mut setup = Setup { terms: Terms::new(["named"]), ..Setup::default() };
    setup.dialects.add_yaml("named", named).unwrap();
    let gateway = Fixture::start(&house("").replace("[\"house\"]", "[\"named\"]"), setup).await;
    let with = |name: &str| Credential::hmac(KEY, SECRET).with_algorithm(Algorithm::from_name(name).unwrap());
    let signed = |name: &str| gateway.sign_as("named", gateway.request("GET", "/"), &with(name), &gateway.options());
    assert_eq!(gateway.send(&signed("hmac-sha256")).await.status, 200);
    gateway.send(&signed("hmac-sha512")).await.refuses(403, "algorithm_not_allowed");
}

#[tokio::test]
async fn ambiguous_request() {
    let config = house("").replace("[\"house\"]", "[\"x-ca\"]");
    let gateway = Fixture::start(&config, Setup { terms: Terms::new(["x-ca"]), ..Setup::default() }).await;
    let signed = |target: &str| gateway.sign("x-ca", gateway.request("GET", target));
    assert_eq!(gateway.send(&signed("/?a=1&b=2")).await.status, 200);
    // The string to sign holds decoded parameters: this is the same one.
    gateway.send(&signed("/?a=1%26b%3D2")).await.refuses(400, "ambiguous_request");
}

#[tokio::test]
async fn required_part_unsigned() {
    let gateway = Fixture::start(&house("require = [\"header.x-wanted\"]"), Setup::default()).await;
    let request = || gateway.request("GET", "/").with_header("X-Wanted", "1");
    gateway.send(&gateway.sign("house", request())).await.refuses(403, "required_part_unsigned");
    let options = countersign_protocol::SignOptions { headers: Some(vec!["x-wanted".to_owned()]), ..gateway.options() };
    let signed = gateway.sign_as("house", request(), &Credential::hmac(KEY, SECRET), &options);
    assert_eq!(gateway.send(&signed).await.status, 200);
}

#[tokio::test]
async fn body_too_large() {
    let gateway = Fixture::start(&house("body_limit = 10"), Setup::default()).await;
    let post = |body: &str| gateway.sign("house", gateway.request("POST", "/").with_body(body));
    assert_eq!(gateway.send(&post("0123456789")).await.status, 200);
    gateway.send(&post("0123456789a")).await.refuses(413, "body_too_large");
    // A chunked body does not say how long it will be.
    let mut chunked = post("0123456789a");
    chunked.headers.push(("Transfer-Encoding".to_owned(), b"chunked".to_vec()));
    chunked.body.clear();
    let bytes = [raw(&chunked), b"b\r\n0123456789a\r\n0\r\n\r\n".to_vec()].concat();
    gateway.exchange(&bytes).await.refuses(413, "body_too_large");
    assert_eq!(gateway.upstream.requests().len(), 1);
}

#[tokio::test]
async fn body_digest_mismatch() {
    let gateway = Fixture::house().await;
    let mut request = gateway.sign("house", gateway.request("POST", "/").with_body("hello"));
    request.body = b"hellO".to_vec();
    gateway.send(&request).await.refuses(400, "body_digest_mismatch");
    // The nonce is not used up by a body that is not the signed one.
    request.body = b"hello".to_vec();
    assert_eq!(gateway.send(&request).await.status, 200);
    assert_eq!(gateway.upstream.requests().len(), 1);
}

#[tokio::test]
async fn replayed() {
    let gateway = Fixture::house().await;
    let request = gateway.sign("house", gateway.request("POST", "/").with_body("hello"));
    assert_eq!(gateway.send(&request).await.status, 200);
    gateway.send(&request).await.refuses(409, "replayed");
    gateway.advance(299);
    gateway.send(&request).await.refuses(409, "replayed");
    gateway.advance(2);
    gateway.send(&request).await.refuses(401, "too_old");
    assert_eq!(gateway.upstream.requests().len(), 1);
}

#[tokio::test]
async fn store_unavailable() {
    let setup = Setup { guard: ReplayLimits { total: 1, per_app: 1 }, ..Setup::default() };
    let gateway = Fixture::start(&house(""), setup).await;
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.refuses(503, "store_unavailable");
}

#[tokio::test]
async fn store_recovering() {
    let setup = Setup { epoch: Epoch::begin(at(NOW), false), ..Setup::default() };
    let gateway = Fixture::start(&house(""), setup).await;
    let before = countersign_protocol::SignOptions { at: at(NOW - 1), ..gateway.options() };
    let signed = gateway.sign_as("house", gateway.request("GET", "/"), &Credential::hmac(KEY, SECRET), &before);
    gateway.send(&signed).await.refuses(503, "store_recovering");
    let answer = gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await;
    answer.refuses(503, "store_recovering");
    assert_eq!(answer.header("retry-after"), Some("300"), "a window");
    gateway.advance(290);
    let answer = gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await;
    assert_eq!(answer.header("retry-after"), Some("10"));
    gateway.advance(10);
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
}

#[tokio::test]
async fn insufficient_scope() {
    let gateway = Fixture::start(&house("scopes = [\"orders\"]"), Setup::default()).await;
    gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.refuses(403, "insufficient_scope");
}

#[tokio::test]
async fn no_route() {
    let gateway = Fixture::start(&house("").replace("\"/\"", "\"/V1\""), Setup::default()).await;
    gateway.send(&gateway.request("GET", "/V2")).await.refuses(404, "no_route");
    let unclear = gateway.sign("house", gateway.request("GET", "/V1/../V2"));
    gateway.send(&unclear).await.refuses(400, "malformed_request");
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/V1/x"))).await.status, 200);
}

#[tokio::test]
async fn overloaded() {
    let gateway = Fixture::start(&house("[limits]\nrequests = 1\nqueue = 0"), Setup::default()).await;
    let slow = raw(&gateway.sign("house", gateway.request("GET", "/slow")));
    let mut busy = Client::connect(gateway.address).await;
    busy.write(&slow).await;
    gateway.upstream.wait_for(1).await;
    gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.refuses(503, "overloaded");
    assert_eq!(busy.answer().await.unwrap().status, 200);
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
}

#[tokio::test]
async fn upstream_unavailable_gives_the_nonce_back() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Fixture::start(&house("").replace("UPSTREAM", &nowhere.to_string()), Setup::default()).await;
    let request = gateway.sign("house", gateway.request("GET", "/"));
    for _ in 0..2 {
        // No byte went upstream, so the same request may come again.
        gateway.send(&request).await.refuses(502, "upstream_unavailable");
    }
}

#[tokio::test]
async fn upstream_timeout_burns_the_nonce() {
    let gateway = Fixture::start(&house("[limits]\nupstream_head = \"100ms\""), Setup::default()).await;
    let request = gateway.sign("house", gateway.request("GET", "/slow"));
    gateway.send(&request).await.refuses(504, "upstream_timeout");
    gateway.send(&request).await.refuses(409, "replayed");
}

#[tokio::test]
async fn diagnostics_are_shown_under_a_credential_that_opted_in() {
    let terms = Terms { diagnostics: true, ..Terms::new(["house"]) };
    let gateway = Fixture::start(&house("require = [\"header.x-wanted\"]"), Setup { terms, ..Setup::default() }).await;
    let request = gateway.sign("house", gateway.request("GET", "/").with_header("X-Wanted", "1"));
    let told = gateway.send(&request).await.refuses(403, "required_part_unsigned");
    assert!(told["string_to_sign"].as_str().unwrap().starts_with("GET\n"));
    let wrong = |id: &str| gateway.sign_as("house", gateway.request("GET", "/"), &Credential::hmac(id, "another"), &gateway.options());
    let mismatch = gateway.send(&wrong(KEY)).await.refuses(401, "signature_mismatch");
    assert!(mismatch["string_to_sign"].as_str().unwrap().starts_with("GET\n"), "where it is needed most");
    assert!(mismatch.get("likely_cause").is_none(), "never a false one");
    let mut changed = gateway.sign("house", gateway.request("GET", "/a"));
    changed.target = b"/a?page=2".to_vec();
    let told = gateway.send(&changed).await.refuses(401, "signature_mismatch");
    assert_eq!(told["likely_cause"], "it verifies if the signer left out the query");
    assert!(gateway.send(&wrong("unknown")).await.refuses(401, "signature_mismatch").get("string_to_sign").is_none());
}

#[tokio::test]
async fn a_dialect_shows_its_string_to_sign_in_its_own_header() {
    for diagnostics in [true, false] {
        let config = house("").replace("[\"house\"]", "[\"x-ca\"]");
        let terms = Terms { diagnostics, ..Terms::new(["x-ca"]) };
        let gateway = Fixture::start(&config, Setup { terms, ..Setup::default() }).await;
        let mut changed = gateway.sign("x-ca", gateway.request("GET", "/a"));
        changed.target = b"/b".to_vec();
        let answer = gateway.send(&changed).await;
        let shown = answer.header("x-ca-error-message").map(str::to_owned);
        answer.refuses(401, "signature_mismatch");
        match shown {
            Some(text) => assert!(
                diagnostics && text.starts_with("Invalid Signature, Server StringToSign:`GET##") && text.ends_with("#/b`"),
                "{text}"
            ),
            None => assert!(!diagnostics),
        }
    }
}

#[tokio::test]
async fn hints_come_in_the_language_that_is_preferred() {
    let gateway = Fixture::house().await;
    let request = gateway.request("GET", "/").with_header("Accept-Language", "zh-CN,en;q=0.5");
    let answer = gateway.send(&request).await;
    assert_eq!(answer.header("content-language"), Some("zh"));
    assert!(answer.refuses(401, "missing_signature")["detail"].as_str().unwrap().contains("签名"));
}

#[tokio::test]
async fn an_event_is_delivered_once_and_its_repeat_is_a_success() {
    let config = house(&format!("keys = [\"{KEY}\", \"hook\"]")).replace("[\"house\"]", "[\"standard-webhooks\"]");
    let gateway = Fixture::start(&config, Setup { terms: Terms::new(["house"]), ..Setup::default() }).await;
    let secret = "c2VjcmV0LW9mLWEtd2ViaG9vaw==";
    let stored = NewCredential::new("hook", KeyMaterial::Hmac(secret.into()), Terms::new(["standard-webhooks"]));
    gateway.store.add_credential("shop", stored, at(0)).await.unwrap();
    let event = |target: &str| {
        let request = gateway.request("POST", target).with_body("{}");
        gateway.sign_as("standard-webhooks", request, &Credential::hmac("hook", secret), &gateway.options())
    };
    let handled = event("/events");
    assert_eq!(gateway.send(&handled).await.body, b"ok");
    let repeat = gateway.send(&handled).await;
    assert_eq!((repeat.status, repeat.json()["status"].as_str()), (200, Some("duplicate")));
    assert_eq!(gateway.upstream.requests().len(), 1);
    // An event that the handler failed on is delivered again.
    let failed = event("/fails");
    assert_eq!([gateway.send(&failed).await.status, gateway.send(&failed).await.status], [500, 500]);
    assert_eq!(gateway.upstream.requests().len(), 3);
}

#[tokio::test]
async fn envelope_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../envelope/tests/keys/rsa2048.pem"), &key).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = house(&format!("[route.envelope]\nprivate_key = [\"{}\"]", key.display()));
    let gateway = Fixture::start(&config, Setup::default()).await;
    let plain = gateway.sign("house", gateway.request("POST", "/").with_body("{}"));
    gateway.send(&plain).await.refuses(400, "envelope_invalid");
    // Nobody learns of the envelope who has not proved to hold a key.
    gateway.send(&gateway.request("POST", "/").with_body("{}")).await.refuses(401, "missing_signature");
    assert!(gateway.upstream.requests().is_empty());
}
