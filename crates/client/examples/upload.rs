//! An upload in the manner of S3: a file is read for its digest, and then sent in pieces.
//!
//! `URL=http://127.0.0.1:8080 KEY_ID=.. SECRET=.. cargo run -p countersign-client --example upload`, against a `countersign serve` that knows the key.

use countersign_client::{Credentials, RetryPolicy, SigningClient, StreamBody};
use countersign_protocol::Dialects;
use http::Method;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it got")]
async fn main() -> Result<(), Failure> {
    println!("{}", run(&std::env::var("URL")?, Credentials::from_env("KEY_ID", "SECRET")).await?);
    Ok(())
}

/// Uploads this file's manifest, and gives the answer. Each attempt is signed anew.
pub(crate) async fn run(base: &str, credentials: Credentials) -> Result<String, Failure> {
    let client = client("aws-sigv4-s3", credentials)?.with_retries(RetryPolicy::default());
    let file = StreamBody::file(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let upload = client.request(Method::PUT, format!("{base}/bucket/a%20name.toml")).stream(file);
    Ok(upload.send_ok().await?.text().await?)
}

fn client(id: &str, credentials: Credentials) -> Result<SigningClient, Failure> {
    let dialect = Dialects::builtin()?.get(id).ok_or("it is built in")?.clone();
    let client = SigningClient::new(reqwest::Client::builder(), dialect, credentials)?;
    Ok(client.with_input("region", "us-east-1").with_input("service", "s3"))
}
