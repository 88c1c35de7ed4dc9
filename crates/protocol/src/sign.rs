//! Signing: a message and a credential in, the placed message out.
//!
//! ```text
//! prepare -> the bytes to sign -> finish(tag) -> the placed message
//! ```
//! Between the two steps the key may be anywhere, in a key-management service for example.

use std::fmt;

use crate::algorithm::Algorithm;
use crate::credential::Credential;
use crate::dialect::plan::{AlgorithmRule, Claimed, Plan};
use crate::dialect::{Dialect, Inputs};
use crate::digest::BodyDigests;
use crate::engine::desk::Desk;
use crate::engine::read;
use crate::engine::scene::{Scene, Texts};
use crate::message::{Body, Message};
use crate::reason::Refusal;
use crate::secret::{Secret, Tag};
use crate::stages::Stages;
use crate::time::Timestamp;

/// The signer's own choices. Time and nonce are arguments: this crate has no clock and no randomness.
#[derive(Debug, Clone)]
pub struct SignOptions {
    /// The signer's clock.
    pub at: Timestamp,
    /// The nonce, for a dialect that carries one.
    pub nonce: Option<String>,
    /// The values of the dialect's inputs.
    pub inputs: Inputs,
    /// The headers to sign; absent: those that the dialect's file says.
    pub headers: Option<Vec<String>>,
    /// Headers to sign besides those that the dialect's file says, where it carries the list of signed headers.
    pub also: Vec<String>,
    /// Optional carried parts to leave out, such as `nonce`.
    pub omit: Vec<String>,
    /// The text of the expiry; absent: the file's default.
    pub expires: Option<String>,
    /// A literal to carry in place of the body's digest, or the digest itself.
    pub body_digest: Option<String>,
    /// The digests of a body that is sent in pieces and is not in the message, which then has none; see [`Dialect::body_digests`].
    pub body: Option<BodyDigests>,
}

impl SignOptions {
    /// The dialect's own choices at this time.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self {
            at,
            nonce: None,
            inputs: Inputs::new(),
            headers: None,
            also: Vec::new(),
            omit: Vec::new(),
            expires: None,
            body_digest: None,
            body: None,
        }
    }

    /// The same with a nonce.
    #[must_use]
    pub fn with_nonce(mut self, nonce: impl Into<String>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// The same with the value of an input.
    #[must_use]
    pub fn with_input(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inputs = self.inputs.with(name, value);
        self
    }
}

/// Why a message could not be signed. It is the caller who can mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// The dialect needs this input.
    MissingInput(String),
    /// The dialect carries a nonce, and none was given.
    MissingNonce,
    /// The credential lacks this further secret.
    MissingSecret(String),
    /// The credential's key or registered algorithm does not fit the dialect.
    AlgorithmMismatch,
    /// The private half of the key is not here: use [`Dialect::prepare`].
    NoPrivateKey,
    /// The dialect signs responses and this is a request, or the other way round.
    WrongMessage,
    /// The message has a body, and the digests of another one were given.
    TwoBodies,
    /// The message cannot be put into the dialect's form.
    Unsignable(Refusal),
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingInput(name) => write!(f, "the dialect needs the input {name}; give it, for example {name}=..."),
            Self::MissingNonce => f.write_str("the dialect carries a nonce; give a fresh one for each signature"),
            Self::MissingSecret(name) => write!(f, "the credential lacks the further secret {name}"),
            Self::AlgorithmMismatch => f.write_str("the credential's key or algorithm does not fit the dialect"),
            Self::NoPrivateKey => f.write_str("the credential holds no private key to sign with"),
            Self::WrongMessage => f.write_str("the dialect signs the other kind of message: requests or responses"),
            Self::TwoBodies => f.write_str("the message has a body and the digests of another one were given; give one of them"),
            Self::Unsignable(refusal) => write!(f, "the message cannot be signed: {}", refusal.detail()),
        }
    }
}

impl std::error::Error for SignError {}

impl From<Refusal> for SignError {
    fn from(refusal: Refusal) -> Self {
        Self::Unsignable(refusal)
    }
}

/// A message whose string to sign is ready.
#[derive(Debug)]
pub struct Prepared {
    dialect: Dialect,
    message: Message,
    texts: Texts,
    names: Vec<String>,
    at: Timestamp,
    algorithm: Option<Algorithm>,
    text: Secret,
    stages: Stages,
    omit: Vec<String>,
}

impl Prepared {
    /// The bytes to sign. They may hold the secret, where the dialect signs it as text: keep them out of logs.
    #[must_use]
    pub fn string_to_sign(&self) -> &[u8] {
        self.text.expose()
    }

    /// The algorithm to sign with; `None` for a dialect that carries the secret itself.
    #[must_use]
    pub const fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// Every stage so far, secrets masked.
    #[must_use]
    pub const fn stages(&self) -> &Stages {
        &self.stages
    }

    /// Places the signature.
    ///
    /// # Errors
    /// When the signature cannot be written where the dialect carries it.
    pub fn finish(mut self, tag: &Tag) -> Result<Signed, SignError> {
        let plan = self.dialect.plan();
        let encoded = read::encode_signature(plan.signature.encoding, tag.as_bytes());
        let signature = String::from_utf8(encoded).map_err(|_| SignError::AlgorithmMismatch)?;
        self.texts.set(Claimed::Signature, signature.clone());
        let mut desk = Desk {
            plan,
            credential: None,
            algorithm: self.algorithm,
            at: self.at,
            texts: self.texts,
            names: self.names,
            omit: &self.omit,
            body: None,
        };
        self.dialect.rules().place_signature(&mut desk, &mut self.message)?;
        read::check_parameters(self.message.view(), self.message.view().body())?;
        Ok(Signed { message: self.message, signature, stages: self.stages })
    }
}

/// A signed message.
#[derive(Debug, Clone)]
pub struct Signed {
    message: Message,
    signature: String,
    stages: Stages,
}

impl Signed {
    /// The message with everything that is carried in its place.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// The message itself.
    #[must_use]
    pub fn into_message(self) -> Message {
        self.message
    }

    /// The signature as carried; empty for a dialect that carries the secret itself.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// Every stage, secrets masked.
    #[must_use]
    pub const fn stages(&self) -> &Stages {
        &self.stages
    }
}

impl Dialect {
    /// Brings a message into the form that is signed, and gives the bytes to sign.
    ///
    /// # Errors
    /// When something that the dialect needs is missing, or the message cannot be put into its form.
    pub fn prepare(&self, message: impl Into<Message>, credential: &Credential, options: &SignOptions) -> Result<Prepared, SignError> {
        let plan = self.plan();
        let mut message = message.into();
        if matches!(message, Message::Response(_)) != plan.of_response {
            return Err(SignError::WrongMessage);
        }
        crate::engine::wellformed::check(message.view()).map_err(SignError::Unsignable)?;
        if options.body.is_some() && !message.body_bytes().is_empty() {
            return Err(SignError::TwoBodies);
        }
        let (word, algorithm) = choose(plan, credential)?;
        let mut desk = Desk {
            plan,
            credential: Some(credential),
            algorithm,
            at: options.at,
            texts: texts(plan, credential, options, word)?,
            names: Vec::new(),
            omit: &options.omit,
            body: options.body.as_ref(),
        };
        self.rules().place(&mut desk, &mut message, options)?;
        let signed = self.rules().text(&desk.scene(&message))?;
        let Desk { texts, names, .. } = desk;
        Ok(Prepared {
            dialect: self.clone(),
            message,
            texts,
            names,
            at: options.at,
            algorithm,
            text: signed.bytes,
            stages: signed.stages,
            omit: options.omit.clone(),
        })
    }

    /// The parts that [`SignOptions::omit`] can leave out: those without which a message still has the dialect's form.
    #[must_use]
    pub fn omittable(&self) -> Vec<&'static str> {
        const PARTS: [(&str, Claimed); 6] = [
            ("time", Claimed::Time),
            ("nonce", Claimed::Nonce),
            ("expires", Claimed::Expires),
            ("algorithm", Claimed::Algorithm),
            ("signed_headers", Claimed::SignedHeaders),
            ("body_digest", Claimed::BodyDigest),
        ];
        let may_lack = |what: Claimed| {
            let mut entries = self.plan().carry.iter().filter(|entry| entry.holds(what)).peekable();
            entries.peek().is_some() && entries.all(|entry| entry.may_lack(what))
        };
        PARTS.into_iter().filter(|(_, what)| may_lack(*what)).map(|(name, _)| name).collect()
    }

    /// The text of an expiry so long after `at`, for [`SignOptions::expires`]; `None` where messages carry none.
    #[must_use]
    pub fn expires_text(&self, at: Timestamp, after: std::time::Duration) -> Option<String> {
        self.plan().expires.as_ref().map(|_| expires_text(self.plan(), at, after))
    }

    /// Signs with the credential's own key.
    ///
    /// # Errors
    /// As [`Dialect::prepare`], and when the credential holds no key to sign with.
    pub fn sign(&self, message: impl Into<Message>, credential: &Credential, options: &SignOptions) -> Result<Signed, SignError> {
        let prepared = self.prepare(message, credential, options)?;
        let Some(algorithm) = prepared.algorithm else {
            read::check_parameters(prepared.message.view(), prepared.message.view().body())?;
            return Ok(Signed { message: prepared.message, signature: String::new(), stages: prepared.stages });
        };
        let (view, plan) = (prepared.message.view(), self.plan());
        let scene = Scene {
            plan,
            message: view,
            body: options.body.as_ref().map_or_else(|| view.body(), Body::Digests),
            texts: &prepared.texts,
            names: &prepared.names,
            instant: Some(prepared.at),
            credential: Some(credential),
            algorithm: prepared.algorithm,
            reading: false,
        };
        let (key, _) = self.rules().key(&scene)?;
        let tag = key.sign(algorithm, prepared.text.expose()).ok_or(SignError::NoPrivateKey)?;
        prepared.finish(&tag)
    }
}

/// The word on the wire and the algorithm that the credential is registered for; else the dialect's first that fits.
fn choose(plan: &Plan, credential: &Credential) -> Result<(Option<String>, Option<Algorithm>), SignError> {
    let offered: Vec<(Option<&String>, Algorithm)> = match &plan.algorithm {
        AlgorithmRule::None => return Ok((None, None)),
        AlgorithmRule::OneOf(list) => list.iter().map(|a| (None, *a)).collect(),
        AlgorithmRule::Named(words) => words.iter().flat_map(|(word, list)| list.iter().map(move |a| (Some(word), *a))).collect(),
    };
    let fits = |a: &Algorithm| a.family() == credential.material().family();
    let wanted = match credential.algorithms().first() {
        Some(registered) => offered.iter().find(|(_, a)| a == registered && fits(a)),
        None => offered.iter().find(|(_, a)| fits(a)),
    };
    wanted.map(|(word, a)| (word.cloned(), Some(*a))).ok_or(SignError::AlgorithmMismatch)
}

/// The texts that are known before anything is placed.
fn texts(plan: &Plan, credential: &Credential, options: &SignOptions, word: Option<String>) -> Result<Texts, SignError> {
    let omitted = |name: &str| options.omit.iter().any(|o| o == name);
    let mut texts = Texts::default();
    texts.set(Claimed::KeyId, credential.key_id());
    for (index, input) in plan.inputs.iter().enumerate() {
        match options.inputs.get(&input.name) {
            Some(value) => texts.set(Claimed::Input(index), value),
            None if input.optional => {}
            None => return Err(SignError::MissingInput(input.name.clone())),
        }
    }
    // A further secret that was never issued is an empty one (RFC 5849, section 3.4.2).
    if let Some(time) = plan.time.as_ref().filter(|_| !omitted("time")) {
        let mut text = Vec::new();
        time.formats[0].write(options.at, time.zone, &mut text);
        texts.set(Claimed::Time, String::from_utf8(text).unwrap_or_default());
    }
    nonce(plan, options, &mut texts)?;
    if let Some(expires) = &plan.expires {
        let default = expires.default.map(|span| expires_text(plan, options.at, span));
        if let Some(text) = options.expires.clone().or(default).filter(|_| !omitted("expires")) {
            texts.set(Claimed::Expires, text);
        }
    }
    if let Some(word) = word.filter(|_| !omitted("algorithm")) {
        texts.set(Claimed::Algorithm, word);
    }
    if let Some(text) = &options.body_digest {
        texts.set(Claimed::BodyDigest, text.clone());
    }
    for what in [Claimed::KeyId, Claimed::Nonce] {
        let carried = texts.get(what).filter(|_| plan.carry.iter().any(|e| e.holds(what)));
        carried.map_or(Ok(()), |text| read::check_length(plan, what, text))?;
    }
    Ok(texts)
}

fn nonce(plan: &Plan, options: &SignOptions, texts: &mut Texts) -> Result<(), SignError> {
    let needed = plan.carry.iter().any(|e| e.holds(Claimed::Nonce) && !e.may_lack(Claimed::Nonce));
    match &options.nonce {
        Some(nonce) if !options.omit.iter().any(|o| o == "nonce") => texts.set(Claimed::Nonce, nonce.clone()),
        None if needed => return Err(SignError::MissingNonce),
        _ => {}
    }
    Ok(())
}

fn expires_text(plan: &Plan, at: Timestamp, span: std::time::Duration) -> String {
    use crate::dialect::plan::ExpiresForm;
    match plan.expires.as_ref().map(|e| &e.form) {
        Some(ExpiresForm::Millis) => span.as_millis().to_string(),
        Some(ExpiresForm::At(format)) => {
            let mut text = Vec::new();
            format.write(at.plus(span), crate::time::Zone::UTC, &mut text);
            String::from_utf8(text).unwrap_or_default()
        }
        _ => span.as_secs().to_string(),
    }
}
