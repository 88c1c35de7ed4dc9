//! What goes upstream: exactly the request that was verified, less what nobody may trust, plus who called.

use countersign_core::app::{NewCredential, Terms};
use countersign_core::store::CredentialStore;
use countersign_protocol::{Credential, KeyMaterial, Request, SignOptions, Timestamp};

use crate::fixture::{Client, Fixture, KEY, SECRET, Setup, at, house, raw};

fn header_lines<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    let matching = |line: &&str| line.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name));
    request.split("\r\n").filter(matching).filter_map(|line| line.split_once(": ")).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn the_target_goes_up_byte_for_byte() {
    let gateway = Fixture::house().await;
    let targets =
        ["/", "/?", "/a%2Fb/../c//d;x=1", "/?a=1&a=2&&=&b", "/?q=+%20%2b&z", "/%e4%bd%a0?%ff", "//double", "/{a}|b?c={d}", "/a?b?c/d"];
    for target in targets {
        assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", target))).await.status, 200, "{target}");
    }
    for (request, target) in gateway.upstream.requests().iter().zip(targets) {
        assert_eq!(request.split("\r\n").next(), Some(format!("GET {target} HTTP/1.1").as_str()));
    }
}

#[tokio::test]
async fn identity_is_ours_in_every_spelling() {
    let gateway = Fixture::house().await;
    let request = gateway
        .request("GET", "/")
        .with_header("X-Countersign-App", "admin")
        .with_header("x_countersign_app", "admin")
        .with_header("X-Countersign_Key-Id", "admin")
        .with_header("X-Countersign-Anything", "admin")
        .with_header("X-Request-Id", "mine")
        .with_header("X-Other", "stays");
    assert_eq!(gateway.send(&gateway.sign("house", request)).await.status, 200);
    let seen = gateway.upstream.only();
    assert!(!seen.contains("admin") && !seen.contains("mine"), "{seen}");
    assert_eq!(header_lines(&seen, "x-countersign-app"), ["shop"]);
    assert_eq!(header_lines(&seen, "x-countersign-key-id"), [KEY]);
    assert_eq!(header_lines(&seen, "x-countersign-dialect"), ["house"]);
    let covers: Vec<&str> = header_lines(&seen, "x-countersign-covers")[0].split(',').collect();
    assert!(["method", "path", "query", "host", "body", "time", "nonce"].iter().all(|part| covers.contains(part)), "{covers:?}");
    assert_eq!((header_lines(&seen, "x-other"), header_lines(&seen, "x-request-id").len()), (vec!["stays"], 1));
}

#[tokio::test]
async fn credentials_overrides_and_leftovers_are_taken_off() {
    let gateway = Fixture::house().await;
    let request = gateway
        .request("GET", "/")
        .with_header("X-HTTP-Method-Override", "DELETE")
        .with_header("X_Original_Url", "/admin")
        .with_header("X-Rewrite-URL", "/admin")
        .with_header("X-Ca-Key", "somebody")
        .with_header("Authorization", "HMAC-SHA256 left over")
        .with_header("Content-Type", "text/plain")
        .with_header("TE", "trailers")
        .with_header("Upgrade", "h2c")
        .with_header("Connection", "keep-alive, Upgrade");
    assert_eq!(gateway.send(&gateway.sign("house", request)).await.status, 200);
    let seen = gateway.upstream.only().to_ascii_lowercase();
    for gone in ["override", "/admin", "somebody", "left over", "x-house-", "trailers", "h2c", "connection"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    assert_eq!(header_lines(&seen, "content-type"), ["text/plain"]);
}

#[tokio::test]
async fn what_the_caller_signed_stays() {
    let gateway = Fixture::house().await;
    let request = gateway.request("GET", "/").with_header("X-HTTP-Method-Override", "PATCH").with_header("X-Ca-Stage", "TEST");
    let options = SignOptions { headers: Some(vec!["x-http-method-override".to_owned(), "x-ca-stage".to_owned()]), ..gateway.options() };
    let signed = gateway.sign_as("house", request, &Credential::hmac(KEY, SECRET), &options);
    assert_eq!(gateway.send(&signed).await.status, 200);
    let seen = gateway.upstream.only();
    assert_eq!(header_lines(&seen, "x-http-method-override"), ["PATCH"]);
    assert_eq!(header_lines(&seen, "x-ca-stage"), ["TEST"]);
}

#[tokio::test]
async fn a_route_may_keep_credentials() {
    let gateway = Fixture::start(&house("keep_credentials = true"), Setup::default()).await;
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    assert_eq!(header_lines(&gateway.upstream.only(), "x-house-key"), [KEY]);
}

#[tokio::test]
async fn the_published_example_of_2006_passes_in_2006() {
    let now = Timestamp::parse_rfc3339("2006-12-08T07:48:03Z").unwrap();
    let setup = Setup { now: now.seconds(), terms: Terms::new(["house"]), ..Setup::default() };
    let gateway = Fixture::start(&house("unsafe = true").replace("[\"house\"]", "[\"aws-sigv1\"]"), setup).await;
    let secret = "DMADSSfPfdaDjbK+RRUhS/aDrjsiZadgAUm8gRU2";
    let stored = NewCredential::new("10QMXFEV71ZS32XQFTR2", KeyMaterial::Hmac(secret.into()), Terms::new(["aws-sigv1"]));
    gateway.store.add_credential("shop", stored, at(0)).await.unwrap();
    let own = "Action=DescribeImages&Version=2007-01-03";
    let claim = "AWSAccessKeyId=10QMXFEV71ZS32XQFTR2&SignatureVersion=1&Timestamp=2006-12-08T07%3A48%3A03Z";
    let target = format!("/?{own}&{claim}&Signature=GjH3941IBe6qsgQu%2Bk7FpCJjpnc%3D");
    let example = Request::new("GET", target).with_header("Host", "ec2.amazonaws.com");
    assert_eq!(gateway.send(&example).await.status, 200);
    assert_eq!(gateway.upstream.only().split("\r\n").next(), Some(format!("GET /?{own} HTTP/1.1").as_str()));
}

#[tokio::test]
async fn a_fixed_authority_is_what_is_verified_and_forwarded() {
    let config = house("authority = { scheme = \"https\", host = \"api.example.com\" }");
    let gateway = Fixture::start(&config, Setup::default()).await;
    let outside = Request::new("GET", "/").with_header("Host", "api.example.com");
    let mut signed = gateway.sign("house", outside);
    signed.headers.iter_mut().find(|(name, _)| name == "Host").unwrap().1 = b"inside:8080".to_vec();
    assert_eq!(gateway.send(&signed).await.status, 200);
    assert_eq!(header_lines(&gateway.upstream.only(), "host"), ["api.example.com"]);
}

#[tokio::test]
async fn bodies_arrive_whole_however_they_are_framed() {
    let gateway = Fixture::house().await;
    let body: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let signed = || gateway.sign("house", gateway.request("POST", "/").with_body(body.clone()));
    assert_eq!(gateway.send(&signed()).await.status, 200);
    let mut chunked = signed();
    chunked.headers.push(("Transfer-Encoding".to_owned(), b"chunked".to_vec()));
    chunked.body.clear();
    let mut bytes = raw(&chunked);
    for piece in body.chunks(70_001) {
        bytes.extend(format!("{:X};ext=1\r\n", piece.len()).into_bytes());
        bytes.extend([piece, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\nX-Trailer: dropped\r\n\r\n");
    // The next request on the same connection begins where the body ends.
    bytes.extend(raw(&gateway.sign("house", gateway.request("GET", "/next"))));
    let mut client = Client::connect(gateway.address).await;
    client.write(&bytes).await;
    assert_eq!([client.answer().await.unwrap().status, client.answer().await.unwrap().status], [200, 200]);
    let seen = gateway.upstream.requests();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|request| !request.contains("dropped")));
    assert!(seen[2].starts_with("GET /next "));
    assert_eq!(seen[0].len(), seen[1].len());
}

#[tokio::test]
async fn a_caller_that_waits_is_told_to_continue() {
    let gateway = Fixture::house().await;
    let signed = gateway.sign("house", gateway.request("POST", "/").with_header("Expect", "100-continue").with_body("hello"));
    let bytes = raw(&signed);
    let (head, body) = bytes.split_at(bytes.len() - 5);
    let mut client = Client::connect(gateway.address).await;
    client.write(head).await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    client.write(body).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    // Without a signature that holds, nobody is told to send a body that would only be thrown away.
    let mut forged = gateway.sign("house", gateway.request("POST", "/").with_header("Expect", "100-continue").with_body("hello"));
    forged.target = b"/other".to_vec();
    let bytes = raw(&forged);
    client.write(&bytes[..bytes.len() - 5]).await;
    client.answer().await.unwrap().refuses(401, "signature_mismatch");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let gateway = Fixture::house().await;
    let mut bytes = Vec::new();
    for n in 0..20 {
        bytes.extend(raw(&gateway.sign("house", gateway.request("POST", &format!("/{n}")).with_body(format!("body {n}")))));
    }
    let mut client = Client::connect(gateway.address).await;
    client.write(&bytes).await;
    for _ in 0..20 {
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    for (n, request) in gateway.upstream.requests().iter().enumerate() {
        assert!(request.starts_with(&format!("POST /{n} ")) && request.ends_with(&format!("body {n}")), "{request}");
    }
}
