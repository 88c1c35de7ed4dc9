//! Answers to encrypted requests, and the client that reads them.

use countersign_client::{ClientError, Envelope, SigningClient};
use countersign_envelope::{AnswerKey, Fields, Scheme, Sealed, Sealer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Keys, PLAIN, gateway, post, public, sealed, sealer, send};
use crate::fixture::{Answer, Fixture, Setup, house};

#[tokio::test]
async fn an_answer_is_read_by_the_sender_only() {
    let gateway = gateway("answer = \"encrypted\"").await;
    let open = |key: &AnswerKey, answer: &Answer| {
        let media_type = answer.header("x-countersign-envelope-type").unwrap();
        key.open(answer.status, media_type, &answer.body, &Fields::default(), 100)
    };
    let mut kept = Vec::new();
    for path in ["/pay", "/fails"] {
        let Sealed { body, answer_key, .. } = sealed(PLAIN);
        let mut request = post(&gateway, body).with_header("Accept-Encoding", "gzip");
        request.target = path.into();
        let answer = gateway.send(&gateway.sign("house", request)).await;
        assert_eq!((answer.header("x-encrypted-body"), answer.header("content-type")), (Some("true"), Some("application/json")));
        assert_eq!((answer.header("cache-control"), answer.header("x-upstream")), (Some("no-store"), Some("yes")));
        assert_eq!(open(answer_key.as_ref().unwrap(), &answer).unwrap(), b"ok");
        kept.push((answer_key.unwrap(), answer));
    }
    assert_eq!((kept[0].1.status, kept[1].1.status), (200, 500));
    assert!(open(&kept[0].0, &kept[1].1).is_err() && open(&kept[1].0, &kept[0].1).is_err());
    assert!(gateway.upstream.requests().iter().all(|request| !request.contains("gzip")));
    // Nothing that could only be answered in plain passes.
    gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.refuses(400, "envelope_invalid");
    assert_eq!(gateway.upstream.requests().len(), 2);
}

/// An upstream that gives this answer to one request, however long it is.
async fn upstream(answer: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 65_536];
        assert_ne!(stream.read(&mut read).await.unwrap(), 0);
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    address
}

/// The answer of a gateway that encrypts answers, in front of an upstream that gives this one; and what opens it.
async fn answered(method: &str, answer: &'static str) -> (Answer, AnswerKey) {
    let keys = Keys::new();
    let config = house(&keys.table("answer = \"encrypted\"")).replace("UPSTREAM", &upstream(answer).await);
    let gateway = Fixture::start(&config, Setup::default()).await;
    let Sealed { body, answer_key, .. } = sealed(PLAIN);
    let mut request = post(&gateway, body);
    request.method = method.to_owned();
    (gateway.send(&gateway.sign("house", request)).await, answer_key.unwrap())
}

#[tokio::test]
async fn every_answer_that_can_have_a_body_is_encrypted_whole() {
    let chunked = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain; charset=utf-8\r\nContent-MD5: a\r\n\
                   Digest: b\r\nX-Encrypted-Body: false\r\nX-Countersign-Envelope-Type: forged/type\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for (answer, plain) in [(chunked, &b"abcde"[..]), ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"")] {
        let (answer, key) = answered("POST", answer).await;
        let media_type = answer.header("x-countersign-envelope-type").unwrap();
        assert!(["text/plain; charset=utf-8", ""].contains(&media_type));
        assert_eq!(key.open(answer.status, media_type, &answer.body, &Fields::default(), 5).unwrap(), plain);
        assert_eq!((answer.header("x-encrypted-body"), answer.header("transfer-encoding")), (Some("true"), None));
        assert_eq!((answer.header("content-md5"), answer.header("digest")), (None, None));
    }
}

#[tokio::test]
async fn an_answer_without_a_body_is_not_marked() {
    let forged = "HTTP/1.1 204 No Content\r\nX-Encrypted-Body: true\r\nX-Countersign-Envelope-Type: a/b\r\n\r\n";
    for (method, answer, status) in [("POST", forged, 204), ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200)] {
        let (answer, _) = answered(method, answer).await;
        assert_eq!((answer.status, answer.body.len()), (status, 0));
        assert_eq!((answer.header("x-encrypted-body"), answer.header("x-countersign-envelope-type")), (None, None));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_encrypted_is_not_passed_on() {
    let coded = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok";
    let no_text = "HTTP/1.1 200 OK\r\nContent-Type: \u{e9}/a\r\nContent-Length: 2\r\n\r\nok";
    let broken = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok";
    for answer in [coded, no_text, broken] {
        answered("POST", answer).await.0.refuses(502, "upstream_unavailable");
    }
}

#[tokio::test]
async fn a_plain_request_has_a_plain_answer_where_envelopes_are_optional() {
    let gateway = gateway("required = false\nanswer = \"encrypted\"").await;
    let answer = send(&gateway, PLAIN).await;
    assert_eq!((answer.status, answer.body.as_slice(), answer.header("x-encrypted-body")), (200, &b"ok"[..], None));
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_passed_on() {
    let gateway = gateway("answer = \"encrypted\"\nmax_answer = 1").await;
    send(&gateway, sealed(PLAIN).body).await.refuses(502, "upstream_unavailable");
    gateway.upstream.only();
}

fn client(gateway: &Fixture, dialect: &str, envelope: Envelope) -> SigningClient {
    let credential = countersign_protocol::Credential::hmac(crate::fixture::KEY, crate::fixture::SECRET);
    let now = gateway.now();
    let client = SigningClient::new(reqwest::Client::builder(), gateway.dialects.get(dialect).unwrap().clone(), credential).unwrap();
    client.with_clock(move || now).with_envelope(envelope)
}

#[tokio::test]
async fn the_client_encrypts_and_decrypts() {
    let gateway = gateway("required = false\nanswer = \"encrypted\"").await;
    let envelope = || Envelope::new(sealer(Scheme::OaepGcm)).expecting_encrypted_answers();
    let client = client(&gateway, "house", envelope());
    let url = |path: &str| format!("http://{}{path}", gateway.address);
    let request = client.request(http::Method::POST, url("/pay")).header("Content-Type", "text/plain").body(PLAIN);
    for _ in 0..2 {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!((answer.headers().get("x-encrypted-body"), answer.headers().get("x-countersign-envelope-type")), (None, None));
        assert_eq!((&answer.headers()["content-length"], answer.headers().get("content-type")), (&"2".parse().unwrap(), None));
        assert_eq!(answer.url().as_str(), url("/pay"));
        assert_eq!(answer.text().await.unwrap(), "ok");
    }
    assert!(gateway.upstream.requests().iter().all(|request| request.ends_with(PLAIN) && request.contains("envelope: opened")));
    assert_eq!(client.request(http::Method::POST, url("/fails")).body(PLAIN).send().await.unwrap().text().await.unwrap(), "ok");
    // Nothing is encrypted where there is no body, and then the answer is plain.
    assert_eq!(client.request(http::Method::GET, url("/")).send().await.unwrap().status(), 200);
    let short = self::client(&gateway, "house", envelope().with_max_answer(1));
    let refused = short.request(http::Method::POST, url("/pay")).body(PLAIN).send().await.unwrap_err();
    assert!(matches!(refused, ClientError::Answer(_)), "{refused}");
    // A refusal of the gateway's is not encrypted, and is shown.
    let other = Envelope::new(Sealer::new(Scheme::OaepGcm, public("rsa2048-other.pub.pem"), Fields::default()).unwrap());
    let other = self::client(&gateway, "house", other.expecting_encrypted_answers());
    assert_eq!(other.request(http::Method::POST, url("/pay")).body(PLAIN).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn the_client_refuses_a_plain_answer_where_it_expects_another() {
    let keys = Keys::new();
    let config = house(&keys.table("mark = \"X-Enc-Encrypted\"")).replace("[\"house\"]", "[\"x-ca-labelled\"]");
    let gateway = Fixture::start(&config, Setup::default()).await;
    let envelope = || Envelope::new(sealer(Scheme::OaepGcm)).with_mark("X-Enc-Encrypted");
    let send = async |envelope: Envelope| {
        let client = client(&gateway, "x-ca-labelled", envelope);
        client.request(http::Method::POST, format!("http://{}/pay", gateway.address)).body(PLAIN).send().await
    };
    assert_eq!(send(envelope()).await.unwrap().text().await.unwrap(), "ok");
    let refused = send(envelope().expecting_encrypted_answers()).await.unwrap_err();
    assert!(matches!(refused, ClientError::PlainAnswer), "{refused}");
}
