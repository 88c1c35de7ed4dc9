//! Verifying: one type per stage, each made by consuming the one before it.
//!
//! ```text
//! message -> Claim -> Fresh -> Verified -> Sound -> Intact
//!          read    clock    tag        cover    body digest
//! ```
//! A stage cannot be skipped: only the stage before it has the method that makes the next.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::algorithm::{Algorithm, KeyFamily};
use crate::credential::Credential;
use crate::dialect::plan::{AlgorithmRule, Claimed, ExpiresForm, Plan};
use crate::dialect::{Dialect, Inputs, Part, ReplayMode};
use crate::digest::DigestAlgorithm;
use crate::engine::declared::render;
use crate::engine::judge::{self, Presence};
use crate::engine::read::Reading;
use crate::engine::render::Renderer;
use crate::engine::scene::Scene;
use crate::engine::{names, wellformed};
use crate::message::{Body, MessageView, Scheme};
use crate::policy::Policy;
use crate::reason::{Reason, Refusal};
use crate::rules::{BodyDuty, SignedText};
use crate::secret::{Secret, Tag};
use crate::stages::Stages;
use crate::stand_in;
use crate::time::Timestamp;

/// The most pairs of key and signature that are tried for one request.
pub const MOST_TRIES: usize = 16;

/// How the key of a claim is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyLookup<'c> {
    /// By the key id that the claim names.
    ById(&'c str),
    /// By the route: the message names no key.
    ByRoute,
    /// By the secret that the message itself shows.
    BySecret(&'c Secret),
}

/// The keys that a look-up gave.
#[derive(Debug, Clone, Copy)]
pub enum Keys<'k> {
    /// One or several, each tried with each signature.
    Known(&'k [&'k Credential]),
    /// None. The same work is done with a dummy key, so that the time tells nothing.
    Unknown,
}

/// What a message says of itself. Nothing of it is proved.
pub struct Claim<'m> {
    dialect: &'m Dialect,
    message: &'m dyn MessageView,
    body: Body<'m>,
    reading: Reading<'m>,
    time: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

/// A claim whose time lies within the window.
pub struct Fresh<'m>(Claim<'m>);

/// A claim whose signature held. Made on one line, where the tags were compared.
pub struct Verified {
    dialect: Dialect,
    credential: usize,
    key_id: String,
    algorithm: Option<Algorithm>,
    algorithm_registered: bool,
    covers: BTreeSet<Part>,
    time: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    nonce: Option<String>,
    inputs: Inputs,
    event: Option<Vec<u8>>,
    text: Secret,
    stages: Stages,
    shown: Option<Shown>,
    ambiguity: Option<String>,
    presence: Presence,
    body: BodyDuty,
}

/// The signature and the public key under which it held.
#[derive(Clone)]
struct Shown {
    signature: Tag,
    public_key: Arc<[u8]>,
}

/// What convinces somebody who trusts nobody here: a text, its signature, and the public key under which it holds.
#[derive(Clone, Copy)]
pub struct Evidence<'v> {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The public key: DER, SubjectPublicKeyInfo.
    pub public_key: &'v [u8],
    /// The string to sign, byte for byte.
    pub message: &'v [u8],
    /// The signature over it, as the algorithm encodes it.
    pub signature: &'v [u8],
}

/// A verified request that covers what it must and that no other request could stand for.
#[derive(Debug)]
pub struct Sound(Verified);

/// A sound request whose body is the one that was signed.
#[derive(Debug)]
pub struct Intact(Verified);

impl Dialect {
    /// Reads what a message claims. Nothing is looked up, and nothing is computed over the body.
    ///
    /// `inputs` are the values that the verifier pins: a message that says otherwise is refused.
    ///
    /// # Errors
    /// [`Reason::MalformedRequest`], [`Reason::MissingSignature`] or [`Reason::MalformedClaim`].
    pub fn claim<'m>(&'m self, message: &'m dyn MessageView, inputs: &Inputs) -> Result<Claim<'m>, Refusal> {
        let plan = self.plan();
        wellformed::check(message)?;
        if message.status().is_some() != plan.of_response {
            return Err(Refusal::new(Reason::MalformedRequest, format!("{} signs the other kind of message", plan.id)));
        }
        let body = message.body();
        let reading = self.rules().read(plan, message, body, inputs)?;
        let time = claimed_time(plan, &reading)?;
        let expires_at = claimed_expiry(plan, &reading, time)?;
        Ok(Claim { dialect: self, message, body, reading, time, expires_at })
    }

    /// Runs every stage in order, for a message whose body is at hand.
    ///
    /// # Errors
    /// The first refusal.
    pub fn verify(
        &self,
        message: &dyn MessageView,
        inputs: &Inputs,
        keys: &[&Credential],
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Intact, Refusal> {
        let claim = self.claim(message, inputs)?;
        let keys = if keys.is_empty() { Keys::Unknown } else { Keys::Known(keys) };
        let sound = claim.check_clock(now, policy)?.verify(keys)?.require(policy)?;
        match sound.0.body {
            BodyDuty::Stream(_) => Err(Refusal::new(Reason::Internal, "the body is not at hand: feed it to Sound::body_check")),
            _ => sound.check_body(&[]),
        }
    }
}

fn claimed_time(plan: &Plan, reading: &Reading<'_>) -> Result<Option<Timestamp>, Refusal> {
    let (Some(rule), Some(text)) = (&plan.time, reading.texts.get(Claimed::Time)) else { return Ok(None) };
    let read = rule.formats.iter().find_map(|format| format.read(text, rule.zone));
    read.map(Some).ok_or_else(|| Refusal::new(Reason::MalformedClaim, "the time is not in the dialect's format"))
}

/// The instant at which a claim ends by its own word.
fn claimed_expiry(plan: &Plan, reading: &Reading<'_>, time: Option<Timestamp>) -> Result<Option<Timestamp>, Refusal> {
    let (Some(rule), Some(text)) = (&plan.expires, reading.texts.get(Claimed::Expires)) else { return Ok(None) };
    let malformed = || Refusal::new(Reason::MalformedClaim, "the expiry is not in the dialect's format");
    let count = || u64::try_from(crate::time::digits(text.as_bytes()).filter(|_| text.len() <= 12)?).ok();
    let at = match &rule.form {
        ExpiresForm::At(format) => format.read(text, crate::time::Zone::UTC).ok_or_else(malformed)?,
        ExpiresForm::Seconds | ExpiresForm::Millis => {
            let count = count().filter(|c| *c > 0).ok_or_else(malformed)?;
            let span = if matches!(rule.form, ExpiresForm::Seconds) {
                std::time::Duration::from_secs(count)
            } else {
                std::time::Duration::from_millis(count)
            };
            time.ok_or_else(malformed)?.plus(span)
        }
    };
    Ok(Some(at))
}

impl<'m> Claim<'m> {
    /// The dialect in which the message speaks.
    #[must_use]
    pub const fn dialect(&self) -> &'m Dialect {
        self.dialect
    }

    /// How its key is to be found.
    #[must_use]
    pub fn key_lookup(&self) -> KeyLookup<'_> {
        if let Some((_, secret)) = self.reading.secrets.iter().find(|(what, _)| *what == Claimed::Secret) {
            return KeyLookup::BySecret(secret);
        }
        self.key_id().map_or(KeyLookup::ByRoute, KeyLookup::ById)
    }

    /// The key id that it names.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.reading.texts.get(Claimed::KeyId)
    }

    /// The time that it claims.
    #[must_use]
    pub const fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// The nonce that it carries.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.reading.texts.get(Claimed::Nonce)
    }

    /// The instant at which it ends by its own word.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The signatures that it carries.
    #[cfg(feature = "lint")]
    pub(crate) fn tags(&self) -> &[Tag] {
        &self.reading.tags
    }

    /// The names of signed headers that it lists.
    #[cfg(feature = "lint")]
    pub(crate) fn listed(&self) -> &[String] {
        &self.reading.names
    }

    /// The value of an input: the pinned one, or the one that the message says.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<&str> {
        let index = self.dialect.plan().inputs.iter().position(|input| input.name == name)?;
        self.reading.texts.get(Claimed::Input(index))
    }

    /// Holds the claimed time against the verifier's clock. A claim without time passes; whether it may be without is a
    /// matter of cover.
    ///
    /// # Errors
    /// [`Reason::TooOld`], [`Reason::FromTheFuture`], [`Reason::MalformedClaim`] for an expiry beyond the policy's, or
    /// [`Reason::InsecureTransport`] for a secret that is shown over plain HTTP.
    pub fn check_clock(self, now: Timestamp, policy: &Policy) -> Result<Fresh<'m>, Refusal> {
        let plain = self.message.request_line().is_some_and(|line| line.scheme == Scheme::Http);
        if plain && self.dialect.carries_secret() && !policy.allow_cleartext {
            return Err(Refusal::new(Reason::InsecureTransport, format!("{} shows its secret", self.dialect.id())));
        }
        self.check_expiry(now, policy)?;
        let (Some(rule), Some(time)) = (&self.dialect.plan().time, self.time) else { return Ok(Fresh(self)) };
        let window = policy.window.unwrap_or(rule.window);
        // An expiry of the claim's own takes the place of the past window.
        if self.expires_at.is_none() && now > time.plus(window.past) {
            return Err(Refusal::new(Reason::TooOld, format!("signed at {time}, now {now}")));
        }
        if time > now.plus(window.future) {
            return Err(Refusal::new(Reason::FromTheFuture, format!("signed at {time}, now {now}")));
        }
        Ok(Fresh(self))
    }

    /// The claim's own end, which also holds where no time is carried: then it is counted from now.
    fn check_expiry(&self, now: Timestamp, policy: &Policy) -> Result<(), Refusal> {
        let (Some(end), Some(longest)) = (self.expires_at, self.dialect.max_expires()) else { return Ok(()) };
        let longest = policy.max_expires.map_or(longest, |most| most.min(longest));
        if end > self.time.unwrap_or(now).plus(longest) {
            return Err(Refusal::new(Reason::MalformedClaim, "the expiry is later than allowed"));
        }
        if now > end {
            return Err(Refusal::new(Reason::TooOld, format!("over at {end}, now {now}")));
        }
        Ok(())
    }
}

impl<'m> Fresh<'m> {
    /// The claim.
    #[must_use]
    pub const fn claim(&self) -> &Claim<'m> {
        &self.0
    }

    /// The same with a body that was pending and was read since. A body that was there is kept: the claim may ride in it.
    #[must_use]
    pub fn with_body(mut self, body: Body<'m>) -> Self {
        if matches!(self.0.body, Body::Pending) {
            self.0.body = body;
        }
        self
    }

    /// Every stage as this credential would sign the message, secrets masked: what a server may show to a caller who asked for diagnostics.
    /// It tells neither a key nor a signature.
    ///
    /// # Errors
    /// What makes the text impossible to render.
    pub fn stages(&self, credential: &Credential) -> Result<Stages, Refusal> {
        let trial = Trial::new(&self.0);
        let dialect = self.0.dialect;
        let (algorithm, _) = choose(dialect.plan(), self.0.reading.texts.get(Claimed::Algorithm), credential);
        dialect.rules().text(&trial.scene(Some(credential), Some(algorithm))).map(|text| text.stages)
    }

    /// Renders the string to sign with each key, and compares its tag with each signature in constant time.
    ///
    /// # Errors
    /// [`Reason::SignatureMismatch`], [`Reason::UnknownKey`], or what makes the text impossible to render.
    pub fn verify(self, keys: Keys<'_>) -> Result<Verified, Refusal> {
        let (known, candidates) = match keys {
            Keys::Known(list) if !list.is_empty() => (true, list),
            _ => (false, &[][..]),
        };
        if candidates.len().saturating_mul(self.0.reading.tags.len().max(1)) > MOST_TRIES {
            return Err(Refusal::new(Reason::MalformedClaim, format!("more than {MOST_TRIES} keys and signatures to try")));
        }
        let trial = Trial::new(&self.0);
        trial.check_computed()?;
        let mut held = None;
        for (index, credential) in candidates.iter().enumerate() {
            // Every candidate is tried, so that the time does not tell which one it was.
            let proof = trial.run(credential)?;
            held = held.or_else(|| proof.map(|p| (index, p)));
        }
        if held.is_none() {
            // One trial for each kind of key that the dialect knows, so that a refusal takes the same time whatever key was meant, and without one.
            let tried: Vec<KeyFamily> = candidates.iter().map(|credential| credential.material().family()).collect();
            for stand_in in stand_in::missing(&families(self.0.dialect.plan()), &tried) {
                trial.run(stand_in)?;
            }
        }
        match held {
            Some((index, proof)) => trial.verified(candidates[index], index, proof),
            None if known => Err(Refusal::new(Reason::SignatureMismatch, "no key gives any of the signatures")),
            None => Err(Refusal::new(Reason::UnknownKey, "no such key")),
        }
    }
}

/// The kinds of key that can sign in a dialect. A secret that is shown is one too.
fn families(plan: &Plan) -> Vec<KeyFamily> {
    let mut found: Vec<KeyFamily> = Vec::new();
    for algorithm in plan.algorithm.all() {
        if !found.contains(&algorithm.family()) {
            found.push(algorithm.family());
        }
    }
    if found.is_empty() { vec![KeyFamily::Hmac] } else { found }
}

/// One claim under trial.
struct Trial<'t, 'm> {
    claim: &'t Claim<'m>,
    names: Vec<String>,
}

/// That a tag held under one key: made where the tags were compared, and nowhere else.
struct Proof {
    algorithm: Option<Algorithm>,
    registered: bool,
    text: SignedText,
    shown: Option<Shown>,
}

impl<'t, 'm> Trial<'t, 'm> {
    fn new(claim: &'t Claim<'m>) -> Self {
        let mut trial = Self { claim, names: claim.reading.names.clone() };
        let plan = claim.dialect.plan();
        if !plan.carry.iter().any(|e| e.holds(Claimed::SignedHeaders)) {
            // The message does not list them: the file does.
            trial.names = names::select(plan, claim.message, &plan.headers.sign);
        }
        trial
    }

    fn scene<'s>(&'s self, credential: Option<&'s Credential>, algorithm: Option<Algorithm>) -> Scene<'s> {
        Scene {
            plan: self.claim.dialect.plan(),
            message: self.claim.message,
            body: self.claim.body,
            texts: &self.claim.reading.texts,
            names: &self.names,
            instant: self.claim.time,
            credential,
            algorithm,
            reading: true,
        }
    }

    /// What was carried as a computed text must be what it computes to.
    fn check_computed(&self) -> Result<(), Refusal> {
        let scene = self.scene(None, None);
        for (program, read) in &self.claim.reading.computed {
            if render(&scene, program)? != read.as_bytes() {
                return Err(Refusal::new(Reason::MalformedClaim, format!("'{read}' is not what follows from the rest of the claim")));
            }
        }
        Ok(())
    }

    /// Tries one credential with every signature.
    fn run(&self, credential: &Credential) -> Result<Option<Proof>, Refusal> {
        let dialect = self.claim.dialect;
        if !dialect.plan().signs() {
            return Ok(self.shown_secret(credential));
        }
        let (algorithm, registered) = choose(dialect.plan(), self.claim.reading.texts.get(Claimed::Algorithm), credential);
        let scene = self.scene(Some(credential), Some(algorithm));
        let mut text = dialect.rules().text(&scene)?;
        if is_too_short(dialect.plan(), credential) {
            return Ok(None);
        }
        // A secret that cannot be decoded gives no key, and so no signature that holds.
        let Ok((key, key_covers)) = dialect.rules().key(&scene) else { return Ok(None) };
        let secrets = self.secrets_equal(credential);
        let tags = &self.claim.reading.tags;
        let mut shown = None;
        let holds = tags.iter().fold(false, |held, tag| {
            let holds = key.holds(algorithm, text.bytes.expose(), tag);
            // A signature under a public key is nobody's secret. That of a shared secret is never kept.
            shown = key.public().filter(|_| holds).map(|key| Shown { signature: tag.clone(), public_key: key }).or(shown.take());
            holds | held
        });
        if !(holds & secrets) {
            return Ok(None);
        }
        text.covers.extend(key_covers);
        Ok(Some(Proof { algorithm: Some(algorithm), registered, text, shown }))
    }

    /// A dialect that shows the secret: it is compared as a tag is.
    fn shown_secret(&self, credential: &Credential) -> Option<Proof> {
        let shown = self.claim.reading.secrets.iter().find(|(what, _)| *what == Claimed::Secret);
        let own = credential.material().shared()?;
        let holds = shown.is_some_and(|(_, secret)| !secret.is_empty() && secret == own);
        let proved = holds & self.secrets_equal(credential);
        proved.then(|| Proof { algorithm: None, registered: true, text: SignedText::default(), shown: None })
    }

    /// Further secrets that were sent are the credential's own.
    fn secrets_equal(&self, credential: &Credential) -> bool {
        let plan = self.claim.dialect.plan();
        self.claim.reading.secrets.iter().fold(true, |equal, (what, secret)| match what {
            Claimed::SecretPart(index) => credential.part(&plan.secrets[*index]).is_some_and(|own| own == secret) & equal,
            _ => equal,
        })
    }

    fn verified(&self, credential: &Credential, index: usize, proof: Proof) -> Result<Verified, Refusal> {
        let claim = self.claim;
        let plan = claim.dialect.plan();
        let scene = self.scene(Some(credential), proof.algorithm);
        let SignedText { bytes: text, stages, mut covers } = proof.text;
        judge::cover_claims(plan, claim.message, &claim.reading, &mut covers);
        let signed = |part: Part| covers.contains(&part);
        Ok(Verified {
            dialect: claim.dialect.clone(),
            credential: index,
            key_id: credential.key_id().to_owned(),
            algorithm: proof.algorithm,
            algorithm_registered: proof.registered,
            time: claim.time.filter(|_| signed(Part::Time)),
            expires_at: claim.expires_at.filter(|_| signed(Part::Expires)),
            nonce: claim.nonce().filter(|_| signed(Part::Nonce)).map(str::to_owned),
            inputs: self.inputs(),
            event: self.event(&scene, &covers)?,
            text,
            stages,
            shown: proof.shown,
            ambiguity: claim.dialect.rules().ambiguity(&scene, &claim.reading)?,
            presence: Presence::of(&scene, &claim.reading),
            body: claim.dialect.rules().body(&scene, &claim.reading)?,
            covers,
        })
    }

    fn inputs(&self) -> Inputs {
        let plan = self.claim.dialect.plan();
        let found =
            plan.inputs.iter().filter_map(|input| self.claim.input(&input.name).map(|value| (input.name.clone(), value.to_owned())));
        found.fold(Inputs::new(), |inputs, (name, value)| inputs.with(name, value))
    }

    /// What names the event; nothing when a part of it is unsigned, and so anybody's to change.
    fn event(&self, scene: &Scene<'_>, covers: &BTreeSet<Part>) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(program) = &scene.plan.event else { return Ok(None) };
        let mut renderer = Renderer::new(scene);
        let text = renderer.text(program)?;
        let signed = text.covers.is_subset(covers) && !text.range.is_empty();
        Ok(signed.then(|| renderer.bytes(&text).to_vec()))
    }
}

/// Whether the key is an RSA key of fewer bits than the dialect takes: nothing that it signed holds.
fn is_too_short(plan: &Plan, credential: &Credential) -> bool {
    credential.material().rsa_bits().is_some_and(|bits| bits < plan.key.rsa_bits)
}

/// The algorithm for the tag, and whether the credential is registered for it. The message names it; it never chooses
/// one that the credential is not registered for.
pub(crate) fn choose(plan: &Plan, word: Option<&str>, credential: &Credential) -> (Algorithm, bool) {
    let all = plan.algorithm.all();
    let offered: Vec<Algorithm> = match (&plan.algorithm, word) {
        (AlgorithmRule::Named(words), Some(word)) => words.iter().filter(|(w, _)| w == word).flat_map(|(_, list)| list.clone()).collect(),
        _ => all.clone(),
    };
    let fits = |a: &&Algorithm| a.family() == credential.material().family();
    let default = all.iter().find(fits).copied();
    let registered: Vec<Algorithm> =
        if credential.algorithms().is_empty() { default.into_iter().collect() } else { credential.algorithms().to_vec() };
    let chosen = offered.iter().find(|a| registered.contains(a)).or_else(|| offered.iter().find(fits)).or(offered.first()).copied();
    let chosen = chosen.unwrap_or(Algorithm::Hmac(DigestAlgorithm::Sha256));
    (chosen, registered.contains(&chosen))
}

impl Verified {
    /// The place of the credential among those that were given.
    #[must_use]
    pub const fn credential_index(&self) -> usize {
        self.credential
    }

    /// The dialect.
    #[must_use]
    pub const fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The key id of the credential whose signature it is.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The algorithm of the signature; `None` for a dialect that shows the secret.
    #[must_use]
    pub const fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// Exactly the parts that the signature covers. The body among them still has to be held against a digest that was
    /// sent: [`Sound::check_body`].
    #[must_use]
    pub const fn covers(&self) -> &BTreeSet<Part> {
        &self.covers
    }

    /// The signed time; `None` when none is signed.
    #[must_use]
    pub const fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// The signed end of validity.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The signed nonce; `None` when none is signed.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The values of the dialect's inputs, pinned or read.
    #[must_use]
    pub const fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// The protections against replays for which this request gives what they need, all of it signed: the strongest first, and at last none.
    #[must_use]
    pub fn replay_modes(&self) -> Vec<ReplayMode> {
        let possible = [
            (ReplayMode::Nonce, self.nonce.is_some()),
            (ReplayMode::Event, self.event.is_some()),
            (ReplayMode::Signature, self.time.is_some() || self.nonce.is_some()),
            (ReplayMode::SafeMethodsExempt, self.time.is_some() && self.covers.contains(&Part::Method)),
            (ReplayMode::UntilExpiry, self.expires_at.is_some()),
            (ReplayMode::None, true),
        ];
        possible.into_iter().filter(|(_, there)| *there).map(|(mode, _)| mode).collect()
    }

    /// What names the event, for a webhook; nothing when a part of it is unsigned.
    #[must_use]
    pub fn event(&self) -> Option<&[u8]> {
        self.event.as_deref()
    }

    /// Every stage, secrets masked.
    #[must_use]
    pub const fn stages(&self) -> &Stages {
        &self.stages
    }

    /// The string to sign. It may hold the secret.
    #[cfg(feature = "lint")]
    pub(crate) fn text(&self) -> &[u8] {
        self.text.expose()
    }

    /// A keyed hash of key id and string to sign: what tells two signed requests apart. Not of the signature's text, which may have several spellings.
    #[must_use]
    pub fn fingerprint(&self, key: &[u8]) -> [u8; 32] {
        let length = (self.key_id.len() as u64).to_be_bytes();
        let text = Secret::new([&length[..], self.key_id.as_bytes(), self.text.expose()].concat());
        let hash = DigestAlgorithm::Sha256.hmac(key, text.expose());
        <[u8; 32]>::try_from(hash.as_slice()).unwrap_or_default()
    }

    /// What convinces a third party, for a signature under a public key. `None` for a shared secret, which proves nothing to anyone else, and
    /// where a further secret stands in the text.
    #[must_use]
    pub fn evidence(&self) -> Option<Evidence<'_>> {
        let (shown, algorithm) = (self.shown.as_ref()?, self.algorithm?);
        let message = self.text.expose();
        // The stage is masked: it is equal if and only if no secret reached the text.
        let open = self.stages.get("string_to_sign") == Some(message);
        open.then(|| Evidence { algorithm, public_key: &shown.public_key, message, signature: shown.signature.as_bytes() })
    }

    /// Judges what the signature covers.
    ///
    /// # Errors
    /// [`Reason::DialectNotAllowed`] for an unsafe dialect that the policy does not allow, [`Reason::AlgorithmNotAllowed`],
    /// [`Reason::AmbiguousRequest`], [`Reason::RequiredPartUnsigned`], or [`Reason::InsecureTransport`] for an unsigned body over plain HTTP.
    pub fn require(self, policy: &Policy) -> Result<Sound, Refusal> {
        if self.dialect.is_unsafe() && !policy.allow_unsafe {
            return Err(Refusal::new(
                Reason::DialectNotAllowed,
                format!("{} is unsafe by construction: say so to verify it", self.dialect.id()),
            ));
        }
        if !self.algorithm_registered {
            return Err(Refusal::new(Reason::AlgorithmNotAllowed, "the signature holds, but its algorithm is not registered"));
        }
        if let Some(found) = self.ambiguity.as_ref().filter(|_| !policy.allow_ambiguous) {
            return Err(Refusal::new(Reason::AmbiguousRequest, found.clone()));
        }
        judge::require(self.dialect.plan(), policy, &self.covers, &self.presence)?;
        if judge::leaves_body_to_plain_http(&self.presence) && !policy.allow_cleartext {
            return Err(Refusal::new(
                Reason::InsecureTransport,
                "a word stands in place of the body's digest, and nothing protects the body",
            ));
        }
        Ok(Sound(self))
    }
}

impl Sound {
    /// What was verified.
    #[must_use]
    pub const fn verified(&self) -> &Verified {
        &self.0
    }

    /// Whether the body must still be fed to [`Sound::body_check`].
    #[must_use]
    pub const fn awaits_body(&self) -> bool {
        matches!(self.0.body, BodyDuty::Stream(_))
    }

    /// Holds the body against the digest that was sent, if one was. A body that was given to the tag's step was hashed
    /// there; `body` is read where it was still pending.
    ///
    /// # Errors
    /// [`Reason::BodyDigestMismatch`].
    pub fn check_body(self, body: &[u8]) -> Result<Intact, Refusal> {
        let mut check = self.body_check();
        check.update(body);
        check.finish()
    }

    /// A check that is fed the body piece by piece.
    #[must_use]
    pub fn body_check(self) -> BodyCheck {
        BodyCheck(self.0)
    }
}

/// A sound request whose body is going by.
#[derive(Debug)]
pub struct BodyCheck(Verified);

impl BodyCheck {
    /// What was verified so far: everything but the body.
    #[must_use]
    pub const fn verified(&self) -> &Verified {
        &self.0
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        if let BodyDuty::Stream(verifier) = &mut self.0.body {
            verifier.update(piece);
        }
    }

    /// The body is complete.
    ///
    /// # Errors
    /// [`Reason::BodyDigestMismatch`].
    pub fn finish(mut self) -> Result<Intact, Refusal> {
        match std::mem::replace(&mut self.0.body, BodyDuty::Nothing) {
            BodyDuty::Nothing => {}
            BodyDuty::Done(verdict) => verdict?,
            BodyDuty::Stream(verifier) => verifier.finish()?,
        }
        Ok(Intact(self.0))
    }
}

impl Intact {
    /// What was verified.
    #[must_use]
    pub const fn verified(&self) -> &Verified {
        &self.0
    }

    /// What was verified, alone.
    #[cfg(feature = "lint")]
    pub(crate) fn into_verified(self) -> Verified {
        self.0
    }
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("dialect", &self.dialect.id())
            .field("key_id", &self.key_id())
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Fresh<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fresh").field(&self.0).finish()
    }
}

impl fmt::Debug for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("dialect", &self.dialect.id())
            .field("key_id", &self.key_id)
            .field("covers", &self.covers)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "yaml"))]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_wanted_for_each_kind_of_key_that_could_sign() {
        let of = |rest: &str| {
            let file = format!("countersign: 1\ndialect: a\ntitle: t\n{rest}");
            families(Dialect::from_yaml(&file).unwrap_or_else(|e| panic!("{e}")).plan())
        };
        let signed = "string_to_sign: \"{body}\"\ncarry: { header: { S: \"{signature}\" } }\nalgorithm: ";
        assert_eq!(of(&format!("{signed}[ed25519, hmac-sha256, hmac-sha1]")), [KeyFamily::Ed25519, KeyFamily::Hmac]);
        assert_eq!(of("carry: { header: { K: \"{secret}\" } }"), [KeyFamily::Hmac], "a secret that is shown");
    }
}
