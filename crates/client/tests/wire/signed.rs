//! What leaves is what was signed: requests recorded from a raw socket are verified as they came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_client::{ClientError, SigningClient};
use countersign_protocol::{Inputs, Policy, Request, Timestamp};
use http::Method;

use crate::support::{NOW, Recorder, client, credential, dialect, now, verify};

#[tokio::test]
async fn what_arrives_is_what_was_signed() {
    let server = Recorder::ok().await;
    let targets = ["/", "/a%2Fb//c?x=+&x=%20&y&z=", "/%E4%BD%A0%20?q=%e4%bd%a0&a=b%26c", "/a?b=1&b=2&b=", "/V1/x?"];
    for id in ["hmac-sha256", "aws-sigv4", "aws-sigv4-presigned", "qlm-open", "aws-sigv1", "oauth1", "x-ca"] {
        for target in targets {
            for (method, body) in [(Method::GET, &b""[..]), (Method::POST, b"{\"a\":\"\xe4\xbd\xa0\"}"), (Method::PUT, b"\x00\xff")] {
                let client = client(id).with_nonces(|| "nonce-0123456789".to_owned());
                let request = client.request(method.clone(), format!("http://{}{target}", server.address));
                let request = request.header("Content-Type", "application/json; charset=UTF-8").header("X-Extra", "a  b").body(body);
                let signed = request.sign().unwrap_or_else(|e| panic!("{id} {target}: {e}"));
                assert_eq!(request.send().await.unwrap().status(), 200);
                let arrived = server.taken().remove(0);
                let case = format!("{id} {method} {target}");
                verify(id, &arrived).unwrap_or_else(|e| panic!("{case}: {e}"));
                assert_eq!((arrived.method.as_str(), &arrived.body[..]), (method.as_str(), body), "{case}");
                assert!(arrived.target.starts_with(target.as_bytes()), "{case}");
                assert!(signed.url().as_str().as_bytes().ends_with(&arrived.target), "{case}");
                for (name, value) in signed.headers() {
                    let there = arrived.headers.iter().any(|(n, v)| n == name.as_str() && v == value.as_bytes());
                    assert!(there, "{case}: {name}");
                }
                let added: Vec<_> = arrived.headers.iter().filter(|(name, _)| !signed.headers().contains_key(name)).collect();
                assert!(added.iter().all(|(name, _)| name == "content-length"), "{case}: {added:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_change_on_the_way_is_seen() {
    let server = Recorder::ok().await;
    client("hmac-sha256").request(Method::POST, format!("http://{}/a?b=c", server.address)).body("d").send().await.unwrap();
    let arrived = server.taken().remove(0);
    assert!(verify("hmac-sha256", &arrived).is_ok());
    for change in [
        |request: &mut Request| request.method = "PUT".to_owned(),
        |request: &mut Request| request.target = b"/a?b=d".to_vec(),
        |request: &mut Request| request.body = b"e".to_vec(),
        |request: &mut Request| {
            request.headers.iter_mut().filter(|(name, _)| name == "host").for_each(|(_, value)| *value = b"other".to_vec())
        },
    ] {
        let mut changed = arrived.clone();
        change(&mut changed);
        assert!(verify("hmac-sha256", &changed).is_err());
    }
}

#[tokio::test]
async fn each_attempt_has_a_new_time_and_nonce() {
    let server = Recorder::ok().await;
    let ticks = Arc::new(AtomicU32::new(0));
    let clock = Arc::clone(&ticks);
    let client =
        client("hmac-sha256").with_clock(move || Timestamp::from_seconds(NOW + i64::from(clock.fetch_add(1, Ordering::Relaxed))).unwrap());
    let request = client.request(Method::GET, format!("http://{}/", server.address));
    request.send().await.unwrap();
    request.send().await.unwrap();
    let authorization = |request: &Request| request.headers.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
    let seen = server.taken();
    let texts: Vec<_> = seen.iter().map(|request| String::from_utf8(authorization(request)).unwrap()).collect();
    assert!(texts[0].contains("Timestamp=1780000000") && texts[1].contains("Timestamp=1780000001"), "{texts:?}");
    let nonce = |text: &str| text.split("Nonce=").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert_ne!(nonce(&texts[0]), nonce(&texts[1]));
    assert_eq!(nonce(&texts[0]).len(), 32);

    let fixed = client.with_nonces(|| "my-nonce".to_owned()).request(Method::GET, format!("http://{}/", server.address));
    fixed.send().await.unwrap();
    assert_eq!(nonce(&String::from_utf8(authorization(&server.taken()[0])).unwrap()), "my-nonce");
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_not_followed() {
    let server =
        Recorder::start("HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    // A builder that would follow is overruled.
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(5));
    let client = SigningClient::new(builder, dialect("hmac-sha256"), credential()).unwrap();
    let answer = client.request(Method::GET, format!("http://{}/", server.address)).send().await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(server.taken().len(), 1);
}

#[test]
fn a_url_that_would_change_is_not_signed() {
    let changed = client("hmac-sha256").request(Method::GET, "https://h/a/../b").sign().unwrap_err();
    assert!(matches!(&changed, ClientError::UrlChanged { written, sent } if written == "/a/../b" && sent == "/b"), "{changed}");
}

#[test]
fn a_secret_that_is_shown_leaves_over_tls_only() {
    let client = client("api-key");
    let plain = client.request(Method::GET, "http://h/").sign().unwrap_err();
    assert!(matches!(plain, ClientError::InsecureTransport));
    assert!(client.request(Method::GET, "https://h/").sign().is_ok());
    assert!(client.allow_plain_http().request(Method::GET, "http://127.0.0.1/").sign().is_ok());
}

#[test]
fn debug_and_errors_show_no_secret() {
    let client = client("api-key");
    let request = client.request(Method::GET, "http://h/?token=canary").header("X-Token", "canary");
    let shown = format!("{client:?} {request:?} {:?}", request.sign().unwrap_err());
    assert!(!shown.contains("0123456789abcdef") && !shown.contains("canary"), "{shown}");
}

#[cfg(feature = "folders")]
#[tokio::test]
async fn a_dialect_of_a_folder_is_signed_in_too() {
    const FILE: &str = "countersign: 1\ndialect: in-house\ntitle: In house\nstring_to_sign: \"{method}\\n{target}\\n{time}\\n{body | sha256 | hex}\"\n\
         algorithm: hmac-sha256\ncarry: { header: { X-House-Key: \"{key_id}\", X-House-Time: \"{time}\", X-House-Tag: \"{signature}\" } }\n\
         time: { format: unix, window: 5m }\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in-house.yaml"), FILE).unwrap();
    let mut dialects = countersign_protocol::Dialects::builtin().unwrap();
    countersign_client::Folder::open(folder.path()).unwrap().load_into(&mut dialects).unwrap();
    let ours = dialects.get("in-house").unwrap().clone();
    let server = Recorder::ok().await;
    let client = SigningClient::new(reqwest::Client::builder(), ours.clone(), credential()).unwrap().with_clock(now).allow_plain_http();
    client.request(Method::POST, format!("http://{}/a?b=c", server.address)).body("d").send().await.unwrap();
    let mut arrived = server.taken().remove(0);
    let verdict = |request: &Request| ours.verify(request, &Inputs::new(), &[&credential()], now(), &Policy::default());
    assert!(verdict(&arrived).is_ok());
    arrived.body = b"e".to_vec();
    assert!(verdict(&arrived).is_err());
}
