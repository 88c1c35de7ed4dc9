//! What is signed and sent again: retries, the clock, rotated keys; and what a refusal tells.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_client::{ClientError, ClockLearning, Credentials, RetryPolicy, SigningClient};
use countersign_protocol::{Credential, Reason, Request, Timestamp};
use http::{Method, StatusCode};

use crate::support::{NOW, OK, Recorder, answer, client, dialect, header, now, problem, verify};

fn soon() -> RetryPolicy {
    RetryPolicy::default().with_waits(Duration::from_millis(1), Duration::from_millis(5))
}

/// A parameter of the authorization line.
fn parameter<'r>(request: &'r Request, name: &str) -> &'r str {
    let line = header(request, "authorization").unwrap();
    line.split(&format!("{name}=")).nth(1).unwrap().split(',').next().unwrap()
}

/// The date of so many seconds after now, as answers write it.
fn date(offset: i64) -> String {
    let at = std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(NOW + offset).unwrap());
    // RFC 9110, section 5.6.7.
    let text = httpdate(at);
    format!("Date: {text}\r\n")
}

fn httpdate(at: std::time::SystemTime) -> String {
    let seconds = at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // 2026-05-28 is the day of NOW, and a Thursday.
    assert_eq!(days, u64::try_from(NOW).unwrap() / 86_400, "the same day as NOW");
    format!("Thu, 28 May 2026 {:02}:{:02}:{:02} GMT", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[tokio::test]
async fn a_retry_is_signed_anew() {
    let server = Recorder::answering(|number, _| if number < 2 { answer("503 Busy", "", "") } else { OK.to_owned() }).await;
    let ticks = AtomicU32::new(0);
    let client = client("hmac-sha256")
        .with_clock(move || Timestamp::from_seconds(NOW + i64::from(ticks.fetch_add(1, Ordering::Relaxed))).unwrap())
        .with_retries(soon());
    assert_eq!(client.request(Method::PUT, server.url("/a")).body("b").send().await.unwrap().status(), 200);
    let seen = server.taken();
    assert_eq!(seen.len(), 3);
    for (i, a) in seen.iter().enumerate() {
        assert!(verify("hmac-sha256", a).is_ok() && a.body == b"b");
        for b in &seen[i + 1..] {
            assert_ne!(parameter(a, "Nonce"), parameter(b, "Nonce"));
            assert_ne!(parameter(a, "Timestamp"), parameter(b, "Timestamp"));
        }
    }
}

#[tokio::test]
async fn nothing_is_tried_again_unasked_or_beyond_bounds() {
    let server = Recorder::answering(|_, _| answer("503 Busy", "Retry-After: 3600\r\n", "")).await;
    let status = |client: SigningClient, method: Method| {
        let url = server.url("/");
        async move { client.request(method, url).send().await.unwrap().status() }
    };
    assert_eq!(status(client("hmac-sha256"), Method::GET).await, 503);
    assert_eq!(server.taken().len(), 1, "no policy");
    assert_eq!(status(client("hmac-sha256").with_retries(soon()), Method::GET).await, 503);
    assert_eq!(server.taken().len(), 1, "an hour is not waited for");

    let server = Recorder::answering(|_, _| answer("503 Busy", "", "")).await;
    for (policy, method, attempts) in [
        (soon(), Method::GET, 3),
        (soon(), Method::POST, 1),
        (soon().for_every_method(), Method::POST, 3),
        (soon().with_attempts(1), Method::GET, 1),
        (soon().with_total(Duration::ZERO), Method::GET, 1),
        (soon().with_statuses([StatusCode::BAD_GATEWAY]), Method::GET, 1),
    ] {
        let client = client("hmac-sha256").with_retries(policy);
        assert_eq!(client.request(method, server.url("/")).send().await.unwrap().status(), 503);
        assert_eq!(server.taken().len(), attempts);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again_where_that_is_safe() {
    let server = Recorder::answering(|number, _| if number % 2 == 0 { String::new() } else { OK.to_owned() }).await;
    let client = client("hmac-sha256").with_retries(soon());
    assert_eq!(client.request(Method::GET, server.url("/")).send().await.unwrap().status(), 200);
    assert_eq!(server.taken().len(), 2);
    // The server may have done it before the connection broke.
    assert!(matches!(client.request(Method::POST, server.url("/")).send().await, Err(ClientError::Send(_))));
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn the_clock_is_learned_from_a_refusal_and_kept() {
    let server = Recorder::answering(|_, request| {
        let is_early = parameter(request, "Timestamp").parse::<i64>().unwrap() < NOW + 500;
        if is_early { problem("401 Unauthorized", &date(600), "too_old") } else { OK.to_owned() }
    })
    .await;
    let client = client("hmac-sha256").with_clock_learning(ClockLearning::default().allow_plain_http());
    for requests in [2, 1] {
        assert_eq!(client.request(Method::POST, server.url("/")).body("b").send().await.unwrap().status(), 200);
        let seen = server.taken();
        assert_eq!(seen.len(), requests, "the second request knows it already");
        assert_eq!(parameter(seen.last().unwrap(), "Timestamp"), (NOW + 600).to_string());
    }
    // Another server's clock is another matter.
    let other = Recorder::ok().await;
    client.request(Method::GET, other.url("/")).send().await.unwrap();
    assert_eq!(parameter(&other.taken()[0], "Timestamp"), NOW.to_string());
}

#[tokio::test]
async fn the_clock_is_not_learned_where_it_must_not_be() {
    let server = Recorder::answering(|_, _| problem("401 Unauthorized", &date(600), "from_the_future")).await;
    let plain = || ClockLearning::default().allow_plain_http();
    for (case, client, requests) in [
        ("plain http", client("hmac-sha256"), 1),
        ("switched off", client("hmac-sha256").without_clock_learning(), 1),
        ("too far off", client("hmac-sha256").with_clock_learning(plain().with_most(Duration::from_secs(599))), 1),
        ("once only", client("hmac-sha256").with_clock_learning(plain()), 2),
    ] {
        assert_eq!(client.request(Method::GET, server.url("/")).send().await.unwrap().status(), 401, "{case}");
        assert_eq!(server.taken().len(), requests, "{case}");
    }
    let mismatch = Recorder::answering(|_, _| problem("401 Unauthorized", &date(600), "signature_mismatch")).await;
    let client = client("hmac-sha256").with_clock_learning(plain());
    client.request(Method::GET, mismatch.url("/")).send().await.unwrap();
    assert_eq!(mismatch.taken().len(), 1, "not the clock's fault");
}

#[tokio::test]
async fn a_rotated_key_is_taken_up_after_one_refusal() {
    for code in ["key_expired", "key_disabled", "signature_mismatch"] {
        let server = Recorder::answering(move |_, request| {
            if parameter(request, "Credential") == "new" { OK.to_owned() } else { problem("401 Unauthorized", "", code) }
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        let write = |key_id: &str| {
            std::fs::write(&path, format!("{{\"key_id\": \"{key_id}\", \"secret\": \"s\"}}")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, mode).unwrap();
        };
        write("new");
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let rotated = move || {
            let key_id = if counted.fetch_add(1, Ordering::Relaxed) == 0 { "old" } else { "new" };
            async move { Ok(Credential::hmac(key_id, "s")) }
        };
        let sources =
            [(Credentials::from_file(path.clone()), 1), (Credentials::from_async_fn(rotated), 2), (Credential::hmac("new", "s").into(), 1)];
        for (source, requests) in sources {
            let client = SigningClient::new(reqwest::Client::builder(), dialect("hmac-sha256"), source).unwrap().with_clock(now);
            assert_eq!(client.request(Method::POST, server.url("/")).send().await.unwrap().status(), 200, "{code}");
            assert_eq!(server.taken().len(), requests, "{code}");
        }
    }
}

#[tokio::test]
async fn a_key_that_stays_refused_is_sent_once() {
    let server = Recorder::answering(|_, _| problem("401 Unauthorized", "", "key_disabled")).await;
    let reads = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&reads);
    let same = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Credential::hmac("key-1", "s"))
    };
    let other = Mutex::new(0);
    let every_time_another = move || {
        *other.lock().unwrap() += 1;
        Ok(Credential::hmac(format!("key-{}", other.lock().unwrap()), "s"))
    };
    for (source, requests) in [(Credentials::from_fn(same), 1), (Credentials::from_fn(every_time_another), 2)] {
        let client = SigningClient::new(reqwest::Client::builder(), dialect("hmac-sha256"), source).unwrap();
        assert_eq!(client.request(Method::GET, server.url("/")).send().await.unwrap().status(), 401);
        assert_eq!(server.taken().len(), requests);
    }
    assert_eq!(reads.load(Ordering::Relaxed), 2, "read again once");
}

#[tokio::test]
async fn a_source_that_fails_sends_nothing() {
    let server = Recorder::ok().await;
    let source = Credentials::from_async_fn(|| async { Err("the vault is sealed".into()) });
    let client = SigningClient::new(reqwest::Client::builder(), dialect("hmac-sha256"), source).unwrap();
    let error = client.request(Method::GET, server.url("/")).send().await.unwrap_err();
    assert_eq!(error.to_string(), "no credential: the vault is sealed");
    assert_eq!(server.taken().len(), 0);
}

#[tokio::test]
async fn a_refusal_tells_the_servers_reason_and_both_strings() {
    let server = Recorder::answering(|_, _| {
        let body = r#"{"code": "signature_mismatch", "detail": "compare", "string_to_sign": "HMAC-SHA256\n1780000001"}"#;
        answer("401 Unauthorized", "Content-Type: application/problem+json\r\n", body)
    })
    .await;
    let request = client("hmac-sha256").request(Method::GET, server.url("/?private=1"));
    let error = request.send_ok().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("private"), "{error:?}");
    let ClientError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.status().as_u16(), refusal.reason(), refusal.hint()), (401, Some(Reason::SignatureMismatch), Some("compare")));
    let at = refusal.difference().unwrap();
    assert_eq!((at.line, at.ours.as_deref(), at.theirs.as_deref()), (2, Some("1780000000"), Some("1780000001")));
    assert!(refusal.our_string_to_sign().contains("private=1"));
    // Without `_ok` any answer is data.
    assert_eq!(request.send().await.unwrap().status(), 401);
}
