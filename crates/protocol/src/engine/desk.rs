//! The desk at which one message is signed: what is known so far, and how it is written.

use super::declared::render;
use super::read::encode_signature;
use super::render::applies;
use super::scene::{Scene, Texts};
use super::{names, write};
use crate::algorithm::Algorithm;
use crate::credential::Credential;
use crate::dialect::Part;
use crate::dialect::plan::{Claimed, Entry, Place, Plan, When};
use crate::digest::BodyDigests;
use crate::message::{Body, Message};
use crate::reason::{Reason, Refusal};
use crate::sign::{SignError, SignOptions};
use crate::time::Timestamp;

/// Where one message is signed: what is known so far, and how it is written.
pub(crate) struct Desk<'d> {
    pub(crate) plan: &'d Plan,
    pub(crate) credential: Option<&'d Credential>,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) at: Timestamp,
    pub(crate) texts: Texts,
    pub(crate) names: Vec<String>,
    pub(crate) omit: &'d [String],
    /// The digests of a body that is not in the message.
    pub(crate) body: Option<&'d BodyDigests>,
}

impl Desk<'_> {
    pub(crate) fn scene<'s>(&'s self, message: &'s Message) -> Scene<'s> {
        let view = message.view();
        Scene {
            plan: self.plan,
            message: view,
            body: self.body.map_or_else(|| view.body(), Body::Digests),
            texts: &self.texts,
            names: &self.names,
            instant: Some(self.at),
            credential: self.credential,
            algorithm: self.algorithm,
            reading: false,
        }
    }

    /// Writes everything that is carried but the signature; the names of signed headers after what may be signed.
    pub(crate) fn place(&mut self, message: &mut Message, options: &SignOptions) -> Result<(), SignError> {
        let plan = self.plan;
        self.length(message);
        let before = message.body_bytes().len();
        for entry in plan.carry.iter().filter(|e| e.holds(Claimed::Signature)) {
            write::respell(message, entry);
        }
        self.digest(message)?;
        let listed = |e: &&Entry| e.holds(Claimed::SignedHeaders);
        let signs = |e: &&Entry| e.holds(Claimed::Signature);
        // Which headers are signed is chosen among those that are there, so headers come first.
        let early = |e: &&Entry| e.place == Place::Header && !listed(e);
        for entry in plan.carry.iter().filter(|e| early(e) && !signs(e)) {
            self.write(message, entry)?;
        }
        self.names = match &options.headers {
            Some(names) => names.clone(),
            None => self.chosen(message, &options.also),
        };
        if plan.carry.iter().any(|e| e.holds(Claimed::SignedHeaders)) {
            let is_left_out = options.omit.iter().any(|o| o == "signed_headers");
            match names::list_text(&self.scene(message), options.headers.is_some())? {
                text if !is_left_out && !text.is_empty() => self.texts.set(Claimed::SignedHeaders, text),
                // Whoever finds no list takes the default.
                _ => self.names = names::select(plan, message.view(), &plan.headers.default),
            }
        }
        for entry in plan.carry.iter().filter(|e| !early(e) && !signs(e)) {
            self.write(message, entry)?;
        }
        // A signature inside the signed body: its empty place is signed with the rest. Where its length is announced, the place is as long as it will be.
        let announced = message.view().has_header("content-length");
        let room = if announced { "0".repeat(self.signature_length().unwrap_or(0)) } else { String::new() };
        for entry in plan.carry.iter().filter(|e| signs(e) && e.place.in_body()) {
            write::put(message, entry, &room)?;
        }
        fit_length(message, before);
        Ok(())
    }

    /// The headers that the file says, and where their list is carried, these too.
    fn chosen(&self, message: &Message, also: &[String]) -> Vec<String> {
        let mut names = names::select(self.plan, message.view(), &self.plan.headers.sign);
        if self.plan.carry.iter().any(|e| e.holds(Claimed::SignedHeaders)) {
            for name in also {
                if !names.iter().chain(&self.plan.headers.always).any(|there| there.eq_ignore_ascii_case(name)) {
                    names.push(name.clone());
                }
            }
        }
        names
    }

    /// Writes the signature.
    pub(crate) fn place_signature(&mut self, message: &mut Message) -> Result<(), SignError> {
        let before = message.body_bytes().len();
        for entry in self.plan.carry.iter().filter(|e| e.holds(Claimed::Signature)) {
            self.write(message, entry)?;
        }
        if fit_length(message, before) && self.signs_length() {
            let fault = "the signature in the body changes Content-Length, which is signed: leave Content-Length out";
            return Err(SignError::Unsignable(Refusal::new(Reason::MalformedRequest, fault)));
        }
        Ok(())
    }

    /// The length of a signature as it is written, where the algorithm alone says it.
    fn signature_length(&self) -> Option<usize> {
        let bytes = match self.algorithm? {
            Algorithm::Hmac(digest) | Algorithm::Plain(digest) => digest.digest(b"").len(),
            Algorithm::Ed25519 | Algorithm::EcdsaP256Sha256 => 64,
            _ => return None,
        };
        Some(encode_signature(self.plan.signature.encoding, &vec![0; bytes]).len())
    }

    /// Whether Content-Length is among what is signed.
    fn signs_length(&self) -> bool {
        let listed = self.plan.signs_list && self.names.iter().any(|name| name.eq_ignore_ascii_case("content-length"));
        listed || self.plan.able.contains(&Part::Header("content-length".to_owned()))
    }

    /// Whoever sends the message would add Content-Length after it was signed: where it is signed by its name, it is written before.
    fn length(&self, message: &mut Message) {
        let plan = self.plan;
        let named = plan.able.contains(&Part::Header("content-length".to_owned()));
        let framed = ["content-length", "transfer-encoding"].iter().any(|name| message.view().has_header(name));
        // A body into which claims are written has no length yet.
        let in_body = plan.carry.iter().any(|e| e.place.in_body() || e.place == Place::Params);
        let length = self.body.map_or(u64::try_from(message.body_bytes().len()).unwrap_or(0), BodyDigests::length);
        if named && !framed && !in_body && length > 0 {
            message.headers_mut().push(("Content-Length".to_owned(), length.to_string().into_bytes()));
        }
    }

    /// The digest is carried where the file says so, where the caller asks, or where one stands already.
    fn digest(&mut self, message: &Message) -> Result<(), SignError> {
        let plan = self.plan;
        let (Some(rule), None) = (&plan.digest, self.texts.get(Claimed::BodyDigest)) else { return Ok(()) };
        let Some(entry) = plan.carry.iter().find(|e| e.holds(Claimed::BodyDigest)) else { return Ok(()) };
        let scene = self.scene(message);
        let there = write::is_present(message.view(), entry);
        let asked = rule.when != When::Always || !entry.optional;
        let sent = there || asked && applies(&rule.when, &scene);
        if !sent || self.omit.iter().any(|o| o == "body_digest") {
            return Ok(());
        }
        let text = String::from_utf8(render(&scene, &rule.is)?).map_err(|_| SignError::AlgorithmMismatch)?;
        self.texts.set(Claimed::BodyDigest, text);
        Ok(())
    }

    fn write(&mut self, message: &mut Message, entry: &Entry) -> Result<(), SignError> {
        if entry.optional && !self.is_wanted(message, entry) {
            return Ok(());
        }
        match write::entry_text(&self.scene(message), entry)? {
            Some(text) => Ok(write::put(message, entry, &text)?),
            None if entry.optional => Ok(()),
            None => Err(SignError::Unsignable(write::no_value(&entry.name))),
        }
    }

    /// Whether an optional entry is written: when one stands there, or its value is not carried elsewhere anyway.
    fn is_wanted(&self, message: &Message, entry: &Entry) -> bool {
        if write::is_present(message.view(), entry) {
            return true;
        }
        let firm = |what: &Claimed| self.plan.carry.iter().any(|e| !e.optional && e.holds(*what));
        entry.holds.is_empty() || !entry.holds.iter().all(firm)
    }
}

/// Where the body is no longer so long as before, every Content-Length that is there says its length; and whether one does now.
fn fit_length(message: &mut Message, before: usize) -> bool {
    let length = message.body_bytes().len();
    let mut fitted = false;
    for (name, value) in message.headers_mut() {
        if length != before && name.eq_ignore_ascii_case("content-length") {
            *value = length.to_string().into_bytes();
            fitted = true;
        }
    }
    fitted
}
