//! Who may call: apps and credentials, the replay guard, and the order of an admission.
//!
//! ```
//! use std::sync::Arc;
//!
//! use countersign_core::admission::{Admission, RouteRules};
//! use countersign_core::app::{App, NewCredential, Terms};
//! use countersign_core::replay::{Epoch, MemoryGuard, ReplayLimits};
//! use countersign_core::store::{CredentialStore, MemoryStore};
//! use countersign_protocol::{Credential, Dialects, KeyMaterial, Reason, Request, Secret, SignOptions, Timestamp};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Timestamp::from_seconds(1_739_437_548).expect("a time");
//! let dialect = Dialects::builtin()?.get("hmac-sha256").expect("built in").clone();
//!
//! let store = MemoryStore::new()?;
//! store.add_app(App::new("billing", now)).await?;
//! let credential = NewCredential::new("key-1", KeyMaterial::Hmac("secret-1".into()), Terms::new(["hmac-sha256"]));
//! store.add_credential("billing", credential, now).await?;
//!
//! let guard = MemoryGuard::new(ReplayLimits::default(), Epoch::begin(now, true));
//! let admission = Admission::new(Arc::new(store), Arc::new(guard), Arc::new(move || now), &Secret::from("replay key"));
//! let rules = RouteRules::new(vec![dialect.clone()]);
//!
//! let request = Request::new("GET", "/v1/items").with_header("Host", "api.example.com");
//! let options = SignOptions::new(now).with_nonce("n-1");
//! let signed = dialect.sign(request, &Credential::hmac("key-1", "secret-1"), &options)?.into_message();
//! let request = signed.into_request().expect("a request");
//!
//! let mut admitted = admission.run(&rules, &request).await?;
//! assert_eq!(admitted.app().name, "billing");
//! admitted.commit().await?;
//!
//! let denial = admission.run(&rules, &request).await.unwrap_err();
//! assert_eq!(denial.reason(), Reason::Replayed);
//! # Ok(())
//! # }
//! ```

pub mod admission;
pub mod app;
pub mod audit;
pub mod clock;
pub mod error;
pub mod jwk;
pub mod limit;
pub mod master_key;
mod private_file;
pub mod random;
#[cfg(feature = "redis")]
pub mod redis;
pub mod replay;
#[cfg(feature = "sessions")]
pub mod session;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod side;
pub mod store;
mod worker;
