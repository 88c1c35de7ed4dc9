//! How a dialect signs, as a value that tools can read: the compiled plan, seen from outside and for reading only.
//!
//! A [`Recipe`] holds what a signer needs and nothing that only a verifier does. Texts are trees of literals and values, everything
//! that the file left out stands there with its default, and names are resolved. A tool that writes signers in other languages, or
//! documents, works from it and never from the file.

mod lists;
mod of_plan;
mod show;

use std::time::Duration;

use crate::algorithm::Algorithm;
use crate::dialect::{Input, Place};
use crate::digest::DigestAlgorithm;
pub use lists::{HeaderRule, Missing, Order, PairDecoding, PairRule, PairSource, Repeated};

/// How one dialect signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The dialect's id.
    pub id: String,
    /// One line that says what it is.
    pub title: String,
    /// The vendor's page or the defining document.
    pub source: Option<String>,
    /// Whether responses are signed, not requests.
    pub of_response: bool,
    /// The values that the caller supplies.
    pub inputs: Vec<Input>,
    /// The names of the further secret parts of a credential.
    pub secrets: Vec<String>,
    /// The named texts, each after those that it uses.
    pub texts: Vec<(String, Text)>,
    /// What is signed; `None` where the secret itself is carried.
    pub string_to_sign: Option<Text>,
    /// `{headers}` and `{signed_headers}`.
    pub headers: HeaderRule,
    /// `{query}`.
    pub query: PairRule,
    /// `{form}`.
    pub form: PairRule,
    /// `{params}`.
    pub params: PairRule,
    /// `{body_digest}`.
    pub body_digest: Option<DigestRule>,
    /// How the key is made from a shared secret.
    pub key: KeyRule,
    /// The algorithms, the default first, each with its word on the wire where it has one.
    pub algorithms: Vec<(Option<String>, Algorithm)>,
    /// The encoding of the signature.
    pub signature: Encoding,
    /// Everything that is carried, in the order of the file.
    pub carry: Vec<Carried>,
    /// The format in which `{time}` is written.
    pub time: Option<String>,
    /// The offset from UTC in which patterns are written, in seconds.
    pub zone_seconds: i32,
    /// The expiry.
    pub expires: Option<ExpiresRule>,
    /// Whether `{signed_headers}` is itself signed, and so has one spelling.
    pub signs_names: bool,
}

/// A template, resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(pub Vec<Piece>);

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Literal(Vec<u8>),
    /// A value, passed through filters from left to right.
    Value {
        /// Where it comes from.
        value: Value,
        /// What is done to it.
        filters: Vec<Filter>,
    },
    /// Left out when no value inside gives a byte.
    Optional(Text),
}

/// Where a value comes from. The names are those of the dialect language.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the name of the same spelling in LANGUAGE.md")]
pub enum Value {
    Method,
    Scheme,
    HttpVersion,
    Status,
    Host,
    Hostname,
    Port,
    Authority,
    Path,
    Target,
    Body,
    BodyWithoutSignature,
    Header(String),
    Query(String),
    Form(String),
    Headers,
    QueryList,
    FormList,
    ParamsList,
    Secret,
    SecretPart(String),
    Named(String),
    Claim(Claim),
    Name,
    ItemValue,
}

/// A text that rides in the message, or that the caller supplies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the name of the same spelling in LANGUAGE.md")]
pub enum Claim {
    KeyId,
    Time,
    Nonce,
    Expires,
    Algorithm,
    SignedHeaders,
    BodyDigest,
    Signature,
    Secret,
    SecretPart(String),
    Input(String),
}

/// What is done to a value. The names are those of the dialect language.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the filter of the same spelling in LANGUAGE.md")]
pub enum Filter {
    Lower,
    Upper,
    Trim,
    Squeeze,
    Percent,
    PercentPath,
    Decode,
    Normalize,
    ClosingSlash,
    Digest(DigestAlgorithm),
    Hmac,
    Hex,
    Base64,
    Base64Url,
    FromHex,
    FromBase64,
    Without(Vec<u8>),
    Drop(Vec<u8>),
    UnlessHeader(String),
    MediaType,
    First(usize),
    /// The instant in this format, in place of the text.
    Time(String),
}

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal.
    Hex,
    /// Base64 with padding.
    Base64,
    /// URL-safe base64 with padding.
    Base64Url,
}

/// The body digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestRule {
    /// What it is.
    pub is: Text,
    /// When a signer sends it.
    pub when: When,
}

/// When a signer sends the body digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// When the caller asks.
    Asked,
    /// When all of these hold.
    All(Vec<Condition>),
}

/// A condition of the body digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The body is not empty.
    Body,
    /// The content type is no form.
    NotForm,
    /// The method is this one.
    Method(String),
}

/// How a shared secret becomes the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    /// Where it begins.
    pub from: Text,
    /// The MAC of each under the key so far is the next key.
    pub chain: Vec<Text>,
    /// The encoding in which the last key is used.
    pub encode: Option<Encoding>,
}

/// The expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiresRule {
    /// The format of an instant, or a number of milliseconds or seconds.
    pub form: ExpiresForm,
    /// The span that a signer writes unasked.
    pub default: Option<Duration>,
}

/// How an expiry is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpiresForm {
    /// Seconds after the time.
    Seconds,
    /// Milliseconds after the time.
    Millis,
    /// An instant in this format, in UTC.
    At(String),
}

/// One thing that is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Where it rides.
    pub place: Place,
    /// The header, parameter, field or member.
    pub name: String,
    /// Whether it may be absent.
    pub optional: bool,
    /// What it says.
    pub shape: Shape,
}

/// What a carried entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Slots in turn; nothing when a claim among them is empty.
    Slots(Vec<Slot>),
    /// `Scheme name=value, name="value"`.
    Parameters {
        /// The scheme word; empty: none.
        scheme: String,
        /// The parameters.
        list: Vec<Parameter>,
    },
}

/// A piece of a carried entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// These bytes.
    Literal(Vec<u8>),
    /// A claim, percent-encoded if so said.
    Claim {
        /// Which.
        claim: Claim,
        /// Whether it is percent-encoded.
        percent: bool,
        /// Whether the entry is written although it is empty.
        may_be_empty: bool,
    },
    /// A computed text.
    Computed(Text),
}

/// One parameter of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// What stands before it when it is not the first.
    pub before: Vec<u8>,
    /// The name.
    pub name: String,
    /// Whether the value stands in quotes.
    pub quoted: bool,
    /// Whether it may be absent.
    pub optional: bool,
    /// The value.
    pub value: Vec<Slot>,
}

impl Carried {
    /// The claims that ride in it, in turn.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        let slots: Vec<&Slot> = match &self.shape {
            Shape::Slots(slots) => slots.iter().collect(),
            Shape::Parameters { list, .. } => list.iter().flat_map(|p| &p.value).collect(),
        };
        slots.into_iter().filter_map(|slot| match slot {
            Slot::Claim { claim, .. } => Some(claim),
            _ => None,
        })
    }

    /// Whether this claim rides in it.
    #[must_use]
    pub fn holds(&self, wanted: &Claim) -> bool {
        self.claims().any(|claim| claim == wanted)
    }
}

impl Recipe {
    /// Whether some entry carries this claim.
    #[must_use]
    pub fn carries(&self, claim: &Claim) -> bool {
        self.carry.iter().any(|entry| entry.holds(claim))
    }
}

#[cfg(test)]
mod tests {
    use crate::Dialects;

    /// Each text of each built-in dialect, shown, is a template that compiles to the same text.
    #[test]
    fn a_recipe_shows_the_templates_of_its_file() {
        let dialects = Dialects::builtin().unwrap();
        for dialect in dialects.iter() {
            let recipe = dialect.recipe().unwrap();
            let Some(text) = &recipe.string_to_sign else { continue };
            for (_, named) in recipe.texts.iter().map(|(n, t)| (n.as_str(), t)).chain([("string_to_sign", text)]) {
                let shown = named.to_string();
                let pieces = crate::dialect::template::parse(&shown, "").unwrap();
                assert!(!pieces.is_empty(), "{}: {shown}", recipe.id);
            }
        }
        let recipe = dialects.get("hmac-sha256").unwrap().recipe().unwrap();
        assert_eq!(
            recipe.string_to_sign.unwrap().to_string(),
            "HMAC-SHA256\n{time}\n{nonce}\n{key_id}\n{method}\n{path}\n{query}\n{headers}\n\n{signed_headers}\n{body_digest}"
        );
        assert_eq!(
            recipe.carry[1].to_string(),
            "header Authorization: HMAC-SHA256 Credential={key_id}, Timestamp={time}, Nonce={nonce}, SignedHeaders={signed_headers}, Signature={signature}"
        );
    }
}
