//! A plain HMAC-SHA256 API: everything is signed, the body too; refusals tell why.
//!
//! `URL=http://127.0.0.1:8080 KEY_ID=.. SECRET=.. cargo run -p countersign-client --example generic`, against a `countersign serve` that knows the key.

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

/// Posts an order, and gives the answer.
pub(crate) async fn run(base: &str, credentials: Credentials) -> Result<String, Failure> {
    let client = client("hmac-sha256", credentials)?;
    let order = client.request(Method::POST, format!("{base}/orders?dry=1")).header("Content-Type", "application/json");
    // With a refusal comes the server's reason, and where its strings to sign begin to differ.
    Ok(order.body(r#"{"item": 7}"#).send_ok().await?.text().await?)
}

fn client(id: &str, credentials: Credentials) -> Result<SigningClient, Failure> {
    let dialect = Dialects::builtin()?.get(id).ok_or("it is built in")?.clone();
    Ok(SigningClient::new(reqwest::Client::builder(), dialect, credentials)?)
}
