//! A vectors file as it is written: serde types without logic. What they mean is worked out in `case.rs`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use countersign_protocol::Reason;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The vectors of one dialect.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorFile {
    /// The dialect's id, which is the stem of the file's name.
    pub dialect: String,
    /// The vectors, in the order of reading.
    pub vectors: Vec<Vector>,
    /// Cases that a witness cannot give, each with its reason.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// A case that a witness cannot give.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// What is not recorded.
    pub case: String,
    /// The witness that cannot give it.
    pub witness: String,
    /// Why it cannot.
    pub why: String,
}

/// One known answer: complete in itself, or another vector's placed request with one fault (`from` and `change`).
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// The name, unique in its file, in kebab-case.
    pub name: String,
    /// The reason why this vector exists.
    pub why: String,
    /// Where the known answer comes from.
    pub source: Option<Source>,
    /// The vector whose placed request, credentials, inputs, clock and policy this one starts from.
    pub from: Option<String>,
    /// The one fault that is put into them.
    pub change: Option<OneOrMany<Change>>,
    /// The signer's clock, RFC 3339.
    pub at: Option<String>,
    /// The verifier's clock, RFC 3339. Absent: the signer's.
    pub now: Option<String>,
    /// The key of both sides.
    pub credentials: Option<Credentials>,
    /// The values of the dialect's `inputs`.
    pub inputs: Option<BTreeMap<String, String>>,
    /// The nonce, where the dialect carries one.
    pub nonce: Option<String>,
    /// The signer's own choices.
    pub sign: Option<SignChoices>,
    /// The verifier's policy, where it is not the default.
    pub policy: Option<PolicyChoices>,
    /// The request before signing.
    pub request: Option<WrittenRequest>,
    /// The named intermediates that the source gives.
    pub stages: Option<BTreeMap<String, StageText>>,
    /// The signature's text, as carried.
    pub signature: Option<String>,
    /// The complete signed request, as the source sends it.
    pub placed: Option<WrittenRequest>,
    /// `accepted`, or the reason of the refusal.
    pub expect: Expect,
    /// Parts that must be among those reported as covered.
    pub covers: Option<Vec<String>>,
}

/// Where a known answer comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a source is { name, address, date, licence }, { sdk, version, licence } or { transcript, licence }")]
pub enum Source {
    /// A published example.
    Published(Published),
    /// A recording of what a vendor's SDK made.
    Recorded(Recorded),
    /// A transcript of written rules, made with a standard library alone.
    Transcript(Transcript),
}

/// A published example.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The document's name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// The day on which it was read.
    pub date: String,
    /// The licence under which it is repeated here.
    pub licence: String,
}

/// A recording of what a vendor's SDK made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The SDK's package name.
    pub sdk: String,
    /// Its version.
    pub version: String,
    /// Its licence.
    pub licence: String,
}

/// A transcript of written rules.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    /// The rules that were transcribed.
    pub transcript: String,
    /// The transcript's licence.
    pub licence: String,
}

/// A key id with its key. In a change: only the fields that are replaced.
#[derive(Clone, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The key id. Absent where the dialect carries none.
    pub key_id: Option<String>,
    /// A shared secret that is text.
    pub secret: Option<String>,
    /// A shared secret of any bytes.
    pub secret_base64: Option<String>,
    /// The signer's private key, PKCS#8 in PEM.
    pub private_key_pem: Option<String>,
    /// The verifier's public key, SubjectPublicKeyInfo in PEM.
    pub public_key_pem: Option<String>,
    /// The algorithm for which the key is registered.
    pub algorithm: Option<String>,
    /// Further secrets, by the names of the dialect's `secrets`.
    pub parts: Option<BTreeMap<String, String>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("key_id", &self.key_id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What a signer may choose.
#[derive(Debug, Clone, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignChoices {
    /// The headers to sign, in this order and this spelling.
    pub headers: Option<Vec<String>>,
    /// Optional carried parts that are left out.
    pub omit: Option<Vec<String>>,
    /// The carried text of `{expires}`.
    pub expires: Option<String>,
    /// The literal that is carried in place of the body's digest.
    pub body_digest: Option<String>,
    /// Why the signer is not run on this vector.
    pub skip: Option<String>,
}

/// The verifier's policy, where it is not the default.
#[derive(Debug, Clone, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyChoices {
    /// Accept a dialect that is unsafe by construction.
    #[serde(default)]
    pub r#unsafe: bool,
    /// Accept requests that share their string to sign with others.
    #[serde(default)]
    pub allow_ambiguous: bool,
    /// Parts that are not required.
    pub waive: Option<Vec<String>>,
    /// Parts that are required besides the dialect's own.
    pub require: Option<Vec<String>>,
}

/// A request, as it is on the wire.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenRequest {
    /// The method.
    pub method: String,
    /// The scheme of the connection; `https` when absent.
    #[serde(default)]
    pub scheme: WrittenScheme,
    /// The raw request target.
    pub target: String,
    /// The header lines in their order.
    #[serde(default)]
    pub headers: Vec<(String, Bytes)>,
    /// The body as text.
    pub body: Option<String>,
    /// The body as base64.
    pub body_base64: Option<String>,
    /// The body as a text that is repeated.
    pub body_repeat: Option<Repeat>,
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WrittenScheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    #[default]
    Https,
}

/// A text that is repeated.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// The text.
    pub text: String,
    /// How often it stands.
    pub times: usize,
}

/// Bytes: text, or base64 where they are not UTF-8.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(untagged, expecting = "bytes are a text (quoted where YAML would read a number) or { base64: \"..\" }")]
pub enum Bytes {
    /// Text.
    Text(String),
    /// Bytes that are not UTF-8.
    Base64(Base64),
}

/// Bytes as base64.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Base64 {
    /// Padded base64 of the bytes.
    pub base64: String,
}

/// The bytes of a stage: text, base64 where they are not UTF-8, or a digest where they are too long to be stored.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a stage is a text (quoted where YAML would read a number), { base64: \"..\" } or { sha256: \"..\" }")]
pub enum StageText {
    /// Text.
    Text(String),
    /// Bytes that are not UTF-8.
    Base64(Base64),
    /// A text too long to be stored.
    Sha256(Sha256Hex),
}

/// The digest of a long text.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sha256Hex {
    /// Lower-case hex of the SHA-256 of the bytes.
    pub sha256: String,
}

/// One edit of a placed request, or of what surrounds it.
#[derive(Debug, Clone, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Another method.
    pub method: Option<String>,
    /// Another scheme.
    pub scheme: Option<WrittenScheme>,
    /// Another raw target.
    pub target: Option<String>,
    /// Header values that are replaced where they stand, or added when absent.
    pub headers: Option<BTreeMap<String, Bytes>>,
    /// Further header lines.
    pub add_headers: Option<Vec<(String, Bytes)>>,
    /// Names of headers that are removed, every line of them.
    pub remove_headers: Option<Vec<String>>,
    /// Another body, as text.
    pub body: Option<String>,
    /// Another body, as base64.
    pub body_base64: Option<String>,
    /// Another body, as a text that is repeated.
    pub body_repeat: Option<Repeat>,
    /// The first occurrence of a text that is replaced.
    pub replace: Option<OneOrMany<Replace>>,
    /// Another clock of the verifier, RFC 3339.
    pub now: Option<String>,
    /// Another policy, whole.
    pub policy: Option<PolicyChoices>,
    /// Another key; the fields that are given.
    pub credentials: Option<Credentials>,
    /// Other inputs, whole.
    pub inputs: Option<BTreeMap<String, String>>,
}

/// A text that is replaced once; it must occur.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// `target`, `body` or `header.NAME`.
    pub r#in: String,
    /// What stands there.
    pub text: String,
    /// What takes its place.
    pub with: String,
}

/// What the verifier must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The request is accepted.
    Accepted,
    /// The request is refused for this reason.
    Refused(Reason),
}

impl Expect {
    /// `accepted`, or the reason's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused(reason) => reason.as_str(),
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "accepted" {
            return Ok(Self::Accepted);
        }
        let reason = Reason::from_name(&text);
        reason.map(Self::Refused).ok_or_else(|| de::Error::custom(format!("`{text}` is neither `accepted` nor a reason")))
    }
}

impl JsonSchema for Expect {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Expect")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = std::iter::once("accepted").chain(Reason::ALL.iter().map(|r| r.as_str())).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

/// One value, or a list of them.
#[derive(Debug, Clone)]
pub struct OneOrMany<T>(pub Vec<T>);

/// Written by hand so that an unknown key inside is named, which an untagged enum would not do.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, or a list of maps")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany)
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "oneOf": [one, { "type": "array", "items": one }] })
    }
}
