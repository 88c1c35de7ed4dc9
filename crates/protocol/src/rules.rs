//! What a dialect does at each stage. A compiled file and a native dialect stand behind this one trait.

use std::collections::BTreeSet;
use std::fmt;

use crate::credential::SigningKey;
use crate::dialect::plan::Plan;
use crate::dialect::{Inputs, Part};
use crate::engine::desk::Desk;
use crate::engine::read::Reading;
use crate::engine::scene::Scene;
use crate::message::{Body, Message, MessageView};
use crate::reason::Refusal;
use crate::secret::Secret;
use crate::sign::{SignError, SignOptions};
use crate::stages::Stages;

/// The stages of signing and verifying. The order in which they run, the clock, the comparison of tags, the policy and the replay protection
/// are not here: they are the same for every dialect.
pub(crate) trait Rules: fmt::Debug + Send + Sync {
    /// Whether the plan says everything about signing: the rules are those of a compiled file.
    #[cfg(feature = "recipe")]
    fn is_declared(&self) -> bool {
        false
    }

    /// Whether the message is of this dialect.
    fn marks(&self, plan: &Plan, message: &dyn MessageView, body: Body<'_>) -> bool;

    /// Reads what the message claims: bounded, and nothing of it trusted.
    fn read<'p>(&self, plan: &'p Plan, message: &dyn MessageView, body: Body<'_>, inputs: &Inputs) -> Result<Reading<'p>, Refusal>;

    /// The string to sign, and which parts of the message reached it.
    fn text(&self, scene: &Scene<'_>) -> Result<SignedText, Refusal>;

    /// The key for this message, and which parts reached it.
    fn key(&self, scene: &Scene<'_>) -> Result<(SigningKey, BTreeSet<Part>), Refusal>;

    /// Why another message could have the same string to sign.
    fn ambiguity(&self, scene: &Scene<'_>, reading: &Reading<'_>) -> Result<Option<String>, Refusal>;

    /// What is left to do about the body once the tag held.
    fn body(&self, scene: &Scene<'_>, reading: &Reading<'_>) -> Result<BodyDuty, Refusal>;

    /// Places everything that is carried but the signature.
    fn place(&self, desk: &mut Desk<'_>, message: &mut Message, options: &SignOptions) -> Result<(), SignError>;

    /// Places the signature.
    fn place_signature(&self, desk: &mut Desk<'_>, message: &mut Message) -> Result<(), SignError>;
}

/// A string to sign with the stages that led to it.
#[derive(Debug, Default)]
pub(crate) struct SignedText {
    pub(crate) bytes: Secret,
    pub(crate) stages: Stages,
    pub(crate) covers: BTreeSet<Part>,
}

/// Holds a body that goes by in pieces against what was signed.
pub(crate) trait BodyVerifier: fmt::Debug + Send + Sync {
    /// Takes the next piece.
    fn update(&mut self, piece: &[u8]);

    /// The body is complete: whether it is the one that was signed.
    fn finish(self: Box<Self>) -> Result<(), Refusal>;
}

/// What is left to do about the body.
#[derive(Debug)]
pub(crate) enum BodyDuty {
    /// The body is signed as a whole, or not at all.
    Nothing,
    /// The body was there: it is the one that was signed, or not.
    Done(Result<(), Refusal>),
    /// The body is still to come.
    Stream(Box<dyn BodyVerifier>),
}

impl BodyDuty {
    /// Runs a verifier over a body that is there; keeps it for one that is not.
    pub(crate) fn over(body: Body<'_>, mut verifier: Box<dyn BodyVerifier>) -> Self {
        match body {
            Body::Bytes(bytes) => {
                verifier.update(bytes);
                Self::Done(verifier.finish())
            }
            Body::Digests(_) | Body::Pending => Self::Stream(verifier),
        }
    }
}
