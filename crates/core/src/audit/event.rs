//! What happened, before it is a record.

use countersign_protocol::{Algorithm, Evidence, Reason, Verified};

use crate::admission::BodyProof;

/// Something to record.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A request was admitted.
    Admitted {
        /// Who called.
        call: Call,
        /// What was known of its body.
        body: BodyProof,
    },
    /// A caller who proved to hold its key was refused.
    Refused {
        /// Who called.
        call: Call,
        /// Why it was refused.
        reason: Reason,
        /// Earlier refusals of the same app that were over the bound, and have no record.
        unrecorded: u64,
    },
    /// An operator is about to change something.
    Change(Change),
    /// A login is refused, which anyone can cause.
    LoginRefused {
        /// By which app, and why.
        change: Change,
        /// Earlier ones of the same app that were over the bound, and have no record.
        unrecorded: u64,
    },
    /// The change that was recorded before did not come about.
    ChangeFailed(Change),
}

/// A call under a key that the caller has proved to hold.
#[derive(Debug, Clone)]
pub struct Call {
    /// The app.
    pub app: String,
    /// The key id of the credential.
    pub key_id: String,
    /// The dialect.
    pub dialect: String,
    /// The route's name.
    pub route: String,
    /// Key id and string to sign, hashed under the log's key.
    pub digest: [u8; 32],
    /// What a third party can be shown.
    pub proof: Proof,
}

/// What can be shown to a third party of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: the credential has a shared secret, so that whoever could check it could have made it.
    SharedSecret,
    /// Nothing: a further secret stands in the text, or the dialect signs none.
    NoText,
    /// Nothing: the text is longer than the log keeps.
    TooLong,
    /// A signature under a public key.
    Signature {
        /// The algorithm.
        algorithm: Algorithm,
        /// DER, SubjectPublicKeyInfo.
        public_key: Vec<u8>,
        /// The string to sign.
        message: Vec<u8>,
        /// The signature.
        signature: Vec<u8>,
    },
}

impl Proof {
    /// What this proof gives, with texts of at most so many bytes.
    pub(crate) fn of(verified: &Verified, most: usize, shared: bool) -> Self {
        match verified.evidence() {
            _ if shared => Self::SharedSecret,
            None => Self::NoText,
            Some(evidence) if evidence.message.len() > most => Self::TooLong,
            Some(Evidence { algorithm, public_key, message, signature, .. }) => {
                Self::Signature { algorithm, public_key: public_key.to_vec(), message: message.to_vec(), signature: signature.to_vec() }
            }
        }
    }

    /// The word in records.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::SharedSecret => "shared_secret",
            Self::NoText => "no_text",
            Self::TooLong => "too_long",
            Self::Signature { .. } => "signature",
        }
    }
}

/// A change by an operator. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The operator's name, or where the change came from: `cli`, `admin api`, `serve`.
    pub by: String,
    /// What is done, such as `add app`.
    pub action: &'static str,
    /// The app, if it is about one.
    pub app: String,
    /// The credential's key id, if it is about one.
    pub key_id: String,
    /// What else there is to say.
    pub detail: String,
}
