//! Answers that must be signed.

use countersign_client::{AnswerVerifier, ClientError, SigningClient};
use countersign_protocol::{Credential, Dialect, Message, Reason, Response, SignOptions};
use http::Method;

use crate::support::{Recorder, client, dialect, now};

const FILE: &str = r#"
countersign: 1
dialect: answer
title: Signed answers
message: response
string_to_sign: "{status}\n{time}\n{body | sha256 | hex}"
algorithm: hmac-sha256
carry: { header: { X-Answer-Key: "{key_id}", X-Answer-Time: "{time}", X-Answer-Signature: "{signature}" } }
time: { format: unix, window: 5m }
"#;

fn answers() -> Dialect {
    Dialect::from_yaml(FILE).unwrap()
}

fn key() -> Credential {
    Credential::hmac("gateway-1", "the answers' secret")
}

/// An answer as a signer of answers writes it, and with another status or body afterwards.
fn answer(key: &Credential, status: u16, body: &str) -> String {
    let response = Response { status: 200, headers: Vec::new(), body: b"signed".to_vec() };
    let signed = answers().sign(response, key, &SignOptions::new(now())).unwrap().into_message();
    let Message::Response(signed) = signed else { panic!("a response") };
    let lines: String = signed.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", String::from_utf8_lossy(value))).collect();
    format!("HTTP/1.1 {status} Status\r\n{lines}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

async fn fetch(text: String, change: impl Fn(AnswerVerifier) -> AnswerVerifier) -> Result<(u16, String), ClientError> {
    let server = Recorder::answering(move |_, _| text.clone()).await;
    let verifier = change(AnswerVerifier::new(answers(), [key()]).unwrap());
    let client: SigningClient = client("hmac-sha256").with_answers(verifier);
    let url = server.url("/a");
    let answer = client.request(Method::GET, url.clone()).send().await?;
    assert_eq!(answer.url().as_str(), url);
    Ok((answer.status().as_u16(), answer.text().await.unwrap()))
}

#[tokio::test]
async fn a_signed_answer_is_handed_on_and_no_other() {
    let same = |verifier| verifier;
    assert_eq!(fetch(answer(&key(), 200, "signed"), same).await.unwrap(), (200, "signed".to_owned()));
    let reason = |result: Result<_, ClientError>| match result {
        Err(ClientError::Unverified(refusal)) => refusal.reason(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(fetch(answer(&key(), 200, "forged"), same).await), Reason::SignatureMismatch);
    assert_eq!(reason(fetch(answer(&key(), 201, "signed"), same).await), Reason::SignatureMismatch);
    assert_eq!(reason(fetch(answer(&Credential::hmac("gateway-1", "other"), 200, "signed"), same).await), Reason::SignatureMismatch);
    assert_eq!(reason(fetch(answer(&Credential::hmac("other", "other"), 200, "signed"), same).await), Reason::UnknownKey);
    assert_eq!(reason(fetch("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(), same).await), Reason::MissingSignature);
}

#[tokio::test]
async fn an_error_that_nobody_signed_is_handed_on_where_that_is_allowed() {
    const BUSY: &str = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nbusy";
    assert!(fetch(BUSY.to_owned(), |verifier| verifier).await.is_err());
    assert_eq!(fetch(BUSY.to_owned(), AnswerVerifier::allow_unsigned_errors).await.unwrap(), (502, "busy".to_owned()));
    // A success never is, and a signature that is there must hold.
    assert!(fetch(BUSY.replace("502", "200"), AnswerVerifier::allow_unsigned_errors).await.is_err());
    assert!(fetch(answer(&key(), 502, "forged"), AnswerVerifier::allow_unsigned_errors).await.is_err());
}

#[tokio::test]
async fn an_answer_above_the_limit_is_not_taken() {
    let limited = |most: usize| fetch(answer(&key(), 200, "signed"), move |verifier| verifier.with_most(most));
    assert!(limited(6).await.is_ok());
    assert!(matches!(limited(5).await, Err(ClientError::TooLarge { most: 5 })));
}

#[test]
fn a_dialect_of_requests_verifies_no_answer() {
    assert!(AnswerVerifier::new(dialect("hmac-sha256"), [key()]).is_err());
}
