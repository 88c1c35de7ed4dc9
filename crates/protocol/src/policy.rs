//! What a verifier asks beyond, or below, what a dialect's file says.

use std::time::Duration;

use crate::dialect::Part;
use crate::time::Window;

/// A verifier's policy. The default is the dialect's own rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The window around the verifier's clock; absent: the dialect's own.
    pub window: Option<Window>,
    /// Parts that must be signed although the file does not ask for them, and although a sentinel stands for the body.
    pub require: Vec<Part>,
    /// Parts that need not be signed although the file asks for them.
    pub waive: Vec<Part>,
    /// Accept a dialect that is unsafe by construction.
    pub allow_unsafe: bool,
    /// Accept a secret that is shown over a connection that is not protected, on a loopback interface for example.
    pub allow_cleartext: bool,
    /// Accept a request although another one would have the same string to sign.
    pub allow_ambiguous: bool,
    /// The longest validity that a claim may give itself, where it is shorter than the dialect's own.
    pub max_expires: Option<Duration>,
}

impl Policy {
    pub(crate) fn waives(&self, part: &Part) -> bool {
        self.waive.contains(part)
    }

    pub(crate) fn required(&self) -> &[Part] {
        &self.require
    }
}
