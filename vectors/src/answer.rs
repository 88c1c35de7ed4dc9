//! Known answers for dialects of responses: `answers/<dialect>.yaml`, with the file of each dialect in `answers/dialects/`.
//!
//! They have the shape of the vectors of requests, with `response` in the place of `request` and `status` in that of method and target.

use std::collections::BTreeMap;

use countersign_protocol::{Dialect, Inputs, Response, SignOptions};
use serde::Deserialize;

use crate::case::{self, Case, Signing};
use crate::change;
use crate::error::{Fault, VectorError};
use crate::written::{Bytes, Credentials, Expect, PolicyChoices, Repeat, Source, StageText};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dialect: String,
    vectors: Vec<Written>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    why: String,
    source: Option<Source>,
    from: Option<String>,
    change: Option<Edit>,
    at: Option<String>,
    now: Option<String>,
    credentials: Option<Credentials>,
    nonce: Option<String>,
    skip: Option<String>,
    policy: Option<PolicyChoices>,
    response: Option<WrittenResponse>,
    stages: Option<BTreeMap<String, StageText>>,
    signature: Option<String>,
    placed: Option<WrittenResponse>,
    expect: Expect,
    covers: Option<Vec<String>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenResponse {
    status: u16,
    #[serde(default)]
    headers: Vec<(String, Bytes)>,
    body: Option<String>,
    body_base64: Option<String>,
    body_repeat: Option<Repeat>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    status: Option<u16>,
    headers: Option<BTreeMap<String, Bytes>>,
    add_headers: Option<Vec<(String, Bytes)>>,
    remove_headers: Option<Vec<String>>,
    body: Option<String>,
    now: Option<String>,
    policy: Option<PolicyChoices>,
    credentials: Option<Credentials>,
}

/// A dialect of responses with its known answers.
pub type Answers = (Dialect, Vec<Case<Response>>);

/// The dialects of responses that have known answers, each with them.
///
/// # Errors
/// When a file makes no sense.
pub fn answers() -> Result<Vec<Answers>, VectorError> {
    let of_file = |(stem, dialect, text): &(&str, &str, &str)| {
        let fault = |fault| VectorError::of_file(stem, Fault::Shape(fault));
        let dialect = Dialect::from_yaml(dialect).map_err(|error| fault(error.to_string()))?;
        let file: File = serde_yaml::from_str(text).map_err(|error| fault(error.to_string()))?;
        if file.dialect != *stem || dialect.id() != *stem {
            return Err(VectorError::of_file(stem, Fault::Stem { dialect: file.dialect }));
        }
        let read = |written| file.answer(written).map_err(|fault| VectorError::of_vector(stem, &written.name, fault));
        Ok((dialect, file.vectors.iter().map(read).collect::<Result<_, _>>()?))
    };
    crate::ANSWERS.iter().map(of_file).collect()
}

impl File {
    fn answer(&self, written: &Written) -> Result<Case<Response>, Fault> {
        let Some(from) = &written.from else { return written.read(&self.dialect, written, &Edit::default()) };
        let origin =
            self.vectors.iter().find(|other| other.name == *from && other.from.is_none()).ok_or_else(|| Fault::From(from.clone()))?;
        origin.read(&self.dialect, written, written.change.as_ref().ok_or(Fault::Missing("change"))?)
    }
}

impl Written {
    /// The vector `of`, which begins as this one says and is edited.
    fn read(&self, dialect: &str, of: &Self, edit: &Edit) -> Result<Case<Response>, Fault> {
        let at = self.at.as_ref().ok_or(Fault::Missing("at"))?;
        let mut keys = self.credentials.clone().ok_or(Fault::Missing("credentials"))?;
        if let Some(by) = &edit.credentials {
            keys.replace(by);
        }
        let policy = edit.policy.as_ref().or(self.policy.as_ref()).cloned().unwrap_or_default();
        let mut placed = self.placed.as_ref().ok_or(Fault::Missing("placed"))?.read()?;
        placed.status = edit.status.unwrap_or(placed.status);
        change::edit_headers(edit.remove_headers.as_deref(), edit.headers.as_ref(), edit.add_headers.as_deref(), &mut placed.headers)?;
        if let Some(body) = &edit.body {
            placed.body = body.clone().into_bytes();
        }
        let stands_alone = of.from.is_none() && of.skip.is_none();
        Ok(Case {
            dialect: dialect.to_owned(),
            name: of.name.clone(),
            why: of.why.clone(),
            source: of.source.as_ref().or(self.source.as_ref()).cloned().ok_or(Fault::Missing("source"))?,
            now: case::time(edit.now.as_ref().or(self.now.as_ref()).unwrap_or(at))?,
            credential: keys.verifying()?,
            keys,
            inputs: Inputs::new(),
            policy: policy.read()?,
            placed,
            expect: of.expect,
            covers: of.covers.iter().flatten().map(|text| case::part(text)).collect::<Result<_, _>>()?,
            signing: stands_alone.then(|| self.signing(at)).transpose()?,
        })
    }

    fn signing(&self, at: &str) -> Result<Signing<Response>, Fault> {
        let mut options = SignOptions::new(case::time(at)?);
        options.nonce.clone_from(&self.nonce);
        let stages = self.stages.iter().flatten().map(|(name, stage)| Ok((name.clone(), stage.read()?)));
        Ok(Signing {
            message: self.response.as_ref().ok_or(Fault::Missing("response"))?.read()?,
            credential: self.credentials.as_ref().ok_or(Fault::Missing("credentials"))?.signing()?,
            options,
            stages: stages.collect::<Result<_, Fault>>()?,
            signature: self.signature.clone(),
            skip: None,
        })
    }
}

impl WrittenResponse {
    fn read(&self) -> Result<Response, Fault> {
        let headers = self.headers.iter().map(|(name, value)| Ok((name.clone(), value.read()?))).collect::<Result<_, Fault>>()?;
        let body = case::body(self.body.as_ref(), self.body_base64.as_ref(), self.body_repeat.as_ref())?.unwrap_or_default();
        Ok(Response { status: self.status, headers, body })
    }
}
