//! A user logs in, calls, and logs out. The tokens are kept in a file that other processes of the user may share.
//!
//! `URL=http://127.0.0.1:8080 KEY_ID=.. SECRET=.. NAME=ada PASSWORD=.. FILE=ada.json cargo run -p countersign-client --example session`,
//! against a `countersign serve` with a table `[session]`; crates/server/SESSIONS.md shows one.

use std::path::Path;

use countersign_client::{Bind, Credentials, Keeping, Login, Session, SigningClient};
use countersign_protocol::Dialects;
use http::Method;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it got")]
async fn main() -> Result<(), Failure> {
    let login = Login::new(std::env::var("NAME")?, std::env::var("PASSWORD")?.as_str());
    println!(
        "{}",
        run(&std::env::var("URL")?, Credentials::from_env("KEY_ID", "SECRET"), login, Path::new(&std::env::var("FILE")?)).await?
    );
    Ok(())
}

/// Gets the orders of a user, and gives the answer.
pub(crate) async fn run(base: &str, credentials: Credentials, login: Login, file: &Path) -> Result<String, Failure> {
    let dialect = Dialects::builtin()?.get("hmac-sha256").ok_or("it is built in")?.clone();
    let client = SigningClient::new(reqwest::Client::builder(), dialect, credentials)?;
    let session = resume_or_log_in(&client, base, login, file).await?;
    // Refreshed by itself where it is time; an error that says `must_log_in` is the end.
    let orders = session.request(Method::GET, format!("{base}/own/orders")).send_ok().await?.text().await?;
    session.logout().await?;
    Ok(orders)
}

async fn resume_or_log_in(client: &SigningClient, base: &str, login: Login, file: &Path) -> Result<Session, Failure> {
    if file.exists() {
        let session = Session::resume(client, base, Keeping::default().with_file(file)).await?;
        match session.whoami().await {
            Err(error) if error.must_log_in() => {}
            other => return other.map(|_| session).map_err(Into::into),
        }
    }
    Ok(Session::login(client, base, login.bind(Bind::Session), Keeping::default().with_file(file)).await?)
}
