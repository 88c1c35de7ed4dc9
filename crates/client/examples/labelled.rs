//! An in-house gateway with labelled lines: an access token travels in a header that is signed.
//!
//! `URL=http://127.0.0.1:8080 KEY_ID=.. SECRET=.. cargo run -p countersign-client --example labelled`, against a `countersign serve` that knows the key.

use countersign_client::{Credentials, SigningClient};
use countersign_protocol::Dialects;
use http::Method;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it got")]
async fn main() -> Result<(), Failure> {
    println!("{}", run(&std::env::var("URL")?, Credentials::from_env("KEY_ID", "SECRET")).await?);
    Ok(())
}

/// Calls with a token, and gives the answer.
pub(crate) async fn run(base: &str, credentials: Credentials) -> Result<String, Failure> {
    let client = client("x-ca-labelled", credentials)?;
    let call = client.request(Method::POST, format!("{base}/ums-api/api/auth/check"));
    // This one is listed, and so it is signed besides the dialect's own.
    let call = call.signed_header("X-Access-Token", "a token");
    Ok(call.header("Content-Type", "application/json").body(r#"{"content": 1}"#).send_ok().await?.text().await?)
}

fn client(id: &str, credentials: Credentials) -> Result<SigningClient, Failure> {
    let dialect = Dialects::builtin()?.get(id).ok_or("it is built in")?.clone();
    Ok(SigningClient::new(reqwest::Client::builder(), dialect, credentials)?)
}
