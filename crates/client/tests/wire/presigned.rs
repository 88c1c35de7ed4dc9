//! URLs that carry their own signature.

use std::time::Duration;

use countersign_client::ClientError;
use http::Method;

use crate::support::{Recorder, client, signer, verify};

const QUARTER: Duration = Duration::from_secs(900);

#[tokio::test]
async fn a_presigned_url_is_fetched_by_any_client_as_it_is() {
    let server = Recorder::ok().await;
    for id in ["aws-sigv4-presigned", "aws-sigv4-s3-presigned"] {
        for target in ["/", "/a%20b/c+d?x=1&x=&y=%2F", "/%E4%BD%A0?q"] {
            let url = client(id).presign(&Method::GET, &server.url(target), QUARTER).unwrap();
            reqwest::Client::new().get(&url).send().await.unwrap();
            let arrived = server.taken().remove(0);
            assert!(url.ends_with(std::str::from_utf8(&arrived.target).unwrap()), "{url}");
            assert!(url.contains("X-Amz-Expires=900"), "{url}");
            verify(id, &arrived).unwrap_or_else(|e| panic!("{id} {url}: {e}"));
            let mut other = arrived;
            other.method = "DELETE".to_owned();
            assert!(verify(id, &other).is_err());
        }
    }
}

#[test]
fn what_no_url_can_carry_is_refused_with_the_reason() {
    let refusal = |id: &str, expires| match signer(id).presign("GET", "https://h/a", expires) {
        Err(ClientError::NotPresignable { reason }) => reason,
        other => panic!("{id}: {other:?}"),
    };
    for (id, reason) in [
        ("hmac-sha256", "outside the query"),
        ("aws-sigv4", "outside the query"),
        ("x-ca", "outside the query"),
        ("aws-sigv1", "outside the query"),
        ("api-key", "the secret itself"),
    ] {
        assert!(refusal(id, QUARTER).contains(reason), "{id}: {}", refusal(id, QUARTER));
    }
    for seconds in [0, 604_801] {
        assert!(refusal("aws-sigv4-presigned", Duration::from_secs(seconds)).contains("1 to 604800"));
    }
}

#[test]
fn a_url_that_a_client_would_change_is_refused() {
    for url in ["https://h/a/../b", "https://h/a b", "https://h/ü", "https://h/?a='b'", "https://u:p@h/", "https://h/#a", "h/a"] {
        let error = signer("aws-sigv4-presigned").presign("GET", url, QUARTER).unwrap_err();
        assert!(matches!(error, ClientError::UrlChanged { .. } | ClientError::Url { .. }), "{url}: {error}");
    }
    let url = signer("aws-sigv4-presigned").presign("GET", "HTTPS://H:443/a", QUARTER).unwrap();
    assert!(url.starts_with("https://h/a?"), "{url}");
}
