//! The gateway's own signature on what goes upstream: a request that was verified in one dialect is signed anew in another.
//!
//! The target and the headers are final by then, so that an upstream verifies exactly what it received.

use std::fmt;
use std::fmt::Write;

use countersign_core::clock::{Clock, SystemClock};
use countersign_protocol::{Credential, Dialect, Inputs, Request, Scheme, SignOptions};

use crate::strip::Carried;
use crate::upstream::Failure;
use crate::upstream::outgoing::{Outgoing, OutgoingBody};

/// Who signs, and how.
pub(crate) struct Identity {
    dialect: Dialect,
    credential: Credential,
    inputs: Inputs,
    /// Where the signature stands: what a peer wrote there is taken off before.
    pub(crate) carried: Carried,
}

impl Identity {
    pub(crate) fn new(dialect: Dialect, credential: Credential, inputs: Inputs) -> Self {
        let carried = Carried::by([&dialect]);
        Self { dialect, credential, inputs, carried }
    }

    /// Signs a request, as the gateway's own, at this moment.
    ///
    /// # Errors
    /// The dialect cannot carry or render this request: nothing is sent.
    pub(crate) fn sign(&self, outgoing: Outgoing, tls: bool) -> Result<Outgoing, Failure> {
        let mut request = Request::new(outgoing.method, outgoing.target);
        request.scheme = if tls { Scheme::Https } else { Scheme::Http };
        request.headers = outgoing.headers;
        // A body that goes by is in no signature: the configuration refuses a dialect that needs it.
        if let OutgoingBody::Whole(bytes) = &outgoing.body {
            request.body = bytes.to_vec();
        }
        let nonce = nonce().map_err(|error| Failure::internal(format!("no nonce for the upstream's signature: {error}")))?;
        let options = SignOptions { inputs: self.inputs.clone(), ..SignOptions::new(SystemClock.now()).with_nonce(nonce) };
        let signed = self.dialect.sign(request, &self.credential, &options);
        let signed = signed.map_err(|error| Failure::internal(format!("the request could not be signed for the upstream: {error}")))?;
        let Some(request) = signed.into_message().into_request() else { return Err(Failure::internal("a request became a response")) };
        let body = match outgoing.body {
            OutgoingBody::Whole(_) => OutgoingBody::Whole(request.body.into()),
            passing @ OutgoingBody::Passing(..) => passing,
        };
        Ok(Outgoing { method: request.method, target: request.target, headers: request.headers, body, ..outgoing })
    }
}

/// 128 random bits in hexadecimal.
fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("dialect", &self.dialect.id()).field("key_id", &self.credential.key_id()).finish_non_exhaustive()
    }
}
