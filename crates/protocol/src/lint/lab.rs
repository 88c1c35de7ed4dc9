//! The place where messages of a dialect are made: signed samples, and what somebody without the secret can make of them.

use std::time::Duration;

use super::keys;
use super::proof::{Accepted, Exhibit, Proof, Shows, accept};
use crate::algorithm::Algorithm;
use crate::credential::Credential;
use crate::dialect::plan::{Claimed, Filter, Op, Plan, Source};
use crate::dialect::{Dialect, Hazard, Inputs, Part, Place};
use crate::engine::lists::split;
use crate::message::{Message, Request, Response};
use crate::policy::Policy;
use crate::secret::Tag;
use crate::sign::SignOptions;
use crate::time::Timestamp;

/// When the samples are signed: 2026-01-01T00:00:00Z.
pub(super) const NOW: Timestamp = match Timestamp::from_seconds(1_767_225_600) {
    Some(at) => at,
    None => unreachable!(),
};

/// The same instant, for a date that only stands in a header.
const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

const NONCE: &str = "b5f1c2d3e4f5061728394a5b6c7d8e9f";

/// The media type of forms.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The most that stands before the last byte of a sample's body.
const MOST_BODY: usize = 64 * 1024;

/// The most that is put behind a sample's header, parameter or path.
const MOST_VALUE: usize = 1024;

/// A dialect with a key, and samples that it accepts.
pub(super) struct Lab<'d> {
    pub(super) dialect: &'d Dialect,
    pub(super) credential: Credential,
    nobody: Credential,
    pub(super) policy: Policy,
    pub(super) shapes: Vec<Shape>,
    inputs: Inputs,
    pinned: Inputs,
}

/// A sample: before it was signed, and signed.
pub(super) struct Shape {
    pub(super) base: Message,
    pub(super) options: SignOptions,
    pub(super) signed: Message,
    pub(super) accepted: Accepted,
}

impl<'d> Lab<'d> {
    /// Signs samples by the dialect's first algorithm.
    ///
    /// # Errors
    /// Why no sample is accepted.
    pub(super) fn new(dialect: &'d Dialect) -> Result<Self, String> {
        let algorithm = dialect.algorithms().first().copied();
        let missing = || format!("{} needs a key of a kind that this build has not", dialect.id());
        let credential = keys::of(&[dialect], algorithm).ok_or_else(missing)?;
        Self::with(dialect, credential, keys::of_nobody(&[dialect], algorithm).ok_or_else(missing)?)
    }

    /// Signs samples with a credential that is shared with another dialect.
    pub(super) fn shared(dialect: &'d Dialect, other: &Dialect, algorithm: Algorithm) -> Result<Self, String> {
        let both = [dialect, other];
        let missing = || format!("{} needs a key of a kind that this build has not", dialect.id());
        let credential = keys::of(&both, Some(algorithm)).ok_or_else(missing)?;
        Self::with(dialect, credential, keys::of_nobody(&both, Some(algorithm)).ok_or_else(missing)?)
    }

    /// The same dialect under another algorithm, where it has such samples.
    pub(super) fn under(&self, algorithm: Algorithm) -> Option<Self> {
        let of = |make: fn(&[&Dialect], Option<Algorithm>) -> Option<Credential>| make(&[self.dialect], Some(algorithm));
        Self::with(self.dialect, of(keys::of)?, of(keys::of_nobody)?).ok()
    }

    fn with(dialect: &'d Dialect, credential: Credential, nobody: Credential) -> Result<Self, String> {
        let named = dialect.inputs().iter().filter(|input| !input.optional);
        let inputs: Inputs = named.map(|input| (input.name.clone(), "sample")).collect();
        // What the message does not say, or says unsigned, the verifier must be told.
        let said = |name: &str| {
            let index = dialect.inputs().iter().position(|input| input.name == name);
            let carried = |index| dialect.plan().carry.iter().any(|entry| entry.holds(Claimed::Input(index)));
            index.is_some_and(carried) && dialect.plan().able.contains(&Part::Input(name.to_owned()))
        };
        let pinned: Inputs = inputs.iter().filter(|(name, _)| !said(name)).collect();
        let policy = Policy { allow_unsafe: dialect.is_unsafe(), ..Policy::default() };
        let mut lab = Self { dialect, credential, nobody, policy, shapes: Vec::new(), inputs, pinned };
        let mut why = lab.sample();
        // What is cut short is not signed: a route that takes such requests waives it.
        if lab.shapes.is_empty() && dialect.hazards().iter().any(|hazard| matches!(hazard, Hazard::CutShort(_))) {
            lab.policy.waive = vec![Part::Method, Part::Path, Part::Query, Part::Body];
            why = lab.sample();
        }
        if lab.shapes.is_empty() { Err(format!("no sample of {} is accepted: {}", dialect.id(), why.join("; "))) } else { Ok(lab) }
    }

    /// Makes the samples, and tells each reason why one is refused.
    fn sample(&mut self) -> Vec<String> {
        let mut why = Vec::new();
        for base in bases(self.dialect.plan()) {
            match self.shape(base, self.options()) {
                Ok(shape) => self.shapes.push(shape),
                Err(fault) if why.contains(&fault) => {}
                Err(fault) => why.push(fault),
            }
        }
        why
    }

    /// The dialect's own choices.
    pub(super) fn options(&self) -> SignOptions {
        let mut options = SignOptions::new(NOW);
        options.inputs = self.inputs.clone();
        if self.dialect.carries_nonce() {
            options.nonce = Some(NONCE.to_owned());
        }
        let span = self.dialect.max_expires().map_or(Duration::ZERO, |most| most.min(Duration::from_secs(300)));
        options.expires = self.dialect.expires_text(NOW, span);
        options
    }

    /// A message signed with the key, if it is then accepted.
    pub(super) fn shape(&self, base: Message, options: SignOptions) -> Result<Shape, String> {
        let signed = self.sign(&base, &options).ok_or("it cannot be signed")?;
        let accepted = accept(&self.exhibit(&signed), &self.credential, &self.policy).map_err(|refusal| refusal.to_string())?;
        Ok(Shape { base, options, signed, accepted })
    }

    /// A message signed with the key.
    pub(super) fn sign(&self, base: &Message, options: &SignOptions) -> Option<Message> {
        Some(self.dialect.sign(base.clone(), &self.credential, options).ok()?.into_message())
    }

    /// What somebody without the secret makes of a message: everything that is carried in its place, with a signature that was made for another one.
    pub(super) fn forge(&self, base: &Message, options: &SignOptions, signature: &[u8]) -> Option<Message> {
        let prepared = self.dialect.prepare(base.clone(), &self.nobody, options).ok()?;
        Some(prepared.finish(&Tag::new(signature)).ok()?.into_message())
    }

    /// The message as the verifier gets it.
    pub(super) fn exhibit(&self, message: &Message) -> Exhibit {
        Exhibit { dialect: self.dialect.clone(), message: message.clone(), inputs: self.pinned.clone(), at: NOW }
    }

    /// The outcome under this policy.
    pub(super) fn accept(&self, message: &Message, policy: &Policy) -> Option<Accepted> {
        accept(&self.exhibit(message), &self.credential, policy).ok()
    }

    /// Two messages that show something under this policy.
    pub(super) fn proof(&self, one: &Message, other: &Message, policy: &Policy, shows: Shows) -> Proof {
        let exhibits = [self.exhibit(one), self.exhibit(other)];
        Proof { exhibits, credential: self.credential.clone(), policy: policy.clone(), shows }
    }

    /// The policy that also lets pass what could stand for something else.
    pub(super) fn lenient(&self) -> Policy {
        Policy { allow_ambiguous: true, ..self.policy.clone() }
    }
}

impl Shape {
    /// The first signature; none where nothing is signed.
    pub(super) fn tag(&self) -> Option<&[u8]> {
        self.accepted.tags.first().map(Vec::as_slice)
    }
}

/// Messages of different shapes, with everything that the dialect looks at.
fn bases(plan: &Plan) -> Vec<Message> {
    let json = format!("{{\"item\":\"1\",\"last\":\"{}1\"}}", padding(plan));
    let form = format!("item=1&last={}1", padding(plan));
    if plan.of_response {
        let headers = vec![("Content-Type".to_owned(), b"application/json".to_vec())];
        let response = Response { status: 200, headers, body: json.into_bytes() };
        return vec![dressed(plan, Message::from(response))];
    }
    let target = format!("/v1/items{}?a=1&b=2", "/x".repeat(cut(plan) / 2));
    let to = |method: &str| Request::new(method, target.as_str()).with_header("Host", "api.example.com");
    let shapes = [
        to("POST").with_header("Content-Type", "application/json").with_body(json),
        to("POST").with_header("Content-Type", FORM).with_body(form),
        to("GET"),
        to("POST").with_header("Content-Type", "application/octet-stream").with_body("item=1&last=1"),
    ];
    shapes.into_iter().map(|request| dressed(plan, Message::from(request))).collect()
}

/// Blanks of a value so long that its end lies behind what a digest over the first bytes would take.
fn padding(plan: &Plan) -> String {
    let programs = plan.text.iter().chain(plan.lets.iter().map(|l| &l.program)).chain(plan.digest.iter().map(|d| &d.is));
    let cut = programs.flat_map(|program| &program.ops).filter_map(|op| match op {
        Op::Put { source: Source::Body, filters } => filters.iter().find_map(|f| if let Filter::First(n) = f { Some(*n) } else { None }),
        _ => None,
    });
    "x".repeat(cut.max().unwrap_or(0).min(MOST_BODY))
}

/// How much longer a header, a parameter or a path must be, so that its end is cut off where the dialect cuts one short.
fn cut(plan: &Plan) -> usize {
    let lists = [&plan.query, &plan.form, &plan.params].map(|list| &list.each);
    let programs = plan.text.iter().chain(plan.lets.iter().map(|l| &l.program)).chain([&plan.headers.each]).chain(lists);
    let counts = programs.flat_map(|program| &program.ops).filter_map(|op| match op {
        Op::Put { source, filters } if *source != Source::Body => {
            filters.iter().find_map(|f| if let Filter::First(n) = f { Some(*n) } else { None })
        }
        _ => None,
    });
    counts.max().unwrap_or(0).min(MOST_VALUE)
}

/// The message with each header and parameter that the dialect names and does not carry.
fn dressed(plan: &Plan, mut message: Message) -> Message {
    for name in headers(plan) {
        if !message.view().has_header(&name) {
            let value = header_value(plan, &name, &message);
            message.headers_mut().push((name, value.into_bytes()));
        }
    }
    let parameters = parameters(plan);
    let missing = |text: &[u8]| {
        let absent = parameters.iter().filter(|name| split(text).all(|(there, _)| there != name.as_bytes()));
        absent.flat_map(|name| [b"&", name.as_bytes(), b"=1", &b"1".repeat(cut(plan))].concat()).collect::<Vec<u8>>()
    };
    let (in_query, in_form) = (missing(message.view().query()), missing(message.body_bytes()));
    if let Message::Request(request) = &mut message {
        request.target.extend(in_query);
    }
    if message.view().is_form() {
        message.body_mut().extend(in_form);
    }
    message
}

/// The names of headers that a message of the dialect may sign, apart from what it carries.
pub(super) fn headers(plan: &Plan) -> Vec<String> {
    use crate::dialect::plan::Requirement;
    let patterns = plan.headers.sign.iter().map(|p| if p.prefix { format!("{}sample", p.name) } else { p.name.clone() });
    let named = plan.able.iter().filter_map(|part| if let Part::Header(name) = part { Some(name.clone()) } else { None });
    let required = plan.require.iter().filter_map(|requirement| match requirement {
        Requirement::Part(Part::Header(name)) => Some(name.clone()),
        _ => None,
    });
    let mut names: Vec<String> = Vec::new();
    for name in patterns.chain(named).chain(required) {
        let same = |other: &str| other.eq_ignore_ascii_case(&name);
        let carried = plan.carry.iter().any(|entry| entry.place == Place::Header && same(&entry.name));
        let pseudo = plan.headers.pseudo.iter().any(|(pseudo, _)| same(pseudo));
        if !carried && !pseudo && !["host", "content-type"].iter().any(|own| same(own)) && !names.iter().any(|other| same(other)) {
            names.push(name);
        }
    }
    names
}

fn header_value(plan: &Plan, name: &str, message: &Message) -> String {
    match name.to_ascii_lowercase().as_str() {
        "date" => DATE.to_owned(),
        "accept" => "*/*".to_owned(),
        "content-length" => message.body_bytes().len().to_string(),
        _ => format!("sample{}", "x".repeat(cut(plan))),
    }
}

/// The names of single parameters that the dialect signs, apart from what it carries.
pub(super) fn parameters(plan: &Plan) -> Vec<String> {
    let named = plan.able.iter().filter_map(|part| match part {
        Part::QueryParameter(name) | Part::FormField(name) => Some(name.clone()),
        _ => None,
    });
    let only = [&plan.query, &plan.form, &plan.params].into_iter().filter_map(|list| list.only.clone()).flatten();
    let mut names: Vec<String> = named.chain(only).filter(|name| !plan.carry.iter().any(|entry| entry.name == *name)).collect();
    names.sort();
    names.dedup();
    names
}
