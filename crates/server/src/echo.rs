//! The built-in upstream: answers with the request as it arrived there, so that a caller sees what was forwarded.

use std::fmt::Write;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Json, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// A service that answers every request with `{method, target, headers, body | body_base64, body_sha256}`.
///
/// `headers` is a list of `[name, value]`; `body` is there when the bytes are UTF-8, else `body_base64`.
pub fn echo() -> Router {
    Router::new().fallback(answer)
}

async fn answer(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // The gateway has bounded the body already; this is the bound for whoever mounts the router elsewhere.
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else { return http::StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let headers: Vec<[String; 2]> =
        parts.headers.iter().map(|(name, value)| [name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()]).collect();
    let mut told = serde_json::json!({ "method": parts.method.as_str(), "target": target, "headers": headers });
    match std::str::from_utf8(&body) {
        Ok(text) => told["body"] = text.into(),
        Err(_) => told["body_base64"] = STANDARD.encode(&body).into(),
    }
    told["body_sha256"] = hex(&body).into();
    Json(told).into_response()
}

const MAX_BODY: usize = 64 * 1024 * 1024;

fn hex(body: &Bytes) -> String {
    Sha256::digest(body).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn it_tells_what_it_got() {
        let request = Request::builder().method("POST").uri("/a%2Fb?x=+").header("x-a", "1").body(axum::body::Body::from("hi")).unwrap();
        let answer = echo().oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({
            "method": "POST", "target": "/a%2Fb?x=+", "headers": [["x-a", "1"]], "body": "hi",
            "body_sha256": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4",
        });
        assert_eq!(told, expected);
    }
}
