//! A record as it is kept: one line of JSON, and the link that holds it and everything before it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Call, Change, Event, Proof};
use crate::admission::BodyProof;
use crate::random::to_hex;

/// What stands before each text that a link is made of.
const LINK: &str = "countersign audit link 1";
/// The most characters of each text of a change.
const MOST_TEXT: usize = 2_000;

/// One record. A field that does not apply is empty and not written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The chain's id.
    pub chain: String,
    /// The place in the chain, from 1.
    pub sequence: u64,
    /// The time: RFC 3339, in milliseconds.
    pub time: String,
    /// `admitted`, `refused`, `change` or `change_failed`.
    pub kind: String,
    /// The app.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub app: String,
    /// The credential's key id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key_id: String,
    /// The dialect.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub dialect: String,
    /// The route's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether an admitted body was `intact`, `pending` or `unchecked`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Key id and string to sign, hashed under the log's key: hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// What can be shown to a third party: `signature`, or why nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof: String,
    /// What binds the evidence to this record: the SHA-256 of its lines, hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    /// Who changed something.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// What was changed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// What else there is to say of a change.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Refusals of this app before this one that were over the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unrecorded: u64,
    /// Records that could not be written before this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
}

impl Record {
    pub(super) fn new(chain: &str, sequence: u64, at: Timestamp, lost: u64, event: &Event) -> Self {
        let start = Self { chain: chain.to_owned(), sequence, time: rfc3339(at), lost, ..Self::default() };
        match event {
            Event::Admitted { call, body } => {
                Self { kind: "admitted".to_owned(), body: body_word(*body).to_owned(), ..start.of_call(call) }
            }
            Event::Refused { call, reason, unrecorded } => {
                Self { kind: "refused".to_owned(), reason: reason.as_str().to_owned(), unrecorded: *unrecorded, ..start.of_call(call) }
            }
            Event::Change(change) => Self { kind: "change".to_owned(), ..start.of_change(change) },
            Event::LoginRefused { change, unrecorded } => {
                Self { kind: "change".to_owned(), unrecorded: *unrecorded, ..start.of_change(change) }
            }
            Event::ChangeFailed(change) => Self { kind: "change_failed".to_owned(), ..start.of_change(change) },
        }
    }

    fn of_call(self, call: &Call) -> Self {
        let evidence = call.proof.lines().map(|lines| to_hex(&sha256(lines.as_bytes()))).unwrap_or_default();
        Self {
            app: call.app.clone(),
            key_id: call.key_id.clone(),
            dialect: call.dialect.clone(),
            route: call.route.clone(),
            digest: to_hex(&call.digest),
            proof: call.proof.as_str().to_owned(),
            evidence,
            ..self
        }
    }

    fn of_change(self, change: &Change) -> Self {
        Self {
            by: bounded(&change.by),
            action: change.action.to_owned(),
            app: bounded(&change.app),
            key_id: bounded(&change.key_id),
            detail: bounded(&change.detail),
            ..self
        }
    }

    /// The line that is hashed and kept.
    pub(super) fn to_line(&self) -> String {
        // Strings and numbers only: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a line back; `None` when it is no record.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// The time in milliseconds since 1970; `None` when it is no time.
    #[must_use]
    pub fn millis(&self) -> Option<i64> {
        Timestamp::parse_rfc3339(&self.time).map(Timestamp::millis)
    }
}

impl Proof {
    /// Algorithm, public key, signature and string to sign, a line each: what evidence is made of.
    pub(super) fn lines(&self) -> Option<String> {
        let Self::Signature { algorithm, public_key, message, signature } = self else { return None };
        let [key, signature, message] = [public_key, signature, message].map(|bytes| STANDARD.encode(bytes));
        Some(format!("{algorithm}\n{key}\n{signature}\n{message}\n"))
    }
}

/// What a record and everything before it are held by: SHA-256 over three lines, so that a chain can be shown without showing other records.
pub(super) fn link(previous: &[u8; 32], line: &str) -> [u8; 32] {
    link_of_digest(previous, &sha256(line.as_bytes()))
}

pub(super) fn link_of_digest(previous: &[u8; 32], digest: &[u8; 32]) -> [u8; 32] {
    sha256(format!("{LINK}\n{}\n{}\n", to_hex(previous), to_hex(digest)).as_bytes())
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Always with three digits of milliseconds, so that texts sort as times do.
pub(super) fn rfc3339(at: Timestamp) -> String {
    let whole = Timestamp::from_seconds(at.millis().div_euclid(1_000)).map(|whole| whole.to_string()).unwrap_or_default();
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), at.millis().rem_euclid(1_000))
}

/// A change is recorded before the store has checked its values.
fn bounded(text: &str) -> String {
    text.chars().take(MOST_TEXT).collect()
}

const fn body_word(body: BodyProof) -> &'static str {
    match body {
        BodyProof::Intact => "intact",
        BodyProof::Pending => "pending",
        BodyProof::Unchecked => "unchecked",
    }
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}
