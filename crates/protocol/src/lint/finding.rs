//! What can be found: stable ids, how grave, what each means and how it is mended.

use std::fmt;

use super::proof::{Proof, Unproved};
use crate::dialect::Part;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing: the default policy refuses it, or a route decides.
    Info,
    /// Little is gained by whoever uses it.
    Low,
    /// Something that an application may rely on can be changed.
    Medium,
    /// A captured request becomes another one, or is good for ever.
    High,
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Low, Self::Medium, Self::High];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The severity of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is found. The names are stable: continuous integration may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is described in one table")]
pub enum FindingId {
    MethodUnsigned,
    SchemeUnsigned,
    HostUnsigned,
    PathUnsigned,
    QueryUnsigned,
    BodyUnsigned,
    StatusUnsigned,
    HeaderFree,
    InputUnsigned,
    TimeUnsigned,
    NonceUnsigned,
    NoTime,
    NoNonce,
    NoReplayProtection,
    ReplayUntilExpiry,
    WideWindow,
    ListOpen,
    BodyOptional,
    Collision,
    ParametersMovable,
    SpellingFree,
    UnkeyedDigest,
    WeakHash,
    WeakMac,
    SecretInClear,
    Overlap,
    Downgrade,
}

/// One row: the name, what it means, the mend.
type Row = (FindingId, &'static str, &'static str, &'static str);

const TABLE: [Row; 27] = [
    (FindingId::MethodUnsigned, "method-unsigned", "the method can be changed under the same signature", "sign {method}"),
    (
        FindingId::SchemeUnsigned,
        "scheme-unsigned",
        "a request signed for https passes over http",
        "sign {scheme}, or accept the route over TLS only",
    ),
    (
        FindingId::HostUnsigned,
        "host-unsigned",
        "a request captured at one host passes at another",
        "sign the host and say `require: [host]`, or pin the host of the route",
    ),
    (FindingId::PathUnsigned, "path-unsigned", "the path can be changed under the same signature", "sign {path}"),
    (
        FindingId::QueryUnsigned,
        "query-unsigned",
        "a parameter of the query can be changed or added under the same signature",
        "sign {query}, all of it",
    ),
    (
        FindingId::BodyUnsigned,
        "body-unsigned",
        "the body can be replaced under the same signature",
        "sign {body}, or a digest of it that is itself signed",
    ),
    (FindingId::StatusUnsigned, "status-unsigned", "the status of a response can be changed under the same signature", "sign {status}"),
    (
        FindingId::HeaderFree,
        "header-free",
        "a header can be changed or added under the same signature",
        "sign it, or say `require: [header.NAME]`; an application must not trust it otherwise",
    ),
    (
        FindingId::InputUnsigned,
        "input-unsigned",
        "a value that the message says of itself can be changed under the same signature",
        "sign it, or pin it at the route",
    ),
    (
        FindingId::TimeUnsigned,
        "time-unsigned",
        "the time can be changed under the same signature, so a captured request is never too old",
        "sign {time}",
    ),
    (
        FindingId::NonceUnsigned,
        "nonce-unsigned",
        "the nonce can be changed under the same signature, so a repeat is not recognised",
        "sign {nonce}",
    ),
    (FindingId::NoTime, "no-time", "nothing bounds the age of a request: one that was captured years ago passes", "carry and sign {time}"),
    (
        FindingId::NoNonce,
        "no-nonce",
        "a captured request of a method that changes nothing can be repeated within its window",
        "carry and sign {nonce}, or say `replay: signature`",
    ),
    (
        FindingId::NoReplayProtection,
        "no-replay-protection",
        "a captured request can be sent again and is acted on again",
        "sign a time and a nonce, or name the event by something that is signed",
    ),
    (
        FindingId::ReplayUntilExpiry,
        "replay-until-expiry",
        "a captured request can be repeated until its own expiry",
        "keep the longest expiry short; a policy may shorten it",
    ),
    (
        FindingId::WideWindow,
        "wide-window",
        "a captured request passes long after it was signed",
        "say a shorter `time: { window }`, such as 5m; a policy may shorten it",
    ),
    (
        FindingId::ListOpen,
        "list-open",
        "a signer may leave this out of its list of headers and is accepted, and then it can be changed",
        "say `require: [header.NAME]`",
    ),
    (
        FindingId::BodyOptional,
        "body-optional",
        "a signer may leave the body unsigned and is accepted, and then the body can be replaced",
        "require the body in the policy of the route",
    ),
    (
        FindingId::Collision,
        "collision",
        "two different requests have one string to sign: a signature for one is a signature for the other",
        "encode names and values, or put a character between them that they cannot hold",
    ),
    (
        FindingId::ParametersMovable,
        "parameters-movable",
        "query and form are signed as one list: a parameter can be moved from one to the other",
        "let the application read parameters from one place only",
    ),
    (
        FindingId::SpellingFree,
        "spelling-free",
        "two spellings have one signature: whoever reads the raw text sees a difference that is not signed",
        "let the application read what is signed, and not the raw text",
    ),
    (FindingId::UnkeyedDigest, "unkeyed-digest", "the signature is a bare digest of a text with the secret in it", "use HMAC"),
    (FindingId::WeakHash, "weak-hash", "the digest is one for which two texts of one digest can be made", "use SHA-256"),
    (
        FindingId::WeakMac,
        "weak-mac",
        "the MAC is built on a broken digest; no forgery is known, and none is needed to leave it",
        "use HMAC-SHA256",
    ),
    (
        FindingId::SecretInClear,
        "secret-in-clear",
        "the secret itself is sent: whoever sees one request makes any other",
        "use a dialect that signs",
    ),
    (
        FindingId::Overlap,
        "overlap",
        "one request is of both dialects, so a route cannot accept both",
        "give each a route of its own, or a constant that tells them apart",
    ),
    (
        FindingId::Downgrade,
        "downgrade",
        "a signature made in one dialect is accepted in the other under the same key",
        "give each dialect keys of its own, and begin each string to sign with the dialect's name",
    ),
];

impl FindingId {
    /// Every id, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        // Each id has its row, which a test holds; the first one stands in for a type checker.
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The id of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// What it means, in one sentence.
    #[must_use]
    pub fn means(self) -> &'static str {
        self.row().2
    }

    /// What takes it away.
    #[must_use]
    pub fn mend(self) -> &'static str {
        self.row().3
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A finding as a rule states it. Nothing of it is proved.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) id: FindingId,
    pub(super) severity: Severity,
    pub(super) part: Option<Part>,
    pub(super) note: String,
    pub(super) proof: Proof,
}

/// Something that was found, with two messages that show it. It exists only if both were verified.
#[derive(Debug)]
pub struct Finding(Draft);

impl Finding {
    /// Verifies both messages, and that they show what is said.
    pub(super) fn prove(draft: Draft) -> Result<Self, Unproved> {
        match draft.proof.check() {
            Ok(()) => Ok(Self(draft)),
            Err(why) => Err(Unproved { id: draft.id, part: draft.part, why }),
        }
    }

    /// What it is.
    #[must_use]
    pub const fn id(&self) -> FindingId {
        self.0.id
    }

    /// How grave it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.0.severity
    }

    /// The part of the message of which it speaks.
    #[must_use]
    pub const fn part(&self) -> Option<&Part> {
        self.0.part.as_ref()
    }

    /// What is particular here.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.0.note
    }

    /// The two messages.
    #[must_use]
    pub const fn proof(&self) -> &Proof {
        &self.0.proof
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_has_one_row_and_one_name() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(FindingId::from_name(row.1), Some(row.0));
            assert!(TABLE[..index].iter().all(|other| other.0 != row.0 && other.1 != row.1), "{}", row.1);
            assert!(!row.2.is_empty() && !row.3.is_empty());
        }
        assert_eq!(TABLE.last().map(|row| row.0), Some(FindingId::Downgrade));
        assert_eq!(TABLE.len(), FindingId::Downgrade as usize + 1);
    }
}
