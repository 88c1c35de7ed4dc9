//! The rules of a compiled file: its plan, run.

use std::collections::BTreeSet;

use super::desk::Desk;
use super::read::{self, Reading};
use super::render::{Renderer, derive_key};
use super::scene::Scene;
use super::{filters, judge};
use crate::credential::SigningKey;
use crate::dialect::plan::{Filter, Plan, Program};
use crate::dialect::{Inputs, Part};
use crate::digest::{BodyHasher, DigestAlgorithm};
use crate::message::{Body, Message, MessageView};
use crate::reason::{Reason, Refusal};
use crate::rules::{BodyDuty, BodyVerifier, Rules, SignedText};
use crate::secret::{Secret, Tag};
use crate::sign::{SignError, SignOptions};
use crate::stages::Stages;

/// Everything that a dialect file can say.
#[derive(Debug)]
pub(crate) struct Declared;

impl Rules for Declared {
    #[cfg(feature = "recipe")]
    fn is_declared(&self) -> bool {
        true
    }

    fn marks(&self, plan: &Plan, message: &dyn MessageView, body: Body<'_>) -> bool {
        read::marks(plan, message, body)
    }

    fn read<'p>(&self, plan: &'p Plan, message: &dyn MessageView, body: Body<'_>, inputs: &Inputs) -> Result<Reading<'p>, Refusal> {
        read::read(plan, message, body, inputs)
    }

    fn text(&self, scene: &Scene<'_>) -> Result<SignedText, Refusal> {
        let Some(program) = &scene.plan.text else { return Ok(SignedText::default()) };
        let mut renderer = Renderer::new(scene);
        let text = renderer.text(program)?;
        let mut stages = Stages::default();
        renderer.stages().for_each(|(name, bytes)| stages.push(name, bytes));
        stages.push("string_to_sign", renderer.masked(&text));
        Ok(SignedText { bytes: Secret::new(renderer.bytes(&text)), stages, covers: text.covers })
    }

    fn key(&self, scene: &Scene<'_>) -> Result<(SigningKey, BTreeSet<Part>), Refusal> {
        derive_key(scene)
    }

    fn ambiguity(&self, scene: &Scene<'_>, reading: &Reading<'_>) -> Result<Option<String>, Refusal> {
        judge::ambiguity(scene, reading)
    }

    fn body(&self, scene: &Scene<'_>, reading: &Reading<'_>) -> Result<BodyDuty, Refusal> {
        let (Some(rule), Some(sent)) = (&scene.plan.digest, judge::sent_digest(scene.plan, reading)) else {
            return Ok(BodyDuty::Nothing);
        };
        let expected = Tag::new(sent.as_bytes());
        match (scene.body, &rule.streamed) {
            (Body::Digests(_), _) | (_, None) => Ok(BodyDuty::Done(same_digest(render(scene, &rule.is)?, &expected))),
            (body, Some((algorithm, filters))) => {
                let hasher = BodyHasher::new(&[*algorithm]);
                let sent = SentDigest { hasher, algorithm: *algorithm, filters: filters.clone(), expected };
                Ok(BodyDuty::over(body, Box::new(sent)))
            }
        }
    }

    fn place(&self, desk: &mut Desk<'_>, message: &mut Message, options: &SignOptions) -> Result<(), SignError> {
        desk.place(message, options)
    }

    fn place_signature(&self, desk: &mut Desk<'_>, message: &mut Message) -> Result<(), SignError> {
        desk.place_signature(message)
    }
}

/// The bytes of one text.
pub(crate) fn render(scene: &Scene<'_>, program: &Program) -> Result<Vec<u8>, Refusal> {
    let mut renderer = Renderer::new(scene);
    let text = renderer.text(program)?;
    Ok(renderer.bytes(&text).to_vec())
}

/// A digest that was sent, and the body that it speaks of.
#[derive(Debug)]
struct SentDigest {
    hasher: BodyHasher,
    algorithm: DigestAlgorithm,
    filters: Vec<Filter>,
    expected: Tag,
}

impl BodyVerifier for SentDigest {
    fn update(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
    }

    fn finish(self: Box<Self>) -> Result<(), Refusal> {
        let digests = self.hasher.finish();
        same_digest(filters::apply_all(&self.filters, digests.get(self.algorithm).unwrap_or_default())?, &self.expected)
    }
}

fn same_digest(own: Vec<u8>, sent: &Tag) -> Result<(), Refusal> {
    if Tag::new(own) == *sent {
        Ok(())
    } else {
        Err(Refusal::new(Reason::BodyDigestMismatch, "the body's digest is not the one that was sent"))
    }
}
