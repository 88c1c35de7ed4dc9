//! Signs HTTP requests in a dialect: alone, as a client, as a middleware, or as a tower layer. What is signed is what leaves.
//!
//! # A client in three lines
//!
//! ```no_run
//! # #[cfg(feature = "reqwest")]
//! # async fn example(dialect: countersign_protocol::Dialect) -> Result<(), Box<dyn std::error::Error>> {
//! use countersign_client::{Credentials, SigningClient};
//! use http::Method;
//!
//! let client = SigningClient::new(reqwest::Client::builder(), dialect, Credentials::from_env("ACME_KEY_ID", "ACME_SECRET"))?;
//! let order = client.request(Method::POST, "https://api.example.com/orders?dry=1").header("Content-Type", "application/json").body("{}");
//! let answer = order.send_ok().await?;
//! # let _ = answer;
//! # Ok(())
//! # }
//! ```
//!
//! The dialect is one of `Dialects::builtin()`, one from a folder (below), or `Dialect::from_yaml`. The URL's path and query are signed and sent
//! as written; a text that the HTTP stack would change is refused, and the error shows both. `send` hands back an answer of any status;
//! `send_ok` makes an error of a refusal, a [`ServerRefusal`] with the server's code and hint, and with the first line in which both strings to
//! sign differ where the server shows its own.
//!
//! # Features
//!
//! | feature | brings | default |
//! |---|---|---|
//! | | [`Signer`]: `sign_request` and `presign`, without anything that sends | always |
//! | `reqwest` | [`SigningClient`] with retries, clock, redirects, streams and signed answers | yes |
//! | `sessions` | [`Session`]: users who log in, and stay so | yes |
//! | `middleware` | `SigningMiddleware` for reqwest-middleware | |
//! | `tower` | `SigningLayer` for any tower client of `http::Request` | |
//! | `blocking` | `blocking::SigningClient`, the client without async | |
//! | `asymmetric` | RSA, ECDSA and Ed25519 keys | yes |
//! | `envelope` | encrypted bodies | yes |
//! | `folders` | dialects from folders of files | yes |
//!
//! Signing alone, `default-features = false`:
//!
//! ```
//! # fn example(signer: countersign_client::Signer) -> Result<(), Box<dyn std::error::Error>> {
//! let request = http::Request::get("https://api.example.com/orders").body(Vec::new())?;
//! let signed = signer.sign_request(request)?;
//! # let _ = signed;
//! # Ok(())
//! # }
//! ```
//!
//! # Keys that change
//!
//! Each attempt takes the current credential of its [`Credentials`]: of the environment, a private file that is read again when it changes, or
//! a closure, async or not. After `key_expired`, `key_disabled` or `signature_mismatch` the source is asked once more, and the request is
//! signed again if it gives another key.
//!
//! ```
//! use countersign_client::Credentials;
//!
//! let rotated = Credentials::from_file("/run/secrets/acme.json");
//! # let _ = rotated;
//! ```
//!
//! # Attempts, the clock, redirects
//!
//! Every attempt has a signature, a time and a nonce of its own. After a refusal for the sake of the clock the server's time is taken from its
//! `Date`, over `https` only, and kept for that server ([`ClockLearning`]). Other failures are tried again where [`RetryPolicy`] says so.
//! Redirects are handed back unless `follow_redirects` allows those within the origin; no secret and no signature ever follows one elsewhere.
//!
//! ```
//! # #[cfg(feature = "reqwest")]
//! # fn example(client: countersign_client::SigningClient) {
//! use countersign_client::{ClockLearning, RetryPolicy};
//!
//! let client = client.with_retries(RetryPolicy::default().with_attempts(5)).follow_redirects(3);
//! let steady = client.clone().without_clock_learning();
//! // A server with refusals of its own.
//! let lenient = client.with_clock_learning(ClockLearning::default().with_refusals(|status, _, body| status == 403 && body == b"clock"));
//! # let _ = (steady, lenient);
//! # }
//! ```
//!
//! # Large bodies and URLs for others
//!
//! ```no_run
//! # #[cfg(feature = "reqwest")]
//! # async fn example(client: countersign_client::SigningClient) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use countersign_client::StreamBody;
//! use http::Method;
//!
//! // Read for its digest where the dialect signs it, then sent in pieces.
//! client.request(Method::PUT, "https://files.example.com/big").stream(StreamBody::file("big.iso")).send_ok().await?;
//! let url = client.presign(&Method::GET, "https://files.example.com/big", Duration::from_secs(900))?;
//! # let _ = url;
//! # Ok(())
//! # }
//! ```
//!
//! # Users
//!
//! Behind an app stand users, who log in with name and password (feature `sessions`; crates/server/SESSIONS.md has the server's side). From then on
//! an access token rides inside each signed request, to that server only. It is refreshed at 80 % of its life, by a clock that nobody sets,
//! and after `token_expired` or `token_invalid`: once for all callers, after which each request is signed anew.
//!
//! ```no_run
//! # #[cfg(feature = "sessions")]
//! # async fn example(client: countersign_client::SigningClient) -> Result<(), Box<dyn std::error::Error>> {
//! use countersign_client::{Bind, ClientError, Keeping, Login, Session, SessionError};
//! use http::Method;
//!
//! let (api, keeping) = ("https://api.example.com", Keeping::default().with_file("ada.json"));
//! let login = Login::new("ada", "correct horse battery").bind(Bind::Session);
//! let session = Session::login(&client, api, login, keeping.clone()).await?;
//! // Another process, or this one tomorrow.
//! let session = Session::resume(&client, api, keeping).await?;
//! match session.request(Method::GET, "https://api.example.com/orders").send_ok().await {
//!     Ok(orders) => drop(orders),
//!     Err(ClientError::Session(error)) if error.must_log_in() => { /* ask for the password again */ }
//!     Err(other) => return Err(other.into()),
//! }
//! session.logout().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What signs is the app's credential (`Bind::App`), a key that the login brings (`Bind::Session`), or the caller's own (`Bind::Client`, which is
//! in no file: `Keeping::with_key` gives it again). `Session::client` is a [`SigningClient`], `Session::signer` is for the middleware and
//! the tower layer; a layer sees no answers, so it refreshes ahead of time only.
//!
//! Processes that share a token file take turns by the lock beside it, and each reads again what another has refreshed. New tokens are on disk
//! before they are used, so that a crash, a full disk or a lost answer logs nobody out. A file that is torn, of another server, readable by others or
//! replaced by another login is [`SessionError::File`], and ends nothing. Do not copy a token file: two copies that refresh by turns look to
//! the server as a thief does, and the session ends; with `Bind::Client` they do not.
//!
//! # Answers that are signed
//!
//! ```
//! # #[cfg(feature = "reqwest")]
//! # fn example(
//! #     client: countersign_client::SigningClient,
//! #     answers: countersign_protocol::Dialect,
//! #     key: countersign_protocol::Credential,
//! # ) -> Result<(), countersign_client::ClientError> {
//! use countersign_client::AnswerVerifier;
//!
//! let client = client.with_answers(AnswerVerifier::new(answers, [key])?);
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! # Encrypted bodies, dialects of one's own
//!
//! With feature `envelope` bodies are encrypted for the server before they are signed, and encrypted answers are decrypted:
//!
//! ```no_run
//! # #[cfg(feature = "envelope")]
//! # fn example(client: countersign_client::SigningClient) -> Result<(), Box<dyn std::error::Error>> {
//! use countersign_envelope::{Fields, PublicKey, Scheme, Sealer};
//!
//! let server = PublicKey::from_pem(&std::fs::read_to_string("server.pem")?)?;
//! let sealer = Sealer::new(Scheme::OaepGcm, server, Fields::default())?;
//! let client = client.with_envelope(countersign_client::Envelope::new(sealer).expecting_encrypted_answers());
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! A dialect of one's own comes from a folder of files, with feature `folders`:
//!
//! ```no_run
//! # #[cfg(feature = "folders")]
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut dialects = countersign_protocol::Dialects::builtin()?;
//! countersign_client::Folder::open("dialects")?.load_into(&mut dialects)?;
//! let ours = dialects.get("acme-hmac").ok_or("no such dialect")?;
//! # let _ = ours;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "reqwest")]
mod answers;
#[cfg(feature = "reqwest")]
mod attempts;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "reqwest")]
mod client;
mod clock;
mod credentials;
#[cfg(feature = "reqwest")]
mod draft;
#[cfg(feature = "envelope")]
mod envelope;
mod error;
#[cfg(doctest)]
mod guides;
#[cfg(feature = "tower")]
mod layer;
#[cfg(feature = "reqwest")]
mod learning;
#[cfg(feature = "middleware")]
mod middleware;
#[cfg(feature = "reqwest")]
mod outgoing;
mod presented;
mod presign;
#[cfg(feature = "reqwest")]
mod redirect;
#[cfg(feature = "reqwest")]
mod refused;
mod request;
#[cfg(feature = "reqwest")]
mod retry;
#[cfg(feature = "sessions")]
mod session;
mod signer;
#[cfg(feature = "reqwest")]
mod stream;
mod target;
#[cfg(feature = "reqwest")]
mod template;

#[cfg(feature = "reqwest")]
pub use answers::AnswerVerifier;
#[cfg(feature = "reqwest")]
pub use client::SigningClient;
#[cfg(feature = "folders")]
pub use countersign_dialects::Folder;
pub use credentials::{Credentials, SourceError};
#[cfg(feature = "envelope")]
pub use envelope::Envelope;
pub use error::ClientError;
#[cfg(feature = "tower")]
pub use layer::{SigningLayer, SigningService};
#[cfg(feature = "reqwest")]
pub use learning::ClockLearning;
#[cfg(feature = "middleware")]
pub use middleware::SigningMiddleware;
#[cfg(feature = "reqwest")]
pub use outgoing::OutgoingRequest;
#[cfg(feature = "reqwest")]
pub use refused::{Difference, ServerRefusal};
#[cfg(feature = "reqwest")]
pub use retry::RetryPolicy;
#[cfg(feature = "sessions")]
pub use session::{Bind, Keeping, Login, Session, SessionError, SessionUser, WhoAmI};
pub use signer::Signer;
#[cfg(feature = "reqwest")]
pub use stream::StreamBody;
