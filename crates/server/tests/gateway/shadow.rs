//! Shadow mode: everything is verified and told, nothing is refused for its signature.

use countersign_protocol::Credential;

use crate::fixture::{Fixture, SECRET, Setup, house, raw};

async fn shadow(further: &str) -> Fixture {
    Fixture::start(&house(&format!("mode = \"shadow\"\n{further}")), Setup::default()).await
}

fn line<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn a_request_that_would_be_refused_goes_up_as_nobodys() {
    let gateway = shadow("").await;
    let wrong =
        gateway.sign_as("house", gateway.request("GET", "/"), &Credential::hmac("key-1", "another secret of a length"), &gateway.options());
    let unknown = gateway.sign_as("house", gateway.request("GET", "/"), &Credential::hmac("nobody", SECRET), &gateway.options());
    let cases = [
        (
            gateway
                .request("GET", "/?timestamp=1&api_key=k")
                .with_header("X-Countersign-App", "admin")
                .with_header("x_countersign_shadow", "no"),
            "missing_signature",
        ),
        (wrong, "signature_mismatch"),
        // An upstream could show it: it is told what a peer may learn.
        (unknown, "signature_mismatch"),
    ];
    for (n, (request, reason)) in cases.iter().enumerate() {
        assert_eq!(gateway.send(request).await.status, 200, "{reason}");
        let seen = &gateway.upstream.requests()[n];
        assert_eq!(line(seen, "x-countersign-shadow"), Some(*reason), "{seen}");
        assert!(!seen.contains("x-countersign-app") && !seen.contains("x-countersign-key-id") && !seen.contains("admin"), "{seen}");
        assert_eq!(line(seen, "x-countersign-client"), Some("127.0.0.1"));
    }
    let seen = gateway.upstream.requests();
    assert!(seen[0].starts_with("GET /?timestamp=1&api_key=k HTTP/1.1\r\n"), "nothing may break: {}", seen[0]);
    assert!(seen[1].to_ascii_lowercase().contains("x-house-signature"), "{}", seen[1]);
}

#[tokio::test]
async fn an_admitted_request_is_somebodys_and_its_replay_is_told() {
    let gateway = shadow("").await;
    let request = gateway.sign("house", gateway.request("POST", "/").with_body("hello"));
    for _ in 0..2 {
        assert_eq!(gateway.send(&request).await.status, 200);
    }
    let seen = gateway.upstream.requests();
    assert_eq!((line(&seen[0], "x-countersign-app"), line(&seen[0], "x-countersign-shadow")), (Some("shop"), None));
    assert_eq!((line(&seen[1], "x-countersign-app"), line(&seen[1], "x-countersign-shadow")), (None, Some("replayed")));
    assert!(seen.iter().all(|request| request.ends_with("\r\n\r\nhello")), "{seen:?}");
}

#[tokio::test]
async fn a_body_that_was_changed_goes_up_as_it_came() {
    let gateway = shadow("").await;
    let mut request = gateway.sign("house", gateway.request("POST", "/").with_body("hello"));
    request.body = b"other".to_vec();
    assert_eq!(gateway.send(&request).await.status, 200);
    let seen = gateway.upstream.only();
    assert_eq!(line(&seen, "x-countersign-shadow"), Some("body_digest_mismatch"));
    assert!(seen.ends_with("\r\n\r\nother"), "{seen}");
}

#[tokio::test]
async fn limits_and_what_cannot_be_read_are_refused_all_the_same() {
    let gateway = shadow("body_limit = 4").await;
    gateway.send(&gateway.request("POST", "/").with_body("hello")).await.refuses(413, "body_too_large");
    gateway.send(&gateway.sign("house", gateway.request("POST", "/").with_body("hello"))).await.refuses(413, "body_too_large");
    gateway.send(&gateway.request("GET", "/").with_header("X-Long", "a".repeat(33 * 1024))).await.refuses(431, "head_too_large");
    let text = String::from_utf8(raw(&gateway.request("GET", "/"))).unwrap();
    gateway.exchange(text.replace("Host", "Host: a\r\nHost").as_bytes()).await.refuses(400, "malformed_request");
    assert!(gateway.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_route_is_enforced_unless_it_says_otherwise() {
    let other = "[[route]]\nprefix = \"/V2\"\nupstream = \"http://UPSTREAM\"\ndialects = [\"house\"]\nmode = \"enforce\"";
    let gateway = shadow(other).await;
    gateway.send(&gateway.request("GET", "/V2")).await.refuses(401, "missing_signature");
    assert_eq!(gateway.send(&gateway.request("GET", "/V1")).await.status, 200);
}
