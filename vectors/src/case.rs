//! Vectors, worked out: everything a signer and a verifier need, as the protocol's own types.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{
    Algorithm, Credential, Inputs, KeyMaterial, KeyPair, Part, Policy, Request, Scheme, Secret, SignOptions, Timestamp,
};

use crate::change;
use crate::error::{Fault, VectorError};
use crate::written::{
    Bytes, Credentials, Expect, PolicyChoices, Repeat, SignChoices, Source, StageText, Vector, VectorFile, WrittenRequest, WrittenScheme,
};

/// One vector, ready to be run: of a request, or of a response.
#[derive(Debug, Clone)]
pub struct Case<M = Request> {
    /// The dialect's id.
    pub dialect: String,
    /// The name, unique within the dialect.
    pub name: String,
    /// The reason why it exists.
    pub why: String,
    /// Where the answer comes from: the origin's source, where it starts from another vector.
    pub source: Source,
    /// The verifier's clock.
    pub now: Timestamp,
    /// The verifier's key.
    pub credential: Credential,
    /// The key of both sides as it is written, for those who hand it on.
    pub keys: Credentials,
    /// The verifier's inputs.
    pub inputs: Inputs,
    /// The verifier's policy.
    pub policy: Policy,
    /// The message that the verifier sees.
    pub placed: M,
    /// What it must answer.
    pub expect: Expect,
    /// Parts that must be among those reported as covered.
    pub covers: Vec<Part>,
    /// What a signer is given and must give; `None` for a case that starts from another vector.
    pub signing: Option<Signing<M>>,
}

/// What a signer is given and must give.
#[derive(Debug, Clone)]
pub struct Signing<M = Request> {
    /// The message before signing.
    pub message: M,
    /// The signer's key.
    pub credential: Credential,
    /// The signer's clock, nonce, inputs and choices.
    pub options: SignOptions,
    /// The known intermediates.
    pub stages: Vec<(String, StageBytes)>,
    /// The signature's text, as carried, where the source gives it.
    pub signature: Option<String>,
    /// Why the signer is not run on this vector.
    pub skip: Option<String>,
}

/// A stage, whole or by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageBytes {
    /// The bytes.
    Whole(Vec<u8>),
    /// Lower-case hex of their SHA-256.
    Sha256(String),
}

/// Everything about a verification that a change may touch.
pub(crate) struct Scene {
    pub(crate) now: String,
    pub(crate) credentials: Credentials,
    pub(crate) inputs: BTreeMap<String, String>,
    pub(crate) policy: PolicyChoices,
    pub(crate) placed: Request,
}

impl Case {
    /// Works out every vector of a file, in its order.
    pub(crate) fn of_file(stem: &str, text: &str) -> Result<Vec<Self>, VectorError> {
        let file: VectorFile = serde_yaml::from_str(text).map_err(|e| VectorError::of_file(stem, Fault::Shape(e.to_string())))?;
        if file.dialect != stem {
            return Err(VectorError::of_file(stem, Fault::Stem { dialect: file.dialect }));
        }
        let mut cases: Vec<Self> = Vec::with_capacity(file.vectors.len());
        for vector in &file.vectors {
            let at_fault = |fault| VectorError::of_vector(stem, &vector.name, fault);
            if cases.iter().any(|case| case.name == vector.name) {
                return Err(at_fault(Fault::NameTwice));
            }
            cases.push(Self::of_vector(&file, vector).map_err(at_fault)?);
        }
        Ok(cases)
    }

    fn of_vector(file: &VectorFile, vector: &Vector) -> Result<Self, Fault> {
        let Some(from) = &vector.from else {
            if vector.change.is_some() {
                return Err(Fault::Missing("from"));
            }
            let signing = Signing::of(vector)?;
            return Self::of_scene(file, vector, vector, Scene::of(vector)?, Some(signing));
        };
        refuse_beside_from(vector)?;
        let origin = file.vectors.iter().find(|v| v.name == *from && v.from.is_none()).ok_or_else(|| Fault::From(from.clone()))?;
        let mut scene = Scene::of(origin)?;
        for edit in &vector.change.as_ref().ok_or(Fault::Missing("change"))?.0 {
            change::apply(edit, &mut scene)?;
        }
        Self::of_scene(file, vector, origin, scene, None)
    }

    fn of_scene(file: &VectorFile, vector: &Vector, origin: &Vector, scene: Scene, signing: Option<Signing>) -> Result<Self, Fault> {
        let covers = vector.covers.iter().flatten().map(|text| part(text));
        Ok(Self {
            dialect: file.dialect.clone(),
            name: vector.name.clone(),
            why: vector.why.clone(),
            source: vector.source.as_ref().or(origin.source.as_ref()).cloned().ok_or(Fault::Missing("source"))?,
            now: time(&scene.now)?,
            credential: scene.credentials.verifying()?,
            keys: scene.credentials,
            inputs: inputs(&scene.inputs),
            policy: scene.policy.read()?,
            placed: scene.placed,
            expect: vector.expect,
            covers: covers.collect::<Result<_, _>>()?,
            signing,
        })
    }
}

/// What a complete vector says may not stand where only a change is meant.
fn refuse_beside_from(vector: &Vector) -> Result<(), Fault> {
    let fields = [
        ("at", vector.at.is_some()),
        ("now", vector.now.is_some()),
        ("credentials", vector.credentials.is_some()),
        ("inputs", vector.inputs.is_some()),
        ("nonce", vector.nonce.is_some()),
        ("sign", vector.sign.is_some()),
        ("policy", vector.policy.is_some()),
        ("request", vector.request.is_some()),
        ("stages", vector.stages.is_some()),
        ("signature", vector.signature.is_some()),
        ("placed", vector.placed.is_some()),
    ];
    fields.into_iter().find(|(_, stands)| *stands).map_or(Ok(()), |(field, _)| Err(Fault::BesideFrom(field)))
}

impl Scene {
    fn of(vector: &Vector) -> Result<Self, Fault> {
        let at = vector.at.as_ref().ok_or(Fault::Missing("at"))?;
        Ok(Self {
            now: vector.now.as_ref().unwrap_or(at).clone(),
            credentials: vector.credentials.clone().ok_or(Fault::Missing("credentials"))?,
            inputs: vector.inputs.clone().unwrap_or_default(),
            policy: vector.policy.clone().unwrap_or_default(),
            placed: vector.placed.as_ref().ok_or(Fault::Missing("placed"))?.read()?,
        })
    }
}

impl Signing {
    fn of(vector: &Vector) -> Result<Self, Fault> {
        let choices = vector.sign.clone().unwrap_or_default();
        let stages = vector.stages.iter().flatten().map(|(name, stage)| Ok((name.clone(), stage.read()?)));
        Ok(Self {
            message: vector.request.as_ref().ok_or(Fault::Missing("request"))?.read()?,
            credential: vector.credentials.as_ref().ok_or(Fault::Missing("credentials"))?.signing()?,
            stages: stages.collect::<Result<_, Fault>>()?,
            signature: vector.signature.clone(),
            skip: choices.skip.clone(),
            options: options(vector, choices)?,
        })
    }
}

fn options(vector: &Vector, choices: SignChoices) -> Result<SignOptions, Fault> {
    let mut options = SignOptions::new(time(vector.at.as_ref().ok_or(Fault::Missing("at"))?)?);
    options.nonce.clone_from(&vector.nonce);
    options.inputs = inputs(vector.inputs.as_ref().unwrap_or(&BTreeMap::new()));
    options.headers = choices.headers;
    options.omit = choices.omit.unwrap_or_default();
    options.expires = choices.expires;
    options.body_digest = choices.body_digest;
    Ok(options)
}

impl Credentials {
    /// The signer's key: the private one, where there is one.
    pub(crate) fn signing(&self) -> Result<Credential, Fault> {
        self.credential(self.private_key_pem.as_ref(), self.public_key_pem.as_ref())
    }

    /// The verifier's key: the public one, where there is one.
    pub(crate) fn verifying(&self) -> Result<Credential, Fault> {
        let private = self.private_key_pem.as_ref().filter(|_| self.public_key_pem.is_none());
        self.credential(private, self.public_key_pem.as_ref())
    }

    fn credential(&self, private: Option<&String>, public: Option<&String>) -> Result<Credential, Fault> {
        let mut credential = Credential::new(self.key_id.clone().unwrap_or_default(), self.material(private, public)?);
        for (name, secret) in self.parts.iter().flatten() {
            credential = credential.with_part(name, secret.as_str());
        }
        if let Some(name) = &self.algorithm {
            credential = credential.with_algorithm(Algorithm::from_name(name).ok_or_else(|| Fault::Algorithm(name.clone()))?);
        }
        Ok(credential)
    }

    fn material(&self, private: Option<&String>, public: Option<&String>) -> Result<KeyMaterial, Fault> {
        let pair = match (private, public) {
            (Some(pem), _) => Some(KeyPair::from_private_pem(pem)),
            (None, Some(pem)) => Some(KeyPair::from_short_public_pem(pem)),
            (None, None) => None,
        };
        match (pair, &self.secret, &self.secret_base64) {
            (Some(pair), None, None) => Ok(KeyMaterial::Pair(pair.map_err(|e| Fault::Key(e.to_string()))?)),
            (None, Some(text), None) => Ok(KeyMaterial::Hmac(Secret::from(text.as_str()))),
            (None, None, Some(text)) => Ok(KeyMaterial::Hmac(Secret::new(base64(text)?))),
            (None, None, None) => Err(Fault::Missing("credentials.secret")),
            (None, Some(_), Some(_)) => Err(Fault::Both("secret", "secret_base64")),
            (Some(_), _, _) => Err(Fault::Both("secret", "private_key_pem or public_key_pem")),
        }
    }

    /// Puts the fields that are given in the place of these. A key of another kind takes the place of the whole key.
    pub(crate) fn replace(&mut self, by: &Self) {
        let shared = by.secret.is_some() || by.secret_base64.is_some();
        let pair = by.private_key_pem.is_some() || by.public_key_pem.is_some();
        if shared {
            (self.private_key_pem, self.public_key_pem) = (None, None);
        }
        if shared || pair {
            self.secret.clone_from(&by.secret);
            self.secret_base64.clone_from(&by.secret_base64);
        }
        let put = |field: &mut Option<String>, new: &Option<String>| {
            if new.is_some() {
                field.clone_from(new);
            }
        };
        put(&mut self.key_id, &by.key_id);
        put(&mut self.private_key_pem, &by.private_key_pem);
        put(&mut self.public_key_pem, &by.public_key_pem);
        put(&mut self.algorithm, &by.algorithm);
        if by.parts.is_some() {
            self.parts.clone_from(&by.parts);
        }
    }
}

impl PolicyChoices {
    pub(crate) fn read(&self) -> Result<Policy, Fault> {
        let parts = |list: &Option<Vec<String>>| list.iter().flatten().map(|text| part(text)).collect::<Result<Vec<_>, _>>();
        Ok(Policy {
            allow_unsafe: self.r#unsafe,
            allow_ambiguous: self.allow_ambiguous,
            waive: parts(&self.waive)?,
            require: parts(&self.require)?,
            ..Policy::default()
        })
    }
}

impl WrittenRequest {
    fn read(&self) -> Result<Request, Fault> {
        let mut request = Request::new(self.method.as_str(), self.target.as_str());
        request.scheme = self.scheme.into();
        for (name, value) in &self.headers {
            request.headers.push((name.clone(), value.read()?));
        }
        request.body = body(self.body.as_ref(), self.body_base64.as_ref(), self.body_repeat.as_ref())?.unwrap_or_default();
        Ok(request)
    }
}

/// The longest body, in bytes.
const MOST_BODY: usize = 8 * 1024 * 1024;

/// The one body among its three spellings; `None` when none stands.
pub(crate) fn body(text: Option<&String>, encoded: Option<&String>, repeat: Option<&Repeat>) -> Result<Option<Vec<u8>>, Fault> {
    match (text, encoded, repeat) {
        (None, None, None) => Ok(None),
        (Some(text), None, None) => Ok(Some(text.clone().into_bytes())),
        (None, Some(text), None) => base64(text).map(Some),
        (None, None, Some(repeat)) => match repeat.text.len().checked_mul(repeat.times) {
            Some(0..=MOST_BODY) => Ok(Some(repeat.text.repeat(repeat.times).into_bytes())),
            _ => Err(Fault::TooLong(MOST_BODY)),
        },
        (Some(_), Some(_), _) => Err(Fault::Both("body", "body_base64")),
        (_, _, Some(_)) => Err(Fault::Both("body_repeat", "body or body_base64")),
    }
}

impl From<WrittenScheme> for Scheme {
    fn from(scheme: WrittenScheme) -> Self {
        match scheme {
            WrittenScheme::Http => Self::Http,
            WrittenScheme::Https => Self::Https,
        }
    }
}

impl Bytes {
    pub(crate) fn read(&self) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Base64(encoded) => base64(&encoded.base64),
        }
    }
}

impl StageText {
    pub(crate) fn read(&self) -> Result<StageBytes, Fault> {
        Ok(match self {
            Self::Text(text) => StageBytes::Whole(text.clone().into_bytes()),
            Self::Base64(encoded) => StageBytes::Whole(base64(&encoded.base64)?),
            Self::Sha256(digest) => StageBytes::Sha256(digest.sha256.clone()),
        })
    }
}

fn base64(text: &str) -> Result<Vec<u8>, Fault> {
    STANDARD.decode(text).map_err(|_| Fault::Base64)
}

pub(crate) fn time(text: &str) -> Result<Timestamp, Fault> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| Fault::Time(text.to_owned()))
}

pub(crate) fn part(text: &str) -> Result<Part, Fault> {
    Part::parse(text).ok_or_else(|| Fault::Part(text.to_owned()))
}

fn inputs(map: &BTreeMap<String, String>) -> Inputs {
    map.iter().fold(Inputs::new(), |inputs, (name, value)| inputs.with(name, value))
}
