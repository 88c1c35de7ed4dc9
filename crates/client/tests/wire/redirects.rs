//! Redirects: handed back, or followed to the same origin only.

use http::Method;

use crate::support::{OK, Recorder, answer, client, header, verify};

fn redirect(status: &str, location: &str) -> String {
    answer(status, &format!("Location: {location}\r\n"), "")
}

#[tokio::test]
async fn a_redirect_to_another_host_carries_nothing_there() {
    for id in ["hmac-sha256", "aws-sigv4-presigned", "api-key", "x-ca"] {
        let elsewhere = Recorder::ok().await;
        for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
            let location = elsewhere.url("/steal");
            let server = Recorder::answering(move |_, _| redirect(status, &location)).await;
            // A builder that would follow is overruled.
            for client in [client(id), client(id).follow_redirects(5)] {
                let request = client.allow_plain_http().request(Method::POST, server.url("/a"));
                let request = request.header("X-Access-Token", "canary").header("Content-Type", "text/plain").body("canary");
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status().as_u16().to_string(), status[..3], "{id}");
                assert_eq!((server.taken().len(), elsewhere.taken().len()), (1, 0), "{id} {status}");
            }
        }
    }
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_signed_anew() {
    let server = Recorder::answering(|_, request| match &request.target[..] {
        b"/a" => redirect("307 Temporary Redirect", "/b?c=d#e"),
        b"/see" => redirect("303 See Other", "/b"),
        _ => OK.to_owned(),
    })
    .await;
    let client = client("hmac-sha256").follow_redirects(1);
    let post = |target: &str| client.request(Method::POST, server.url(target)).header("Content-Type", "text/plain").body("body");
    assert_eq!(post("/a").send().await.unwrap().status(), 200);
    let seen = server.taken();
    assert_eq!((seen[1].method.as_str(), &seen[1].target[..], &seen[1].body[..]), ("POST", &b"/b?c=d"[..], &b"body"[..]));
    assert_ne!(header(&seen[0], "authorization"), header(&seen[1], "authorization"));
    assert!(seen.iter().all(|request| verify("hmac-sha256", request).is_ok() && header(request, "referer").is_none()));

    assert_eq!(post("/see").send().await.unwrap().status(), 200);
    let seen = server.taken();
    assert_eq!((seen[1].method.as_str(), seen[1].body.len(), header(&seen[1], "content-type")), ("GET", 0, None));
    assert!(verify("hmac-sha256", &seen[1]).is_ok());
}

#[tokio::test]
async fn redirects_end() {
    let server = Recorder::answering(|_, _| redirect("302 Found", "/again")).await;
    let client = client("hmac-sha256").follow_redirects(3);
    assert_eq!(client.request(Method::GET, server.url("/")).send().await.unwrap().status(), 302);
    assert_eq!(server.taken().len(), 4);
}
