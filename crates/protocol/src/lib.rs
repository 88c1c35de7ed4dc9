//! Request-signing dialects as data: sign, verify and explain, without I/O.
//!
//! A [`Dialect`] is compiled from one YAML file. It signs a [`Request`] and verifies a [`RequestView`]; both directions
//! share the middle, so they cannot drift. Time, nonces and keys are arguments: this crate has no clock, no randomness,
//! no socket and no file.
//!
//! ```
//! use countersign_protocol::{Credential, Dialects, Inputs, Policy, Reason, Request, SignOptions, Timestamp};
//!
//! let dialects = Dialects::builtin()?;
//! let dialect = dialects.get("hmac-sha256").expect("built in");
//! let key = Credential::hmac("key-1", "secret-1");
//! let now = Timestamp::from_seconds(1_739_437_548).expect("a time");
//!
//! let request = Request::new("GET", "/v1/items?a=1").with_header("Host", "api.example.com");
//! let signed = dialect.sign(request, &key, &SignOptions::new(now).with_nonce("n-1"))?;
//! let mut request = signed.into_message().into_request().expect("a request");
//!
//! let intact = dialect.verify(&request, &Inputs::new(), &[&key], now, &Policy::default())?;
//! assert_eq!(intact.verified().key_id(), "key-1");
//!
//! request.target = b"/v1/items?a=2".to_vec();
//! let refusal = dialect.verify(&request, &Inputs::new(), &[&key], now, &Policy::default()).unwrap_err();
//! assert_eq!(refusal.reason(), Reason::SignatureMismatch);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod algorithm;
#[cfg(feature = "asymmetric")]
mod asymmetric;
mod credential;
mod dialect;
mod digest;
mod encoding;
mod engine;
#[cfg(feature = "explain")]
pub mod explain;
#[cfg(feature = "lint")]
pub mod lint;
mod message;
mod native;
mod policy;
mod reason;
#[cfg(feature = "recipe")]
pub mod recipe;
mod rules;
mod secret;
mod sign;
mod stages;
mod stand_in;
mod time;
mod verify;

pub use algorithm::{Algorithm, KeyFamily, RSA_BITS};
#[cfg(feature = "asymmetric")]
pub use asymmetric::{KeyError, KeyPair};
pub use credential::{Credential, KeyMaterial};
pub use dialect::{BodyNeed, Carrier, Diagnostics, Dialect, Dialects, Hazard, Input, Inputs, LoadError, Part, Place, ReplayMode};
pub use digest::{BodyDigests, BodyHasher, DigestAlgorithm};
pub use engine::read::{MOST_KEY_ID, MOST_NONCE, MOST_PARAMETERS, MOST_SIGNATURE, MOST_SIGNATURES, MOST_SIGNED_HEADERS};
pub use message::{Body, HeaderLine, Message, MessageView, Request, RequestLine, RequestView, Response, ResponseView, Scheme};
pub use policy::Policy;
pub use reason::{Language, Reason, Refusal};
pub use secret::{Secret, Tag};
pub use sign::{Prepared, SignError, SignOptions, Signed};
pub use stages::Stages;
pub use time::{Timestamp, Window};
pub use verify::{BodyCheck, Claim, Evidence, Fresh, Intact, KeyLookup, Keys, MOST_TRIES, Sound, Verified};
