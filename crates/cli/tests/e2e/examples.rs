//! The examples of the client, against a gateway.

use countersign_client::Credentials;
use countersign_protocol::Credential;

use crate::gateway::{Gateway, Registration};

type Failure = Box<dyn std::error::Error + Send + Sync>;

macro_rules! examples {
    ($($name:ident = $file:literal),*) => {$(
        #[path = $file]
        #[expect(dead_code, reason = "its main is not run here")]
        mod $name;
    )*};
}

examples!(
    generic = "../../../client/examples/generic.rs",
    labelled = "../../../client/examples/labelled.rs",
    open = "../../../client/examples/open.rs",
    presigned = "../../../client/examples/presigned.rs",
    query = "../../../client/examples/query.rs",
    upload = "../../../client/examples/upload.rs",
    webhook = "../../../client/examples/webhook.rs"
);

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLKSw";

/// A gateway with one route, and the key with which the example signs; its address as a URL, and the credentials of the example.
fn serving(prefix: &str, dialect: &str, more: &str) -> (Gateway, String, Credentials) {
    let route =
        format!("[[route]]\nhost = \"127.0.0.1\"\nprefix = \"{prefix}\"\nupstream = \"echo\"\ndialects = [\"{dialect}\"]\n{more}\n");
    let gateway = Gateway::with_routes(&route);
    let inputs: &[(&str, &str)] = if dialect.contains("s3") { &[("region", "us-east-1"), ("service", "s3")] } else { &[] };
    gateway.register(&Registration { dialect, key_id: "example", secret: SECRET, parts: &[], inputs, algorithm: None }, None);
    let url = format!("http://{}", gateway.address());
    (gateway, url, Credential::hmac("example", SECRET).into())
}

/// What the echo behind the gateway says of the request that it got.
fn told(answer: Result<String, Failure>) -> serde_json::Value {
    serde_json::from_str(&answer.unwrap()).unwrap()
}

#[tokio::test]
async fn the_systems_of_the_examples_are_called() {
    let (_gateway, url, key) = serving("/orders", "hmac-sha256", "");
    let got = told(generic::run(&url, key).await);
    assert_eq!((got["target"].as_str(), got["body"].as_str()), (Some("/orders?dry=1"), Some("{\"item\": 7}")));
    // The same with another secret is refused, with the reason.
    let refused = generic::run(&url, Credential::hmac("example", "another secret of some length").into()).await.unwrap_err();
    assert!(refused.to_string().contains("401 signature_mismatch"), "{refused}");

    let (_gateway, url, key) = serving("/ums-api", "x-ca-labelled", "");
    assert_eq!(told(labelled::run(&url, key).await)["body"], "{\"content\": 1}");
    let (_gateway, url, key) = serving("/query", "aws-sigv1", "unsafe = true\nallow_ambiguous = true");
    assert_eq!(told(query::run(&url, key).await)["method"], "GET");
    let (_gateway, url, key) = serving("/V1", "qlm-open", "waive = [\"body\"]");
    assert_eq!(told(open::run(&url, key).await)["target"], "/V1/items");
}

#[tokio::test]
async fn an_upload_and_a_presigned_download_pass() {
    let (_gateway, url, key) = serving("/bucket", "aws-sigv4-s3", "");
    let got = told(upload::run(&url, key).await);
    assert_eq!(got["target"], "/bucket/a%20name.toml");
    let (_gateway, url, key) = serving("/shared", "aws-sigv4-s3-presigned", "");
    assert_eq!(told(presigned::run(&url, key).await)["method"], "GET");
}

#[tokio::test]
async fn a_webhook_is_delivered_and_received() {
    let (_gateway, url, key) = serving("/hooks", "standard-webhooks", "keys = [\"example\"]");
    assert_eq!(told(webhook::run(&url, key).await)["body"], "{\"type\": \"order.paid\"}");
    assert!(webhook::round(&Credential::hmac("example", SECRET)).unwrap());
}
