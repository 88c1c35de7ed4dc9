//! The compiled form of a dialect: flat programs over resolved sources. Nothing here is looked up by name at run time.

use std::collections::BTreeSet;

use super::Hazard;
use super::part::Part;
use super::replay::ReplayMode;
use crate::algorithm::Algorithm;
use crate::digest::DigestAlgorithm;
use crate::encoding::Decoding;
use crate::time::{TimeFormat, Window, Zone};

/// A dialect, valid by construction.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) family: String,
    pub(crate) title: String,
    pub(crate) source: Option<String>,
    pub(crate) replaces: Option<String>,
    pub(crate) of_response: bool,
    pub(crate) inputs: Vec<Input>,
    pub(crate) secrets: Vec<String>,
    /// The named texts, each after those that it uses.
    pub(crate) lets: Vec<Let>,
    /// Absent: the dialect carries the secret itself.
    pub(crate) text: Option<Program>,
    pub(crate) headers: HeaderList,
    pub(crate) query: PairList,
    pub(crate) form: PairList,
    pub(crate) params: PairList,
    pub(crate) digest: Option<DigestRule>,
    pub(crate) key: KeyRule,
    pub(crate) algorithm: AlgorithmRule,
    pub(crate) signature: SignatureRule,
    pub(crate) carry: Vec<Entry>,
    pub(crate) time: Option<TimeRule>,
    pub(crate) expires: Option<ExpiresRule>,
    pub(crate) nonce_keep: Option<std::time::Duration>,
    pub(crate) replay: ReplayMode,
    pub(crate) event: Option<Program>,
    pub(crate) require: Vec<Requirement>,
    pub(crate) diagnostics: Option<DiagnosticsRule>,
    /// What a request can sign at all: a requirement beyond it does not apply.
    pub(crate) able: BTreeSet<Part>,
    /// Whether the list of headers is among what is signed.
    pub(crate) signs_list: bool,
    /// Characters that a value may not hold, lest two requests give one text.
    pub(crate) guards: Vec<Guard>,
    pub(crate) hazards: Vec<Hazard>,
}

impl Plan {
    /// Whether anything is signed: else the dialect carries the secret itself.
    pub(crate) fn signs(&self) -> bool {
        self.algorithm != AlgorithmRule::None
    }
}

/// A value that the caller supplies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The name.
    pub name: String,
    /// Whether it may be missing.
    pub optional: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Let {
    pub(crate) name: String,
    pub(crate) program: Program,
}

/// A template, resolved: a flat list of operations on the end of one buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    pub(crate) ops: Vec<Op>,
    /// The named texts that must be rendered before, in this order.
    pub(crate) needs: Vec<usize>,
    /// Whether a secret shows in the text.
    pub(crate) tainted: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Literal(Vec<u8>),
    Put {
        source: Source,
        filters: Vec<Filter>,
    },
    /// What follows, up to the matching end, is left out when nothing in it has a value.
    Begin,
    End,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
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
    SecretPart(usize),
    Let(usize),
    Claim(Claimed),
    ItemName,
    ItemValue,
    StringToSign,
}

/// A text that rides in the message, or that the caller supplies in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claimed {
    KeyId,
    Time,
    Nonce,
    Expires,
    Algorithm,
    SignedHeaders,
    BodyDigest,
    Signature,
    Secret,
    Input(usize),
    SecretPart(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
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
    Time(TimeFormat),
}

#[derive(Debug, Clone)]
pub(crate) struct HeaderList {
    pub(crate) each: Program,
    /// The filters that `each` puts on the name: also how a signer spells a name in the list.
    pub(crate) name_filters: Vec<Filter>,
    pub(crate) join: Vec<u8>,
    pub(crate) order: Order,
    pub(crate) repeated: Repeated,
    pub(crate) drop_empty: bool,
    /// Lower-case.
    pub(crate) except: Vec<String>,
    pub(crate) sign: Vec<HeaderPattern>,
    pub(crate) always: Vec<String>,
    /// Lower-case name, and the line that stands in while no such header is there.
    pub(crate) pseudo: Vec<(String, Program)>,
    pub(crate) missing: Missing,
    pub(crate) names: String,
    pub(crate) default: Vec<HeaderPattern>,
}

/// A header name, or a prefix of header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderPattern {
    /// As written, without the star.
    pub(crate) name: String,
    pub(crate) prefix: bool,
}

impl HeaderPattern {
    pub(crate) fn parse(text: &str) -> Self {
        let prefix = text.ends_with('*');
        Self { name: text.trim_end_matches('*').to_owned(), prefix }
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.prefix {
            name.get(..self.name.len()).is_some_and(|head| head.eq_ignore_ascii_case(&self.name))
        } else {
            name.eq_ignore_ascii_case(&self.name)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Refuse,
    Empty,
    Skip,
}

#[derive(Debug, Clone)]
pub(crate) struct PairList {
    pub(crate) each: Program,
    pub(crate) name_filters: Vec<Filter>,
    pub(crate) value_filters: Vec<Filter>,
    pub(crate) join: Vec<u8>,
    /// What stands between the items of two sources, where that is not what joins items.
    pub(crate) between: Option<Vec<u8>>,
    pub(crate) order: Order,
    pub(crate) repeated: Repeated,
    pub(crate) drop_empty: bool,
    pub(crate) except: Vec<String>,
    /// Names that are no items where they stand in the header of parameters.
    pub(crate) header_except: Vec<String>,
    pub(crate) from: Vec<PairSource>,
    pub(crate) only: Option<Vec<String>>,
    pub(crate) decoding: Decoding,
    /// Bytes that a decoded name or value may not hold, lest two lists give one text.
    pub(crate) name_guard: Vec<u8>,
    pub(crate) value_guard: Vec<u8>,
    /// Whether an item of empty name and value renders to nothing: it could be added or taken away unseen.
    pub(crate) may_vanish: bool,
}

impl PairList {
    /// Whether the list takes everything there is, so that its source as a whole is covered.
    pub(crate) const fn takes_all(&self) -> bool {
        self.only.is_none()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairSource {
    Query,
    Form,
    Authorization,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Name,
    NameValue,
    NameIgnoreCase,
    Line,
    AsIs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Repeated {
    All,
    First,
    Refuse,
    Join(Vec<u8>),
}

#[derive(Debug, Clone)]
pub(crate) struct DigestRule {
    pub(crate) is: Program,
    pub(crate) when: When,
    /// Literals accepted in place of a digest: the body is then unsigned.
    pub(crate) unsigned: Vec<String>,
    /// The digest and the filters after it, when the template is one filtered `{body}`: it can then be streamed.
    pub(crate) streamed: Option<(DigestAlgorithm, Vec<Filter>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    Asked,
    All(Vec<Condition>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Body,
    NotForm,
    Method(String),
}

#[derive(Debug, Clone)]
pub(crate) struct KeyRule {
    pub(crate) from: Program,
    pub(crate) chain: Vec<Program>,
    pub(crate) encode: Option<SignatureEncoding>,
    /// The fewest bits of an RSA modulus under which a signature is verified.
    pub(crate) rsa_bits: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AlgorithmRule {
    /// Nothing is signed.
    None,
    /// The credential says which of these.
    OneOf(Vec<Algorithm>),
    /// The wire names one of these.
    Named(Vec<(String, Vec<Algorithm>)>),
}

impl AlgorithmRule {
    /// Every algorithm that the dialect knows, in its order.
    pub(crate) fn all(&self) -> Vec<Algorithm> {
        match self {
            Self::None => Vec::new(),
            Self::OneOf(list) => list.clone(),
            Self::Named(words) => words.iter().flat_map(|(_, list)| list).copied().collect(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureEncoding {
    Hex,
    Base64,
    Base64Url,
}

#[derive(Debug, Clone)]
pub(crate) struct SignatureRule {
    pub(crate) encoding: SignatureEncoding,
    pub(crate) several: Option<String>,
}

/// Where something rides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Place {
    /// A header.
    Header,
    /// A query parameter.
    Query,
    /// A field of a form body.
    Form,
    /// A form field when the body is a form, else a query parameter.
    Params,
    /// A top-level member of a JSON body.
    Json,
    /// A form field when the body is a form, else a top-level JSON member.
    Body,
}

impl Place {
    pub(crate) const fn in_body(self) -> bool {
        matches!(self, Self::Form | Self::Json | Self::Body)
    }

    /// The name in dialect files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Query => "query",
            Self::Form => "form",
            Self::Params => "params",
            Self::Json => "json",
            Self::Body => "body",
        }
    }
}

/// One thing carried: where, and its template, which is also read backwards.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) optional: bool,
    pub(crate) shape: Shape,
    /// How its value is spelled in a query.
    pub(crate) decoding: Decoding,
    /// The claims that ride in it.
    pub(crate) holds: Vec<Claimed>,
}

impl Entry {
    pub(crate) fn holds(&self, what: Claimed) -> bool {
        self.holds.contains(&what)
    }

    /// Whether the entry can be written without this claim, which it holds.
    pub(crate) fn may_lack(&self, what: Claimed) -> bool {
        let is_open = |slot: &Slot| matches!(slot, Slot::Claim { what: held, may_be_empty: true, .. } if *held == what);
        let holds = |pattern: &Pattern| pattern.0.iter().any(|slot| matches!(slot, Slot::Claim { what: held, .. } if *held == what));
        self.optional
            || match &self.shape {
                Shape::Constant(_) => false,
                Shape::Pattern(pattern) => pattern.0.iter().any(is_open),
                Shape::Parameters(parameters) => {
                    parameters.list.iter().any(|p| holds(&p.value) && (p.optional || p.value.0.iter().any(is_open)))
                }
            }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// The same text every time.
    Constant(Vec<u8>),
    Pattern(Pattern),
    Parameters(Parameters),
}

/// Literals and slots in turn; read from the right.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(pub(crate) Vec<Slot>);

#[derive(Debug, Clone)]
pub(crate) enum Slot {
    Literal(Vec<u8>),
    /// A claim; percent-encoded on the wire if so said. One in a bracket may be empty.
    Claim {
        what: Claimed,
        percent: bool,
        may_be_empty: bool,
    },
    /// Computed, and compared with what was read.
    Computed(Program),
}

/// `Scheme name=value, name="value"`.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub(crate) scheme: String,
    pub(crate) separator: u8,
    pub(crate) list: Vec<Parameter>,
}

#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// What stands before it when it is not the first that is written.
    pub(crate) before: Vec<u8>,
    pub(crate) name: String,
    pub(crate) quoted: bool,
    pub(crate) optional: bool,
    pub(crate) value: Pattern,
}

#[derive(Debug, Clone)]
pub(crate) struct TimeRule {
    pub(crate) formats: Vec<TimeFormat>,
    pub(crate) window: Window,
    pub(crate) zone: Zone,
}

#[derive(Debug, Clone)]
pub(crate) struct ExpiresRule {
    pub(crate) form: ExpiresForm,
    pub(crate) default: Option<std::time::Duration>,
    pub(crate) max: std::time::Duration,
}

#[derive(Debug, Clone)]
pub(crate) enum ExpiresForm {
    /// A number of seconds after the time.
    Seconds,
    /// A number of milliseconds after the time.
    Millis,
    /// An instant.
    At(TimeFormat),
}

/// A part that must be signed, or every header with a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Requirement {
    Part(Part),
    Headers(HeaderPattern),
}

#[derive(Debug, Clone)]
pub(crate) struct DiagnosticsRule {
    pub(crate) header: Option<String>,
    pub(crate) text: Program,
    pub(crate) newline: Option<String>,
}

/// What a request may not hold, because the text around it could not be taken apart otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guard {
    /// This byte in what these filters make of this source.
    Byte { source: Source, filters: Vec<Filter>, byte: u8 },
    /// A value of which the last of these filters loses something: a value of the source itself, or of the items of a list.
    Lost { source: Source, list: Option<Source>, filters: Vec<Filter> },
    /// A listed header of this lower-case name: its line would look like what follows the list.
    ListedHeader(String),
    /// A slash at the end of a path that gets one where there is none; the filters before say what the path is by then.
    ClosingSlash { before: Vec<Filter> },
    /// An escape of one of these bytes in a part that is signed decoded.
    Escape { source: Source, bytes: &'static [u8] },
}
