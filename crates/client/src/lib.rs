//! Signing for reqwest: what is signed is what leaves.
//!
//! [`SigningClient`] builds each request itself, signs its raw target, its headers and its body, and sends exactly those.
//! Each attempt is signed anew, with a new time and nonce. Redirects are never followed and nothing is tried again behind
//! the caller's back, so a signed request goes to the one origin for which it was made.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use countersign_client::SigningClient;
//! use countersign_protocol::{Credential, Dialects};
//! use http::Method;
//!
//! let dialects = Dialects::builtin()?;
//! let dialect = dialects.get("hmac-sha256").ok_or("no such dialect")?.clone();
//! let client = SigningClient::new(reqwest::Client::builder(), dialect, Credential::hmac("key-1", "a secret"))?;
//! let order = client.request(Method::POST, "https://api.example.com/orders?dry=1").header("Content-Type", "application/json").body("{}");
//! let answer = order.send().await?;
//! assert!(answer.status().is_success());
//! # Ok(())
//! # }
//! ```
//!
//! With feature `envelope` bodies are encrypted for the server before they are signed, and encrypted answers are decrypted:
//!
//! ```no_run
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
mod presign;
#[cfg(feature = "reqwest")]
mod redirect;
#[cfg(feature = "reqwest")]
mod refused;
mod request;
#[cfg(feature = "reqwest")]
mod retry;
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
pub use signer::Signer;
#[cfg(feature = "reqwest")]
pub use stream::StreamBody;
