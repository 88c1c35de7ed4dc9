//! Bodies that are sent in pieces.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_client::{ClientError, RetryPolicy, StreamBody};
use http::Method;

use crate::support::{OK, Recorder, answer, client, header, verify};

#[tokio::test]
async fn a_file_is_digested_and_then_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big");
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    for content in [&content[..], b""] {
        std::fs::write(&path, content).unwrap();
        for id in ["hmac-sha256", "aws-sigv4", "aws-sigv4-s3", "tencent-tc3", "x-ca", "qlm-open-md5"] {
            let server = Recorder::answering(|number, _| if number == 0 { answer("503 Busy", "", "") } else { OK.to_owned() }).await;
            let client = client(id).with_retries(RetryPolicy::default().with_waits(std::time::Duration::ZERO, std::time::Duration::ZERO));
            let request = client.request(Method::PUT, server.url("/big")).header("Content-Type", "application/octet-stream");
            let answer = request.stream(StreamBody::file(&path)).send().await.unwrap_or_else(|e| panic!("{id}: {e}"));
            assert_eq!(answer.status(), 200, "{id}");
            let seen = server.taken();
            assert_eq!(seen.len(), 2, "{id}");
            for arrived in seen {
                assert!(arrived.body == content, "{id}");
                assert!(header(&arrived, "transfer-encoding").is_none(), "{id}: its length is known");
                verify(id, &arrived).unwrap_or_else(|e| panic!("{id}: {e}"));
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_changes_between_digest_and_sending_never_arrives_whole() {
    let server = Recorder::ok().await;
    for (first, second) in [("one body", "an other"), ("one body", "one"), ("one body", "one body and more")] {
        let opened = Arc::new(AtomicU32::new(0));
        let body = StreamBody::again(move || {
            let text = if opened.fetch_add(1, Ordering::Relaxed) == 0 { first } else { second };
            async move { Ok(Cursor::new(text.as_bytes())) }
        });
        let error = client("hmac-sha256").request(Method::POST, server.url("/")).stream(body).send().await.unwrap_err();
        assert!(matches!(error, ClientError::Send(_)), "{error}");
        assert_eq!(server.taken().len(), 0, "{second}");
    }
}

#[tokio::test]
async fn what_can_be_read_once_is_refused_where_the_body_is_signed() {
    let server = Recorder::ok().await;
    let once = || StreamBody::once(Cursor::new(b"a body".to_vec()), None);
    for id in ["hmac-sha256", "aws-sigv4", "aws-sigv4-s3", "qlm-open-md5"] {
        let error = client(id).request(Method::POST, server.url("/")).stream(once()).send().await.unwrap_err();
        assert!(matches!(error, ClientError::OneShotBody) && error.to_string().contains("a closure that opens it again"), "{id}: {error}");
    }
    let body = StreamBody::again(|| async { Ok(Cursor::new(b"{}")) });
    for id in ["hmac-sha256-body", "standard-webhooks", "x-ca-labelled"] {
        let error = client(id).request(Method::POST, server.url("/")).stream(body.clone()).send().await.unwrap_err();
        assert!(matches!(&error, ClientError::Body { fault } if fault.contains("give them whole")), "{id}: {error}");
    }
    assert_eq!(server.taken().len(), 0);
}

#[tokio::test]
async fn where_the_body_is_not_signed_any_stream_passes_once() {
    let server = Recorder::ok().await;
    for length in [None, Some(6)] {
        let body = StreamBody::once(Cursor::new(b"a body".to_vec()), length);
        let request = client("aws-sigv4-s3-presigned").request(Method::PUT, server.url("/")).stream(body);
        request.send().await.unwrap();
        let arrived = server.taken().remove(0);
        assert_eq!(arrived.body, b"a body");
        assert_eq!(header(&arrived, "content-length").is_some(), length.is_some());
        verify("aws-sigv4-s3-presigned", &arrived).unwrap();
        assert!(matches!(request.send().await, Err(ClientError::OneShotBody)), "it was read");
    }
    // A dialect that has a word for a body that is not signed.
    let body = StreamBody::once(Cursor::new(b"a body".to_vec()), Some(6));
    let request = client("aws-sigv4-s3").request(Method::PUT, server.url("/")).body_digest_word("UNSIGNED-PAYLOAD").stream(body);
    request.send().await.unwrap();
    let arrived = server.taken().remove(0);
    assert_eq!((header(&arrived, "x-amz-content-sha256"), &arrived.body[..]), (Some("UNSIGNED-PAYLOAD"), &b"a body"[..]));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told() {
    let body = StreamBody::file("/nonexistent/file");
    let error = client("hmac-sha256").request(Method::POST, "http://127.0.0.1:9/").stream(body).send().await.unwrap_err();
    assert!(matches!(error, ClientError::Body { .. }), "{error}");
}
