//! A head: where a chain stands, in a text that is signed.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use countersign_protocol::Timestamp;

use super::record::rfc3339;
use crate::random::to_hex;

/// The first line of every head.
const TITLE: &str = "countersign audit head 1";

/// Says of a chain, at some time: it reaches to here, and what is kept of it begins there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The chain's id.
    pub chain: String,
    /// The last record.
    pub sequence: u64,
    /// The link of the last record; zeros for an empty chain.
    pub link: [u8; 32],
    /// When it was signed.
    pub time: String,
    /// The records up to this one were forgotten as old; 0 when none was.
    pub pruned: u64,
    /// The link of the last one that was forgotten.
    pub pruned_link: [u8; 32],
}

/// A head with its signature, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignedHead {
    pub(super) text: String,
    pub(super) signature: Vec<u8>,
}

impl Head {
    pub(super) fn new(chain: &str, (sequence, link): (u64, [u8; 32]), (pruned, pruned_link): (u64, [u8; 32]), at: Timestamp) -> Self {
        Self { chain: chain.to_owned(), sequence, link, time: rfc3339(at), pruned, pruned_link }
    }

    /// The text that is signed.
    pub(super) fn to_text(&self) -> String {
        let Self { chain, sequence, link, time, pruned, pruned_link } = self;
        format!("{TITLE}\nchain {chain}\nlast {sequence} {}\nkept after {pruned} {}\ntime {time}\n", to_hex(link), to_hex(pruned_link))
    }

    /// Reads a text; `None` unless it is exactly as a head is written.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut after = |words: &str| lines.next()?.strip_prefix(words).map(str::to_owned);
        after(TITLE)?;
        let chain = after("chain ")?;
        let (sequence, link) = place(&after("last ")?)?;
        let (pruned, pruned_link) = place(&after("kept after ")?)?;
        let head = Self { chain, sequence, link, time: after("time ")?, pruned, pruned_link };
        (head.to_text() == text).then_some(head)
    }
}

impl SignedHead {
    /// What it says, if this key signed it.
    pub(super) fn verified(&self, public_key: &[u8]) -> Option<Head> {
        UnparsedPublicKey::new(&ED25519, public_key).verify(self.text.as_bytes(), &self.signature).ok()?;
        Head::from_text(&self.text)
    }
}

fn place(text: &str) -> Option<(u64, [u8; 32])> {
    let (number, link) = text.split_once(' ')?;
    Some((number.parse().ok()?, from_hex(link)?))
}

pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back_and_no_other_text_is_one() {
        let at = Timestamp::from_millis(1_739_437_548_020).unwrap();
        let head = Head::new("c0ffee", (7, [1; 32]), (3, [2; 32]), at);
        let text = head.to_text();
        assert_eq!(Head::from_text(&text), Some(head));
        assert!(text.ends_with(".020Z\n"), "{text}");
        for other in [text.replace("last 7", "last 07"), text.replace('\n', "\r\n"), format!("{text}\n"), String::new()] {
            assert_eq!(Head::from_text(&other), None, "{other:?}");
        }
    }
}
