//! What holds behind every proxy that was started here.

use countersign_protocol::Request;

use crate::fixture::{KEY, raw};
use crate::front::{Front, HOST, request, values};

/// A signed request passes, and the upstream gets it with our identity and none of the caller's making.
pub(crate) async fn accepted_with_identity<P>(front: &Front<P>) {
    let forged = request("GET", "/a?b=c")
        .with_header("X-Countersign-App", "admin")
        .with_header("x-countersign-key-id", "admin")
        .with_header("X-Countersign-Dialect", "admin")
        .with_header("X-Countersign-Covers", "admin")
        .with_header("X-Countersign-Body", "admin")
        .with_header("X-Countersign-User", "root")
        .with_header("X-Countersign-User-Roles", "admin")
        .with_header("X-Countersign-Session", "admin")
        .with_header("X_Countersign_App", "admin")
        .with_header("X-Signed", "yes");
    let answer = front.send(&front.sign(forged)).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]), "{answer:?}");
    let seen = front.decider.upstream.only();
    assert!(seen.starts_with("GET /a?b=c HTTP/1."), "{seen}");
    assert_eq!(values(&seen, "host"), [HOST]);
    assert_eq!(values(&seen, "x-signed"), ["yes"]);
    assert_eq!(values(&seen, "x-countersign-app"), ["shop"]);
    assert_eq!(values(&seen, "x-countersign-key-id"), [KEY]);
    assert_eq!(values(&seen, "x-countersign-dialect"), ["house"]);
    assert_eq!(values(&seen, "x-countersign-body"), ["empty"]);
    for name in ["x-countersign-user", "x-countersign-user-roles", "x-countersign-session"] {
        assert!(values(&seen, name).iter().all(|value| value.is_empty()), "nobody is logged in: {seen}");
    }
    let covers = values(&seen, "x-countersign-covers")[0].split(',').collect::<Vec<_>>();
    assert!(["method", "path", "query", "host", "header.x-signed"].iter().all(|part| covers.contains(part)), "{covers:?}");
    assert!(!covers.contains(&"body"), "nobody looked at it: {covers:?}");
}

/// What someone on the way does to a request.
pub(crate) type Change = fn(&mut Request);

/// Every changed part is refused, and nothing goes upstream.
pub(crate) async fn tampered_is_refused<P>(front: &Front<P>) {
    let signed = || front.sign(request("GET", "/a/b?c=d").with_header("X-Signed", "yes"));
    let changes: [(&str, Change); 8] = [
        ("path", |request| request.target = b"/a/c?c=d".to_vec()),
        ("an escaped path", |request| request.target = b"/%61/b?c=d".to_vec()),
        ("a doubled slash", |request| request.target = b"/a//b?c=d".to_vec()),
        ("query", |request| request.target = b"/a/b?c=e".to_vec()),
        ("a longer query", |request| request.target = b"/a/b?c=d&e".to_vec()),
        ("method", |request| request.method = "DELETE".to_owned()),
        ("a signed header", |request| set(request, "X-Signed", "no")),
        ("host", |request| set(request, "Host", "other.example.com")),
    ];
    for (what, change) in changes {
        let mut changed = signed();
        change(&mut changed);
        let answer = front.send(&changed).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert_eq!(answer.header("x-countersign-reason"), Some("signature_mismatch"), "{what}");
        assert!(answer.header("www-authenticate").is_some());
    }
    assert_eq!(front.send(&request("GET", "/a")).await.header("x-countersign-reason"), Some("missing_signature"));
    assert_eq!(front.seen(), Vec::<String>::new());
}

pub(crate) fn set(request: &mut Request, name: &str, value: &str) {
    for (own, old) in &mut request.headers {
        if own == name {
            *old = value.as_bytes().to_vec();
        }
    }
}

/// A request passes once.
pub(crate) async fn replay_is_refused<P>(front: &Front<P>, status: u16) {
    let signed = front.sign(request("GET", "/once"));
    assert_eq!(front.send(&signed).await.status, 200);
    let again = front.send(&signed).await;
    assert_eq!((again.status, again.header("x-countersign-reason")), (status, Some("replayed")));
    assert_eq!(front.seen().len(), 1);
}

/// What a caller writes under the proxy's names is not what is verified.
pub(crate) async fn spoofed_names_have_no_effect<P>(front: &Front<P>) {
    let spoofed = [
        ("X-Original-URI", "/signed"),
        ("X-Original-Method", "GET"),
        ("X-Original-URL", "/signed"),
        ("X-Forwarded-Uri", "/signed"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Host", HOST),
        ("X-Forwarded-Proto", "http"),
        ("x-original-uri", "/signed"),
        ("X_Original_URI", "/signed"),
        ("X_Forwarded_Uri", "/signed"),
    ];
    let with_all = |request: Request| spoofed.iter().fold(request, |request, (name, value)| request.with_header(*name, *value));
    // Signed for one target, sent to another, with the first one under every name.
    let mut moved = with_all(front.sign(request("GET", "/signed")));
    moved.target = b"/other".to_vec();
    assert_eq!(front.send(&moved).await.status, 401);
    let mut moved = with_all(front.sign(request("GET", "/signed")));
    moved.method = "POST".to_owned();
    assert_eq!(front.send(&moved).await.status, 401);
    let mut moved = with_all(front.sign(request("GET", "/signed")));
    set(&mut moved, "Host", "other.example.com");
    assert_eq!(front.send(&moved).await.status, 401);
    assert_eq!(front.seen(), Vec::<String>::new());
    // And what is true stays accepted, whatever else stands under the names.
    let lies = spoofed.iter().fold(front.sign(request("GET", "/signed")), |request, (name, _)| request.with_header(*name, "/lie"));
    let answer = front.send(&lies).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Odd targets go up exactly as they were verified, or not at all.
pub(crate) async fn odd_targets_pass_as_signed_or_are_refused<P>(front: &Front<P>, must_pass: &[&str], odd: &[&str]) {
    for (target, must) in must_pass.iter().map(|target| (target, true)).chain(odd.iter().map(|target| (target, false))) {
        let before = front.seen().len();
        let answer = front.send(&front.sign(request("GET", target))).await;
        let after = front.seen();
        if answer.status == 200 {
            let expected = format!("GET {target} HTTP/1.");
            assert!(after.len() == before + 1 && after[before].starts_with(&expected), "{target}: {:?}", after.last());
        } else {
            assert!((400..500).contains(&answer.status), "{target}: {answer:?}");
            assert!(!must, "{target}: {answer:?}");
            assert_eq!(after.len(), before, "{target}");
        }
    }
}

/// A target that cannot be put into a signed request as it is.
pub(crate) async fn a_raw_target_is_refused<P>(front: &Front<P>, target: &str) {
    let signed = String::from_utf8(raw(&front.sign(request("GET", "/TARGET")))).unwrap();
    let answer = front.exchange(signed.replacen("/TARGET", target, 1).as_bytes()).await;
    assert!((400..500).contains(&answer.status), "{target}: {answer:?}");
    assert_eq!(front.seen(), Vec::<String>::new(), "{target}");
}
