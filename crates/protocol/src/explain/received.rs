//! What a message claims, read as far as it can be read: a signature in another encoding and a time in another format are noted, not refused.

use crate::dialect::plan::{Claimed, Input, Plan, Shape, SignatureEncoding, Slot};
use crate::dialect::{Dialect, Inputs};
use crate::encoding::{self, Decoding};
use crate::engine::read::encode_signature;
use crate::engine::scene::Texts;
use crate::message::MessageView;
use crate::reason::Refusal;
use crate::secret::Tag;
use crate::time::{TimeFormat, Timestamp, Zone};

/// What was read of a message.
pub(super) struct Received {
    pub(super) texts: Texts,
    /// The listed names of signed headers; absent where the dialect carries no list.
    pub(super) names: Option<Vec<String>>,
    pub(super) instant: Option<Timestamp>,
    /// The format in which the time is written, where it is not the dialect's.
    pub(super) other_format: Option<&'static str>,
    /// The signatures' texts, as carried.
    pub(super) signatures: Vec<String>,
    /// The pinned inputs that the message contradicts, each with what it says.
    pub(super) contradicted: Vec<(String, String)>,
}

impl Received {
    /// Reads a message.
    ///
    /// # Errors
    /// The refusal of a strict reader, where even this one cannot read.
    pub(super) fn read(dialect: &Dialect, message: &dyn MessageView, inputs: &Inputs) -> Result<Self, Refusal> {
        let (plan, signature) = with_open_signature(dialect.plan());
        let read = |plan: &Plan, inputs: &Inputs| {
            dialect.rules().read(plan, message, message.body(), inputs).map(|r| {
                let tags = r.tags.iter().map(|tag| encode_signature(plan.signature.encoding, tag.as_bytes()));
                let signatures = tags.filter_map(|text| String::from_utf8(text).ok()).collect::<Vec<_>>();
                let open = r.texts.get(signature).map(str::to_owned);
                (r.texts, r.names, signatures.into_iter().chain(open).collect::<Vec<_>>())
            })
        };
        // Several signatures side by side are read strictly; inputs that are not as pinned are taken as the message says.
        let strict = read(&plan, inputs).or_else(|refusal| read(dialect.plan(), inputs).map_err(|_| refusal));
        let mut contradicted = Vec::new();
        let (texts, names, signatures) = match strict {
            Ok(read) => read,
            Err(refusal) => {
                let own = read(&plan, &Inputs::new()).map_err(|_| refusal)?;
                for (index, input) in dialect.plan().inputs.iter().enumerate() {
                    if let (Some(pinned), Some(said)) = (inputs.get(&input.name), own.0.get(Claimed::Input(index)))
                        && pinned != said
                    {
                        contradicted.push((input.name.clone(), said.to_owned()));
                    }
                }
                own
            }
        };
        let carries_list = plan.carry.iter().any(|e| e.holds(Claimed::SignedHeaders));
        let (instant, other_format) = instant(&plan, texts.get(Claimed::Time));
        Ok(Self { texts, names: carries_list.then_some(names), instant, other_format, signatures, contradicted })
    }
}

/// A plan that reads the signature as any text, and the claim under which it then stands.
fn with_open_signature(plan: &Plan) -> (Plan, Claimed) {
    let mut plan = plan.clone();
    let open = Claimed::Input(plan.inputs.len());
    plan.inputs.push(Input { name: "signature".to_owned(), optional: true });
    let reopen = |slots: &mut Vec<Slot>| {
        for slot in slots {
            if let Slot::Claim { what, .. } = slot
                && *what == Claimed::Signature
            {
                *what = open;
            }
        }
    };
    for entry in &mut plan.carry {
        match &mut entry.shape {
            Shape::Constant(_) => {}
            Shape::Pattern(pattern) => reopen(&mut pattern.0),
            Shape::Parameters(parameters) => parameters.list.iter_mut().for_each(|p| reopen(&mut p.value.0)),
        }
    }
    (plan, open)
}

/// Formats that signers use, beside those that the dialect names.
pub(super) const FORMATS: [(&str, &str); 8] = [
    ("seconds", "unix"),
    ("milliseconds", "unix-ms"),
    ("an HTTP date", "http-date"),
    ("ISO 8601, basic", "YYYYMMDDThhmmssZ"),
    ("ISO 8601", "YYYY-MM-DDThh:mm:ssZ"),
    ("ISO 8601 with milliseconds", "YYYY-MM-DDThh:mm:ss.SSSZ"),
    ("date and time", "YYYY-MM-DD hh:mm:ss"),
    ("digits of date and time", "YYYYMMDDhhmmss"),
];

fn instant(plan: &Plan, text: Option<&str>) -> (Option<Timestamp>, Option<&'static str>) {
    let (Some(rule), Some(text)) = (&plan.time, text) else { return (None, None) };
    if let Some(at) = rule.formats.iter().find_map(|format| format.read(text, rule.zone)) {
        return (Some(at), None);
    }
    let other = FORMATS.iter().find_map(|(name, format)| {
        let at = TimeFormat::parse(format).ok()?.read(text, Zone::UTC)?;
        Some((at, *name))
    });
    let other = other.or_else(|| nearly(text));
    (other.map(|(at, _)| at), other.map(|(_, name)| name))
}

/// A time with an offset from UTC, without a zone, or with a fraction that no dialect writes.
fn nearly(text: &str) -> Option<(Timestamp, &'static str)> {
    let read = |format: &str, text: &str, zone| TimeFormat::parse(format).ok()?.read(text, zone);
    if let Some((seconds, fraction)) = text.split_once('.')
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && let Some(at) = read("unix", seconds, Zone::UTC)
    {
        return Some((at, "seconds with a fraction"));
    }
    if matches!(text.len(), 16 | 19) && text.bytes().all(|b| b.is_ascii_digit()) {
        let name = if text.len() == 16 { "microseconds" } else { "nanoseconds" };
        return Some((read("unix", text.get(..10)?, Zone::UTC)?, name));
    }
    let (clock, rest) = (text.get(..19)?.replacen(' ', "T", 1), text.get(19..)?);
    let digits = rest.strip_prefix('.').map_or(0, |f| f.bytes().take_while(u8::is_ascii_digit).count());
    let zone = rest.get(if digits > 0 { digits + 1 } else { 0 }..)?;
    let (offset, name) = match zone.as_bytes() {
        [] => (Zone::UTC, "ISO 8601 without a zone"),
        [b'Z'] if digits > 0 => (Zone::UTC, "ISO 8601 with a fraction of another length"),
        [b'Z'] => (Zone::UTC, "ISO 8601 with a blank for T"),
        [b' ', _, _, b':', _, _] => (Zone::parse(&zone.replacen(' ', "+", 1))?, "ISO 8601 with an offset whose + became a blank"),
        [b'+' | b'-', _, _, b':', _, _] => (Zone::parse(zone)?, "ISO 8601 with an offset from UTC in the place of Z"),
        [b'+' | b'-', h, i, m, n] if [h, i, m, n].iter().all(|b| b.is_ascii_digit()) => {
            (Zone::parse(&format!("{}:{}", &zone[..3], &zone[3..]))?, "ISO 8601 with an offset from UTC in the place of Z")
        }
        _ => return None,
    };
    Some((read("YYYY-MM-DDThh:mm:ss", &clock, offset)?, name))
}

/// A signature's text read in one way.
#[derive(Debug, Clone)]
pub(super) struct TagReading {
    pub(super) tag: Tag,
    /// What is unusual in this reading: an id and a sentence; nothing for the dialect's own encoding.
    pub(super) oddity: Option<(&'static str, &'static str)>,
}

/// Every way in which these texts can be read, the dialect's own first.
pub(super) fn readings(signatures: &[String], own: SignatureEncoding) -> Vec<TagReading> {
    let mut all: Vec<TagReading> = Vec::new();
    let mut add = |bytes: Option<Vec<u8>>, oddity: Option<(&'static str, &'static str)>| {
        let Some(bytes) = bytes.filter(|b| !b.is_empty()) else { return };
        let tag = Tag::new(bytes);
        if !all.iter().any(|there| there.tag == tag) {
            all.push(TagReading { tag, oddity });
        }
    };
    for text in signatures {
        add(strict(text.as_bytes(), own), None);
    }
    for text in signatures {
        let text = text.as_bytes();
        add(encoding::from_lower_hex(text), Some(("signature-in-hex", "the signer wrote the signature in hexadecimal")));
        add(encoding::from_hex(text), Some(("signature-in-upper-hex", "the signer wrote the signature in upper-case hexadecimal")));
        add(encoding::from_base64(text), Some(("signature-in-base64", "the signer wrote the signature in base64")));
        let marked = text.iter().any(|b| b"+/".contains(b));
        let unpadded = if marked || own != SignatureEncoding::Base64 {
            "the signer left out the padding of the base64 signature"
        } else {
            "the signer left out the padding of the base64 signature, or wrote it in URL-safe base64: this one is the same in both"
        };
        let unpadded = (encoding::from_loose_base64(text), Some(("signature-unpadded", unpadded)));
        let url_safe =
            (encoding::from_base64url(text), Some(("signature-in-base64url", "the signer wrote the signature in URL-safe base64")));
        let pair = if own == SignatureEncoding::Base64 { [unpadded, url_safe] } else { [url_safe, unpadded] };
        pair.into_iter().for_each(|(bytes, oddity)| add(bytes, oddity));
        let inner = strict(text, own).and_then(|bytes| encoding::from_hex(&bytes));
        add(inner, Some(("signature-in-hex-twice", "the signer encoded the hexadecimal text of the signature once more, not its bytes")));
        let plain = encoding::decode(text, Decoding::Percent);
        add(strict(&plain, own), Some(("signature-percent-encoded", "the signer percent-encoded the signature where it rides as it is")));
        let mended: Vec<u8> = text.iter().map(|b| if *b == b' ' { b'+' } else { *b }).collect();
        add(strict(&mended, own), Some(("signature-plus-lost", "a + of the signature became a blank: it was not percent-encoded")));
    }
    all
}

fn strict(text: &[u8], own: SignatureEncoding) -> Option<Vec<u8>> {
    match own {
        SignatureEncoding::Hex => encoding::from_lower_hex(text),
        SignatureEncoding::Base64 => encoding::from_base64(text),
        SignatureEncoding::Base64Url => encoding::from_base64url(text),
    }
}
