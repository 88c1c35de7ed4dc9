//! Whether a chain holds: pure, fed with records and heads in their order.

use std::fmt;

use super::head::{Head, SignedHead};
use super::key::{AuditKey, Pinned};
use super::record::{Record, link, sha256};
use crate::random::to_hex;

/// A record as it is kept.
pub(super) struct Row {
    pub(super) sequence: u64,
    pub(super) line: String,
    pub(super) link: Vec<u8>,
    pub(super) seal: Vec<u8>,
    pub(super) evidence: Option<Vec<u8>>,
}

/// What holds of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The chain's id.
    pub chain: String,
    /// The records up to this one were forgotten, and a head says so; 0 when none was.
    pub pruned: u64,
    /// The last record.
    pub last: u64,
    /// The last record that a head holds.
    pub signed: u64,
    /// When that head was signed.
    pub signed_at: String,
    /// The heads whose signature holds.
    pub heads: u64,
    /// The heads of the anchor that agree with the log.
    pub anchored: u64,
    /// Whether the records' seals and evidence were checked too, which takes the master key.
    pub sealed: bool,
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The record at which it shows; 0 where it is none.
    pub sequence: u64,
    /// What is wrong.
    pub fault: String,
}

impl Fault {
    pub(super) fn at(sequence: u64, fault: impl Into<String>) -> Self {
        Self { sequence, fault: fault.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sequence {
            0 => f.write_str(&self.fault),
            sequence => write!(f, "record {sequence}: {}", self.fault),
        }
    }
}

impl std::error::Error for Fault {}

/// A chain under examination.
pub(super) struct Verification<'k> {
    pinned: &'k Pinned,
    key: Option<&'k AuditKey>,
    chain: String,
    last: u64,
    link: [u8; 32],
    /// The link of the record before the first one.
    before: [u8; 32],
    report: Report,
}

impl<'k> Verification<'k> {
    /// Begins where the last head says that the chain is kept from. With a key, seals are checked too.
    pub(super) fn begin(pinned: &'k Pinned, key: Option<&'k AuditKey>, last_head: Option<&SignedHead>) -> Result<Self, Fault> {
        let head = last_head.ok_or_else(|| Fault::at(0, "there is no signed head: the heads were deleted"))?;
        let head = checked(head, pinned, pinned.chain.as_deref(), "the last head")?;
        let report = Report {
            chain: head.chain.clone(),
            pruned: head.pruned,
            last: head.pruned,
            signed: head.pruned,
            signed_at: String::new(),
            heads: 0,
            anchored: 0,
            sealed: key.is_some(),
        };
        Ok(Self { pinned, key, chain: head.chain, last: head.pruned, link: head.pruned_link, before: head.pruned_link, report })
    }

    /// Begins after the last head: for the records that no head holds yet.
    pub(super) fn resume(key: &'k AuditKey, last_head: Option<&SignedHead>) -> Result<Self, Fault> {
        let begun = Self::begin(key.pinned(), Some(key), last_head)?;
        let head = last_head.and_then(|signed| Head::from_text(&signed.text));
        Ok(match head {
            Some(Head { sequence, link, .. }) => Self { last: sequence, link, before: link, ..begun },
            None => begun,
        })
    }

    pub(super) const fn pruned(&self) -> u64 {
        self.report.pruned
    }

    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn chain(&self) -> &str {
        &self.chain
    }

    /// Whether the record before the first one has this link.
    pub(super) fn follows(&self, link: &[u8]) -> bool {
        self.before == *link
    }

    /// The next record.
    pub(super) fn record(&mut self, row: &Row) -> Result<(), Fault> {
        let expected = self.last + 1;
        if row.sequence != expected {
            return Err(Fault::at(expected, format!("it is missing; the next one is {}", row.sequence)));
        }
        let broken = |fault: &str| Fault::at(expected, fault);
        let record = Record::from_line(&row.line).ok_or_else(|| broken("its text was changed: it is no record"))?;
        if record.chain != self.chain {
            return Err(broken("it belongs to another chain"));
        }
        if record.sequence != expected {
            return Err(Fault::at(expected, format!("record {} stands in its place", record.sequence)));
        }
        let link = link(&self.link, &row.line);
        if link != *row.link {
            return Err(broken("its text was changed"));
        }
        if let Some(key) = self.key {
            check_sealed(key, row, &record, &link)?;
        }
        if record.evidence.is_empty() == row.evidence.is_some() {
            return Err(broken("its evidence was deleted or added"));
        }
        (self.last, self.link) = (expected, link);
        Ok(())
    }

    /// A head of the log over the records so far.
    pub(super) fn head(&mut self, signed: &SignedHead) -> Result<(), Fault> {
        let head = checked(signed, self.pinned, Some(&self.chain), "a head")?;
        self.agree(&head, "the head that was signed over it")?;
        self.report.heads += 1;
        (self.report.signed, self.report.signed_at) = (head.sequence, head.time);
        Ok(())
    }

    /// A head of the anchor over the records so far.
    pub(super) fn anchored(&mut self, head: &Head) -> Result<(), Fault> {
        self.agree(head, "the head in the anchor")?;
        self.report.anchored += 1;
        Ok(())
    }

    fn agree(&self, head: &Head, what: &str) -> Result<(), Fault> {
        if head.sequence > self.last {
            return Err(Fault::at(self.last + 1, format!("it is missing: the log ends before {what}, at record {}", head.sequence)));
        }
        if head.sequence < self.last {
            return Err(Fault::at(head.sequence, format!("{what} stands in another's place")));
        }
        if head.link != self.link {
            return Err(Fault::at(head.sequence, format!("{what} holds another content of the records up to it")));
        }
        Ok(())
    }

    /// Every record and head was seen.
    pub(super) fn end(mut self) -> Report {
        self.report.last = self.last;
        self.report
    }
}

/// What a head of an anchor says: `None` when it is of another chain.
pub(super) fn of_anchor(signed: &SignedHead, pinned: &Pinned, chain: &str) -> Result<Option<Head>, Fault> {
    let other = Head::from_text(&signed.text).is_some_and(|head| head.chain != chain);
    if other { Ok(None) } else { checked(signed, pinned, Some(chain), "a head in the anchor").map(Some) }
}

fn checked(signed: &SignedHead, pinned: &Pinned, chain: Option<&str>, what: &str) -> Result<Head, Fault> {
    let said = Head::from_text(&signed.text).map_or(0, |head| head.sequence);
    let fault = || Fault::at(said, format!("{what} at this record was changed, or signed by another key"));
    let head = signed.verified(pinned.public_key()).ok_or_else(fault)?;
    match chain {
        Some(chain) if head.chain != chain => Err(Fault::at(said, format!("{what} belongs to another chain, {}", head.chain))),
        _ => Ok(head),
    }
}

fn check_sealed(key: &AuditKey, row: &Row, record: &Record, link: &[u8; 32]) -> Result<(), Fault> {
    if !key.seals(link, &row.seal) {
        return Err(Fault::at(row.sequence, "it was written by somebody without the master key"));
    }
    let Some(sealed) = &row.evidence else { return Ok(()) };
    let lines = key.open_evidence(row.sequence, sealed);
    let same = lines.is_some_and(|lines| to_hex(&sha256(lines.as_bytes())) == record.evidence);
    if same { Ok(()) } else { Err(Fault::at(row.sequence, "its evidence was changed")) }
}
