//! Encrypted bodies: a request body is sealed for a recipient, opened by it, and the answer encrypted for the sender.
//!
//! An envelope is a JSON object of two texts: the encrypted body and the wrapped content key. What stands where, byte for
//! byte, is in `ENVELOPE.md`. An envelope hides a body. It proves nothing of its sender: the signature over the request
//! does, which covers the envelope as it is sent.
//!
//! This crate reads no file, socket or clock. Random bytes come from aws-lc-rs.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (public, private) = (include_str!("../tests/keys/rsa2048.pub.pem"), include_str!("../tests/keys/rsa2048.pem"));
//! use countersign_envelope::{Fields, OpenError, Opener, PrivateKey, PublicKey, Scheme, Sealer};
//!
//! let sealer = Sealer::new(Scheme::OaepGcm, PublicKey::from_pem(public)?, Fields::default())?;
//! let sealed = sealer.seal(b"{\"amount\":1}")?;
//!
//! let opener = Opener::new(Scheme::OaepGcm, vec![PrivateKey::from_pem(private)?], Fields::default(), 1 << 20)?;
//! assert_eq!(opener.open(&sealed.body, None)?.plain, b"{\"amount\":1}");
//! assert_eq!(opener.open(b"{\"amount\":1}", None).unwrap_err(), OpenError::Malformed("an unknown member"));
//! # Ok(())
//! # }
//! ```

mod answer;
mod content;
mod der;
mod error;
mod fields;
mod key;
mod legacy;
mod open;
mod scheme;
mod seal;

pub use answer::AnswerKey;
pub use error::{KeyError, OpenError, SealError, SetupError};
pub use fields::{Fields, MAX_KEY_ID, MAX_NAME};
pub use key::{MIN_BITS, PrivateKey, PublicKey};
pub use open::{MOST_KEYS, Opened, Opener};
pub use scheme::Scheme;
pub use seal::{Sealed, Sealer};
