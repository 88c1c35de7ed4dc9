//! Dialects: signing protocols as data, compiled once into a flat plan.

pub(crate) mod compile;
mod error;
mod hazard;
mod inputs;
pub(crate) mod listing;
mod node;
mod part;
pub(crate) mod plan;
mod reach;
mod registry;
mod replay;
pub(crate) mod template;
mod written;

use std::fmt;
use std::sync::Arc;

pub use error::LoadError;
pub use hazard::Hazard;
pub use inputs::Inputs;
pub use part::Part;
pub use plan::{Input, Place};
pub use registry::Dialects;
pub use replay::ReplayMode;

use crate::algorithm::Algorithm;
use crate::digest::DigestAlgorithm;
use crate::engine::declared::Declared;
use crate::engine::judge;
use crate::message::MessageView;
use crate::rules::Rules;
use crate::time::Window;
use node::Node;
use plan::{Claimed, Filter, Op, Plan, Program, Source, When};
use written::Written;

/// One signing protocol. Cloning is cheap.
#[derive(Clone)]
pub struct Dialect(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    plan: Plan,
    rules: Box<dyn Rules>,
}

/// Something carried: where, and under which name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carrier<'d> {
    /// Where it rides.
    pub place: Place,
    /// The header, parameter, field or member.
    pub name: &'d str,
    /// Whether it carries a signature or a secret, and so is never logged.
    pub is_sensitive: bool,
}

/// A server's string to sign, in the form in which a vendor's gateway shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics<'d> {
    /// The header that shows it; absent: the body.
    pub header: Option<&'d str>,
    /// What is shown.
    pub text: Vec<u8>,
}

/// For which step of verifying the body is needed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BodyNeed {
    /// For none: the body is not signed.
    Nothing,
    /// For the digest that was sent only: it may come last, and in pieces.
    Digest,
    /// For the tag.
    Tag,
    /// For reading the claim: what is carried may ride in the body.
    Claim,
}

impl Dialect {
    /// Compiles a dialect file.
    ///
    /// # Errors
    /// What is wrong with the file: the YAML path, the fault and the mend.
    ///
    /// ```
    /// let error = countersign_protocol::Dialect::from_yaml("countersign: 1\ndialect: a\ntitle: t\nstring_to_sign: \"{bodi}\"").unwrap_err();
    /// assert_eq!((error.path(), error.fault()), ("string_to_sign", "nothing is called bodi"));
    /// ```
    #[cfg(feature = "yaml")]
    pub fn from_yaml(text: &str) -> Result<Self, LoadError> {
        Self::from_node(&Node::from_yaml(text)?)
    }

    pub(crate) fn from_node(node: &Node) -> Result<Self, LoadError> {
        Ok(Self::with_rules(compile::compile(&Written::read(node)?)?, Declared))
    }

    /// A dialect of these rules. What its plan says of identity, inputs, time, carriers and policy holds for native rules too.
    pub(crate) fn with_rules(plan: Plan, rules: impl Rules + 'static) -> Self {
        Self(Arc::new(Inner { plan, rules: Box::new(rules) }))
    }

    /// The plan, for rules of another kind; `None` while the dialect is shared.
    #[cfg(test)]
    pub(crate) fn into_plan(self) -> Option<Plan> {
        Arc::into_inner(self.0).map(|inner| inner.plan)
    }

    pub(crate) fn rules(&self) -> &dyn Rules {
        &*self.0.rules
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// The id: the stem of its file.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.plan.id
    }

    /// One line that says what it is.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.plan.title
    }

    /// The vendor's page or the document that defines it.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.0.plan.source.as_deref()
    }

    /// Dialects of one family are versions of each other.
    #[must_use]
    pub fn family(&self) -> &str {
        &self.0.plan.family
    }

    /// The built-in dialect that this one stands in for.
    #[must_use]
    pub fn replaces(&self) -> Option<&str> {
        self.0.plan.replaces.as_deref()
    }

    /// Whether it signs responses.
    #[must_use]
    pub fn is_of_responses(&self) -> bool {
        self.0.plan.of_response
    }

    /// The values that the caller supplies besides key id and secret.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.0.plan.inputs
    }

    /// The names of the further secret parts of a credential.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        &self.0.plan.secrets
    }

    /// Every algorithm that it knows, the default first; empty where nothing is signed.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut all = self.0.plan.algorithm.all();
        let mut seen = Vec::new();
        all.retain(|a| {
            !seen.contains(a) && {
                seen.push(*a);
                true
            }
        });
        all
    }

    /// What its definition says about its own weaknesses.
    #[must_use]
    pub fn hazards(&self) -> &[Hazard] {
        &self.0.plan.hazards
    }

    /// Whether verifying needs [`crate::Policy::allow_unsafe`].
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        self.0.plan.hazards.iter().any(Hazard::is_unsafe)
    }

    /// Whether the secret itself is on the wire: accepted over TLS only.
    #[must_use]
    pub fn carries_secret(&self) -> bool {
        self.carries(Claimed::Secret)
    }

    /// Whether messages name the key.
    #[must_use]
    pub fn carries_key_id(&self) -> bool {
        self.carries(Claimed::KeyId)
    }

    /// Whether messages carry a nonce.
    #[must_use]
    pub fn carries_nonce(&self) -> bool {
        self.carries(Claimed::Nonce)
    }

    /// Whether messages carry a time.
    #[must_use]
    pub fn carries_time(&self) -> bool {
        self.carries(Claimed::Time)
    }

    /// Whether messages carry a digest of their body, which is held against it apart from the tag.
    #[must_use]
    pub fn carries_body_digest(&self) -> bool {
        self.carries(Claimed::BodyDigest)
    }

    fn carries(&self, what: Claimed) -> bool {
        self.0.plan.carry.iter().any(|e| e.holds(what))
    }

    /// The window around the verifier's clock, where messages carry a time.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        self.0.plan.time.as_ref().map(|t| t.window)
    }

    /// The fewest bits of an RSA key under which a signature is verified: 2048, where the file does not say otherwise.
    #[must_use]
    pub fn least_rsa_bits(&self) -> usize {
        self.0.plan.key.rsa_bits
    }

    /// The longest validity that a message may give itself.
    #[must_use]
    pub fn max_expires(&self) -> Option<std::time::Duration> {
        self.0.plan.expires.as_ref().map(|e| e.max)
    }

    /// Whether a request can sign a header of this name: the dialect signs it, or a caller lists what it signs. If so, a signed header that is taken off on the
    /// way breaks the signature.
    #[must_use]
    pub fn can_sign_header(&self, name: &str) -> bool {
        let plan = self.plan();
        let listed = || plan.carry.iter().any(|entry| entry.holds(Claimed::SignedHeaders));
        let signed = || plan.headers.sign.iter().any(|pattern| pattern.matches(name));
        plan.able.contains(&Part::Header(name.to_ascii_lowercase())) || plan.signs_list && (signed() || listed())
    }

    /// How long a nonce is remembered in a dialect without time.
    #[must_use]
    pub fn nonce_keep(&self) -> Option<std::time::Duration> {
        self.0.plan.nonce_keep
    }

    /// The file's own rule against replays, or the default for what it signs.
    #[must_use]
    pub fn replay(&self) -> ReplayMode {
        self.0.plan.replay
    }

    /// Everything that it carries, in the order of the file.
    pub fn carriers(&self) -> impl Iterator<Item = Carrier<'_>> {
        self.0.plan.carry.iter().map(|e| Carrier {
            place: e.place,
            name: &e.name,
            is_sensitive: e.holds.iter().any(|w| matches!(w, Claimed::Signature | Claimed::Secret | Claimed::SecretPart(_))),
        })
    }

    /// Whether a message is of this dialect: every required entry is there and every constant is equal. Where entries ride in a body that
    /// is still pending, it is not.
    #[must_use]
    pub fn marks(&self, message: &dyn MessageView) -> bool {
        message.status().is_some() == self.0.plan.of_response && self.rules().marks(self.plan(), message, message.body())
    }

    /// Whether two dialects could both find their marks in one message: no constant or scheme tells them apart.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.plan.of_response == other.0.plan.of_response
            && !self.0.plan.carry.iter().any(|a| other.0.plan.carry.iter().any(|b| listing::exclude(a, b)))
    }

    /// For which step the body is needed.
    #[must_use]
    pub fn body_need(&self) -> BodyNeed {
        let plan = self.plan();
        if judge::body_carries(plan) {
            return BodyNeed::Claim;
        }
        let programs = plan.text.iter().chain([&plan.key.from]).chain(&plan.key.chain).chain(&plan.event);
        if programs.into_iter().any(|p| needs_body(plan, p)) {
            return BodyNeed::Tag;
        }
        match &plan.digest {
            Some(rule) if self.carries_body_digest() && rule.streamed.is_some() => BodyNeed::Digest,
            Some(_) if self.carries_body_digest() => BodyNeed::Tag,
            _ => BodyNeed::Nothing,
        }
    }

    /// The digests of a body with which a tag can be computed, where the bytes themselves are not needed.
    #[must_use]
    pub fn body_digests(&self) -> Vec<DigestAlgorithm> {
        let plan = self.plan();
        let programs =
            plan.text.iter().chain(plan.lets.iter().map(|l| &l.program)).chain(plan.digest.iter().map(|d| &d.is)).chain(&plan.event);
        let mut found: Vec<DigestAlgorithm> = programs.flat_map(|p| &p.ops).filter_map(digest_of_body).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// How a server shows its own string to sign to a caller, where that is switched on: the header, or the body, and the text.
    #[must_use]
    pub fn diagnostics(&self, string_to_sign: &[u8]) -> Option<Diagnostics<'_>> {
        let rule = self.0.plan.diagnostics.as_ref()?;
        let mut text = Vec::new();
        for op in &rule.text.ops {
            match op {
                Op::Literal(literal) => text.extend_from_slice(literal),
                Op::Put { source: Source::StringToSign, .. } => match &rule.newline {
                    Some(newline) => text.extend(on_one_line(string_to_sign, newline)),
                    None => text.extend_from_slice(string_to_sign),
                },
                _ => {}
            }
        }
        Some(Diagnostics { header: rule.header.as_deref(), text })
    }

    /// The flat plan, as people read it.
    #[must_use]
    pub fn listing(&self) -> String {
        listing::listing(self.plan())
    }
}

fn digest_of_body(op: &Op) -> Option<DigestAlgorithm> {
    match op {
        Op::Put { source: Source::Body, filters } => compile::leading_digest(filters),
        _ => None,
    }
}

/// Whether a program reads the body otherwise than through a digest that was sent.
fn needs_body(plan: &Plan, program: &Program) -> bool {
    program.ops.iter().any(|op| match op {
        Op::Put { source, filters } => match source {
            Source::Body | Source::BodyWithoutSignature | Source::Form(_) | Source::FormList => true,
            Source::ParamsList => plan.params.from.contains(&plan::PairSource::Form),
            Source::QueryList => plan.query.from.contains(&plan::PairSource::Form),
            Source::Let(index) => needs_body(plan, &plan.lets[*index].program),
            Source::Claim(Claimed::BodyDigest) => {
                let sent = plan.carry.iter().any(|e| e.holds(Claimed::BodyDigest) && !e.optional);
                let optional = plan.carry.iter().any(|e| e.holds(Claimed::BodyDigest) && e.optional);
                !sent && plan.digest.as_ref().is_some_and(|d| !optional || d.when == When::Always)
            }
            _ => filters.contains(&Filter::Hmac) && needs_body(plan, &plan.key.from),
        },
        _ => false,
    })
}

/// A text with something in place of its newlines. Where that occurs in the text itself it is percent-escaped, so that it always means a newline.
fn on_one_line(text: &[u8], newline: &str) -> Vec<u8> {
    let stand_in = newline.as_bytes();
    let escaped: String = stand_in.iter().map(|byte| format!("%{byte:02X}")).collect();
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if first == b'\n' {
            out.extend_from_slice(stand_in);
            rest = after;
        } else if let Some(after) = rest.strip_prefix(stand_in).filter(|_| !stand_in.is_empty()) {
            out.extend_from_slice(escaped.as_bytes());
            rest = after;
        } else {
            out.push(first);
            rest = after;
        }
    }
    out
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialect({})", self.0.plan.id)
    }
}

impl PartialEq for Dialect {
    /// Two dialects are equal when they are the same compiled file.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Dialect {}
