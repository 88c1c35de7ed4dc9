//! A signature of the first generation, in the query: only for a server that knows nothing better.
//!
//! `URL=http://127.0.0.1:8080 KEY_ID=.. SECRET=.. cargo run -p countersign-client --example query`, against a `countersign serve` that knows the key.

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

/// Asks, and gives the answer.
pub(crate) async fn run(base: &str, credentials: Credentials) -> Result<String, Failure> {
    let client = client("aws-sigv1", credentials)?;
    Ok(client.request(Method::GET, format!("{base}/query?Action=ListQueues&Version=2006-04-01")).send_ok().await?.text().await?)
}

fn client(id: &str, credentials: Credentials) -> Result<SigningClient, Failure> {
    let dialect = Dialects::builtin()?.get(id).ok_or("it is built in")?.clone();
    Ok(SigningClient::new(reqwest::Client::builder(), dialect, credentials)?)
}
