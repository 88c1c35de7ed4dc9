//! The signing process of one side: a message, what was read from it, and the plan by which it is signed. Mutations change copies of it.

use std::rc::Rc;

use super::received::Received;
use crate::algorithm::Algorithm;
use crate::credential::{Credential, SigningKey};
use crate::dialect::Dialect;
use crate::dialect::plan::{Claimed, Op, Place, Plan, Program};
use crate::digest::BodyDigests;
use crate::encoding;
use crate::engine::names;
use crate::engine::render::Renderer;
use crate::engine::scene::{Scene, Texts};
use crate::message::{Body, Message};
use crate::reason::Refusal;
use crate::secret::Secret;
use crate::stages::Stages;
use crate::time::Timestamp;
use crate::verify::choose;

/// Everything from which one side makes a signature. A copy is cheap until it is changed.
#[derive(Clone)]
pub(super) struct Process {
    dialect: Dialect,
    plan: Rc<Plan>,
    message: Rc<Message>,
    /// The digests of a body that is too long to be hashed again for each trial.
    digests: Option<Rc<BodyDigests>>,
    pub(super) texts: Texts,
    /// The names of the signed headers; absent: those that the plan chooses from the message.
    pub(super) names: Option<Vec<String>>,
    pub(super) instant: Option<Timestamp>,
    pub(super) credential: Option<Rc<Credential>>,
    /// The credential from which the key is made, where a text that shows the secret shows another one.
    pub(super) key_credential: Option<Rc<Credential>>,
    pub(super) algorithm: Option<Algorithm>,
    /// What is done to the string to sign before it is signed.
    pub(super) after: Vec<Alteration>,
    pub(super) keying: Keying,
}

/// A change of a text as a whole.
pub(super) type Alteration = fn(&[u8]) -> Vec<u8>;

/// What is computed over the string to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keying {
    /// What the algorithm says.
    Usual,
    /// The bare digest of the key, then the text.
    KeyThenText,
    /// The bare digest of the text, then the key.
    TextThenKey,
    /// The bare digest of the text alone.
    NoKey,
    /// A MAC whose key is the text and whose text is the key.
    Exchanged,
}

/// The first occurrence of a text exchanged; nothing where there is none.
fn exchanged(text: &[u8], old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    if old.is_empty() {
        return None;
    }
    let at = text.windows(old.len()).position(|w| w == old)?;
    Some([&text[..at], new, &text[at + old.len()..]].concat())
}

/// What a process gives: the text and the key with which it is signed.
pub(super) struct Outcome {
    pub(super) text: Secret,
    pub(super) key: SigningKey,
    pub(super) algorithm: Algorithm,
}

impl Process {
    /// The process as a verifier of this message would run it.
    pub(super) fn new(dialect: &Dialect, message: &Message, received: &Received, credential: Option<&Credential>) -> Self {
        let plan = dialect.plan();
        let algorithm = credential.map(|credential| choose(plan, received.texts.get(Claimed::Algorithm), credential).0);
        Self {
            dialect: dialect.clone(),
            plan: Rc::new(plan.clone()),
            message: Rc::new(message.clone()),
            digests: None,
            texts: received.texts.clone(),
            names: received.names.clone(),
            instant: received.instant,
            credential: credential.map(|c| Rc::new(c.clone())),
            key_credential: None,
            algorithm,
            after: Vec::new(),
            keying: Keying::Usual,
        }
    }

    /// The same with the digests of the body in the place of its bytes.
    pub(super) fn with_digests(mut self, digests: BodyDigests) -> Self {
        self.digests = Some(Rc::new(digests));
        self
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn plan_mut(&mut self) -> &mut Plan {
        Rc::make_mut(&mut self.plan)
    }

    pub(super) fn message(&self) -> &Message {
        &self.message
    }

    pub(super) fn message_mut(&mut self) -> &mut Message {
        Rc::make_mut(&mut self.message)
    }

    /// Whether the body's bytes are at hand for trials.
    pub(super) const fn has_body(&self) -> bool {
        self.digests.is_none()
    }

    pub(super) fn set_body(&mut self, body: Vec<u8>) {
        *self.message_mut().body_mut() = body;
    }

    /// The first value of a header, as it came.
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        self.message.headers().iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }

    /// Puts a value in the place of the first line of this name; adds it where there is none.
    pub(super) fn set_header(&mut self, name: &str, value: &[u8]) {
        let headers = self.message_mut().headers_mut();
        match headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value.to_vec(),
            None => headers.push((name.to_owned(), value.to_vec())),
        }
    }

    /// Puts another text in the place of a carried one wherever it rides, so that lists which take in what carries it see it too.
    pub(super) fn carry_otherwise(&mut self, what: Claimed, new: &str) {
        let Some(old) = self.texts.get(what).map(str::to_owned) else { return };
        let entries: Vec<(Place, String)> = self.plan.carry.iter().filter(|e| e.holds(what)).map(|e| (e.place, e.name.clone())).collect();
        for (place, name) in entries {
            match place {
                Place::Header => {
                    if let Some(value) = self.header(&name).and_then(|value| exchanged(value, old.as_bytes(), new.as_bytes())) {
                        self.set_header(&name, &value);
                    }
                }
                Place::Query | Place::Params => self.exchange_in_target(&old, new),
                Place::Form | Place::Json | Place::Body => {}
            }
            if place != Place::Header
                && place != Place::Query
                && let Some(body) = exchanged(self.message.body_bytes(), old.as_bytes(), new.as_bytes())
            {
                self.set_body(body);
            }
        }
        self.texts.set(what, new);
    }

    fn exchange_in_target(&mut self, old: &str, new: &str) {
        let Message::Request(request) = self.message_mut() else { return };
        let encoded = |text: &str| {
            let mut out = Vec::new();
            encoding::percent(text.as_bytes(), b"", &mut out);
            out
        };
        let raw = || exchanged(&request.target, old.as_bytes(), &encoded(new));
        if let Some(target) = exchanged(&request.target, &encoded(old), &encoded(new)).or_else(raw) {
            request.target = target;
        }
    }

    /// The names of the signed headers, as listed or as the plan chooses them.
    pub(super) fn signed_names(&self) -> Vec<String> {
        match &self.names {
            Some(names) => names.clone(),
            None => names::select(&self.plan, self.message.view(), &self.plan.headers.sign),
        }
    }

    fn scene<'s>(&'s self, names: &'s [String]) -> Scene<'s> {
        let view = self.message.view();
        Scene {
            plan: &self.plan,
            message: view,
            body: self.digests.as_deref().map_or_else(|| view.body(), Body::Digests),
            texts: &self.texts,
            names,
            instant: self.instant,
            credential: self.credential.as_deref(),
            algorithm: self.algorithm,
            reading: true,
        }
    }

    /// Looks at the scene of this process.
    pub(super) fn with_scene<T>(&self, look: impl FnOnce(&Scene<'_>) -> T) -> T {
        let names = self.signed_names();
        look(&self.scene(&names))
    }

    /// The bytes of one program.
    pub(super) fn render(&self, program: &Program) -> Result<Vec<u8>, Refusal> {
        self.with_scene(|scene| {
            let mut renderer = Renderer::new(scene);
            let text = renderer.text(program)?;
            Ok(renderer.bytes(&text).to_vec())
        })
    }

    /// The bytes that one operation of a program gives.
    pub(super) fn render_op(&self, program: &Program, op: &Op) -> Result<Vec<u8>, Refusal> {
        self.render(&Program { ops: vec![op.clone()], needs: program.needs.clone(), tainted: program.tainted })
    }

    /// Every stage, secrets masked, without a key.
    pub(super) fn stages(&self) -> Result<Stages, Refusal> {
        self.with_scene(|scene| self.dialect.rules().text(scene)).map(|text| text.stages)
    }

    /// Runs the process to the text and its key.
    pub(super) fn run(&self) -> Option<Outcome> {
        let algorithm = self.algorithm?;
        let text = self.with_scene(|scene| self.dialect.rules().text(scene)).ok()?;
        let key = self.key()?;
        let mut bytes = text.bytes;
        for alter in &self.after {
            bytes = Secret::new(alter(bytes.expose()));
        }
        let (text, key, algorithm) = self.keyed(bytes, key, algorithm)?;
        Some(Outcome { text, key, algorithm })
    }

    /// The key alone.
    pub(super) fn key(&self) -> Option<SigningKey> {
        self.with_scene(|scene| {
            let own = Scene { credential: self.key_credential.as_deref().or(scene.credential), ..*scene };
            self.dialect.rules().key(&own).ok().map(|(key, _)| key)
        })
    }

    /// The string to sign, or the text of a let.
    pub(super) fn text(&self, stage: Option<usize>) -> Option<Secret> {
        match stage {
            Some(index) => self.render(&self.plan.lets.get(index)?.program).ok().map(Secret::new),
            None => {
                let text = self.with_scene(|scene| self.dialect.rules().text(scene)).ok()?.bytes;
                Some(self.after.iter().fold(text, |text, alter| Secret::new(alter(text.expose()))))
            }
        }
    }

    /// The digest of the body as the dialect writes it.
    pub(super) fn body_digest(&self) -> Option<Vec<u8>> {
        self.render(&self.plan.digest.as_ref()?.is).ok()
    }

    /// What is computed over the text, put into the terms of the algorithms that there are.
    fn keyed(&self, text: Secret, key: SigningKey, algorithm: Algorithm) -> Option<(Secret, SigningKey, Algorithm)> {
        if self.keying == Keying::Usual {
            return Some((text, key, algorithm));
        }
        let (SigningKey::Shared(secret), Algorithm::Hmac(digest) | Algorithm::Plain(digest)) = (&key, algorithm) else { return None };
        let joined = |parts: [&[u8]; 2]| Secret::new(parts.concat());
        let plain = Algorithm::Plain(digest);
        Some(match self.keying {
            Keying::Usual => (text, key, algorithm),
            Keying::NoKey => (text, key, plain),
            Keying::KeyThenText => (joined([secret.expose(), text.expose()]), key, plain),
            Keying::TextThenKey => (joined([text.expose(), secret.expose()]), key, plain),
            Keying::Exchanged => (secret.clone(), SigningKey::Shared(text), Algorithm::Hmac(digest)),
        })
    }
}
