//! Webhooks, sent and received: an event is signed by its sender, and verified by whoever gets it.
//!
//! `URL=http://127.0.0.1:8080 KEY_ID=.. SECRET=.. cargo run -p countersign-client --example webhook`, against a `countersign serve` that knows the key.

use std::time::SystemTime;

use countersign_client::{Credentials, Signer, SigningClient};
use countersign_protocol::{Credential, Dialect, Dialects, Inputs, Policy, Timestamp};
use http::Method;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it got")]
async fn main() -> Result<(), Failure> {
    println!("{}", run(&std::env::var("URL")?, Credentials::from_env("KEY_ID", "SECRET")).await?);
    let key = Credential::hmac("sender", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLKSw");
    println!("received by ourselves: {}", if round(&key)? { "as it was sent, and not when it was changed" } else { "wrongly" });
    Ok(())
}

/// Delivers an event to the server, and gives its answer.
pub(crate) async fn run(base: &str, credentials: Credentials) -> Result<String, Failure> {
    let client = SigningClient::new(reqwest::Client::builder(), dialect()?, credentials)?;
    let event = client.request(Method::POST, format!("{base}/hooks")).header("Content-Type", "application/json");
    Ok(event.body(r#"{"type": "order.paid"}"#).send_ok().await?.text().await?)
}

/// What a receiver does with the raw request: only a body that this gives is the sender's.
pub(crate) fn receive(request: &http::Request<Vec<u8>>, key: &Credential) -> Result<Vec<u8>, Failure> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut received = countersign_protocol::Request::new(request.method().as_str(), target).with_body(request.body().clone());
    for (name, value) in request.headers() {
        received = received.with_header(name.as_str(), value.as_bytes());
    }
    dialect()?.verify(&received, &Inputs::new(), &[key], now()?, &Policy::default())?;
    Ok(received.body)
}

/// A sender and a receiver in one process: what was changed on the way is refused.
pub(crate) fn round(key: &Credential) -> Result<bool, Failure> {
    let event = http::Request::post("https://receiver.example.com/hooks").body(b"{}".to_vec())?;
    let mut sent = Signer::new(dialect()?, key.clone()).sign_request(event)?;
    let is_taken = receive(&sent, key)? == b"{}";
    sent.body_mut().push(b' ');
    Ok(is_taken && receive(&sent, key).is_err())
}

fn dialect() -> Result<Dialect, Failure> {
    Ok(Dialects::builtin()?.get("standard-webhooks").ok_or("it is built in")?.clone())
}

fn now() -> Result<Timestamp, Failure> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Timestamp::from_seconds(i64::try_from(since.as_secs())?).ok_or_else(|| "the clock is past the year 9999".into())
}
