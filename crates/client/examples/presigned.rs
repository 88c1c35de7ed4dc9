//! A presigned download: whoever holds the URL may fetch it for a quarter of an hour, with any client.
//!
//! `URL=http://127.0.0.1:8080 KEY_ID=.. SECRET=.. cargo run -p countersign-client --example presigned`, against a `countersign serve` that knows the key.

use std::time::Duration;

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

/// Presigns a download and fetches it as a browser would: gives the answer.
pub(crate) async fn run(base: &str, credentials: Credentials) -> Result<String, Failure> {
    let client = client("aws-sigv4-s3-presigned", credentials)?;
    let url = client.presign(&Method::GET, &format!("{base}/shared/report.pdf"), Duration::from_secs(900))?;
    Ok(reqwest::get(url).await?.error_for_status()?.text().await?)
}

fn client(id: &str, credentials: Credentials) -> Result<SigningClient, Failure> {
    let dialect = Dialects::builtin()?.get(id).ok_or("it is built in")?.clone();
    let client = SigningClient::new(reqwest::Client::builder(), dialect, credentials)?;
    Ok(client.with_input("region", "us-east-1").with_input("service", "s3"))
}
