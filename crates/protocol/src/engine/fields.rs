//! Finds carried values where they ride: header lines, raw parameters, and the members of a JSON body as raw bytes.

use std::ops::Range;

use super::lists::split;
use super::scene::Scene;
use crate::dialect::plan::{Claimed, Entry, Place};
use crate::encoding::{Decoding, decode};
use crate::message::{Body, MessageView};
use crate::reason::{Reason, Refusal};

/// What was found under a name.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) values: Vec<Vec<u8>>,
    /// Why the place cannot be read in one way only.
    pub(crate) ambiguous: Option<String>,
}

/// Every value that rides where the entry says.
pub(crate) fn find(message: &dyn MessageView, body: Body<'_>, entry: &Entry) -> Result<Found, Refusal> {
    let name = entry.name.as_str();
    match entry.place {
        Place::Header => Ok(Found { values: message.values(name).map(<[u8]>::to_vec).collect(), ambiguous: None }),
        Place::Query => Ok(parameters(message.query(), Decoding::Percent, name)),
        Place::Form => form(message, body, name),
        Place::Params => {
            let mut found = parameters(message.query(), entry.decoding, name);
            if message.is_form() {
                found.values.extend(form(message, body, name)?.values);
            }
            Ok(found)
        }
        Place::Json => json(body, name),
        Place::Body if message.is_form() => Ok(guarded_form(message, body, name)?),
        Place::Body => json(body, name),
    }
}

fn bytes(body: Body<'_>) -> Result<&[u8], Refusal> {
    match body {
        Body::Bytes(bytes) => Ok(bytes),
        Body::Digests(_) | Body::Pending => {
            Err(Refusal::new(Reason::Internal, "this dialect's claims ride in the body, which is not there"))
        }
    }
}

fn parameters(text: &[u8], decoding: Decoding, name: &str) -> Found {
    let values = split(text).filter(|(n, _)| decode(n, decoding) == name.as_bytes()).map(|(_, v)| decode(v, decoding)).collect();
    Found { values, ambiguous: None }
}

fn form(message: &dyn MessageView, body: Body<'_>, name: &str) -> Result<Found, Refusal> {
    if message.is_form() { Ok(parameters(bytes(body)?, Decoding::Form, name)) } else { Ok(Found::default()) }
}

/// A field of a form whose raw bytes are signed: it may be spelled in one way only, and stand once.
fn guarded_form(message: &dyn MessageView, body: Body<'_>, name: &str) -> Result<Found, Refusal> {
    let all = form(message, body, name)?;
    let plain: Vec<_> = split(bytes(body)?).filter(|(n, _)| *n == name.as_bytes()).map(|(_, v)| decode(v, Decoding::Form)).collect();
    let ambiguous =
        (all.values.len() != plain.len() || plain.len() > 1).then(|| format!("the field {name} is there more than once, or escaped"));
    Ok(Found { values: plain, ambiguous })
}

fn json(body: Body<'_>, name: &str) -> Result<Found, Refusal> {
    let body = bytes(body)?;
    let members = members(body, name);
    let top: Vec<_> = members.iter().filter(|m| m.is_plain()).collect();
    let ambiguous =
        (members.len() > top.len() || top.len() > 1).then(|| format!("the member {name} is there more than once, escaped or nested"));
    let mut values = Vec::new();
    for member in top {
        let text = &body[member.value.clone()];
        if !member.is_text || text.contains(&b'\\') {
            return Err(Refusal::new(Reason::MalformedClaim, format!("the member {name} is no plain text")));
        }
        values.push(text.to_vec());
    }
    Ok(Found { values, ambiguous })
}

/// The body with the value of the carried signature emptied; every other byte as it is.
pub(crate) fn without_signature(scene: &Scene<'_>) -> Result<Vec<u8>, Refusal> {
    let body = scene.body_bytes()?;
    let carrier = scene.plan.carry.iter().find(|e| e.holds(Claimed::Signature) && e.place.in_body());
    let span = carrier.and_then(|entry| value_span(scene.message, body, entry));
    Ok(match span {
        Some(span) => [&body[..span.start], &body[span.end..]].concat(),
        None => body.to_vec(),
    })
}

/// Where the value of an entry stands in the body: between the quotes of a member, or after the `=` of a field.
pub(crate) fn value_span(message: &dyn MessageView, body: &[u8], entry: &Entry) -> Option<Range<usize>> {
    if message.is_form() {
        return field_span(body, &entry.name);
    }
    members(body, &entry.name).into_iter().find(|m| m.is_plain() && m.is_text).map(|m| m.value)
}

/// The value of the first field of this raw name: what follows its `=`, or the empty place after its name.
fn field_span(body: &[u8], name: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for fragment in body.split(|b| *b == b'&') {
        let end = start + fragment.len();
        let equals = fragment.iter().position(|b| *b == b'=').unwrap_or(fragment.len());
        if fragment[..equals] == *name.as_bytes() {
            return Some((start + equals + 1).min(end)..end);
        }
        start = end + 1;
    }
    None
}

/// A member of a JSON object somewhere in a body.
struct Member {
    depth: usize,
    escaped: bool,
    is_text: bool,
    /// The value's bytes; of a text, those between the quotes.
    value: Range<usize>,
}

impl Member {
    const fn is_plain(&self) -> bool {
        self.depth == 1 && !self.escaped
    }
}

/// The deepest nesting that is looked into; anything deeper is no claim of ours.
const MOST_DEPTH: usize = 128;

/// Every member of this name at any depth, in the order of the body. Where the body is no JSON, what was found so far.
fn members(body: &[u8], name: &str) -> Vec<Member> {
    let mut scanner = Scanner { body, at: 0 };
    let mut found = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let mut may_be_name = false;
    while let Some(byte) = scanner.next_token() {
        match byte {
            b'{' | b'[' => {
                if open.len() >= MOST_DEPTH || open.is_empty() && byte == b'[' {
                    break;
                }
                open.push(byte);
                may_be_name = byte == b'{';
            }
            b'}' | b']' => {
                open.pop();
                may_be_name = false;
                if open.is_empty() {
                    break;
                }
            }
            b',' => may_be_name = open.last() == Some(&b'{'),
            b'"' => {
                let Some(text) = scanner.text() else { break };
                if std::mem::take(&mut may_be_name)
                    && let Some(member) = scanner.member(text, name, open.len())
                {
                    found.push(member);
                }
            }
            _ => {}
        }
    }
    found
}

struct Scanner<'b> {
    body: &'b [u8],
    at: usize,
}

impl Scanner<'_> {
    /// The next byte that is no blank, passed over.
    fn next_token(&mut self) -> Option<u8> {
        self.skip_blanks();
        let byte = *self.body.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip_blanks(&mut self) {
        while self.body.get(self.at).is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The bytes of a text whose opening quote was passed, and past its closing quote.
    fn text(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        loop {
            match self.body.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(start..self.at - 1);
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// The member whose name was just passed, if it is the wanted one. The value is looked at, not passed.
    fn member(&mut self, name: Range<usize>, wanted: &str, depth: usize) -> Option<Member> {
        let raw = &self.body[name];
        let escaped = raw.contains(&b'\\');
        let same = if escaped { unescape(raw).as_deref() == Some(wanted) } else { raw == wanted.as_bytes() };
        if !same {
            return None;
        }
        self.skip_blanks();
        if self.body.get(self.at) != Some(&b':') {
            return None;
        }
        self.at += 1;
        self.skip_blanks();
        let start = self.at;
        if self.body.get(start) != Some(&b'"') {
            return Some(Member { depth, escaped, is_text: false, value: start..start });
        }
        self.at += 1;
        let value = self.text()?;
        Some(Member { depth, escaped, is_text: true, value })
    }
}

/// The text of a JSON string with escapes (RFC 8259, section 7); `None` when it is none.
fn unescape(raw: &[u8]) -> Option<String> {
    let raw = std::str::from_utf8(raw).ok()?;
    let mut units: Vec<u16> = Vec::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            continue;
        }
        let plain = match chars.next()? {
            'u' => {
                let digits: String = chars.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4)?);
                continue;
            }
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).ok()
}

/// The place behind which a new member can be written: after the last member, or after the opening brace.
pub(crate) fn end_of_object(body: &[u8]) -> Option<(usize, bool)> {
    let mut scanner = Scanner { body, at: 0 };
    if scanner.next_token()? != b'{' {
        return None;
    }
    let (mut depth, mut empty) = (1_usize, true);
    loop {
        let before = {
            scanner.skip_blanks();
            scanner.at
        };
        match scanner.next_token()? {
            b'"' => {
                scanner.text()?;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((before, empty));
        }
        empty = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(body: &str) -> Vec<(usize, bool, bool, &str)> {
        members(body.as_bytes(), "sig").iter().map(|m| (m.depth, m.escaped, m.is_text, &body[m.value.clone()])).collect()
    }

    #[test]
    fn members_are_found_at_every_depth_and_spelling() {
        assert_eq!(spans(r#"{"a":"sig","sig":"x"}"#), [(1, false, true, "x")]);
        assert_eq!(
            spans(r#"{ "sig" : "x" , "s\u0069g":"y","b":[{"sig":"z"}]}"#),
            [(1, false, true, "x"), (1, true, true, "y"), (3, false, true, "z")]
        );
        assert_eq!(spans(r#"{"a":{"sig":1}}"#), [(2, false, false, "")]);
        assert_eq!(spans(r#"{"sig":"a\"b"}"#), [(1, false, true, r#"a\"b"#)]);
        assert_eq!(spans("\t{\r\n\"a\\\"\":[1],\"b\":{\"c\":2},\"sig\"\n:\t\"x\"}"), [(1, false, true, "x")]);
        assert_eq!(spans(r#"{"sig":{"sig":"x"},"sig":"y"}"#), [(1, false, false, ""), (2, false, true, "x"), (1, false, true, "y")]);
        assert_eq!(spans(r#"{"a":1}{"sig":"x"}"#), [], "what follows the object");
    }

    #[test]
    fn a_text_that_is_no_name_is_no_member() {
        for body in [r#"{"a":["sig","b","sig":"x"]}"#, r#"{"a":"sig":"x"}"#, r#"{"sig" "x"}"#, r#"{"sigs":"x","si":"y"}"#, r#"{"sig":"x"#] {
            assert_eq!(spans(body), [], "{body}");
        }
    }

    #[test]
    fn escapes_of_a_name_are_those_of_json() {
        let text = |raw: &str| unescape(raw.as_bytes());
        assert_eq!(text(r#"\b\f\n\r\t\/\\\""#).as_deref(), Some("\u{8}\u{c}\n\r\t/\\\""));
        assert_eq!(text(r"s\u0069g é\u00e9 \ud83d\ude00 😀").as_deref(), Some("sig éé 😀 😀"));
        for none in [r"\", r"\u12", r"\u12g4", r"\ud83d", r"\ude00\ud83d"] {
            assert_eq!(text(none), None, "{none}");
        }
    }

    #[test]
    fn a_field_is_found_by_its_raw_name() {
        for (body, expected) in [
            ("sig=x", Some(4..5)),
            ("a=1&sig=xy&b=2", Some(8..10)),
            ("a=sig&sig", Some(9..9)),
            ("sig&a=1", Some(3..3)),
            ("sig=&sig=x", Some(4..4)),
            ("sig=a=b", Some(4..7)),
            ("s%69g=x&sigs=y&si=z", None),
            ("", None),
        ] {
            assert_eq!(field_span(body.as_bytes(), "sig"), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_object_holds_nothing() {
        for body in ["", "[", r#"["sig"]"#, "nonsense", r#""sig""#, r#"{"sig"#, "\u{0}{"] {
            assert!(spans(body).is_empty(), "{body}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}{}", "{\"a\":".repeat(100_000), r#"{"sig":"x"}"#);
        assert!(spans(&deep).is_empty());
        let at = |depth: usize| spans(&format!("{}{}", "{\"a\":".repeat(depth - 1), r#"{"sig":"x"}"#)).len();
        assert_eq!((at(MOST_DEPTH), at(MOST_DEPTH + 1)), (1, 0));
    }

    #[test]
    fn a_member_can_be_added_behind_the_last_one() {
        assert_eq!(end_of_object(b"{}"), Some((1, true)));
        assert_eq!(end_of_object(br#"{"a":{"b":"}"} }"#), Some((15, false)));
        assert_eq!(end_of_object(b"[]"), None);
        assert_eq!(end_of_object(b"{"), None);
        assert_eq!(end_of_object(b" { } "), Some((3, true)));
        assert_eq!(end_of_object(br#"{"a":[{"}":1},[2]]}"#), Some((18, false)));
        assert_eq!(end_of_object(br#"{"a":"b}"#), None);
    }
}
